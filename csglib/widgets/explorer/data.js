// The explorer's numbers: what was sent at once, what the kernel sends on request, what is on view.

const QUERY_COLOUR = "#ff9d2e";
const MAGNITUDE = palette("magnitude");
/** From a grey that lets the tissue through to a strong yellow. */
const OVERLAY = (level) => [...MAGNITUDE(128 + (level >> 1)), level];
const TIMEOUT = 5000; // milliseconds until a missing reply is reported
const MISSING = {
  requested: "Waiting for the kernel to send this row.",
  late: "The kernel has not answered: it is busy, or the cell must be run again.",
  heads: "Single heads come from the kernel, and this page has none: choose the mean.",
  rows: "Rows of patches in this branch come from the kernel, and this page has none.",
};

const part = (array, which, size) => array.subarray(which * size, (which + 1) * size);
const known = (values) => values.filter((value) => !Number.isNaN(value));

/** Bytes back to attention: 0 is the least, 255 the most. */
const decode = (codes, [least, most]) => Float32Array.from(codes, (code) => least + (code / 255) * (most - least));

/** All that was sent at once; message.py says how arrays are ordered. */
function read(model) {
  const facts = model.get("facts");
  const [codes, ends, totals] = [bytes(model, "maps"), floats(model, "ends"), floats(model, "totals")];
  const cells = facts.frames * facts.rows * facts.columns;
  let first = 0;
  const networks = [facts, facts.other].filter(Boolean).map((network, index) => {
    const start = first;
    first += network.branches.length * network.blocks;
    const at = (branch, block) => start + network.branches.indexOf(branch) * network.blocks + block - 1;
    return {
      ...network, index,
      map: (branch, block) => decode(part(codes, at(branch, block), cells), part(ends, at(branch, block), 2)),
      totals: (branch, block) => [...part(totals, at(branch, block), facts.frames)],
    };
  });
  return {
    ...facts, networks,
    patches: facts.rows * facts.columns,
    photographs: greyPictures(bytes(model, "frames"), facts),
    masks: Float32Array.from(bytes(model, "masks"), (code) => code / 255),
    outlines: facts.truth && { lumen: floats(model, "lumen"), vessel: floats(model, "vessel") },
  };
}

/** Position of a query, 0 for the class token, which has none. */
function whereIs(query, { patches, columns }) {
  const [frame, place] = [Math.floor((query - 1) / patches), (query - 1) % patches];
  return query ? { frame, place, row: Math.floor(place / columns), column: place % columns } : null;
}

/** Rows that a page without a kernel holds, mean over heads; `row_index` has where each starts. */
function embeddedRows(model) {
  const index = model.get("row_index") ?? {};
  const [codes, ends] = [model.get("rows") && bytes(model, "rows"), model.get("rows") && floats(model, "row_ends")];
  return ([network, kind, branch, block, query]) => {
    const entry = index[[network, kind, branch]];
    if (!entry) return null;
    const which = (block - 1) * entry.count + query - (kind === "row" ? 1 : 0);
    const first = entry.values + which * entry.size;
    return decode(codes.subarray(first, first + entry.size), part(ends, entry.ends + which, 2));
  };
}

/** Requests a row or matrix from the kernel, once, and keeps all its heads, their mean first. */
function kernelRows(desk, arrived) {
  const kept = new Map();
  const timers = new Set();
  const receive = (request, [ends, codes]) => {
    const scales = new Float32Array(new Uint8Array(ends.buffer, ends.byteOffset, ends.byteLength).slice().buffer);
    const values = new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
    const size = (2 * values.length) / scales.length;
    kept.set(request.join(), (head) => decode(part(values, head, size), part(scales, head, 2)));
    arrived();
  };
  desk.model.on("msg:custom", receive);
  desk.closing.push(() => {
    desk.model.off("msg:custom", receive);
    timers.forEach(clearTimeout);
  });
  return (request, head) => {
    const key = request.join();
    const held = kept.get(key);
    if (typeof held === "function") return { values: held(head) };
    if (!held) {
      kept.set(key, "requested");
      desk.model.send(request);
      const late = setTimeout(() => {
        if (kept.get(key) !== "requested") return;
        kept.set(key, "late"); // a reply still counts when it comes
        arrived();
      }, TIMEOUT);
      timers.add(late);
    }
    return { missing: MISSING[kept.get(key)] };
  };
}

/** Keys of a patch over the whole clip; NaN where it cannot attend. */
function onGrid(keys, axis, { frame, place }, { frames, patches }) {
  if (axis === "joint") return keys;
  const map = new Float32Array(frames * patches).fill(NaN);
  if (axis === "space") map.set(keys, frame * patches);
  else keys.forEach((value, other) => (map[other * patches + place] = value));
  return map;
}

