// Where a token looks across the frames of one clip. What is seen at first is here from the start;
// explorer_rows.js asks the kernel for the rest. The other files have a part of the view each.

const PACE = 450; // milliseconds a frame

/** What the colours mean: one scale for all frames of the clip, and for both sides. */
function legend() {
  const scale = make("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  blit(scale, picture(256, 1, CIVIDIS));
  const [low, high, even] = [0, 0, 0].map(() => make("span"));
  const tick = make("div", { class: "csg-tick" }, even);
  const note = make("p", { class: "csg-small" });
  const ends = make("div", { class: "csg-ends" }, low, high);
  const box = make("div", { class: "csg-legend" }, make("div", { class: "csg-scale" }, scale, tick), ends, note);
  const draw = (chosen) => {
    const { evenPatch } = chosen.panels[0];
    const place = (evenPatch - chosen.low) / (chosen.high - chosen.low || 1);
    low.textContent = percent(chosen.low);
    high.textContent = percent(chosen.high);
    tick.hidden = place < 0 || place > 1;
    tick.style.left = `${100 * place}%`;
    even.textContent = "even";
    even.className = place > 0.8 ? "csg-left" : place < 0.2 ? "csg-right" : "";
    const times = (chosen.most / evenPatch).toFixed(2);
    const scope = chosen.panels.length > 1 ? "all frames of both" : "all frames";
    const strongest = chosen.most ? ` The strongest has ${times} times an even share.` : "";
    note.textContent = `Attention on one patch, one scale for ${scope}.${strongest}`;
  };
  return { box, draw };
}

/** The branches; while a patch asks, those where only the class token does are greyed. */
function branchChoice(desk, data) {
  const [{ branches }] = data.networks;
  const options = branches.map(({ name, label }) => [name, label]);
  const box = desk.choice("view", { label: "Branch", options });
  const radios = [...box.querySelectorAll("input")];
  const why = make("p", { class: "csg-small", textContent: "Greyed: in the fusion the class token alone asks, never a patch." });
  box.append(why);
  const draw = ({ where }) => {
    branches.forEach(({ byPatches }, which) => (radios[which].disabled = Boolean(where) && !byPatches));
    why.hidden = !radios.some(({ disabled }) => disabled);
  };
  return { box, draw };
}

/** Who asks, and the way back to the class token. */
function whoAsks(desk, data) {
  const words = make("span");
  const back = desk.button("Class token", () => letAsk(desk, data, 0));
  const help = make("p", { class: "csg-small", textContent: "Press a patch in any frame, or Tab to the frames and use arrow keys; Escape goes back." });
  const row = make("div", { class: "csg-row" }, words, back);
  const box = make("div", { class: "csg-who" }, row, help);
  const draw = ({ where }) => {
    words.textContent = where
      ? `Asking: the patch in frame ${where.frame + 1}, ${place(where)}`
      : "Asking: the class token";
    back.hidden = !where;
  };
  return { box, draw };
}

/** Mean over heads, or one of them; without a kernel the mean alone. */
function headChoice(desk, data, store) {
  const [{ heads }] = data.networks;
  const options = Array.from({ length: heads + 1 }, (_, head) => [head, head || "mean"]);
  const box = desk.choice("head", { label: "Head", options });
  if (store.live) return box;
  box.querySelectorAll("input").forEach((radio, head) => (radio.disabled = head > 0));
  box.append(make("p", { class: "csg-small", textContent: "Greyed: heads apart come from the kernel, and this page has none." }));
  return box;
}

/** Another network or another block beside it. */
function comparison(desk, data) {
  const { blocks } = data.networks[1] ?? data.networks[0];
  const words = data.other ? "compare with the second network" : "compare with another block";
  const slider = desk.slider("other_block", { label: data.other ? "Its block" : "Other block", min: 1, max: blocks });
  const box = make("div", { class: "csg-compare" }, desk.checkbox("compare", words), slider);
  return { box, draw: ({ panels }) => (slider.hidden = panels.length < 2) };
}

/** One or two frames, enlarged. */
function enlarged(desk, data) {
  const canvases = [0, 1].map(() => {
    const canvas = frameCanvas(data, LARGE);
    canvas.role = "img";
    canvas.setAttribute("aria-label", "Frame, enlarged");
    pressable(desk, data, canvas, () => desk.get("frame") - 1);
    return canvas;
  });
  const box = make("div", { class: "csg-pair" }, ...canvases);
  const draw = (chosen) =>
    canvases.forEach((canvas, side) => {
      const panel = chosen.panels[side];
      canvas.hidden = !panel;
      if (!panel) return;
      paint(canvas, data, chosen, panel, chosen.frame - 1);
      const whose = chosen.panels.length > 1 ? `, ${sideWords(data, panel, side)}` : "";
      canvas.setAttribute("aria-label", `Frame ${chosen.frame}, enlarged${whose}`);
    });
  return { box, draw };
}

function controls(desk, data, store, next, parts) {
  const row = make("div", { class: "csg-row" }, next.button);
  row.append(desk.checkbox("stretch", "stretch the colours"));
  if (data.truth) row.append(desk.checkbox("show_truth", "show the truth"));
  return make(
    "div", { class: "csg-controls" },
    parts.who.box,
    parts.branch.box,
    desk.slider("block", { label: "Block", min: 1, max: data.blocks }),
    headChoice(desk, data, store),
    desk.slider("frame", { label: "Frame", min: 1, max: data.frames }),
    desk.slider("opacity", { label: "Overlay", min: 0, max: 1, step: 0.05 }),
    row,
    parts.compare.box,
  );
}

function render({ model, el }) {
  const data = read(model);
  const keys = {};
  const desk = new Desk(model, el, { name: "explorer", label: "Attention across frames", keys });
  const step = () => desk.put("frame", (desk.get("frame") % data.frames) + 1);
  const next = desk.player("playing", step, PACE);
  keys[" "] = next.toggle;

  const store = rowStore(desk, data, () => draw());
  const strips = [0, 1].map((side) => strip(desk, data, side));
  const matrices = [0, 1].map((side) => matrixFigure(desk, data, side));
  const parts = {
    who: whoAsks(desk, data), branch: branchChoice(desk, data), compare: comparison(desk, data),
    large: enlarged(desk, data), colours: legend(), curves: curvesFigure(data), board: scoreBoard(data),
  };
  const call = callLine(desk, data);
  const lines = make("p", { class: "csg-small", textContent: "Open lumen: solid line. Vessel before the plaque: dashed. Percent: of the diameter." });
  const sentence = make("p", { class: "csg-sentence" });
  desk.root.append(
    ...strips.map(({ box }) => box),
    make(
      "div", { class: "csg-below" },
      make("div", { class: "csg-large" }, parts.large.box, parts.colours.box, lines),
      make("div", { class: "csg-side" }, controls(desk, data, store, next, parts), sentence),
    ),
    make("div", { class: "csg-figures" }, parts.curves.box, ...matrices.map(({ box }) => box)),
    parts.board.box,
    call.box,
  );

  const draw = () => {
    const chosen = choose(desk, data, store);
    for (const shown of [...strips, ...Object.values(parts)]) shown.draw(chosen);
    for (const shown of matrices) shown.draw(chosen, store);
    call.draw();
    lines.hidden = !chosen.truth;
    desk.root.classList.toggle("csg-two", chosen.panels.length > 1);
    say(sentence, sentenceOf(data, chosen), chosen.playing);
  };
  const traits = [
    "block", "frame", "view", "query", "head", "compare", "other_block",
    "opacity", "playing", "stretch", "show_truth",
  ];
  desk.follow(traits, draw);
  return () => desk.close();
}

export { scoresOf };
export default { render };
