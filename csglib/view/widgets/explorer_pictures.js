// The explorer's numbers, and how one frame is painted from them.

/** The numbers behind the view; the order of axes is written in explorer.py. */
function read(model) {
  const facts = model.get("facts");
  const { blocks, frames, rows, columns, height, width } = facts;
  const [grey, codes] = [bytes(model, "frames"), bytes(model, "maps")];
  const [ends, totals] = [floats(model, "ends"), floats(model, "totals")];
  const at = (branch, block) => branch * blocks + block - 1;
  const cells = frames * rows * columns;
  return {
    ...facts,
    photographs: Array.from({ length: frames }, (_, frame) => {
      const first = frame * height * width;
      return picture(width, height, (cell) => Array(3).fill(grey[first + cell]));
    }),
    map: (branch, block) => codes.subarray(at(branch, block) * cells, (at(branch, block) + 1) * cells),
    ends: (branch, block) => ends.subarray(2 * at(branch, block), 2 * at(branch, block) + 2),
    totals: (branch, block) => [
      ...totals.subarray(at(branch, block) * frames, (at(branch, block) + 1) * frames),
    ],
    outlines: facts.truth && { lumen: floats(model, "lumen"), vessel: floats(model, "vessel") },
  };
}

/** What is chosen, with everything that follows from it. */
function choose(desk, data) {
  const branch = data.branches.findIndex(({ name }) => name === desk.get("view"));
  const [block, frame] = [desk.get("block"), desk.get("frame")];
  const [least, most] = data.ends(branch, block);
  // From nothing to twice an even share, or more where a patch holds more: even is then half way.
  const wide = [0, Math.max(most, 2 * data.branches[branch].evenPatch)];
  const [low, high] = desk.get("stretch") ? [least, most] : wide;
  return {
    ...data.branches[branch],
    block, frame, least, most, low, high,
    opacity: desk.get("opacity"),
    playing: desk.get("playing"),
    truth: desk.get("show_truth") && data.truth,
    map: data.map(branch, block),
    totals: data.totals(branch, block),
  };
}

const CIVIDIS = palette("magnitude");

/** The map of one frame, a pixel a patch, coloured on the scale of the whole clip. */
function overlay(data, { map, least, most, low, high }, frame) {
  const patches = data.rows * data.columns;
  const span = high - low || 1;
  return picture(data.columns, data.rows, (cell) => {
    const value = least + (map[frame * patches + cell] / 255) * (most - least);
    return CIVIDIS(Math.round((255 * (value - low)) / span));
  });
}

/** A closed polygon of one frame: a dark rim, then a light line that is solid or dashed. */
function outline(canvas, data, points, frame, dashes) {
  const context = canvas.getContext("2d");
  const count = points.length / 2 / data.frames;
  const line = Math.max(1.5, canvas.width / 180);
  context.beginPath();
  for (let point = frame * count; point < (frame + 1) * count; point++)
    context.lineTo(points[2 * point] * canvas.width, points[2 * point + 1] * canvas.height);
  context.closePath();
  context.setLineDash(dashes.map((length) => length * line));
  for (const [colour, width] of [["rgba(0, 0, 0, 0.8)", 2.4 * line], ["#ffffff", line]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

function paint(canvas, data, chosen, frame) {
  blit(canvas, data.photographs[frame], { smooth: true });
  blit(canvas, overlay(data, chosen, frame), { opacity: chosen.opacity });
  if (!chosen.truth) return;
  outline(canvas, data, data.outlines.vessel, frame, [3, 2.5]);
  outline(canvas, data, data.outlines.lumen, frame, []);
}
