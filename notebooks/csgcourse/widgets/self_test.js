// Notebook 00: three lamps. The first two are lit by this page, the third by the kernel's answer.

const LAMPS = [
  { name: "Slider moved", todo: "drag the slider", on: (desk) => desk.get("moved") },
  { name: "Arrow key arrived", todo: "press → on the slider", on: (desk) => desk.get("key_arrived") },
  {
    name: "Kernel answered",
    todo: "waits for the slider",
    on: (desk) => desk.get("echo") === desk.get("value"),
  },
];
const PATIENCE = 4000; // milliseconds until a missing answer is worth a word

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "self-test", label: "Self-test of this notebook" });
  const slider = desk.slider("value", { label: "Move me", min: 0, max: 10 });
  const lamps = LAMPS.map((lamp) => {
    const word = make("span", { class: "csg-small" });
    const text = make("div", {}, make("strong", { textContent: lamp.name }), word);
    const box = make("li", { class: "csg-lamp" }, make("span", { class: "csg-bulb" }), text);
    return { ...lamp, word, box };
  });
  const sentence = make("p", { class: "csg-sentence" });
  const list = make("ul", { class: "csg-lamps", "aria-label": "Lamps" }, ...lamps.map(({ box }) => box));
  desk.root.append(slider, list, sentence);

  const range = slider.querySelector("[type=range]");
  let keyed = false; // was the last thing done to the range an arrow key?
  const onKey = (event) => {
    if (event.composedPath()[0] === range) keyed = event.key.startsWith("Arrow");
  };
  window.addEventListener("keydown", onKey, { capture: true });
  range.addEventListener("pointerdown", () => (keyed = false));
  let late = false;
  let clock = 0;
  desk.closing.push(() => {
    window.removeEventListener("keydown", onKey, { capture: true });
    clearTimeout(clock);
  });

  const draw = () => {
    const on = lamps.map((lamp) => lamp.on(desk));
    lamps.forEach(({ box, word, todo }, index) => {
      box.classList.toggle("csg-on", on[index]);
      word.textContent = on[index] ? "works" : todo;
    });
    say(sentence, verdict(on, late && !on[2]));
  };
  range.addEventListener("input", () => {
    desk.put("moved", true);
    if (keyed) desk.put("key_arrived", true); // the key moved the range: it came through
    late = false;
    clearTimeout(clock);
    clock = setTimeout(() => {
      late = true;
      draw();
    }, PATIENCE);
  });
  desk.follow(["value", "echo", "moved", "key_arrived"], draw);
  return () => desk.close();
}

function verdict(on, late) {
  const lit = on.filter(Boolean).length;
  if (lit === on.length) return "All three lamps are on: every widget of this course will work here.";
  if (late) return `${lit} of 3 lamps on. No answer from the kernel: is it still busy, or was it stopped?`;
  return `${lit} of 3 lamps on.`;
}

export default { render };
