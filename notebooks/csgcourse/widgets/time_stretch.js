// Notebook 01: the responses of a 2D kernel and of a 3D kernel made from it, frame by frame, and for
// a pixel of the 3D response the frames and slices that made it. The page computes all of it.

const [FRAMES, SIDE] = [8, 32];
const CELLS = SIDE * SIDE;
const KERNEL = [-1, 0, 1, -2, 0, 2, -1, 0, 1]; // vertical edges, row by row
const SAME = 1e-6; // a smaller difference is rounding
const OWN = ["before", "now", "after"];
const SETTINGS = ["speed", "slices", "padding", ...OWN];
const SIGNED = palette("signed");
const GUESSES = [["all", "In all eight"], ["ends", "In the first and the last"], ["none", "In none"]];

/** A vertical soft bar that crosses the middle half way through the clip; one array a frame. */
function movingBar(speed) {
  const middle = (SIDE - 1) / 2;
  return Array.from({ length: FRAMES }, (_, time) =>
    Float64Array.from({ length: CELLS }, (_, cell) => {
      const across = ((cell % SIDE) - middle - speed * (time - (FRAMES - 1) / 2)) / 2;
      const along = (Math.floor(cell / SIDE) - middle) / 6;
      return Math.exp(-(across * across + along * along) / 2);
    }),
  );
}

/** The 2D response of one frame, with zeros beyond its edges. */
function convolve(frame) {
  const at = (y, x) => (y >= 0 && y < SIDE && x >= 0 && x < SIDE ? frame[y * SIDE + x] : 0);
  return Float64Array.from({ length: CELLS }, (_, cell) =>
    KERNEL.reduce((sum, weight, part) => sum + weight * at(Math.floor(cell / SIDE) + Math.floor(part / 3) - 1, (cell % SIDE) + (part % 3) - 1), 0),
  );
}

/** Shares of the 2D kernel in the slices for the frame before, this frame, and the one after. */
const sharesOf = (slices, own) => ({ mean: [1 / 3, 1 / 3, 1 / 3], centre: [0, 1, 0] })[slices] ?? own;

/** Clip and 2D response with a frame beyond either end; the 3D response; `apart`: the largest
 * difference in a frame over the largest 2D response. */
function responses(speed, slices, padding, ...own) {
  const pad = (frames) => {
    const beyond = (frame) => (padding === "zeros" ? new Float64Array(CELLS) : frame);
    return [beyond(frames[0]), ...frames, beyond(frames.at(-1))];
  };
  const [shares, clip] = [sharesOf(slices, own), movingBar(speed)];
  const flat = clip.map(convolve);
  const padded = pad(flat); // all slices are the 2D kernel, weighted: so is the 3D response
  const deep = flat.map((frame, t) => frame.map((_, cell) => shares.reduce((sum, share, s) => sum + share * padded[t + s][cell], 0)));
  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const reach = Math.max(...flat.map(largest));
  const apart = deep.map((frame, t) => largest(frame.map((value, cell) => value - flat[t][cell])) / reach);
  return { shares, clip: pad(clip), padded, flat, deep, apart, reach };
}

const grey = (frame) => picture(SIDE, SIDE, (cell) => Array(3).fill(Math.round(255 * frame[cell])));
const coloured = (values, side, reach) =>
  picture(side, side, (cell) => SIGNED(Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, values[cell] / reach)))));

