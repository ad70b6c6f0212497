// Notebook 04: connect query, key and value to one of two branches. Python has computed the maps and
// outputs of all wirings.

const SOCKETS = [["query", "Q", "query"], ["key", "K", "key"], ["value", "V", "value"]];
const WIRES = SOCKETS.map(([trait]) => trait);
const SIDES = ["own", "other"];
const SWITCHED = "other other own"; // SWA
const PULL = 12; // pixels that make a drag of a click
const OPACITY = 0.55; // of the map over a frame
const [MAGNITUDE, SIGNED] = [palette("magnitude"), palette("signed")];
const NOTE = "Map: yellow where the weight is large; bold: the narrowest frame. Effect of a value on the logits: orange towards severe, " +
  "blue towards mild; white rims where the weight is more than half of the largest. Point at a patch for its numbers.";
const signed = (number, digits = 3) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(digits);

/** The present wiring: the branch at each socket, its map, and the effects of its values. */
function wired(desk, maps, effects) {
  const { branches, outputs, frames } = desk.get("facts");
  const own = desk.get("target");
  const other = branches.find((branch) => branch !== own);
  const sides = desk.values(...WIRES);
  const at = sides.map((side) => (side === "own" ? own : other));
  const [t, q, k, v] = [own, ...at].map((branch) => branches.indexOf(branch));
  const size = maps.length / 8; // a map for each target, branch of the query and of the keys
  const part = (array, place, long) => array.subarray(place * long, (place + 1) * long);
  const weights = part(maps, 4 * t + 2 * q + k, size);
  const byFrame = Array.from({ length: frames }, (_, frame) => part(weights, frame, size / frames).reduce((sum, each) => sum + each, 0));
  return {
    own, other, at, weights, byFrame, effect: part(effects, 2 * t + v, size), largest: Math.max(...effects.map(Math.abs)),
    wiring: sides.join(" "), output: outputs[[own, ...at].join(" ")],
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

/** Rows of frames: the map over the clip, its weight in each frame, and what the values do. */
function gallery(desk, sources) {
  const { frames, height, width, patch, narrowest } = desk.get("facts");
  const grid = { rows: height / patch, columns: width / patch };
  const patches = grid.rows * grid.columns;
  const box = make("div", { class: "csg-gallery" });
  box.style.setProperty("--frames", frames);
  const [waiting, note] = [make("div", { class: "csg-waiting" }), paragraph("csg-small csg-note", NOTE)];
  let pointed = null; // a patch of the clip, or none
  let again = () => {};
  const row = (into, words) => {
    const name = make("div", { class: "csg-name", textContent: words });
    const canvases = sources.map((_, t) => make("canvas", { width, height, role: "img", "aria-label": `${words}, frame ${t + 1}` }));
    canvases.forEach((canvas, t) => {
      canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
        const [x, y] = [offsetX / canvas.clientWidth, offsetY / canvas.clientHeight].map((at) => Math.min(0.999, Math.max(0, at)));
        again((pointed = t * patches + Math.floor(y * grid.rows) * grid.columns + Math.floor(x * grid.columns)));
      });
      canvas.addEventListener("pointerleave", () => again((pointed = null)));
    });
    into.append(name, ...canvases);
    return { name, canvases };
  };
  const map = row(box, "the map");
  const bars = sources.map((_, t) => make("div", { class: `csg-weight ${t === narrowest ? "csg-narrowest" : ""}` }));
  waiting.append(make("div", { class: "csg-small", textContent: "weight" }), ...bars);
  const values = row(waiting, "effect");
  waiting.append(note);
  box.append(waiting);
  const draw = (result, open) => {
    const { weights, byFrame, effect, largest, at } = result;
    again = () => draw(result, open);
    const most = Math.max(...weights);
    waiting.hidden = !open;
    map.name.textContent = open ? "the map" : "the clip";
    values.name.textContent = `effect of V of ${at[2]}`;
    const place = (cell) => ({ row: Math.floor((cell % patches) / grid.columns), column: cell % grid.columns });
    sources.forEach((source, t) => {
      blit(map.canvases[t], source);
      map.canvases[t].setAttribute("aria-label", `${map.name.textContent}, frame ${t + 1}`);
      if (!open) return;
      const cells = [t * patches, (t + 1) * patches];
      const here = weights.subarray(...cells);
      blit(map.canvases[t], mapPicture(here, grid.columns, { low: 0, high: most }, MAGNITUDE), { opacity: OPACITY });
      blit(values.canvases[t], mapPicture(effect.subarray(...cells), grid.columns, { low: -largest, high: largest }, SIGNED));
      bars[t].textContent = `${t + 1}: ${percent(byFrame[t])}`;
      bars[t].style.setProperty("--weight", byFrame[t]);
      here.forEach((each, cell) => each > most / 2 && outlinePatch(values.canvases[t], grid, place(cell), "#ffffff"));
      if (pointed !== null && Math.floor(pointed / patches) === t)
        for (const { canvases } of [map, values]) outlinePatch(canvases[t], grid, place(pointed), "#ff5fa2");
    });
    const { row, column } = place(pointed ?? 0);
    note.textContent = pointed === null ? NOTE : `Frame ${1 + Math.floor(pointed / patches)}, row ${row + 1}, column ${column + 1}: ` +
      `weight ${percent(weights[pointed])} × effect ${signed(effect[pointed])} = ${signed(weights[pointed] * effect[pointed], 5)} of the output.`;
  };
  return { box, draw };
}

