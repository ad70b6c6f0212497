// Notebook 01: the responses of a 2D kernel and of the 3D kernel inflated from it, frame by frame.
// The page computes them, so that a slider needs no kernel.

const [FRAMES, SIDE] = [8, 32];
const CELLS = SIDE * SIDE;
const KERNEL = [-1, 0, 1, -2, 0, 2, -1, 0, 1]; // vertical edges, row by row
const SAME = 1e-6; // a smaller difference is rounding
const FIRST = 4; // grid column of the first frame; the padded frames are on either side
const SETTINGS = ["speed", "frames", "inflation", "padding"];
const SIGNED = palette("signed");

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

/** The weight of each temporal slice of the 3D kernel. */
const inflate = (frames, inflation) =>
  Array.from({ length: frames }, (_, slice) => (inflation === "mean" ? 1 / frames : Number(slice === (frames - 1) / 2)));

/** Both responses; `apart`: the largest difference in a frame over the largest 2D response. */
function responses(speed, frames, inflation, padding) {
  const pad = ([first, ...rest]) => {
    const beyond = (frame) => Array((frames - 1) / 2).fill(padding === "zeros" ? new Float64Array(CELLS) : frame);
    return [...beyond(first), first, ...rest, ...beyond(rest.at(-1))];
  };
  const weights = inflate(frames, inflation);
  const clip = movingBar(speed);
  const flat = clip.map(convolve);
  const padded = pad(flat); // all slices are the 2D kernel, weighted: so is the 3D response
  const deep = flat.map((frame, t) =>
    frame.map((_, cell) => weights.reduce((sum, weight, slice) => sum + weight * padded[t + slice][cell], 0)),
  );
  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const reach = Math.max(...flat.map(largest));
  const apart = deep.map((frame, t) => largest(frame.map((value, cell) => value - flat[t][cell])) / reach);
  return { longer: pad(clip), flat, deep, apart, reach };
}

const grey = (frame) => picture(SIDE, SIDE, (cell) => Array(3).fill(Math.round(255 * frame[cell])));
const coloured = (values, side, reach) =>
  picture(side, side, (cell) => SIGNED(Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, values[cell] / reach)))));

function put(grid, row, column, element) {
  element.style.gridArea = `${row} / ${column}`;
  grid.append(element);
  return element;
}

const canvasRow = (grid, row, words) =>
  Array.from({ length: FRAMES }, (_, t) =>
    put(grid, row, FIRST + t, make("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": `${words}, frame ${t + 1}` })),
  );

/** Half-size frames where the kernel reaches beyond the clip, nearest first, before and after it. */
function paddedFrames(grid, row) {
  const ghosts = [-1, -2, FRAMES, FRAMES + 1].map((t) => {
    const canvas = make("canvas", { width: SIDE, height: SIDE });
    put(grid, row, FIRST + t, make("div", { class: "csg-beyond", "aria-hidden": "true" }, canvas));
    return { t, canvas };
  });
  return (longer) => {
    for (const { t, canvas } of ghosts) {
      const frame = longer[t + (longer.length - FRAMES) / 2];
      canvas.parentElement.classList.toggle("csg-absent", !frame);
      if (frame) blit(canvas, grey(frame));
    }
  };
}

function kernelPicture(slices) {
  const canvases = slices.map((weight) => {
    const canvas = make("canvas", { width: 3, height: 3 });
    blit(canvas, coloured(KERNEL.map((value) => value * weight), 3, 2));
    return canvas;
  });
  return make("div", { class: "csg-kernel", "aria-hidden": "true" }, ...canvases);
}

function bars(grid, row) {
  return Array.from({ length: FRAMES }, (_, t) => {
    const [fill, number] = [make("span", { class: "csg-fill" }), make("span", { class: "csg-number" })];
    put(grid, row, FIRST + t, make("div", { class: "csg-bar" }, make("div", {}, fill), number));
    return (share) => {
      fill.style.height = `${100 * Math.min(1, share)}%`;
      number.textContent = `${Math.round(100 * share)} %`;
    };
  });
}

