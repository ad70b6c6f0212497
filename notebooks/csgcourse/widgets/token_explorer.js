// Notebook 02: choose a token, see its patch and the tokens it attends to; guess what a forgotten
// transpose does. Which token is where comes from Python: 0 is the class token, patches count from 1.

const PATCH = 16;
const CELL = 60; // of the sequences, in canvas pixels
const LABEL = 2.3; // width of a line's name, in cells
const HEAD = 0.7; // height of the line of numbers
const LINE = 1.12; // from line to line
const [ORANGE, BLUE] = ["#f5962e", "#5aa9f2"]; // the token; those it attends to
const DIM = "rgb(10 14 20 / 55%)"; // over all others
const AXES = ["space", "time", "joint"];
const ORDERS = [["transposed", "transpose, then reshape"], ["reshaped", "reshape alone"]];
const GUESSES = [["time", "One place, all frames"], ["frame", "Places of one frame"], ["mix", "A mix of places and frames"]];

/** Where a patch is in the clip, all from 0. */
function whereIs(token, { patches, columns }) {
  const place = (token - 1) % patches;
  return { frame: Math.floor((token - 1) / patches), place, row: Math.floor(place / columns), column: place % columns };
}

const nameOf = (token, sizes) => {
  const { frame, row, column } = whereIs(token, sizes);
  return `frame ${frame + 1}, row ${row + 1}, column ${column + 1}`;
};

/** What the sequences hold: one place in all frames ("time"), places of one "frame", or a "mix". */
function mixture(sequences, sizes) {
  const kinds = (part) => Math.max(...sequences.map(([, ...members]) => new Set(members.map((token) => whereIs(token, sizes)[part])).size));
  return kinds("place") === 1 ? "time" : kinds("frame") === 1 ? "frame" : "mix";
}

/** The slots of a token in the right order, the token that is there instead, and all it attends to. */
function look(token, right, actual) {
  const slots = right.flatMap((sequence, group) => sequence.flatMap((each, place) => (each === token ? [{ group, place }] : [])));
  const keys = new Set(slots.flatMap(({ group }) => actual[group]));
  return { right, actual, slots, held: actual[slots[0].group][slots[0].place], keys };
}

/** The token that should be where this one is. */
function slotOf(token, { right, actual }) {
  const group = actual.findIndex((sequence) => sequence.includes(token));
  return right[group][actual[group].indexOf(token)];
}

function attends(token, axis, { frames, patches }) {
  const all = frames * patches;
  if (!token) {
    const copies = { space: frames, time: patches, joint: 1 }[axis];
    const words = copies === 1 ? "it is in the one sequence" : `each of ${copies} sequences has a copy of it`;
    return `The class token has no pixels: it is learned. Along ${axis}, ${words}, and it attends to all ${all} patches.`;
  }
  return {
    space: `Along space it attends to the ${patches - 1} other patches of its frame and a copy of the class token.`,
    time: `Along time it attends to its place in the ${frames - 1} other frames and a copy of the class token.`,
    joint: `Jointly it attends to all ${all - 1} other patches of the clip and the class token.`,
  }[axis];
}

/** What went wrong with a slot, and with its whole sequence. */
function mistake(token, { actual, slots, held }, sizes) {
  const [, ...members] = actual[slots[0].group];
  const frames = [...new Set(members.map((patch) => whereIs(patch, sizes).frame + 1))];
  const places = new Set(members.map((patch) => whereIs(patch, sizes).place)).size;
  const where = frames.length === 1 ? `all from frame ${frames[0]}` : `from ${frames.length} frames`;
  const sequence = `${members.length} patches ${where}, ${places === 1 ? "one place" : `${places} places`}`;
  if (!token) return `The copies of the class token are right, but the first sequence has ${sequence}.`;
  const holds = held === token ? "and by chance holds it" : `but holds ${nameOf(held, sizes)}`;
  return `This slot is meant for ${nameOf(token, sizes)}, ${holds}. Its sequence: ${sequence}.`;
}

