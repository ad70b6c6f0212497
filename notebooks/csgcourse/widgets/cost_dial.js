// Notebook 03: the cost of joint, spatial and temporal attention, by a clip's length and resolution.

const KINDS = [["joint", "joint"], ["space", "space"], ["time", "time"], ["both", "space + time"]];
const MOST_FRAMES = 64;
const PAPER_SIDE = 16;
const GUESSES = [2, 8, 50, 500];

const grouped = (number) => number.toLocaleString("en-US");
const times = (factor) => `${factor < 10 ? factor.toFixed(1) : grouped(Math.round(factor))} times`;

/** 3224400000 as "3.22 billion": three digits are enough to compare. */
function large(number) {
  const [size, words] = [[1e12, " trillion"], [1e9, " billion"], [1e6, " million"], [1e3, " thousand"], [1, ""]].find(([size]) => number >= size);
  return `${(number / size).toPrecision(3)}${words}`;
}

/** [how many sequences, of how many tokens], class token included. */
function sequences(frames, side, kind) {
  const patches = side * side;
  const [space, time] = [[frames, 1 + patches], [patches, 1 + frames]];
  return { joint: [[1, 1 + frames * patches]], space: [space], time: [time], both: [space, time] }[kind];
}

/** MACs of the scores and of the weighted sum: 2 x sequences x length² x width. */
const macs = (frames, side, kind, width) =>
  sequences(frames, side, kind).reduce((sum, [count, length]) => sum + 2 * count * length ** 2 * width, 0);

const cheaper = (frames, side, kind = "both") => macs(frames, side, "joint", 1) / macs(frames, side, kind, 1);

/** One bar a kind, all on one scale that starts at zero, with what makes the cost. */
function bars() {
  const rows = KINDS.map(([kind, words]) => {
    const [fill, number] = [make("span", { class: "csg-length" }), make("span", { class: "csg-number" })];
    const track = make("div", { class: "csg-track" }, fill);
    return { kind, fill, number, row: make("div", { class: "csg-kind" }, make("b", { textContent: words }), track, number) };
  });
  const draw = ({ frames, side, width }) => {
    const most = Math.max(...rows.map(({ kind }) => macs(frames, side, kind, width)));
    for (const { kind, fill, number } of rows) {
      const [cost, factor] = [macs(frames, side, kind, width), cheaper(frames, side, kind)];
      const lengths = sequences(frames, side, kind).map(([count, length]) => `${grouped(count)} × ${grouped(length)}²`);
      const against = kind === "joint" ? "" : factor < 1 ? ", more than joint" : `, ${times(factor)} cheaper`;
      fill.style.width = `${(100 * cost) / most}%`;
      number.textContent = `${lengths.join(" + ")} pairs: ${large(cost)} MACs${against}`;
    }
  };
  return { box: make("div", { class: "csg-bars" }, ...rows.map(({ row }) => row)), draw };
}

