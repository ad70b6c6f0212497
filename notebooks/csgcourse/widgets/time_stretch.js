// Notebook 01: the clip, both responses and their difference; time_stretch_responses.js computes them.

const SIGNED = palette("signed");
const level = (share) => Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, share)));
const greyOf = (frame) => (cell) => Array(3).fill(Math.round(255 * frame[cell]));
const answerOf = (frame, reach) => (cell) => SIGNED(level(frame[cell] / reach));

/** The table of pictures: names in the first column, frames from FIRST on, padded frames around. */
const FIRST = 4;
function table(root) {
  const grid = make("div", { class: "csg-table" });
  root.append(grid);
  const place = (row, column, element) => {
    element.style.gridArea = `${row} / ${column}`;
    grid.append(element);
    return element;
  };
  const name = (row, words) =>
    place(row, 1, make("div", { class: "csg-name" }, make("span", { textContent: words })));
  const canvases = (row, words) =>
    Array.from({ length: FRAMES }, (_, t) => {
      const label = `${words}, frame ${t + 1}`;
      const size = { width: SIDE, height: SIDE };
      return place(row, FIRST + t, make("canvas", { ...size, role: "img", "aria-label": label }));
    });
  return { grid, place, name, canvases };
}

/** Half-size frames where the kernel reaches beyond the clip, nearest first, before and after it. */
function beyondFrames({ place }, row) {
  const ghost = (column) => {
    const canvas = make("canvas", { width: SIDE, height: SIDE });
    place(row, column, make("div", { class: "csg-beyond", "aria-hidden": "true" }, canvas));
    return canvas;
  };
  const before = [FIRST - 1, FIRST - 2].map(ghost);
  const after = [FIRST + FRAMES, FIRST + FRAMES + 1].map(ghost);
  return (longer) => {
    const reach = (longer.length - FRAMES) / 2;
    for (const [index, canvas] of [...before.entries(), ...after.entries()]) {
      canvas.parentElement.classList.toggle("csg-absent", index >= reach);
      const isBefore = canvas === before[index];
      const frame = isBefore ? longer[reach - 1 - index] : longer[reach + FRAMES + index];
      if (frame) blit(canvas, picture(SIDE, SIDE, greyOf(frame)));
    }
  };
}

function kernelPicture(slices) {
  const pictures = slices.map((slice) => {
    const canvas = make("canvas", { width: 3, height: 3 });
    blit(canvas, picture(3, 3, (cell) => SIGNED(level(slice[cell] / 2))));
    return canvas;
  });
  return make("div", { class: "csg-kernel", "aria-hidden": "true" }, ...pictures);
}

function bars({ place }, row) {
  return Array.from({ length: FRAMES }, (_, t) => {
    const fill = make("span", { class: "csg-fill" });
    const number = make("span", { class: "csg-number" });
    place(row, FIRST + t, make("div", { class: "csg-bar" }, make("div", {}, fill), number));
    return (share) => {
      fill.style.height = `${100 * Math.min(1, share)}%`;
      number.textContent = `${Math.round(100 * share)} %`;
    };
  });
}

function controls(desk) {
  const speed = desk.slider("speed", { label: "Pixels a frame", min: 0, max: 3, step: 0.25 });
  return make(
    "div",
    { class: "csg-row" },
    speed,
    desk.choice("frames", { label: "Frames of the 3D kernel", options: [[1, "1"], [3, "3"], [5, "5"]] }),
    desk.choice("inflation", { label: "Inflation", options: [["mean", "mean"], ["center", "centre"]] }),
    desk.choice("padding", {
      label: "Beyond the clip's ends",
      options: [["replicate", "copies"], ["zeros", "zeros"]],
    }),
  );
}

function question(desk, { place }, row) {
  const answer = (guess) => () => desk.put("guess", guess);
  const panel = make(
    "div",
    { class: "csg-question" },
    make("strong", { textContent: "Guess first: will the 2D and the 3D response agree in every frame?" }),
    make(
      "div",
      { class: "csg-row" },
      desk.button("Yes, in every frame", answer("yes")),
      desk.button("No, not in every frame", answer("no")),
    ),
  );
  place(row, FIRST, panel);
  panel.style.gridArea = `${row} / ${FIRST} / ${row + 2} / ${FIRST + FRAMES}`;
  return panel;
}

function sentenceOf(desk, { apart }) {
  const speed = desk.get("speed");
  const motion = speed ? `The bar moves ${speed} ${speed === 1 ? "pixel" : "pixels"} a frame` : "The bar stands still";
  const parted = apart.filter((share) => share > SAME).length;
  const most = Math.max(...apart);
  const where = apart.indexOf(most) + 1;
  const facts = parted
    ? `the responses part in ${parted} of ${FRAMES} frames, most in frame ${where}, ` +
      `by ${percent(most)} of the largest 2D response.`
    : "the 2D and the 3D response agree in every frame.";
  return { agree: !parted, text: `${motion}: ${facts}` };
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "time-stretch", label: "Time-stretch" });
  desk.root.append(controls(desk));
  const pictures = table(desk.root);
  const name = ["frame", "clip", "2D kernel", "3D kernel", "apart by"].map((words, row) =>
    pictures.name(row + 1, words),
  );
  for (let t = 0; t < FRAMES; t++)
    pictures.place(1, FIRST + t, make("div", { class: "csg-time", textContent: t + 1 }));
  const clip = pictures.canvases(2, "Clip");
  const beyond = beyondFrames(pictures, 2);
  const flat = pictures.canvases(3, "2D response");
  const deep = pictures.canvases(4, "3D response");
  const apart = bars(pictures, 5);
  name[2].append(kernelPicture([KERNEL]));
  const key = "Orange: brighter to the right. Blue: darker to the right. One scale for both kernels.";
  const sentence = make("p", { class: "csg-sentence" });
  const again = desk.button("Hide and guess again", () => desk.put("guess", ""));
  desk.root.append(
    make("p", { class: "csg-small", textContent: key }),
    make("div", { class: "csg-verdict" }, sentence, again),
  );
  const panel = question(desk, pictures, 4);

  let guessed = ""; // the settings at which the guess was made: only there is it right or wrong
  const settings = ["speed", "frames", "inflation", "padding"];
  const draw = () => {
    const [speed, frames, inflation, padding] = settings.map((trait) => desk.get(trait));
    const result = responses(speed, frames, inflation, padding);
    const open = desk.get("guess") !== "";
    desk.root.classList.toggle("csg-hidden", !open);
    panel.hidden = open;
    again.hidden = !open;
    beyond(result.longer);
    name[3].querySelector(".csg-kernel")?.remove();
    name[3].append(kernelPicture(inflate(frames, inflation)));
    for (let t = 0; t < FRAMES; t++) {
      const frame = result.longer[t + (frames - 1) / 2];
      blit(clip[t], picture(SIDE, SIDE, greyOf(frame)));
      blit(flat[t], picture(SIDE, SIDE, answerOf(result.flat[t], result.reach)));
      blit(deep[t], picture(SIDE, SIDE, answerOf(result.deep[t], result.reach)));
      apart[t](result.apart[t]);
    }
    const { agree, text } = sentenceOf(desk, result);
    const here = [speed, frames, inflation, padding].join();
    if (!open) guessed = "";
    else guessed ||= here;
    const right = agree === (desk.get("guess") === "yes") ? "Your guess was right. " : "Not so. ";
    say(sentence, open ? (guessed === here ? right : "") + text : "The 3D response waits for your guess.");
  };
  desk.follow([...settings, "guess"], draw);
  return () => desk.close();
}

export { responses };
export default { render };
