// Notebook 07: grade a plaque by eye, then change it and see its measures and grades follow. The
// kernel simulates; the page draws its last reply.

const DIALS = ["number", "stenosis", "side", "plaque", "calcium", "gain", "haze", "frame"];
const SIDES = [["far", "far"], ["near", "near"], ["left", "left"], ["right", "right"], ["concentric", "concentric"]];
const TYPES = [["I", "I, all dark"], ["II", "II, mostly dark"], ["III", "III, mostly bright"], ["IV", "IV, all bright"]];
const CONTOURS = [["outer wall", [1.2, 2.2]], ["vessel", [4, 2.5]], ["remnant vessel", []]]; // names, dashes
const MEASURES = [["diameter", "Diameter"], ["area", "Area"], ["outer", "Area, outer"]];
const LARGE = 512; // pixels of the picture's canvas
const PACE = 250; // milliseconds a frame
const PATIENCE = 8000; // milliseconds until a missing reply is worth a message

const capital = (word) => word[0].toUpperCase() + word.slice(1);
const whole = (share) => `${Math.round(100 * share)}\u00a0%`;
const contour = (canvas, corners, dashes) => drawPolygon(canvas, corners, { colour: "#ffd24d", line: 2.2, dashes });

/** Whether the picture on show was made with the present settings. */
const settled = (desk) => JSON.stringify(desk.values(...DIALS)) === JSON.stringify(desk.get("facts").dials);

function score(desk) {
  const [correct, graded] = desk.values("correct", "graded");
  return graded ? `${correct} of ${graded} graded correctly` : "none graded yet";
}

function sentenceOf(desk, { stenoses, narrowest, rules: [first, ...others] }) {
  const [number, frame, side, plaque, calcium] = desk.values("number", "frame", "side", "plaque", "calcium");
  if (!desk.get("guess")) return `Plaque ${number}, frame ${frame}. Its stenosis is shown after your grade; ${score(desk)}.`;
  const at = (measure) => whole(stenoses[measure][narrowest - 1]);
  const where = side === "concentric" ? "concentric" : `on the ${side} wall`;
  const apart = others.filter(({ grades, grade }) => grades.length === first.grades.length && grade !== first.grade);
  const names = apart.map(({ name }) => name).join(" and ");
  return (
    `Plaque ${number}, type ${plaque} ${where}${calcium ? `, calcium in ${calcium}\u00a0% of its arc` : ""}. ` +
    `Frame ${narrowest} is the narrowest: diameter stenosis ${at("diameter")}, area stenosis ${at("area")}; ` +
    `against the outer wall it would read ${at("outer")}. ${capital(first.grade)} by ${first.name}. ` +
    (apart.length ? `${capital(apart[0].grade)} by ${names}.` : "The rules that measure area agree.")
  );
}

/** The question; whatever would give the grade away is hidden until it is answered. */
function question(desk, after) {
  const grade = (guess) => () => {
    const truth = desk.get("facts").rules[0].grade;
    desk.put("truth", truth);
    desk.put("graded", desk.get("graded") + 1);
    desk.put("correct", desk.get("correct") + (guess === truth));
    desk.put("guess", guess);
    after();
  };
  const buttons = desk.get("facts").rules[0].grades.map((guess) => desk.button(capital(guess), grade(guess)));
  const panel = guessPanel(
    "Grade by eye first: has this artery lost half of its diameter, or more, where it is narrowest?",
    paragraph("csg-small", "No is mild, yes is severe. Gain and haze may be changed, as at a scanner."),
    make("div", { class: "csg-row" }, ...buttons),
  );
  return { panel, buttons };
}

function verdictOf(desk) {
  const [guess, truth] = desk.values("guess", "truth");
  if (!truth) return ""; // opened by the kernel
  return `${guess === truth ? `${capital(guess)}: correct.` : `You said ${guess}; it was ${truth}.`} So far ${score(desk)}.`;
}

