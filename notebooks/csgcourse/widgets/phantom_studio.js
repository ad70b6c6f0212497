// Notebook 07: grade a plaque by eye, then turn it and see its measures and grades follow. The
// kernel simulates; phantom_studio_pictures.js paints what it answers.

const DIALS = ["number", "stenosis", "side", "plaque", "calcium", "gain", "haze", "frame"];
const SIDES = [["far", "far"], ["near", "near"], ["left", "left"], ["right", "right"], ["concentric", "all round"]];
const TYPES = [["I", "I, all dark"], ["II", "II, mostly dark"], ["III", "III, mostly bright"], ["IV", "IV, all bright"]];
const LARGE = 512; // pixels of the picture's canvas
const PACE = 250; // milliseconds a frame
const PATIENCE = 8000; // milliseconds until a missing answer is worth a word

const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** Whether the picture on show was made with the dials as they stand. */
const settled = (desk) =>
  JSON.stringify(DIALS.map((dial) => desk.get(dial))) === JSON.stringify(desk.get("facts").dials);

function score(desk) {
  const [right, seen] = [desk.get("right"), desk.get("seen")];
  return seen ? `${right} of ${seen} graded right` : "none graded yet";
}

/** Which rules say something else than the first, of those that know the same grades. */
function quarrel([first, ...others]) {
  const alike = others.filter(({ grades }) => grades.length === first.grades.length);
  const apart = alike.filter(({ grade }) => grade !== first.grade);
  if (!apart.length) return "The rules that measure area agree.";
  const names = apart.map(({ name }) => name).join(" and ");
  return `${capital(apart[0].grade)} by ${names}.`;
}

function sentenceOf(desk, { closed, narrowest, rules }) {
  const plaque = `Plaque ${desk.get("number")}`;
  if (!desk.get("guess")) return `${plaque}, frame ${desk.get("frame")}. What is closed waits for your grade; ${score(desk)}.`;
  const share = (measure) => `${Math.round(100 * closed[measure][narrowest - 1])}\u00a0%`;
  const where = desk.get("side") === "concentric" ? "all round" : `on the ${desk.get("side")} wall`;
  const chalk = desk.get("calcium") ? `, calcium in ${desk.get("calcium")}\u00a0% of its arc` : "";
  return (
    `${plaque}, type ${desk.get("plaque")} ${where}${chalk}. Narrowest is frame ${narrowest}: ${share("diameter")} of the ` +
    `diameter and ${share("area")} of the area are closed; against the outer contour it would read ${share("outer")}. ` +
    `${capital(rules[0].grade)} by ${rules[0].name}. ${quarrel(rules)}`
  );
}

/** The question. Whatever would give the grade away is out of sight until it is answered. */
function question(desk, after) {
  const grade = (guess) => () => {
    const answer = desk.get("facts").rules[0].grade;
    desk.put("answer", answer);
    desk.put("seen", desk.get("seen") + 1);
    desk.put("right", desk.get("right") + (guess === answer));
    desk.put("guess", guess);
    after();
  };
  const buttons = desk.get("facts").rules[0].grades.map((guess) => desk.button(capital(guess), grade(guess)));
  const asked = "Grade by eye first: has this artery lost half of its diameter, or more, where it is narrowest?";
  const words = "No is mild, yes is severe. Gain and haze may be turned, as at a scanner.";
  const box = make(
    "div",
    { class: "csg-question" },
    make("strong", { textContent: asked }),
    make("p", { class: "csg-small", textContent: words }),
    make("div", { class: "csg-row" }, ...buttons),
  );
  const draw = (open, waiting) => {
    box.hidden = open;
    for (const button of buttons) button.disabled = waiting;
  };
  return { box, draw, focus: () => buttons[0].focus() };
}

function verdictOf(desk) {
  const [guess, answer] = [desk.get("guess"), desk.get("answer")];
  if (!answer) return ""; // opened by the kernel
  const judged = guess === answer ? `${capital(guess)}: right.` : `You said ${guess}; it was ${answer}.`;
  return `${judged} So far ${score(desk)}.`;
}