/** A row of the table: its name, and a cell with a canvas for each frame from `first` on. */
function row(name, words, first, count) {
  const cells = Array.from({ length: count }, (_, place) => {
    const t = first + place;
    const inside = t >= 0 && t < FRAMES;
    const named = inside ? { role: "img", "aria-label": `${words}, frame ${t + 1}` } : { "aria-hidden": "true" };
    const canvas = make("canvas", { width: SIDE, height: SIDE, ...named });
    const [mark, slice] = [make("i", { class: "csg-mark" }), make("canvas", { class: "csg-slice", width: 3, height: 3, "aria-hidden": "true" })];
    return { canvas, mark, slice, box: make("div", { class: inside ? "csg-cell" : "csg-cell csg-beyond" }, canvas, mark, slice) };
  });
  const box = make("div", { class: "csg-cells" }, ...cells.map((cell) => cell.box));
  if (count === FRAMES) box.prepend(make("span")), box.append(make("span"));
  return { cells, box, parts: [make("div", { class: "csg-name", textContent: name }), box] };
}

/** Outline a square of pixels around the middle of a cell's pixel. */
function outline({ mark }, { y, x }, side) {
  const at = (value) => `${(100 * (value + 0.5 - side / 2)) / SIDE}%`;
  Object.assign(mark.style, { left: at(x), top: at(y), width: `${(100 * side) / SIDE}%`, height: `${(100 * side) / SIDE}%` });
}

/** Why both responses agree or differ. */
function reasons(speed, padding, shares, apart) {
  const [sum, outer] = [shares[0] + shares[1] + shares[2], shares[0] || shares[2]];
  if (apart.every((share) => share <= SAME))
    return outer ? "Each slice meets the same picture, and the slices add up to the 2D kernel." : "The outer slices are zero: each frame is filtered alone, as in 2D.";
  const found = [];
  if (Math.abs(sum - 1) > 1e-3) found.push(`The slices add up to ${Number(sum.toFixed(2))} times the 2D kernel, not to it.`);
  if (outer && speed) found.push("The three frames show the bar in three places, and the 3D response adds up all three.");
  if (outer && padding === "zeros") found.push("At the ends one slice meets zeros, and its share is lost.");
  return found.join(" ");
}

