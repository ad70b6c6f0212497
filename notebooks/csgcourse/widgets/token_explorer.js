// Notebook 02: point at a token, see its patch and whom it meets; guess what a forgotten transpose
// does. token_explorer_pictures.js draws.

const ORDERS = [["transposed", "transpose, then reshape"], ["reshaped", "reshape alone"]];
const GUESSES = [
  ["time", "One place, all frames"],
  ["frame", "Places of one frame"],
  ["mix", "A mix of places and frames"],
];

const name = (token, sizes) => {
  const { frame, row, column } = whereIs(token, sizes);
  return `frame ${frame + 1}, row ${row + 1}, column ${column + 1}`;
};

/** Whom a token meets in the right order. */
function meets(token, axis, { frames, patches }) {
  const all = frames * patches;
  const copies = { space: frames, time: patches, joint: 1 }[axis];
  if (!token) {
    const many = copies === 1 ? "one sequence has it as it is" : `${copies} copies of it lead ${copies} sequences`;
    return `The class token has no pixels: it is learned. Along ${axis}, ${many}, and it meets all ${all} patches.`;
  }
  const others = {
    space: `the ${patches - 1} other patches of its frame and a copy of the class token`,
    time: `its own place in the ${frames - 1} other frames and a copy of the class token`,
    joint: `all ${all - 1} other patches of the clip and the class token`,
  }[axis];
  const how = axis === "joint" ? "Jointly" : `Along ${axis}`;
  return `${how} it meets ${others}.`;
}

/** What went wrong with a slot, and with its whole sequence. */
function mistaken(token, { stands, slots, held }, sizes) {
  const [, ...members] = stands[slots[0].group];
  const frames = [...new Set(members.map((patch) => whereIs(patch, sizes).frame + 1))];
  const places = new Set(members.map((patch) => whereIs(patch, sizes).place)).size;
  const where = frames.length === 1 ? `all from frame ${frames[0]}` : `from ${frames.length} frames`;
  const sequence = `${members.length} patches ${where}, ${places === 1 ? "one place" : `${places} places`}`;
  if (!token) return `The copies of the class token are right, but the first leads ${sequence}.`;
  const holds = held === token ? "and by chance holds it" : `but holds ${name(held, sizes)}`;
  return `This slot is meant for ${name(token, sizes)}, ${holds}. Its sequence: ${sequence}.`;
}

/** The patch itself, sixteen times as large. */
function magnifier(sources, sizes) {
  const canvas = make("canvas", { width: PATCH, height: PATCH, role: "img", "aria-label": "The patch, enlarged" });
  const caption = make("p", { class: "csg-small" });
  const show = (held) => {
    const context = canvas.getContext("2d");
    context.fillStyle = "#3b4654";
    context.fillRect(0, 0, PATCH, PATCH);
    const { frame, row, column } = whereIs(Math.max(1, held), sizes);
    const from = [column * PATCH, row * PATCH, PATCH, PATCH];
    if (held) context.drawImage(sources[frame], ...from, 0, 0, PATCH, PATCH);
    caption.textContent = held ? `${name(held, sizes)}: ${PATCH} × ${PATCH} pixels` : "class token: no pixels";
  };
  return { element: make("div", { class: "csg-patch" }, canvas, caption), show };
}

function question(desk, { frames, patches }) {
  const asked =
    `Guess first. The shape is right, ${patches} sequences of 1 + ${frames}. ` +
    "Which patches stand in one of them?";
  const answers = GUESSES.map(([guess, words]) => desk.button(words, () => desk.put("guess", guess)));
  return make(
    "div",
    { class: "csg-question" },
    make("strong", { textContent: asked }),
    make("div", { class: "csg-row" }, ...answers),
  );
}

/** Hover shows, a press chooses; where there is no hover, a tap chooses. */
function listen({ canvas }, find, point, choose) {
  const under = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    return find(x * canvas.width, y * canvas.height);
  };
  canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && point(under(event)));
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("click", (event) => under(event) !== null && choose(under(event)));
}

/** Steps that stay inside the clip: over the frames as they are drawn, or over the sequences. */
function steps(token, inFrames, axis, { frames, rows, columns, patches }) {
  const { frame, place, row, column } = whereIs(Math.max(1, token), { patches, columns });
  const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
  const number = (t, n) => 1 + clamp(t, frames) * patches + clamp(n, patches);
  const through = (by) => number(frame + by, place);
  const within = (by) => number(frame, place + by);
  if (!inFrames) return axis === "time" ? { across: through, down: within } : { across: within, down: through };
  const across = (by) => {
    const along = clamp(frame * columns + column + by, frames * columns);
    return number(Math.floor(along / columns), row * columns + (along % columns));
  };
  return { across, down: (by) => number(frame, clamp(row + by, rows) * columns + column) };
}

