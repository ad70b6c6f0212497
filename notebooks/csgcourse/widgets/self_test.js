// Notebook 00: three lamps. The page lights the first two, the kernel's reply the third.

const PATIENCE = 4000; // milliseconds until a missing reply is worth a message
const LAMPS = [
  { name: "Slider moved", todo: "drag the slider", on: (desk) => desk.get("moved") },
  { name: "Arrow key arrived", todo: "press → on the slider", on: (desk) => desk.get("key_arrived") },
  { name: "Kernel replied", todo: "waits for the slider", on: (desk) => desk.get("echo") === desk.get("value") },
];

function verdict(on, late) {
  const lit = on.filter(Boolean).length;
  if (lit === on.length) return "All three lamps are on: every widget of this course will work here.";
  return `${lit} of 3 lamps on.${late && !on[2] ? " No reply from the kernel: is it still busy, or was it stopped?" : ""}`;
}

function render({ model, el }) {
  const desk = new Desk(model, el, { name: "self-test", label: "Self-test of this notebook" });
  const slider = desk.slider("value", { label: "Move me", min: 0, max: 10 });
  const range = slider.querySelector("[type=range]");
  const sentence = paragraph("csg-sentence");
  const boxes = LAMPS.map(({ name }) => {
    const text = make("div", {}, make("strong", { textContent: name }), make("span", { class: "csg-small" }));
    return make("li", { class: "csg-lamp" }, make("span", { class: "csg-bulb" }), text);
  });
  desk.root.append(slider, make("ul", { class: "csg-lamps", "aria-label": "Lamps" }, ...boxes), sentence);

  let [keyed, late, clock] = [false, false, 0]; // keyed: an arrow key was the last thing done to the range
  const draw = () => {
    const on = LAMPS.map((lamp) => lamp.on(desk));
    boxes.forEach((box, index) => {
      box.classList.toggle("csg-on", on[index]);
      box.querySelector(".csg-small").textContent = on[index] ? "works" : LAMPS[index].todo;
    });
    say(sentence, verdict(on, late));
  };
  const onKey = (event) => {
    if (event.composedPath()[0] === range) keyed = event.key.startsWith("Arrow");
  };
  window.addEventListener("keydown", onKey, { capture: true });
  desk.closing.push(() => {
    window.removeEventListener("keydown", onKey, { capture: true });
    clearTimeout(clock);
  });
  range.addEventListener("pointerdown", () => (keyed = false));
  range.addEventListener("input", () => {
    desk.put("moved", true);
    if (keyed) desk.put("key_arrived", true);
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

export default { render };
