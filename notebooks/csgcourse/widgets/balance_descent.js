// Notebook 05: plain gradient descent on the number behind a share, every step of it.

const sigmoid = (theta) => 1 / (1 + Math.exp(-theta));

/**
 * What makes a share of what is learned. `slopes`: d share / d each number. `place`: where that
 * stands on one axis, of which `ground` is shown; `shareAt` and `half` (of the weight decay, at a
 * place) belong to that axis.
 */
const LEARNED = { ground: [-6, 6], axis: "theta", shareAt: sigmoid };
const DIRECT = { ground: [-0.25, 1.25], axis: "a", shareAt: (a) => a };
const READINGS = {
  sigmoid: {
    ...LEARNED,
    begin: (share) => [Math.log(share / (1 - share))],
    place: ([theta]) => theta,
    slopes: (share) => [share * (1 - share)],
    half: 1 / 2,
  },
  softmax: {
    ...LEARNED,
    axis: "theta of space − theta of time",
    begin: (share) => [Math.log(share), Math.log(1 - share)],
    place: ([space, time]) => space - time,
    slopes: (share) => [share * (1 - share), -share * (1 - share)],
    half: 1 / 4, // of the difference alone; the sum of the two changes no share
  },
  raw: {
    ...DIRECT,
    begin: (share) => [share],
    place: ([share]) => share,
    slopes: () => [1],
    half: 1 / 2,
  },
  even: { ...DIRECT, begin: () => [], place: () => 0.5, slopes: () => [], half: 0 },
};

/** Mean square of a mixture's errors, and how it changes with the share of space. */
function lossOf(share, space, time) {
  let [loss, slope] = [0, 0];
  space.forEach((error, clip) => {
    const mixed = share * error + (1 - share) * time[clip];
    loss += mixed ** 2 / space.length;
    slope += (2 * mixed * (error - time[clip])) / space.length;
  });
  return { loss, slope };
}

/** Where training stands before the first step and after each. */
function descend({ space, time }, { reading, start, decay }, { steps, rate }) {
  const { begin, place, slopes, shareAt } = READINGS[reading];
  let learned = begin(start);
  return Array.from({ length: steps + 1 }, () => {
    const at = place(learned);
    const share = shareAt(at);
    const { loss, slope } = lossOf(share, space, time);
    const gradients = slopes(share).map((factor) => slope * factor);
    learned = learned.map((theta, index) => theta - rate * (gradients[index] + decay * theta));
    const [factor = 0] = slopes(share);
    const [gradient = 0] = gradients;
    return { at, share, loss, slope, factor, gradient, push: (place(learned) - at) / rate };
  });
}

/** What descent goes down on: the loss, and the decay's part, along the axis of a reading. */
function landscape({ space, time }, { reading, decay }, points = 97) {
  const { ground, shareAt, half } = READINGS[reading];
  const [low, high] = ground;
  return Array.from({ length: points }, (_, point) => {
    const at = low + ((high - low) * point) / (points - 1);
    return [at, lossOf(shareAt(at), space, time).loss + half * decay * at ** 2];
  });
}