/** Whether the guess was right, and why a sequence holds what it does. */
function verdict(guess, actual, { frames }) {
  const holds = { time: "one place in all frames", frame: "places of one frame", mix: "a mix of places and frames" }[actual];
  const why = `In memory tokens lie frame by frame, and reshape alone cuts them into runs of ${frames}.`;
  return `Your guess was ${guess === actual ? "right" : "wrong"}: a sequence holds ${holds}. ${why}`;
}

/** An outline, dark under bright, so that it shows on black blood and on white walls. */
function frameBox(context, [x, y, width, height], colour, thick, dashes = []) {
  context.setLineDash(dashes);
  for (const [style, extra] of [["#14181d", 4], [colour, 0]]) {
    context.strokeStyle = style;
    context.lineWidth = thick + extra;
    context.strokeRect(x + thick / 2, y + thick / 2, width - thick, height - thick);
  }
  context.setLineDash([]);
}

/** A canvas that takes focus, and reads as one slider over all tokens. */
const tokenCanvas = (label, last) =>
  make("canvas", { tabIndex: 0, role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": last });

/** All frames in a row. `at` finds the patch under a pointer. */
function clipPicture(sources, sizes, last) {
  const { frames, rows, columns } = sizes;
  const side = Math.max(PATCH, Math.floor(1960 / (frames * columns)));
  const [width, height, gap] = [side * columns, side * rows, 12];
  const canvas = tokenCanvas("Patch, in the frames", last);
  Object.assign(canvas, { width: frames * (width + gap) - gap, height });
  const context = canvas.getContext("2d");
  const boxOf = (token) => {
    const { frame, row, column } = whereIs(token, sizes);
    return [frame * (width + gap) + column * side, row * side, side, side];
  };
  const draw = ({ held, keys }, meant, open) => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    sources.forEach((source, t) => context.drawImage(source, t * (width + gap), 0, width, height));
    context.fillStyle = DIM;
    for (let token = 1; open && token <= last; token++) {
      if (!keys.has(token)) context.fillRect(...boxOf(token));
      else if (token !== held) frameBox(context, boxOf(token), BLUE, 4);
    }
    if (open && held) frameBox(context, boxOf(held), ORANGE, 9);
    if (meant && (!open || meant !== held)) frameBox(context, boxOf(meant), "#ffffff", 5, [12, 9]);
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
    const wraps = axis === "joint" && place > 0; // one sequence, a frame a line
    const line = wraps ? Math.floor((place - 1) / across) : group % lines;
    const left = LABEL + Math.floor(group / lines) * (LABEL + 1 + across);
    return [left + (wraps ? 1 + ((place - 1) % across) : place), HEAD + line * (axis === "joint" ? 1 : LINE)];
  };
  return { cellOf, blocks, lines, across, width: blocks * (LABEL + 1 + across), height: HEAD + LINE * lines };
}

/** The sequences, each token as its patch. `at` finds the slot under a pointer. */
function tokenTable(sources, sizes, last) {
  const canvas = tokenCanvas("Token, in its sequence", last);
  const context = canvas.getContext("2d");
  const layouts = Object.fromEntries(AXES.map((axis) => [axis, layout(axis, sizes)]));
  canvas.width = CELL * Math.max(...AXES.map((axis) => layouts[axis].width));
  const boxOf = ([x, y]) => [x * CELL, y * CELL, CELL, CELL];
  const write = (text, x, y, align) => {
    Object.assign(context, { font: "26px system-ui, sans-serif", textAlign: align, textBaseline: "middle" });
    context.fillText(text, x * CELL, y * CELL);
  };
  const names = (axis, { cellOf, across, blocks, lines }) => {
    const [along, counted] = axis === "time" ? ["frame", "place"] : ["place", "frame"];
    context.fillStyle = getComputedStyle(canvas).color;
    for (let block = 0; block < blocks; block++) {
      const [left] = cellOf({ group: block * lines, place: 0 });
      write(along, left - 0.2, HEAD / 2, "right");
      for (let k = 1; k <= across; k++) write(k, left + k + 0.5, HEAD / 2, "center");
    }
    for (let k = 0; k < (axis === "time" ? sizes.patches : sizes.frames); k++) {
      const joint = axis === "joint";
      const [x, y] = cellOf(joint ? { group: 0, place: 1 + k * across } : { group: k, place: 0 });
      write(`${counted} ${k + 1}`, x - (joint ? 1.2 : 0.2), y + 0.5, "right");
    }
  };
  const drawToken = (token, box) => {
    if (token) {
      const { frame, row, column } = whereIs(token, sizes);
      return context.drawImage(sources[frame], column * PATCH, row * PATCH, PATCH, PATCH, ...box);
    }
    context.fillStyle = "#3b4654";
    context.fillRect(...box);
    context.fillStyle = "#ffffff";
    write("C", box[0] / CELL + 0.5, box[1] / CELL + 0.53, "center");
  };
  const draw = ({ actual, slots, held }, axis) => {
    const { cellOf, across, lines } = layouts[axis];
    canvas.height = Math.ceil(CELL * Math.max(...AXES.map((each) => layouts[each].height))); // clears it
    context.imageSmoothingEnabled = false;
    names(axis, layouts[axis]);
    actual.forEach((sequence, group) => {
      sequence.forEach((token, place) => drawToken(token, boxOf(cellOf({ group, place }))));
      const [x, y] = boxOf(cellOf({ group, place: 0 }));
      const whole = [x, y, CELL * (1 + across), axis === "joint" ? CELL * lines : CELL];
      context.fillStyle = DIM;
      if (slots.some((slot) => slot.group === group)) frameBox(context, whole, BLUE, 4);
      else context.fillRect(...whole);
    });
    for (const slot of slots) frameBox(context, boxOf(cellOf(slot)), ORANGE, held ? 9 : 7);
  };
  const at = (x, y, { right }, axis) => {
    const under = (group, place) => {
      const [left, top] = boxOf(layouts[axis].cellOf({ group, place }));
      return x >= left && x < left + CELL && y >= top && y < top + CELL;
    };
    return right.flatMap((sequence, group) => sequence.filter((_, place) => under(group, place)))[0] ?? null;
  };
  return { canvas, draw, at };
}

/** The patch itself, enlarged. */
function magnifier(sources, sizes) {
  const canvas = make("canvas", { width: PATCH, height: PATCH, role: "img", "aria-label": "The patch, enlarged" });
  const caption = paragraph("csg-small");
  const show = (held) => {
    const context = canvas.getContext("2d");
    const { frame, row, column } = whereIs(Math.max(1, held), sizes);
    context.fillStyle = "#3b4654";
    context.fillRect(0, 0, PATCH, PATCH);
    if (held) context.drawImage(sources[frame], column * PATCH, row * PATCH, PATCH, PATCH, 0, 0, PATCH, PATCH);
    caption.textContent = held ? `${nameOf(held, sizes)}: ${PATCH} × ${PATCH} pixels` : "class token: no pixels";
  };
  return { box: make("div", { class: "csg-patch" }, canvas, caption), show };
}

/** Hover shows, a press chooses; where there is no hover, a tap chooses. */
function listen({ canvas }, find, point, choose) {
  const under = ({ clientX, clientY }) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return find(((clientX - left) / width) * canvas.width, ((clientY - top) / height) * canvas.height);
  };
  canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && point(under(event)));
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("click", (event) => under(event) !== null && choose(under(event)));
}

