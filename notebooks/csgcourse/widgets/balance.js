// Notebook 05: two branches on a seesaw. The reader guesses where training will leave the beam.

const SETTINGS = ["time_noise", "space_noise", "reading", "start", "decay"];
const RIGHT = 0.05; // a guess this close is right
const STILL = 1e-4; // a share that moves less than this in a step has settled
const fixed = (number) => (Math.abs(number) < 0.005 ? 0 : number).toFixed(2).replace("-", "−");

/** Both branches' errors at the present noise. */
function misses(desk) {
  const unit = floats(desk.model, "errors");
  const half = unit.length / 2;
  const louder = (errors, noise) => Float64Array.from(errors, (error) => error * desk.get(noise));
  return {
    space: louder(unit.subarray(0, half), "space_noise"),
    time: louder(unit.subarray(half), "time_noise"),
  };
}

function controls(desk) {
  const noise = { min: 0, max: 1, step: 0.05 };
  return make(
    "div",
    { class: "csg-row" },
    desk.slider("time_noise", { label: "Noise of time", ...noise }),
    desk.slider("space_noise", { label: "Noise of space", ...noise }),
    desk.choice("reading", {
      label: "Share from what is learned",
      options: [["sigmoid", "sigmoid"], ["softmax", "softmax"], ["raw", "raw"], ["even", "even"]],
    }),
    desk.choice("start", {
      label: "Share a at the start",
      options: [[0.01, "0.01"], [0.5, "0.50"], [0.99, "0.99"]],
    }),
    desk.choice("decay", { label: "Weight decay", options: [[0, "none"], [0.01, "0.01"], [0.1, "0.1"]] }),
  );
}

/** The chain rule with its present numbers; the middle factor also as a bar, full at a quarter. */
function chain() {
  const term = (words) => {
    const number = make("b");
    return { number, shown: make("span", { class: "csg-term" }, number, make("small", { textContent: words })) };
  };
  const [slope, factor, gradient] = ["d loss / d a", "", "d loss / d theta"].map(term);
  const fill = make("span", { class: "csg-length" });
  factor.shown.append(make("span", { class: "csg-track" }, fill));
  const row = make("div", { class: "csg-chain" }, slope.shown, "×", factor.shown, "=", gradient.shown);
  const draw = (reading, here) => {
    const signed = (number) => (number > 0 ? "+" : "") + number.toFixed(3).replace("-", "−");
    const words = { raw: "1: a is learned itself", even: "0: nothing is learned" };
    slope.number.textContent = signed(here.slope);
    factor.number.textContent = here.factor.toFixed(3);
    factor.shown.querySelector("small").textContent = words[reading] ?? "a (1 − a), at most 0.25";
    gradient.number.textContent = signed(here.gradient);
    gradient.shown.querySelector("small").textContent =
      { raw: "d loss / d a", softmax: "for theta of space" }[reading] ?? "d loss / d theta";
    fill.style.width = `${100 * Math.min(1, here.factor / 0.25)}%`;
  };
  return { row, draw };
}

/** Why the share ended where it did. */
function reason(desk, path, best) {
  const [before, last] = path.slice(-2);
  if (desk.get("reading") === "even") return `Nothing is learned; the least error would be at ${fixed(best)}.`;
  if (Number.isNaN(best)) return desk.get("decay") ? "Both branches are right: only weight decay pulls." : "Both branches are right, so nothing pulls.";
  if (Math.abs(last.share - best) <= 0.02) return "There the mixture misses least.";
  const least = `The mixture would miss least at ${fixed(best)}, `;
  if (!desk.get("decay") || Math.abs(last.share - before.share) > STILL)
    return `${least}but near the ends a (1 − a) is small and the way is long.`;
  const home = desk.get("reading") === "raw" ? "a to 0: time alone" : "theta to 0: even shares";
  return `${least}but weight decay pulls ${home}.`;
}

function sentenceOf(desk, path, step) {
  const [t, s] = [desk.get("time_noise"), desk.get("space_noise")];
  if (!step) return `Noise of time ${fixed(t)}, of space ${fixed(s)}; your guess is a = ${fixed(desk.get("guess"))}.`;
  const { share } = path[step];
  const stands = `Step ${step}: a = ${fixed(share)}, so space counts ${percent(share)}, time ${percent(1 - share)}.`;
  if (step < path.length - 1) return stands;
  const guess = desk.get("guess");
  const right = Math.abs(guess - share) <= RIGHT ? "your guess was right" : `you guessed ${fixed(guess)}`;
  return `${stands.slice(0, -1)}; ${right}. ${reason(desk, path, t ** 2 / (t ** 2 + s ** 2))}`;
}

