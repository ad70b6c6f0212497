// The switchboard's pictures: a clip, the map over it, and what its patches have to give.

const MAGNITUDE = palette("magnitude");
const SIGNED = palette("signed");
const VEIL = 0.55; // of the map over a frame
const NOTE =
  "Map: yellow where it looks hardest. Values: orange above the branch's mean, blue below it; " +
  "white frames where the map gives more than half of its most.";

/** Frames around the patches that count most: what is given there makes the answer. */
function outline(canvas, marked, columns, patch) {
  const context = canvas.getContext("2d");
  context.strokeStyle = "white";
  context.lineWidth = 3;
  for (const cell of marked)
    context.strokeRect((cell % columns) * patch, Math.floor(cell / columns) * patch, patch, patch);
}

/** The rows of pictures: the map over the frames, then what each patch has to give. */
function gallery(desk) {
  const { frames, height, width, patch, features, reach } = desk.get("facts");
  const [rows, columns] = [height / patch, width / patch];
  const grey = bytes(desk.model, "frames");
  const grid = make("div", { class: "csg-gallery" });
  grid.style.setProperty("--frames", frames);
  const row = (place, words) => {
    const name = make("div", { class: "csg-name", textContent: words });
    const canvas = (_, t) =>
      make("canvas", { width, height, role: "img", "aria-label": `${words}, frame ${t + 1}` });
    const canvases = Array.from({ length: frames }, canvas);
    place.append(name, ...canvases);
    return { name, canvases };
  };
  const map = row(grid, "the map");
  const clip = map.canvases.map((_, t) =>
    picture(width, height, (cell) => Array(3).fill(grey[t * width * height + cell])),
  );
  const bars = clip.map(() => make("div", { class: "csg-share" }));
  const waiting = make("div", { class: "csg-waiting" });
  waiting.append(make("div", { class: "csg-small", textContent: "its share" }), ...bars);
  const given = features.map((feature) => row(waiting, feature));
  const note = make("p", { class: "csg-small csg-note", textContent: NOTE });
  waiting.append(note);
  grid.append(waiting);
  const draw = ({ weights, value }, offers, open) => {
    const most = Math.max(...weights);
    waiting.hidden = !open;
    map.name.textContent = open ? "the map" : "the clip";
    for (let t = 0; t < frames; t++) {
      blit(map.canvases[t], clip[t]);
      map.canvases[t].setAttribute("aria-label", `${map.name.textContent}, frame ${t + 1}`);
      if (!open) continue;
      const first = t * rows * columns;
      const veil = (cell) => MAGNITUDE(Math.round((255 * weights[first + cell]) / most));
      blit(map.canvases[t], picture(columns, rows, veil), { opacity: VEIL });
      const here = weights.subarray(first, first + rows * columns);
      const share = here.reduce((sum, weight) => sum + weight, 0);
      const marked = [...here.keys()].filter((cell) => here[cell] > most / 2);
      bars[t].textContent = `frame ${t + 1}: ${percent(share)}`;
      bars[t].style.setProperty("--share", share);
      given.forEach(({ name, canvases }, e) => {
        name.textContent = `V of ${value}: ${features[e]}`;
        const seen = (cell) => offers[value].value[(first + cell) * features.length + e];
        const level = (cell) => Math.round(127.5 * (1 + Math.max(-1, Math.min(1, seen(cell) / reach))));
        blit(canvases[t], picture(columns, rows, (cell) => SIGNED(level(cell))));
        outline(canvases[t], marked, columns, patch);
      });
    }
  };
  return { grid, draw };
}
