// The clip picker of notebook 12: video and box at the left, key clips at the right, time line below.

const PACE = 50; // milliseconds a frame
const LEAP = 10; // frames that a page key goes

const key = (letter) => make("kbd", { textContent: letter, "aria-hidden": "true" });

/** Of the key clips; the frame on show is stated below it and by the time line. */
function sentenceOf(desk, { at, row }) {
  const [{ frames }, rows, saved] = desk.values("facts", "rows", "saved");
  const here = row
    ? `Key clip ${at + 1}, ${row.grade || "no grade yet"}: ${spanWords(row, frames)}, ${narrowestWords(row)}, ${boxWords(row)}.`
    : "No key clip holds this frame; N marks it as the narrowest of a new one.";
  if (!rows.length) return here;
  const open = rows.filter(({ grade }) => !grade).length;
  const count = `${rows.length} key clip${rows.length === 1 ? "" : "s"}`;
  return `${here} ${count}, ${open ? `${open} without a grade` : "all graded"}; ${saved ? `saved in ${saved}` : "not saved"}.`;
}

/** One entry of the list: a press goes to the key clip, another removes it. */
function listEntry(desk, editor, preview, colours, which) {
  const facts = desk.get("facts");
  const small = thumbnail(preview, facts);
  const number = make("b", { class: "csg-number", textContent: which + 1 });
  const [title, words] = [make("strong"), make("span", { class: "csg-small" })];
  const go = desk.button("", () => editor.visit(which));
  go.className = "csg-go";
  go.append(small.canvas, number, make("span", {}, title, words));
  const off = desk.button("\u00d7", () => editor.remove(which));
  Object.assign(off, { className: "csg-off", ariaLabel: `Remove key clip ${which + 1}` });
  const element = make("li", {}, go, off);
  const draw = (row, current) => {
    Object.assign(number.style, colours(row.grade));
    number.classList.toggle("csg-ungraded", !row.grade);
    title.textContent = row.grade || "no grade yet";
    words.textContent = `${spanWords(row, facts.frames)}, ${narrowestWords(row)}`;
    element.classList.toggle("csg-current", current);
    current ? go.setAttribute("aria-current", "true") : go.removeAttribute("aria-current");
    small.draw(keyFrameOf(row), row.box);
  };
  return { element, off, draw };
}

/** The key clips one below the other; the current one is scrolled into view. */
function keyClipList(desk, editor, preview, colours) {
  const entries = [];
  let seen = -1;
  const list = make("ol", { class: "csg-list" });
  const none = paragraph("csg-small csg-none", "None yet. Go to where the plaque is narrowest and mark it.");
  const title = make("h4");
  const box = make("div", { class: "csg-clips" }, title, none, list);
  const draw = (rows, at) => {
    title.textContent = `Key clips: ${rows.length}`;
    none.hidden = rows.length > 0;
    while (entries.length < rows.length) {
      entries.push(listEntry(desk, editor, preview, colours, entries.length));
      list.append(entries.at(-1).element);
    }
    while (entries.length > rows.length) {
      const gone = entries.pop();
      const focused = gone.off.matches(":focus");
      gone.element.remove();
      if (focused) (entries.at(-1)?.off ?? desk.root.querySelector(".csg-line")).focus();
    }
    rows.forEach((row, which) => entries[which].draw(row, which === at));
    const element = entries[at]?.element;
    if (at !== seen && element) { // scrolls the list and not the page
      const below = element.offsetTop + element.offsetHeight - list.clientHeight;
      list.scrollTop = clamp(list.scrollTop, below, Math.max(below, element.offsetTop));
    }
    seen = at;
  };
  return { box, draw };
}

/** Grade, frames and box of the key clip that holds the frame on show; without one, of the next. */
function panelOf(desk, editor, sizes, setBox) {
  const { frames: total, grades, lengths } = desk.get("facts");
  const title = make("h4");
  const grade = radios(
    "Grade",
    [...grades.map((name, at) => [name, name, key(at + 1)]), ["", "not yet", key(0)]],
    (value) => editor.change((row) => ({ ...row, grade: value })),
  );
  const length = radios("Frames", lengths.map((count) => [count, count]), editor.resize);
  const first = numberField("first frame", (value) => editor.change((row) => shifted(row, value, total)));
  const box = boxFields(sizes, setBox);
  const whole = desk.button("Whole frame", () => setBox([]));
  const spans = make("div", { class: "csg-row" }, length.element, first.element);
  const edges = make("fieldset", { class: "csg-choice" }, make("legend", { textContent: "Box, pixels of the file" }), make("div", { class: "csg-edges" }, ...box.elements, whole));
  const element = make("div", { class: "csg-panel" }, title, grade.element, spans, edges);
  const draw = (at, row, shown) => {
    title.textContent = row ? `Key clip ${at + 1}` : "The next key clip";
    grade.draw(row ? row.grade : null, !row);
    length.draw(row && !lengths.includes(row.frames) ? null : editor.length());
    first.element.hidden = !row;
    if (row) first.draw(...[row.first_frame, -Infinity, Infinity].map((to) => shifted(row, to, total).first_frame));
    box.draw(shown);
    whole.setAttribute("aria-disabled", String(!shown.length));
  };
  return { element, draw, drawBox: box.draw };
}