/** One step that stays inside the clip: over the frames as they are drawn, or over the sequences. */
function step(token, inFrames, axis, [right, down], { frames, rows, columns, patches }) {
  const { frame, place, row, column } = whereIs(token, { patches, columns });
  const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
  const number = (t, n) => 1 + clamp(t, frames) * patches + clamp(n, patches);
  if (!inFrames) return axis === "time" ? number(frame + right, place + down) : number(frame + down, place + right);
  const along = clamp(frame * columns + column + right, frames * columns);
  return number(Math.floor(along / columns), clamp(row + down, rows) * columns + (along % columns));
}

function render({ model, el }) {
  const { frames, rows, columns, lineups } = model.get("facts");
  const sizes = { frames, rows, columns, patches: rows * columns };
  const last = frames * sizes.patches;
  let pointed = null; // the slot under the mouse
  const isWrong = () => desk.get("axis") === "time" && desk.get("order") === "reshaped";
  const view = (token) => look(token, lineups[desk.get("axis")], isWrong() ? lineups.reshaped : lineups[desk.get("axis")]);
  const choose = (token) => {
    pointed = null; // a resting mouse would hide what a key did
    desk.put("token", token);
    draw();
  };
  const go = (...way) => () => {
    const [token, inFrames] = [desk.get("token"), clip.canvas.matches(":focus")];
    const here = view(token);
    const next = token ? step(inFrames ? here.held : token, inFrames, desk.get("axis"), way, sizes) : 1;
    choose(inFrames ? slotOf(next, here) : next);
  };
  const keys = {
    ArrowLeft: go(-1, 0), ArrowRight: go(1, 0), ArrowUp: go(0, -1), ArrowDown: go(0, 1),
    Home: () => choose(0), End: () => choose(last),
  };
  const desk = new Desk(model, el, { name: "token-explorer", label: "Token explorer", keys });
  const sources = greyPictures(bytes(model, "frames"), { frames, height: rows * PATCH, width: columns * PATCH });
  const [clip, table, patch] = [clipPicture(sources, sizes, last), tokenTable(sources, sizes, last), magnifier(sources, sizes)];
  const panel = guessPanel(
    `Guess first. The shape is right, ${sizes.patches} sequences of 1 + ${frames}. Which patches are in one of them?`,
    make("div", { class: "csg-row" }, ...GUESSES.map(([guess, words]) => desk.button(words, () => desk.put("guess", guess)))),
  );
  const [sentence, help, judged] = [paragraph("csg-sentence"), paragraph("csg-small"), paragraph("csg-judged")];
  judged.setAttribute("aria-live", "polite");
  const again = desk.button("Hide and guess again", () => desk.put("guess", ""));
  const numbers = sources.map((_, t) => make("span", { textContent: `frame ${t + 1}` }));
  desk.root.append(
    make(
      "div", { class: "csg-row" },
      desk.choice("axis", { label: "Attention along", options: AXES.map((axis) => [axis, axis]) }),
      desk.choice("order", { label: "Sequences along time are made by", options: ORDERS }),
    ),
    make("div", { class: "csg-clip" }, make("div", { "aria-hidden": "true" }, ...numbers), clip.canvas),
    make(
      "div", { class: "csg-below" },
      make("div", { class: "csg-sequences" }, table.canvas, panel), make("div", { class: "csg-side" }, patch.box, help, judged),
    ),
    make("div", { class: "csg-verdict" }, sentence, again),
  );
  const draw = () => {
    const [axis, order, guess] = desk.values("axis", "order", "guess");
    const [token, wrong] = [pointed ?? desk.get("token"), isWrong()];
    const open = !wrong || guess !== "";
    const seen = view(token);
    clip.draw(seen, wrong ? token : 0, open);
    table.draw(seen, axis);
    patch.show(open ? seen.held : token);
    panel.hidden = open;
    desk.root.classList.toggle("csg-hidden", !open);
    again.hidden = !wrong || !open;
    for (const { canvas } of [clip, table])
      setAttributes(canvas, { "aria-valuenow": token, "aria-valuetext": token ? nameOf(token, sizes) : "class token" });
    help.textContent = `Orange: the token. Blue: what it attends to. ${wrong ? "Dashed: where it should be. " : ""}C: the class token. Point, tap, or use the arrow keys.`;
    judged.hidden = again.hidden;
    judged.textContent = verdict(guess, mixture(seen.actual, sizes), sizes);
    const name = token ? `Token ${token} of ${last}: ${nameOf(token, sizes)}. ` : "";
    const harmless = order === "reshaped" ? " Here its patches are contiguous in memory: reshape alone is right." : "";
    const words = wrong ? mistake(token, seen, sizes) : name + attends(token, axis, sizes) + harmless;
    say(sentence, open ? words : "What reshape alone does is shown after your guess.", pointed !== null);
  };
  const point = (token) => {
    if (token === pointed) return;
    pointed = token;
    draw();
  };
  listen(clip, (x, y) => slotOf(clip.at(x, y), view(1)), point, choose);
  listen(table, (x, y) => table.at(x, y, view(1), desk.get("axis")), point, choose);
  desk.follow(["axis", "order", "token", "guess"], draw);
  return () => desk.close();
}

export default { render };
