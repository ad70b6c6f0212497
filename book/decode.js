// A reader's own file, as grey frames. Nothing leaves the page: a file is read where it lies.
//
// Every format becomes a source: how many frames there are, and a function that decodes one of
// them to { grey, width, height }. Only frames that are used are decoded.

const WANTED = "wanted mp4, webm, GIF, uncompressed DICOM, or one PNG or JPEG per frame";

/** Luma as csglib's readers have it (Pillow's "L"), of red, green, blue and alpha in turn. */
function luma(pixels) {
  const grey = new Uint8Array(pixels.length / 4);
  for (let cell = 0, at = 0; cell < grey.length; cell++, at += 4)
    grey[cell] = (19595 * pixels[at] + 38470 * pixels[at + 1] + 7471 * pixels[at + 2] + 32768) >> 16;
  return grey;
}

/** The grey levels of anything that a canvas can draw. */
function greyOf(drawable, width, height) {
  const context = make("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, width, height);
  context.drawImage(drawable, 0, 0, width, height);
  return { grey: luma(context.getImageData(0, 0, width, height).data), width, height };
}

async function imageFile(file) {
  const image = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => {
    throw new Error(`${file.name}: not a whole image; ${WANTED}`);
  });
  return greyOf(image, image.width, image.height);
}

async function animation(file) {
  if (typeof ImageDecoder === "undefined")
    throw new Error("this browser cannot decode GIFs frame by frame: export the clip as mp4");
  const decoder = new ImageDecoder({ data: await file.arrayBuffer(), type: "image/gif" });
  await Promise.all([decoder.tracks.ready, decoder.completed]);
  const frame = async (frameIndex) => {
    const { image } = await decoder.decode({ frameIndex });
    const grey = greyOf(image, image.displayWidth, image.displayHeight);
    image.close();
    return grey;
  };
  return { count: decoder.tracks.selectedTrack.frameCount, frame };
}

/** Frames of a video are found by time: eight, from its begin to its end. */
async function video(file) {
  const player = make("video", { muted: true, preload: "auto", src: URL.createObjectURL(file) });
  const event = (name) =>
    new Promise((resolve, reject) => {
      player.addEventListener(name, resolve, { once: true });
      player.addEventListener("error", () => reject(new Error(`${file.name}: this browser cannot play it; ${WANTED}`)), { once: true });
    });
  await event("loadeddata");
  if (!Number.isFinite(player.duration)) throw new Error(`${file.name}: states no length; export it as mp4`);
  const frame = async (number) => {
    const seeked = event("seeked");
    player.currentTime = Math.max(0.001, (number / (FRAMES - 1)) * (player.duration - 0.02));
    await seeked;
    return greyOf(player, player.videoWidth, player.videoHeight);
  };
  return { count: FRAMES, frame };
}

const DICOM = {
  syntax: 0x00020010, samples: 0x00280002, colours: 0x00280004, planar: 0x00280006, frames: 0x00280008,
  rows: 0x00280010, columns: 0x00280011, bits: 0x00280100, pixels: 0x7fe00010,
};
const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);
const PLAIN = { "1.2.840.10008.1.2": false, "1.2.840.10008.1.2.1": true }; // is each VR written?

/** Where each element of a DICOM file lies, by tag; those inside sequences are left out. */
function elements(view) {
  const letters = (at, count) => String.fromCharCode(...new Uint8Array(view.buffer, at, count));
  const text = ([at, count]) => letters(at, count).replace(/[\0 ]+$/, "");
  const found = {};
  let [at, depth, explicit] = [132, 0, true];
  while (at + 8 <= view.byteLength && !found[DICOM.pixels]) {
    const tag = view.getUint16(at, true) * 65536 + view.getUint16(at + 2, true);
    if (tag > 0x00030000 && found[DICOM.syntax]) explicit = PLAIN[text(found[DICOM.syntax])];
    if (explicit === undefined) throw new Error("a compressed DICOM: export it uncompressed, or as mp4");
    const kind = tag >>> 16 !== 0xfffe && explicit ? letters(at + 4, 2) : "";
    const long = LONG.has(kind);
    const length = kind && !long ? view.getUint16(at + 6, true) : view.getUint32(at + (long ? 8 : 4), true);
    const start = at + (long ? 12 : 8);
    const delimiter = tag >>> 16 === 0xfffe; // steps into items of sequences without a length
    if (length === 0xffffffff && !delimiter) depth += 1;
    if (tag === 0xfffee0dd) depth -= 1;
    if (!depth && !delimiter) found[tag] = [start, length];
    at = delimiter || length === 0xffffffff ? start : start + length;
  }
  return { found, text };
}

