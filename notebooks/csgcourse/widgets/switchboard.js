// Notebook 04: connect query, key and value to one of two branches. Python has computed the maps and
// outputs of all wirings.

const SOCKETS = [["query", "Q", "query"], ["key", "K", "key"], ["value", "V", "value"]];
const WIRES = SOCKETS.map(([trait]) => trait);
const SIDES = ["own", "other"];
const SWITCHED = "other other own"; // SWA
const PULL = 12; // pixels that make a drag of a click
const OPACITY = 0.55; // of the map over a frame
const [MAGNITUDE, SIGNED] = [palette("magnitude"), palette("signed")];
const NOTE =
  "Map: yellow where the weight is large. Values: orange above the branch's mean, blue below it; " +
  "rims where the weight is more than half of the largest.";

/** The present wiring: the branch at each socket, and its map and output. */
function wired(desk, maps, values) {
  const { branches, outputs } = desk.get("facts");
  const own = desk.get("target");
  const other = branches.find((branch) => branch !== own);
  const sides = desk.values(...WIRES);
  const at = sides.map((side) => (side === "own" ? own : other));
  const [q, k, v] = at.map((branch) => branches.indexOf(branch));
  const size = maps.length / 4; // a map for each pair of query and key
  const first = (2 * q + k) * size;
  return {
    own, other, at, wiring: sides.join(" "), output: outputs[at.join(" ")], weights: maps.subarray(first, first + size),
    value: values.subarray((v * values.length) / 2, ((v + 1) * values.length) / 2),
  };
}

/** One socket between the two branches: click, drag or arrow keys move its wire. */
function socket(desk, [trait, letter, words]) {
  const ends = SIDES.map(() => make("span", { role: "radio" }));
  const wires = SIDES.map(() => make("span"));
  const plug = make("span", { class: "csg-plug" }, make("b", { textContent: letter }), words);
  const row = make(
    "div", { class: "csg-socket", role: "radiogroup", "aria-label": `${letter}, ${words}` },
    ends[0], wires[0], plug, wires[1], ends[1],
  );
  const put = (side) => {
    desk.put(trait, side);
    ends[SIDES.indexOf(side)].focus();
  };
  const flip = () => put(desk.get(trait) === "own" ? "other" : "own");
  let from = 0;
  row.addEventListener("pointerdown", ({ clientX }) => (from = clientX));
  row.addEventListener("pointerup", ({ clientX, target }) => {
    if (Math.abs(clientX - from) > PULL) put(clientX < from ? "own" : "other");
    else if (ends.includes(target)) put(SIDES[ends.indexOf(target)]);
    else flip();
  });
  const draw = (order) =>
    SIDES.forEach((side, index) => {
      const on = desk.get(trait) === side;
      const branch = `csg-${order[index]}`;
      Object.assign(ends[index], { textContent: `${letter} of ${order[index]}`, className: `csg-offer ${branch}`, tabIndex: on ? 0 : -1 });
      ends[index].setAttribute("aria-checked", on);
      wires[index].className = `csg-wire ${branch} ${on ? "csg-on" : ""}`;
    });
  return { row, put, flip, draw, focus: () => row.querySelector("[tabindex='0']").focus() };
}

/** The arrow keys, for the socket that has the focus. */
function keys(sockets) {
  const place = () => sockets.findIndex(({ row }) => row.contains(document.activeElement));
  const here = (act) => () => sockets[place()] && act(sockets[place()]);
  const step = (by) => () => sockets[Math.min(2, Math.max(0, place() + by))].focus();
  const flip = here((row) => row.flip());
  return {
    ArrowLeft: here((row) => row.put("own")), ArrowRight: here((row) => row.put("other")),
    ArrowUp: step(-1), ArrowDown: step(1), " ": flip, Enter: flip,
  };
}

/** "output of space = softmax(Q of time · K of time / sqrt(e)) · V of space", letters in colour. */
function equation({ own, at: [query, key, value] }, width) {
  const part = (letter, branch) => make("span", { class: `csg-${branch}` }, letter, make("sub", { textContent: branch }));
  return [
    part("output", own), " = softmax( ", part("Q", query), " · ", part("K", key),
    make("sup", { textContent: "T" }), ` / √${width} ) `, part("V", value),
  ];
}