function sentenceOf(speed, padding, shares, apart) {
  const motion = speed ? `At ${speed} ${speed === 1 ? "pixel" : "pixels"} a frame` : "While the bar stands still";
  const [differ, most] = [apart.filter((share) => share > SAME).length, Math.max(...apart)];
  const result = differ ? `differ in ${differ} of ${FRAMES} frames, by up to ${percent(most)} of the largest 2D response` : "agree in every frame";
  return `${motion} the responses ${result}. ${reasons(speed, padding, shares, apart)}`;
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "time-stretch", label: "Time-stretch" });
  const clip = row("clip", "Clip", -1, FRAMES + 2);
  const [flat, deep] = [row("2D kernel", "2D response", 0, FRAMES), row("3D kernel", "3D response", 0, FRAMES)];
  const bars = deep.cells.map(({ box }) => box.appendChild(make("span", { class: "csg-apart" })));
  Object.assign(deep.box, { tabIndex: 0, role: "application", ariaLabel: "Pixel of the 3D response; arrow keys move it, Page Up and Page Down change the frame" });
  deep.parts[0].append(make("span", { class: "csg-small", textContent: "and how far it differs" }));
  const choose = (trait, label, ...options) => desk.choice(trait, { label, options });
  const own = make("div", { class: "csg-row" }, ...OWN.map((trait) => desk.slider(trait, { label: `slice ${trait}`, min: -1, max: 1, step: 0.05 })));
  const buttons = GUESSES.map(([guess, words]) => desk.button(words, () => desk.put("guess", guess)));
  const panel = guessPanel("Guess first: in which frames will the 3D response differ from the 2D one?", make("div", { class: "csg-row" }, ...buttons));
  const [made, sentence] = [paragraph("csg-small csg-made"), paragraph("csg-sentence")];
  const again = desk.button("Hide and guess again", () => desk.put("guess", ""));
  desk.root.append(
    make(
      "div", { class: "csg-row" },
      desk.slider("speed", { label: "Pixels a frame", min: 0, max: 3, step: 0.25 }),
      choose("slices", "Slices of the 3D kernel", ["mean", "mean"], ["centre", "centre"], ["own", "your own"]),
      choose("padding", "Beyond the ends", ["replicate", "replicate"], ["zeros", "zeros"]),
    ),
    own,
    make("div", { class: "csg-table" }, ...clip.parts, ...flat.parts, ...deep.parts, panel),
    made,
    make("div", { class: "csg-verdict" }, sentence, again),
  );

  let result; // of the present settings
  let here = { t: 3, y: 15, x: 13 }; // the pixel of the 3D response that is explained
  let guessed = ""; // the settings at which the guess was made: only there is it right or wrong
  const explain = (next) => {
    here = next;
    const cell = here.y * SIDE + here.x;
    for (const [t, one] of clip.cells.entries()) {
      const slice = t - here.t;
      one.box.classList.toggle("csg-on", slice >= 0 && slice < 3);
      if (!(slice in result.shares)) continue;
      outline(one, here, 3);
      blit(one.slice, coloured(KERNEL.map((value) => value * result.shares[slice]), 3, 2));
    }
    for (const [t, one] of deep.cells.entries()) one.box.classList.toggle("csg-on", t === here.t);
    outline(deep.cells[here.t], here, 1);
    const terms = result.shares.map((share, s) => `${share.toFixed(2)} · ${result.padded[here.t + s][cell].toFixed(2)}`);
    say(made, `Frame ${here.t + 1}, outlined pixel: ${terms.join(" + ")} = ${result.deep[here.t][cell].toFixed(2)}, three 2D responses weighted; 2D kernel: ${result.flat[here.t][cell].toFixed(2)}.`);
  };
  const draw = () => {
    const [settings, guess] = [desk.values(...SETTINGS), desk.get("guess")];
    const [speed, slices, padding] = settings;
    result = responses(...settings);
    desk.root.classList.toggle("csg-hidden", !guess);
    [panel.hidden, again.hidden, own.hidden] = [guess !== "", !guess, slices !== "own"];
    clip.cells.forEach(({ canvas }, t) => blit(canvas, grey(result.clip[t])));
    for (const [{ cells }, frames] of [[flat, result.flat], [deep, result.deep]])
      cells.forEach(({ canvas }, t) => blit(canvas, coloured(frames[t], SIDE, result.reach)));
    bars.forEach((bar, t) => (bar.textContent = `${Math.round(100 * result.apart[t])} %`));
    explain(here);
    guessed = guess ? guessed || settings.join() : "";
    const differ = result.apart.map((share) => share > SAME);
    const truth = { 0: "none", 8: "all" }[differ.filter(Boolean).length] ?? (differ.slice(1, -1).some(Boolean) ? "" : "ends");
    const verdict = guessed !== settings.join() ? "" : truth === guess ? "Your guess was right. " : "Your guess was wrong. ";
    say(sentence, guess ? verdict + sentenceOf(speed, padding, result.shares, result.apart) : "The 3D response is shown after your guess.");
  };
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  const step = (t, y, x) => () => explain({ t: clamp(here.t + t, FRAMES - 1), y: clamp(here.y + y, SIDE - 1), x: clamp(here.x + x, SIDE - 1) });
  const moves = { ArrowLeft: step(0, 0, -1), ArrowRight: step(0, 0, 1), ArrowUp: step(0, -1, 0), ArrowDown: step(0, 1, 0), PageUp: step(-1, 0, 0), PageDown: step(1, 0, 0) };
  desk.closing.push(guardKeys(deep.box, moves));
  deep.cells.forEach(({ canvas }, t) =>
    canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      const along = (place, length) => clamp(Math.floor((SIDE * place) / length), SIDE - 1);
      explain({ t, y: along(offsetY, canvas.clientHeight), x: along(offsetX, canvas.clientWidth) });
    }),
  );
  desk.follow([...SETTINGS, "guess"], draw);
  return () => desk.close();
}

export { responses };
export default { render };
