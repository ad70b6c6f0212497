// Notebook 08: the two curves of a run, and its validation clips between two grades.

const PARTS = ["train", "validation"];
const CHART = { width: 480, height: 186, left: 46, right: 466, top: 30, bottom: 156 };
const FIELD = { width: 520, height: 402, left: 32, right: 488, top: 42, row: 152, gap: 12, rim: 16, label: 26 };
const across = (share) => FIELD.left + (FIELD.right - FIELD.left) * share;

const two = (number) => number.toFixed(2);

/** A drawing from its text, and a way to find the parts of it that move. */
function drawing(name, { width, height }, inner) {
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img">${inner}</svg>`;
  const box = make("div", { class: `csg-${name}`, innerHTML: svg });
  return { box, svg: box.firstChild, part: (which) => box.querySelector(`.csg-${which}`) };
}

function place(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

const dot = (x, y) => `<circle cx="${x}" cy="${y}" r="3.5"/>`;
const diamond = (x, y) => `<path d="M${x} ${y - 5} l5 5 l-5 5 l-5 -5 z"/>`;

/** Where the numbers of an axis stand: round ones, never more than fit. */
function ticksOf(most, room) {
  const step = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find((size) => most / size <= room) ?? most;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, tick) => tick * step);
}

/** One number of training and validation over the epochs; dots at what knowing nothing gives. */
function chart(which, title, nothing) {
  const { left, right, top, bottom } = CHART;
  const { box, svg, part } = drawing(which, CHART, `
    <text x="${left}" y="15" class="csg-start csg-title">${title}</text>
    <g class="csg-ticks"></g>
    <line class="csg-shown" y1="${top}" y2="${bottom}"/>
    <line class="csg-nothing" x1="${left}" x2="${right}"/>
    <line class="csg-dots" x1="${right - 188}" x2="${right - 160}" y1="10" y2="10"/>
    <text class="csg-end csg-axis" x="${right}" y="15">knows nothing: ${two(nothing)}</text>
    ${PARTS.map((name) => `<g class="csg-${name}"><polyline/><g></g></g>`).join("")}`);
  const draw = (records, shown, epochs) => {
    const most = Math.max(1, ...records.flatMap((record) => PARTS.map((name) => record[`${name}_${which}`])));
    const x = (epoch) => (epochs < 2 ? left + 8 : left + 8 + ((right - left - 16) * (epoch - 1)) / (epochs - 1));
    const y = (value) => bottom - ((bottom - top) * value) / most;
    const line = (value) => `<line class="csg-floor" x1="${left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>
      <text class="csg-end" x="${left - 6}" y="${y(value) + 4}">${Number(value.toFixed(1))}</text>`;
    const number = (epoch) => `<text x="${x(epoch)}" y="${bottom + 18}">${epoch}</text>`;
    const below = new Set([1, ...ticksOf(epochs, 12).filter((epoch) => Number.isInteger(epoch) && epoch)]);
    part("ticks").innerHTML = ticksOf(most, 4).map(line).join("") + [...below].map(number).join("");
    place(part("nothing"), { y1: y(nothing), y2: y(nothing) });
    place(part("shown"), { x1: x(shown || 1), x2: x(shown || 1), visibility: shown ? "visible" : "hidden" });
    for (const name of PARTS) {
      const points = records.map((record) => [x(record.epoch), y(record[`${name}_${which}`])]);
      const mark = name === "train" ? dot : diamond;
      place(part(`${name} polyline`), { points: points.map((point) => point.join()).join(" ") });
      part(`${name} g`).innerHTML = points.map((point) => mark(...point)).join("");
    }
    const here = records[shown - 1];
    const said = here ? PARTS.map((name) => `${name} ${two(here[`${name}_${which}`])}`).join(", ") : "no epoch yet";
    place(svg, { "aria-label": `${title} by epoch; on show: ${said}` });
  };
  return { box, draw };
}

/** Each clip at its share of the second grade, a row for each true grade, with a trail. */
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
  const { box, svg } = drawing("field", FIELD, `
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
  clips.forEach((clip, which) => put(clip, which, 0.5)); // before it knows anything
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
      place(line, { x1: across(from), x2: across(share), y1: heights[which], y2: heights[which] });
    });
    svg.querySelector(".csg-gone").textContent = trained && Number.isNaN(now[0]) ? "trained in another session: where clips stood is not known" : "";
    place(svg, { "aria-label": words });
  };
  return { box, draw };
}