/** Buttons along the time line. */
function toolBar(desk, editor, go) {
  const { frames: total } = desk.get("facts");
  const play = () => { // round and round in a key clip, or on to the end of the video
    const [frame, { row }] = [desk.get("frame"), editor.current()];
    if (row && desk.get("looping")) return desk.put("frame", frame + 1 < endOf(row, total) ? frame + 1 : row.first_frame);
    desk.put("frame", (frame + 1) % total);
    if (frame + 2 >= total) desk.put("playing", false);
  };
  const { button, toggle } = desk.player("playing", play, PACE);
  const number = numberField("Frame", go);
  const step = (by, ariaLabel, text) => Object.assign(desk.button(text, () => go(desk.get("frame") + by)), { ariaLabel });
  const lettered = (label, press, letter, className = "") => {
    const made = Object.assign(desk.button(label, press), { className });
    made.append(key(letter));
    return made;
  };
  const undo = lettered("Undo", editor.undo, "U");
  const add = lettered("Add key clip", editor.add, "A");
  add.title = "a key clip around this frame, without a narrowest frame";
  const bar = make(
    "div", { class: "csg-tools" },
    button, step(-1, "Frame before", "\u2039"), number.element, step(1, "Frame after", "\u203a"),
    desk.checkbox("looping", "loop a key clip"), lettered("Mark narrowest frame", editor.mark, "N", "csg-main"), add, undo,
  );
  const draw = () => {
    number.draw(desk.get("frame"), 0, total - 1);
    undo.setAttribute("aria-disabled", String(!editor.undoable()));
  };
  return { bar, toggle, draw };
}

/** Whether a control itself uses a key: numbers, radio buttons, buttons. */
function usesKey(element, name) {
  if (element.matches("[type=number]")) return !/^[a-z]$/.test(name) && !name.startsWith("Page");
  if (element.matches("[type=radio]")) return name === " " || name.startsWith("Arrow");
  return element.matches("button, [type=checkbox]") && name === " ";
}

/** Keys, wherever the focus is in the picker; "^z" is z with Control or Command. */
function listenToKeys(desk, editor, { go, toggle, cancel }) {
  const { frames: total, grades } = desk.get("facts");
  const by = (step) => () => go(desk.get("frame") + step);
  const grade = (value) => () => editor.change((row) => ({ ...row, grade: value }));
  const handlers = {
    " ": toggle, ArrowLeft: by(-1), ArrowRight: by(1), ArrowDown: by(-1), ArrowUp: by(1),
    PageUp: by(LEAP), PageDown: by(-LEAP), Home: () => go(0), End: () => go(total - 1),
    n: editor.mark, a: editor.add, u: editor.undo, "^z": editor.undo, 0: grade(""),
    ...Object.fromEntries(grades.slice(0, 9).map((name, at) => [at + 1, grade(name)])),
    Delete: () => editor.remove(editor.current().at), Escape: cancel,
  };
  const onKey = (event) => {
    const path = event.composedPath();
    if (event.altKey || !path.includes(desk.root)) return;
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const name = event.ctrlKey || event.metaKey ? `^${letter}` : letter;
    if (!Object.hasOwn(handlers, name) || usesKey(path[0], name)) return;
    if (handlers[name]() === false) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook in command mode would add, delete or retitle a cell
  };
  window.addEventListener("keydown", onKey, { capture: true });
  desk.closing.push(() => window.removeEventListener("keydown", onKey, { capture: true }));
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "clip-picker", label: "Clip picker" });
  const { frames: total, grades, height, width } = desk.get("facts");
  const sizes = [width, height];
  const editor = rowEditor(desk, () => draw());
  const [preview, colours] = [previews(desk), gradeColours(grades)];
  const go = (frame) => desk.put("frame", clamp(frame, 0, total - 1));
  const setBox = (box) => {
    editor.setBox(same(box, [0, 0, ...sizes]) ? [] : box);
    draw();
  };
  const view = frameView(desk, preview);
  const layer = boxLayer(sizes, {
    done: setBox,
    moving: (box) => {
      layer.draw(box);
      panel.drawBox(box);
    },
  });
  const line = timeLine(desk, colours);
  const list = keyClipList(desk, editor, preview, colours);
  const panel = panelOf(desk, editor, sizes, setBox);
  const tools = toolBar(desk, editor, go);
  const sentence = paragraph("csg-sentence");
  const help = paragraph("csg-small", "Arrow keys go one frame, page keys ten, Home and End to the ends, space plays. A drag over the image draws a box. The grey curve is how much a frame differs from the one before: a cut is a needle, where nothing moves it is flat.");
  const frame = make("div", { class: "csg-frame" }, view.canvas, layer.layer);
  frame.style.maxWidth = `${(560 * width) / height}px`;
  const left = make("div", { class: "csg-left" }, frame, view.quality);
  const right = make("div", { class: "csg-right" }, panel.element, list.box);
  desk.root.append(make("div", { class: `csg-desk${width > 1.2 * height ? " csg-wide" : ""}` }, left, right), line.box, tools.bar, sentence, help);
  frame.addEventListener("mousedown", (event) => {
    event.preventDefault(); // else the browser would take the focus away, and keys with it
    line.line.focus({ preventScroll: true });
  });
  listenToKeys(desk, editor, { go, toggle: tools.toggle, cancel: layer.cancel });

  const draw = () => {
    const { at, row } = editor.current();
    const [rows, now, playing] = desk.values("rows", "frame", "playing");
    const box = row ? row.box : desk.get("box");
    layer.draw(box);
    panel.draw(at, row, box);
    list.draw(rows, at);
    tools.draw();
    const where = row ? `${row.narrowest_frame === now ? "narrowest " : ""}in key clip ${at + 1}, ${row.grade || "no grade yet"}` : "in no key clip";
    line.draw(rows, at, now, `${now}, ${where}`);
    view.canvas.setAttribute("aria-label", `Frame ${now} of the video${box.length ? `, ${boxWords({ box })}` : ""}`);
    say(sentence, sentenceOf(desk, { at, row }), playing);
  };
  desk.follow(["frame", "playing"], view.draw);
  desk.follow(["rows", "frame", "box", "length", "playing", "saved"], draw);
  return () => desk.close();
}

export default { render };
