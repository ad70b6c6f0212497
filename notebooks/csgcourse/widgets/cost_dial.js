// Notebook 03: what it costs to ask everybody, one's own frame, or one's own place in other frames.
// Everything is computed here; cost_dial_clip.js draws the clip below the dial and its map.

const KINDS = [["joint", "joint"], ["space", "space"], ["time", "time"], ["both", "space + time"]];
const NAMES = Object.fromEntries(KINDS);
const MOST_FRAMES = 64;
const PAPER_SIDE = 16;
const GUESSES = [2, 8, 50, 500];

/** How many sequences of which length, class token included. */
function sequences(frames, side, kind) {
  const patches = side * side;
  const space = { count: frames, length: 1 + patches };
  const time = { count: patches, length: 1 + frames };
  return { joint: [{ count: 1, length: 1 + frames * patches }], space: [space], time: [time], both: [space, time] }[kind];
}

/** Scores and mixing of one block: 2 x sequences x length² x width. */
function multiplications(frames, side, kind, width) {
  return sequences(frames, side, kind).reduce((sum, { count, length }) => sum + 2 * count * length ** 2 * width, 0);
}

const cheaper = (frames, side, kind = "both") =>
  multiplications(frames, side, "joint", 1) / multiplications(frames, side, kind, 1);

/** Of the guesses on offer, the nearest by factor. */
const nearest = (times) =>
  GUESSES.reduce((best, guess) => (Math.abs(Math.log(guess / times)) < Math.abs(Math.log(best / times)) ? guess : best));

const grouped = (number) => number.toLocaleString("en-US");
const short = (times) => (times < 10 ? times.toFixed(1) : grouped(Math.round(times)));

/** 3224400000 as "3.22 thousand million": three digits are enough to compare. */
function large(number) {
  for (const [size, words] of [[1e12, "million million"], [1e9, "thousand million"], [1e6, "million"], [1e3, "thousand"]])
    if (number >= size) return `${(number / size).toPrecision(3)} ${words}`;
  return `${number}`;
}

/** One bar a kind, all on one scale that starts at zero. */
function bars() {
  const rows = KINDS.map(([kind, words]) => {
    const fill = make("span", { class: "csg-length" });
    const number = make("span", { class: "csg-number" });
    const track = make("div", { class: "csg-track" }, fill);
    const row = make("div", { class: "csg-kind" }, make("b", { textContent: words }), track, number);
    return { kind, row, fill, number };
  });
  const box = make("div", { class: "csg-bars" }, ...rows.map(({ row }) => row));
  const draw = ({ frames, side, kind, width }) => {
    const costs = rows.map((row) => multiplications(frames, side, row.kind, width));
    rows.forEach(({ kind: own, row, fill, number }, place) => {
      row.classList.toggle("csg-current", own === kind);
      fill.style.width = `${(100 * costs[place]) / Math.max(...costs)}%`;
      const times = costs[0] / costs[place];
      const against = own === "joint" ? "" : times < 1 ? ", more than joint" : `, ${short(times)} times fewer`;
      number.textContent = large(costs[place]) + against;
    });
  };
  return { box, draw };
}

/** Cost over the number of frames, joint against decoupled; a drawing whose words are in the text. */
function growth() {
  const box = make("div", { class: "csg-growth", role: "img" });
  const [wide, high, left, top] = [320, 132, 12, 8];
  const x = (frames) => left + ((wide - 2 * left) * (frames - 1)) / (MOST_FRAMES - 1);
  const draw = ({ frames, side, width }) => {
    const most = multiplications(MOST_FRAMES, side, "joint", width);
    const y = (kind, at) => top + high * (1 - multiplications(at, side, kind, width) / most);
    const line = (kind) =>
      Array.from({ length: MOST_FRAMES }, (_, at) => `${x(at + 1).toFixed(1)},${y(kind, at + 1).toFixed(1)}`).join(" ");
    const dot = (kind) => `<circle class="csg-${kind}" cx="${x(frames)}" cy="${y(kind, frames)}" r="4.5"/>`;
    const ticks = [1, 8, 16, 32, 64].map((at) => `<text x="${x(at)}" y="${top + high + 15}">${at}</text>`).join("");
    box.setAttribute("aria-label", `From 1 to 64 frames: joint grows with the square, up to ${large(most)}; space and time together grow far more slowly.`);
    box.innerHTML = `<svg viewBox="0 0 ${wide} ${high + 30}" aria-hidden="true">
      <path class="csg-axis" d="M${left} ${top + high}H${wide - left}"/>
      <path class="csg-here" d="M${x(frames)} ${top}V${top + high}"/>
      <polyline class="csg-joint" points="${line("joint")}"/><polyline class="csg-both" points="${line("both")}"/>
      ${dot("joint")}${dot("both")}${ticks}
      <text class="csg-name" x="${x(46)}" y="${y("joint", 46) - 12}">joint</text>
      <text class="csg-name" x="${x(50)}" y="${y("both", 50) - 8}">space + time</text></svg>`;
  };
  const words = make("p", { class: "csg-small", textContent: "The same for 1 to 64 frames, from zero to joint attention's 64." });
  return { box: make("div", {}, words, box), draw };
}

