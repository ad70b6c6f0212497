// The time line: the whole video with its key clips, and how much each frame differs from the last.

/** The colour of a grade, mildest first, and ink that is read on it; none for no grade. */
function coloursOf(grades) {
  const colour = palette("magnitude");
  return (grade) => {
    if (!grade) return { fill: "transparent", ink: "inherit" };
    const step = grades.indexOf(grade) / Math.max(1, grades.length - 1);
    const fill = `rgb(${[...colour(Math.round(255 * (0.15 + 0.75 * step)))].join()})`;
    return { fill, ink: step > 0.4 ? "#000000" : "#ffffff" };
  };
}

/** Square roots, so that a cut does not flatten what moves. */
function curve(desk, total) {
  const changes = floats(desk.model, "changes").map(Math.sqrt);
  const most = Math.max(...changes) || 1;
  const points = [...changes].map((change, frame) => `${frame},${(100 - (96 * change) / most).toFixed(2)}`);
  return `<svg class="csg-curve" viewBox="0 0 ${total} 100" preserveAspectRatio="none" aria-hidden="true">
    <polygon points="1,100 ${points.slice(1).join(" ")} ${total - 1},100"/></svg>`;
}

/** Round numbers of frames, at most a dozen. */
function ticks(total) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((size) => total / size <= 12) ?? 2000;
  const numbers = Array.from({ length: Math.ceil(total / step) }, (_, tick) => tick * step);
  return numbers.map((frame) => {
    const tick = make("span", { textContent: frame });
    tick.style.left = `${(100 * (frame + 0.5)) / total}%`;
    return tick;
  });
}

function spanOf(row, number, total, colour) {
  const { fill, ink } = colour(row.grade);
  const end = endOf(row, total);
  const span = make("div", { class: "csg-span" }, make("b", { textContent: number }));
  span.classList.toggle("csg-ungraded", !row.grade);
  Object.assign(span.style, {
    left: `${(100 * row.first_frame) / total}%`, width: `${(100 * (end - row.first_frame)) / total}%`,
    background: fill, color: ink,
  });
  if (row.narrowest_frame !== null) {
    const diamond = make("i", {});
    diamond.style.left = `${(100 * (row.narrowest_frame + 0.5 - row.first_frame)) / (end - row.first_frame)}%`;
    span.append(diamond);
  }
  return span;
}

/** A slider over all frames; a press or a stroke leads to the frame under it. */
function timeLine(desk, colour) {
  const { frames: total } = desk.get("facts");
  const head = make("i", { class: "csg-head" });
  const spans = make("div", { class: "csg-spans" });
  const plot = make("div", { class: "csg-plot", innerHTML: curve(desk, total) });
  const line = make(
    "div",
    { class: "csg-line", role: "slider", tabIndex: 0, "aria-label": "Frame of the video", "aria-valuemin": 0, "aria-valuemax": total - 1 },
    plot, spans, head,
  );
  const go = (event) => {
    const { left, width } = line.getBoundingClientRect();
    desk.put("frame", clamp(Math.floor((total * (event.clientX - left)) / width), 0, total - 1));
  };
  line.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    line.setPointerCapture(event.pointerId);
    desk.put("playing", false);
    go(event);
  });
  line.addEventListener("pointermove", (event) => line.hasPointerCapture(event.pointerId) && go(event));
  const box = make("div", { class: "csg-time" }, line, make("div", { class: "csg-ticks", "aria-hidden": "true" }, ...ticks(total)));
  const draw = (rows, at, frame, words) => {
    spans.replaceChildren(...rows.map((row, which) => spanOf(row, which + 1, total, colour)));
    spans.children[at]?.classList.add("csg-current");
    head.style.left = `${(100 * frame) / total}%`;
    head.style.width = `${100 / total}%`;
    line.setAttribute("aria-valuenow", frame);
    line.setAttribute("aria-valuetext", words);
  };
  return { box, line, draw };
}
