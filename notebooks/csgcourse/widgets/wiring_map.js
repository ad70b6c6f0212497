// Notebook 06: the network as a map to explore. Places, shapes and costs come from Python, once.

const SIDES = { cnn: "CNN", bridge: "FCU", tokens: "transformer" };
const BARS = 112; // height of the bars with the letters under and over them
const MEASURES = {
  macs: { words: "MACs", unit: 1e9, letter: "G" },
  parameters: { words: "parameters", unit: 1e6, letter: "M" },
  saved_bytes: { words: "saved for backward", unit: 2 ** 20, letter: "MiB" },
};
const SAYS = {
  clip: "8 frames of 256 x 256 pixels, in three equal channels; nothing is learned here.",
  stem: "One 1 x 7 x 7 convolution and a pooling, each of spatial stride 2.",
  embedding: "A strided convolution makes one token a patch; the class token is added to the sequence.",
  head: "The pooled volume, projected to the width of a token, and the class token are concatenated; then one linear layer.",
  c1: "One bottleneck, without an FCU.",
};

const grouped = (number) => number.toLocaleString("en-US");
const columnWords = (name) => (name === "stem" ? "stem, embedding" : name);
function inUnits(number, measure) {
  const { unit, letter } = MEASURES[measure];
  const size = number / unit;
  return `${size < 0.01 ? "under 0.01" : grouped(Number(size.toPrecision(3)))} ${letter}`;
}

/** What stands under the name in a box: how many blocks, of which kind, how wide. */
function noteOf(name, counts, kind) {
  const here = counts[name];
  if (!here) return "8 × 256²";
  const [shape] = here.leaves;
  const times = /^[ct]\d$/.test(name) ? `${here.blocks} × ` : "";
  if (name[0] === "t") return `${times}${kind}`;
  return shape.length === 2 ? `${shape[1]} logits` : shape.length === 4 ? `${times}${grouped(shape[0])} ch` : `${shape[2]} wide`;
}

const differs = (name, { networks }, network) => JSON.stringify(networks[network][name]) !== JSON.stringify(networks.PAPER[name]);

/** Title of a spot, and in one sentence what is computed there. */
function wordsOf(name, counts, attention) {
  if (name.includes(">")) return { title: `Arrow from ${name.replace(">", " to ")}`, says: "What flows here; nothing is computed." };
  const [, kind, stage] = name.match(/^(down|up|c|t)(\d)$/) ?? [];
  if (!kind) return { title: `The ${name}`, says: SAYS[name] };
  const times = counts[name].blocks > 1 ? `${counts[name].blocks} times` : "Once";
  const frames = stage > 2 ? "3 frames" : "1 frame"; // from c3 on
  const block = attention === "joint" ? "joint attention over all tokens of the clip, then an FFN." : "an AMDF block: space, time, fusion both ways, weighted sum.";
  return {
    down: { title: `FCU down in c${stage}, from volume to tokens`, says: `${times}: a 1 x 1 convolution, then the mean over each patch, frame by frame.` },
    up: { title: `FCU up in c${stage}, from tokens to volume`, says: `${times}: a 1 x 1 convolution, then each token is repeated over its patch, frame by frame.` },
    c: { title: `${name}, CNN`, says: SAYS[name] ?? `${times}: a conv block of two bottlenecks, whose first kernels cover ${frames}.` },
    t: { title: `${name}, transformer of stage c${stage}`, says: `${times}: ${block}` },
  }[kind];
}

/** A shape for one clip, in words. */
function shapeWords(shape) {
  if (shape.length === 4) return `${shape.slice(1).join(" x ")}, ${grouped(shape[0])} channels`;
  if (shape.length === 3) return `${shape[0]} x ${shape[1]} tokens, ${shape[2]} wide`;
  return shape[1] > 2 ? `class token, ${shape[1]} wide` : `${shape[1]} logits, one a grade`;
}

const flow = (shapes) => shapes.map(shapeWords).join("; ");

