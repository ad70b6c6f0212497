// Notebook 02: which token stands where. 0 is the class token; patches count from 1, frame by frame
// and row by row, as they lie in memory.

/** The sequences that attention gets. To reshape is to read on in memory; along time that is wrong. */
function lineup(axis, order, { frames, patches }) {
  const count = { space: frames, time: patches, joint: 1 }[axis];
  const length = (frames * patches) / count;
  const swapped = axis === "time" && order === "transposed";
  const member = (group, place) => (swapped ? place * patches + group : group * length + place);
  return Array.from({ length: count }, (_, group) => [
    0,
    ...Array.from({ length }, (_, place) => 1 + member(group, place)),
  ]);
}

/** Where a patch is in the clip, all from 0. */
function whereIs(token, { patches, columns }) {
  const place = (token - 1) % patches;
  return {
    frame: Math.floor((token - 1) / patches),
    place,
    row: Math.floor(place / columns),
    column: place % columns,
  };
}

/** What the sequences hold: one place through "time", places of one "frame", or a "mix". */
function mixture(sequences, sizes) {
  const kinds = (part) =>
    Math.max(...sequences.map(([, ...patches]) => new Set(patches.map((patch) => whereIs(patch, sizes)[part])).size));
  if (kinds("place") === 1) return "time";
  return kinds("frame") === 1 ? "frame" : "mix";
}

/** One token's view: its slots in the right order, what stands there, and everyone it meets. */
function encounter(token, axis, order, sizes) {
  const right = lineup(axis, "transposed", sizes);
  const stands = lineup(axis, order, sizes);
  const slots = right.flatMap((sequence, group) =>
    sequence.flatMap((name, place) => (name === token ? [{ group, place }] : [])),
  );
  const { group, place } = slots[0];
  const met = new Set(slots.flatMap((slot) => stands[slot.group]));
  return { right, stands, slots, held: stands[group][place], met };
}

/** The name of the slot in which a patch stands. */
function slotOf(patch, { right, stands }) {
  for (const [group, sequence] of stands.entries()) {
    const place = sequence.indexOf(patch);
    if (place >= 0) return right[group][place];
  }
  return 0;
}
