// Frames among themselves: who gives to whom, and each frame's attention beside its true stenosis.

const MATRIX = 256; // pixels of its canvas
const CHART = { width: 440, height: 190, left: 46, right: 402, top: 26, bottom: 160 };

/** What frames give to frames at one place: a row asks, a column is asked. */
function matrixFigure(desk, data, side) {
  const { frames } = data;
  const size = { width: MATRIX, height: MATRIX };
  const canvas = make("canvas", { ...size, role: "img", class: "csg-pressable", "aria-label": "Frame by frame" });
  const numbers = () => Array.from({ length: frames }, (_, frame) => make("span", { textContent: frame + 1 }));
  const [across, down] = [numbers(), numbers()];
  const title = make("p", { class: "csg-title" });
  const note = make("p", { class: "csg-small" });
  const grid = make(
    "div", { class: "csg-matrix" },
    make("span", { class: "csg-small", textContent: "asks ↓" }),
    make("div", { class: "csg-across", "aria-hidden": "true" }, ...across),
    make("div", { class: "csg-down", "aria-hidden": "true" }, ...down),
    canvas,
  );
  const box = make("div", { class: "csg-figure" }, title, grid, note);
  canvas.addEventListener("click", ({ offsetX, offsetY }) => {
    const which = (at, size) => Math.max(0, Math.min(frames - 1, Math.floor((frames * at) / size)));
    const where = whereIs(desk.get("query"), data);
    if (where) letAsk(desk, data, 1 + which(offsetY, canvas.clientHeight) * data.patches + where.place);
    desk.put("frame", which(offsetX, canvas.clientWidth) + 1);
  });
  const draw = (chosen, store) => {
    const panel = chosen.panels[side];
    box.hidden = !panel?.network.alongTime;
    if (box.hidden) return;
    const { matrix, missing } = store.matrix(panel);
    const asking = chosen.where ? chosen.where.frame : chosen.frame - 1;
    const which = data.networks.length > 1 ? ["First network", "Second network"][side] : `Block ${panel.block}`;
    const begun = chosen.panels.length > 1 ? `${which}, frame` : "Frame";
    title.textContent = `${begun} by frame ${chosen.where ? "at this place" : "in mean over places"}`;
    const ends = endsOf(chosen.panels, store, desk.get("stretch"));
    note.textContent = matrix ? matrixWords(matrix, asking, data, ends) : missing;
    canvas.setAttribute("aria-label", note.textContent);
    const level = (share) => Math.round((255 * (share - ends[0])) / (ends[1] - ends[0] || 1));
    blit(canvas, picture(frames, frames, (cell) => (matrix ? CIVIDIS(level(matrix[cell])) : [128, 128, 128])));
    rowFrame(canvas, asking, frames);
    across.forEach((number, frame) => {
      number.classList.toggle("csg-here", frame === chosen.frame - 1);
      number.classList.toggle("csg-narrow", chosen.truth && chosen.truth.narrowest === frame + 1);
    });
    down.forEach((number, frame) => number.classList.toggle("csg-here", frame === asking));
  };
  return { box, draw };
}

/** Where colours begin and end, for both sides: as with frames, from 0 unless stretched. */
function endsOf(panels, store, stretch) {
  const found = panels.filter(({ network }) => network.alongTime);
  const shares = found.flatMap((panel) => [...(store.matrix(panel).matrix ?? [])]);
  const evenOf = ({ network }) => network.branches.find(({ name }) => name === network.alongTime).evenFrame;
  return stretch && shares.length
    ? [Math.min(...shares), Math.max(...shares)]
    : [0, Math.max(...shares, ...found.map((panel) => 2 * evenOf(panel)))];
}

function matrixWords(matrix, asking, { frames }, [low, high]) {
  const row = [...part(matrix, asking, frames)];
  const most = row.indexOf(Math.max(...row));
  const itself = most === asking ? "itself" : `frame ${most + 1}`;
  return `Frame ${asking + 1} gives most to ${itself}: ${percent(row[most])}. Colours: ${percent(low)} to ${percent(high)}.`;
}

