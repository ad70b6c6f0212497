// Notebook 11: the table, sorted by any column; two rows chosen and compared clip by clip. Python has
// computed every pair.

const LETTERS = ["A", "B"];
const TRAITS = ["first", "second"];
const COLUMNS = [ // key, words, and whether it is the paper's
  ["order", "network"], ["accuracy", "accuracy %"], ["f1", "F1 %"], ["parameters", "10\u2076 weights"],
  ["printed_accuracy", "acc.\u00a0%", "paper"], ["printed_f1", "F1 %", "paper"],
];
const WIDTHS = ["csg-pick", "csg-pick", "csg-wide", "csg-rest", "csg-interval", "", "csg-long", "", ""];
const CLEAR = 0.05; // a p below this counts as significant

const tenths = (share) => (100 * share).toFixed(1);
const points = (share) => `${share < -0.0005 ? "\u2212" : share > 0.0005 ? "+" : ""}${tenths(Math.abs(share))}`;
const pValue = (p) => (p < 0.001 ? "under 0.001" : p.toFixed(p < 0.1 ? 3 : 2));
const counted = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

/** The sentence under the table where the two rows share no clips, or are one. */
function noPair(one, other, rows) {
  if (rows.length < 2) return `${one.title} is the only row: there is nothing to compare it with yet.`;
  if (one.name === other.name) return `A and B are both ${one.title}: choose another row for one of them.`;
  return (
    `${one.title} was tested on clips of ${one.frames} frames, ${other.title} on clips of ${other.frames}: ` +
    "they cannot be compared clip by clip. Each has its own interval, and no more is known."
  );
}

/** The interval holds 0. */
function undecided(pair, { clips }) {
  const { answers: [, alone, otherAlone], difference: [value, low, high], pvalues, seeds } = pair;
  if (!alone && !otherAlone) return "Both are right on the very same clips.";
  const least = Math.min(...pvalues);
  const wanted = clips * ((high - low) / 2 / value) ** 2; // an interval narrows with the root of the clips
  const significant = seeds > 1
    ? ` One seed alone might have suggested a difference: McNemar's p goes down to ${pValue(least)}.`
    : ` McNemar's p, ${pValue(least)}, suggests a difference, but takes clips for independent, and a patient has several.`;
  const more = ` If the difference is really ${tenths(Math.abs(value))} points, about ${Number(wanted.toPrecision(2)).toLocaleString("en")} test clips have an even chance of detecting it.`;
  return `It includes 0: on these ${clips} clips it is not known which is better.${least < CLEAR ? significant : ""}${value && wanted > clips ? more : ""}`;
}

/** The interval excludes 0. */
function decided({ difference, pvalues, seeds }, one, other, { apart, pairs }) {
  const [better, worse] = difference[0] > 0 ? [one, other] : [other, one];
  const most = Math.max(...pvalues);
  const several = most < CLEAR ? `McNemar's p is under ${CLEAR} in each of ${seeds} seeds.` : `Not every seed shows it: McNemar's p goes up to ${pValue(most)}.`;
  const single = most < CLEAR ? "Each was trained once: another seed may reverse it." : `McNemar's test is less sure, p = ${pValue(most)}: too close to call.`;
  return (
    `It excludes 0: for patients like these, ${better.title} gets more clips right than ${worse.title}. ` +
    `${seeds > 1 ? several : single} Of the ${counted(Object.keys(pairs).length / 2, "pair")} here ${apart} exclude 0; ` +
    "if all networks were equally good, one in twenty would by chance."
  );
}

function verdictOf(facts, pair, one, other) {
  if (!pair) return noPair(one, other, facts.rows);
  const [, low, high] = pair.difference;
  const [value, from, to] = pair.difference.map(points);
  const difference = `${one.title} minus ${other.title}: ${value} points, 95\u00a0% interval from ${from} to ${to}.`;
  return `${difference} ${low > 0 || high < 0 ? decided(pair, one, other, facts) : undecided(pair, one)}`;
}

function mcnemarOf({ pvalues, answers: [, alone, otherAlone] }) {
  const words = pvalues.map(pValue).join(", ");
  if (pvalues.length > 1) return `McNemar's p, seed by seed: ${words}.`;
  return (
    `McNemar's p: ${words}, the probability that two equally good networks differ this much or more ` +
    `on the ${counted(alone + otherAlone, "clip")} that only one of them gets right.`
  );
}

