// A training run epoch by epoch: its curves, its validation clips between two grades, and the way
// back through earlier epochs. The kernel trains.

const PACE = 600; // milliseconds an epoch, when they are replayed
const NEWS = 2000; // milliseconds between two readings of a run that is only watched
const PARTS = ["train", "validation"];
const CHART = { width: 480, height: 186, left: 46, right: 466, top: 30, bottom: 156 };
const FIELD = { width: 520, height: 402, left: 32, right: 488, top: 42, row: 152, gap: 12, rim: 16, label: 26 };
const across = (share) => FIELD.left + (FIELD.right - FIELD.left) * share;

const two = (number) => number.toFixed(2);

const dot = (x, y) => `<circle cx="${x}" cy="${y}" r="3.5"/>`;
const diamond = (x, y) => `<path d="M${x} ${y - 5} l5 5 l-5 5 l-5 -5 z"/>`;

/** Where the numbers of an axis stand: round ones, never more than fit. */
function ticksOf(most, room) {
  const step = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find((size) => most / size <= room) ?? most;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, tick) => tick * step);
}

/** One number of training and validation over the epochs; dots at the value of a constant prediction. */
function chart(which, title, baseline) {
  const { left, right, top, bottom } = CHART;
  const { box, svg, part } = svgDrawing(which, CHART, `
    <text x="${left}" y="15" class="csg-start csg-title">${title}</text>
    <g class="csg-ticks"></g>
    <line class="csg-best" y1="${top}" y2="${bottom}"/>
    <line class="csg-shown" y1="${top}" y2="${bottom}"/>
    <line class="csg-baseline" x1="${left}" x2="${right}"/>
    <line class="csg-dots" x1="${right - 224}" x2="${right - 196}" y1="10" y2="10"/>
    <text class="csg-end csg-axis" x="${right}" y="15">constant prediction: ${two(baseline)}</text>
    ${PARTS.map((name) => `<g class="csg-${name}"><polyline/><g></g></g>`).join("")}`);
  const draw = (records, shown, epochs, best) => {
    const most = Math.max(1, ...records.flatMap((record) => PARTS.map((name) => record[`${name}_${which}`])));
    const x = (epoch) => (epochs < 2 ? left + 8 : left + 8 + ((right - left - 16) * (epoch - 1)) / (epochs - 1));
    const y = (value) => bottom - ((bottom - top) * value) / most;
    const line = (value) => `<line class="csg-floor" x1="${left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>
      <text class="csg-end" x="${left - 6}" y="${y(value) + 4}">${Number(value.toFixed(1))}</text>`;
    const number = (epoch) => `<text x="${x(epoch)}" y="${bottom + 18}">${epoch}</text>`;
    const below = new Set([1, ...ticksOf(epochs, 12).filter((epoch) => Number.isInteger(epoch) && epoch)]);
    part("ticks").innerHTML = ticksOf(most, 4).map(line).join("") + [...below].map(number).join("");
    setAttributes(part("baseline"), { y1: y(baseline), y2: y(baseline) });
    setAttributes(part("best"), { x1: x(best || 1), x2: x(best || 1), visibility: best ? "visible" : "hidden" });
    setAttributes(part("shown"), { x1: x(shown || 1), x2: x(shown || 1), visibility: shown ? "visible" : "hidden" });
    for (const name of PARTS) {
      const points = records.map((record) => [x(record.epoch), y(record[`${name}_${which}`])]);
      const mark = name === "train" ? dot : diamond;
      setAttributes(part(`${name} polyline`), { points: points.map((point) => point.join()).join(" ") });
      part(`${name} g`).innerHTML = points.map((point) => mark(...point)).join("");
    }
    const here = records[shown - 1];
    const said = here ? PARTS.map((name) => `${name} ${two(here[`${name}_${which}`])}`).join(", ") : "no epoch yet";
    setAttributes(svg, { "aria-label": `${title} by epoch; on show: ${said}` });
  };
  return { box, draw };
}

