// Shared by every widget. base.py writes PALETTES above this text and the widget's own text below
// it; together they are one ES module. Nothing is fetched.

const KEYS = new Set([
  "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown",
  "Home", "End", "PageUp", "PageDown", " ", "Enter",
]);
const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");

/** An element from its properties (or attributes, where it has no such property) and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A paragraph of a class, for instance "csg-sentence" or "csg-small". */
const paragraph = (kind, textContent = "") => make("p", { class: kind, textContent });

/** What a widget asks before it shows a result: a question in bold, then the ways to answer. */
const guessPanel = (words, ...children) =>
  make("div", { class: "csg-question" }, make("strong", { textContent: words }), ...children);

/** 0.1234 as "12.3 %", in one piece. */
function percent(share) {
  const hundredths = 100 * share;
  const digits = hundredths >= 0.001 ? hundredths.toPrecision(3) : "under 0.001";
  return `${share === 0 ? 0 : digits}\u00a0%`;
}

/** The bytes of a trait, which arrive as a DataView into a longer message. */
function bytes(model, trait) {
  const view = model.get(trait);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The same as 32-bit floats; copied, because they may start at any byte of the message. */
const floats = (model, trait) => new Float32Array(bytes(model, trait).slice().buffer);

/** 256 levels of a palette, as a function of a level. */
function palette(name) {
  const levels = Uint8Array.from(atob(PALETTES[name]), (letter) => letter.charCodeAt(0));
  return (level) => levels.subarray(3 * level, 3 * level + 3);
}

/** An offscreen picture, a pixel a cell; `colour(cell)` gives red, green, blue. */
function picture(width, height, colour) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  image.data.fill(255);
  for (let cell = 0; cell < width * height; cell++) image.data.set(colour(cell), 4 * cell);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Stretch an offscreen picture over a canvas. */
function blit(canvas, source, { opacity = 1, smooth = false } = {}) {
  const context = canvas.getContext("2d");
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
}

/** Pictures of grey frames, u8 (t, y, x), to be drawn with `blit`. */
function greyPictures(grey, { frames, height, width }) {
  return Array.from({ length: frames }, (_, frame) => {
    const first = frame * height * width;
    return picture(width, height, (cell) => Array(3).fill(grey[first + cell]));
  });
}

/** A map of one frame, a pixel a patch, on the scale low to high; NaN is transparent. */
function mapPicture(values, columns, { low, high }, colour) {
  const level = (value) => Math.round((255 * (value - low)) / (high - low || 1)) || 0;
  const coloured = picture(columns, values.length / columns, (cell) =>
    colour(Math.max(0, Math.min(255, level(values[cell])))),
  );
  const context = coloured.getContext("2d");
  values.forEach((value, cell) => {
    if (Number.isNaN(value)) context.clearRect(cell % columns, Math.floor(cell / columns), 1, 1);
  });
  return coloured;
}

/** Stroke the current path so that it is seen on dark and on light: a dark rim first. */
function strokeRimmed(context, colour, line) {
  for (const [style, width] of [["rgb(0 0 0 / 80%)", 2.4 * line], [colour, line]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

/** A closed polygon whose corners, x and y in turn, are fractions of the canvas. */
function drawPolygon(canvas, corners, { colour = "#ffffff", line = Math.max(1.5, canvas.width / 180), dashes = [] } = {}) {
  const context = canvas.getContext("2d");
  context.beginPath();
  for (let corner = 0; corner < corners.length; corner += 2)
    context.lineTo(corners[corner] * canvas.width, corners[corner + 1] * canvas.height);
  context.closePath();
  context.setLineDash(dashes.map((length) => length * line));
  strokeRimmed(context, colour, line);
  context.setLineDash([]);
}

/** The rim of one patch of a canvas that is cut into rows and columns. */
function outlinePatch(canvas, { rows, columns }, { row, column }, colour) {
  const context = canvas.getContext("2d");
  const [wide, high] = [canvas.width / columns, canvas.height / rows];
  context.beginPath();
  context.rect(column * wide, row * high, wide, high);
  strokeRimmed(context, colour, Math.max(1.5, canvas.width / 130));
}

/** An SVG drawing from its text, and a way to find the parts of it that move. */
function svgDrawing(name, { width, height }, inner) {
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img">${inner}</svg>`;
  const box = make("div", { class: `csg-${name}`, innerHTML: svg });
  return { box, svg: box.firstChild, part: (which) => box.querySelector(`.csg-${which}`) };
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

/**
 * Keep our keys from the page around us. A notebook takes arrow keys for its cells before an input
 * sees them; only a listener on the window, on the way down, comes first. It stops the event's
 * journey, not what the browser itself does with the key.
 */
function guardKeys(root, handlers) {
  const actsItself = (element) => element.matches("button, [type=checkbox], [type=radio]");
  const onKey = (event) => {
    const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
    const path = event.composedPath();
    if (modified || !KEYS.has(event.key) || !path.includes(root)) return;
    event.stopPropagation();
    if (!(event.key in handlers) || actsItself(path[0])) return;
    event.preventDefault();
    handlers[event.key]();
  };
  window.addEventListener("keydown", onKey, { capture: true });
  return () => window.removeEventListener("keydown", onKey, { capture: true });
}

/** Radio buttons with a legend; options are [value, ...contents]. `draw` checks that of a value. */
function radios(label, options, take) {
  const name = `csg-${Math.random().toString(36).slice(2)}`;
  const made = options.map(([value, ...contents]) => {
    const radio = make("input", { type: "radio", name });
    radio.addEventListener("change", () => take(value));
    return { value, radio, shown: make("label", {}, radio, make("span", {}, ...contents)) };
  });
  const row = make("div", { class: "csg-options" }, ...made.map(({ shown }) => shown));
  const element = make("fieldset", { class: "csg-choice" }, make("legend", { textContent: label }), row);
  const draw = (now, disabled = false) => {
    element.disabled = disabled;
    for (const { value, radio } of made) radio.checked = value === now;
  };
  return { element, draw };
}

/** One view of a model: its root element, its controls, and everything to undo when it goes. */
class Desk {
  constructor(model, el, { name, label, keys = {} }) {
    this.model = model;
    this.root = make("div", { class: `csg csg-${name}`, role: "group", "aria-label": label });
    this.closing = [guardKeys(this.root, keys), () => this.root.remove()];
    el.append(this.root);
  }

  close() {
    for (const undo of this.closing) undo();
  }

  get(trait) {
    return this.model.get(trait);
  }

  /** The values of several traits. */
  values(...traits) {
    return traits.map((trait) => this.get(trait));
  }

  put(trait, value) {
    if (this.get(trait) === value) return;
    this.model.set(trait, value);
    this.model.save_changes();
  }

  /** Draw now, and again when a trait changes, at most once a screen refresh. */
  follow(traits, draw) {
    let waiting = 0;
    const later = () => {
      waiting ||= requestAnimationFrame(() => {
        waiting = 0;
        draw();
      });
    };
    for (const trait of traits) this.model.on(`change:${trait}`, later);
    this.closing.push(() => {
      cancelAnimationFrame(waiting);
      for (const trait of traits) this.model.off(`change:${trait}`, later);
    });
    draw();
  }

  /** A range with its name and a number box: one value, three ways to set it. */
  slider(trait, { label, min, max, step = 1 }) {
    const limits = { min, max, step };
    const range = make("input", { type: "range", ...limits, "aria-label": label });
    const box = make("input", { type: "number", ...limits, "aria-label": `${label}, number` });
    const take = ({ target: { value } }) => {
      const steps = Math.round((Math.min(max, Math.max(min, Number(value))) - min) / step);
      if (value !== "") this.put(trait, Number((min + steps * step).toFixed(6)));
      box.value = this.get(trait);
    };
    range.addEventListener("input", take);
    box.addEventListener("change", take);
    // At once, not at the next refresh: a key that comes before it starts from what the range holds.
    const show = () => {
      range.value = this.get(trait);
      box.value = this.get(trait);
    };
    this.model.on(`change:${trait}`, show);
    this.closing.push(() => this.model.off(`change:${trait}`, show));
    show();
    return make("div", { class: "csg-slider" }, make("span", { textContent: label }), range, box);
  }

  /** One of a few values, [value, words] each, all in sight. */
  choice(trait, { label, options }) {
    const { element, draw } = radios(label, options, (value) => this.put(trait, value));
    this.follow([trait], () => draw(this.get(trait)));
    return element;
  }

  checkbox(trait, label) {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => this.put(trait, box.checked));
    this.follow([trait], () => (box.checked = this.get(trait)));
    return make("label", { class: "csg-check" }, box, make("span", { textContent: label }));
  }

  button(label, press) {
    const button = make("button", { type: "button", textContent: label });
    button.addEventListener("click", press);
    return button;
  }

  /** A button that calls `step` again and again; where motion is unwelcome, once a press. */
  player(trait, step, milliseconds) {
    let timer = 0;
    const toggle = () => (CALM.matches ? step() : this.put(trait, !this.get(trait)));
    const button = this.button("", toggle);
    this.follow([trait], () => {
      clearInterval(timer);
      const runs = this.get(trait) && !CALM.matches;
      if (runs) timer = setInterval(step, milliseconds);
      button.textContent = CALM.matches ? "Next frame" : runs ? "Pause" : "Play";
      button.className = runs ? "csg-pause" : "csg-play";
    });
    this.closing.push(() => clearInterval(timer));
    return { button, toggle };
  }
}

/** A canvas with the shape of a frame. */
function frameCanvas({ height, width }, longer) {
  const scale = longer / Math.max(height, width);
  return make("canvas", { width: Math.round(scale * width), height: Math.round(scale * height) });
}

/** Call `choose` with the row and column of the patch under a press. */
function onPatchPress(canvas, { rows, columns }, choose) {
  canvas.classList.add("csg-pressable");
  canvas.addEventListener("click", ({ offsetX, offsetY }) => {
    const within = (place, count) => Math.max(0, Math.min(count - 1, Math.floor(place)));
    const row = within((rows * offsetY) / canvas.clientHeight, rows);
    choose(row, within((columns * offsetX) / canvas.clientWidth, columns));
  });
}

/**
 * The frames of a clip side by side, a canvas each; whoever makes it paints the canvases.
 *
 * Without `choose` it is a picture. With it, patches are pressed, or reached by keys once the strip
 * has the focus: arrows go from patch to patch over the frames as they stand, Page Up and Page Down
 * to another frame, Escape calls `leave`. `position()` is the chosen `{ frame, row, column }`, or
 * null; then the first key chooses the middle of `start()`, a frame. All counts are from 0.
 */
function filmstrip(desk, size, { label, longer = 128, choose, position, start = () => 0, leave } = {}) {
  const { frames, rows, columns } = size;
  const list = make("div", { class: "csg-frames" });
  const cells = Array.from({ length: frames }, (_, frame) => {
    const canvas = frameCanvas(size, longer);
    const caption = make("span", { class: "csg-caption", textContent: frame + 1 });
    const shown = make("div", { class: "csg-frame", role: "img", "aria-label": `Frame ${frame + 1}` }, canvas, caption);
    const box = make("div", {}, shown);
    if (choose)
      onPatchPress(canvas, size, (row, column) => {
        choose({ frame, row, column });
        list.focus({ preventScroll: true }); // so that keys go on from here
      });
    list.append(box);
    return { frame, canvas, caption, shown, box };
  });
  list.style.setProperty("--wide", Math.min(frames, 8));
  list.style.setProperty("--narrow", Math.min(frames, 4));
  if (!choose) return { list, cells };
  Object.assign(list, { tabIndex: 0, role: "application", ariaLabel: label });
  const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
  const from = (move) => () => {
    const here = position();
    choose(here ? move(here) : { frame: start(), row: rows >> 1, column: columns >> 1 });
  };
  const across = (by) => ({ frame, row, column }) => {
    const along = clamp(frame * columns + column + by, frames * columns);
    return { frame: Math.floor(along / columns), row, column: along % columns };
  };
  const down = (by) => (here) => ({ ...here, row: clamp(here.row + by, rows) });
  const later = (by) => (here) => ({ ...here, frame: clamp(here.frame + by, frames) });
  desk.closing.push(
    guardKeys(list, {
      ArrowLeft: from(across(-1)), ArrowRight: from(across(1)),
      ArrowUp: from(down(-1)), ArrowDown: from(down(1)),
      PageUp: from(later(-1)), PageDown: from(later(1)),
    }),
  );
  const escape = (event) => {
    if (event.key !== "Escape" || !position() || !event.composedPath().includes(list)) return;
    event.stopPropagation(); // a notebook would take the focus away
    event.preventDefault();
    leave();
  };
  if (leave) {
    window.addEventListener("keydown", escape, { capture: true });
    desk.closing.push(() => window.removeEventListener("keydown", escape, { capture: true }));
  }
  return { list, cells };
}

/** A model without a kernel, for a page of its own: it keeps traits and tells listeners. */
function staticModel(plain, packed) {
  const state = { ...plain };
  for (const [name, letters] of Object.entries(packed))
    state[name] = new DataView(Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0)).buffer);
  const heard = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of heard[`change:${name}`] ?? []) listener();
    },
    on: (event, listener) => (heard[event] ??= new Set()).add(listener),
    off: (event, listener) => heard[event].delete(listener),
    save_changes() {},
  };
}

/** A sentence that a screen reader speaks when it changes, unless it changes by itself. */
function say(paragraph, text, quiet = false) {
  paragraph.setAttribute("aria-live", quiet ? "off" : "polite");
  if (paragraph.textContent !== text) paragraph.textContent = text;
}
