// The key clips one below the other, and what may be said of the one that holds the frame on show.

function spanWords(row, total) {
  return `frames ${row.first_frame} to ${endOf(row, total) - 1}`;
}

const boxWords = ({ box }) => (box.length ? `box ${box[0]}, ${box[1]} to ${box[2]}, ${box[3]}` : "whole frames");

function narrowestWords({ narrowest_frame: frame }) {
  return frame === null ? "narrowest not marked" : `narrowest ${frame}`;
}

/** One entry: a press goes there, another takes it off. It stays when what it shows changes. */
function entry(desk, notes, bitmap, colour, which) {
  const facts = desk.get("facts");
  const small = thumbnail(bitmap, facts);
  const number = make("b", { class: "csg-number" });
  const [title, words] = [make("strong"), make("span", { class: "csg-small" })];
  const go = desk.button("", () => notes.visit(which));
  go.className = "csg-go";
  go.append(small.canvas, number, make("span", {}, title, words));
  const off = desk.button("\u00d7", () => notes.remove(which));
  off.className = "csg-off";
  const element = make("li", {}, go, off);
  const draw = (row, here) => {
    const { fill, ink } = colour(row.grade);
    Object.assign(number.style, { background: fill, color: ink });
    number.textContent = which + 1;
    number.classList.toggle("csg-ungraded", !row.grade);
    title.textContent = row.grade || "no grade yet";
    words.textContent = `${spanWords(row, facts.frames)}, ${narrowestWords(row)}`; // the picture has its box
    off.ariaLabel = `Remove key clip ${which + 1}`;
    element.classList.toggle("csg-current", here);
    here ? go.setAttribute("aria-current", "true") : go.removeAttribute("aria-current");
    small.draw(seatOf(row), row.box);
  };
  return { element, go, off, draw };
}

/** Scroll a list, and not the page, until an entry is in sight. */
function reveal(list, element) {
  if (!element) return;
  const below = element.offsetTop + element.offsetHeight - list.clientHeight;
  list.scrollTop = clamp(list.scrollTop, below, Math.max(below, element.offsetTop));
}

function listOf(desk, notes, bitmap, colour) {
  const entries = [];
  let seen = -1;
  const list = make("ol", { class: "csg-list" });
  const none = make("p", { class: "csg-small csg-none", textContent: "None yet. Go to where the plaque is narrowest and mark it." });
  const title = make("h4", {});
  const box = make("div", { class: "csg-clips" }, title, none, list);
  const draw = (rows, at) => {
    title.textContent = `Key clips: ${rows.length}`;
    none.hidden = rows.length > 0;
    while (entries.length < rows.length) {
      entries.push(entry(desk, notes, bitmap, colour, entries.length));
      list.append(entries.at(-1).element);
    }
    while (entries.length > rows.length) {
      const gone = entries.pop();
      const focused = gone.off.matches(":focus");
      gone.element.remove();
      if (focused) (entries.at(-1)?.off ?? desk.root.querySelector(".csg-line")).focus();
    }
    rows.forEach((row, which) => entries[which].draw(row, which === at));
    if (at !== seen) reveal(list, entries[at]?.element);
    seen = at;
  };
  return { box, draw };
}

/** One of a few values, all in sight, that no trait holds. */
function radios(label, options, take) {
  const name = `csg-${Math.random().toString(36).slice(2)}`;
  const made = options.map(([value, words]) => {
    const radio = make("input", { type: "radio", name });
    radio.addEventListener("change", () => take(value));
    return { value, radio, shown: make("label", {}, radio, make("span", {}, ...words)) };
  });
  const row = make("div", { class: "csg-options" }, ...made.map(({ shown }) => shown));
  const element = make("fieldset", { class: "csg-choice" }, make("legend", { textContent: label }), row);
  const draw = (now, disabled = false) => {
    element.disabled = disabled;
    for (const { value, radio } of made) radio.checked = value === now;
  };
  return { element, draw };
}

const key = (letter) => make("kbd", { textContent: letter, "aria-hidden": "true" });

/** What is said of the key clip that holds the frame; without one, of the next. */
function panelOf(desk, notes, enclose) {
  const { frames: total, grades, lengths, height, width } = desk.get("facts");
  const title = make("h4");
  const grade = radios(
    "Grade",
    [...grades.map((name, at) => [name, [name, key(at + 1)]]), ["", ["not yet", key(0)]]],
    (value) => notes.change((row) => ({ ...row, grade: value })),
  );
  const length = radios("Frames", lengths.map((count) => [count, [String(count)]]), notes.resize);
  const first = field("first frame", (value) => notes.change((row) => shifted(row, value, total)));
  const box = boxFields({ height, width }, enclose);
  const whole = desk.button("Whole frame", () => enclose([]));
  const spans = make("div", { class: "csg-row" }, length.element, first.element);
  const edges = make("fieldset", { class: "csg-choice" }, make("legend", { textContent: "Box, pixels of the file" }), make("div", { class: "csg-edges" }, ...box.elements, whole));
  const element = make("div", { class: "csg-panel" }, title, grade.element, spans, edges);
  const draw = (at, row, shown) => {
    title.textContent = row ? `Key clip ${at + 1}` : "The next key clip";
    grade.draw(row ? row.grade : null, !row);
    length.draw(row && !lengths.includes(row.frames) ? null : notes.lengthOf());
    first.element.hidden = !row;
    if (row) first.draw(row.first_frame, shifted(row, -Infinity, total).first_frame, shifted(row, Infinity, total).first_frame);
    box.draw(shown);
    whole.setAttribute("aria-disabled", String(!shown.length));
  };
  return { element, draw, box: box.draw };
}