/** Each clip at its probability of the second grade, a row for each true grade, with a trail. */
function field({ names, grades, patients }) {
  const { top, row, gap, rim, label } = FIELD;
  const [left, right] = [FIELD.left - rim, FIELD.right + rim];
  const heads = names.map((_, grade) => top + grade * (row + gap));
  const middle = across(0.5);
  const ranks = names.map((_, grade) => grades.filter((other) => other === grade).length);
  const met = [0, 0];
  const heights = grades.map((grade) => heads[grade] + ((row - label) * (met[grade]++ + 0.5)) / ranks[grade]);
  const size = Math.min(1, Math.max(0.4, (row - label) / Math.max(...ranks) / 17)); // of a mark
  const side = (grade) => `<rect class="csg-wrong-side" x="${grade ? left : middle}" y="${heads[grade]}" width="${(right - left) / 2}" height="${row}"/>
    <rect class="csg-frame" x="${left}" y="${heads[grade]}" width="${right - left}" height="${row}"/>
    <text class="csg-axis ${grade ? "csg-start" : "csg-end"}" x="${grade ? left + 6 : right - 6}" y="${heads[grade] + row - 7}">wrong side</text>
    <text class="csg-title ${grade ? "csg-end" : "csg-start"}" x="${grade ? right - 6 : left + 6}" y="${heads[grade] + row - 7}">true ${names[grade]}</text>`;
  const mark = (patient) => `<g class="csg-clip"><line/><g class="csg-mark"><title></title>
    <circle r="${6.5 * size}"/><path d="M-6 -6 L6 6 M-6 6 L6 -6" transform="scale(${size})"/></g></g>`;
  const end = top + 2 * row + gap;
  const { box, svg } = svgDrawing("field", FIELD, `
    <text class="csg-title csg-start" x="${left}" y="15">Validation clips</text>
    <g class="csg-key"><circle cx="${right - 292}" cy="10" r="6"/><text class="csg-start" x="${right - 280}" y="15">right</text>
      <path d="M${right - 228} 5 l11 11 m-11 0 l11 -11"/><text class="csg-start" x="${right - 210}" y="15">wrong</text>
      <line x1="${right - 150}" x2="${right - 124}" y1="10" y2="10"/><text class="csg-start" x="${right - 118}" y="15">since last epoch</text></g>
    ${side(0)}${side(1)}
    <line class="csg-middle" x1="${middle}" x2="${middle}" y1="${top}" y2="${end}"/>
    ${patients.map(mark).join("")}
    ${[0, 0.5, 1].map((share) => `<text x="${across(share)}" y="${end + 18}">${share}</text>`).join("")}
    <text class="csg-axis" x="${middle}" y="${end + 38}">probability of ${names[1]}, by the network</text>
    <text class="csg-gone" x="${middle}" y="34"></text>`);
  const clips = [...svg.querySelectorAll(".csg-clip")];
  const put = (clip, which, share) => {
    clip.children[1].style.transform = `translate(${across(share)}px, ${heights[which]}px)`;
  };
  clips.forEach((clip, which) => put(clip, which, 0.5)); // before the first epoch
  const draw = (now, before, words, trained) => {
    clips.forEach((clip, which) => {
      const [share, last] = [now[which], before[which]];
      const [line, mark] = clip.children;
      clip.classList.toggle("csg-unknown", Number.isNaN(share));
      if (Number.isNaN(share)) return;
      clip.classList.toggle("csg-wrong", share > 0.5 !== (grades[which] === 1));
      put(clip, which, share);
      mark.firstElementChild.textContent = `${patients[which]}: ${percent(share)} ${names[1]}`;
      const from = Number.isNaN(last) ? share : last;
      setAttributes(line, { x1: across(from), x2: across(share), y1: heights[which], y2: heights[which] });
    });
    svg.querySelector(".csg-gone").textContent = trained && Number.isNaN(now[0]) ? "trained in another session: predictions of the clips are not known" : "";
    setAttributes(svg, { "aria-label": words });
  };
  return { box, draw };
}

