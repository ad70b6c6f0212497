// Rows of the attention maps: most are here from the start, others come from the kernel, once each.

const PATIENCE = 5000; // milliseconds until a kernel that says nothing is called silent

const MISSING = {
  asked: "Waiting for the kernel to send this row.",
  silent: "The kernel has not answered: it is busy, or the cell must be run again.",
  heads: "Heads apart come from the kernel, and this page has none: choose the mean.",
  rows: "Rows of patches in this branch come from the kernel, and this page has none.",
};

/** Rows of patches that a page without a kernel was given: by network and branch. */
function embedded(model, data) {
  const given = model.get("rows");
  if (!given?.byteLength) return () => null;
  const [codes, ends] = [bytes(model, "rows"), floats(model, "row_ends")];
  const starts = new Map();
  let [values, scales] = [0, 0];
  for (const { branches, blocks } of data.networks)
    for (const branch of branches.filter(({ name, byPatches }) => byPatches && name !== "time")) {
      const keys = { space: data.patches, time: data.frames, joint: data.frames * data.patches }[branch.axis];
      starts.set(branch, { values, scales, keys });
      values += blocks * data.frames * data.patches * keys;
      scales += blocks * data.frames * data.patches;
    }
  return ({ branch, block, query }) => {
    const { values, scales, keys } = starts.get(branch);
    const which = (block - 1) * data.frames * data.patches + query - 1;
    const first = values + which * keys;
    return decode(codes.subarray(first, first + keys), part(ends, scales + which, 2));
  };
}

/** Asks the kernel and keeps what it says: all heads of a row, their mean first. */
function letters(desk, arrived) {
  const kept = new Map();
  const timers = new Set();
  const hear = (asked, [ends, codes]) => {
    const scales = new Float32Array(new Uint8Array(ends.buffer, ends.byteOffset, ends.byteLength).slice().buffer);
    const values = new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
    const size = (2 * values.length) / scales.length;
    kept.set(asked.join(), (head) => decode(part(values, head, size), part(scales, head, 2)));
    arrived();
  };
  desk.model.on("msg:custom", hear);
  desk.closing.push(() => {
    desk.model.off("msg:custom", hear);
    timers.forEach(clearTimeout);
  });
  return (asked, head) => {
    const key = asked.join();
    const held = kept.get(key);
    if (typeof held === "function") return { keys: held(head) };
    if (!held) {
      kept.set(key, "asked");
      desk.model.send(asked);
      const late = setTimeout(() => {
        if (kept.get(key) !== "asked") return;
        kept.set(key, "silent"); // its answer still counts when it comes
        arrived();
      }, PATIENCE);
      timers.add(late);
    }
    return { missing: MISSING[kept.get(key)] };
  };
}

/** Keys of a patch over the whole clip; NaN where it may not ask. */
function laidOut(keys, axis, { frame, place }, { frames, patches }) {
  if (axis === "joint") return keys;
  const map = new Float32Array(frames * patches).fill(NaN);
  if (axis === "space") map.set(keys, frame * patches);
  else keys.forEach((share, other) => (map[other * patches + place] = share));
  return map;
}

/** All rows and matrices: `{ map }` and `{ matrix }`, or why they are not here. */
function rowStore(desk, data, arrived) {
  const live = typeof desk.model.send === "function";
  const ask = letters(desk, arrived);
  const given = embedded(desk.model, data);
  const means = new Map();

  const meanOverPlaces = (network, block) => {
    const key = `${network.index} ${block}`;
    if (!means.has(key)) {
      const sums = new Float32Array(data.frames ** 2);
      for (let where = 0; where < data.patches; where++)
        network.matrix(block, where).forEach((share, cell) => (sums[cell] += share / data.patches));
      means.set(key, sums);
    }
    return means.get(key);
  };

  /** What a place gives to other frames; for the class token, the mean over places. */
  const matrix = ({ network, block, query, head }) => {
    if (!network.alongTime) return {};
    const where = whereIs(query, data);
    if (head || !network.matrix) {
      if (!live) return { missing: MISSING.heads };
      const asked = [network.index, "matrix", network.alongTime, block, where ? where.place + 1 : 0];
      const { keys, missing } = ask(asked, head);
      return { matrix: keys, missing };
    }
    return { matrix: where ? network.matrix(block, where.place) : meanOverPlaces(network, block) };
  };

  const ofPatch = (panel) => {
    const { network, branch, block, query, head } = panel;
    if (branch.name === "time") {
      const { matrix: shares, missing } = matrix(panel);
      return { keys: shares && part(shares, whereIs(query, data).frame, data.frames), missing };
    }
    if (live) return ask([network.index, "row", branch.name, block, query], head);
    const keys = head ? null : given(panel);
    return keys ? { keys } : { missing: head ? MISSING.heads : MISSING.rows };
  };

  const row = (panel) => {
    const { network, branch, block, query, head } = panel;
    if (!query && !head) return { map: network.map(branch, block) };
    if (!query && !live) return { missing: MISSING.heads };
    const { keys, missing } = query ? ofPatch(panel) : ask([network.index, "row", branch.name, block, 0], head);
    const where = whereIs(query, data);
    return { map: keys && (where ? laidOut(keys, branch.axis, where, data) : keys), missing };
  };
  return { live, row, matrix };
}
