// Notebook 03, the clip below the dial: a patch that asks, whom it may ask, and its map along time.
// All maps are here from the start, so every key answers without the kernel.

const FRAME_PIXELS = 160; // longer side of a frame's canvas
const ASKING = "#ff9d2e";
const CIVIDIS = palette("magnitude");

/** May the asking patch ask that one? `kind` is the dial's. */
function mayAsk(kind, asking, frame, patch) {
  const sameFrame = frame === asking.frame;
  const samePlace = patch === asking.patch;
  if (kind === "joint") return true;
  if (kind === "space") return sameFrame;
  return kind === "time" ? samePlace : sameFrame || samePlace;
}

/** One map, (t, 1 + t): of one head, or the mean over all of them where `head` is 0. */
function mapOf({ frames, heads }, shares, patch, head) {
  const size = frames * (frames + 1);
  const first = patch * heads * size;
  if (head) return shares.slice(first + (head - 1) * size, first + head * size);
  return Float32Array.from({ length: size }, (_, cell) => {
    let sum = 0;
    for (let each = 0; each < heads; each++) sum += shares[first + each * size + cell];
    return sum / heads;
  });
}

function frameOf({ height, width }, pixels, frame) {
  const grey = pixels.subarray(frame * height * width, (frame + 1) * height * width);
  return picture(width, height, (cell) => Array(3).fill(grey[cell]));
}

/** Asked patches stay as they are, all others darken; the asking one is framed. */
function paintFrame(canvas, source, facts, asking, kind, frame) {
  const { rows, columns } = facts;
  const context = canvas.getContext("2d");
  const [wide, high] = [canvas.width / columns, canvas.height / rows];
  blit(canvas, source, { smooth: true });
  for (let patch = 0; patch < rows * columns; patch++) {
    const box = [(patch % columns) * wide, Math.floor(patch / columns) * high, wide, high];
    context.fillStyle = "rgb(8 14 26 / 78%)";
    if (!mayAsk(kind, asking, frame, patch)) context.fillRect(...box);
    context.strokeStyle = "rgb(255 255 255 / 30%)";
    context.lineWidth = 1;
    context.strokeRect(...box);
  }
  if (frame !== asking.frame) return;
  context.strokeStyle = ASKING;
  context.lineWidth = 5;
  const [x, y] = [(asking.patch % columns) * wide, Math.floor(asking.patch / columns) * high];
  context.strokeRect(x + 2.5, y + 2.5, wide - 5, high - 5);
}

/** All frames in a row. A click on a patch makes it ask; so do keys, once the row has the focus. */
function strip(desk, facts, pixels) {
  const { frames, rows, columns, height, width } = facts;
  const scale = FRAME_PIXELS / Math.max(height, width);
  const size = { width: Math.round(scale * width), height: Math.round(scale * height) };
  const list = make("div", {
    class: "csg-strip", tabIndex: 0, role: "application",
    "aria-label": "The asking patch: arrow keys move it, Page Up and Page Down change its frame",
  });
  const canvases = Array.from({ length: frames }, (_, frame) => {
    const canvas = make("canvas", { ...size, role: "img" });
    canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const row = Math.min(rows - 1, Math.floor((rows * offsetY) / canvas.clientHeight));
      const column = Math.min(columns - 1, Math.floor((columns * offsetX) / canvas.clientWidth));
      desk.put("patch", row * columns + column);
      desk.put("frame", frame + 1);
    });
    const caption = make("span", { class: "csg-time", textContent: frame + 1 });
    list.append(make("div", {}, canvas, caption));
    return canvas;
  });
  const move = (down, right) => () => {
    const [row, column] = [Math.floor(desk.get("patch") / columns) + down, (desk.get("patch") % columns) + right];
    if (row >= 0 && row < rows && column >= 0 && column < columns) desk.put("patch", row * columns + column);
  };
  const later = (by) => () => desk.put("frame", Math.max(1, Math.min(frames, desk.get("frame") + by)));
  desk.closing.push(
    guardKeys(list, {
      ArrowUp: move(-1, 0), ArrowDown: move(1, 0), ArrowLeft: move(0, -1), ArrowRight: move(0, 1),
      PageUp: later(-1), PageDown: later(1),
    }),
  );
  const sources = canvases.map((_, frame) => frameOf(facts, pixels, frame));
  const draw = (asking, kind) =>
    canvases.forEach((canvas, frame) => {
      paintFrame(canvas, sources[frame], facts, asking, kind, frame);
      const words = frame === asking.frame ? "asks" : "does not ask";
      canvas.setAttribute("aria-label", `Frame ${frame + 1}, ${words}`);
    });
  return { list, draw };
}

/** The map as a table with numbers in it, for eyes that see no colours and for screen readers. */
function mapTable(frames) {
  const head = (words, scope) => make("th", { textContent: words, scope });
  const names = ["class token", ...Array.from({ length: frames }, (_, frame) => frame + 1)];
  const top = make("tr", {}, head("asks ↓", "col"), ...names.map((name) => head(name, "col")));
  const cells = [];
  const rows = Array.from({ length: frames }, (_, frame) => {
    const own = names.map(() => make("td"));
    cells.push(...own);
    return make("tr", {}, head(`frame ${frame + 1}`, "row"), ...own);
  });
  const caption = make("caption");
  const table = make("table", { class: "csg-map" }, caption, make("thead", {}, top), make("tbody", {}, ...rows));
  const draw = (shares, [low, high], asking, words) => {
    caption.textContent = words;
    cells.forEach((cell, place) => {
      const level = Math.round((255 * (shares[place] - low)) / (high - low || 1));
      const within = Math.max(0, Math.min(255, level));
      cell.style.background = `rgb(${CIVIDIS(within).join(" ")})`;
      cell.style.color = within > 115 ? "#000" : "#fff";
      cell.textContent = (100 * shares[place]).toFixed(1);
    });
    rows.forEach((row, frame) => row.classList.toggle("csg-asking", frame === asking.frame));
  };
  return { table, draw };
}

/** Where colours begin and end: from 0 to twice an even share at least, or the map's own ends. */
function endsOf(shares, frames, stretch) {
  const most = Math.max(...shares);
  return stretch ? [Math.min(...shares), most] : [0, Math.max(most, 2 / (1 + frames))];
}

function askedOf(kind, { frames, rows, columns }) {
  const patches = rows * columns;
  return { joint: frames * patches, space: patches, time: frames, both: patches + frames - 1 }[kind];
}

function clipSentence({ frames, rows, columns }, kind, asking, shares, asked) {
  const row = 1 + Math.floor(asking.patch / columns);
  const own = shares.subarray(asking.frame * (frames + 1), (asking.frame + 1) * (frames + 1));
  const seen = own.subarray(1);
  const most = seen.indexOf(Math.max(...seen));
  const whom = { joint: "any patch of the clip", space: "its own frame", time: "its own place in every frame", both: "its own frame, and its own place in every frame" };
  return (
    `The patch in row ${row}, column ${1 + (asking.patch % columns)} of frame ${asking.frame + 1} may ask ${whom[kind]}: ` +
    `${asked} of ${frames * rows * columns} patches, and the class token. ` +
    `Along time, frame ${most + 1} gets most: ${percent(seen[most])}; ` +
    `the class token gets ${percent(own[0])}, and an even share is ${percent(1 / (1 + frames))}.`
  );
}
