// Notebook 05: two branches on a seesaw. Guess where training leaves the beam, then watch plain
// gradient descent on the parameter behind the gate. The page computes every step.

const SETTINGS = ["time_noise", "space_noise", "clips", "reading", "start", "weight_decay"];
const RIGHT = 0.05; // a guess this close is right
const STILL = 1e-4; // a gate that moves less than this in a step has converged
const TILT = 16; // degrees of the beam when one branch has everything
const PIVOT = { x: 240, y: 98 };
const fixed = (number) => (Math.abs(number) < 0.005 ? 0 : number).toFixed(2).replace("-", "−");
const signed = (number) => (number > 0 ? "+" : "") + number.toFixed(3).replace("-", "−");

/**
 * Parametrisations of the gate. `slopes`: d gate / d each parameter. `axis` of the loss curve, its
 * `range`, the place of the parameters on it (`at`), the gate there; `half`: weight decay / place².
 */
const LOGIT = { range: [-6, 6], ticks: [-6, -4, -2, 0, 2, 4, 6], gateAt: (theta) => 1 / (1 + Math.exp(-theta)) };
const DIRECT = { range: [-0.25, 1.25], ticks: [0, 0.25, 0.5, 0.75, 1], gateAt: (a) => a, axis: "a" };
const READINGS = {
  sigmoid: {
    ...LOGIT, axis: "theta", half: 1 / 2, at: ([theta]) => theta,
    begin: (gate) => [Math.log(gate / (1 - gate))], slopes: (gate) => [gate * (1 - gate)],
  },
  softmax: { // weight decay acts on both; their sum does not change the gate
    ...LOGIT, axis: "theta of space − theta of time", half: 1 / 4, at: ([space, time]) => space - time,
    begin: (gate) => [Math.log(gate), Math.log(1 - gate)],
    slopes: (gate) => [gate * (1 - gate), -gate * (1 - gate)],
  },
  raw: { ...DIRECT, half: 1 / 2, at: ([gate]) => gate, begin: (gate) => [gate], slopes: () => [1] },
};

/** Mean square of the mixture's errors. Those of the branches are uncorrelated, of size `noise`. */
const lossOf = (gate, { space, time }) => gate ** 2 * space ** 2 + (1 - gate) ** 2 * time ** 2;
const slopeOf = (gate, { space, time }) => 2 * (gate * space ** 2 - (1 - gate) * time ** 2);

/**
 * The noise that one gate for all clips has to deal with: of "two kinds" of clips, the second half
 * has the noise of space and time exchanged, and the loss is the mean of both halves' losses.
 */
function facing({ space_noise: space, time_noise: time, clips }) {
  const both = Math.hypot(space, time) / Math.SQRT2;
  return clips === "two kinds" ? { space: both, time: both } : { space, time };
}

/** The gate with the least loss. */
const bestOf = ({ space, time }) => time ** 2 / (time ** 2 + space ** 2);

/** Before the first step and after each. `push`: where the next step goes, over the learning rate. */
function descend(noise, { reading, start, weight_decay: decay }, { steps, lr }) {
  const { begin, at, slopes, gateAt } = READINGS[reading];
  let learned = begin(start);
  return Array.from({ length: steps + 1 }, () => {
    const here = at(learned);
    const gate = gateAt(here);
    const [loss, slope] = [lossOf(gate, noise), slopeOf(gate, noise)];
    const [factor = 0] = slopes(gate);
    learned = learned.map((theta, index) => theta - lr * (slope * slopes(gate)[index] + decay * theta));
    return { at: here, gate, loss, slope, factor, gradient: slope * factor, push: (at(learned) - here) / lr };
  });
}