function rowFrame(canvas, row, frames) {
  const context = canvas.getContext("2d");
  const high = MATRIX / frames;
  context.beginPath();
  context.rect(1.5, row * high + 1.5, MATRIX - 3, high - 3);
  stroke(context, ASKING, 2);
}

/** A line of shares over the frames, with a mark at each that is asked. */
function curve(kind, values, x, y) {
  const known = values.map((value, frame) => [x(frame), y(value)]).filter((at) => !at.some(Number.isNaN));
  const mark = ([at, height]) =>
    kind === "csg-closed"
      ? `<path d="M0-5 5 0 0 5-5 0Z" transform="translate(${at} ${height})"/>`
      : `<circle r="3.5" cx="${at}" cy="${height}"/>`;
  return `<g class="csg-curve ${kind}"><polyline points="${known.join(" ")}"/>${known.map(mark).join("")}</g>`;
}

const label = (x, y, kind, words) => `<text x="${x}" y="${y}" class="${kind}">${words}</text>`;

/** How much of the diameter is closed, on a scale of its own, and where most. */
function closedCurve({ closed, narrowest }, x) {
  const { right, top, bottom } = CHART;
  const at = x(narrowest - 1);
  return (
    `<path d="M${at} ${top}V${bottom}" class="csg-narrowest-line"/>` +
    label(at, top - 10, "csg-middle csg-narrow", "▼ narrowest") +
    curve("csg-closed", closed, x, (share) => bottom - (bottom - top) * share) +
    label(right + 6, bottom + 4, "csg-narrow", "0 %") +
    label(right + 2, top + 4, "csg-narrow", "100 %")
  );
}

/** Attention on each frame; with the truth, how much of its diameter is closed. */
function curvesFigure(data) {
  const { width, height, left, right, top, bottom } = CHART;
  const title = make("p", { class: "csg-title", textContent: "Attention on each frame" });
  const drawing = make("div", { role: "img" });
  const legend = make("p", { class: "csg-small" });
  const box = make("div", { class: "csg-figure csg-curves" }, title, drawing, legend);
  const x = (frame) => left + 14 + (frame * (right - left - 28)) / Math.max(1, data.frames - 1);
  const draw = ({ panels, truth, frame: here, full }) => {
    const y = (share) => bottom - ((bottom - top) * share) / full;
    const even = y(panels[0].evenFrame);
    const numbers = Array.from({ length: data.frames }, (_, frame) =>
      label(x(frame), bottom + 18, `csg-middle ${frame + 1 === here ? "csg-here" : ""}`, frame + 1),
    );
    const curves = panels.map(({ totals }, side) => curve(side ? "csg-other" : "csg-own", totals, x, y));
    drawing.innerHTML =
      `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">` +
      `<path d="M${left} ${bottom}H${right}" class="csg-floor"/><path d="M${left} ${even}H${right}" class="csg-even"/>` +
      label(left - 6, bottom + 4, "csg-end", "0") +
      label(left - 6, top + 4, "csg-end", percent(full)) +
      (even > top + 14 ? label(left - 6, even + 4, "csg-end", "even") : "") +
      `${numbers.join("")}${truth ? closedCurve(truth, x) : ""}${curves.reverse().join("")}</svg>`;
    drawing.setAttribute("aria-label", curveWords(panels[0].totals, truth));
    const other = panels.length > 1 ? " Dashed with open dots: the second." : "";
    const closed = truth ? " Diamonds: diameter that is closed, right-hand scale." : "";
    legend.textContent = `Blue dots: attention.${other}${closed}`;
  };
  return { box, draw };
}

function curveWords(totals, truth) {
  const each = (shares) =>
    shares.flatMap((share, frame) => (Number.isNaN(share) ? [] : [`frame ${frame + 1} ${percent(share)}`])).join(", ");
  return `Attention: ${each(totals) || "not here"}${truth ? `. Closed: ${each(truth.closed)}` : ""}`;
}