/** MACs over the number of frames: joint attention's grow with the square. */
function growth() {
  const [wide, high, left, top] = [360, 150, 14, 22];
  const x = (frames) => left + ((wide - 2 * left) * (frames - 1)) / (MOST_FRAMES - 1);
  const { box, svg } = svgDrawing("growth", { width: wide, height: top + high + 40 }, "");
  const draw = ({ frames, side, width }) => {
    const most = macs(MOST_FRAMES, side, "joint", width);
    const y = (kind, at) => top + high * (1 - macs(at, side, kind, width) / most);
    const curve = (kind) => {
      const points = Array.from({ length: MOST_FRAMES }, (_, at) => `${x(at + 1).toFixed(1)},${y(kind, at + 1).toFixed(1)}`);
      return `<polyline class="csg-${kind}" points="${points.join(" ")}"/><circle class="csg-${kind}" cx="${x(frames)}" cy="${y(kind, frames)}" r="4.5"/>`;
    };
    svg.innerHTML = `<path class="csg-axis" d="M${left} ${top}V${top + high}H${wide - left}"/>
      <path class="csg-here" d="M${x(frames)} ${top}V${top + high}"/>${curve("joint")}${curve("both")}
      ${[1, 16, 32, 48, 64].map((at) => `<text x="${x(at)}" y="${top + high + 16}">${at}</text>`).join("")}
      <text x="${wide / 2}" y="${top + high + 34}">frames</text><text class="csg-most" x="${left}" y="${top - 8}">${large(most)} MACs</text>
      <text class="csg-name" x="${x(46)}" y="${y("joint", 46) - 12}">joint</text>
      <text class="csg-name" x="${x(52)}" y="${y("both", 52) - 8}">space + time</text>`;
    const end = (kind) => `${times(macs(MOST_FRAMES, side, kind, 1) / macs(1, side, kind, 1))} as many`;
    setAttributes(svg, { "aria-label": `MACs of 64 frames against 1: joint ${end("joint")}, space and time ${end("both")}` });
  };
  return { box, draw };
}

/** Two guesses and a button that opens once both are made. */
function question(desk) {
  const options = GUESSES.map((guess) => [guess, `${guess} times`]);
  const show = desk.button("Show the costs", () => desk.put("revealed", true));
  desk.follow(["guess_8", "guess_64"], () => (show.disabled = !desk.values("guess_8", "guess_64").every(Boolean)));
  return guessPanel(
    "Guess first: how many times cheaper than joint attention are space and time together, with the paper’s 16 × 16 patches?",
    make(
      "div", { class: "csg-row" },
      desk.choice("guess_8", { label: "In a clip of 8 frames, about", options }),
      desk.choice("guess_64", { label: "In a clip of 64 frames, about", options }),
      show,
    ),
  );
}

/** A guess is right if no other option is nearer, as a factor. */
function verdict(desk, frames) {
  const factor = cheaper(frames, PAPER_SIDE);
  const off = (option) => Math.abs(Math.log(option / factor));
  const guess = desk.get(`guess_${frames}`);
  const right = GUESSES.every((option) => off(guess) <= off(option));
  return `${frames} frames: ${times(factor)}${guess ? ` (you guessed ${guess}: ${right ? "right" : "wrong"})` : ""}`;
}

const WHY =
  "Why: t frames are one joint sequence that is t times as long, so it has t² times the pairs; along space they are t sequences, t times the pairs. What is saved is about t, while t is small beside the patches.";

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "cost-dial", label: "Cost dial" });
  const [costs, curve, panel] = [bars(), growth(), question(desk)];
  const answers = make("div", { class: "csg-answers" }, costs.box, curve.box);
  const sentence = paragraph("csg-sentence");
  const again = desk.button("Hide and guess again", () => {
    for (const [trait, value] of [["guess_8", 0], ["guess_64", 0], ["revealed", false]]) desk.put(trait, value);
  });
  const below = make("div", { class: "csg-verdict" }, sentence, again);
  const sliders = make(
    "div", { class: "csg-row" },
    desk.slider("frames", { label: "Frames", min: 1, max: MOST_FRAMES }),
    desk.slider("side", { label: "Patches a side", min: 2, max: 32 }),
  );
  desk.root.append(panel, sliders, answers, below);
  desk.follow(["frames", "side", "guess_8", "guess_64", "revealed"], () => {
    const [frames, side, width, open] = desk.values("frames", "side", "dim", "revealed");
    panel.hidden = open;
    sliders.hidden = answers.hidden = below.hidden = !open;
    costs.draw({ frames, side, width });
    curve.draw({ frames, side, width });
    say(sentence, open ? `Cheaper with 16 × 16 patches, ${verdict(desk, 8)}; ${verdict(desk, 64)}. ${WHY}` : "");
  });
  return () => desk.close();
}

export { macs };
export default { render };
