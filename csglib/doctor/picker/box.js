// The box on a frame: drawn, moved and stretched with a mouse or a finger, or typed as four numbers.

const EDGES = ["left", "top", "right", "bottom"];
const GRIPS = [
  ["left", "top"], ["top"], ["right", "top"], ["left"], ["right"], ["left", "bottom"], ["bottom"], ["right", "bottom"],
];
const LEAST = 8; // pixels of the file that a box has at least; a shorter stroke is a click

/** Nothing, where a box holds the whole frame. */
const trimmed = (box, { height, width }) => (same(box, [0, 0, width, height]) ? [] : box);

/** A box with some of its edges at a point, none of them past the other side. */
function pulled(box, edges, point, { height, width }) {
  const sizes = [width, height];
  return box.map((edge, which) => {
    const axis = which % 2;
    if (!edges.includes(EDGES[which])) return edge;
    const least = Math.min(LEAST, sizes[axis]);
    return which < 2
      ? clamp(point[axis], 0, Math.max(0, box[axis + 2] - least))
      : clamp(point[axis], Math.min(sizes[axis], box[axis] + least), sizes[axis]);
  });
}

/** A box moved, and stopped by the frame's edges. */
function carried(box, [x, y], { height, width }) {
  const right = clamp(x, -box[0], width - box[2]);
  const down = clamp(y, -box[1], height - box[3]);
  return [box[0] + right, box[1] + down, box[2] + right, box[3] + down];
}

/** What a stroke from one point to another makes: null as long as it could be a click. */
function stroke(start, point) {
  const box = [0, 1].map((axis) => Math.min(start[axis], point[axis]));
  box.push(...[0, 1].map((axis) => Math.max(start[axis], point[axis])));
  return box[2] - box[0] < LEAST || box[3] - box[1] < LEAST ? null : box;
}

/** The layer over a frame that takes strokes. `moving(box)` while one goes on, `done(box)` after. */
function boxLayer(sizes, { moving, done }) {
  const grips = GRIPS.map((edges) => Object.assign(make("i", { class: `csg-grip csg-at-${edges.join("-")}` }), { edges }));
  const shown = make("div", { class: "csg-box" }, ...grips);
  const layer = make("div", { class: "csg-layer" }, shown);
  let [box, drag] = [[], null];

  const at = (event) => {
    const { left, top, width, height } = layer.getBoundingClientRect();
    const shares = [(event.clientX - left) / width, (event.clientY - top) / height];
    return [sizes.width, sizes.height].map((size, axis) => Math.round(size * clamp(shares[axis], 0, 1)));
  };
  const result = (event) => {
    const point = at(event);
    if (drag.edges) return pulled(drag.box, drag.edges, point, sizes);
    if (drag.inside) return carried(drag.box, [point[0] - drag.start[0], point[1] - drag.start[1]], sizes);
    return stroke(drag.start, point);
  };
  const draw = (next) => {
    box = next;
    shown.hidden = !box.length;
    const spans = [sizes.width, sizes.height];
    EDGES.forEach((edge, which) => {
      const share = box[which] / spans[which % 2];
      shown.style[edge] = `${100 * (which < 2 ? share : 1 - share)}%`;
    });
  };
  layer.addEventListener("pointerdown", (event) => {
    if (event.button || drag) return;
    layer.setPointerCapture(event.pointerId);
    drag = { start: at(event), box, edges: event.target.edges, inside: event.target === shown };
  });
  layer.addEventListener("pointermove", (event) => drag && moving(result(event) ?? drag.box));
  layer.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const next = result(event);
    const before = drag.box;
    drag = null;
    done(next ?? before);
  });
  const drop = () => {
    if (!drag) return false;
    const before = drag.box;
    drag = null;
    done(before);
    return true;
  };
  layer.addEventListener("pointercancel", drop);
  return { layer, draw, drop };
}

/** A number with its name; what is typed comes back as what it may be. */
function field(label, take, hint = "") {
  const input = make("input", { type: "number", step: 1, "aria-label": label + hint });
  let [value, typing] = [0, false]; // what is half typed is not drawn over
  input.addEventListener("input", () => (typing = true));
  input.addEventListener("blur", () => {
    typing = false;
    input.value = value;
  });
  input.addEventListener("change", () => {
    typing = false;
    const typed = Number(input.value);
    const whole = input.value !== "" && Number.isInteger(typed);
    if (whole) value = clamp(typed, Number(input.min), Number(input.max));
    input.value = value; // at once: a key that comes before the next refresh starts from it
    if (whole) take(value);
  });
  const element = make("label", { class: "csg-field" }, make("span", { textContent: label }), input);
  const draw = (now, min, max) => {
    [value, input.min, input.max] = [now, min, max];
    if (!typing) input.value = now;
  };
  return { element, input, draw };
}

/** The four edges as numbers: they reach every box that a mouse reaches. */
function boxFields(sizes, done) {
  let box = [];
  const edge = (which) => (value) => {
    const point = [value, value];
    done(pulled(box, [EDGES[which]], point, sizes));
  };
  const fields = EDGES.map((name, which) => field(name, edge(which), ", pixels"));
  const draw = (next) => {
    box = next.length ? next : [0, 0, sizes.width, sizes.height];
    const [least, most] = [0, 1].map((side) =>
      EDGES.map((name) => pulled(box, [name], Array(2).fill(side ? Infinity : -Infinity), sizes)));
    fields.forEach(({ draw: show }, which) => show(box[which], least[which][which], most[which][which]));
  };
  return { elements: fields.map(({ element }) => element), draw };
}