/** Start, pause, walk through the steps, and go back to guessing. */
function training(desk, steps) {
  const onward = () => {
    if (!CALM.matches && !desk.get("playing")) return; // the last tick before the pause is drawn
    const at = desk.get("step");
    const next = at >= steps ? 1 : Math.min(steps, at + (CALM.matches ? 10 : 1));
    desk.put("step", next);
    if (next === steps) desk.put("playing", false);
  };
  const { button, toggle } = desk.player("playing", onward, 25);
  const guess = desk.slider("guess", { label: "Your guess for a", min: 0, max: 1, step: 0.01 });
  const step = desk.slider("step", { label: "Step", min: 1, max: steps });
  const again = desk.button("Guess again", () => {
    desk.put("playing", false);
    desk.put("step", 0);
    guess.hidden = false; // what is hidden takes no focus
    guess.querySelector("input").focus();
  });
  const row = make("div", { class: "csg-training" }, button, guess, step, again);
  const name = () => {
    const at = desk.get("step");
    const idle = CALM.matches ? "Train 10 steps" : at === 0 ? "Train" : at < steps ? "Train on" : "Train again";
    button.textContent = desk.get("playing") && !CALM.matches ? "Pause" : idle;
  };
  desk.follow(["playing"], name); // after the player, which has a name of its own for the button
  const draw = (at) => {
    guess.hidden = at > 0;
    step.hidden = again.hidden = !at;
    name();
  };
  return { row, draw, toggle, focus: () => guess.querySelector("input").focus() };
}

function dragging(desk, { svg, pointed }, focus) {
  const follow = (event) => desk.get("step") || desk.put("guess", Math.round(100 * pointed(event)) / 100);
  svg.addEventListener("pointerdown", (event) => {
    if (desk.get("step")) return;
    svg.setPointerCapture(event.pointerId);
    event.preventDefault(); // the focus goes to the slider, whose keys move the beam too
    focus();
    follow(event);
  });
  svg.addEventListener("pointermove", (event) => svg.hasPointerCapture(event.pointerId) && follow(event));
}

function render({ model, el }) {
  const { steps, rate } = model.get("facts");
  const desk = new Desk(model, el, {
    name: "balance", label: "Balance", keys: { " ": () => run.toggle() },
  });
  const run = training(desk, steps);
  const [beam, points, slope, shares, product] = [seesaw(), dots(), hill(), trail(steps), chain()];
  dragging(desk, beam, run.focus);
  const panel = make(
    "div",
    { class: "csg-question" },
    make("strong", { textContent: "Guess first: where will training leave the beam?" }),
    make("p", { textContent: "Both branches estimate the same known answer; the dots are their misses. Tilt the beam by hand, then train." }),
  );
  const charts = make("div", { class: "csg-charts" }, slope.box, product.row, shares.box);
  const sentence = make("p", { class: "csg-sentence" });
  const left = make("div", { class: "csg-scale" }, beam.box, points.box);
  const key =
    "Beside the dots: the typical miss (root mean square). Arrow: where the next step goes, long where " +
    "the gradient is strong. Space bar: train, pause.";
  desk.root.append(
    controls(desk),
    make("div", { class: "csg-sides" }, left, make("div", { class: "csg-answer" }, panel, charts)),
    run.row,
    sentence,
    make("p", { class: "csg-small", textContent: key }),
  );

  let known = "";
  const draw = () => {
    const [, , reading, start, decay] = SETTINGS.map((trait) => desk.get(trait));
    const now = SETTINGS.map((trait) => desk.get(trait)).join();
    const changed = known !== "" && known !== now;
    known = now;
    if (changed && desk.get("step")) {
      desk.put("playing", false); // a new question: the old answer goes
      desk.put("step", 0);
    }
    const [at, guess, errors] = [desk.get("step"), desk.get("guess"), misses(desk)];
    const path = descend(errors, { reading, start, decay }, { steps, rate });
    const here = path[at];
    const share = at ? here.share : guess;
    const mixture = errors.space.map((error, clip) => share * error + (1 - share) * errors.time[clip]);
    beam.draw(share, at ? guess : null);
    beam.svg.classList.toggle("csg-open", at === 0);
    points.draw(at ? { ...errors, mixture } : errors);
    const height = here.loss + READINGS[reading].half * decay * here.at ** 2;
    slope.draw(landscape(errors, { reading, decay }), { at: here.at, height, push: here.push }, READINGS[reading], decay);
    product.draw(reading, here);
    shares.draw(path.slice(0, at + 1).map((row) => row.share), guess);
    panel.hidden = at > 0;
    charts.classList.toggle("csg-unseen", at === 0);
    run.draw(at);
    say(sentence, sentenceOf(desk, path, at), desk.get("playing"));
  };
  desk.follow([...SETTINGS, "guess", "step", "playing"], draw);
  return () => desk.close();
}

export { descend };
export default { render };
