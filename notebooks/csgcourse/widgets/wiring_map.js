// Notebook 06: the network as a map to walk over. Places, words and counts come from Python, once.

const SIDES = ["cnn", "bridge", "tokens"];
const BARS = 160; // their height, and that of the letters under and over them

const spotsOf = (facts) =>
  Object.entries(facts.spots).map(([name, [kind, side, path]]) => ({ name, kind, side, path }));

/** The middle of a spot; of an arrow, half way along. */
function middle({ path }) {
  const lengths = path.slice(1).map(([x, y], at) => Math.abs(x - path[at][0]) + Math.abs(y - path[at][1]));
  let left = lengths.reduce((sum, length) => sum + length, 0) / 2;
  for (const [at, length] of lengths.entries()) {
    const [[x, y], [toX, toY]] = path.slice(at);
    if (left <= length) return [x + ((toX - x) * left) / length, y + ((toY - y) * left) / length];
    left -= length;
  }
  return path[0];
}

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

const corners = (path) => `M${path.map(([x, y]) => `${x} ${y}`).join("L")}`;

function shape({ name, kind, side, path }, half) {
  const label = name.startsWith("down") ? "↓" : name.startsWith("up") ? "↑" : name;
  if (kind === "arrow") {
    const [[x, y], [toX, toY]] = path.slice(-2);
    const [dx, dy] = [Math.sign(toX - x), Math.sign(toY - y)];
    const wing = (way) => `L${toX - 9 * dx + 6 * dy * way} ${toY - 9 * dy + 6 * dx * way}`;
    return `<path class="csg-target" d="${corners(path)}"/><path class="csg-line" d="${corners(path)}"/>
      <path class="csg-tip" d="M${toX} ${toY}${wing(1)}${wing(-1)}Z"/>`;
  }
  const [[x, y]] = path;
  const [wide, high] = half[kind];
  const box = `<rect class="csg-frame" x="${x - wide}" y="${y - high}" width="${2 * wide}" height="${2 * high}"
    rx="${side === "tokens" ? 16 : 3}"/>`;
  if (kind === "box") return `${box}<text x="${x}" y="${y}">${label}</text><text class="csg-times" x="${x}" y="${y + 15}"></text>`;
  const reach = 93 - half.box[1]; // to the boxes above and below
  const [tip, way] = name.startsWith("down") ? [y + reach, -1] : [y - reach, 1];
  return `<path class="csg-line" d="M${x} ${y - reach}V${y + reach}"/>
    <path class="csg-tip" d="M${x} ${tip}l-6 ${9 * way}h12Z"/>${box}<text x="${x}" y="${y}">${label}</text>`;
}

/** Where the page is narrower than the map: scroll the map, and nothing else. */
function bringIntoView(scroller, group) {
  const [view, shown] = [scroller, group].map((element) => element.getBoundingClientRect());
  if (shown.right > view.right) scroller.scrollLeft += shown.right - view.right + 12;
  if (shown.left < view.left) scroller.scrollLeft -= view.left - shown.left + 12;
}

function drawing({ size: [wide, high], half }, spots, choose) {
  const box = make("div", {
    class: "csg-map", tabIndex: 0, role: "application",
    "aria-label": "Map of the network. Arrow keys go from box to arrow to box; what is there is said below.",
  });
  box.innerHTML = `<svg viewBox="0 0 ${wide} ${high}" aria-hidden="true">
    <text class="csg-row" x="4" y="20">CNN: local</text><text class="csg-row" x="4" y="${high - 10}">transformer: global</text>
    ${spots.map((spot) => `<g class="csg-spot csg-${spot.side} csg-${spot.kind}" data-spot="${spot.name}">${shape(spot, half)}</g>`).join("")}
  </svg>`;
  const groups = new Map([...box.querySelectorAll("[data-spot]")].map((group) => [group.dataset.spot, group]));
  box.addEventListener("click", ({ target }) => {
    const group = target.closest("[data-spot]");
    if (group) choose(group.dataset.spot);
  });
  const draw = (current, counts) => {
    for (const [name, group] of groups) {
      group.classList.toggle("csg-current", name === current);
      const times = group.querySelector(".csg-times");
      if (times) times.textContent = counts[name]?.blocks > 1 ? `× ${counts[name].blocks}` : "";
      group.classList.toggle("csg-many", Boolean(times?.textContent));
    }
    bringIntoView(box.closest(".csg-scroll"), groups.get(current));
  };
  return { box, draw };
}

const ofColumn = (counts, names, measure) => names.reduce((sum, name) => sum + counts[name][measure], 0);

/** A bar under each column of the map, one layer a box or bridge. */
function bars({ columns, size: [wide] }, spots) {
  const box = make("div", { class: "csg-bars", role: "img" });
  const middles = Object.fromEntries(spots.map((spot) => [spot.name, middle(spot)[0]]));
  const sides = Object.fromEntries(spots.map(({ name, side }) => [name, side]));
  const draw = (counts, measure) => {
    const sums = Object.values(columns).map((column) => ofColumn(counts, column, measure));
    const most = Math.max(...sums);
    const stack = ([name, parts], place) => {
      let top = BARS - 22;
      const layers = parts.map((part) => {
        const high = ((BARS - 50) * counts[part][measure]) / most;
        top -= high;
        return `<rect class="csg-${sides[part]}" x="${middles[name] - 38}" y="${top}" width="76" height="${high}"/>`;
      });
      return `${layers.join("")}<text x="${middles[name]}" y="${top - 5}">${inUnits(sums[place], measure)}</text>
        <text class="csg-name" x="${middles[name]}" y="${BARS - 5}">${columnWords(name)}</text>`;
    };
    box.innerHTML = `<svg viewBox="0 0 ${wide} ${BARS}" aria-hidden="true">
      ${Object.entries(columns).map(stack).join("")}<path d="M110 ${BARS - 22}H${wide}"/></svg>`;
    const words = Object.keys(columns).map((name, place) => `${name} ${inUnits(sums[place], measure)}`);
    box.setAttribute("aria-label", `Bars: ${words.join(", ")}.`);
  };
  return { box, draw };
}