/** The epoch on show; 0 is the newest, so that the kernel need not change it while one looks back. */
function shownOf(desk) {
  const done = desk.get("records").length;
  return Math.min(desk.get("epoch") || done, done);
}

/** Probabilities of the second grade after an epoch, counted from 1; NaN where they are not known. */
function probabilitiesAfter(desk, epoch) {
  const { grades } = desk.get("facts");
  const all = floats(desk.model, "shares");
  const row = all.subarray((epoch - 1) * grades.length, epoch * grades.length);
  return epoch > 0 && row.length === grades.length ? row : new Float32Array(grades.length).fill(NaN);
}

const whole = (share) => `${share < 0.005 ? "under 1" : Math.round(100 * share)}\u00a0%`;

/** Clips of one true grade that are right, or of both. */
function rightOf(now, grades, wanted = null) {
  const of = grades.map((grade, which) => ({ grade, right: now[which] > 0.5 === (grade === 1) }));
  const asked = of.filter(({ grade }) => wanted === null || grade === wanted);
  return [asked.filter(({ right }) => right).length, asked.length];
}

function fieldWords({ names, grades }, now, epoch) {
  if (Number.isNaN(now[0])) return "Validation clips: their predictions are not known";
  const rows = names.map((name, grade) => {
    const [right, clips] = rightOf(now, grades, grade);
    return `of ${clips} true ${name} ${right} right`;
  });
  return `Validation clips after epoch ${epoch}: ${rows.join(", ")}`;
}

function sentenceOf({ grades, epochs }, records, epoch, now, before) {
  const here = records[epoch - 1];
  if (!here) return "No epoch yet. A constant prediction of one half costs 0.69 a clip: the logarithm of 2.";
  const losses =
    `Epoch ${epoch} of ${Math.max(epochs, records.length)}: cross-entropy ${two(here.train_loss)} in training, ` +
    `${two(here.validation_loss)} in validation.`;
  if (Number.isNaN(now[0])) return losses;
  const [right, clips] = rightOf(now, grades);
  const crossed = grades.filter((_, which) => now[which] > 0.5 !== before[which] > 0.5).length;
  const since = epoch > 1 && !Number.isNaN(before[0]) ? `, ${crossed} changed side since epoch ${epoch - 1}` : "";
  const worst = Math.min(...grades.map((grade, which) => (grade ? now[which] : 1 - now[which])));
  const surest = worst < 0.5 ? ` The most confident error gives the true grade ${whole(worst)}.` : "";
  return `${losses} ${right} of ${clips} validation clips right${since}.${surest}`;
}

/** Of a run that another notebook or command trains: how long ago its newest epoch was saved. */
function watchedOf(desk, done, epochs) {
  const age = desk.get("age");
  const ago = age < 60 ? "under a minute" : age < 7200 ? `${Math.round(age / 60)} min` : `${Math.round(age / 3600)} h`;
  const late = age > 60 + 5 * (desk.get("records").at(-1)?.seconds ?? 0);
  return `Watching: epoch ${done} of ${epochs} was saved ${ago} ago.${late ? " No epoch since: it has probably stopped." : ""}`;
}

function stateOf(desk, done, epochs, stopping) {
  if (desk.get("running")) {
    const under = `epoch ${Math.min(done + 1, epochs)} of ${epochs}`;
    return stopping ? `Stopping when ${under} is done.` : `Training ${under}.`;
  }
  if (desk.get("watching") && done < epochs) return watchedOf(desk, done, epochs);
  if (desk.get("watching")) return `All ${done} epochs done.`;
  if (!done) return "Not started: run() in a cell trains.";
  if (done < epochs) return `Stopped after epoch ${done} of ${epochs}; all of it is kept. run() again goes on with epoch ${done + 1}.`;
  return `All ${done} epochs done; run() again only returns them.`;
}

/**
 * Stop the run, go through its epochs, replay them. Stop is a message of its own: a change of a
 * trait waits until the change before is acknowledged, which a kernel that runs a cell may not do.
 */
