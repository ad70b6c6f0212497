// Notebook 01: the answers of a 2D kernel and of the 3D kernel inflated from it, frame by frame.
// Everything is computed here, so that a slider answers at once.

const FRAMES = 8;
const SIDE = 32;
const CELLS = SIDE * SIDE;
const KERNEL = [-1, 0, 1, -2, 0, 2, -1, 0, 1]; // upright edges, row by row
const SAME = 1e-6; // answers closer than this agree: what is left is rounding

/** An upright soft bar that crosses the middle half way through the clip; one array a frame. */
function barOfLight(speed) {
  const middle = (SIDE - 1) / 2;
  return Array.from({ length: FRAMES }, (_, time) =>
    Float64Array.from({ length: CELLS }, (_, cell) => {
      const across = ((cell % SIDE) - middle - speed * (time - (FRAMES - 1) / 2)) / 2;
      const along = (Math.floor(cell / SIDE) - middle) / 6;
      return Math.exp(-(across * across + along * along) / 2);
    }),
  );
}

/** The slices of the 3D kernel: equal shares, or everything in the middle one. */
function inflate(frames, inflation) {
  const share = (slice) =>
    inflation === "mean" ? 1 / frames : Number(slice === (frames - 1) / 2);
  return Array.from({ length: frames }, (_, slice) => KERNEL.map((weight) => weight * share(slice)));
}

/** The clip with what the kernel meets beyond its ends. */
function lengthen(clip, frames, padding) {
  const dark = new Float64Array(CELLS);
  const beyond = (frame) => Array((frames - 1) / 2).fill(padding === "zeros" ? dark : frame);
  return [...beyond(clip[0]), ...clip, ...beyond(clip[clip.length - 1])];
}

/** Slide a kernel of some slices along a clip; dark beyond a frame's edges. */
function convolve(clip, slices) {
  const answers = [];
  for (let first = 0; first + slices.length <= clip.length; first++) {
    const answer = new Float64Array(CELLS);
    slices.forEach((slice, place) => addFrame(answer, clip[first + place], slice));
    answers.push(answer);
  }
  return answers;
}

function addFrame(answer, frame, slice) {
  for (let row = 0; row < SIDE; row++)
    for (let column = 0; column < SIDE; column++)
      for (let part = 0; part < 9; part++) {
        const y = row + Math.floor(part / 3) - 1;
        const x = column + (part % 3) - 1;
        if (y >= 0 && y < SIDE && x >= 0 && x < SIDE)
          answer[row * SIDE + column] += slice[part] * frame[y * SIDE + x];
      }
}

/** Both answers, and per frame the largest difference as a share of the largest 2D answer. */
function responses(speed, frames, inflation, padding) {
  const clip = barOfLight(speed);
  const longer = lengthen(clip, frames, padding);
  const flat = convolve(clip, [KERNEL]);
  const deep = convolve(longer, inflate(frames, inflation));
  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const reach = Math.max(...flat.map(largest));
  const apart = deep.map((frame, t) => largest(frame.map((value, i) => value - flat[t][i])) / reach);
  return { longer, flat, deep, apart, reach };
}
