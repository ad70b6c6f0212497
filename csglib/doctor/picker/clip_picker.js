// Notebook 11: from a long video to key clips. What is marked is kept by clip_picker_rows.js; this
// puts the desk together and says what is on it.

const PACE = 50; // milliseconds a frame
const LEAP = 10; // frames that a page key goes

function frameWords(row, at, frame) {
  if (!row) return "in no key clip";
  return `${row.narrowest_frame === frame ? "narrowest " : ""}in key clip ${at + 1}, ${row.grade || "no grade yet"}`;
}

function tallyWords(rows, saved) {
  if (!rows.length) return "";
  const open = rows.filter(({ grade }) => !grade).length;
  const count = rows.length === 1 ? "1 key clip" : `${rows.length} key clips`;
  return ` ${count}, ${open ? `${open} without a grade` : "all graded"}; ${saved ? `saved in ${saved}` : "not saved"}.`;
}

/** Of the key clips; which frame is on show is said below it and by the time line. */
function sentenceOf(desk, { at, row }) {
  const total = desk.get("facts").frames;
  const here = row
    ? `Key clip ${at + 1}, ${row.grade || "no grade yet"}: ${spanWords(row, total)}, ${narrowestWords(row)}, ${boxWords(row)}.`
    : "No key clip holds this frame; N marks it as the narrowest of a new one.";
  return here + tallyWords(desk.get("rows"), desk.get("saved"));
}

/** Where frames go by themselves: round and round in a key clip, or on to the end of the video. */
function onward(desk, notes) {
  const { frames: total } = desk.get("facts");
  return () => {
    const [frame, { row }] = [desk.get("frame"), notes.current()];
    if (row && desk.get("looping")) {
      desk.put("frame", frame + 1 < endOf(row, total) ? frame + 1 : row.first_frame);
      return;
    }
    desk.put("frame", (frame + 1) % total);
    if (frame + 2 >= total) desk.put("playing", false);
  };
}

/** Buttons along the time line. */
function tools(desk, notes, go) {
  const { frames: total } = desk.get("facts");
  const { button, toggle } = desk.player("playing", onward(desk, notes), PACE);
  const number = field("Frame", go);
  const step = (by, label, text) => {
    const made = desk.button(text, () => go(desk.get("frame") + by));
    made.ariaLabel = label;
    return made;
  };
  const mark = desk.button("Mark narrowest frame", notes.mark);
  const add = desk.button("Add key clip", notes.add);
  const undo = desk.button("Undo", notes.undo);
  mark.className = "csg-main";
  add.title = "a key clip around this frame; where it is narrowest stays open";
  for (const [made, letter] of [[mark, "N"], [add, "A"], [undo, "U"]]) made.append(key(letter));
  const row = make(
    "div", { class: "csg-tools" },
    button, step(-1, "Frame before", "\u2039"), number.element, step(1, "Frame after", "\u203a"),
    desk.checkbox("looping", "loop a key clip"), mark, add, undo,
  );
  const draw = () => {
    number.draw(desk.get("frame"), 0, total - 1);
    undo.setAttribute("aria-disabled", String(!notes.undoable()));
  };
  return { row, toggle, draw };
}

function keysOf(desk, { notes, go, toggle, drop }) {
  const { frames: total, grades } = desk.get("facts");
  const by = (step) => () => go(desk.get("frame") + step);
  const grade = (value) => () => notes.change((row) => ({ ...row, grade: value }));
  const graded = grades.slice(0, 9).map((name, at) => [String(at + 1), grade(name)]);
  hotkeys(desk, {
    " ": toggle, ArrowLeft: by(-1), ArrowRight: by(1), ArrowDown: by(-1), ArrowUp: by(1),
    PageUp: by(LEAP), PageDown: by(-LEAP), Home: () => go(0), End: () => go(total - 1),
    n: notes.mark, a: notes.add, u: notes.undo, "^z": notes.undo, 0: grade(""), ...Object.fromEntries(graded),
    Delete: () => notes.remove(notes.current().at), Escape: drop,
  });
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "clip-picker", label: "Clip picker" });
  const facts = desk.get("facts");
  const notes = book(desk, () => draw());
  const bitmap = reel(desk);
  const colour = coloursOf(facts.grades);
  const go = (frame) => desk.put("frame", clamp(frame, 0, facts.frames - 1));
  const enclose = (box) => notes.enclose(trimmed(box, facts));
  const screen = screenOf(desk, bitmap);
  const layer = boxLayer(facts, {
    moving: (box) => {
      layer.draw(box);
      panel.box(box);
    },
    done: (box) => {
      enclose(box);
      draw();
    },
  });
  const line = timeLine(desk, colour);
  const list = listOf(desk, notes, bitmap, colour);
  const panel = panelOf(desk, notes, enclose);
  const bar = tools(desk, notes, go);
  const sentence = make("p", { class: "csg-sentence" });
  const help = make("p", {
    class: "csg-small",
    textContent: "Arrow keys go one frame, page keys ten, Home and End to the ends, space plays. A stroke over the picture draws a box. The grey hill is how much a frame differs from the one before: a cut is a needle, where nothing moves it is flat.",
  });
  const frame = make("div", { class: "csg-frame" }, screen.canvas, layer.layer);
  frame.style.maxWidth = `${(560 * facts.width) / facts.height}px`;
  const left = make("div", { class: "csg-left" }, frame, screen.quality);
  const right = make("div", { class: "csg-right" }, panel.element, list.box);
  desk.root.append(make("div", { class: `csg-desk${facts.width > 1.2 * facts.height ? " csg-wide" : ""}` }, left, right), line.box, bar.row, sentence, help);
  frame.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the browser would take the focus away, and keys with it
    line.line.focus({ preventScroll: true });
  });
  keysOf(desk, { notes, go, toggle: bar.toggle, drop: layer.drop });

  const draw = () => {
    const { at, row } = notes.current();
    const [rows, now] = [desk.get("rows"), desk.get("frame")];
    const box = row ? row.box : desk.get("box");
    layer.draw(box);
    panel.draw(at, row, box);
    list.draw(rows, at);
    bar.draw();
    line.draw(rows, at, now, `${now}, ${frameWords(row, at, now)}`);
    screen.canvas.setAttribute("aria-label", `Frame ${now} of the video${box.length ? `, ${boxWords({ box })}` : ""}`);
    say(sentence, sentenceOf(desk, { at, row }), desk.get("playing"));
  };
  desk.follow(["frame", "playing"], screen.draw);
  desk.follow(["rows", "frame", "box", "length", "playing", "saved"], draw);
  return () => desk.close();
}

export default { render };
