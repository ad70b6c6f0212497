// The explorer's pictures: frames under the attention, frame by frame, curves over the frames.

const LARGE = 448; // pixels on the longer side of an enlarged frame
const MATRIX = 256; // pixels of the matrix
const CHART = { width: 440, height: 146, left: 46, right: 402, top: 24, bottom: 122 };

/** Choose a query; a patch needs a branch in which patches are queries. */
function setQuery(desk, data, query) {
  const [{ branches, timeBranch }] = data.networks;
  const possible = branches.filter(({ byPatches }) => byPatches).map(({ name }) => name);
  if (query && !possible.includes(desk.get("view"))) desk.put("view", timeBranch ?? possible[0]);
  desk.put("query", query);
  if (query) desk.put("frame", whereIs(query, data).frame + 1);
}

const setPatch = (desk, data, { frame, row, column }) =>
  setQuery(desk, data, 1 + frame * data.patches + row * data.columns + column);

/** The scale that is shown, in attention, where `uniform` is uniform. */
const scaleOf = ({ low, high }, uniform) => ({ low: low * uniform, high: high * uniform });

/** One frame, the map over it, the truth, and the query's patch: orange, white in other frames. */
function paint(canvas, data, chosen, panel, frame) {
  blit(canvas, data.photographs[frame], { smooth: true });
  if (panel.map) {
    const map = part(panel.map, frame, data.patches);
    const over = mapPicture(map, data.columns, scaleOf(chosen, panel.uniformPatch), OVERLAY);
    blit(canvas, over, { opacity: chosen.opacity });
  }
  if (chosen.truth)
    for (const [points, dashes] of [[data.outlines.vessel, [3, 2.5]], [data.outlines.lumen, []]])
      drawPolygon(canvas, part(points, frame, points.length / data.frames), { dashes });
  const { where } = chosen;
  if (where?.frame === frame) outlinePatch(canvas, data, where, QUERY_COLOUR);
  else if (where && panel.axis === "time") outlinePatch(canvas, data, where, "#ffffff");
}

/** All frames in a row, and how much attention falls on each. */
function strip(desk, data, side) {
  const { list, cells } = filmstrip(desk, data, side ? {} : {
    label: "Query: arrow keys choose a patch, Page Up and Page Down its frame, Escape the class token",
    position: () => whereIs(desk.get("query"), data),
    start: () => desk.get("frame") - 1,
    choose: (patch) => setPatch(desk, data, patch),
    leave: () => setQuery(desk, data, 0),
  });
  if (side === 0) list.classList.add("csg-query-grid");
  for (const cell of cells) {
    if (side) pressable(desk, data, cell.canvas, () => cell.frame);
    cell.caption.addEventListener("click", () => desk.put("frame", cell.frame + 1));
    [cell.number, cell.state] = ["csg-number", "csg-state"].map((kind) => make("span", { class: kind }));
    cell.caption.append(cell.number);
    cell.shown.append(cell.state);
  }
  const title = paragraph("csg-small csg-title");
  const box = make("div", { class: "csg-strip" }, title, list);
  const draw = (chosen) => {
    const panel = chosen.panels[side];
    box.hidden = !panel;
    if (!panel) return;
    title.textContent = chosen.panels.length > 1 ? panelTitle(data, panel, side) : "";
    for (const cell of cells) drawCell(cell, data, chosen, panel);
  };
  return { box, draw };
}

function drawCell({ frame, canvas, shown, number, state, box }, data, chosen, panel) {
  const total = panel.totals[frame];
  const attended = !Number.isNaN(total);
  const narrowest = chosen.truth && chosen.truth.narrowest === frame + 1;
  paint(canvas, data, chosen, panel, frame);
  number.textContent = attended ? percent(total) : "–";
  const closed = chosen.truth ? `${Math.round(100 * chosen.truth.closed[frame])} % closed` : "";
  state.textContent = closed;
  box.classList.toggle("csg-current", chosen.frame === frame + 1);
  box.classList.toggle("csg-narrowest", Boolean(narrowest));
  box.classList.toggle("csg-unattended", !attended);
  const words = [`Frame ${frame + 1}`, attended ? `${percent(total)} of the attention` : "no attention possible"];
  if (closed) words.push(closed);
  if (narrowest) words.push("the narrowest");
  shown.setAttribute("aria-label", words.join(", "));
}

/** A press chooses the patch under it; keys go on from the strip. */
function pressable(desk, data, canvas, frameOf) {
  onPatchPress(canvas, data, (row, column) => {
    setPatch(desk, data, { frame: frameOf(), row, column });
    desk.root.querySelector(".csg-query-grid").focus({ preventScroll: true });
  });
}