/** Term and number of everything there is to say about a spot. */
function linesOf(name, { networks, flows }, network, open) {
  const here = networks[network][name];
  if (here)
    return [
      ["input", flow(here.enters)], ["output", flow(here.leaves)], ["parameters", grouped(here.parameters)],
      ["MACs", open ? inUnits(here.macs, "macs") : "shown after your guess"],
      ["saved", `${inUnits(here.saved_bytes, "saved_bytes")} for backward`],
    ];
  const [shapes] = flows[network][name];
  const size = shapes.reduce((sum, shape) => sum + shape.reduce((product, length) => product * length, 1), 0);
  return [["flows", flow(shapes)], ["numbers", `${grouped(size)}, or ${inUnits(4 * size, "saved_bytes")} as float32`]];
}

const spotsOf = (facts) => Object.entries(facts.spots).map(([name, [kind, side, path]]) => ({ name, kind, side, path }));

/** The middle of a spot; of an arrow, half way along, or its corner. */
const middle = ({ path: [[x, y], to = [x, y], end] }) => (end ? to : [(x + to[0]) / 2, (y + to[1]) / 2]);

/** The nearest spot to the right of one, or left, above, below; steps aside count three times. */
function neighbour(spots, from, [right, down]) {
  const [x, y] = middle(from);
  let [best, least] = [from, Infinity];
  for (const spot of spots) {
    const [dx, dy] = [middle(spot)[0] - x, middle(spot)[1] - y];
    const [ahead, aside] = right ? [dx * right, dy] : [dy * down, dx];
    const cost = ahead + 3 * Math.abs(aside);
    const inSight = Math.abs(aside) < ahead || from.name.endsWith(`>${spot.name}`);
    if (ahead > 1 && inSight && cost < least) [best, least] = [spot, cost];
  }
  return best;
}

/** The SVG of a box, a bridge or an arrow. */
function shapeOf({ name, kind, side, path }, half, reach) {
  if (kind === "arrow") {
    const line = `M${path.map(([x, y]) => `${x} ${y}`).join("L")}`;
    const [[x, y], [toX, toY]] = path.slice(-2);
    const [dx, dy] = [Math.sign(toX - x), Math.sign(toY - y)];
    const wing = (way) => `L${toX - 9 * dx + 6 * dy * way} ${toY - 9 * dy + 6 * dx * way}`;
    return `<path class="csg-target" d="${line}"/><path class="csg-line" d="${line}"/><path class="csg-tip" d="M${toX} ${toY}${wing(1)}${wing(-1)}Z"/>`;
  }
  const [[x, y]] = path;
  const [wide, high] = half[kind];
  const box = `<rect class="csg-frame" x="${x - wide}" y="${y - high}" width="${2 * wide}" height="${2 * high}" rx="${side === "tokens" ? 16 : 3}"/>`;
  if (kind === "box") return `${box}<text x="${x}" y="${y - 7}">${name}</text><text class="csg-note" x="${x}" y="${y + 10}"></text>`;
  const [tip, way, label] = name.startsWith("down") ? [y + reach, -1, "↓"] : [y - reach, 1, "↑"];
  return `<path class="csg-line" d="M${x} ${y - reach}V${y + reach}"/><path class="csg-tip" d="M${x} ${tip}l-6 ${9 * way}h12Z"/>
    ${box}<text x="${x}" y="${y}">${label}</text>`;
}