/** The picture, and the way along the sweep it is from. */
function leftSide(desk) {
  const frames = desk.get("facts").closed.area.length;
  const canvas = make("canvas", { class: "csg-large", width: LARGE, height: LARGE, role: "img" });
  const lines = legend();
  const bars = profile(desk, frames);
  const step = () => settled(desk) && desk.put("frame", (desk.get("frame") % frames) + 1);
  const next = desk.player("playing", step, PACE);
  const slider = desk.slider("frame", { label: "Frame", min: 1, max: frames });
  const words = make("p", { class: "csg-small", textContent: "Diameter closed in each frame; half is the dashed line." });
  const box = make("div", { class: "csg-left" }, canvas, lines, make("div", { class: "csg-time" }, slider, next.button), bars.box, words);
  const draw = (shown, open) => {
    const outlined = open && desk.get("outlined");
    paint(canvas, shown, outlined);
    canvas.setAttribute("aria-label", `An artery cut across, frame ${desk.get("frame")}${outlined ? ", with its contours" : ""}`);
    lines.hidden = !outlined;
    bars.box.hidden = words.hidden = !open;
    bars.draw(shown, desk.get("frame"));
  };
  return { box, draw };
}

/** The dials: those of the scanner always, those of the plaque once it is graded. */
function dials(desk) {
  const plaque = make(
    "div",
    { class: "csg-dials" },
    desk.slider("stenosis", { label: "Stenosis, %", min: 0, max: 100 }),
    desk.slider("calcium", { label: "Calcium, %", min: 0, max: 100 }),
    desk.choice("side", { label: "Where the plaque sits; near is next to the probe", options: SIDES }),
    desk.choice("plaque", { label: "Gray-Weale type: how it echoes", options: TYPES }),
  );
  const scanner = make(
    "div",
    { class: "csg-dials" },
    desk.slider("gain", { label: "Gain, dB", min: -14, max: 8 }),
    desk.slider("haze", { label: "Haze, dB", min: -40, max: -10 }),
  );
  return { plaque, scanner };
}

/** Calls `draw` once if nothing ends the waiting in time. */
function patience(desk, draw) {
  let clock = 0;
  desk.closing.push(() => clearTimeout(clock));
  return (waiting) => {
    if (waiting) clock ||= setTimeout(draw, PATIENCE);
    else {
      clearTimeout(clock);
      clock = 0;
    }
  };
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "phantom-studio", label: "Phantom studio" });
  let asksAgain = false;
  const fresh = desk.button("A new plaque", () => {
    asksAgain = true;
    desk.put("number", desk.get("number") + 1);
  });
  const ask = question(desk, () => fresh.focus()); // its buttons go
  const left = leftSide(desk);
  const { plaque, scanner } = dials(desk);
  const [shares, table] = [measures(), gradeTable(desk.get("facts").rules)];
  const contours = desk.checkbox("outlined", "contours");
  const verdict = make("p", { class: "csg-verdict" });
  const sentence = make("p", { class: "csg-sentence" });
  const tools = make("div", { class: "csg-row" }, fresh, contours);
  const right = make("div", { class: "csg-right" }, ask.box, verdict, plaque, scanner, tools, shares.box);
  desk.root.append(make("div", { class: "csg-desk" }, left.box, right, table.box), sentence);

  let [shown, of] = [null, null];
  const wait = patience(desk, () => say(sentence, "No answer from the kernel: is it still busy, or was it stopped?"));
  const draw = () => {
    if (of !== desk.get("facts")) [shown, of] = [read(model), desk.get("facts")];
    const [open, problem] = [desk.get("guess") !== "", desk.get("problem")];
    const waiting = !settled(desk) && !problem;
    wait(waiting);
    desk.root.classList.toggle("csg-waiting", waiting);
    left.draw(shown, open);
    ask.draw(open, waiting);
    for (const part of [verdict, plaque, contours, shares.box, table.box]) part.hidden = !open;
    shares.draw(shown, desk.get("frame"));
    table.draw(shown.rules);
    if (open) verdict.textContent = verdictOf(desk);
    if (problem) say(sentence, `The picture is an older one, for this failed: ${problem}`);
    else if (!waiting) say(sentence, sentenceOf(desk, shown), desk.get("playing"));
    if (asksAgain && !open && !waiting) {
      asksAgain = false;
      ask.focus();
    }
  };
  desk.follow([...DIALS, "facts", "guess", "outlined", "playing", "problem"], draw);
  return () => desk.close();
}

export default { render };