/** One or two frames, enlarged. */
function enlarged(desk, data) {
  const canvases = [0, 1].map(() => {
    const canvas = frameCanvas(data, LARGE);
    canvas.role = "img";
    pressable(desk, data, canvas, () => desk.get("frame") - 1);
    return canvas;
  });
  const box = make("div", { class: "csg-pair" }, ...canvases);
  const draw = (chosen) =>
    canvases.forEach((canvas, side) => {
      const panel = chosen.panels[side];
      canvas.hidden = !panel;
      if (!panel) return;
      paint(canvas, data, chosen, panel, chosen.frame - 1);
      const whose = chosen.panels.length > 1 ? `, ${panelTitle(data, panel, side)}` : "";
      canvas.setAttribute("aria-label", `Frame ${chosen.frame}, enlarged${whose}`);
    });
  return { box, draw };
}

/** What the colours mean, as they look over a grey: one scale for all that is shown. */
function legend() {
  const scale = make("canvas", { width: 256, height: 12, "aria-hidden": "true" });
  const grey = picture(1, 1, () => [110, 110, 110]);
  const note = paragraph("csg-small");
  const box = make("div", { class: "csg-legend" }, scale, note);
  const draw = ({ panels, low, high, most, stretched, opacity }) => {
    blit(scale, grey);
    blit(scale, picture(256, 1, OVERLAY), { opacity });
    const [from, to, largest] = [low, high, most].map((times) => Number(times.toPrecision(3)));
    const range = `olour from ${from} to ${to} times uniform`;
    const shares = new Set(panels.map(({ uniformPatch }) => percent(uniformPatch)));
    const uniform = `Uniform${stretched ? ", the white line" : ""}: ${[...shares].join(" and ")} a patch.`;
    const words = stretched ? `Stretched: c${range}` : `C${range} or more; the largest is ${largest}`;
    note.textContent = `${words}. ${uniform}`;
    if (!stretched || low >= 1 || high <= 1) return;
    const context = scale.getContext("2d");
    context.fillStyle = "#ffffff";
    context.fillRect((255 * (1 - low)) / (high - low), 0, 2, 12);
  };
  return { box, draw };
}

/** Attention of frames on frames at one place: a row is the query's frame, a column the key's. */
function matrixFigure(desk, data, side) {
  const { frames } = data;
  const size = { width: MATRIX, height: MATRIX };
  const canvas = make("canvas", { ...size, role: "img", class: "csg-pressable", "aria-label": "Frame by frame" });
  const numbers = () => Array.from({ length: frames }, (_, frame) => make("span", { textContent: frame + 1 }));
  const [across, down] = [numbers(), numbers()];
  const [title, note] = [paragraph("csg-title"), paragraph("csg-small")];
  const grid = make(
    "div", { class: "csg-matrix" },
    make("span", { class: "csg-small", textContent: "query ↓" }),
    make("div", { class: "csg-across", "aria-hidden": "true" }, ...across),
    make("div", { class: "csg-down", "aria-hidden": "true" }, ...down),
    canvas,
  );
  const box = make("div", { class: "csg-figure csg-matrix-figure" }, title, grid, note);
  onPatchPress(canvas, { rows: frames, columns: frames }, (row, column) => {
    const where = whereIs(desk.get("query"), data);
    if (where) setPatch(desk, data, { ...where, frame: row });
    desk.put("frame", column + 1);
  });
  const draw = (chosen) => {
    const panel = chosen.panels[side];
    box.hidden = !panel?.times;
    if (box.hidden) return;
    const { matrix, noMatrix, times } = panel;
    const row = chosen.where ? chosen.where.frame : chosen.frame - 1;
    const begin = chosen.panels.length > 1 ? `${sideName(data, panel, side)}, ` : "";
    title.textContent = `${begin}${times.label}${begin ? "" : ", frame by frame"}`;
    const where = chosen.where ? "At this place" : "In mean over places";
    note.textContent = matrix ? `${where}: ${matrixWords(matrix, row, frames, times)}` : noMatrix;
    canvas.setAttribute("aria-label", note.textContent);
    blit(canvas, picture(1, 1, () => [110, 110, 110]));
    if (matrix) blit(canvas, mapPicture(matrix, frames, scaleOf(chosen, times.uniformFrame), OVERLAY));
    const context = canvas.getContext("2d");
    context.beginPath();
    context.rect(1.5, (row * MATRIX) / frames + 1.5, MATRIX - 3, MATRIX / frames - 3);
    strokeRimmed(context, QUERY_COLOUR, 2);
    across.forEach((number, frame) => {
      number.classList.toggle("csg-here", frame === chosen.frame - 1);
      number.classList.toggle("csg-narrow", chosen.truth && chosen.truth.narrowest === frame + 1);
    });
    down.forEach((number, frame) => number.classList.toggle("csg-here", frame === row));
  };
  return { box, draw };
}

function matrixWords(matrix, row, frames, { uniformFrame }) {
  const values = [...part(matrix, row, frames)];
  const most = values.indexOf(Math.max(...values));
  const itself = most === row ? "itself" : `frame ${most + 1}`;
  return `frame ${row + 1} attends most to ${itself}, ${percent(values[most])} (uniform: ${percent(uniformFrame)}).`;
}