function networkMap(facts, spots, choose) {
  const { size: [width, height], half, reach, flows, networks, blocks } = facts;
  const { box, svg } = svgDrawing("map", { width, height }, `
    <text class="csg-side csg-cnn" x="4" y="12">CNN: local</text><text class="csg-side csg-tokens" x="4" y="${height - 8}">transformer: global</text>
    ${spots.map((spot) => `<g class="csg-spot csg-${spot.side} csg-${spot.kind}" data-spot="${spot.name}">${shapeOf(spot, half, reach)}</g>`).join("")}`);
  setAttributes(svg, { "aria-hidden": "true" });
  const label = "Map of the network. Arrow keys go from box to arrow to box; the text below follows.";
  setAttributes(box, { tabindex: 0, role: "application", "aria-label": label });
  const groups = [...box.querySelectorAll("[data-spot]")];
  for (const group of groups) group.addEventListener("click", () => choose(group.dataset.spot));
  const draw = (current, network) => {
    for (const group of groups) {
      const { spot } = group.dataset;
      const note = group.querySelector(".csg-note");
      if (note) note.textContent = noteOf(spot, networks[network], blocks[network]);
      const line = group.querySelector(".csg-line");
      if (line && flows[network][spot]) line.style.strokeWidth = flows[network][spot][1];
      group.classList.toggle("csg-current", spot === current);
      group.classList.toggle("csg-differs", differs(spot, facts, network));
      if (spot !== current) continue;
      const scroller = box.closest(".csg-scroll"); // where the page is narrower than the map
      scroller.scrollLeft += group.getBoundingClientRect().x - scroller.getBoundingClientRect().x - scroller.clientWidth / 2;
    }
  };
  return { box, draw };
}

const sumOf = (counts, names, measure) => names.reduce((sum, name) => sum + counts[name][measure], 0);

/** A bar under each column of the map, one layer a box or bridge. */
function bars({ columns, size: [width], spots }) {
  const { box, svg } = svgDrawing("bars", { width, height: BARS }, "");
  const draw = (counts, measure) => {
    const sums = Object.values(columns).map((parts) => sumOf(counts, parts, measure));
    const stacks = Object.entries(columns).map(([name, parts], place) => {
      const x = spots[name][2][0][0];
      let top = BARS - 22;
      const layers = parts.map((part) => {
        const high = ((BARS - 50) * counts[part][measure]) / Math.max(...sums);
        top -= high;
        return `<rect class="csg-${spots[part][1]}" data-spot="${part}" x="${x - 38}" y="${top}" width="76" height="${high}"/>`;
      });
      return `${layers.join("")}<text x="${x}" y="${top - 5}">${inUnits(sums[place], measure)}</text>
        <text class="csg-name" x="${x}" y="${BARS - 5}">${columnWords(name)}</text>`;
    });
    svg.innerHTML = `${stacks.join("")}<path d="M110 ${BARS - 22}H${width}"/>`;
    const words = Object.keys(columns).map((name, place) => `${name} ${inUnits(sums[place], measure)}`);
    setAttributes(svg, { "aria-label": `${MEASURES[measure].words}: ${words.join(", ")}.` });
  };
  return { box, draw };
}

/** The column with the most of a measure, and how the three sides compare. */
function mostOf({ columns, spots }, counts, measure) {
  const sums = Object.entries(columns).map(([name, parts]) => [name, sumOf(counts, parts, measure)]);
  const all = sums.reduce((sum, [, size]) => sum + size, 0);
  const [name, most] = sums.reduce((best, sum) => (sum[1] > best[1] ? sum : best));
  const sides = Object.entries(SIDES).map(([side, words]) => {
    const parts = Object.keys(counts).filter((part) => spots[part][1] === side);
    return `${words} ${percent(sumOf(counts, parts, measure) / all)}`;
  });
  const { words } = MEASURES[measure];
  return { name, text: `Most ${words}: ${name}, ${percent(most / all)} of ${inUnits(all, measure)}. ${sides.join(", ")}.` };
}

function card() {
  const [title, says, list] = [make("h3"), make("p"), make("dl")];
  const draw = (words, lines) => {
    [title.textContent, says.textContent] = [words.title, words.says];
    list.replaceChildren(...lines.map(([term, value]) => make("div", {}, make("dt", { textContent: term }), make("dd", { textContent: value }))));
  };
  return { box: make("div", { class: "csg-card" }, make("div", {}, title, says), list), draw };
}

