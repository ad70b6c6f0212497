// The explorer's numbers, and how one frame is painted from them.

const ASKING = "#ff9d2e";
const CIVIDIS = palette("magnitude");

const part = (array, which, size) => array.subarray(which * size, (which + 1) * size);

/** Bytes back to shares: 0 is the least, 255 the most. */
const decode = (codes, [least, most]) => Float32Array.from(codes, (code) => least + (code / 255) * (most - least));

/** What was sent of each network; the order of axes is written in explorer_message.py. */
function networksOf(model, facts) {
  const [codes, ends, totals] = [bytes(model, "maps"), floats(model, "ends"), floats(model, "totals")];
  const [matrices, matrixEnds] = [bytes(model, "matrices"), floats(model, "matrix_ends")];
  const { frames, rows, columns } = facts;
  const patches = rows * columns;
  let [before, matricesBefore] = [0, 0];
  return [facts, facts.other].filter(Boolean).map(({ blocks, heads, branches, alongTime, answer }, index) => {
    const [first, firstMatrix] = [before, matricesBefore];
    before += branches.length * blocks;
    if (alongTime) matricesBefore += blocks * patches;
    const at = (branch, block) => first + branches.indexOf(branch) * blocks + block - 1;
    return {
      index, blocks, heads, branches, alongTime, answer,
      map: (branch, block) => decode(part(codes, at(branch, block), frames * patches), part(ends, at(branch, block), 2)),
      totals: (branch, block) => [...part(totals, at(branch, block), frames)],
      matrix: matrices.length && ((block, where) => {
        const which = firstMatrix + (block - 1) * patches + where;
        return decode(part(matrices, which, frames * frames), part(matrixEnds, which, 2));
      }),
    };
  });
}

/** The numbers behind the view. */
function read(model) {
  const facts = model.get("facts");
  const { frames, height, width } = facts;
  const grey = bytes(model, "frames");
  return {
    ...facts,
    patches: facts.rows * facts.columns,
    networks: networksOf(model, facts),
    photographs: Array.from({ length: frames }, (_, frame) => {
      const first = frame * height * width;
      return picture(width, height, (cell) => Array(3).fill(grey[first + cell]));
    }),
    masks: Float32Array.from(bytes(model, "masks"), (code) => code / 255),
    outlines: facts.truth && { lumen: floats(model, "lumen"), vessel: floats(model, "vessel") },
  };
}

/** Where a query stands, 0 for the class token, which stands nowhere. */
function whereIs(query, { patches, columns }) {
  const [frame, place] = [Math.floor((query - 1) / patches), (query - 1) % patches];
  return query ? { frame, place, row: Math.floor(place / columns), column: place % columns } : null;
}

/** Attention on a frame: the sum over its patches, or the mean where each patch has a softmax of its own. */
function totalsOf(map, axis, { frames, patches }) {
  return Array.from({ length: frames }, (_, frame) => {
    const asked = part(map, frame, patches).filter((share) => !Number.isNaN(share));
    const sum = asked.reduce((total, share) => total + share, 0);
    return !asked.length ? NaN : axis === "time" ? sum / asked.length : sum;
  });
}

/** One side of the view: a network, a block, and the row of who asks, if it is here. */
function panelOf(desk, data, store, side) {
  const network = data.networks[side] ?? data.networks[0];
  const [query, head] = [desk.get("query"), desk.get("head")];
  const asking = network.branches.filter(({ byPatches }) => byPatches || !query);
  const branch = asking.find(({ name }) => name === desk.get("view")) ?? asking[asking.length - 1];
  const chosen = {
    ...branch, network, branch, query,
    block: desk.get(side ? "other_block" : "block"),
    head: head <= network.heads ? head : 0,
  };
  const { map, missing } = store.row(chosen);
  const exact = map && !query && !chosen.head;
  const totals = exact ? network.totals(branch, chosen.block) : map && totalsOf(map, branch.axis, data);
  return { ...chosen, map, missing, totals: totals ?? Array(data.frames).fill(NaN) };
}

/** What is chosen, with everything that follows from it; both sides have one scale. */
function choose(desk, data, store) {
  const panels = (desk.get("compare") ? [0, 1] : [0]).map((side) => panelOf(desk, data, store, side));
  const values = panels.flatMap(({ map }) => (map ? [...map] : [])).filter((share) => !Number.isNaN(share));
  const [least, most] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 0];
  // From nothing to twice an even share, or more where a patch holds more: even is then half way.
  const wide = [0, Math.max(most, ...panels.map(({ evenPatch }) => 2 * evenPatch))];
  const [low, high] = desk.get("stretch") && values.length ? [least, most] : wide;
  // Likewise frames: bars and curves reach twice the even share, or what the strongest frame holds.
  const totals = panels.flatMap(({ totals }) => totals).filter((total) => !Number.isNaN(total));
  const full = Math.max(...panels.map(({ evenFrame }) => Math.min(1, 2 * evenFrame)), ...totals);
  return {
    panels, most, low, high, full,
    where: whereIs(desk.get("query"), data),
    frame: desk.get("frame"),
    opacity: desk.get("opacity"),
    playing: desk.get("playing"),
    truth: desk.get("show_truth") && data.truth,
  };
}

/** The map of one frame, a pixel a patch; what may not be asked stays clear. */
function overlay({ rows, columns, patches }, map, { low, high }, frame) {
  const shares = part(map, frame, patches);
  const span = high - low || 1;
  const level = (share) => Math.round((255 * (share - low)) / span) || 0;
  const coloured = picture(columns, rows, (cell) => CIVIDIS(Math.max(0, Math.min(255, level(shares[cell])))));
  const context = coloured.getContext("2d");
  shares.forEach((share, cell) => {
    if (Number.isNaN(share)) context.clearRect(cell % columns, Math.floor(cell / columns), 1, 1);
  });
  return coloured;
}

/** A line that is seen on dark and on light: its dark rim first. */
function stroke(context, colour, line) {
  for (const [style, width] of [["rgba(0, 0, 0, 0.8)", 2.4 * line], [colour, line]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

/** A closed polygon of one frame, solid or dashed. */
function outline(canvas, data, points, frame, dashes) {
  const context = canvas.getContext("2d");
  const count = points.length / 2 / data.frames;
  const line = Math.max(1.5, canvas.width / 180);
  context.beginPath();
  for (let point = frame * count; point < (frame + 1) * count; point++)
    context.lineTo(points[2 * point] * canvas.width, points[2 * point + 1] * canvas.height);
  context.closePath();
  context.setLineDash(dashes.map((length) => length * line));
  stroke(context, "#ffffff", line);
  context.setLineDash([]);
}

/** Who asks, in orange; in other frames its place, in white. */
function mark(canvas, { rows, columns }, { row, column }, colour) {
  const context = canvas.getContext("2d");
  const [wide, high] = [canvas.width / columns, canvas.height / rows];
  context.beginPath();
  context.rect(column * wide, row * high, wide, high);
  stroke(context, colour, Math.max(1.5, canvas.width / 130));
}

function paint(canvas, data, chosen, panel, frame) {
  blit(canvas, data.photographs[frame], { smooth: true });
  if (panel.map) blit(canvas, overlay(data, panel.map, chosen, frame), { opacity: chosen.opacity });
  if (chosen.truth) {
    outline(canvas, data, data.outlines.vessel, frame, [3, 2.5]);
    outline(canvas, data, data.outlines.lumen, frame, []);
  }
  const { where } = chosen;
  if (where?.frame === frame) mark(canvas, data, where, ASKING);
  else if (where && panel.axis === "time") mark(canvas, data, where, "#ffffff");
}
