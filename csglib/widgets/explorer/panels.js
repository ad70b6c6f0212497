// The explorer's pictures: frames under the attention, frame by frame, curves over the frames.

const LARGE = 448; // pixels on the longer side of an enlarged frame
const MATRIX = 256; // pixels of the matrix
const CHART = { width: 440, height: 190, left: 46, right: 402, top: 26, bottom: 160 };

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

/** One frame, the map over it, the truth, and the query's patch: orange, white in other frames. */
function paint(canvas, data, chosen, panel, frame) {
  blit(canvas, data.photographs[frame], { smooth: true });
  if (panel.map) {
    const map = part(panel.map, frame, data.patches);
    blit(canvas, mapPicture(map, data.columns, chosen, CIVIDIS), { opacity: chosen.opacity });
  }
  if (chosen.truth)
    for (const [points, dashes] of [[data.outlines.vessel, [3, 2.5]], [data.outlines.lumen, []]])
      drawPolygon(canvas, part(points, frame, points.length / data.frames), { dashes });
  const { where } = chosen;
  if (where?.frame === frame) outlinePatch(canvas, data, where, QUERY_COLOUR);
  else if (where && panel.axis === "time") outlinePatch(canvas, data, where, "#ffffff");
}

/** All frames in a row, each above a bar: how much attention falls on it. */
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
    cell.fill = make("span", { class: "csg-fill" });
    cell.number = make("span", { class: "csg-number" });
    cell.box.append(make("div", { class: "csg-bar", "aria-hidden": "true" }, make("div", {}, cell.fill), cell.number));
  }
  const title = paragraph("csg-small csg-title");
  const box = make("div", { class: "csg-strip" }, title, list);
  const draw = (chosen) => {
    const panel = chosen.panels[side];
    box.hidden = !panel;
    if (!panel) return;
    title.textContent = chosen.panels.length > 1 ? panelTitle(data, panel, side) : "";
    list.style.setProperty("--uniform", `${(100 * panel.uniformFrame) / chosen.full}%`);
    for (const cell of cells) drawCell(cell, data, chosen, panel);
  };
  return { box, draw };
}