function sentenceOf(desk, { own, other, wiring, output, byFrame }) {
  const { wirings, narrowest } = desk.get("facts");
  const words = wirings[wiring].replaceAll("{own}", own).replaceAll("{other}", other);
  const most = byFrame.indexOf(Math.max(...byFrame));
  const verdict = desk.get("guess") !== wiring ? "" : wiring === SWITCHED ? "Right. " : "Not SWA, which takes its whole map, query and keys, from the complement, and its values from the target. This is: ";
  const where = `Frame ${most + 1} has most of the weight, ${percent(byFrame[most])}${most === narrowest ? "; it is the narrowest" : ""}.`;
  return `${verdict}${words} ${where} The output moves the logits by ${signed(output)} towards ${output < 0 ? "mild" : "severe"}.`;
}

function render({ model, el }) {
  const sockets = [];
  const desk = new Desk(model, el, { name: "switchboard", label: "Switchboard", keys: keys(sockets) });
  sockets.push(...SOCKETS.map((names) => socket(desk, names)));
  const facts = desk.get("facts");
  const [maps, effects] = [floats(model, "maps"), floats(model, "effects")];
  const guess = (wiring) => {
    desk.put("guess", wiring);
    sockets[0].focus(); // the button that was pressed is about to go
  };
  const [formula, sentence] = [paragraph("csg-formula"), paragraph("csg-sentence")];
  const panel = guessPanel("", desk.button("This is SWA", () => guess(desk.values(...WIRES).join(" "))));
  const again = desk.button("Hide and guess again", () => guess(""));
  const pictures = gallery(desk, greyPictures(bytes(model, "frames"), facts));
  const heads = SIDES.map(() => make("b"));
  const board = make(
    "div", { class: "csg-board" },
    desk.choice("target", { label: "Target: the branch that gets the output", options: facts.branches.map((name) => [name, name]) }),
    make("div", { class: "csg-heads" }, ...heads), ...sockets.map(({ row }) => row),
  );
  const hint = paragraph("csg-small", "Click or drag a wire; keys: up, down to a socket, left, right to a branch.");
  const said = make("div", { class: "csg-board" }, formula, panel, sentence, make("div", {}, again), hint);
  desk.root.append(make("div", { class: "csg-sides" }, board, said), pictures.box);
  desk.follow(["target", "guess", ...WIRES], () => {
    const result = wired(desk, maps, effects);
    const open = desk.get("guess") !== "";
    const order = [result.own, result.other];
    heads.forEach((head, index) => {
      head.textContent = `${["target", "complement"][index]}: ${order[index]}`;
      head.className = `csg-${order[index]}`;
    });
    for (const row of sockets) row.draw(order);
    formula.replaceChildren(...equation(result, facts.head_width));
    pictures.draw(result, open);
    again.hidden = !open;
    panel.hidden = open;
    panel.firstChild.textContent = `Guess first: which wiring is SWA, switched attention, when ${result.own} is the target? Set the three wires, then press:`;
    sentence.hidden = !open;
    if (open) say(sentence, sentenceOf(desk, result));
  });
  return () => desk.close();
}

export default { render };
