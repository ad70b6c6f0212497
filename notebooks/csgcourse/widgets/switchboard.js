// Notebook 04: wire who asks, who answers and who gives between two branches. The page computes.

const SOCKETS = [
  ["query", "Q", "who asks?"],
  ["key", "K", "who answers?"],
  ["value", "V", "who gives?"],
];
const SIDES = ["own", "other"];
const SWITCHED = "other other own";
const PULL = 12; // pixels that make a drag of a click

/** Of each branch its question, keys and values, as the kernel packed them. */
function unpack(model) {
  const { frames, height, width, patch, branches, features } = model.get("facts");
  const numbers = floats(model, "offers");
  const long = (frames * height * width * features.length) / patch ** 2;
  let at = 0;
  const take = (length) => numbers.subarray(at, (at += length));
  return Object.fromEntries(
    branches.map((branch) => [
      branch,
      { query: take(features.length), key: take(long), value: take(long) },
    ]),
  );
}

/** Softmax of the scaled products, and the mean of the values under it. */
function attend(query, key, value) {
  const width = query.length;
  const scores = new Float64Array(key.length / width);
  for (let j = 0; j < scores.length; j++)
    query.forEach((wish, e) => (scores[j] += (wish * key[j * width + e]) / Math.sqrt(width)));
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const answer = new Float64Array(width);
  weights.forEach((weight, j) => {
    weights[j] = weight / sum;
    for (let e = 0; e < width; e++) answer[e] += weights[j] * value[j * width + e];
  });
  return { weights, answer };
}

/** The present wiring: which branch stands at each socket, and what comes of it. */
function wired(desk, offers) {
  const own = desk.get("target");
  const other = desk.get("facts").branches.find((branch) => branch !== own);
  const sides = SOCKETS.map(([trait]) => desk.get(trait));
  const [query, key, value] = sides.map((side) => (side === "own" ? own : other));
  const result = attend(offers[query].query, offers[key].key, offers[value].value);
  return { own, other, wiring: sides.join(" "), query, key, value, ...result };
}

/** One socket between the two branches' offers: click, drag or arrow keys move its wire. */
function socket(desk, [trait, letter, words]) {
  const offers = SIDES.map((side) => make("span", { class: "csg-offer", role: "radio" }));
  const wires = SIDES.map(() => make("span", { class: "csg-wire" }));
  const plug = make("span", { class: "csg-plug" }, make("b", { textContent: letter }), words);
  const row = make(
    "div",
    { class: "csg-socket", role: "radiogroup", "aria-label": `${letter}, ${words}` },
    offers[0], wires[0], plug, wires[1], offers[1],
  );
  const put = (side) => {
    desk.put(trait, side);
    offers[SIDES.indexOf(side)].focus();
  };
  const flip = () => put(desk.get(trait) === "own" ? "other" : "own");
  let from = 0;
  row.addEventListener("pointerdown", ({ clientX }) => (from = clientX));
  row.addEventListener("pointerup", ({ clientX, target }) => {
    const clicked = offers.indexOf(target);
    if (Math.abs(clientX - from) > PULL) put(clientX < from ? "own" : "other");
    else if (clicked >= 0) put(SIDES[clicked]);
    else flip();
  });
  const draw = (branches) =>
    SIDES.forEach((side, index) => {
      const on = desk.get(trait) === side;
      const branch = `csg-${branches[index]}`;
      offers[index].textContent = `${letter} of ${branches[index]}`;
      offers[index].className = `csg-offer ${branch}`;
      offers[index].setAttribute("aria-checked", on);
      offers[index].tabIndex = on ? 0 : -1;
      wires[index].className = `csg-wire ${branch} ${on ? "csg-on" : ""}`;
    });
  return { row, put, flip, draw, focus: () => row.querySelector("[tabindex='0']").focus() };
}

/** The arrow keys, for whichever socket has the focus. */
function keys(sockets) {
  const place = () => sockets.findIndex(({ row }) => row.contains(document.activeElement));
  const here = (act) => () => sockets[place()] && act(sockets[place()]);
  const step = (by) => () => sockets[Math.min(2, Math.max(0, place() + by))].focus();
  const flip = here((row) => row.flip());
  return {
    ArrowLeft: here((row) => row.put("own")),
    ArrowRight: here((row) => row.put("other")),
    ArrowUp: step(-1),
    ArrowDown: step(1),
    " ": flip,
    Enter: flip,
  };
}