/** What the numbers are of; rows of other frames have other clips. */
function footnoteOf({ rows }) {
  const tests = [...new Map(rows.map((row) => [row.frames, row])).values()].map(
    ({ frames, clips, patients }) =>
      `${counted(clips, "clip")} of ${counted(patients, "patient")} with ${frames} frames (one clip is ${(100 / clips).toFixed(2)} points)`,
  );
  return (
    `Test: ${tests.join("; ")}, simulated. Intervals come from resampling patients; a row whose interval reaches the dashed line ` +
    "may have learned nothing. Violet numbers are printed in the paper, for its own patients: nothing is computed with them. " +
    "Not for diagnosis."
  );
}

/** An axis between two ends: marks at a value, intervals with a dot. */
function axis(low, high, name) {
  const box = make("div", { class: `csg-track ${name}`, "aria-hidden": "true" });
  const at = (share) => `${(100 * share).toFixed(3)}%`;
  const mark = (value, kind, textContent = "") => {
    const element = make("i", { class: kind, textContent });
    element.style.left = at((value - low) / (high - low));
    box.append(element);
    return element;
  };
  const interval = ([value, from, to]) => {
    mark(from, "csg-whisker").style.width = at((to - from) / (high - low));
    mark(value, "csg-dot");
  };
  return { box, mark, interval };
}

/** Round numbers from one end of an axis to the other, at most `room` of them. */
function ticksOf(low, high, room) {
  const step = [0.05, 0.1, 0.2, 0.25, 0.5].find((size) => (high - low) / size < room) ?? 1;
  const first = Math.ceil(low / step - 1e-6);
  return Array.from({ length: Math.floor(high / step + 1e-6) - first + 1 }, (_, tick) => (first + tick) * step);
}

/** The legend of the rows' marks. */
function legend(grades) {
  const [interval, majority] = [axis(0, 1, "csg-small"), axis(0, 1, "csg-small")];
  interval.interval([0.5, 0.1, 0.9]);
  majority.mark(0.5, "csg-majority");
  return make("div", {}, make("span", {}, interval.box, "95 % interval"), make("span", {}, majority.box, `always ${grades}`));
}

/** The four cells of a 2 x 2 table, a dot for each clip. */
function square(pair, one, other) {
  const [both, alone, otherAlone, neither] = pair.answers;
  const all = counted(both + alone + otherAlone + neither, "clip") + (pair.seeds > 1 ? ` of ${pair.seeds} seeds` : "");
  const cell = (kind, words, count) =>
    `<td class="csg-${kind}"><span>${words}</span> <b>${count}</b><div aria-hidden="true">${"\u25cf".repeat(count)}</div></td>`;
  return `<caption>${all}. A: ${one.title}, B: ${other.title}</caption>
    <tr><td></td><th scope="col">B right</th><th scope="col">B wrong</th></tr>
    <tr><th scope="row">A right</th>${cell("same", "both", both)}${cell("first", "only A", alone)}</tr>
    <tr><th scope="row">A wrong</th>${cell("second", "only B", otherAlone)}${cell("same", "neither", neither)}</tr>`;
}

/** The difference, on the same axis for every pair. */
function differenceOf({ reach }, pair) {
  const { box, mark, interval } = axis(-reach, reach, "csg-difference");
  for (const tick of ticksOf(-reach, reach, 8)) {
    mark(tick, "csg-grid");
    mark(tick, "csg-tick", Math.abs(tick) < 1e-6 ? "0" : points(tick).replace(".0", ""));
  }
  mark(0, "csg-zero");
  interval(pair.difference);
  return box;
}

/** Column heads that sort: another column, its highest first; the same again, the other way. */
function heads(desk) {
  const cells = COLUMNS.map(([key, words, paper]) => {
    const button = desk.button(words, () => {
      const again = desk.get("sort") === key;
      desk.put("sort", key);
      desk.put("reversed", again && !desk.get("reversed"));
    });
    if (key === "order") button.title = "in the paper's order";
    return make("th", { scope: "col", class: `csg-head csg-${key} ${paper ? "csg-printed" : ""}` }, button);
  });
  const draw = (sort, reversed) =>
    COLUMNS.forEach(([key], column) => {
      const way = (key !== "order") !== reversed ? "descending" : "ascending";
      cells[column].setAttribute("aria-sort", key === sort ? way : "none");
    });
  return { cells, draw };
}

