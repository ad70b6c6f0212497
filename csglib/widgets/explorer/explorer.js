// Attention across the frames of one clip: words, controls, and the view as a whole.

const PACE = 450; // milliseconds a frame
const DEFAULTS = { query: 0, head: 0, opacity: 0.8, stretch: false, compare: false };

const place = ({ row, column }) => `row ${row + 1}, column ${column + 1}`;

/** Whose a side is, of two networks or of two blocks of one. */
function sideName({ networks }, { block }, side) {
  return networks.length > 1 ? `${side ? "Second" : "First"} network` : `Block ${block}`;
}

function panelTitle(data, panel, side) {
  const { block, network, label, head } = panel;
  const whose = data.networks.length > 1 ? `${sideName(data, panel, side)}: ` : "";
  return `${whose}Block ${block} of ${network.blocks}, ${label}${head ? `, head ${head}` : ""}`;
}

function classTokenWords({ name, totals, uniformFrame }, frame) {
  const share = percent(totals[frame - 1]);
  if (name === "space")
    return `in frame ${frame} the patches hold ${share} of the attention, the class token itself the rest`;
  return `frame ${frame} holds ${share} of the attention (uniform: ${percent(uniformFrame)})`;
}

/** What a patch attends to, said once for both sides, and where most. */
function patchWords({ axis, map, uniformPatch }, where, data, side) {
  const keys = {
    space: `the ${data.patches} patches of its frame`,
    time: `its own place in ${data.frames} frames`,
    joint: `all ${data.frames * data.patches} patches of the clip`,
  }[axis];
  let most = -1;
  map.forEach((value, cell) => {
    if (!Number.isNaN(value) && !(value <= map[most])) most = cell;
  });
  const found = whereIs(most + 1, data);
  const itself = found.frame === where.frame && found.place === where.place;
  const spot = { space: place(found), time: `frame ${found.frame + 1}`, joint: `frame ${found.frame + 1}, ${place(found)}` }[axis];
  const query = side ? "" : `the patch in frame ${where.frame + 1}, ${place(where)} attends to ${keys}; `;
  return `${query}most to ${itself ? "itself" : spot}, ${percent(map[most])} (uniform: ${percent(uniformPatch)})`;
}

// What a softmax of the class token fixes.
const FIXED = {
  space: "In this branch each frame has its own softmax: compare places, not frames.",
  time: "In this branch each place has its own softmax: compare frames, not places.",
};

function sentenceOf(data, chosen) {
  const { panels, where, truth, frame } = chosen;
  const seen = panels.map((panel, side) => {
    const words = () => (where ? patchWords(panel, where, data, side) : classTokenWords(panel, frame));
    return `${panelTitle(panels.length > 1 ? data : { networks: [] }, panel, side)}: ${panel.map ? `${words()}.` : panel.missing}`;
  });
  if (!where) seen.push(...new Set(panels.map(({ axis }) => FIXED[axis]).filter(Boolean)));
  const output = ({ prediction }) => prediction.map(([grade, share]) => `${grade} ${percent(share)}`).join(", ");
  const outputs = data.networks.slice(0, panels.length).map(output).join("; the second's: ");
  if (!where) seen.push(`The network's prediction for this clip: ${outputs}.`);
  if (truth) {
    const grade = truth.grade ?? `${Math.round(100 * truth.closed[truth.narrowest - 1])} % of the diameter closed`;
    seen.push(`The truth of this simulated clip: ${grade}, narrowest in frame ${truth.narrowest}.`);
  }
  return seen.join(" ");
}

function scoreWords({ inside, area, rank, frames }) {
  const times = area ? `${(inside / area).toFixed(2)} times uniform` : "no plaque here";
  const ranked = rank === null ? "" : `; the narrowest frame ranks ${rank} of ${frames}`;
  return `${percent(inside)} of the attention in the plaque, which is ${percent(area)} of the area: ${times}${ranked}.`;
}

/** The Python call that shows this view again, with variable names that its reader fills in. */
function pythonCall(desk, data) {
  const literal = (value) => (typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));
  const names = ["view", "block", "frame", "query", "head", "opacity", "stretch", "show_truth"];
  if (desk.get("compare")) names.push("compare", "other_block");
  const defaults = { ...DEFAULTS, show_truth: Boolean(data.truth) };
  const settings = names.filter((name) => desk.get(name) !== defaults[name]);
  const pairs = settings.map((name) => `"${name}": ${literal(desk.get(name))}`);
  const against = data.other ? ", against=other" : "";
  if (data.other && !desk.get("compare")) pairs.push('"compare": False'); // two are compared at first
  const grades = data.named ? ", grades=grades" : "";
  return `AttentionExplorer(model, clip${against}${grades}, settings={${pairs.join(", ")}})`;
}

/** The call in a line that can be copied by hand too, since a page may lack the clipboard. */
function callLine(desk, data) {
  const line = make("input", { type: "text", readOnly: true, "aria-label": "Python call for this view" });
  const state = make("span", { class: "csg-small", role: "status" });
  const copy = desk.button("Copy", async () => {
    line.select();
    try {
      await navigator.clipboard.writeText(line.value);
      state.textContent = "Copied.";
    } catch {
      state.textContent = "The browser refused: press Ctrl+C.";
    }
  });
  copy.setAttribute("aria-label", "Copy the Python call for this view");
  const draw = () => {
    const call = pythonCall(desk, data);
    if (line.value !== call) state.textContent = "";
    line.value = call;
  };
  return { box: make("div", { class: "csg-call" }, line, copy, state), draw };
}

