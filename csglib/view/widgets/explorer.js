// Where the class token looks across the frames of one clip. All maps are here from the start, so
// every control answers without the kernel; explorer_pictures.js paints a frame.

const STRIP = 128; // pixels on the longer side of a canvas in the strip
const LARGE = 448; // and of the enlarged frame
const PACE = 450; // milliseconds a frame

function frameCanvas({ height, width }, longer) {
  const scale = longer / Math.max(height, width);
  return make("canvas", { width: Math.round(scale * width), height: Math.round(scale * height) });
}

/** All frames in a row, each above a bar: how much attention falls on it. */
function strip(desk, data) {
  const pick = (frame) => () => {
    desk.put("frame", frame + 1);
    desk.root.querySelector('[aria-label="Frame"]').focus(); // so that keys go on from here
  };
  const cells = Array.from({ length: data.frames }, (_, frame) => {
    const canvas = frameCanvas(data, STRIP);
    const caption = make("span", { class: "csg-caption" });
    const button = desk.button("", pick(frame));
    button.tabIndex = -1; // the frame slider is the keyboard's way
    button.append(canvas, caption);
    const fill = make("span", { class: "csg-fill" });
    const number = make("span", { class: "csg-number" });
    const bar = make("div", { class: "csg-bar", "aria-hidden": "true" }, make("div", {}, fill), number);
    return { frame, canvas, caption, button, fill, number, box: make("li", {}, button, bar) };
  });
  const list = make("ol", { class: "csg-frames" }, ...cells.map(({ box }) => box));
  list.style.setProperty("--wide", Math.min(data.frames, 8));
  list.style.setProperty("--narrow", Math.min(data.frames, 4));
  const draw = (chosen) => {
    // Twice the even share fills a bar, so that the dashed line stands half way up unless a frame needs more.
    const full = Math.min(1, Math.max(2 * chosen.evenFrame, ...chosen.totals));
    list.style.setProperty("--even", `${(100 * chosen.evenFrame) / full}%`);
    for (const cell of cells) drawCell(cell, data, chosen, full);
  };
  return { list, draw };
}

function drawCell({ frame, canvas, caption, button, fill, number, box }, data, chosen, full) {
  const total = chosen.totals[frame];
  const narrowest = chosen.truth && chosen.truth.narrowest === frame + 1;
  paint(canvas, data, chosen, frame);
  fill.style.height = `${(100 * total) / full}%`;
  number.textContent = percent(total);
  const closed = chosen.truth ? `${Math.round(100 * chosen.truth.closed[frame])} % closed` : "";
  caption.replaceChildren(
    make("b", { textContent: frame + 1 }),
    make("span", { textContent: closed }),
  );
  box.classList.toggle("csg-current", chosen.frame === frame + 1);
  box.classList.toggle("csg-narrowest", Boolean(narrowest));
  const words = [`Frame ${frame + 1}`, `${percent(total)} of the attention`, closed];
  const label = [...words, narrowest ? "the narrowest" : ""].filter(Boolean).join(", ");
  button.setAttribute("aria-label", label);
}

/** What the colours mean: one scale for all frames of the clip. */
function legend() {
  const scale = make("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  blit(scale, picture(256, 1, CIVIDIS));
  const [low, high, even] = [0, 0, 0].map(() => make("span"));
  const tick = make("div", { class: "csg-tick" }, even);
  const note = make("p", { class: "csg-small" });
  const ends = make("div", { class: "csg-ends" }, low, high);
  const box = make("div", { class: "csg-legend" }, make("div", { class: "csg-scale" }, scale, tick), ends, note);
  const draw = (chosen) => {
    const place = (chosen.evenPatch - chosen.low) / (chosen.high - chosen.low || 1);
    low.textContent = percent(chosen.low);
    high.textContent = percent(chosen.high);
    tick.hidden = place < 0 || place > 1;
    tick.style.left = `${100 * place}%`;
    even.textContent = "even";
    even.className = place > 0.8 ? "csg-left" : place < 0.2 ? "csg-right" : "";
    const times = (chosen.most / chosen.evenPatch).toFixed(2);
    note.textContent =
      `Attention on one patch, one scale for all frames. The strongest has ${times} times an even share.`;
  };
  return { box, draw };
}

function sentenceOf(data, { name, label, block, frame, totals, evenFrame, truth }) {
  const share = percent(totals[frame - 1]);
  const holds =
    name === "space"
      ? `in frame ${frame} the patches hold ${share} of the attention, the class token itself the rest`
      : `frame ${frame} holds ${share} of the attention (an even share is ${percent(evenFrame)})`;
  const answer = data.answer.map(([grade, share]) => `${grade} ${percent(share)}`).join(", ");
  const known = truth
    ? ` The truth of this simulated clip: ${truth.grade}, narrowest in frame ${truth.narrowest}.`
    : "";
  return `Block ${block} of ${data.blocks}, ${label}: ${holds}. The network's answer for this clip: ${answer}.${known}`;
}

function controls(desk, data, next) {
  const box = make("div", { class: "csg-controls" });
  const options = data.branches.map(({ name, label }) => [name, label]);
  box.append(
    desk.choice("view", { label: "Where the class token looks", options }),
    desk.slider("block", { label: "Block", min: 1, max: data.blocks }),
    desk.slider("frame", { label: "Frame", min: 1, max: data.frames }),
    desk.slider("opacity", { label: "Overlay", min: 0, max: 1, step: 0.05 }),
  );
  const row = make("div", { class: "csg-row" }, next.button);
  row.append(desk.checkbox("stretch", "stretch the colours"));
  if (data.truth) row.append(desk.checkbox("show_truth", "show the truth"));
  box.append(row);
  return box;
}

function render({ model, el }) {
  const data = read(model);
  const keys = {};
  const desk = new Desk(model, el, { name: "explorer", label: "Attention across frames", keys });
  const step = () => desk.put("frame", (desk.get("frame") % data.frames) + 1);
  const next = desk.player("playing", step, PACE);
  keys[" "] = next.toggle;

  const row = strip(desk, data);
  const large = frameCanvas(data, LARGE);
  large.role = "img";
  const colours = legend();
  const lines = make("p", { class: "csg-small", textContent: "Open lumen: solid line. Vessel before the plaque: dashed. Percent: of the diameter." });
  const sentence = make("p", { class: "csg-sentence" });
  desk.root.append(
    row.list,
    make(
      "div",
      { class: "csg-below" },
      make("div", { class: "csg-large" }, large, colours.box, lines),
      make("div", { class: "csg-side" }, controls(desk, data, next), sentence),
    ),
  );

  const traits = ["block", "frame", "view", "opacity", "playing", "stretch", "show_truth"];
  desk.follow(traits, () => {
    const chosen = choose(desk, data);
    row.draw(chosen);
    colours.draw(chosen);
    paint(large, data, chosen, chosen.frame - 1);
    large.setAttribute("aria-label", `Frame ${chosen.frame}, enlarged`);
    lines.hidden = !chosen.truth;
    say(sentence, sentenceOf(data, chosen), chosen.playing);
  });
  return () => desk.close();
}

export default { render };
