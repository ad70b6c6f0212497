// Notebook 10: the table, sorted by any column; two rows picked; what their clips say. Python has
// counted every pair; table_reader_words.js says it, table_reader_pictures.js draws it.

const COLUMNS = [ // key, words, and whether it is the paper's
  ["order", "network"],
  ["accuracy", "accuracy %"],
  ["f1", "F1 %"],
  ["parameters", "10\u2076 weights"],
  ["printed_accuracy", "acc.\u00a0%", "paper"],
  ["printed_f1", "F1 %", "paper"],
];
const WIDTHS = ["csg-pick", "csg-pick", "csg-wide", "csg-rest", "csg-interval", "", "csg-long", "", ""];
const TRAITS = ["first", "second"];

/** The rows in their present order; numbers begin with the highest, unless turned. */
function ordered(rows, sort, turned) {
  const way = (sort === "order") === turned ? -1 : 1;
  return [...rows].sort((one, other) => way * (one[sort] - other[sort]));
}

/** Heads that sort: a press on another column, its highest first; on the same, the other way. */
function heads(desk) {
  const press = (key) => {
    const again = desk.get("sort") === key;
    desk.put("sort", key);
    desk.put("turned", again && !desk.get("turned"));
  };
  const cells = COLUMNS.map(([key, words, whose]) => {
    const button = desk.button(words, () => press(key));
    if (key === "order") button.title = "in the paper's order";
    const cell = make("th", { scope: "col", class: `csg-head csg-${key} ${whose ? "csg-printed" : ""}` }, button);
    return { key, cell };
  });
  const draw = (sort, turned) => {
    for (const { key, cell } of cells) {
      const rising = (key === "order") !== turned;
      cell.setAttribute("aria-sort", key === sort ? (rising ? "ascending" : "descending") : "none");
    }
  };
  return { cells: cells.map(({ cell }) => cell), draw };
}

/** The two buttons of a row: it becomes A, or B. */
function chips(desk, row, groups) {
  return TRAITS.map((trait, side) => {
    const radio = make("input", { type: "radio", name: groups[side], "aria-label": `${LETTERS[side]}: ${row.title}` });
    radio.addEventListener("change", () => desk.put(trait, row.name));
    const shown = make("label", { class: `csg-chip csg-${trait}` }, radio, make("span", { textContent: LETTERS[side] }));
    return { radio, cell: make("td", {}, shown) };
  });
}

function lineOf(desk, row, groups, axis) {
  const picks = chips(desk, row, groups);
  const [low, high] = row.interval.map(tenths);
  const cell = (text, kind = "") => make("td", { class: kind, textContent: text });
  const element = make(
    "tr", {}, ...picks.map((pick) => pick.cell),
    make("th", { scope: "row", textContent: row.title }),
    make("td", { class: "csg-field" }, plotOf(row, axis)),
    make("td", {}, tenths(row.accuracy), make("small", { textContent: ` [${low}, ${high}]` })),
    cell(tenths(row.f1)),
    cell((row.parameters / 1e6).toFixed(1)),
    cell(row.printed_accuracy.toFixed(1), "csg-printed"),
    cell(row.printed_f1.toFixed(1), "csg-printed"),
  );
  const draw = (names) => {
    for (const [side, name] of names.entries()) {
      picks[side].radio.checked = name === row.name;
      element.classList.toggle(`csg-is-${TRAITS[side]}`, name === row.name);
    }
  };
  return { row, element, draw };
}

function tableOf(desk, facts) {
  const groups = LETTERS.map((letter) => `csg-${letter}-${Math.random().toString(36).slice(2)}`);
  const head = heads(desk);
  const [network, ...numbers] = head.cells;
  const lines = facts.rows.map((row) => lineOf(desk, row, groups, facts.axis));
  const named = Object.fromEntries(lines.map((line) => [line.row.name, line]));
  const body = make("tbody", {}, ...lines.map(({ element }) => element));
  const letters = LETTERS.map((letter) => make("th", { scope: "col", textContent: letter }));
  const seeds = [...new Set(facts.rows.map((row) => row.seeds))].sort().join(" or ");
  const whose = `Ours: simulated patients, ${seeds === "1" ? "one training" : `${seeds} trainings`} a row`;
  const over = make("div", { class: "csg-over" }, make("span", { textContent: whose }), keyOf());
  const top = make(
    "tr", {},
    make("th", { colSpan: 7, scope: "colgroup" }, over),
    make("th", { colSpan: 2, scope: "colgroup", class: "csg-printed", textContent: "the paper's, other patients" }),
  );
  const field = make("td", { class: "csg-field" }, scaleOf(facts.axis));
  const box = make(
    "table", { class: "csg-rows" },
    make("caption", { textContent: "Table 1 on simulated clips: pick row A and row B" }),
    make("colgroup", {}, ...WIDTHS.map((kind) => make("col", { class: kind }))),
    make("thead", {}, top, make("tr", {}, ...letters, network, field, ...numbers)),
    body,
  );
  const draw = (names, sort, turned) => {
    head.draw(sort, turned);
    const rows = ordered(facts.rows, sort, turned).map(({ name }) => named[name]);
    rows.forEach(({ element }, at) => {
      if (body.children[at] !== element) body.insertBefore(element, body.children[at]);
    });
    for (const line of lines) line.draw(names);
  };
  return { box, draw };
}

/** The two rows that are picked, clip by clip. */
function comparison(facts) {
  const clips = square();
  const title = make("p", { class: "csg-title" });
  const sides = make("p", { class: "csg-sides" }, make("span", { textContent: "\u2190 B is better" }), make("span", { textContent: "A is better \u2192" }));
  const axis = make("div", {});
  const test = make("p", { class: "csg-small" });
  const right = make("div", { class: "csg-less" }, title, sides, axis, test);
  const box = make("div", { class: "csg-pair" }, clips.box, right);
  const draw = (pair, one, other) => {
    box.hidden = !pair;
    clips.draw(pair, one, other);
    if (!pair) return;
    title.textContent = "A less B, points of accuracy";
    axis.replaceChildren(differenceOf(facts, pair));
    test.textContent = mcnemarOf(pair);
  };
  return { box, draw };
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "table-reader", label: "Table reader" });
  const facts = desk.get("facts");
  const named = Object.fromEntries(facts.rows.map((row) => [row.name, row]));
  const table = tableOf(desk, facts);
  const two = comparison(facts);
  const sentence = make("p", { class: "csg-sentence" });
  desk.root.append(table.box, two.box, sentence, make("p", { class: "csg-small", textContent: footnoteOf(facts) }));
  desk.follow(["first", "second", "sort", "turned"], () => {
    const [first, second, sort, turned] = [...TRAITS, "sort", "turned"].map((trait) => desk.get(trait));
    const pair = facts.pairs[`${first}>${second}`];
    table.draw([first, second], sort, turned);
    two.draw(pair, named[first], named[second]);
    say(sentence, verdictOf(facts, pair, named[first], named[second]));
  });
  return () => desk.close();
}

export default { render };
