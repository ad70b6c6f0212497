// Pictures of the video: a small JPEG of every frame is here, a frame's own pixels come on demand.

const REST = 180; // milliseconds on a frame until its own pixels are asked for
const KEPT = 64e6; // bytes of such pixels in the page

/** Small pictures of all frames, each decoded when it is shown. */
function reel(desk) {
  const { ends } = desk.get("facts");
  const all = bytes(desk.model, "preview");
  return (frame) => {
    const jpeg = all.subarray(frame ? ends[frame - 1] : 0, ends[frame]);
    return createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  };
}

/** Whole frames from the kernel: one question at a time, so that none pile up; the newest are kept. */
function wholeFrames(desk, arrived) {
  const { height, width } = desk.get("facts");
  const kept = new Map();
  let asked = null;
  const hear = (frame, [buffer]) => {
    if (frame === asked) asked = null;
    kept.set(frame, new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength));
    if (kept.size > Math.max(2, KEPT / (height * width))) kept.delete(kept.keys().next().value);
    arrived();
  };
  desk.model.on("msg:custom", hear);
  desk.closing.push(() => desk.model.off("msg:custom", hear));
  const ask = (frame) => {
    if (asked !== null || kept.has(frame)) return;
    asked = frame;
    desk.model.send(frame);
  };
  return { get: (frame) => kept.get(frame), ask };
}

/** The frame on show, as large as in the file: its preview at once, its pixels when one rests. */
function screenOf(desk, bitmap) {
  const { height, width } = desk.get("facts");
  const canvas = make("canvas", { width, height, role: "img" });
  const quality = make("p", { class: "csg-small" });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const whole = wholeFrames(desk, () => draw());
  let [turn, painted, clock] = [0, 0, 0]; // pictures may be decoded out of turn
  desk.closing.push(() => clearTimeout(clock));

  const preview = async (frame, mine) => {
    const small = await bitmap(frame);
    if (mine < painted) return;
    painted = mine;
    context.drawImage(small, 0, 0, width, height);
    say(quality, `Frame ${frame}, preview of ${small.width} \u00d7 ${small.height} pixels`, true);
  };
  const draw = () => {
    const frame = desk.get("frame");
    const pixels = whole.get(frame);
    turn += 1;
    clearTimeout(clock);
    if (!pixels) {
      preview(frame, turn);
      if (!desk.get("playing")) clock = setTimeout(() => whole.ask(desk.get("frame")), REST);
      return;
    }
    painted = turn;
    const image = context.createImageData(width, height);
    const cells = new Uint32Array(image.data.buffer); // opacity, then three times the same grey
    for (let cell = 0; cell < cells.length; cell++) cells[cell] = 0xff000000 | (pixels[cell] * 0x010101);
    context.putImageData(image, 0, 0);
    say(quality, `Frame ${frame}, every pixel of the file, ${width} \u00d7 ${height}`, desk.get("playing"));
  };
  return { canvas, quality, draw };
}

/** A small picture of a frame, its box alone, as large as fits. */
function thumbnail(bitmap, { height, width }) {
  const canvas = make("canvas", { width: 112, height: 112, "aria-hidden": "true" });
  let shown = "";
  const draw = async (frame, box) => {
    const wanted = `${frame} ${box}`;
    if (wanted === shown) return;
    shown = wanted;
    const small = await bitmap(frame);
    if (wanted !== shown) return;
    const [left, top, right, bottom] = box.length ? box : [0, 0, width, height];
    const share = small.width / width;
    const zoom = Math.min(canvas.width / (right - left), canvas.height / (bottom - top));
    const [wide, high] = [zoom * (right - left), zoom * (bottom - top)];
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(
      small, share * left, share * top, share * (right - left), share * (bottom - top),
      (canvas.width - wide) / 2, (canvas.height - high) / 2, wide, high,
    );
  };
  return { canvas, draw };
}