function render({ model, el }) {
  const facts = model.get("facts");
  const { columns, networks, order } = facts;
  const spots = spotsOf(facts);
  const choose = (name) => desk.put("spot", name);
  const go = (...way) => () => choose(neighbour(spots, spots.find(({ name }) => name === desk.get("spot")), way).name);
  const keys = {
    ArrowLeft: go(-1, 0), ArrowRight: go(1, 0), ArrowUp: go(0, -1), ArrowDown: go(0, 1),
    Home: () => choose("clip"), End: () => choose("head"),
  };
  const desk = new Desk(model, el, { name: "wiring-map", label: "Wiring map", keys });
  const [map, below, detail] = [networkMap(facts, spots, choose), bars(facts), card()];
  const buttons = Object.keys(columns).map((name) => desk.button(columnWords(name), () => desk.put("guess", name)));
  const panel = guessPanel(
    "Guess first: which column of the map has the most MACs?",
    paragraph("csg-small", "Explore the map first if you like: it shows shapes and parameters."),
    make("div", { class: "csg-options" }, ...buttons),
  );
  const [sentence, spoken, key] = ["sentence", "spoken", "small"].map((kind) => paragraph(`csg-${kind}`));
  const verdict = make("div", { class: "csg-verdict" }, sentence, desk.button("Hide and guess again", () => desk.put("guess", "")));
  const measure = desk.choice("measure", { label: "The bars show", options: Object.entries(MEASURES).map(([name, { words }]) => [name, words]) });
  const network = desk.choice("network", { label: "Network", options: Object.keys(networks).map((name) => [name, name]) });
  const player = desk.player("playing", () => choose(order[(order.indexOf(desk.get("spot")) + 1) % order.length]), 900);
  const drawn = make("div", { class: "csg-scroll" }, make("div", {}, map.box, below.box));
  desk.root.append(
    make("div", { class: "csg-row" }, network, measure, player.button, key),
    drawn, panel, verdict, detail.box, spoken,
  );
  const light = ({ target }) => {
    const over = target.closest("[data-spot]")?.dataset.spot;
    for (const part of drawn.querySelectorAll("[data-spot]")) part.classList.toggle("csg-lit", part.dataset.spot === over);
  };
  drawn.addEventListener("mouseover", light); // a box and its layer of the bar below are lit together
  below.box.addEventListener("click", ({ target }) => target.dataset.spot && choose(target.dataset.spot));

  let guessed = ""; // the network of the guess: only there is it right or wrong
  desk.follow(["network", "spot", "measure", "guess"], () => {
    const [network, spot, shown, guess] = desk.values("network", "spot", "measure", "guess");
    const counts = networks[network];
    guessed = guess && (guessed || network);
    panel.hidden = guess !== "";
    below.box.hidden = measure.hidden = verdict.hidden = !guess;
    map.draw(spot, network);
    const unlike = Object.keys(counts).filter((part) => differs(part, facts, network));
    key.textContent = network === "PAPER" ? "Thick arrows carry more numbers." : `Filled: ${unlike.length} of ${Object.keys(counts).length} parts differ from PAPER.`;
    const [words, lines] = [wordsOf(spot, counts, facts.blocks[network]), linesOf(spot, facts, network, guess !== "")];
    detail.draw(words, lines);
    say(spoken, `${words.title}. ${words.says} ${lines.map((line) => line.join(" ")).join(". ")}.`, desk.get("playing"));
    if (!guess) return say(sentence, "");
    below.draw(counts, shown);
    const { name, text } = mostOf(facts, counts, shown);
    const judged = guessed === network && shown === "macs";
    const right = guess === name ? "Your guess was right. " : `Your guess was wrong: ${guess} has ${inUnits(sumOf(counts, columns[guess], "macs"), "macs")}. `;
    say(sentence, (judged ? right : "") + text);
  });
  return () => desk.close();
}

export { neighbour, spotsOf };
export default { render };