/** The beam; `pointed` is the gate for which it would point at the pointer. */
function seesaw() {
  const { box, svg, part } = svgDrawing("seesaw", { width: 480, height: 196 }, `
    <g class="csg-ghost"><line x1="60" x2="420" y1="0" y2="0"/></g>
    <path class="csg-pivot" d="M240 104 l-22 52 h44 z"/>
    <g class="csg-beam"><line x1="60" x2="420" y1="0" y2="0"/><path class="csg-time"/><rect class="csg-space"/></g>
    <text x="92" y="172" class="csg-title">time</text><text class="csg-left" x="92" y="190"/>
    <text x="388" y="172" class="csg-title">space</text><text class="csg-right" x="388" y="190"/>
    <text class="csg-guessed" x="240" y="176"/>`);
  const turned = (gate) => {
    const degrees = TILT * (2 * Math.max(-0.25, Math.min(1.25, gate)) - 1);
    return { transform: `translate(${PIVOT.x} ${PIVOT.y}) rotate(${degrees}) translate(-240 0)` };
  };
  const draw = (gate, guess) => {
    const [t, s] = [1 - gate, gate].map((weight) => 68 * Math.sqrt(Math.max(0, weight)));
    setAttributes(part("beam"), turned(gate));
    setAttributes(part("ghost"), turned(guess ?? gate));
    setAttributes(part("time"), { d: `M92 -4 l${t / 2} ${-t / 2} l${-t / 2} ${-t / 2} l${-t / 2} ${t / 2} z` });
    setAttributes(part("space"), { x: 388 - s / 2, y: -4 - s, width: s, height: s });
    part("left").textContent = `1 − a = ${fixed(1 - gate)}`;
    part("right").textContent = `a = ${fixed(gate)}`;
    part("guessed").textContent = guess === null ? "drag the beam" : `dashes: your guess, ${fixed(guess)}`;
    setAttributes(svg, { "aria-label": `Seesaw: time ${fixed(1 - gate)}, space ${fixed(gate)}` });
    svg.classList.toggle("csg-open", guess === null);
  };
  const pointed = ({ clientX, clientY }) => {
    const { left, top, width } = svg.getBoundingClientRect();
    const [across, down] = [((clientX - left) * 480) / width - PIVOT.x, ((clientY - top) * 480) / width - PIVOT.y];
    const angle = Math.atan2(Math.sign(across || 1) * down, Math.abs(across)) * (180 / Math.PI);
    return Math.max(0, Math.min(1, 0.5 + angle / (2 * TILT)));
  };
  return { box, svg, draw, pointed };
}

/** A dot for the error on each clip, from those at noise 1. The second of "two kinds" is drawn open. */
function dots(unit) {
  const rows = { time: "time", space: "space", mixture: "mixture", chosen: "gate per clip" };
  const { box, svg, part } = svgDrawing("dots", { width: 480, height: 126 }, `
    <line class="csg-zero" x1="256" x2="256" y1="8" y2="106"/>
    <text x="256" y="122" class="csg-axis">too low ← correct → too high</text>
    <text x="476" y="122" class="csg-axis csg-end">root mean square</text>
    ${Object.keys(rows).map((name, row) => `<text x="4" y="${22 + 25 * row}" class="csg-start csg-name-${name}"/>
      <g class="csg-${name}"></g><text x="476" y="${22 + 25 * row}" class="csg-end csg-size-${name}"/>`).join("")}`);
  const draw = ({ space_noise, time_noise, clips }, trained, gate) => {
    const [half, noise] = [unit.length / 2, [space_noise, time_noise]];
    const open = (clip) => clips === "two kinds" && 2 * clip >= half;
    const [space, time] = [0, 1].map((branch) =>
      unit.subarray(branch * half, (branch + 1) * half).map((error, clip) => error * noise[open(clip) ? 1 - branch : branch]));
    const mixed = (gateOf) => space.map((error, clip) => gateOf(clip) * error + (1 - gateOf(clip)) * time[clip]);
    const best = bestOf({ space: space_noise, time: time_noise }) || 0;
    const errors = { time, space, mixture: trained && mixed(() => gate), chosen: trained && open(half) && mixed((clip) => (open(clip) ? 1 - best : best)) };
    const sizes = Object.entries(rows).map(([name, words], row) => {
      const own = Array.from(errors[name] || []);
      const circle = (error, clip) => `<circle class="${open(clip) ? "csg-second" : ""}" r="4" cx="${256 + 64 * error}" cy="${18 + 25 * row}"/>`;
      part(name).innerHTML = own.map(circle).join("");
      const size = own.length ? fixed(Math.sqrt(own.reduce((sum, error) => sum + error ** 2 / half, 0))) : "";
      part(`size-${name}`).textContent = size;
      part(`name-${name}`).textContent = size ? words : name === "mixture" ? "mixture: after your guess" : "";
      return size && `${words} ${size}`;
    });
    setAttributes(svg, { "aria-label": `Root mean square error: ${sizes.filter(Boolean).join(", ")}` });
  };
  return { box, draw };
}

