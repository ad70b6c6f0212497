// Notebook 03: the cost of joint, spatial and temporal attention, then one query patch, its keys and
// its temporal attention map. All maps are here from the start, so that no key press waits.

const KINDS = [["joint", "joint"], ["space", "space"], ["time", "time"], ["both", "space + time"]];
const MOST_FRAMES = 64;
const PAPER_SIDE = 16;
const GUESSES = [2, 8, 50, 500];
const CIVIDIS = palette("magnitude");

const grouped = (number) => number.toLocaleString("en-US");
const times = (factor) => `${factor < 10 ? factor.toFixed(1) : grouped(Math.round(factor))} times`;
const counted = (count, what) => `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;

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

function against(frames, side, kind) {
  const factor = cheaper(frames, side, kind);
  return kind === "joint" ? "" : factor < 1 ? ", more than joint" : `, ${times(factor)} fewer`;
}

/** One bar a kind, all on one scale that starts at zero. */
function bars() {
  const rows = KINDS.map(([kind, words]) => {
    const [fill, number] = [make("span", { class: "csg-length" }), make("span", { class: "csg-number" })];
    const track = make("div", { class: "csg-track" }, fill);
    return { kind, fill, number, row: make("div", { class: "csg-kind" }, make("b", { textContent: words }), track, number) };
  });
  const box = make("div", { class: "csg-bars" }, ...rows.map(({ row }) => row));
  const draw = ({ frames, side, kind: current, width }) => {
    const most = Math.max(...rows.map(({ kind }) => macs(frames, side, kind, width)));
    for (const { kind, fill, number, row } of rows) {
      const cost = macs(frames, side, kind, width);
      row.classList.toggle("csg-current", kind === current);
      fill.style.width = `${(100 * cost) / most}%`;
      number.textContent = large(cost) + against(frames, side, kind);
    }
  };
  return { box, draw };
}

/** MACs over the number of frames, joint against space and time. */
function growth() {
  const [wide, high, left, top] = [320, 132, 12, 8];
  const x = (frames) => left + ((wide - 2 * left) * (frames - 1)) / (MOST_FRAMES - 1);
  const { box, svg } = svgDrawing("growth", { width: wide, height: high + 30 }, "");
  const draw = ({ frames, side }) => {
    const most = macs(MOST_FRAMES, side, "joint", 1);
    const y = (kind, at) => top + high * (1 - macs(at, side, kind, 1) / most);
    const curve = (kind) => {
      const points = Array.from({ length: MOST_FRAMES }, (_, at) => `${x(at + 1).toFixed(1)},${y(kind, at + 1).toFixed(1)}`);
      return `<polyline class="csg-${kind}" points="${points.join(" ")}"/><circle class="csg-${kind}" cx="${x(frames)}" cy="${y(kind, frames)}" r="4.5"/>`;
    };
    svg.innerHTML = `<path class="csg-axis" d="M${left} ${top + high}H${wide - left}"/>
      <path class="csg-here" d="M${x(frames)} ${top}V${top + high}"/>${curve("joint")}${curve("both")}
      ${[1, 8, 16, 32, 64].map((at) => `<text x="${x(at)}" y="${top + high + 15}">${at}</text>`).join("")}
      <text class="csg-name" x="${x(46)}" y="${y("joint", 46) - 12}">joint</text>
      <text class="csg-name" x="${x(50)}" y="${y("both", 50) - 8}">space + time</text>`;
    const end = (kind) => `${times(macs(MOST_FRAMES, side, kind, 1) / macs(1, side, kind, 1))} as many`;
    setAttributes(svg, { "aria-label": `MACs of 64 frames against 1: joint ${end("joint")}, space and time ${end("both")}` });
  };
  return { box: make("div", {}, paragraph("csg-small", "MACs for 1 to 64 frames, from zero to joint attention's 64."), box), draw };
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
  return `${frames} frames: ${times(factor)} cheaper${guess ? `; you guessed ${guess}, ${right ? "right" : "wrong"}` : ""}.`;
}

function costSentence({ frames, side, kind, width }, revealed) {
  const parts = sequences(frames, side, kind).map(([count, length]) => `${counted(count, "sequence")} of ${grouped(length)} tokens`);
  const shape = `${counted(frames, "frame")} of ${side} × ${side} patches, ${Object.fromEntries(KINDS)[kind]}: ${parts.join(" and ")}`;
  if (!revealed) return `${shape}. The cost is shown after your guesses.`;
  return `${shape}, ${large(macs(frames, side, kind, width))} MACs a block${against(frames, side, kind)}.`;
}

function costPart(desk) {
  const [costs, curve, panel] = [bars(), growth(), question(desk)];
  const answers = make("div", { class: "csg-answers" }, costs.box, curve.box);
  const [judged, sentence] = [paragraph("csg-small csg-judged"), paragraph("csg-sentence")];
  const again = desk.button("Hide and guess again", () => {
    for (const [trait, value] of [["guess_8", 0], ["guess_64", 0], ["revealed", false]]) desk.put(trait, value);
  });
  const below = make("div", { class: "csg-verdict" }, judged, again);
  desk.root.append(
    make(
      "div", { class: "csg-row" },
      desk.slider("frames", { label: "Frames", min: 1, max: MOST_FRAMES }),
      desk.slider("side", { label: "Patches a side", min: 2, max: 32 }),
      desk.choice("kind", { label: "Attention over", options: KINDS }),
    ),
    panel, answers, below, sentence,
  );
  desk.follow(["frames", "side", "kind", "guess_8", "guess_64", "revealed"], () => {
    const [frames, side, kind, open] = desk.values("frames", "side", "kind", "revealed");
    const settings = { frames, side, kind, width: desk.get("facts").dim };
    panel.hidden = open;
    answers.hidden = below.hidden = !open;
    costs.draw(settings);
    curve.draw(settings);
    judged.textContent = `With 16 × 16 patches, ${verdict(desk, 8)} ${verdict(desk, 64)}`;
    say(sentence, costSentence(settings, open));
  });
}

/** Is this patch a key of the query? Cells are { frame, patch }. */
const isKey = (kind, query, { frame, patch }) =>
  kind === "joint" || (kind !== "time" && frame === query.frame) || (kind !== "space" && patch === query.patch);

/** Keys as they are, all other patches dark; the query framed. */
function paintFrame(canvas, source, facts, kind, query, frame) {
  const { rows, columns } = facts;
  const context = canvas.getContext("2d");
  const [wide, high] = [canvas.width / columns, canvas.height / rows];
  blit(canvas, source, { smooth: true });
  context.fillStyle = "rgb(8 14 26 / 78%)";
  for (let patch = 0; patch < rows * columns; patch++)
    if (!isKey(kind, query, { frame, patch }))
      context.fillRect((patch % columns) * wide, Math.floor(patch / columns) * high, wide, high);
  const at = { row: Math.floor(query.patch / columns), column: query.patch % columns };
  if (frame === query.frame) outlinePatch(canvas, facts, at, "#ff9d2e");
}

/** The map as a table with numbers in it, for eyes that see no colours and for screen readers. */
function mapTable(frames) {
  const head = (words, scope) => make("th", { textContent: words, scope });
  const keys = ["class token", ...Array.from({ length: frames }, (_, frame) => frame + 1)];
  const rows = Array.from({ length: frames }, (_, frame) =>
    make("tr", {}, head(`frame ${frame + 1}`, "row"), ...keys.map(() => make("td"))),
  );
  const caption = make("caption");
  const top = make("tr", {}, head("query ↓ key →", "col"), ...keys.map((key) => head(key, "col")));
  const table = make("table", { class: "csg-map" }, caption, make("thead", {}, top), make("tbody", {}, ...rows));
  const draw = (map, stretch, frame, words) => {
    const [least, most] = [Math.min(...map), Math.max(...map)];
    const [low, high] = stretch ? [least, most] : [0, Math.max(most, 2 / (1 + frames))];
    caption.textContent = words;
    table.querySelectorAll("td").forEach((cell, place) => {
      const level = Math.max(0, Math.min(255, Math.round((255 * (map[place] - low)) / (high - low || 1))));
      Object.assign(cell.style, { background: `rgb(${CIVIDIS(level).join(" ")})`, color: level > 115 ? "#000" : "#fff" });
      cell.textContent = (100 * map[place]).toFixed(1);
    });
    rows.forEach((row, at) => row.classList.toggle("csg-query", at === frame));
  };
  return { table, draw };
}

function clipSentence({ frames, rows, columns }, kind, { frame, patch }, map) {
  const weights = map.subarray(frame * (frames + 1), (frame + 1) * (frames + 1)); // one row: one query
  const seen = weights.subarray(1);
  const best = seen.indexOf(Math.max(...seen));
  const patches = rows * columns;
  const [keys, count] = {
    joint: ["any patch of the clip", frames * patches], space: ["its own frame", patches],
    time: ["its own place in every frame", frames],
    both: ["its own frame, and its own place in every frame", patches + frames - 1],
  }[kind];
  return (
    `The query in row ${1 + Math.floor(patch / columns)}, column ${1 + (patch % columns)} of frame ${frame + 1} attends to ${keys}: ` +
    `${count} of ${frames * patches} patches, and the class token. Along time, frame ${best + 1} has the largest weight, ` +
    `${percent(seen[best])}; the class token has ${percent(weights[0])}, and uniform attention would give ${percent(1 / (1 + frames))}.`
  );
}

function clipPart(desk) {
  const facts = desk.get("facts");
  const { frames, rows, columns, heads } = facts;
  const maps = floats(desk.model, "maps");
  const sources = greyPictures(bytes(desk.model, "pixels"), facts);
  const query = () => ({ frame: desk.get("frame") - 1, patch: desk.get("patch") });
  const strip = filmstrip(desk, facts, {
    label: "The query patch: arrow keys move it, Page Up and Page Down change its frame",
    longer: 160,
    choose: ({ frame, row, column }) => {
      desk.put("frame", frame + 1);
      desk.put("patch", row * columns + column);
    },
    position: () => ({ ...query(), row: Math.floor(desk.get("patch") / columns), column: desk.get("patch") % columns }),
  });
  const table = mapTable(frames);
  const sentence = paragraph("csg-sentence");
  const note = `${facts.simulated ? "A simulated clip" : "A clip"} of ${frames} frames, ${rows} × ${columns} patches each. Click a patch, or use Tab and the arrow keys. The framed patch is the query, the bright ones are its keys.`;
  const options = [[0, "mean"], ...Array.from({ length: heads }, (_, head) => [head + 1, `${head + 1}`])];
  const side = make(
    "div", { class: "csg-side" },
    desk.choice("head", { label: "Head", options }), desk.checkbox("stretch", "stretch the colours"),
    paragraph("csg-small", "Attention weights in percent; a row is one query and adds up to 100."), sentence,
  );
  const below = make("div", { class: "csg-below" }, make("div", { class: "csg-scroll" }, table.table), side);
  desk.root.append(paragraph("csg-small", note), strip.list, below);
  desk.follow(["patch", "frame", "head", "stretch", "kind"], () => {
    const [kind, head, here] = [desk.get("kind"), desk.get("head"), query()];
    const size = frames * (frames + 1);
    const first = (here.patch * (1 + heads) + head) * size; // head 0 is the mean
    const map = maps.subarray(first, first + size);
    strip.cells.forEach(({ canvas, shown }, frame) => {
      paintFrame(canvas, sources[frame], facts, kind, here, frame);
      shown.setAttribute("aria-label", `Frame ${frame + 1}${frame === here.frame ? ", with the query" : ""}`);
    });
    const place = `row ${1 + Math.floor(here.patch / columns)}, column ${1 + (here.patch % columns)}`;
    table.draw(map, desk.get("stretch"), here.frame, `Along time at ${place}: ${head ? `head ${head}` : "mean of heads"}`);
    say(sentence, clipSentence(facts, kind, here, map));
  });
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "cost-dial", label: "Cost dial" });
  costPart(desk);
  clipPart(desk);
  return () => desk.close();
}

export { macs };
export default { render };