/** The branches; while the query is a patch, those of class tokens alone are greyed. */
function branchChoice(desk, data) {
  const [{ branches }] = data.networks;
  const box = desk.choice("view", { label: "Branch", options: branches.map(({ name, label }) => [name, label]) });
  const radios = [...box.querySelectorAll("input")];
  const draw = ({ where }) =>
    branches.forEach(({ byPatches }, which) => (radios[which].disabled = Boolean(where) && !byPatches));
  return { box, draw };
}

const HELP = {
  token: "Press a patch to make it the query, or Tab to the frames for arrow keys.",
  patch: "Or press Escape.",
  greyed: "Or press Escape. Greyed: in the fusion the class token alone is a query.",
};

/** The query, and a button that returns to the class token. */
function queryLine(desk, data) {
  const [{ branches }] = data.networks;
  const greyed = branches.every(({ byPatches }) => byPatches) ? HELP.patch : HELP.greyed;
  const words = make("strong");
  const back = desk.button("Class token", () => setQuery(desk, data, 0));
  const help = make("span", { class: "csg-small" });
  const box = make("div", { class: "csg-row csg-query" }, words, back, help);
  const draw = ({ where }) => {
    words.textContent = where ? `Query: the patch in frame ${where.frame + 1}, ${place(where)}` : "Query: the class token";
    back.hidden = !where;
    help.textContent = where ? greyed : HELP.token;
  };
  return { box, draw };
}

/** Mean over heads, or one of them; without a kernel the mean alone. */
function headChoice(desk, { networks: [{ heads }] }, { live }) {
  const options = Array.from({ length: heads + 1 }, (_, head) => [head, head || "mean"]);
  const box = desk.choice("head", { label: "Head", options });
  if (live) return box;
  box.querySelectorAll("input").forEach((radio, head) => (radio.disabled = head > 0));
  box.lastChild.append(make("i", { class: "csg-small", textContent: "Single heads need a kernel, and this page has none." }));
  return box;
}

/** The block of what stands beside it. */
function otherBlock(desk, data) {
  const { blocks } = data.networks[1] ?? data.networks[0];
  const box = desk.slider("other_block", { label: data.other ? "Its block" : "Other block", min: 1, max: blocks });
  return { box, draw: ({ panels }) => (box.hidden = panels.length < 2) };
}

function controls(desk, data, store, player, parts) {
  const row = (kind, ...children) => make("div", { class: `csg-row ${kind}` }, ...children);
  return make(
    "div", { class: "csg-controls" },
    parts.query.box,
    parts.branch.box,
    headChoice(desk, data, store),
    row("csg-sliders",
      desk.slider("block", { label: "Block", min: 1, max: data.blocks }),
      parts.other.box,
      desk.slider("frame", { label: "Frame", min: 1, max: data.frames }),
      desk.slider("opacity", { label: "Overlay", min: 0, max: 1, step: 0.05 }),
    ),
    row("csg-checks",
      player.button,
      desk.checkbox("stretch", "stretch the colours"),
      ...(data.truth ? [desk.checkbox("show_truth", "show the truth")] : []),
      desk.checkbox("compare", data.other ? "compare with the second network" : "compare with another block"),
    ),
  );
}

function render({ model, el }) {
  const data = read(model);
  const keys = {};
  const desk = new Desk(model, el, { name: "explorer", label: "Attention across frames", keys });
  const player = desk.player("playing", () => desk.put("frame", (desk.get("frame") % data.frames) + 1), PACE);
  keys[" "] = player.toggle;

  const store = rowStore(desk, data, () => draw());
  const strips = [0, 1].map((side) => strip(desk, data, side));
  const matrices = [0, 1].map((side) => matrixFigure(desk, data, side));
  const parts = {
    query: queryLine(desk, data), branch: branchChoice(desk, data), other: otherBlock(desk, data),
    large: enlarged(desk, data), colours: legend(), curves: curvesFigure(data), board: scoreBoard(data),
    call: callLine(desk, data),
  };
  const lines = paragraph("csg-small", "Solid line: open lumen. Dashed: vessel before the plaque.");
  const sentence = paragraph("csg-sentence");
  desk.root.append(
    make(
      "div", { class: "csg-layout" },
      make("div", { class: "csg-strips" }, ...strips.map(({ box }) => box)),
      make("div", { class: "csg-large" }, parts.large.box, parts.colours.box, lines, parts.board.box),
      make("div", { class: "csg-figures" }, parts.curves.box, ...matrices.map(({ box }) => box)),
      controls(desk, data, store, player, parts),
      sentence,
      parts.call.box,
    ),
  );

  const draw = () => {
    const chosen = choose(desk, data, store);
    for (const shown of [...strips, ...matrices, ...Object.values(parts)]) shown.draw(chosen, store);
    lines.hidden = !chosen.truth;
    desk.root.classList.toggle("csg-two", chosen.panels.length > 1);
    say(sentence, sentenceOf(data, chosen), chosen.playing);
  };
  const settings = ["block", "frame", "view", "query", "head", "compare", "other_block"];
  desk.follow([...settings, "opacity", "playing", "stretch", "show_truth"], draw);
  return () => desk.close();
}

export { scoresOf };
export default { render };
