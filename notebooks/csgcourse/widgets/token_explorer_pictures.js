// Notebook 02: the two pictures, a clip's frames and its sequences of tokens.
// token_explorer_lineup.js says which token stands where.

const PATCH = 16;
const CELL = 60; // of the sequences, in canvas pixels
const LABEL = 2.3; // width of a line's name, in cells
const HEAD = 0.7; // height of the line of numbers
const ORANGE = "#f5962e"; // the token pointed at
const BLUE = "#5aa9f2"; // those it meets
const VEIL = "rgb(10 14 20 / 55%)"; // over all others
const AXES = ["space", "time", "joint"];

/** An outline, dark under bright, so that it shows on black blood and on white walls. */
function outline(context, [x, y, width, height], colour, thick, dashes = []) {
  context.setLineDash(dashes);
  for (const [style, extra] of [["#14181d", 4], [colour, 0]]) {
    context.strokeStyle = style;
    context.lineWidth = thick + extra;
    context.strokeRect(x + thick / 2, y + thick / 2, width - thick, height - thick);
  }
  context.setLineDash([]);
}

/** A canvas that takes focus, and reads as one slider over all tokens. */
function tokenCanvas(label, last) {
  return make("canvas", {
    tabIndex: 0, role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": last,
  });
}

/** All frames in a row. `at` finds the patch under a pointer. */
function clipPicture(sources, sizes, last) {
  const { frames, rows, columns } = sizes;
  const side = Math.max(PATCH, Math.floor(1960 / (frames * columns)));
  const [width, height, gap] = [side * columns, side * rows, 12];
  const canvas = tokenCanvas("Patch, in the frames", last);
  Object.assign(canvas, { width: frames * (width + gap) - gap, height });
  const boxOf = (token) => {
    const { frame, row, column } = whereIs(token, sizes);
    return [frame * (width + gap) + column * side, row * side, side, side];
  };
  const draw = ({ held, met }, meant, open) => {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    sources.forEach((source, t) => context.drawImage(source, t * (width + gap), 0, width, height));
    for (let token = 1; token <= last; token++) {
      context.fillStyle = VEIL;
      if (open && !met.has(token)) context.fillRect(...boxOf(token));
      context.strokeStyle = "rgb(255 255 255 / 28%)";
      context.lineWidth = 1;
      context.strokeRect(...boxOf(token));
      if (open && met.has(token) && token !== held) outline(context, boxOf(token), BLUE, 4);
    }
    if (open && held) outline(context, boxOf(held), ORANGE, 9);
    if (meant && (!open || meant !== held)) outline(context, boxOf(meant), "#ffffff", 5, [12, 9]);
  };
  const at = (x, y) => {
    const frame = Math.min(frames - 1, Math.floor(x / (width + gap)));
    const column = Math.min(columns - 1, Math.floor((x - frame * (width + gap)) / side));
    return 1 + (frame * rows + Math.min(rows - 1, Math.floor(y / side))) * columns + column;
  };
  return { canvas, draw, at };
}

/** Where a slot is drawn, in cells: lines of sequences, side by side in blocks where they are short. */
function layout(axis, { frames, patches }) {
  const blocks = axis === "time" ? Math.max(1, Math.round((LABEL + 1 + patches) / (LABEL + 1 + frames))) : 1;
  const lines = axis === "time" ? Math.ceil(patches / blocks) : frames;
  const across = axis === "time" ? frames : patches;
  const cellOf = ({ group, place }) => {
    const wraps = axis === "joint" && place > 0;
    const line = wraps ? Math.floor((place - 1) / across) : group % lines;
    const left = LABEL + Math.floor(group / lines) * (LABEL + 1 + across);
    return [left + (wraps ? 1 + ((place - 1) % across) : place), HEAD + line * (axis === "joint" ? 1 : 1.12)];
  };
  return { cellOf, blocks, lines, across, width: blocks * (LABEL + 1 + across), height: HEAD + 1.12 * lines };
}

/** The sequences, each token as its patch. `at` finds the slot under a pointer. */
function tokenTable(sources, sizes, last) {
  const canvas = tokenCanvas("Token, in its sequence", last);
  const all = AXES.map((axis) => layout(axis, sizes));
  canvas.width = CELL * Math.max(...all.map(({ width }) => width));
  const boxOf = ([x, y]) => [x * CELL, y * CELL, CELL, CELL];
  const words = (context, text, x, y, align) => {
    Object.assign(context, { font: "26px system-ui, sans-serif", textAlign: align, textBaseline: "middle" });
    context.fillText(text, x * CELL, y * CELL);
  };
  const names = (context, axis, { cellOf, across, blocks, lines }) => {
    context.fillStyle = getComputedStyle(canvas).color;
    for (let block = 0; block < blocks; block++) {
      const [left] = cellOf({ group: axis === "joint" ? 0 : block * lines, place: 0 });
      words(context, axis === "time" ? "frame" : "place", left - 0.2, HEAD / 2, "right");
      for (let k = 1; k <= across; k++) words(context, k, left + k + 0.5, HEAD / 2, "center");
    }
    const count = axis === "time" ? sizes.patches : sizes.frames;
    for (let k = 0; k < count; k++) {
      const slot = axis === "joint" ? { group: 0, place: 1 + k * across } : { group: k, place: 0 };
      const [x, y] = cellOf(slot);
      const name = `${axis === "time" ? "place" : "frame"} ${k + 1}`;
      words(context, name, x - (axis === "joint" ? 1.2 : 0.2), y + 0.5, "right");
    }
  };
  const cell = (context, token, box) => {
    const [x, y] = box;
    if (token) {
      const { frame, row, column } = whereIs(token, sizes);
      context.drawImage(sources[frame], column * PATCH, row * PATCH, PATCH, PATCH, ...box);
    } else {
      context.fillStyle = "#3b4654";
      context.fillRect(...box);
      context.fillStyle = "#ffffff";
      words(context, "C", x / CELL + 0.5, y / CELL + 0.53, "center");
    }
  };
  const draw = ({ stands, slots, held }, axis) => {
    const plan = layout(axis, sizes);
    canvas.height = Math.ceil(CELL * Math.max(...all.map(({ height }) => height)));
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    names(context, axis, plan);
    const current = new Set(slots.map(({ group }) => group));
    stands.forEach((sequence, group) => {
      const boxes = sequence.map((_, place) => boxOf(plan.cellOf({ group, place })));
      sequence.forEach((token, place) => cell(context, token, boxes[place]));
      const [x, y, size] = boxes[0];
      const whole = [x, y, size * (1 + plan.across), axis === "joint" ? size * plan.lines : size];
      context.fillStyle = VEIL;
      if (current.has(group)) outline(context, whole, BLUE, 4);
      else context.fillRect(...whole);
    });
    for (const slot of slots) outline(context, boxOf(plan.cellOf(slot)), ORANGE, held ? 9 : 7);
  };
  const at = (x, y, { right }, axis) => {
    const { cellOf } = layout(axis, sizes);
    const hit = (group, place) => {
      const [left, top, size] = boxOf(cellOf({ group, place }));
      return x >= left && x < left + size && y >= top && y < top + size;
    };
    for (const [group, sequence] of right.entries())
      for (const [place, token] of sequence.entries()) if (hit(group, place)) return token;
    return null;
  };
  return { canvas, draw, at };
}
