// Notebook 03: a query patch, its attention in its frame, and at its place along time.

const LEVELS = 65535; // weights arrive as u16
const COLOURS = palette("magnitude");
const GUESSES = [["near", "Each to what is near it"], ["alike", "Each to what looks like it"], ["same", "Both to the same patches"]];

/** The weights of one query: that of the class token, then one a key. */
function weightsOf(desk, trait, query, keys) {
  const all = new Uint16Array(bytes(desk.model, trait).slice().buffer);
  return Array.from(all.subarray(query * (1 + keys), (query + 1) * (1 + keys)), (level) => level / LEVELS);
}

const largest = (weights) => weights.indexOf(Math.max(...weights));

/** Which guess is right, and why: from the weight that far patches give to the same keys. */
function verdict(guess, shared, block) {
  const same = shared >= 0.5;
  const right = same === (guess === "same");
  const answer = same ? "both attend to the same patches" : "each attends to patches of its own";
  const why = `Two patches half a frame apart give ${percent(shared)} of their weight to the same keys, so in block ${block} the map depends ${same ? "hardly" : "much"} on the query.`;
  return `${right ? "Right" : "Wrong"}: ${answer}. ${why}`;
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "patch-attention", label: "Patch attention" });
  const facts = desk.get("facts");
  const { frames, rows, columns, shared, contours } = facts;
  const patches = rows * columns;
  const sources = greyPictures(bytes(model, "pixels"), facts);
  let pointed = null; // the key under the mouse
  const choose = ({ frame, row, column }) => {
    desk.put("frame", frame + 1);
    desk.put("patch", row * columns + column);
  };
  const placeOf = (patch) => ({ row: Math.floor(patch / columns), column: patch % columns });
  const nameOf = (patch) => `row ${1 + placeOf(patch).row}, column ${1 + placeOf(patch).column}`;

  const large = frameCanvas(facts, 512);
  const point = (key) => {
    pointed = key;
    draw();
  };
  const at = (place, side, count) => Math.max(0, Math.min(count - 1, Math.floor((count * place) / side)));
  onPatchPress(large, facts, (row, column) => choose({ frame: desk.get("frame") - 1, row, column }));
  large.addEventListener("pointermove", ({ offsetX, offsetY }) =>
    point(at(offsetY, large.clientHeight, rows) * columns + at(offsetX, large.clientWidth, columns)));
  large.addEventListener("pointerleave", () => point(null));
  const strip = filmstrip(desk, facts, {
    label: "The query patch: arrow keys move it, Page Up and Page Down change its frame",
    choose,
    position: () => ({ frame: desk.get("frame") - 1, ...placeOf(desk.get("patch")) }),
  });
  const bars = strip.cells.map(({ box }) => {
    const fill = make("div", { class: "csg-fill" });
    const number = make("span");
    box.append(make("div", { class: "csg-bar" }, make("div", {}, fill), number));
    return { fill, number };
  });
  const controls = make(
    "div", { class: "csg-row" },
    desk.choice("block", { label: "Block", options: shared.map((_, block) => [block + 1, `${block + 1}`]) }),
    desk.choice("head", { label: "Head", options: shared[0].map((_, head) => [head, head ? `${head}` : "mean"]) }),
    desk.player("playing", () => desk.put("frame", 1 + (desk.get("frame") % frames)), 700).button,
  );
  const panel = guessPanel(
    "Guess first: one patch on the artery's wall, one in a corner of the frame. In the last block, what do they attend to?",
    make("div", { class: "csg-row" }, ...GUESSES.map(([guess, words]) => desk.button(words, () => desk.put("guess", guess)))),
  );
  const [inSpace, inTime, judged] = [paragraph("csg-small"), paragraph("csg-small"), paragraph("csg-sentence")];
  const again = desk.button("Hide and guess again", () => desk.put("guess", ""));
  const below = make("div", { class: "csg-verdict" }, judged, again);
  const side = make("div", { class: "csg-time" }, inTime, strip.list, panel, below);
  desk.root.append(controls, make("div", { class: "csg-both" }, make("div", { class: "csg-space" }, inSpace, large), side));

  const draw = () => {
    const [block, head, frame, patch, guess] = desk.values("block", "head", "frame", "patch", "guess");
    const open = guess !== "";
    const space = weightsOf(desk, "space", (frame - 1) * patches + patch, patches);
    const time = weightsOf(desk, "time", patch * frames + frame - 1, frames);
    const keys = space.slice(1);
    blit(large, sources[frame - 1], { smooth: true });
    if (open) blit(large, mapPicture(keys, columns, { low: 0, high: Math.max(...keys) }, COLOURS), { opacity: 0.6 });
    for (const corners of contours[frame - 1] ?? []) drawPolygon(large, corners, { line: 1.2 });
    outlinePatch(large, facts, placeOf(patch), "#ff9d2e");
    const shownKey = pointed ?? largest(keys);
    if (open && shownKey !== patch) outlinePatch(large, facts, placeOf(shownKey), "#ffffff");
    strip.cells.forEach(({ canvas, box, shown }, at) => {
      blit(canvas, sources[at], { smooth: true });
      outlinePatch(canvas, facts, placeOf(patch), at === frame - 1 ? "#ff9d2e" : "#5aa9f2");
      box.classList.toggle("csg-current", at === frame - 1);
      shown.setAttribute("aria-label", `Frame ${at + 1}${at === frame - 1 ? ", with the query" : ""}`);
      bars[at].fill.style.height = open ? `${(100 * time[at + 1]) / Math.max(...time, 2 / (1 + frames))}%` : 0;
      bars[at].number.textContent = open ? percent(time[at + 1]) : "";
    });
    panel.hidden = open;
    below.hidden = !open;
    const which = pointed === null ? "the largest weight has" : "under the pointer";
    inSpace.textContent = open
      ? `In space, frame ${frame}: ${which} ${nameOf(shownKey)}, ${percent(keys[shownKey])}; uniform would be ${percent(1 / (1 + patches))}.`
      : `Orange: the query, ${nameOf(patch)} of frame ${frame}. Click a patch, or use the arrow keys.`;
    inTime.textContent = open
      ? `In time, the same place: the class token has ${percent(time[0])}; uniform would be ${percent(1 / (1 + frames))}.`
      : "The same place in all frames:";
    setAttributes(large, { role: "img", "aria-label": inSpace.textContent });
    const here = block === shared.length && !head ? "" : ` Here, in block ${block}, ${head ? `head ${head}` : "mean of heads"}: ${percent(shared[block - 1][head])}.`;
    say(judged, open ? verdict(guess, shared.at(-1)[0], shared.length) + here : "", desk.get("playing"));
  };
  desk.follow(["block", "head", "frame", "patch", "guess", "space", "time", "playing"], draw);
  return () => desk.close();
}

export default { render };