function render({ model, el }) {
  const { frames, rows, columns } = model.get("facts");
  const sizes = { frames, rows, columns, patches: rows * columns };
  const last = frames * sizes.patches;
  let pointed = null; // the slot under the mouse
  const view = (token) => encounter(token, desk.get("axis"), desk.get("order"), sizes);
  const choose = (token) => {
    pointed = null; // a resting mouse would hide what a key did
    desk.put("token", token);
    draw();
  };
  const step = (direction, by) => () => {
    const token = desk.get("token");
    const inFrames = clip.canvas.matches(":focus");
    const here = view(token);
    if (!token) return choose(inFrames ? slotOf(1, here) : 1);
    const next = steps(inFrames ? here.held : token, inFrames, desk.get("axis"), sizes)[direction](by);
    choose(inFrames ? slotOf(next, here) : next);
  };
  const keys = {
    ArrowLeft: step("across", -1), ArrowRight: step("across", 1),
    ArrowUp: step("down", -1), ArrowDown: step("down", 1),
    Home: () => choose(0), End: () => choose(last),
  };
  const desk = new Desk(model, el, { name: "token-explorer", label: "Token explorer", keys });
  const grey = bytes(model, "frames");
  const [width, height] = [columns * PATCH, rows * PATCH];
  const sources = Array.from({ length: frames }, (_, t) =>
    picture(width, height, (cell) => Array(3).fill(grey[t * width * height + cell])),
  );
  const clip = clipPicture(sources, sizes, last);
  const table = tokenTable(sources, sizes, last);
  const patch = magnifier(sources, sizes);
  const ask = question(desk, sizes);
  const sentence = make("p", { class: "csg-sentence" });
  const again = desk.button("Hide and guess again", () => desk.put("guess", ""));
  const numbers = sources.map((_, t) => make("span", { textContent: `frame ${t + 1}` }));
  const help = make("p", { class: "csg-small" });
  desk.root.append(
    make(
      "div",
      { class: "csg-row" },
      desk.choice("axis", { label: "Attention along", options: AXES.map((axis) => [axis, axis]) }),
      desk.choice("order", { label: "Sequences along time are made by", options: ORDERS }),
    ),
    make("div", { class: "csg-clip" }, make("div", { "aria-hidden": "true" }, ...numbers), clip.canvas),
    make("div", { class: "csg-below" }, make("div", { class: "csg-sequences" }, table.canvas, ask), patch.element),
    help,
    make("div", { class: "csg-verdict" }, sentence, again),
  );
  const draw = () => {
    const [axis, order, guess] = ["axis", "order", "guess"].map((trait) => desk.get(trait));
    const token = pointed ?? desk.get("token");
    const seen = view(token);
    const wrong = axis === "time" && order === "reshaped";
    const open = !wrong || guess !== "";
    clip.draw(seen, wrong ? token : 0, open);
    table.draw(seen, axis);
    patch.show(open ? seen.held : token);
    ask.hidden = open;
    desk.root.classList.toggle("csg-hidden", !open);
    again.hidden = !wrong || !open;
    for (const { canvas } of [clip, table]) {
      canvas.setAttribute("aria-valuenow", token);
      canvas.setAttribute("aria-valuetext", token ? name(token, sizes) : "class token");
    }
    help.textContent =
      `Orange: the token. Blue: those it meets in attention. ${wrong ? "Dashed: where it is meant to be. " : ""}` +
      "C: the class token, a copy for each sequence. Point, tap, or use the arrow keys; Home is the class token.";
    const right = guess === mixture(seen.stands, sizes) ? "Your guess was right. " : "Not so. ";
    const who = token ? `Token ${token} of ${last}: ${name(token, sizes)}. ` : "";
    const calm = order === "reshaped" ? " Here its patches lie side by side in memory: reshape alone is right." : "";
    const told = wrong ? right + mistaken(token, seen, sizes) : who + meets(token, axis, sizes) + calm;
    say(sentence, open ? told : "What reshape alone does waits for your guess.", pointed !== null);
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

export { lineup, mixture };
export default { render };
