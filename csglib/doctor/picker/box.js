// The box on a frame: drawn, moved and stretched with a mouse or a finger, or typed as four numbers.

const EDGES = ["left", "top", "right", "bottom"];
const GRIPS = ["left-top", "top", "right-top", "left", "right", "left-bottom", "bottom", "right-bottom"];
const LEAST = 8; // pixels of the file that a box has at least; a shorter drag is a click

/** A box with some of its edges at a point, none of them past the opposite side. */
function stretched(box, edges, point, sizes) {
  return box.map((edge, which) => {
    const [axis, size] = [which % 2, sizes[which % 2]];
    if (!edges.includes(EDGES[which])) return edge;
    const least = Math.min(LEAST, size);
    return which < 2
      ? clamp(point[axis], 0, Math.max(0, box[axis + 2] - least))
      : clamp(point[axis], Math.min(size, box[axis] + least), size);
  });
}

/** A box moved, and stopped by the frame's edges. */
function moved(box, by, sizes) {
  const step = by.map((pixels, axis) => clamp(pixels, -box[axis], sizes[axis] - box[axis + 2]));
  return box.map((edge, which) => edge + step[which % 2]);
}

/** The box that a drag from one point to another draws; null as long as it could be a click. */
function drawn(start, point) {
  const corner = (choose) => start.map((place, axis) => choose(place, point[axis]));
  const box = [...corner(Math.min), ...corner(Math.max)];
  return box[2] - box[0] < LEAST || box[3] - box[1] < LEAST ? null : box;
}

/** The layer over a frame that takes drags: `moving(box)` during one, `done(box)` after it. */
function boxLayer(sizes, { moving, done }) {
  const grips = GRIPS.map((name) => Object.assign(make("i", { class: `csg-grip csg-at-${name}` }), { edges: name.split("-") }));
  const shown = make("div", { class: "csg-box" }, ...grips);
  const layer = make("div", { class: "csg-layer" }, shown);
  let [box, drag] = [[], null];

  const at = (event) => {
    const { left, top, width, height } = layer.getBoundingClientRect();
    const shares = [(event.clientX - left) / width, (event.clientY - top) / height];
    return sizes.map((size, axis) => Math.round(size * clamp(shares[axis], 0, 1)));
  };
  const result = (event) => {
    const point = at(event);
    if (drag.edges) return stretched(drag.box, drag.edges, point, sizes);
    const by = point.map((place, axis) => place - drag.start[axis]);
    return drag.inside ? moved(drag.box, by, sizes) : drawn(drag.start, point) ?? drag.box;
  };
  const draw = (next) => {
    box = next;
    shown.hidden = !box.length;
    EDGES.forEach((edge, which) => {
      const share = box[which] / sizes[which % 2];
      shown.style[edge] = `${100 * (which < 2 ? share : 1 - share)}%`;
    });
  };
  const finish = (next) => {
    drag = null;
    done(next);
  };
  const cancel = () => (drag ? finish(drag.box) : false);
  layer.addEventListener("pointerdown", (event) => {
    if (event.button || drag) return;
    layer.setPointerCapture(event.pointerId);
    drag = { start: at(event), box, edges: event.target.edges, inside: event.target === shown };
  });
  layer.addEventListener("pointermove", (event) => drag && moving(result(event)));
  layer.addEventListener("pointerup", (event) => drag && finish(result(event)));
  layer.addEventListener("pointercancel", cancel);
  return { layer, draw, cancel };
}

/** A number with its name; what is typed is limited to what is valid. */
function numberField(label, take, hint = "") {
  const input = make("input", { type: "number", step: 1, "aria-label": label + hint });
  let [value, typing] = [0, false]; // what is half typed is not drawn over
  const stop = () => {
    typing = false;
    input.value = value; // at once: a key that comes before the next refresh starts from it
  };
  input.addEventListener("input", () => (typing = true));
  input.addEventListener("blur", stop);
  input.addEventListener("change", () => {
    const whole = input.value !== "" && Number.isInteger(Number(input.value));
    if (whole) value = clamp(Number(input.value), Number(input.min), Number(input.max));
    stop();
    if (whole) take(value);
  });
  const element = make("label", { class: "csg-field" }, make("span", { textContent: label }), input);
  const draw = (now, min, max) => {
    [value, input.min, input.max] = [now, min, max];
    if (!typing) input.value = now;
  };
  return { element, draw };
}

/** The four edges as numbers: they reach every box that a mouse reaches. */
function boxFields(sizes, done) {
  let box = [];
  const at = (which, value) => stretched(box, [EDGES[which]], [value, value], sizes);
  const fields = EDGES.map((name, which) => numberField(name, (value) => done(at(which, value)), ", pixels"));
  const draw = (next) => {
    box = next.length ? next : [0, 0, ...sizes];
    fields.forEach((field, which) =>
      field.draw(box[which], at(which, -Infinity)[which], at(which, Infinity)[which]));
  };
  return { elements: fields.map(({ element }) => element), draw };
}
