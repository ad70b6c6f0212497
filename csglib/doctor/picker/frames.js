// The frames of the video, large and small, and the time line.

const REST = 180; // milliseconds on a frame before its own pixels are requested
const CACHE = 64e6; // bytes of such pixels in the page

/** The preview of a frame, a small JPEG, decoded when it is shown. */
function previews(desk) {
  const { ends } = desk.get("facts");
  const all = bytes(desk.model, "preview");
  return (frame) => {
    const jpeg = all.subarray(frame ? ends[frame - 1] : 0, ends[frame]);
    return createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  };
}

/**
 * The frame on show, as large as in the file: its preview at once, its own pixels after a rest. Of
 * these, one frame at a time is requested from the kernel, and the newest are cached.
 */
function frameView(desk, preview) {
  const { height, width } = desk.get("facts");
  const canvas = make("canvas", { width, height, role: "img" });
  const quality = paragraph("csg-small");
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const cache = new Map();
  let requested = null;
  const receive = (frame, [buffer]) => {
    if (frame === requested) requested = null;
    cache.set(frame, new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength));
    if (cache.size > Math.max(2, CACHE / (height * width))) cache.delete(cache.keys().next().value);
    draw();
  };
  const request = () => {
    const frame = desk.get("frame");
    if (requested === null && !cache.has(frame)) desk.model.send((requested = frame));
  };
  desk.model.on("msg:custom", receive);
  desk.closing.push(() => desk.model.off("msg:custom", receive));
  let [turn, painted, timer] = [0, 0, 0]; // previews may be decoded out of order
  desk.closing.push(() => clearTimeout(timer));

  const drawPreview = async (frame, mine) => {
    const small = await preview(frame);
    if (mine < painted) return;
    painted = mine;
    context.drawImage(small, 0, 0, width, height);
    say(quality, `Frame ${frame}, preview of ${small.width} \u00d7 ${small.height} pixels`, true);
  };
  const draw = () => {
    const frame = desk.get("frame");
    const grey = cache.get(frame);
    turn += 1;
    clearTimeout(timer);
    if (!grey) {
      drawPreview(frame, turn);
      if (!desk.get("playing")) timer = setTimeout(request, REST);
      return;
    }
    painted = turn;
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer); // opacity, then three times the same grey
    for (let at = 0; at < pixels.length; at++) pixels[at] = 0xff000000 | (grey[at] * 0x010101);
    context.putImageData(image, 0, 0);
    say(quality, `Frame ${frame}, every pixel of the file, ${width} \u00d7 ${height}`, desk.get("playing"));
  };
  return { canvas, quality, draw };
}

/** A small image of a frame, its box alone, as large as fits. */
function thumbnail(preview, { height, width }) {
  const canvas = make("canvas", { width: 112, height: 112, "aria-hidden": "true" });
  let shown = "";
  const draw = async (frame, box) => {
    const wanted = `${frame} ${box}`;
    if (wanted === shown) return;
    shown = wanted;
    const small = await preview(frame);
    if (wanted !== shown) return;
    const [left, top, right, bottom] = box.length ? box : [0, 0, width, height];
    const source = [left, top, right - left, bottom - top].map((edge) => (edge * small.width) / width);
    const zoom = Math.min(canvas.width / source[2], canvas.height / source[3]);
    const [wide, high] = [zoom * source[2], zoom * source[3]];
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(small, ...source, (canvas.width - wide) / 2, (canvas.height - high) / 2, wide, high);
  };
  return { canvas, draw };
}

/** The colour of a grade, mildest first, and ink that is legible on it; none for no grade. */
function gradeColours(grades) {
  const colour = palette("magnitude");
  return (grade) => {
    if (!grade) return { background: "transparent", color: "inherit" };
    const step = grades.indexOf(grade) / Math.max(1, grades.length - 1);
    const background = `rgb(${[...colour(Math.round(255 * (0.15 + 0.75 * step)))].join()})`;
    return { background, color: step > 0.4 ? "#000000" : "#ffffff" };
  };
}

/** How much each frame differs from the one before; square roots, so that a cut does not flatten it. */
function changeCurve(desk, total) {
  const changes = floats(desk.model, "changes").map(Math.sqrt);
  const most = Math.max(...changes) || 1;
  const points = [...changes].map((change, frame) => `${frame},${(100 - (96 * change) / most).toFixed(2)}`);
  return `<svg class="csg-curve" viewBox="0 0 ${total} 100" preserveAspectRatio="none" aria-hidden="true">
    <polygon points="1,100 ${points.slice(1).join(" ")} ${total - 1},100"/></svg>`;
}

/** Round numbers of frames, at most a dozen. */
function ticks(total) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((size) => total / size <= 12) ?? 2000;
  return Array.from({ length: Math.ceil(total / step) }, (_, at) => {
    const tick = make("span", { textContent: at * step });
    tick.style.left = `${(100 * (at * step + 0.5)) / total}%`;
    return tick;
  });
}

/** A key clip on the time line, with a diamond at its narrowest frame. */
function spanOf(row, number, total, colours) {
  const frames = endOf(row, total) - row.first_frame;
  const span = make("div", { class: "csg-span" }, make("b", { textContent: number }));
  span.classList.toggle("csg-ungraded", !row.grade);
  const [left, width] = [row.first_frame, frames].map((share) => `${(100 * share) / total}%`);
  Object.assign(span.style, { left, width, ...colours(row.grade) });
  if (row.narrowest_frame !== null) {
    const diamond = make("i");
    diamond.style.left = `${(100 * (row.narrowest_frame + 0.5 - row.first_frame)) / frames}%`;
    span.append(diamond);
  }
  return span;
}

/** A slider over all frames; a press or a drag goes to the frame under it. */
function timeLine(desk, colours) {
  const { frames: total } = desk.get("facts");
  const head = make("i", { class: "csg-head" });
  const spans = make("div", { class: "csg-spans" });
  const plot = make("div", { class: "csg-plot", innerHTML: changeCurve(desk, total) });
  const line = make("div", { class: "csg-line", role: "slider", tabIndex: 0 }, plot, spans, head);
  setAttributes(line, { "aria-label": "Frame of the video", "aria-valuemin": 0, "aria-valuemax": total - 1 });
  const go = (event) => {
    const { left, width } = line.getBoundingClientRect();
    desk.put("frame", clamp(Math.floor((total * (event.clientX - left)) / width), 0, total - 1));
  };
  line.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    line.setPointerCapture(event.pointerId);
    desk.put("playing", false);
    go(event);
  });
  line.addEventListener("pointermove", (event) => line.hasPointerCapture(event.pointerId) && go(event));
  const box = make("div", { class: "csg-time" }, line, make("div", { class: "csg-ticks", "aria-hidden": "true" }, ...ticks(total)));
  const draw = (rows, at, frame, words) => {
    spans.replaceChildren(...rows.map((row, which) => spanOf(row, which + 1, total, colours)));
    spans.children[at]?.classList.add("csg-current");
    Object.assign(head.style, { left: `${(100 * frame) / total}%`, width: `${100 / total}%` });
    setAttributes(line, { "aria-valuenow": frame, "aria-valuetext": words });
  };
  return { box, line, draw };
}