/** The loss over the parameter, a ball at its present value, an arrow for the next step. */
function lossCurve() {
  const { box, svg, part } = svgDrawing("hill", { width: 480, height: 152 }, `
    <text x="4" y="14" class="csg-start csg-title csg-head"/>
    <line class="csg-floor" x1="16" x2="464" y1="118" y2="118"/>
    <polyline class="csg-curve"/><path class="csg-arrow"/><circle class="csg-ball" r="8"/>
    <g class="csg-ticks"></g><text class="csg-axis csg-word" x="240" y="149"/>`);
  const draw = (noise, { reading, weight_decay: decay }, here) => {
    const { range: [low, high], ticks, axis, gateAt, half } = READINGS[reading];
    const height = (at) => lossOf(gateAt(at), noise) + half * decay * at ** 2;
    const places = Array.from({ length: 97 }, (_, point) => low + ((high - low) * point) / 96);
    const top = Math.max(1e-9, ...places.map(height));
    const x = (at) => 16 + (448 * (at - low)) / (high - low);
    const y = (at) => 116 - (84 * height(at)) / top;
    setAttributes(part("curve"), { points: places.map((at) => `${x(at)},${y(at)}`).join(" ") });
    const [cx, cy] = [x(here.at), y(here.at)];
    setAttributes(part("ball"), { cx, cy });
    const long = Math.sign(here.push) * Math.min(120, 400 * Math.abs(here.push));
    const tip = Math.sign(long) * Math.min(9, Math.abs(long));
    setAttributes(part("arrow"), { d: Math.abs(long) < 1 ? "" : `M${cx} ${cy - 18} h${long - tip} v-6 l${tip} 6 l${-tip} 6 v-6` });
    part("ticks").innerHTML = ticks.map((at) => `<text x="${x(at)}" y="134">${String(at).replace("-", "−")}</text>`).join("");
    part("head").textContent = `${decay ? "loss plus weight decay" : "loss"}; arrow: the next step`;
    part("word").textContent = `time ← ${axis} → space`;
    setAttributes(svg, { "aria-label": `Loss over ${axis}; the ball is at ${fixed(here.at)}` });
  };
  return { box, draw };
}

/** The gate after each step so far; dashes at the guess. */
function trail(steps) {
  const y = (gate) => 88 - 64 * gate;
  const x = (step) => 40 + (424 * step) / steps;
  const { box, svg, part } = svgDrawing("trail", { width: 480, height: 108 }, `
    <text x="4" y="14" class="csg-start csg-title">a, step by step</text>
    ${[0, 0.5, 1].map((gate) => `<line class="csg-floor" x1="40" x2="464" y1="${y(gate)}" y2="${y(gate)}"/>
      <text class="csg-end" x="34" y="${y(gate) + 4}">${gate}</text>`).join("")}
    <line class="csg-guess" x1="40" x2="464"/><polyline class="csg-curve"/><circle class="csg-ball" r="5"/>
    ${[0, 1, 2, 3].map((third) => `<text x="${x((third * steps) / 3)}" y="105">${(third * steps) / 3}</text>`).join("")}`);
  const draw = (gates, guess) => {
    setAttributes(part("curve"), { points: gates.map((gate, step) => `${x(step)},${y(gate)}`).join(" ") });
    setAttributes(part("ball"), { cx: x(gates.length - 1), cy: y(gates.at(-1)) });
    setAttributes(part("guess"), { y1: y(guess), y2: y(guess) });
    setAttributes(svg, { "aria-label": `The gate went from ${fixed(gates[0])} to ${fixed(gates.at(-1))}` });
  };
  return { box, draw };
}

/** The chain rule with its present numbers; the middle factor also as a bar, full at a quarter. */
function chainRule() {
  const box = make("div", { class: "csg-chain" });
  const term = (number, words) => make("span", { class: "csg-term" }, make("b", { textContent: number }), make("small", { textContent: words }));
  const draw = (reading, here) => {
    const middle = { raw: "1: a is the parameter" };
    const last = { raw: "d loss / d a", softmax: "for theta of space" };
    const factor = term(here.factor.toFixed(3), middle[reading] ?? "a (1 − a), at most 0.25");
    const fill = make("span", { class: "csg-length", style: `width: ${100 * Math.min(1, here.factor / 0.25)}%` });
    factor.append(make("span", { class: "csg-track" }, fill));
    const gradient = term(signed(here.gradient), last[reading] ?? "d loss / d theta");
    box.replaceChildren(term(signed(here.slope), "d loss / d a"), "×", factor, "=", gradient);
  };
  return { box, draw };
}

/** Why the gate ended where it did. */
function reason(desk, path, noise) {
  const [before, last] = path.slice(-2);
  const [reading, decay, clips, space, time] = desk.values("reading", "weight_decay", "clips", "space_noise", "time_noise");
  const best = bestOf(noise);
  if (Number.isNaN(best)) return `Both branches are right: ${decay ? "only weight decay moves the gate" : "the gradient is 0"}.`;
  if (clips === "two kinds") {
    const own = bestOf({ space, time });
    const error = fixed(Math.sqrt(lossOf(own, { space, time })));
    return `The filled clips want a = ${fixed(own)}, the open ones ${fixed(1 - own)}: one gate has to compromise. A gate per clip would leave an error of ${error}.`;
  }
  if (Math.abs(last.gate - best) <= 0.02) return "There the loss is least.";
  const least = `The loss would be least at ${fixed(best)}, but`;
  if (!decay || Math.abs(last.gate - before.gate) > STILL) return `${least} near 0 and 1 a (1 − a) is small and so are the steps.`;
  return `${least} weight decay pulls ${reading === "raw" ? "a to 0: time alone" : "theta to 0: a = 0.50"}.`;
}

