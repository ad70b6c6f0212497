// The map against the truth of a simulated clip, as csglib/view/scores.py defines it.

const ALIKE = 1e-6; // numbers that differ by a smaller part are rounding, and tie

/**
 * How much of the attention lies in the plaque, and how high the narrowest frame ranks.
 *
 * `inside`: its share of the attention that falls on patches; `area`: the plaque's share of the
 * patches that may be asked; `rank`: 1 for the most attended frame, ties share their mean rank;
 * null where not all frames may be asked.
 */
function scoresOf(map, masks, totals, narrowest) {
  let [all, inPlaque, plaque, patches] = [0, 0, 0, 0];
  map.forEach((share, cell) => {
    if (Number.isNaN(share)) return;
    all += share;
    inPlaque += share * masks[cell];
    plaque += masks[cell];
    patches += 1;
  });
  const known = totals.filter((total) => !Number.isNaN(total));
  const sum = known.reduce((so, total) => so + total, 0);
  const step = (total) => Math.round((total * known.length) / (sum * ALIKE));
  const own = step(totals[narrowest]);
  const above = known.filter((total) => step(total) > own).length;
  const level = known.filter((total) => step(total) === own).length;
  return {
    inside: inPlaque / all,
    area: plaque / patches,
    rank: known.length < totals.length ? null : 1 + above + (level - 1) / 2,
    frames: known.length,
  };
}

// What a softmax of the class token's own holds fixed.
const FIXED = {
  space: " In this branch each frame has a softmax of its own: look at places, not at ranks.",
  time: " In this branch each place has a softmax of its own: look at ranks, not at shares.",
};

/** In words, for a line of the page and for a screen reader. */
function scoreWords({ inside, area, rank, frames }, { query, axis }) {
  const times = area ? `${(inside / area).toFixed(2)} times its share` : "no plaque here";
  const ranked = rank === null ? "" : `; the narrowest frame ranks ${rank} of ${frames}`;
  return `${percent(inside)} of the attention in the plaque, which is ${percent(area)} of the area: ${times}${ranked}.${(!query && FIXED[axis]) || ""}`;
}

/** Scores of each side, while the truth is shown. */
function scoreBoard(data) {
  const list = make("ul", { class: "csg-scores" });
  const title = make("p", { class: "csg-title", textContent: "Scores against the truth" });
  const box = make("div", { class: "csg-figure csg-score-board" }, title, list);
  const draw = ({ panels, truth }) => {
    box.hidden = !truth;
    if (!truth) return;
    const lines = panels.map((panel, side) => {
      const name = panels.length > 1 ? `${sideWords(data, panel, side)}: ` : "";
      if (!panel.map) return `${name}${panel.missing}`;
      return name + scoreWords(scoresOf(panel.map, data.masks, panel.totals, truth.narrowest - 1), panel);
    });
    list.replaceChildren(...lines.map((textContent) => make("li", { textContent })));
  };
  return { box, draw };
}