function commands(desk) {
  const { epochs } = desk.get("facts");
  let asked = false; // shown at once; the kernel replies when the epoch is over
  const stops = () => asked || desk.get("stopping");
  const stop = desk.button("Stop after this epoch", () => {
    if (!desk.get("running") || stops()) return;
    asked = true;
    desk.model.send("stop");
    draw();
  });
  const done = () => desk.get("records").length;
  const onward = () => {
    if (!CALM.matches && !desk.get("playing")) return; // the last tick before the pause is drawn
    const next = shownOf(desk) >= done() ? 1 : shownOf(desk) + 1;
    desk.put("epoch", Math.min(next, done()));
    if (next >= done()) desk.put("playing", false);
  };
  const { button, toggle } = desk.player("playing", onward, PACE);
  const slider = desk.slider("epoch", { label: "Epoch", min: 1, max: epochs });
  const state = make("p", { class: "csg-state", "aria-live": "polite" });
  const row = make("div", { class: "csg-commands" }, stop, slider, button);
  const draw = () => {
    asked &&= desk.get("running");
    stop.hidden = desk.get("watching");
    slider.hidden = button.hidden = !done();
    for (const input of slider.querySelectorAll("input")) {
      input.max = Math.max(done(), 1);
      input.value = shownOf(desk); // a range forgets what was above its old end
    }
    button.textContent = CALM.matches ? "Next epoch" : desk.get("playing") ? "Pause" : "Replay";
    // not `disabled`, which would lose the focus
    stop.setAttribute("aria-disabled", String(!desk.get("running") || stops()));
    say(state, stateOf(desk, done(), Math.max(epochs, done()), stops()));
  };
  return { row, state, draw, toggle: () => done() && toggle() };
}

function render({ model, el }) {
  const desk = new Desk(model, el, {
    name: "training-dashboard", label: "Training dashboard", keys: { " ": () => run.toggle() },
  });
  const facts = desk.get("facts");
  const run = commands(desk);
  const charts = [
    chart("loss", "Cross-entropy", facts.baseline.loss),
    chart("accuracy", "Accuracy", facts.baseline.accuracy),
  ];
  const clips = field(facts);
  const key = make("div", {
    class: "csg-legend csg-small",
    innerHTML: `<svg viewBox="0 0 40 14" aria-hidden="true"><g class="csg-train"><polyline points="0,7 40,7"/>${dot(20, 7)}</g></svg> training
      <svg viewBox="0 0 40 14" aria-hidden="true"><g class="csg-validation"><polyline points="0,7 40,7"/>${diamond(20, 7)}</g></svg> validation
      <svg viewBox="0 0 14 14" aria-hidden="true"><line class="csg-best" x1="7" x2="7" y1="0" y2="14"/></svg> <span></span>`,
  });
  const sentence = make("p", { class: "csg-sentence" });
  desk.root.append(
    run.row,
    run.state,
    make("div", { class: "csg-sides" }, make("div", { class: "csg-charts" }, key, ...charts.map(({ box }) => box)), clips.box),
    sentence,
  );
  if (desk.get("watching")) {
    const timer = setInterval(() => {
      if (desk.get("records").length < facts.epochs) model.send("read");
    }, NEWS);
    desk.closing.push(() => clearInterval(timer));
  }
  desk.follow(["records", "shares", "epoch", "running", "stopping", "playing", "best", "age"], () => {
    const records = desk.get("records");
    const shown = shownOf(desk);
    if (records.length && desk.get("epoch") >= records.length) desk.put("epoch", 0);
    const [now, before] = [probabilitiesAfter(desk, shown), probabilitiesAfter(desk, shown - 1)];
    for (const { draw } of charts) draw(records, shown, Math.max(facts.epochs, records.length), desk.get("best"));
    const best = desk.get("best");
    key.querySelector("span").textContent = best ? `best weights: epoch ${best}` : "best weights";
    clips.draw(now, before, fieldWords(facts, now, shown), shown > 0);
    run.draw();
    say(sentence, sentenceOf(facts, records, shown, now, before), desk.get("playing"));
  });
  return () => desk.close();
}

export default { render };