/** Diameter stenosis in each frame of the sweep; a bar leads to its frame. */
function profile(desk, frames) {
  const buttons = Array.from({ length: frames }, (_, frame) => {
    const button = desk.button("", () => {
      desk.put("frame", frame + 1);
      desk.root.querySelector('[aria-label="Frame"]').focus(); // so that keys go on from here
    });
    button.tabIndex = -1; // the frame slider is the way for keys
    button.append(make("span", { class: "csg-fill" }));
    return button;
  });
  const draw = ({ stenoses, narrowest }, current) =>
    buttons.forEach((button, frame) => {
      const stenosis = stenoses.diameter[frame];
      button.firstChild.style.height = `${Math.max(2, 100 * stenosis)}%`;
      button.classList.toggle("csg-current", frame + 1 === current);
      button.classList.toggle("csg-narrowest", frame + 1 === narrowest);
      const words = `Frame ${frame + 1}, ${Math.round(100 * stenosis)} % diameter stenosis`;
      button.setAttribute("aria-label", frame + 1 === narrowest ? `${words}, the narrowest` : words);
    });
  return { box: make("div", { class: "csg-profile" }, ...buttons), draw };
}

/** The frame, its contours once it is graded, and the way through the sweep. */
function picturePart(desk) {
  const frames = desk.get("facts").stenoses.area.length;
  const canvas = make("canvas", { class: "csg-large", width: LARGE, height: LARGE, role: "img" });
  const legend = make("div", { class: "csg-legend" }, ...CONTOURS.map(([name, dashes]) => {
    const sample = make("canvas", { width: 76, height: 20, "aria-hidden": "true" });
    contour(sample, [0, 0.5, 1, 0.5], dashes);
    return make("span", {}, sample, name);
  }));
  const bars = profile(desk, frames);
  const words = paragraph("csg-small", "Diameter stenosis in each frame; the dashed line is half.");
  const step = () => settled(desk) && desk.put("frame", (desk.get("frame") % frames) + 1);
  const time = make(
    "div", { class: "csg-time" }, desk.slider("frame", { label: "Frame", min: 1, max: frames }), desk.player("playing", step, PACE).button,
  );
  const draw = ({ photograph, contours, ...facts }, open) => {
    const outlined = open && desk.get("outlined");
    blit(canvas, photograph, { smooth: true });
    if (outlined) CONTOURS.forEach(([, dashes], which) => contour(canvas, contours[which], dashes));
    canvas.setAttribute("aria-label", `Cross-section of an artery, frame ${desk.get("frame")}${outlined ? ", with its contours" : ""}`);
    legend.hidden = !outlined;
    bars.box.hidden = words.hidden = !open;
    bars.draw(facts, desk.get("frame"));
  };
  return { box: make("div", { class: "csg-left" }, canvas, legend, time, bars.box, words), draw };
}

/** Stenosis of one frame by three measures, on one scale from 0 to 100 %. */
function measures() {
  const rows = MEASURES.map(([key, name]) => {
    const track = make("div", { class: "csg-track" }, make("span", { class: "csg-length" }));
    return make("div", { class: `csg-measure csg-${key}` }, make("span", { textContent: name }), track, make("b"));
  });
  const draw = ({ stenoses }, frame) =>
    MEASURES.forEach(([key], row) => {
      const stenosis = stenoses[key][frame - 1];
      rows[row].querySelector(".csg-length").style.width = `${Math.max(0, 100 * stenosis)}%`;
      rows[row].lastChild.textContent = `${Math.round(100 * stenosis)} %`;
    });
  return { box: make("div", { class: "csg-measures" }, ...rows), draw };
}

