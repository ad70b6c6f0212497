// The network, in a thread of its own. It answers the explorer as a kernel would.

let ort, session, held;

/** Of an output, what stands at these places of its first axes. */
function at({ data, dims }, ...places) {
  const size = dims.slice(places.length).reduce((product, length) => product * length, 1);
  const which = places.reduce((sum, place, axis) => sum * dims[axis] + place, 0);
  return data.subarray(which * size, (which + 1) * size);
}

const mean = (rows) => rows[0].map((_, key) => rows.reduce((sum, row) => sum + row[key], 0) / rows.length);

/** As `encoded` in csglib/widgets/explorer/message.py: each map in 256 steps, and its two ends. */
function encoded(maps) {
  const codes = new Uint8Array(maps.length * maps[0].length);
  const ends = new Float32Array(2 * maps.length);
  maps.forEach((map, number) => {
    let [least, most] = [Infinity, -Infinity];
    for (const value of map) [least, most] = [Math.min(least, value), Math.max(most, value)];
    const step = 255 / (most - least || 1);
    ends.set([least, most], 2 * number);
    codes.set(map.map((value) => (value === most && most > least ? 255 : Math.min(254, Math.round(step * (value - least))))), number * map.length);
  });
  return [ends, codes];
}

/** As `reply` there: a row of a patch or of the class token, or frames by frames at a place. */
function heads([, kind, branch, block, query]) {
  const [, frames, count, patches] = held.space.dims;
  const each = (row) => Array.from({ length: count }, (_, head) => row(head));
  const [frame, place] = [Math.floor((query - 1) / patches), (query - 1) % patches];
  if (kind === "matrix" && query) return each((head) => at(held.time, block - 1, place, head));
  if (kind === "matrix") {
    const places = Array.from({ length: patches }, (_, which) => which);
    return each((head) => mean(places.map((which) => at(held.time, block - 1, which, head))));
  }
  if (!query) return each((head) => at(held.heads, held.branches.indexOf(branch), block - 1, head));
  return each((head) =>
    branch === "space" ? at(held.space, block - 1, frame, head, place) : at(held.time, block - 1, place, head, frame),
  );
}

const ANSWERS = {
  async start({ library, runtime, graph, branches }) {
    ort = await import(URL.createObjectURL(new Blob([library], { type: "text/javascript" })));
    ort.env.wasm.numThreads = 1; // more need headers that a file has not
    ort.env.wasm.wasmBinary = runtime;
    session = await ort.InferenceSession.create(graph);
    held = { branches };
  },

  /** Traits of the explorer, and probabilities; `frames` are 8 x 256 x 256 grey levels. */
  async grade(frames) {
    Object.assign(held, await session.run({ frames: new ort.Tensor("uint8", frames, [8, 256, 256]) }));
    const powers = [...held.logits.data].map(Math.exp);
    const sum = powers.reduce((total, power) => total + power, 0);
    const [branches, blocks] = held.maps.dims;
    const maps = Array.from({ length: branches * blocks }, (_, which) => at(held.maps, Math.floor(which / blocks), which % blocks));
    const [ends, codes] = encoded(maps);
    const probabilities = powers.map((power) => power / sum);
    return { probabilities, logits: [...held.logits.data], maps: codes, ends, totals: held.totals.data.slice() };
  },

  rows(request) {
    const each = heads(request);
    return encoded([mean(each), ...each]);
  },
};

onmessage = async ({ data: { id, name, given } }) => {
  try {
    postMessage({ id, result: await ANSWERS[name](given) });
  } catch (error) {
    postMessage({ id, error: error.message ?? `the runtime stopped (${error})` });
  }
};