function sentenceOf(desk, path, step, noise) {
  const [guess, clips, space, time] = desk.values("guess", "clips", "space_noise", "time_noise");
  const kinds = clips === "alike" ? "" : " for the filled clips, exchanged for the open ones";
  if (!step) return `Noise of time ${fixed(time)}, of space ${fixed(space)}${kinds}; your guess is a = ${fixed(guess)}.`;
  const { gate } = path[step];
  const now = `Step ${step}: a = ${fixed(gate)}, the weight of space is ${percent(gate)}, of time ${percent(1 - gate)}`;
  if (step < path.length - 1) return `${now}.`;
  const verdict = Math.abs(guess - gate) <= RIGHT ? "your guess was right" : `you guessed ${fixed(guess)}`;
  return `${now}; ${verdict}. ${reason(desk, path, noise)}`;
}

/** Start, pause, go through the steps, and back to guessing. */
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
  const focus = () => guess.querySelector("input").focus();
  const again = desk.button("Guess again", () => {
    desk.put("playing", false);
    desk.put("step", 0);
    guess.hidden = false; // what is hidden takes no focus
    focus();
  });
  desk.follow(["step", "playing"], () => { // after the player, which has a name of its own for the button
    const at = desk.get("step");
    guess.hidden = at > 0;
    step.hidden = again.hidden = !at;
    const idle = CALM.matches ? "Train 10 steps" : at === 0 ? "Train" : at < steps ? "Train on" : "Train again";
    button.textContent = desk.get("playing") && !CALM.matches ? "Pause" : idle;
  });
  return { box: make("div", { class: "csg-training" }, button, guess, step, again), toggle, focus };
}

function draggable(desk, { svg, pointed }, focus) {
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

function controls(desk) {
  const noise = { min: 0, max: 1, step: 0.05 };
  const row = (...parts) => make("div", { class: "csg-row" }, ...parts);
  return [
    row(
      desk.slider("time_noise", { label: "Noise of time", ...noise }),
      desk.slider("space_noise", { label: "Noise of space", ...noise }),
    ),
    row(
      desk.choice("reading", { label: "Gate from its parameter", options: Object.keys(READINGS).map((name) => [name, name]) }),
      desk.choice("start", { label: "Gate a at the start", options: [[0.01, "0.01"], [0.5, "0.50"], [0.99, "0.99"]] }),
      desk.choice("weight_decay", { label: "Weight decay", options: [[0, "none"], [0.01, "0.01"], [0.1, "0.1"]] }),
      desk.choice("clips", { label: "Clips", options: ["alike", "two kinds"].map((kind) => [kind, kind]) }),
    ),
  ];
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "balance", label: "Balance", keys: { " ": () => run.toggle() } });
  const { steps, lr } = desk.get("facts");
  const run = training(desk, steps);
  const [beam, points, curve, chain, gates] = [seesaw(), dots(floats(model, "errors")), lossCurve(), chainRule(), trail(steps)];
  draggable(desk, beam, run.focus);
  const task = "Both branches estimate the same known number; the dots are their errors. Tilt the beam, then train.";
  const panel = guessPanel("Guess first: where will training leave the beam?", paragraph("", task));
  const charts = make("div", { class: "csg-charts" }, curve.box, chain.box, gates.box);
  const sentence = paragraph("csg-sentence");
  desk.root.append(
    ...controls(desk),
    make("div", { class: "csg-sides" }, make("div", { class: "csg-scale" }, beam.box, points.box), make("div", { class: "csg-answer" }, panel, charts)),
    run.box, sentence,
  );

  let known = "";
  const draw = () => {
    const settings = Object.fromEntries(SETTINGS.map((trait) => [trait, desk.get(trait)]));
    const now = Object.values(settings).join();
    if (known && known !== now && desk.get("step")) {
      desk.put("playing", false); // other settings: the result of the old ones goes
      desk.put("step", 0);
    }
    known = now;
    const [at, guess] = desk.values("step", "guess");
    const noise = facing(settings);
    const path = descend(noise, settings, { steps, lr });
    const gate = at ? path[at].gate : guess;
    beam.draw(gate, at ? guess : null);
    points.draw(settings, at > 0, gate);
    curve.draw(noise, settings, path[at]);
    chain.draw(settings.reading, path[at]);
    gates.draw(path.slice(0, at + 1).map((row) => row.gate), guess);
    panel.hidden = at > 0;
    charts.classList.toggle("csg-unseen", at === 0);
    say(sentence, sentenceOf(desk, path, at, noise), desk.get("playing"));
  };
  desk.follow([...SETTINGS, "guess", "step", "playing"], draw);
  return () => desk.close();
}

export { descend };
export default { render };