async function dicom(file) {
  const view = new DataView(await file.arrayBuffer());
  const { found, text } = elements(view);
  const number = (tag, otherwise) => (found[tag] ? view.getUint16(found[tag][0], true) : otherwise);
  const [width, height, samples] = [number(DICOM.columns), number(DICOM.rows), number(DICOM.samples, 1)];
  const colours = found[DICOM.colours] && text(found[DICOM.colours]);
  const count = found[DICOM.frames] ? Number(text(found[DICOM.frames])) : 1;
  const [start, size] = found[DICOM.pixels] ?? [0, 0];
  const area = width * height;
  if (number(DICOM.bits) !== 8 || !["MONOCHROME2", "RGB", "YBR_FULL"].includes(colours))
    throw new Error(`${file.name}: ${number(DICOM.bits) ?? "?"} bits, ${colours ?? "no colours stated"}; wanted 8 bits, grey, RGB or YBR_FULL: export it as mp4`);
  if (!area || size < count * samples * area) throw new Error(`${file.name}: its pixels are cut short; copy it again`);
  const stored = new Uint8Array(view.buffer, start, size);
  const [step, apart] = number(DICOM.planar, 0) ? [1, area] : [samples, 1]; // of pixels, of samples
  const frame = (which) => {
    const pixels = new Uint8ClampedArray(4 * area).fill(255);
    for (let cell = 0; cell < area; cell++)
      for (let sample = 0; sample < 3; sample++) // of YBR_FULL the first is the luma
        pixels[4 * cell + sample] = stored[which * samples * area + cell * step + (colours === "RGB" ? sample * apart : 0)];
    return { grey: luma(pixels), width, height };
  };
  return { count, frame };
}

/** The source that some files make, known by their first bytes; several are images, by number. */
async function sourceOf(files) {
  const inOrder = new Intl.Collator("en", { numeric: true }).compare;
  const shown = [...files].filter(({ name }) => !/^(\.|thumbs\.db$|desktop\.ini$)/i.test(name));
  shown.sort((one, other) => inOrder(one.name, other.name));
  if (!shown.length) throw new Error(`no file; ${WANTED}`);
  const [first] = shown;
  const name = shown.length > 1 ? `${shown.length} images` : first.name;
  if (shown.length > 1) return { name, count: shown.length, frame: (which) => imageFile(shown[which]) };
  const head = String.fromCharCode(...new Uint8Array(await first.slice(0, 132).arrayBuffer()));
  if (/^(\x89PNG|\xff\xd8\xff)/.test(head)) throw new Error(`${name}: a single image; choose all frames of the clip, or their folder`);
  const read = head.startsWith("GIF8") ? animation : head.endsWith("DICM") ? dicom : video;
  return { name, ...(await read(first)) };
}

/** So many frames of a source, evenly spaced, from first to last, as csglib's `even_indices`. */
async function pick({ name, count, frame }) {
  if (count < FRAMES) throw new Error(`${name}: ${count} frames; the network takes ${FRAMES} or more`);
  const frames = [];
  for (let number = 0; number < FRAMES; number++) {
    frames.push(await frame(Math.round((number * (count - 1)) / (FRAMES - 1))));
    const [{ width, height }, now] = [frames[0], frames.at(-1)];
    if (now.width !== width || now.height !== height)
      throw new Error(`${name}: frames of ${width} x ${height} and of ${now.width} x ${now.height}; wanted one size`);
  }
  return { name, width: frames[0].width, height: frames[0].height, frames: frames.map(({ grey }) => grey) };
}

/** Files of a drop; of folders, those directly in them. */
async function dropped({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...files];
  const inside = [];
  for (const entry of entries.filter((each) => each.isDirectory)) {
    const reader = entry.createReader();
    for (let some = [null]; some.length; inside.push(...some)) // a hundred at a time
      some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  }
  return Promise.all(inside.filter((each) => each.isFile).map((each) => new Promise((resolve, reject) => each.file(resolve, reject))));
}

/** Of each output the first pixel and the weights, in 22 bits, as Pillow's bilinear resize. */
function weights({ start, side, length, size }) {
  const scale = side / size;
  const reach = Math.max(scale, 1); // where pixels shrink, those under a triangle are averaged
  return Array.from({ length: size }, (_, out) => {
    const centre = start + (out + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const count = Math.min(length, Math.trunc(centre + reach + 0.5)) - first;
    const each = Array.from({ length: count }, (_, at) => Math.max(0, 1 - Math.abs((at + first - centre + 0.5) / reach)));
    const sum = each.reduce((total, weight) => total + weight, 0);
    return { first, each: each.map((weight) => Math.trunc(0.5 + (weight / sum) * 2 ** 22)) };
  });
}

/** A square of a frame at `size` x `size`, to the bit as `csglib.resample` makes it; or a rectangle. */
function resized(grey, { width, height, left = 0, top = 0, side = width, tall = side }, size = SIZE, high = size) {
  const pass = (from, across, kernels) => {
    const down = from.length / across;
    const out = new Uint8Array(kernels.length * down);
    kernels.forEach(({ first, each }, place) => {
      for (let row = 0; row < down; row++) {
        let sum = 2 ** 21;
        for (let at = 0; at < each.length; at++) sum += each[at] * from[row * across + first + at];
        out[place * down + row] = sum >> 22; // turned, so that the second pass goes along y
      }
    });
    return out;
  };
  const columns = pass(grey, width, weights({ start: left, side, length: width, size }));
  return pass(columns, height, weights({ start: top, side: tall, length: height, size: high }));
}