/** Rows of frames: the map over the clip, its weight in each frame, and the values. */
function gallery(desk, sources) {
  const { frames, height, width, patch, features, reach } = desk.get("facts");
  const grid = { rows: height / patch, columns: width / patch };
  const patches = grid.rows * grid.columns;
  const box = make("div", { class: "csg-gallery" });
  const waiting = make("div", { class: "csg-waiting" });
  box.style.setProperty("--frames", frames);
  const row = (into, words) => {
    const name = make("div", { class: "csg-name", textContent: words });
    const canvases = sources.map((_, t) => make("canvas", { width, height, role: "img", "aria-label": `${words}, frame ${t + 1}` }));
    into.append(name, ...canvases);
    return { name, canvases };
  };
  const map = row(box, "the map");
  const bars = sources.map(() => make("div", { class: "csg-weight" }));
  waiting.append(make("div", { class: "csg-small", textContent: "weight" }), ...bars);
  const pictures = features.map((feature) => row(waiting, feature));
  waiting.append(paragraph("csg-small csg-note", NOTE));
  box.append(waiting);
  const draw = ({ weights, value, at }, open) => {
    const most = Math.max(...weights);
    waiting.hidden = !open;
    map.name.textContent = open ? "the map" : "the clip";
    sources.forEach((source, t) => {
      blit(map.canvases[t], source);
      map.canvases[t].setAttribute("aria-label", `${map.name.textContent}, frame ${t + 1}`);
      if (!open) return;
      const here = weights.subarray(t * patches, (t + 1) * patches);
      const weight = here.reduce((sum, each) => sum + each, 0);
      blit(map.canvases[t], mapPicture(here, grid.columns, { low: 0, high: most }, MAGNITUDE), { opacity: OPACITY });
      bars[t].textContent = `frame ${t + 1}: ${percent(weight)}`;
      bars[t].style.setProperty("--weight", weight);
      pictures.forEach(({ name, canvases }, e) => {
        name.textContent = `V of ${at[2]}: ${features[e]}`;
        const seen = here.map((_, cell) => value[(t * patches + cell) * features.length + e]);
        blit(canvases[t], mapPicture(seen, grid.columns, { low: -reach, high: reach }, SIGNED));
        here.forEach((each, cell) => {
          const place = { row: Math.floor(cell / grid.columns), column: cell % grid.columns };
          if (each > most / 2) outlinePatch(canvases[t], grid, place, "#ffffff");
        });
      });
    });
  };
  return { box, draw };
}

function sentenceOf(desk, { own, other, wiring, output, weights }) {
  const { wirings, features, frames } = desk.get("facts");
  const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(2);
  const words = wirings[wiring].replaceAll("{own}", own).replaceAll("{other}", other);
  const frame = 1 + Math.floor((weights.indexOf(Math.max(...weights)) * frames) / weights.length);
  const verdict = desk.get("guess") !== wiring ? "" : wiring === SWITCHED ? "Right. " : "Not SWA. ";
  const numbers = features.map((feature, e) => `${feature} ${signed(output[e])}`).join(", ");
  return `${verdict}${words} The largest weight is in frame ${frame}; the output is ${numbers}.`;
}

function render({ model, el }) {
  const sockets = [];
  const desk = new Desk(model, el, { name: "switchboard", label: "Switchboard", keys: keys(sockets) });
  sockets.push(...SOCKETS.map((names) => socket(desk, names)));
  const facts = desk.get("facts");
  const [maps, values] = [floats(model, "maps"), floats(model, "values")];
  const guess = (wiring) => {
    desk.put("guess", wiring);
    sockets[0].focus(); // the button that was pressed is about to go
  };
  const [formula, sentence] = [paragraph("csg-formula"), paragraph("csg-sentence")];
  const panel = guessPanel("", desk.button("This is SWA", () => guess(desk.values(...WIRES).join(" "))));
  const again = desk.button("Hide and guess again", () => guess(""));
  const pictures = gallery(desk, greyPictures(bytes(model, "frames"), facts));
  const heads = SIDES.map(() => make("b"));
  const options = facts.branches.map((branch) => [branch, branch]);
  const board = make(
    "div", { class: "csg-board" },
    desk.choice("target", { label: "Target: the branch that gets the output", options }),
    make("div", { class: "csg-heads" }, ...heads),
    ...sockets.map(({ row }) => row),
    formula, paragraph("csg-small", "Click or drag a wire; keys: up, down to a socket, left, right to a branch."),
    sentence, make("div", {}, again),
  );
  desk.root.append(make("div", { class: "csg-sides" }, board, make("div", { class: "csg-seen" }, pictures.box, panel)));
  desk.follow(["target", "guess", ...WIRES], () => {
    const result = wired(desk, maps, values);
    const open = desk.get("guess") !== "";
    const order = [result.own, result.other];
    heads.forEach((head, index) => {
      head.textContent = `${["target", "complement"][index]}: ${order[index]}`;
      head.className = `csg-${order[index]}`;
    });
    for (const row of sockets) row.draw(order);
    formula.replaceChildren(...equation(result, facts.features.length));
    pictures.draw(result, open);
    again.hidden = !open;
    panel.hidden = open;
    panel.firstChild.textContent = `Guess first: which wiring is SWA, switched attention, when ${result.own} is the target? Set the three wires, then press:`;
    say(sentence, open ? sentenceOf(desk, result) : "The name of this wiring and its map are shown after your guess.");
  });
  return () => desk.close();
}

export default { render };
