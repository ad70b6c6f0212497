// Who asks: a patch of any frame, by a press or by keys on the strip of frames, or the class token.

const STRIP = 128; // pixels on the longer side of a canvas in the strip
const LARGE = 448; // and of an enlarged frame

/** Let a token ask; a patch is looked at in a branch where patches ask. */
function letAsk(desk, data, query) {
  const [{ branches, alongTime }] = data.networks;
  const asking = branches.filter(({ byPatches }) => byPatches).map(({ name }) => name);
  if (query && !asking.includes(desk.get("view"))) desk.put("view", alongTime ?? asking[0]);
  desk.put("query", query);
  if (query) desk.put("frame", whereIs(query, data).frame + 1);
}

/** A press on a frame asks from the patch under it. */
function pressable(desk, data, canvas, frameOf) {
  canvas.classList.add("csg-pressable");
  canvas.addEventListener("click", ({ offsetX, offsetY }) => {
    const { rows, columns, patches } = data;
    const within = (place, count) => Math.max(0, Math.min(count - 1, Math.floor(place)));
    const row = within((rows * offsetY) / canvas.clientHeight, rows);
    const column = within((columns * offsetX) / canvas.clientWidth, columns);
    letAsk(desk, data, 1 + frameOf() * patches + row * columns + column);
    desk.root.querySelector(".csg-asking-grid").focus({ preventScroll: true }); // so that keys go on from here
  });
}

/** Arrow keys from patch to patch, over the frames as they stand; Escape is the class token. */
function keysOf(desk, data, list) {
  const { frames, rows, columns, patches } = data;
  const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
  const here = () =>
    whereIs(desk.get("query"), data) ?? { frame: desk.get("frame") - 1, row: rows >> 1, column: columns >> 1 };
  const go = (frame, row, column) => letAsk(desk, data, 1 + frame * patches + row * columns + column);
  // The first key only lets a patch ask, so that one sees where one stands.
  const from = (move) => () => {
    const { frame, row, column } = here();
    if (!desk.get("query")) return go(frame, row, column);
    return go(...move(frame, row, column));
  };
  const across = (by) => (frame, row, column) => {
    const along = clamp(frame * columns + column + by, frames * columns);
    return [Math.floor(along / columns), row, along % columns];
  };
  const down = (by) => (frame, row, column) => [frame, clamp(row + by, rows), column];
  const later = (by) => (frame, row, column) => [clamp(frame + by, frames), row, column];
  desk.closing.push(
    guardKeys(list, {
      ArrowLeft: from(across(-1)), ArrowRight: from(across(1)),
      ArrowUp: from(down(-1)), ArrowDown: from(down(1)),
      PageUp: from(later(-1)), PageDown: from(later(1)),
    }),
  );
  const escape = (event) => {
    if (event.key !== "Escape" || !desk.get("query") || !event.composedPath().includes(list)) return;
    event.stopPropagation(); // a notebook would take the focus away
    event.preventDefault();
    letAsk(desk, data, 0);
  };
  window.addEventListener("keydown", escape, { capture: true });
  desk.closing.push(() => window.removeEventListener("keydown", escape, { capture: true }));
}

/** All frames in a row, each above a bar: how much attention falls on it. */
function strip(desk, data, side) {
  const cells = Array.from({ length: data.frames }, (_, frame) => {
    const canvas = frameCanvas(data, STRIP);
    const caption = make("span", { class: "csg-caption" });
    const shown = make("div", { class: "csg-frame", role: "img" }, canvas, caption);
    caption.addEventListener("click", () => desk.put("frame", frame + 1));
    pressable(desk, data, canvas, () => frame);
    const fill = make("span", { class: "csg-fill" });
    const number = make("span", { class: "csg-number" });
    const bar = make("div", { class: "csg-bar", "aria-hidden": "true" }, make("div", {}, fill), number);
    return { frame, canvas, caption, shown, fill, number, box: make("div", {}, shown, bar) };
  });
  const title = make("p", { class: "csg-small csg-title" });
  const list = make("div", { class: "csg-frames" }, ...cells.map(({ box }) => box));
  list.style.setProperty("--wide", Math.min(data.frames, 8));
  list.style.setProperty("--narrow", Math.min(data.frames, 4));
  const box = make("div", { class: "csg-strip" }, title, list);
  if (side === 0) {
    list.classList.add("csg-asking-grid");
    list.tabIndex = 0;
    list.role = "application";
    const help = "Who asks: arrow keys choose a patch, Page Up and Page Down its frame, Escape the class token";
    list.setAttribute("aria-label", help);
    keysOf(desk, data, list);
  }
  const draw = (chosen) => {
    const panel = chosen.panels[side];
    box.hidden = !panel;
    if (!panel) return;
    title.textContent = chosen.panels.length > 1 ? sideWords(data, panel, side) : "";
    list.style.setProperty("--even", `${(100 * panel.evenFrame) / chosen.full}%`);
    for (const cell of cells) drawCell(cell, data, chosen, panel);
  };
  return { box, draw };
}

function drawCell({ frame, canvas, caption, shown, fill, number, box }, data, chosen, panel) {
  const total = panel.totals[frame];
  const asked = !Number.isNaN(total);
  const narrowest = chosen.truth && chosen.truth.narrowest === frame + 1;
  paint(canvas, data, chosen, panel, frame);
  fill.style.height = `${asked ? (100 * total) / chosen.full : 0}%`;
  number.textContent = asked ? percent(total) : "–";
  const share = chosen.truth ? `${Math.round(100 * chosen.truth.closed[frame])} %` : "";
  const closed = share && `${share} closed`;
  caption.replaceChildren(
    make("b", { textContent: frame + 1 }),
    make("span", { textContent: share }, make("i", { textContent: share && " closed" })),
  );
  box.classList.toggle("csg-current", chosen.frame === frame + 1);
  box.classList.toggle("csg-narrowest", Boolean(narrowest));
  box.classList.toggle("csg-unasked", !asked);
  const words = [`Frame ${frame + 1}`, asked ? `${percent(total)} of the attention` : "not asked", closed];
  const label = [...words, narrowest ? "the narrowest" : ""].filter(Boolean).join(", ");
  shown.setAttribute("aria-label", label);
}
