// The page: choose a clip, crop it, grade it, look at its attention, cover a part of it.
// Behind the widget kit, the explorer and decode.js, in one module.

const [FRAMES, SIZE] = [8, 256];
const AREA = SIZE * SIZE;
const DEBOUNCE = 250; // milliseconds from the last move of the box to a new grade
const own = { left: 50, top: 50, side: 100 }; // percent: of the free way, and of the shorter side

/** What a script element holds: base64 of gzip, since a page is text. */
async function unpacked(id) {
  const element = document.getElementById(id);
  const letters = atob(element.textContent);
  element.remove();
  const packed = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Asks the worker, which answers each question once. A page from disk may start no module. */
function asking(code) {
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const waiting = [];
  worker.onmessage = ({ data: { id, result, error } }) => {
    const [resolve, reject] = waiting[id];
    delete waiting[id];
    if (error) reject(new Error(error));
    else resolve(result);
  };
  worker.onerror = ({ message }) => waiting.forEach(([, reject]) => reject(new Error(message ?? "its worker did not start")));
  return (name, given) =>
    new Promise((...settle) => worker.postMessage({ id: waiting.push(settle) - 1, name, given }));
}

/** The explorer's model, whose kernel is the worker. */
function host(state, ask) {
  const model = staticModel(state, {});
  let receive = () => {};
  return {
    ...model,
    on: (event, listener) => (event === "msg:custom" ? (receive = listener) : model.on(event, listener)),
    off: (event, listener) => event === "msg:custom" || model.off(event, listener),
    send: async (request) => receive(request, await ask("rows", request)),
  };
}

/** The square that three percentages choose, in pixels; at first the central one, as `resample`. */
function squareOf({ width, height }, [left, top, side]) {
  const pixels = Math.max(1, Math.round((Math.min(width, height) * side) / 100));
  const along = (length, percents) => Math.floor(((length - pixels) * percents) / 100);
  return { left: along(width, left), top: along(height, top), side: pixels };
}

/** Out of focus: 8 x 8 pixels of a frame, enlarged again. */
const blurred = (grey) => resized(resized(grey, { width: SIZE, height: SIZE }, 8), { width: 8, height: 8 });

class Lab {
  constructor(ask, samples, el) {
    Object.assign(this, { ask, samples, timer: 0, busy: false, again: false });
    this.model = staticModel({ sample: "", ...own, frame: 1, radius: 20, all: true }, {});
    this.desk = new Desk(this.model, el, { name: "lab", label: "Choose, grade, cover" });
    this.status = paragraph("csg-small");
    this.verdict = make("div");
    this.explorerPlace = make("div");
    const section = (title, ...parts) => make("section", {}, make("h2", { textContent: title }), ...parts);
    this.desk.root.append(
      make("div", { class: "csg-pairs" },
        section("1. A clip", ...this.chooser()),
        section("2. What the network says", this.verdict, this.status),
      ),
      this.cropper(),
      section("3. Where it looks", this.explorerPlace),
      section("4. Cover a part: does it matter?", this.brush()),
    );
  }

  chooser() {
    const options = this.samples.map(({ name, label }) => [name, label]);
    const choice = this.desk.choice("sample", { label: "Simulated samples", options });
    this.model.on("change:sample", () => this.openSample(this.model.get("sample")));
    const picker = (label, more) => {
      const input = make("input", { type: "file", multiple: true, hidden: true, "aria-label": label });
      if (more) input.webkitdirectory = true;
      input.addEventListener("change", () => this.openFiles(input.files));
      return [this.desk.button(label, () => input.click()), input];
    };
    const row = make("div", { class: "csg-row" }, ...picker("Open files", false), ...picker("Open a folder", true));
    const help = "Or drop your own here: mp4, webm, GIF, one PNG or JPEG per frame, DICOM without compression. It stays on this device.";
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", async (event) => {
      event.preventDefault();
      this.openFiles(await dropped(event.dataTransfer));
    });
    return [choice, row, paragraph("csg-small", help)];
  }

  cropper() {
    const slider = (trait, label, min, max) => this.desk.slider(trait, { label, min, max });
    this.whole = make("canvas", { role: "img", "aria-label": "The middle frame, and the square that is graded" });
    const drag = (event) => {
      if (!event.buttons) return;
      const { width, height } = this.clip;
      const { side } = this.square();
      const part = (at, client, length) => Math.round((100 * ((at * length) / client - side / 2)) / (length - side || 1));
      for (const [trait, value] of [["left", part(event.offsetX, this.whole.clientWidth, width)], ["top", part(event.offsetY, this.whole.clientHeight, height)]])
        this.model.set(trait, Math.max(0, Math.min(100, value)));
    };
    this.whole.addEventListener("pointerdown", drag);
    this.whole.addEventListener("pointermove", drag);
    for (const trait of Object.keys(own))
      this.model.on(`change:${trait}`, () => {
        this.drawCrop();
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.crop(), DEBOUNCE);
      });
    const sliders = [slider("side", "Size, %", 20, 100), slider("left", "Across, %", 0, 100), slider("top", "Down, %", 0, 100)];
    const help = paragraph("csg-small", "The network takes a square. Put it around the artery: by pointer, or by the sliders.");
    this.cropBox = make("div", { class: "csg-pairs csg-small-picture", hidden: true }, this.whole, make("div", {}, help, ...sliders));
    return this.cropBox;
  }

  brush() {
    this.canvas = make("canvas", {
      width: SIZE, height: SIZE, tabIndex: 0, role: "application", class: "csg-brush",
      "aria-label": "Brush: arrow keys move it, Space covers what is under it",
    });
    this.at = { x: SIZE / 2, y: SIZE / 2 };
    this.words = paragraph("csg-sentence");
    const paint = ({ offsetX, offsetY, buttons }) => {
      this.at = { x: (offsetX * SIZE) / this.canvas.clientWidth, y: (offsetY * SIZE) / this.canvas.clientHeight };
      if (buttons) this.cover(this.at);
      this.drawBrush();
    };
    for (const name of ["pointerdown", "pointermove"]) this.canvas.addEventListener(name, paint);
    this.canvas.addEventListener("pointerdown", ({ pointerId }) => this.canvas.setPointerCapture(pointerId));
    this.canvas.addEventListener("pointerup", () => this.grade());
    const move = (x, y) => () => {
      const within = (place) => Math.max(0, Math.min(SIZE, place));
      this.at = { x: within(this.at.x + x), y: within(this.at.y + y) };
      this.drawBrush();
    };
    const press = () => {
      this.cover(this.at);
      this.drawBrush();
      this.grade();
    };
    this.desk.closing.push(guardKeys(this.canvas, {
      ArrowLeft: move(-16, 0), ArrowRight: move(16, 0), ArrowUp: move(0, -16), ArrowDown: move(0, 16), " ": press,
    }));
    const all = (value) => () => {
      this.mask.fill(value);
      this.drawBrush();
      this.grade();
    };
    this.desk.follow(["frame", "radius"], () => this.drawBrush());
    return make("div", { class: "csg-pairs csg-small-picture" }, this.canvas, make("div", {},
      this.desk.slider("frame", { label: "Frame", min: 1, max: FRAMES }),
      this.desk.slider("radius", { label: "Brush", min: 4, max: 64 }),
      this.desk.checkbox("all", "cover the same place in all frames"),
      make("div", { class: "csg-row" }, this.desk.button("Cover everything", all(1)), this.desk.button("Remove the cover", all(0))),
      this.words,
      paragraph("csg-small", "A covered place is shown out of focus. The cover is a picture too: see what the network makes of it alone."),
    ));
  }

  square() {
    return squareOf(this.clip, this.desk.values("left", "top", "side"));
  }

  openSample(name) {
    const sample = this.samples.find((each) => each.name === name);
    if (!sample) return; // none is chosen
    const frames = Array.from({ length: FRAMES }, (_, frame) => sample.pixels.subarray(frame * AREA, (frame + 1) * AREA));
    this.open({ name: sample.label, width: SIZE, height: SIZE, frames, sample });
  }

  async openFiles(files) {
    try {
      say(this.status, "Reading …");
      const clip = await pick(await sourceOf(files));
      this.model.set("sample", "");
      this.open(clip);
    } catch (error) {
      say(this.status, `Not read: ${error.message}.`);
    }
  }

  open(clip) {
    this.clip = clip;
    this.cropBox.hidden = Boolean(clip.sample);
    Object.assign(this.whole, { width: clip.width, height: clip.height });
    for (const [trait, value] of Object.entries(own)) this.model.set(trait, value);
    this.fresh = true;
    this.drawCrop();
    this.crop();
  }

  /** Cut out what is graded; nothing of it is covered. */
  crop() {
    clearTimeout(this.timer);
    const { frames, width, height } = this.clip;
    this.input = frames.map((grey) => resized(grey, { width, height, ...this.square() }));
    this.covers = this.input.map(blurred);
    this.mask = new Uint8Array(FRAMES * AREA);
    this.plain = null;
    this.drawBrush();
    this.grade();
  }

  drawCrop() {
    if (!this.clip) return;
    const { width, height, frames } = this.clip;
    const { left, top, side } = this.square();
    const grey = frames[FRAMES >> 1];
    blit(this.whole, picture(width, height, (cell) => Array(3).fill(grey[cell])));
    const [right, bottom] = [left + side, top + side];
    const corners = [left, top, right, top, right, bottom, left, bottom];
    drawPolygon(this.whole, corners.map((at, axis) => at / (axis % 2 ? height : width)), { colour: "#ff9d2e" });
  }

  cover({ x, y }) {
    const [radius, all, frame] = this.desk.values("radius", "all", "frame");
    for (let cell = 0; cell < AREA; cell++)
      if (Math.hypot((cell % SIZE) + 0.5 - x, Math.floor(cell / SIZE) + 0.5 - y) <= radius)
        for (let each = 0; each < FRAMES; each++) if (all || each === frame - 1) this.mask[each * AREA + cell] = 1;
  }

  /** What the network sees: the frames, covered where the mask is 1. */
  shown() {
    const frames = new Uint8Array(FRAMES * AREA);
    for (let cell = 0; cell < frames.length; cell++) {
      const [frame, place] = [Math.floor(cell / AREA), cell % AREA];
      frames[cell] = (this.mask[cell] ? this.covers : this.input)[frame][place];
    }
    return frames;
  }

  drawBrush() {
    if (!this.input) return;
    const first = (this.model.get("frame") - 1) * AREA;
    const [input, covers] = [this.input[first / AREA], this.covers[first / AREA]];
    blit(this.canvas, picture(SIZE, SIZE, (cell) => Array(3).fill((this.mask[first + cell] ? covers : input)[cell])));
    const context = this.canvas.getContext("2d");
    context.beginPath();
    context.arc(this.at.x, this.at.y, this.model.get("radius"), 0, 2 * Math.PI);
    strokeRimmed(context, "#ff9d2e", 1.5);
  }

  /** Grade what is shown; while the network is busy, once more when it is done. */
  async grade() {
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    while (this.again) {
      this.again = false;
      say(this.status, "The network is looking …");
      const [frames, clip, begun] = [this.shown(), this.clip, performance.now()];
      const covered = this.mask.reduce((sum, cell) => sum + cell, 0) / this.mask.length;
      try {
        const result = await this.ask("grade", frames);
        if (this.again) continue;
        this.show(result, frames, covered);
        say(this.status, `${clip.name}: graded in ${((performance.now() - begun) / 1000).toFixed(1)} s, on this device.`);
      } catch (error) {
        say(this.status, `Not graded: ${error.message}.`);
      }
    }
    this.busy = false;
  }

  show({ probabilities, logits, ...traits }, frames, covered) {
    const { sample } = this.clip;
    const template = sample ?? this.samples[0];
    const prediction = template.state.facts.prediction.map(([grade], which) => [grade, probabilities[which]]);
    const bar = ([grade, share]) =>
      make("div", { class: "csg-grade" },
        make("strong", { textContent: `${grade} ${percent(share)}` }),
        make("i", { style: `width: ${100 * share}%` }),
      );
    this.verdict.replaceChildren(...prediction.map(bar));
    if (!covered) this.plain = prediction;
    const [grade, share] = prediction.at(-1);
    const before = this.plain ? `${percent(this.plain.at(-1)[1])} uncovered, ` : "";
    say(this.words, covered ? `${grade}: ${before}${percent(share)} with ${percent(covered)} of the clip covered.` : "Nothing is covered: paint over the frame.");
    const [truth, empty] = [sample?.state.facts.truth ?? null, new Uint8Array()];
    const facts = { ...template.state.facts, prediction, truth, height: SIZE, width: SIZE };
    const [lumen, vessel, masks] = sample ? [sample.lumen, sample.vessel, sample.masks] : [empty, empty, empty];
    const last = traits.totals.subarray(-FRAMES);
    const opening = { ...template.state, frame: 1 + last.indexOf(Math.max(...last)), show_truth: Boolean(truth) };
    const kept = ["block", "frame", "view", "query", "head", "compare", "other_block", "opacity", "stretch", "show_truth"];
    const settings = this.fresh ? [] : kept.map((name) => [name, this.explorer.get(name)]);
    if (this.fresh) this.model.set("frame", opening.frame);
    this.fresh = false;
    this.close?.();
    this.explorer = host({ ...opening, ...Object.fromEntries(settings), facts, frames, lumen, vessel, masks, ...traits }, this.ask);
    this.close = render({ model: this.explorer, el: this.explorerPlace });
    this.result = { probabilities, logits }; // for the console, and tests
  }
}

async function begin(el) {
  const state = paragraph("csg-small csg-loading");
  el.append(state);
  say(state, "Unpacking the network …");
  try {
    const [library, runtime, graph, code, packed] = await Promise.all(["library", "runtime", "graph", "worker", "samples"].map(unpacked));
    const samples = JSON.parse(new TextDecoder().decode(packed));
    const raw = (letters) => Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
    for (const sample of samples) for (const name of ["pixels", "lumen", "vessel", "masks"]) sample[name] = raw(sample[name]);
    const ask = asking(code);
    const branches = samples[0].state.facts.branches.map(({ name }) => name);
    await ask("start", { library, runtime, graph, branches });
    state.remove();
    window.lab = new Lab(ask, samples, el);
    window.lab.model.set("sample", samples.at(-1).name);
  } catch (error) {
    say(state, `This browser cannot run the network: ${error.message}. It was tested in Chromium.`);
  }
}

begin(document.querySelector("main"));
