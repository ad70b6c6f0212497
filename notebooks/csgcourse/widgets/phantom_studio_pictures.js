// Notebook 07, what the studio paints: a frame with its three contours, how much of the vessel is
// closed in it and in its neighbours, and the grades. All of it comes from Python's last answer.

const CONTOURS = [["outer", [1.2, 2.2]], ["original lumen", [4, 2.5]], ["open", []]];
const DARK = "rgb(0 0 0 / 75%)";
const LIGHT = "#ffd24d";

/** What Python answered last: a frame, its contours, and what it found out about the sweep. */
function read(model) {
  const facts = model.get("facts");
  const [grey, points] = [bytes(model, "pixels"), floats(model, "contours")];
  const each = points.length / CONTOURS.length;
  return {
    ...facts,
    photograph: picture(facts.size, facts.size, (cell) => Array(3).fill(grey[cell])),
    contours: CONTOURS.map((_, which) => points.subarray(which * each, (which + 1) * each)),
  };
}

/** A closed polygon whose corners are shares of the canvas: a dark rim, a light line. */
function outline(canvas, corners, dashes) {
  const context = canvas.getContext("2d");
  const line = 2.2; // canvas pixels
  context.beginPath();
  for (let corner = 0; corner < corners.length; corner += 2)
    context.lineTo(corners[corner] * canvas.width, corners[corner + 1] * canvas.height);
  context.closePath();
  context.lineCap = "butt";
  context.setLineDash(dashes.map((length) => length * line));
  for (const [colour, width] of [[DARK, 2.2 * line], [LIGHT, line]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

function paint(canvas, { photograph, contours }, outlined) {
  blit(canvas, photograph, { smooth: true });
  if (outlined) CONTOURS.forEach(([, dashes], which) => outline(canvas, contours[which], dashes));
}

/** Which line is which, drawn as in the picture. */
function legend() {
  const entries = CONTOURS.map(([name, dashes]) => {
    const sample = make("canvas", { width: 76, height: 20, "aria-hidden": "true" });
    outline(sample, [0, 0.5, 1, 0.5], dashes);
    return make("span", {}, sample, name);
  });
  return make("div", { class: "csg-legend" }, ...entries);
}

/** How much of the diameter is closed in each frame of the sweep, a bar a frame. */
function profile(desk, frames) {
  const cells = Array.from({ length: frames }, (_, frame) => {
    const fill = make("span", { class: "csg-fill" });
    const button = desk.button("", () => {
      desk.put("frame", frame + 1);
      desk.root.querySelector('[aria-label="Frame"]').focus(); // so that keys go on from here
    });
    button.tabIndex = -1; // the frame slider is the keyboard's way
    button.append(fill);
    return { frame, fill, button };
  });
  const box = make("div", { class: "csg-profile" }, ...cells.map(({ button }) => button));
  const draw = ({ closed, narrowest }, current) => {
    for (const { frame, fill, button } of cells) {
      const share = closed.diameter[frame];
      fill.style.height = `${Math.max(2, 100 * share)}%`;
      button.classList.toggle("csg-current", frame + 1 === current);
      button.classList.toggle("csg-narrowest", frame + 1 === narrowest);
      const told = `Frame ${frame + 1}, ${Math.round(100 * share)} % of the diameter closed`;
      button.setAttribute("aria-label", frame + 1 === narrowest ? `${told}, the narrowest` : told);
    }
  };
  return { box, draw };
}

const MEASURES = [
  ["diameter", "Diameter", "its worst direction, of the original lumen"],
  ["area", "Area", "of the original lumen"],
  ["outer", "Area, outer", "of all within the outer contour"],
];

/** How much is closed in one frame, by three measures, on one scale from 0 to 100 %. */
function measures() {
  const rows = MEASURES.map(([key, name, note]) => {
    const fill = make("span", { class: "csg-length" });
    const number = make("b");
    const track = make("div", { class: "csg-track", title: note }, fill);
    const row = make("div", { class: `csg-measure csg-${key}` }, make("span", { textContent: name }), track, number);
    return { key, row, fill, number };
  });
  const box = make("div", { class: "csg-measures" }, ...rows.map(({ row }) => row));
  const draw = ({ closed }, frame) => {
    for (const { key, fill, number } of rows) {
      const share = 100 * closed[key][frame - 1];
      fill.style.width = `${Math.max(0, share)}%`;
      number.textContent = `${Math.round(share)} %`;
    }
  };
  return { box, draw };
}

/** The grade by every rule the library has. */
function gradeTable(rules) {
  const cell = (textContent) => make("td", { textContent });
  const columns = rules.map(({ name, measure, cuts }) => ({
    rule: make("th", { scope: "col" }, make("code", { textContent: name })),
    measures: cell(measure),
    "cuts, %": cell(cuts.map((cut) => Math.round(100 * cut)).join(", ")),
    grade: make("td"),
  }));
  const line = (name) =>
    make("tr", {}, make("th", { scope: "row", textContent: name }), ...columns.map((column) => column[name]));
  const body = make("tbody", {}, line("measures"), line("cuts, %"), line("grade"));
  const box = make("table", { class: "csg-grades" }, make("thead", {}, line("rule")), body);
  const draw = (judged) => {
    columns.forEach(({ grade }, which) => {
      grade.textContent = judged[which].grade;
      grade.classList.toggle("csg-mild", judged[which].grade === rules[which].grades[0]);
    });
  };
  return { box, draw };
}