/** The grade by every rule of the library. */
function gradeTable() {
  const table = make("table", { class: "csg-grades" });
  const draw = (rules) => {
    const line = (name, cell) => `<tr><th scope="row">${name}</th>${rules.map(cell).join("")}</tr>`;
    table.innerHTML = `<thead>${line("rule", ({ name }) => `<th scope="col"><code>${name}</code></th>`)}</thead><tbody>
      ${line("measures", ({ measure }) => `<td>${measure}</td>`)}
      ${line("cuts, %", ({ cuts }) => `<td>${cuts.map((cut) => Math.round(100 * cut)).join(", ")}</td>`)}
      ${line("grade", ({ grade, grades }) => `<td class="${grade === grades[0] ? "csg-mild" : ""}">${grade}</td>`)}</tbody>`;
  };
  return { table, draw };
}

const sliders = (desk, ...rows) =>
  rows.map(([trait, label, min, max]) => desk.slider(trait, { label, min, max }));

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "phantom-studio", label: "Phantom studio" });
  let [focusQuestion, clock, shown, of] = [false, 0, null, null];
  const fresh = desk.button("A new plaque", () => {
    focusQuestion = true;
    desk.put("number", desk.get("number") + 1);
  });
  const { panel, buttons } = question(desk, () => fresh.focus()); // its buttons go
  const left = picturePart(desk);
  const plaque = make(
    "div", { class: "csg-dials" }, ...sliders(desk, ["stenosis", "Area stenosis, %", 0, 100], ["calcium", "Calcium, %", 0, 100]),
    desk.choice("side", { label: "Side of the plaque; near is next to the probe", options: SIDES }),
    desk.choice("plaque", { label: "Gray-Weale type: its echo", options: TYPES }),
  );
  const scanner = make("div", { class: "csg-dials" }, ...sliders(desk, ["gain", "Gain, dB", -14, 8], ["haze", "Haze, dB", -40, -10]));
  const [bars, grades] = [measures(), gradeTable()];
  const contours = desk.checkbox("outlined", "contours");
  const [verdict, sentence] = [paragraph("csg-judged"), paragraph("csg-sentence")];
  const tools = make("div", { class: "csg-row" }, fresh, contours);
  const right = make("div", { class: "csg-right" }, panel, verdict, plaque, scanner, tools, bars.box);
  desk.root.append(make("div", { class: "csg-desk" }, left.box, right, grades.table), sentence);

  const read = () => {
    const facts = desk.get("facts");
    const points = floats(model, "contours");
    const each = points.length / CONTOURS.length;
    const [photograph] = greyPictures(bytes(model, "pixels"), { frames: 1, height: facts.size, width: facts.size });
    return { ...facts, photograph, contours: CONTOURS.map((_, which) => points.subarray(which * each, (which + 1) * each)) };
  };
  const late = () => say(sentence, "No reply from the kernel: is it still busy, or was it stopped?");
  const draw = () => {
    if (of !== desk.get("facts")) [shown, of] = [read(), desk.get("facts")];
    const [open, problem] = [desk.get("guess") !== "", desk.get("problem")];
    const waiting = !settled(desk) && !problem;
    if (waiting) clock ||= setTimeout(late, PATIENCE);
    else clock = clearTimeout(clock);
    desk.root.classList.toggle("csg-waiting", waiting);
    left.draw(shown, open);
    for (const part of [verdict, plaque, contours, bars.box, grades.table]) part.hidden = !open;
    panel.hidden = open;
    for (const button of buttons) button.disabled = waiting;
    bars.draw(shown, desk.get("frame"));
    grades.draw(shown.rules);
    verdict.textContent = open ? verdictOf(desk) : "";
    if (problem) say(sentence, `The picture is an older one: this simulation failed, ${problem}`);
    else if (!waiting) say(sentence, sentenceOf(desk, shown), desk.get("playing"));
    if (!focusQuestion || open || waiting) return;
    focusQuestion = false;
    buttons[0].focus();
  };
  desk.closing.push(() => clearTimeout(clock));
  desk.follow([...DIALS, "facts", "guess", "outlined", "playing", "problem"], draw);
  return () => desk.close();
}

export default { render };
