// Notebook 08: a run while it runs, and the way back through its epochs. The kernel trains;
// training_dashboard_pictures.js draws what it reports.

const PACE = 600; // milliseconds an epoch, when they are replayed

/** The epoch on show. 0 stands for the newest: so the kernel need not move who has gone back. */
function shownOf(desk) {
  const done = desk.get("records").length;
  return Math.min(desk.get("epoch") || done, done);
}

/** What clips said after an epoch, counted from 1: one share each, NaN where nobody knows. */
function saidAfter(desk, epoch) {
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
  if (Number.isNaN(now[0])) return "Validation clips: not known where they stand";
  const rows = names.map((name, grade) => {
    const [right, clips] = rightOf(now, grades, grade);
    return `of ${clips} true ${name} ${right} right`;
  });
  return `Validation clips after epoch ${epoch}: ${rows.join(", ")}`;
}

function sentenceOf({ grades, epochs }, records, epoch, now, before) {
  const here = records[epoch - 1];
  if (!here) return "No epoch yet. A network that knows nothing pays 0.69 a clip: the logarithm of 2.";
  const losses =
    `Epoch ${epoch} of ${Math.max(epochs, records.length)}: cross-entropy ${two(here.train_loss)} in training, ` +
    `${two(here.validation_loss)} in validation.`;
  if (Number.isNaN(now[0])) return losses;
  const [right, clips] = rightOf(now, grades);
  const crossed = grades.filter((_, which) => now[which] > 0.5 !== before[which] > 0.5).length;
  const since = epoch > 1 && !Number.isNaN(before[0]) ? `, ${crossed} crossed the middle since epoch ${epoch - 1}` : "";
  const worst = Math.min(...grades.map((grade, which) => (grade ? now[which] : 1 - now[which])));
  const surest = worst < 0.5 ? ` The surest mistake gives the true grade ${whole(worst)}.` : "";
  return `${losses} ${right} of ${clips} validation clips right${since}.${surest}`;
}

function stateOf(desk, done, epochs, stopping) {
  if (desk.get("running")) {
    const under = `epoch ${Math.min(done + 1, epochs)} of ${epochs}`;
    return stopping ? `Stopping when ${under} is done.` : `Training ${under}.`;
  }
  if (!done) return "Not started: run() in a cell trains.";
  if (done < epochs) return `Stopped after epoch ${done} of ${epochs}; all of it is kept. run() again goes on with epoch ${done + 1}.`;
  return `All ${done} epochs done; run() again only hands them out.`;
}

/**
 * Stop the run, walk through its epochs, replay them. To stop is a message of its own: a change of
 * a trait waits until the change before is acknowledged, which a kernel in a cell may never do.
 */
function commands(desk) {
  const { epochs } = desk.get("facts");
  let asked = false; // shown at once; the kernel hears it when the epoch is over
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
    slider.hidden = button.hidden = !done();
    for (const input of slider.querySelectorAll("input")) {
      input.max = Math.max(done(), 1);
      input.value = shownOf(desk); // a range forgets what was above its old end
    }
    button.textContent = CALM.matches ? "Next epoch" : desk.get("playing") ? "Pause" : "Replay";
    // not `disabled`, which would take the focus from whoever has just pressed it
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
    ["loss", chart("loss", "Cross-entropy", facts.nothing.loss)],
    ["accuracy", chart("accuracy", "Accuracy", facts.nothing.accuracy)],
  ].map(([, made]) => made);
  const clips = field(facts);
  const key = make("div", {
    class: "csg-legend csg-small",
    innerHTML: `<svg viewBox="0 0 40 14" aria-hidden="true"><g class="csg-train"><polyline points="0,7 40,7"/>${dot(20, 7)}</g></svg> training
      <svg viewBox="0 0 40 14" aria-hidden="true"><g class="csg-validation"><polyline points="0,7 40,7"/>${diamond(20, 7)}</g></svg> validation`,
  });
  const sentence = make("p", { class: "csg-sentence" });
  desk.root.append(
    run.row,
    run.state,
    make("div", { class: "csg-sides" }, make("div", { class: "csg-charts" }, key, ...charts.map(({ box }) => box)), clips.box),
    sentence,
  );
  desk.follow(["records", "shares", "epoch", "running", "stopping", "playing"], () => {
    const records = desk.get("records");
    const shown = shownOf(desk);
    if (records.length && desk.get("epoch") >= records.length) desk.put("epoch", 0);
    const [now, before] = [saidAfter(desk, shown), saidAfter(desk, shown - 1)];
    for (const { draw } of charts) draw(records, shown, Math.max(facts.epochs, records.length));
    clips.draw(now, before, fieldWords(facts, now, shown), shown > 0);
    run.draw();
    say(sentence, sentenceOf(facts, records, shown, now, before), desk.get("playing"));
  });
  return () => desk.close();
}

export default { render };