/** Any row as `{ map }` and any matrix as `{ matrix }`, or `{ missing }`: why it is not here. */
function rowStore(desk, data, arrived) {
  const live = typeof desk.model.send === "function";
  const request = kernelRows(desk, arrived);
  const given = embeddedRows(desk.model);
  const find = (wanted, head) => {
    if (live) return request(wanted, head);
    const values = head ? null : given(wanted);
    return values ? { values } : { missing: head ? MISSING.heads : MISSING.rows };
  };
  /** Attention of each frame on each frame at one place; for the class token, the mean of places. */
  const matrix = ({ network, block, query, head }) => {
    if (!network.timeBranch) return {};
    const place = query ? whereIs(query, data).place + 1 : 0;
    const { values, missing } = find([network.index, "matrix", network.timeBranch, block, place], head);
    return { matrix: values, missing };
  };
  const row = ({ network, branch, block, query, head }) => {
    if (!query && !head) return { map: network.map(branch, block) };
    const { values, missing } = find([network.index, "row", branch.name, block, query], head);
    const where = whereIs(query, data);
    return { map: values && (where ? onGrid(values, branch.axis, where, data) : values), missing };
  };
  return { live, row, matrix };
}

/** Attention on a frame: the sum over its patches, or the mean where each patch has its own softmax. */
function totalsOf(map, axis, { frames, patches }) {
  return Array.from({ length: frames }, (_, frame) => {
    const values = known(part(map, frame, patches));
    const sum = values.reduce((total, value) => total + value, 0);
    return !values.length ? NaN : axis === "time" ? sum / values.length : sum;
  });
}

/** One side of the view: a network, a block, and the row of the query, if it is here. */
function panelOf(desk, data, store, side) {
  const network = data.networks[side] ?? data.networks[0];
  const [query, head] = desk.values("query", "head");
  const possible = network.branches.filter(({ byPatches }) => byPatches || !query);
  const branch = possible.find(({ name }) => name === desk.get("view")) ?? possible.at(-1);
  const chosen = {
    ...branch, network, branch, query,
    block: desk.get(side ? "other_block" : "block"),
    head: head <= network.heads ? head : 0,
  };
  const { map, missing } = store.row(chosen);
  const exact = map && !query && !chosen.head;
  const totals = exact ? network.totals(branch, chosen.block) : map && totalsOf(map, branch.axis, data);
  const times = network.branches.find(({ name }) => name === network.timeBranch);
  const { matrix, missing: noMatrix } = store.matrix(chosen);
  return { ...chosen, map, missing, totals: totals ?? Array(data.frames).fill(NaN), times, matrix, noMatrix };
}

/**
 * What is on view. All colours have one scale, `low` to `high` times uniform attention: from 1, so
 * that a uniform map has no colour, to 2 or more; or stretched from the least to the largest.
 */
function choose(desk, data, store) {
  const panels = (desk.get("compare") ? [0, 1] : [0]).map((side) => panelOf(desk, data, store, side));
  const values = panels.flatMap(({ map, uniformPatch, matrix, times }) => [
    ...known(map ?? []).map((value) => value / uniformPatch),
    ...(matrix ?? []).map((value) => value / times.uniformFrame),
  ]);
  const [least, most] = values.length ? [Math.min(...values), Math.max(...values)] : [1, 1];
  const stretched = desk.get("stretch") && values.length > 0;
  const [low, high] = stretched ? [least, most] : [1, 2];
  const full = Math.max(
    ...panels.map(({ uniformFrame }) => Math.min(1, 2 * uniformFrame)),
    ...known(panels.flatMap(({ totals }) => totals)),
  );
  const [query, frame, opacity, playing] = desk.values("query", "frame", "opacity", "playing");
  const truth = desk.get("show_truth") && data.truth;
  return { panels, most, low, high, stretched, full, where: whereIs(query, data), frame, opacity, playing, truth };
}

/**
 * Scores of a map as csglib/view/scores.py defines them: `inside`, the share of the attention that
 * falls in the plaque; `area`, the plaque's share of the patches; `rank` of the narrowest frame,
 * 1 for the most attended, ties sharing their mean rank; null where frames cannot be compared.
 */
function scoresOf(map, masks, totals, narrowest) {
  let [all, inPlaque, plaque, patches] = [0, 0, 0, 0];
  map.forEach((value, cell) => {
    if (Number.isNaN(value)) return;
    all += value;
    inPlaque += value * masks[cell];
    plaque += masks[cell];
    patches += 1;
  });
  const sums = known(totals);
  const scale = sums.reduce((so, total) => so + total, 0) * 1e-6; // smaller differences are rounding
  const step = (total) => Math.round((total * sums.length) / scale);
  const above = sums.filter((total) => step(total) > step(totals[narrowest])).length;
  const level = sums.filter((total) => step(total) === step(totals[narrowest])).length;
  return {
    inside: inPlaque / all,
    area: plaque / patches,
    rank: sums.length < totals.length ? null : 1 + above + (level - 1) / 2,
    frames: sums.length,
  };
}