function drawCell({ frame, canvas, caption, shown, fill, number, box }, data, chosen, panel) {
  const total = panel.totals[frame];
  const attended = !Number.isNaN(total);
  const narrowest = chosen.truth && chosen.truth.narrowest === frame + 1;
  paint(canvas, data, chosen, panel, frame);
  fill.style.height = `${attended ? (100 * total) / chosen.full : 0}%`;
  number.textContent = attended ? percent(total) : "–";
  const closed = chosen.truth ? `${Math.round(100 * chosen.truth.closed[frame])} %` : "";
  caption.replaceChildren(
    make("b", { textContent: frame + 1 }),
    make("span", { textContent: closed }, make("i", { textContent: closed && " closed" })),
  );
  box.classList.toggle("csg-current", chosen.frame === frame + 1);
  box.classList.toggle("csg-narrowest", Boolean(narrowest));
  box.classList.toggle("csg-unattended", !attended);
  const words = [`Frame ${frame + 1}`, attended ? `${percent(total)} of the attention` : "no attention possible"];
  if (closed) words.push(`${closed} closed`);
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

/** What the colours mean. */
function legend() {
  const scale = make("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  blit(scale, picture(256, 1, CIVIDIS));
  const [low, high, uniform] = [0, 0, 0].map(() => make("span"));
  const tick = make("div", { class: "csg-tick" }, uniform);
  const note = paragraph("csg-small");
  const ends = make("div", { class: "csg-ends" }, low, high);
  const box = make("div", { class: "csg-legend" }, make("div", { class: "csg-scale" }, scale, tick), ends, note);
  const draw = (chosen) => {
    const { uniformPatch } = chosen.panels[0];
    const place = (uniformPatch - chosen.low) / (chosen.high - chosen.low || 1);
    low.textContent = percent(chosen.low);
    high.textContent = percent(chosen.high);
    tick.hidden = place < 0 || place > 1;
    tick.style.left = `${100 * place}%`;
    uniform.textContent = "uniform";
    uniform.className = place > 0.8 ? "csg-left" : place < 0.2 ? "csg-right" : "";
    const scope = chosen.panels.length > 1 ? "all frames of both" : "all frames";
    const largest = chosen.most ? ` The largest is ${(chosen.most / uniformPatch).toFixed(2)} times uniform.` : "";
    note.textContent = `Attention on one patch, one scale for ${scope}.${largest}`;
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
  const box = make("div", { class: "csg-figure" }, title, grid, note);
  onPatchPress(canvas, { rows: frames, columns: frames }, (row, column) => {
    const where = whereIs(desk.get("query"), data);
    if (where) setPatch(desk, data, { ...where, frame: row });
    desk.put("frame", column + 1);
  });
  const draw = (chosen, store) => {
    const panel = chosen.panels[side];
    box.hidden = !panel?.network.timeBranch;
    if (box.hidden) return;
    const { matrix, missing } = store.matrix(panel);
    const row = chosen.where ? chosen.where.frame : chosen.frame - 1;
    const which = data.networks.length > 1 ? ["First network", "Second network"][side] : `Block ${panel.block}`;
    const begin = chosen.panels.length > 1 ? `${which}, frame` : "Frame";
    title.textContent = `${begin} by frame ${chosen.where ? "at this place" : "in mean over places"}`;
    const [low, high] = matrixScale(chosen.panels, store, desk.get("stretch"));
    note.textContent = matrix ? matrixWords(matrix, row, frames, low, high) : missing;
    canvas.setAttribute("aria-label", note.textContent);
    blit(canvas, matrix ? mapPicture(matrix, frames, { low, high }, CIVIDIS) : picture(1, 1, () => [128, 128, 128]));
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

/** Ends of the matrices' colours, one scale for both sides: from 0 unless stretched. */
function matrixScale(panels, store, stretch) {
  const found = panels.filter(({ network }) => network.timeBranch);
  const values = found.flatMap((panel) => [...(store.matrix(panel).matrix ?? [])]);
  const uniform = ({ network }) => network.branches.find(({ name }) => name === network.timeBranch).uniformFrame;
  return stretch && values.length
    ? [Math.min(...values), Math.max(...values)]
    : [0, Math.max(...values, ...found.map((panel) => 2 * uniform(panel)))];
}

function matrixWords(matrix, row, frames, low, high) {
  const values = [...part(matrix, row, frames)];
  const most = values.indexOf(Math.max(...values));
  const itself = most === row ? "itself" : `frame ${most + 1}`;
  return `Frame ${row + 1} attends most to ${itself}: ${percent(values[most])}. Colours: ${percent(low)} to ${percent(high)}.`;
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
  const key = paragraph("csg-small");
  const box = make("div", { class: "csg-figure csg-curves" }, paragraph("csg-title", "Attention on each frame"), drawing, key);
  const x = (frame) => left + 14 + (frame * (right - left - 28)) / Math.max(1, data.frames - 1);
  const draw = ({ panels, truth, frame: here, full }) => {
    const y = (share) => bottom - ((bottom - top) * share) / full;
    const uniform = y(panels[0].uniformFrame);
    const numbers = Array.from({ length: data.frames }, (_, frame) =>
      text(x(frame), bottom + 18, `csg-middle ${frame + 1 === here ? "csg-here" : ""}`, frame + 1),
    );
    const curves = panels.map(({ totals }, side) => curve(side ? "csg-other" : "csg-own", totals, x, y));
    drawing.innerHTML =
      `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">` +
      `<path d="M${left} ${bottom}H${right}" class="csg-floor"/><path d="M${left} ${uniform}H${right}" class="csg-uniform"/>` +
      text(left - 6, bottom + 4, "csg-end", "0") +
      text(left - 6, top + 4, "csg-end", percent(full)) +
      (uniform > top + 14 ? text(left - 6, uniform + 4, "csg-end", "uniform") : "") +
      `${numbers.join("")}${truth ? closedCurve(truth, x) : ""}${curves.reverse().join("")}</svg>`;
    const each = (values) => values.flatMap((value, at) => (Number.isNaN(value) ? [] : [`frame ${at + 1} ${percent(value)}`])).join(", ");
    const words = `Attention: ${each(panels[0].totals) || "not here"}${truth ? `. Closed: ${each(truth.closed)}` : ""}`;
    drawing.setAttribute("aria-label", words);
    const other = panels.length > 1 ? " Dashed with open dots: the second." : "";
    const closed = truth ? " Diamonds: diameter that is closed, right-hand scale." : "";
    key.textContent = `Blue dots: attention.${other}${closed}`;
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
      const name = panels.length > 1 ? `${panelTitle(data, panel, side)}: ` : "";
      if (!panel.map) return `${name}${panel.missing}`;
      return name + scoreWords(scoresOf(panel.map, data.masks, panel.totals, truth.narrowest - 1), panel);
    });
    list.replaceChildren(...lines.map((textContent) => make("li", { textContent })));
  };
  return { box, draw };
}