/** A row of the table, with a radio button to make it A and one to make it B. */
function rowOf(desk, row, groups, [low, high]) {
  const radios = TRAITS.map((trait, side) => {
    const radio = make("input", { type: "radio", name: groups[side], "aria-label": `${LETTERS[side]}: ${row.title}` });
    radio.addEventListener("change", () => desk.put(trait, row.name));
    return radio;
  });
  const chip = (radio, side) =>
    make("td", {}, make("label", { class: `csg-chip csg-${TRAITS[side]}` }, radio, make("span", { textContent: LETTERS[side] })));
  const plot = axis(low, high, "csg-plot");
  for (const tick of ticksOf(low, high, 7)) plot.mark(tick, "csg-grid");
  plot.mark(row.majority, "csg-majority");
  plot.interval([row.accuracy, ...row.interval]);
  const cell = (textContent, kind = "") => make("td", { class: kind, textContent });
  const element = make(
    "tr", {}, ...radios.map(chip), make("th", { scope: "row", textContent: row.title }),
    make("td", { class: "csg-field" }, plot.box),
    make("td", {}, tenths(row.accuracy), make("small", { textContent: ` [${row.interval.map(tenths).join(", ")}]` })),
    cell(tenths(row.f1)), cell((row.parameters / 1e6).toFixed(1)),
    ...[row.printed_accuracy, row.printed_f1].map((score) => cell(score?.toFixed(1) ?? "", "csg-printed")),
  );
  const draw = (names) =>
    names.forEach((name, side) => {
      radios[side].checked = name === row.name;
      element.classList.toggle(`csg-is-${TRAITS[side]}`, name === row.name);
    });
  return { row, element, draw };
}

function tableOf(desk, { rows, axis: ends, grades }) {
  const groups = LETTERS.map((letter) => `csg-${letter}-${Math.random().toString(36).slice(2)}`);
  const { cells: [network, ...numbers], draw: drawHeads } = heads(desk);
  const lines = rows.map((row) => rowOf(desk, row, groups, ends));
  const body = make("tbody");
  const seeds = [...new Set(rows.map((row) => row.seeds))].sort().join(" or ");
  const ours = `Ours: simulated patients, ${seeds === "1" ? "1 seed" : `${seeds} seeds`} a row`;
  const over = make("div", { class: "csg-over" }, make("span", { textContent: ours }), legend(grades));
  const paper = make("th", { colSpan: 2, scope: "colgroup", class: "csg-printed", textContent: "the paper's, other patients" });
  const scale = axis(...ends, "csg-scale");
  for (const tick of ticksOf(...ends, 7)) scale.mark(tick, "csg-tick", Math.round(100 * tick));
  const letters = LETTERS.map((letter) => make("th", { scope: "col", textContent: letter }));
  const box = make(
    "table", { class: "csg-rows" },
    make("caption", { textContent: "Table 1 on simulated clips: choose row A and row B" }),
    make("colgroup", {}, ...WIDTHS.map((kind) => make("col", { class: kind }))),
    make(
      "thead", {}, make("tr", {}, make("th", { colSpan: 7, scope: "colgroup" }, over), paper),
      make("tr", {}, ...letters, network, make("td", { class: "csg-field" }, scale.box), ...numbers),
    ),
    body,
  );
  const draw = (names, sort, reversed) => {
    drawHeads(sort, reversed);
    const way = (sort === "order") === reversed ? -1 : 1; // numbers begin with the highest, unless reversed
    const sorted = [...lines].sort((one, other) => way * (one.row[sort] - other.row[sort]));
    sorted.forEach(({ element }, at) => {
      if (body.children[at] !== element) body.insertBefore(element, body.children[at] ?? null); // keeps the focus
    });
    for (const line of lines) line.draw(names);
  };
  return { box, draw };
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "table-reader", label: "Table reader" });
  const facts = desk.get("facts");
  const named = Object.fromEntries(facts.rows.map((row) => [row.name, row]));
  const table = tableOf(desk, facts);
  const [clips, difference] = [make("table", { class: "csg-square" }), make("div")];
  const [test, sentence] = [paragraph("csg-small"), paragraph("csg-sentence")];
  const sides = make("p", { class: "csg-sides" }, ...["\u2190 B is better", "A is better \u2192"].map((textContent) => make("span", { textContent })));
  const right = make("div", { class: "csg-less" }, paragraph("csg-title", "A minus B, points of accuracy"), sides, difference, test);
  const two = make("div", { class: "csg-pair" }, clips, right);
  desk.root.append(make("div", { class: "csg-scroll" }, table.box), two, sentence, paragraph("csg-small", footnoteOf(facts)));
  desk.follow([...TRAITS, "sort", "reversed"], () => {
    const [first, second, sort, reversed] = desk.values(...TRAITS, "sort", "reversed");
    const pair = facts.pairs[`${first}>${second}`];
    table.draw([first, second], sort, reversed);
    two.hidden = !pair;
    if (pair) {
      clips.innerHTML = square(pair, named[first], named[second]);
      difference.replaceChildren(differenceOf(facts, pair));
      test.textContent = mcnemarOf(pair);
    }
    say(sentence, verdictOf(facts, pair, named[first], named[second]));
  });
  return () => desk.close();
}

export default { render };