/** A line over the frames, with a mark at each known value. */
function curve(kind, values, x, y) {
  const points = values.map((value, frame) => [x(frame), y(value)]).filter((at) => !at.some(Number.isNaN));
  const mark = ([at, height]) =>
    kind === "csg-closed"
      ? `<path d="M0-5 5 0 0 5-5 0Z" transform="translate(${at} ${height})"/>`
      : `<circle r="3.5" cx="${at}" cy="${height}"/>`;
  return `<g class="csg-curve ${kind}"><polyline points="${points.join(" ")}"/>${points.map(mark).join("")}</g>`;
}

const text = (x, y, kind, words) => `<text x="${x}" y="${y}" class="${kind}">${words}</text>`;

/** A curve's mark and its name, for the line above the curves. */
const curveName = (kind, words) =>
  make("span", {
    class: "csg-name",
    innerHTML: `<svg viewBox="-5 0 36 12" aria-hidden="true">${curve(kind, [0, 0, 0], (at) => 13 * at, () => 6)}</svg>${words}`,
  });

/** How much of the diameter is closed, on a scale of its own, and where most. */
function closedCurve({ closed, narrowest }, x) {
  const { right, top, bottom } = CHART;
  const at = x(narrowest - 1);
  return (
    `<path d="M${at} ${top}V${bottom}" class="csg-narrowest-line"/>` +
    text(at, top - 10, "csg-middle csg-narrow", "▼ narrowest") +
    curve("csg-closed", closed, x, (share) => bottom - (bottom - top) * share) +
    text(right + 6, bottom + 4, "csg-narrow", "0 %") +
    text(right + 2, top + 4, "csg-narrow", "100 %")
  );
}

/** Attention on each frame; with the truth, how much of its diameter is closed. */
function curvesFigure(data) {
  const { width, height, left, right, top, bottom } = CHART;
  const drawing = make("div", { role: "img" });
  const key = make("div", { class: "csg-key" });
  const box = make("div", { class: "csg-figure csg-curves" }, key, drawing);
  const x = (frame) => left + 14 + (frame * (right - left - 28)) / Math.max(1, data.frames - 1);
  const draw = ({ panels, truth, frame: here, full }) => {
    const y = (share) => bottom - ((bottom - top) * share) / full;
    const uniform = y(panels[0].uniformFrame);
    const numbers = Array.from({ length: data.frames }, (_, frame) =>
      text(x(frame), bottom + 17, `csg-middle ${frame + 1 === here ? "csg-here" : ""}`, frame + 1),
    );
    const kinds = ["csg-own", "csg-other"];
    const names = panels.map((panel, side) =>
      `${panels.length > 1 ? sideName(data, panel, side) : "Attention"}, ${panel.label}`,
    );
    const curves = panels.map(({ totals }, side) => curve(kinds[side], totals, x, y));
    drawing.innerHTML =
      `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">` +
      `<path d="M${left} ${bottom}H${right}" class="csg-floor"/><path d="M${left} ${uniform}H${right}" class="csg-uniform"/>` +
      text(left - 6, bottom + 4, "csg-end", "0") +
      text(left - 6, top + 4, "csg-end", percent(full)) +
      (uniform > top + 14 ? text(left - 6, uniform + 4, "csg-end", "uniform") : "") +
      `${numbers.join("")}${truth ? closedCurve(truth, x) : ""}${curves.reverse().join("")}</svg>`;
    key.replaceChildren(...names.map((name, side) => curveName(kinds[side], name)));
    if (truth) key.append(curveName("csg-closed", "Diameter closed, right scale"));
    const each = (values) => values.flatMap((value, at) => (Number.isNaN(value) ? [] : [`frame ${at + 1} ${percent(value)}`])).join(", ");
    const said = panels.map(({ totals }, side) => `${names[side]}: ${each(totals) || "not here"}`);
    if (truth) said.push(`Closed: ${each(truth.closed)}`);
    drawing.setAttribute("aria-label", `Attention on each frame. ${said.join(". ")}`);
  };
  return { box, draw };
}

/** Scores of each side against the truth, while it is shown. */
function scoreBoard(data) {
  const list = make("ul", { class: "csg-scores" });
  const title = paragraph("csg-title", "Scores against the truth");
  const box = make("div", { class: "csg-figure csg-score-board" }, title, list);
  const draw = ({ panels, truth }) => {
    box.hidden = !truth;
    if (!truth) return;
    const lines = panels.map((panel, side) => {
      const name = panels.length > 1 ? `${sideName(data, panel, side)}: ` : "";
      if (!panel.map) return `${name}${panel.missing}`;
      return name + scoreWords(scoresOf(panel.map, data.masks, panel.totals, truth.narrowest - 1));
    });
    list.replaceChildren(...lines.map((textContent) => make("li", { textContent })));
  };
  return { box, draw };
}
