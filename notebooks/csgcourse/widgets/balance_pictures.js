// Notebook 05: the four pictures of the balance; each is made once and then only moved.

const TILT = 16; // degrees of the beam when one branch has everything
const PIVOT = { x: 240, y: 112 };
const degrees = (share) => TILT * (2 * Math.max(-0.25, Math.min(1.25, share)) - 1);

/** A drawing from its text, and a way to find the parts of it that move. */
function drawing(name, [width, height], inner) {
  const box = make("div", {
    class: `csg-${name}`,
    innerHTML: `<svg viewBox="0 0 ${width} ${height}" role="img">${inner}</svg>`,
  });
  const svg = box.firstChild;
  return { box, svg, part: (which) => svg.querySelector(`.csg-${which}`) };
}

function place(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

function seesaw() {
  const { box, svg, part } = drawing("seesaw", [480, 224], `
    <g class="csg-ghost"><line x1="60" x2="420" y1="0" y2="0"/></g>
    <path class="csg-pivot" d="M240 118 l-26 62 h52 z"/>
    <g class="csg-beam">
      <line x1="60" x2="420" y1="0" y2="0"/>
      <path class="csg-time"/><rect class="csg-space"/>
    </g>
    <text x="92" y="196" class="csg-title">time</text><text class="csg-left" x="92" y="216"/>
    <text x="388" y="196" class="csg-title">space</text><text class="csg-right" x="388" y="216"/>
    <text class="csg-guessed" x="240" y="200"/>`);
  const turned = (share) => `translate(${PIVOT.x} ${PIVOT.y}) rotate(${degrees(share)}) translate(-240 0)`;
  const draw = (share, guess) => {
    const [t, s] = [1 - share, share].map((weight) => 68 * Math.sqrt(Math.max(0, weight)));
    place(part("beam"), { transform: turned(share) });
    place(part("ghost"), { transform: turned(guess ?? share) });
    place(part("beam .csg-time"), { d: `M92 -4 l${t / 2} ${-t / 2} l${-t / 2} ${-t / 2} l${-t / 2} ${t / 2} z` });
    place(part("beam .csg-space"), { x: 388 - s / 2, y: -4 - s, width: s, height: s });
    part("left").textContent = `1 − a = ${fixed(1 - share)}`;
    part("right").textContent = `a = ${fixed(share)}`;
    part("guessed").textContent = guess === null ? "drag the beam" : `dashes: your guess, ${fixed(guess)}`;
    place(svg, { "aria-label": `Seesaw: time ${fixed(1 - share)}, space ${fixed(share)}` });
  };
  /** The share for which the beam would point at the pointer. */
  const pointed = ({ clientX, clientY }) => {
    const { left, top, width } = svg.getBoundingClientRect();
    const across = ((clientX - left) * 480) / width - PIVOT.x;
    const down = ((clientY - top) * 480) / width - PIVOT.y;
    const angle = Math.atan2(Math.sign(across || 1) * down, Math.abs(across)) * (180 / Math.PI);
    return Math.max(0, Math.min(1, 0.5 + angle / (2 * TILT)));
  };
  return { box, svg, draw, pointed };
}

/** By how much each clip is missed: a row of dots for time, space and their mixture. */
function dots() {
  const rows = ["time", "space", "mixture"];
  const { box, svg, part } = drawing("dots", [480, 128], `
    <line class="csg-zero" x1="256" x2="256" y1="14" y2="108"/>
    <text x="256" y="124" class="csg-axis">too low ← the right answer → too high</text>
    ${rows.map((name, row) => `<text x="4" y="${32 + 32 * row}" class="csg-start">${name}</text>
      <g class="csg-${name}"></g><text x="476" y="${32 + 32 * row}" class="csg-end csg-size-${name}"/>`).join("")}
    <text class="csg-wait csg-axis csg-start" x="266" y="96"/>`);
  const draw = (errors) => {
    rows.forEach((name, row) => {
      const missed = errors[name] ?? [];
      const mark = (error) => `<circle r="4" cx="${256 + 64 * error}" cy="${27 + 32 * row}"/>`;
      part(name).innerHTML = Array.from(missed, mark).join("");
      const square = missed.reduce((sum, error) => sum + error ** 2 / missed.length, 0);
      part(`size-${name}`).textContent = missed.length ? fixed(Math.sqrt(square)) : "";
    });
    part("wait").textContent = errors.mixture ? "" : "waits for your guess";
    const sizes = rows.filter((name) => errors[name]).map((name) => `${name} ${part(`size-${name}`).textContent}`);
    place(svg, { "aria-label": `Typical miss: ${sizes.join(", ")}` });
  };
  return { box, draw };
}

/** The loss over what is learned, a ball where training stands, an arrow down the slope. */
function hill() {
  const { box, svg, part } = drawing("hill", [480, 176], `
    <text x="4" y="14" class="csg-start csg-title csg-head">loss</text>
    <line class="csg-floor" x1="16" x2="464" y1="140" y2="140"/>
    <polyline class="csg-curve"/><path class="csg-arrow"/><circle class="csg-ball" r="8"/>
    <g class="csg-ticks"></g><text class="csg-axis csg-word" x="240" y="172"/>`);
  const draw = (points, here, { axis, ground }, decay) => {
    const [low, high] = ground;
    const top = Math.max(1e-9, ...points.map(([, height]) => height));
    const x = (at) => 16 + (448 * (at - low)) / (high - low);
    const y = (height) => 138 - (104 * height) / top;
    place(part("curve"), { points: points.map(([at, height]) => `${x(at)},${y(height)}`).join(" ") });
    const [cx, cy] = [x(here.at), y(here.height)];
    place(part("ball"), { cx, cy });
    const long = Math.sign(here.push) * Math.min(120, 400 * Math.abs(here.push));
    const tip = Math.sign(long) * Math.min(9, Math.abs(long));
    const d = Math.abs(long) < 1 ? "" : `M${cx} ${cy - 18} h${long - tip} v-6 l${tip} 6 l${-tip} 6 v-6`;
    place(part("arrow"), { d });
    const ticks = high > 2 ? [-6, -4, -2, 0, 2, 4, 6] : [0, 0.25, 0.5, 0.75, 1];
    part("ticks").innerHTML = ticks.map((at) => `<text x="${x(at)}" y="156">${String(at).replace("-", "−")}</text>`).join("");
    part("head").textContent = decay ? "loss, and what weight decay adds" : "loss";
    part("word").textContent = `time ← ${axis} → space`;
    place(svg, { "aria-label": `Loss over ${axis}; the ball is at ${fixed(here.at)}` });
  };
  return { box, draw };
}

/** The share after each step so far; dashes at the guess. */
function trail(steps) {
  const { box, svg, part } = drawing("trail", [480, 130], `
    <text x="4" y="14" class="csg-start csg-title">a, step by step</text>
    ${[0, 0.5, 1].map((share) => `<line class="csg-floor" x1="40" x2="464" y1="${108 - 80 * share}" y2="${108 - 80 * share}"/>
      <text class="csg-end" x="34" y="${112 - 80 * share}">${share}</text>`).join("")}
    <line class="csg-guess" x1="40" x2="464"/><polyline class="csg-curve"/><circle class="csg-ball" r="5"/>
    ${[0, steps / 3, (2 * steps) / 3, steps].map((step) => `<text x="${40 + (424 * step) / steps}" y="126">${step}</text>`).join("")}`);
  const draw = (shares, guess) => {
    const point = (share, step) => [40 + (424 * step) / steps, 108 - 80 * share];
    place(part("curve"), { points: shares.map((share, step) => point(share, step).join()).join(" ") });
    const [cx, cy] = point(shares.at(-1), shares.length - 1);
    place(part("ball"), { cx, cy });
    place(part("guess"), { y1: 108 - 80 * guess, y2: 108 - 80 * guess });
    place(svg, { "aria-label": `The share went from ${fixed(shares[0])} to ${fixed(shares.at(-1))}` });
  };
  return { box, draw };
}
