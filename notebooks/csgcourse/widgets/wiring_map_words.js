// Notebook 06: what the wiring map says about each box and arrow; the counts come from Python.

const UNITS = { macs: [1e9, "G"], parameters: [1e6, "M"], kept: [2 ** 20, "MiB"] };
const MEASURES = [["macs", "multiplications"], ["parameters", "parameters"], ["kept", "memory kept"]];

const grouped = (number) => number.toLocaleString("en-US");

function inUnits(number, measure) {
  const [unit, letter] = UNITS[measure];
  const size = number / unit;
  return `${size < 0.01 ? "under 0.01" : grouped(Number(size.toPrecision(3)))} ${letter}`;
}

const mebi = (size) =>
  size < 2 ** 20 ? `${Number((size / 2 ** 10).toFixed(1))} KiB` : `${grouped(Number((size / 2 ** 20).toFixed(1)))} MiB`;
const WHAT = { macs: "multiplications", parameters: "parameters", kept: "memory kept for training" };
const columnWords = (name) => (name === "stem" ? "stem, embedding" : name);

const SAID = {
  clip: "8 frames of 256 x 256 pixels, in three equal channels; nothing is learned here.",
  stem: "One 1 x 7 x 7 convolution and a pooling, each of spatial stride 2.",
  embedding: "A strided convolution makes one token a patch; the class token joins.",
  head: "Pooled volume and class token side by side, then one linear layer.",
  c1: "One bottleneck that meets no tokens: the first step has no bridge.",
};

/** Title of a spot, and what happens there, in one sentence. */
function wordsOf(name, counts, network) {
  if (name.includes(">"))
    return { title: `Arrow from ${name.replace(">", " to ")}`, says: "What flows here; nothing is computed." };
  const [, kind, stage] = name.match(/^(down|up|c|t)(\d)$/) ?? [];
  if (!kind) return { title: `The ${name}`, says: SAID[name] };
  const times = counts[name].blocks > 1 ? `${counts[name].blocks} times` : "Once";
  const frames = stage > 2 ? "3 frames" : "1 frame"; // Table SI: kernels see time from c3 on
  const tokens =
    network === "BASE"
      ? "all tokens of the clip in one attention, then an FFN."
      : "an AMDF block: space, time, fusion both ways, weighted sum.";
  return {
    down: {
      title: `Bridge of c${stage} down, from volume to tokens`,
      says: `${times}: a 1 x 1 convolution, then the mean over each patch, frame by frame.`,
    },
    up: {
      title: `Bridge of c${stage} up, from tokens to volume`,
      says: `${times}: a 1 x 1 convolution, then each token is laid over its patch, frame by frame.`,
    },
    c: {
      title: `${name}, the CNN's side`,
      says: SAID[name] ?? `${times}: a conv block of two bottlenecks, whose first kernels see ${frames}.`,
    },
    t: { title: `${name}, the tokens' side of stage c${stage}`, says: `${times}: ${tokens}` },
  }[kind];
}

/** A shape for one clip, in words. */
function shapeWords(shape) {
  if (shape.length === 4) return `volume ${shape.slice(1).join(" x ")}, ${grouped(shape[0])} channels`;
  if (shape.length === 3) return `tokens ${shape[0]} x ${shape[1]}, ${shape[2]} wide`;
  return shape[1] > 2 ? `the class token, ${shape[1]} wide` : `${shape[1]} logits, one a grade`;
}

const flowWords = (shapes) => shapes.map(shapeWords).join(", and ");

/** The shapes on an arrow; the head takes the class token alone. */
function carried(name, counts) {
  const [source] = name.split(">");
  if (source === "clip") return counts.stem.enters;
  return name === "t5>head" ? counts.head.enters.slice(1) : counts[source].leaves;
}

/** Name and number of everything there is to say about a spot. */
function linesOf(name, counts, open) {
  const here = counts[name];
  if (!here) {
    const shapes = carried(name, counts);
    const held = shapes.reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0);
    return [["flows", flowWords(shapes)], ["numbers", `${grouped(held)}, or ${mebi(4 * held)} as float32`]];
  }
  return [
    ["comes in", flowWords(here.enters)],
    ["goes out", flowWords(here.leaves)],
    ["parameters", grouped(here.parameters)],
    ["multiplications", open ? `${grouped(Math.round(here.macs / 1e5) / 10)} million` : "wait for your guess"],
    ["kept for training", mebi(here.kept)],
  ];
}
