// What the explorer says: one sentence of what is seen, and the Python call that shows it again.

const place = ({ row, column }) => `row ${row + 1}, column ${column + 1}`;

const panelName = ({ block, network, label, head }) =>
  `Block ${block} of ${network.blocks}, ${label}${head ? `, head ${head}` : ""}`;

/** Which side of a comparison it is. */
function sideWords({ networks }, panel, side) {
  return networks.length > 1 ? `${side ? "Second" : "First"} network: ${panelName(panel)}` : panelName(panel);
}

function classTokenWords({ name, totals, evenFrame }, frame) {
  const share = percent(totals[frame - 1]);
  if (name === "space")
    return `in frame ${frame} the patches hold ${share} of the attention, the class token itself the rest`;
  return `frame ${frame} holds ${share} of the attention (an even share is ${percent(evenFrame)})`;
}

/** Whom a patch asks, said once for both sides, and who gets most. */
function patchWords({ axis, map, evenPatch }, where, { frames, patches, columns }, side) {
  const whom = {
    space: `the ${patches} patches of its frame`,
    time: `its own place in ${frames} frames`,
    joint: `all ${frames * patches} patches of the clip`,
  }[axis];
  let most = -1;
  map.forEach((share, cell) => {
    if (!Number.isNaN(share) && !(share <= map[most])) most = cell;
  });
  const found = whereIs(most + 1, { patches, columns });
  const itself = found.frame === where.frame && found.place === where.place;
  const spot = { space: place(found), time: `frame ${found.frame + 1}`, joint: `frame ${found.frame + 1}, ${place(found)}` }[axis];
  const who = side ? "" : `the patch in frame ${where.frame + 1}, ${place(where)} asks ${whom}; `;
  return `${who}${itself ? "itself" : spot} gets most, ${percent(map[most])} (an even share is ${percent(evenPatch)})`;
}

/** One side in a sentence without its end. */
function panelWords(data, chosen, panel, side) {
  const begun = chosen.panels.length > 1 ? sideWords(data, panel, side) : panelName(panel);
  if (!panel.map) return `${begun}: ${panel.missing}`;
  const seen = chosen.where ? patchWords(panel, chosen.where, data, side) : classTokenWords(panel, chosen.frame);
  return `${begun}: ${seen}.`;
}

function sentenceOf(data, chosen) {
  const seen = chosen.panels.map((panel, side) => panelWords(data, chosen, panel, side));
  const { where, truth } = chosen;
  const said = (network) => network.answer.map(([grade, share]) => `${grade} ${percent(share)}`).join(", ");
  const sides = data.networks.slice(0, chosen.panels.length);
  const answer = where ? [] : [`The network's answer for this clip: ${sides.map(said).join("; the second's: ")}.`];
  const known = truth
    ? [`The truth of this simulated clip: ${truth.grade}, narrowest in frame ${truth.narrowest}.`]
    : [];
  return [...seen, ...answer, ...known].join(" ");
}

/** A Python literal; the page has numbers, strings and truth values alone. */
const literal = (value) => (typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));

/** The call that shows this view again, in names of the reader's own. */
function pythonCall(desk, data) {
  const names = ["view", "block", "frame", "query", "head", "opacity", "stretch", "show_truth"];
  if (desk.get("compare")) names.push("compare", "other_block");
  const plain = { query: 0, head: 0, opacity: 0.5, stretch: false, show_truth: false, compare: false };
  const settings = names.filter((name) => desk.get(name) !== plain[name]);
  const pairs = settings.map((name) => `"${name}": ${literal(desk.get(name))}`);
  const against = data.other ? ", against=other" : "";
  // Whoever has two networks and looks at one must say so, for two are compared at first.
  if (data.other && !desk.get("compare")) pairs.push('"compare": False');
  return `AttentionExplorer(model, clip${against}, settings={${pairs.join(", ")}})`;
}

/** The call in a line that can be copied by hand, for a page may not be allowed to. */
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