/** Two guesses and a button that opens once both are made. */
function question(desk) {
  const options = GUESSES.map((guess) => [guess, `${guess} times`]);
  const show = desk.button("Show the costs", () => desk.put("revealed", true));
  const panel = make(
    "div",
    { class: "csg-question" },
    make("strong", { textContent: "Guess first: how many times cheaper than joint attention are space and time together, with the paper’s 16 × 16 patches?" }),
    make(
      "div",
      { class: "csg-row" },
      desk.choice("guess_8", { label: "In a clip of 8 frames, about", options }),
      desk.choice("guess_64", { label: "In a clip of 64 frames, about", options }),
      show,
    ),
  );
  desk.follow(["guess_8", "guess_64"], () => (show.disabled = !(desk.get("guess_8") && desk.get("guess_64"))));
  return panel;
}

function verdict(desk) {
  const judge = (frames) => {
    const times = cheaper(frames, PAPER_SIDE);
    const guess = desk.get(`guess_${frames}`);
    const said = guess ? `; you said ${guess}${guess === nearest(times) ? ", right" : ", not so"}` : "";
    return `${frames} frames: ${short(times)} times cheaper${said}.`;
  };
  return `With 16 × 16 patches, ${judge(8)} ${judge(64)}`;
}

function dialSentence({ frames, side, kind, width }, revealed) {
  const parts = sequences(frames, side, kind).map(
    ({ count, length }) => `${grouped(count)} ${count === 1 ? "sequence" : "sequences"} of ${grouped(length)} tokens`,
  );
  const laid = `${frames} ${frames === 1 ? "frame" : "frames"} of ${side} × ${side} patches, ${NAMES[kind]}: ${parts.join(" and ")}`;
  if (!revealed) return `${laid}. What that costs waits for your guesses.`;
  const cost = large(multiplications(frames, side, kind, width));
  const times = cheaper(frames, side, kind);
  const against = kind === "joint" ? "" : times < 1 ? ", more than joint attention" : `, ${short(times)} times fewer than joint attention`;
  return `${laid}, ${cost} multiplications a block${against}.`;
}

function dialPart(desk) {
  const costs = bars();
  const curve = growth();
  const panel = question(desk);
  const answers = make("div", { class: "csg-answers" }, costs.box, curve.box);
  const judged = make("p", { class: "csg-small csg-judged" });
  const again = desk.button("Hide and guess again", () => {
    for (const trait of ["guess_8", "guess_64"]) desk.put(trait, 0);
    desk.put("revealed", false);
  });
  const below = make("div", { class: "csg-verdict" }, judged, again);
  const sentence = make("p", { class: "csg-sentence" });
  desk.root.append(
    make(
      "div",
      { class: "csg-row" },
      desk.slider("frames", { label: "Frames", min: 1, max: MOST_FRAMES }),
      desk.slider("side", { label: "Patches a side", min: 2, max: 32 }),
      desk.choice("kind", { label: "Whom may a patch ask?", options: KINDS }),
    ),
    panel, answers, below, sentence,
  );
  const width = desk.get("facts").dim;
  desk.follow(["frames", "side", "kind", "guess_8", "guess_64", "revealed"], () => {
    const [frames, side, kind, open] = ["frames", "side", "kind", "revealed"].map((trait) => desk.get(trait));
    panel.hidden = open;
    answers.hidden = below.hidden = !open;
    costs.draw({ frames, side, kind, width });
    curve.draw({ frames, side, width });
    judged.textContent = verdict(desk);
    say(sentence, dialSentence({ frames, side, kind, width }, open));
  });
}

function clipPart(desk) {
  const facts = desk.get("facts");
  const shares = floats(desk.model, "maps");
  const row = strip(desk, facts, bytes(desk.model, "pixels"));
  const map = mapTable(facts.frames);
  const sentence = make("p", { class: "csg-sentence" });
  const heads = Array.from({ length: facts.heads }, (_, head) => [head + 1, `${head + 1}`]);
  const kindOfClip = facts.simulated ? "A simulated clip" : "A clip";
  const note = `${kindOfClip} of ${facts.frames} frames, ${facts.rows} × ${facts.columns} patches each. Click a patch, or press Tab until the row is framed and use the arrow keys. The framed patch asks; the bright ones may be asked.`;
  desk.root.append(
    make("p", { class: "csg-small", textContent: note }),
    row.list,
    make(
      "div",
      { class: "csg-below" },
      make("div", { class: "csg-scroll" }, map.table),
      make(
        "div",
        { class: "csg-side" },
        desk.choice("head", { label: "Head", options: [[0, "mean"], ...heads] }),
        desk.checkbox("stretch", "stretch the colours"),
        make("p", { class: "csg-small", textContent: "Percent of a question; a row is one question and adds up to 100. Yellow is much, blue is little." }),
        sentence,
      ),
    ),
  );
  desk.follow(["patch", "frame", "head", "stretch", "kind"], () => {
    const [kind, head] = [desk.get("kind"), desk.get("head")];
    const asking = { patch: desk.get("patch"), frame: desk.get("frame") - 1 };
    const own = mapOf(facts, shares, asking.patch, head);
    const place = `row ${1 + Math.floor(asking.patch / facts.columns)}, column ${1 + (asking.patch % facts.columns)}`;
    row.draw(asking, kind);
    map.draw(own, endsOf(own, facts.frames, desk.get("stretch")), asking, `Along time at ${place}: ${head ? `head ${head}` : "mean of heads"}`);
    say(sentence, clipSentence(facts, kind, asking, own, askedOf(kind, facts)));
  });
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "cost-dial", label: "Cost dial" });
  dialPart(desk);
  clipPart(desk);
  return () => desk.close();
}

export { multiplications, mapOf };
export default { render };
