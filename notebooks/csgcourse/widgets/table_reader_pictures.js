// Notebook 10: a row of the table, the 2 x 2 of clips, and a difference on its axis.

const DOT = "\u25cf";
const place = (share) => `${(100 * share).toFixed(3)}%`;

/** Dots and whiskers between two ends: where a number stands on it. */
function track(low, high, name) {
  const box = make("div", { class: `csg-track ${name}`, "aria-hidden": "true" });
  const at = (value) => place((value - low) / (high - low));
  const line = (value, kind, text = "") => {
    const mark = make("i", { class: kind, textContent: text });
    mark.style.left = at(value);
    box.append(mark);
  };
  const interval = ([value, from, to]) => {
    const whisker = make("i", { class: "csg-whisker" });
    whisker.style.left = at(from);
    whisker.style.width = place((to - from) / (high - low));
    box.append(whisker);
    line(value, "csg-dot");
  };
  return { box, line, interval };
}

/** Round numbers from one end of an axis to the other, at most `room` of them. */
function ticksOf(low, high, room) {
  const step = [0.05, 0.1, 0.2, 0.25, 0.5].find((size) => (high - low) / size < room) ?? 1;
  const first = Math.ceil(low / step - 1e-6);
  const last = Math.floor(high / step + 1e-6);
  return Array.from({ length: last - first + 1 }, (_, tick) => (first + tick) * step);
}

/** What the marks of the rows mean. */
function keyOf() {
  const interval = track(0, 1, "csg-small");
  interval.interval([0.5, 0.1, 0.9]);
  const majority = track(0, 1, "csg-small");
  majority.line(0.5, "csg-majority");
  return make(
    "div", {},
    make("span", {}, interval.box, "interval of 95 %"),
    make("span", {}, majority.box, "always the commoner grade"),
  );
}

/** The scale above the rows. */
function scaleOf([low, high]) {
  const { box, line } = track(low, high, "csg-scale");
  for (const tick of ticksOf(low, high, 7)) line(tick, "csg-tick", Math.round(100 * tick));
  return box;
}

/** Accuracy between the ends of its interval; dashed, what always saying the commoner grade gives. */
function plotOf({ accuracy, interval, majority }, [low, high]) {
  const plot = track(low, high, "csg-plot");
  for (const tick of ticksOf(low, high, 7)) plot.line(tick, "csg-grid");
  plot.line(majority, "csg-majority");
  plot.interval([accuracy, ...interval]);
  return plot.box;
}

/** Four fields of clips, a dot each: what one network alone got right decides, the rest does not. */
function square() {
  const box = make("table", { class: "csg-square" });
  const field = (kind, words, answers) =>
    `<td class="csg-${kind}"><span>${words}</span> <b>${answers}</b><div aria-hidden="true">${DOT.repeat(answers)}</div></td>`;
  const draw = (pair, one, other) => {
    box.hidden = !pair;
    if (!pair) return;
    const [both, alone, otherAlone, neither] = pair.answers;
    const all = pair.seeds > 1 ? `${counted(pair.seeds * one.clips, "answer")}: ${one.clips} clips, ${pair.seeds} seeds` : counted(one.clips, "clip");
    box.innerHTML = `<caption>${all}. A: ${one.title}, B: ${other.title}</caption>
      <tr><td></td><th scope="col">B right</th><th scope="col">B wrong</th></tr>
      <tr><th scope="row">A right</th>${field("same", "both", both)}${field("first", "only A", alone)}</tr>
      <tr><th scope="row">A wrong</th>${field("second", "only B", otherAlone)}${field("same", "neither", neither)}</tr>`;
  };
  return { box, draw };
}

/** The difference, on the same axis for every pair. */
function differenceOf({ reach }, pair) {
  const { box, line, interval } = track(-reach, reach, "csg-difference");
  for (const tick of ticksOf(-reach, reach, 8)) {
    line(tick, "csg-grid");
    line(tick, "csg-tick", Math.abs(tick) < 1e-6 ? "0" : points(tick).replace(".0", ""));
  }
  line(0, "csg-zero");
  interval(pair.difference);
  return box;
}