function question(desk, columns) {
  const answers = columns.map((name) =>
    desk.button(columnWords(name), () => desk.put("guess", name)),
  );
  return make(
    "div",
    { class: "csg-question" },
    make("strong", { textContent: "Guess first: which column of the map multiplies most?" }),
    make("span", { class: "csg-small", textContent: "Walk around if you like: sizes and parameters are there already." }),
    make("div", { class: "csg-options" }, ...answers),
  );
}

function card() {
  const title = make("h4");
  const says = make("p");
  const list = make("dl");
  const box = make("div", { class: "csg-card" }, make("div", {}, title, says), list);
  const draw = (words, lines) => {
    title.textContent = words.title;
    says.textContent = words.says;
    const rows = lines.map(([term, value]) =>
      make("div", {}, make("dt", { textContent: term }), make("dd", { textContent: value })),
    );
    list.replaceChildren(...rows);
  };
  return { box, draw };
}

function verdictOf({ columns }, spots, counts, measure) {
  const sums = Object.entries(columns).map(([name, parts]) => [name, ofColumn(counts, parts, measure)]);
  const all = sums.reduce((sum, [, size]) => sum + size, 0);
  const [name, most] = sums.reduce((best, sum) => (sum[1] > best[1] ? sum : best));
  const shares = SIDES.map((side) => {
    const parts = spots.filter((spot) => spot.side === side && spot.name in counts).map((spot) => spot.name);
    return percent(ofColumn(counts, parts, measure) / all);
  });
  const sides = `CNN ${shares[0]}, bridges ${shares[1]}, tokens ${shares[2]}.`;
  return { name, text: `Most ${WHAT[measure]}: ${name}, ${percent(most / all)} of ${inUnits(all, measure)}. ${sides}` };
}

function render({ model, el }) {
  const facts = model.get("facts");
  const { columns, networks } = facts;
  const spots = spotsOf(facts);
  const named = Object.fromEntries(spots.map((spot) => [spot.name, spot]));
  const choose = (name) => desk.put("spot", name);
  const go = (...way) => () => choose(neighbour(spots, named[desk.get("spot")], way).name);
  const keys = {
    ArrowLeft: go(-1, 0), ArrowRight: go(1, 0), ArrowUp: go(0, -1), ArrowDown: go(0, 1),
    Home: () => choose("clip"), End: () => choose("head"),
  };
  const desk = new Desk(model, el, { name: "wiring-map", label: "Wiring map", keys });
  const map = drawing(facts, spots, choose);
  const below = bars(facts, spots);
  const ask = question(desk, Object.keys(columns));
  const verdict = make("p", { class: "csg-sentence" });
  const spoken = make("p", { class: "csg-spoken" });
  const again = desk.button("Hide and guess again", () => desk.put("guess", ""));
  const detail = card();
  const key = ["CNN", "bridges", "tokens"].map((words, place) => make("span", { class: `csg-${SIDES[place]}`, textContent: words }));
  key.push(make("span", { textContent: "G is 10⁹, M is 10⁶" }));
  const measure = desk.choice("measure", { label: "The bars show", options: MEASURES });
  const options = Object.keys(networks).map((name) => [name, name]);
  desk.root.append(
    make("div", { class: "csg-row" }, desk.choice("network", { label: "Network", options }), measure, make("div", { class: "csg-key" }, ...key)),
    make("div", { class: "csg-scroll" }, make("div", {}, map.box, below.box)),
    ask,
    make("div", { class: "csg-verdict" }, verdict, again),
    detail.box,
    spoken,
  );

  let guessed = ""; // the network whose guess it was: only there is it right or wrong
  const draw = () => {
    const [network, spot, shown, guess] = ["network", "spot", "measure", "guess"].map((trait) => desk.get(trait));
    const counts = networks[network];
    const open = guess !== "";
    guessed = open ? guessed || network : "";
    ask.hidden = open;
    below.box.hidden = measure.hidden = again.hidden = verdict.hidden = !open;
    map.draw(spot, counts);
    const words = wordsOf(spot, counts, network);
    const lines = linesOf(spot, counts, open);
    detail.draw(words, lines);
    say(spoken, `${words.title}. ${words.says} ${lines.map((line) => line.join(" ")).join(". ")}.`);
    if (!open) return say(verdict, "");
    below.draw(counts, shown);
    const { name, text } = verdictOf(facts, spots, counts, shown);
    const judged = guessed === network && shown === "macs";
    say(verdict, (judged ? (guess === name ? "Your guess was right. " : "Not so. ") : "") + text);
  };
  desk.follow(["network", "spot", "measure", "guess"], draw);
  return () => desk.close();
}

export { neighbour, spotsOf };
export default { render };