/** "answer of space = softmax(Q of time · K of time / root e) · V of space", letters in colour. */
function equation({ own, query, key, value }, width) {
  const part = (letter, branch) =>
    make("span", { class: `csg-${branch}` }, letter, make("sub", { textContent: branch }));
  return [
    part("answer", own), " = softmax( ", part("Q", query), " · ", part("K", key),
    make("sup", { textContent: "T" }), ` / √${width} ) `, part("V", value),
  ];
}

function question(desk, guess) {
  const words = make("strong");
  const sure = desk.button("This is SWA", () =>
    guess(SOCKETS.map(([trait]) => desk.get(trait)).join(" ")),
  );
  const panel = make("div", { class: "csg-question" }, words, sure);
  const draw = ({ own }, open) => {
    panel.hidden = open;
    words.textContent = `Guess first: which wiring is SWA, switched attention, when ${own} is the target? Set the three wires, then press:`;
  };
  return { panel, draw };
}

function sentenceOf(desk, { own, other, wiring, answer, weights }) {
  const { wirings, features, frames } = desk.get("facts");
  const sign = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(2);
  const name = wirings[wiring].replaceAll("{own}", own).replaceAll("{other}", other);
  const got = features.map((feature, e) => `${feature} ${sign(answer[e])}`).join(", ");
  const frame = 1 + Math.floor(weights.indexOf(Math.max(...weights)) / (weights.length / frames));
  const judged =
    desk.get("guess") !== wiring ? "" : wiring === SWITCHED ? "Right. " : "Not SWA. ";
  return `${judged}${name} It looks hardest at a patch of frame ${frame}; the answer is ${got}.`;
}

function render({ model, el }) {
  const sockets = [];
  const desk = new Desk(model, el, { name: "switchboard", label: "Switchboard", keys: keys(sockets) });
  sockets.push(...SOCKETS.map((names) => socket(desk, names)));
  const offers = unpack(model);
  const { branches, features } = desk.get("facts");
  const heads = SIDES.map(() => make("b"));
  const formula = make("p", { class: "csg-formula" });
  const sentence = make("p", { class: "csg-sentence" });
  const guess = (wiring) => {
    desk.put("guess", wiring);
    sockets[0].focus(); // the button that was pressed is about to go
  };
  const again = desk.button("Hide and guess again", () => guess(""));
  const ask = question(desk, guess);
  const pictures = gallery(desk);
  const options = branches.map((branch) => [branch, branch]);
  const board = make(
    "div",
    { class: "csg-board" },
    desk.choice("target", { label: "Target: the branch that takes the answer", options }),
    make("div", { class: "csg-heads" }, ...heads),
    ...sockets.map(({ row }) => row),
    formula,
    make("p", {
      class: "csg-small",
      textContent: "Click or drag a wire; keys: up, down to a socket, left, right to a branch.",
    }),
    sentence,
    make("div", {}, again),
  );
  const seen = make("div", { class: "csg-seen" }, pictures.grid, ask.panel);
  desk.root.append(make("div", { class: "csg-sides" }, board, seen));

  const draw = () => {
    const result = wired(desk, offers);
    const open = desk.get("guess") !== "";
    const order = [result.own, result.other];
    ["target", "complement"].forEach((role, index) => {
      heads[index].textContent = `${role}: ${order[index]}`;
      heads[index].className = `csg-${order[index]}`;
    });
    for (const row of sockets) row.draw(order);
    formula.replaceChildren(...equation(result, features.length));
    pictures.draw(result, offers, open);
    again.hidden = !open;
    ask.draw(result, open);
    say(sentence, open ? sentenceOf(desk, result) : "Its name and what it looks at wait for your guess.");
  };
  desk.follow(["target", "guess", ...SOCKETS.map(([trait]) => trait)], draw);
  return () => desk.close();
}

export { attend };
export default { render };