function question(desk, grid, row) {
  const answer = (words, guess) => desk.button(words, () => desk.put("guess", guess));
  const buttons = make("div", { class: "csg-row" }, answer("Yes, in every frame", "yes"), answer("No, not in every frame", "no"));
  const panel = guessPanel("Guess first: will the 2D and the 3D response agree in every frame?", buttons);
  put(grid, row, FIRST, panel);
  panel.style.gridArea = `${row} / ${FIRST} / ${row + 2} / ${FIRST + FRAMES}`;
  return panel;
}

function sentenceOf(speed, apart) {
  const motion = speed ? `The bar moves ${speed} ${speed === 1 ? "pixel" : "pixels"} a frame` : "The bar stands still";
  const [differ, most] = [apart.filter((share) => share > SAME).length, Math.max(...apart)];
  if (!differ) return `${motion}: the 2D and the 3D response agree in every frame.`;
  return (
    `${motion}: the responses differ in ${differ} of ${FRAMES} frames, most in frame ${apart.indexOf(most) + 1}, ` +
    `by ${percent(most)} of the largest 2D response.`
  );
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "time-stretch", label: "Time-stretch" });
  const grid = make("div", { class: "csg-table" });
  const names = ["frame", "clip", "2D kernel", "3D kernel", "difference"].map((words, row) =>
    put(grid, row + 1, 1, make("div", { class: "csg-name" }, make("span", { textContent: words }))),
  );
  for (let t = 0; t < FRAMES; t++) put(grid, 1, FIRST + t, make("div", { class: "csg-time", textContent: t + 1 }));
  const [clip, beyond] = [canvasRow(grid, 2, "Clip"), paddedFrames(grid, 2)];
  const [flat, deep] = [canvasRow(grid, 3, "2D response"), canvasRow(grid, 4, "3D response")];
  const apart = bars(grid, 5);
  names[2].append(kernelPicture([1]));
  const panel = question(desk, grid, 4);
  const sentence = paragraph("csg-sentence");
  const again = desk.button("Hide and guess again", () => desk.put("guess", ""));
  const choose = (trait, label, ...options) => desk.choice(trait, { label, options });
  desk.root.append(
    make(
      "div", { class: "csg-row" },
      desk.slider("speed", { label: "Pixels a frame", min: 0, max: 3, step: 0.25 }),
      choose("frames", "Frames of the 3D kernel", [1, "1"], [3, "3"], [5, "5"]),
      choose("inflation", "Inflation", ["mean", "mean"], ["center", "center"]),
      choose("padding", "Padding in time", ["replicate", "replicate"], ["zeros", "zeros"]),
    ),
    grid,
    paragraph("csg-small", "Orange: brighter to the right. Blue: darker to the right. One scale for both kernels."),
    make("div", { class: "csg-verdict" }, sentence, again),
  );

  let guessed = ""; // the settings at which the guess was made: only there is it right or wrong
  const draw = () => {
    const [settings, guess] = [desk.values(...SETTINGS), desk.get("guess")];
    const [speed, frames, inflation] = settings;
    const result = responses(...settings);
    desk.root.classList.toggle("csg-hidden", !guess);
    panel.hidden = guess !== "";
    again.hidden = !guess;
    beyond(result.longer);
    names[3].querySelector(".csg-kernel")?.remove();
    names[3].append(kernelPicture(inflate(frames, inflation)));
    for (let t = 0; t < FRAMES; t++) {
      blit(clip[t], grey(result.longer[t + (frames - 1) / 2]));
      blit(flat[t], coloured(result.flat[t], SIDE, result.reach));
      blit(deep[t], coloured(result.deep[t], SIDE, result.reach));
      apart[t](result.apart[t]);
    }
    guessed = guess ? guessed || settings.join() : "";
    const agree = result.apart.every((share) => share <= SAME);
    const verdict = guessed !== settings.join() ? "" : agree === (guess === "yes") ? "Your guess was right. " : "Your guess was wrong. ";
    say(sentence, guess ? verdict + sentenceOf(speed, result.apart) : "The 3D response is shown after your guess.");
  };
  desk.follow([...SETTINGS, "guess"], draw);
  return () => desk.close();
}

export { responses };
export default { render };
