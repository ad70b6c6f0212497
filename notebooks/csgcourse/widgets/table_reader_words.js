// Notebook 10: what may be said of two rows, in words.

const LETTERS = ["A", "B"];
const CLEAR = 0.05; // the p under which a test is taken to have said something
const points = (share) => `${share < -0.0005 ? "\u2212" : share > 0.0005 ? "+" : ""}${Math.abs(100 * share).toFixed(1)}`;
const tenths = (share) => (100 * share).toFixed(1);
const about = (count) => Number(count.toPrecision(2)).toLocaleString("en");
const chance = (p) => (p < 0.001 ? "under 0.001" : p.toFixed(p < 0.1 ? 3 : 2));

/** "3 seeds", "1 clip". */
const counted = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

const leavesOutZero = ({ difference: [, low, high] }) => low > 0 || high < 0;

function noPair(one, other, rows) {
  if (rows.length < 2) return `${one.title} is the only row here: there is nothing to compare it with yet.`;
  if (one.name === other.name) return `A and B are both ${one.title}: pick another row for one of them.`;
  return (
    `${one.title} was tested on clips of ${one.frames} frames, ${other.title} on clips of ${other.frames}: other clips, ` +
    "so that nothing can be said clip by clip. Each has its own interval, and no more is known."
  );
}

/** Where the test that takes clips for independent, or one seed, says otherwise. */
function otherwise({ chances, seeds }) {
  const least = Math.min(...chances);
  if (least >= CLEAR) return "";
  return seeds > 1
    ? ` One seed alone might have said otherwise: McNemar's p is down to ${chance(least)}.`
    : ` McNemar's p, ${chance(least)}, says otherwise, but takes clips for independent, and a patient has several.`;
}

function undecided(pair, { clips }) {
  const { answers: [, alone, otherAlone], difference: [value], wanted } = pair;
  if (!alone && !otherAlone) return "Both are right on the very same clips.";
  const more = wanted > clips ? ` If the difference is really ${tenths(Math.abs(value))} points, it takes about ${about(wanted)} test clips to see it.` : "";
  return `It holds 0: on these ${clips} clips nobody knows which is better.${otherwise(pair)}${more}`;
}

function howSure({ chances, seeds }) {
  const most = Math.max(...chances);
  if (seeds > 1 && most < CLEAR) return `McNemar's p is under ${CLEAR} in each of ${seeds} seeds.`;
  if (seeds > 1) return `Not every seed shows it: McNemar's p is up to ${chance(most)}.`;
  if (most < CLEAR) return "Each was trained once: another seed may turn it round.";
  return `McNemar's test is less sure, p = ${chance(most)}: too close to call.`;
}

function decided(pair, one, other, { apart, pairs }) {
  const [better, worse] = pair.difference[0] > 0 ? [one, other] : [other, one];
  return (
    `It leaves out 0: of patients like these, ${better.title} gets more clips right than ${worse.title}. ` +
    `${howSure(pair)} Of the ${counted(Object.keys(pairs).length / 2, "pair")} here ${apart} leave out 0; ` +
    "were all networks equally good, one in twenty would by chance."
  );
}

/** The sentence under the table. */
function verdictOf(facts, pair, one, other) {
  if (!pair) return noPair(one, other, facts.rows);
  const [value, low, high] = pair.difference.map(points);
  const found = `${one.title} less ${other.title}: ${value} points, interval of 95\u00a0% from ${low} to ${high}.`;
  return `${found} ${leavesOutZero(pair) ? decided(pair, one, other, facts) : undecided(pair, one)}`;
}

function mcnemarOf({ chances, answers: [, alone, otherAlone] }) {
  const said = chances.map(chance).join(", ");
  if (chances.length > 1) return `McNemar's p, seed by seed: ${said}.`;
  return (
    `McNemar's p: ${said}. As often as that, two equally good networks part as much or more ` +
    `on the ${counted(alone + otherAlone, "clip")} that one alone gets right.`
  );
}

/** What the numbers are of; rows of other frames have other clips. */
function footnoteOf({ rows }) {
  const tests = new Map(rows.map((row) => [row.frames, row]));
  const said = [...tests.values()].map(
    ({ frames, clips, patients }) =>
      `${counted(clips, "clip")} of ${counted(patients, "patient")} with ${frames} frames (one clip is ${(100 / clips).toFixed(2)} points)`,
  );
  return (
    `Test: ${said.join("; ")}, simulated. Intervals come from drawing patients; a row whose interval reaches the dashed line ` +
    "may have learned nothing. Violet numbers are printed in the paper, for its own patients: nothing is computed with them. " +
    "Not for diagnosis."
  );
}
