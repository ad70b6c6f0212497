// What the pages of the course do: fold code, search, draw charts. Without it they can be read.

const find = (selector) => document.querySelector(selector);
const every = (selector) => [...document.querySelectorAll(selector)];

// The list of pages is beside the page where there is room.
find(".side").open = matchMedia("(min-width: 901px)").matches;

// What is too wide is scrolled, by keys too.
const reachable = () => every("pre, .wide").forEach((part) => {
  if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  else part.removeAttribute("tabindex");
});
addEventListener("resize", reachable);
addEventListener("toggle", reachable, { capture: true });
reachable();

const fold = find("#fold");
if (fold) {
  const show = (open) => {
    for (const code of every(".code")) code.open = open;
    fold.textContent = open ? "Fold all code" : "Show all code";
  };
  fold.hidden = false;
  fold.addEventListener("click", () => {
    const open = !find(".code").open;
    show(open);
    localStorage.setItem("csg-code", open ? "shown" : "folded");
  });
  show(true);
  show(localStorage.getItem("csg-code") !== "folded"); // last: a browser may refuse its storage
}

/** Sections that hold all words, those whose headings hold them first. */
function search(index, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (const [file, title, anchor, heading, text] of words.length ? index : []) {
    const [head, body] = [`${title} ${heading}`.toLowerCase(), text.toLowerCase()];
    if (!words.every((word) => head.includes(word) || body.includes(word))) continue;
    const score = words.reduce((sum, word) => sum + 20 * head.includes(word) + Math.min(5, body.split(word).length - 1), 0);
    const at = Math.max(0, body.indexOf(words.find((word) => body.includes(word))) - 60);
    found.push({ href: `${file}#${anchor}`, name: heading === title ? title : `${title}: ${heading}`, text: text.slice(at, at + 200), score });
  }
  return found.sort((one, other) => other.score - one.score);
}

const results = find("#results");
if (results) {
  const [index, box] = [JSON.parse(find("#index").textContent), find("[name=q]")];
  const show = () => {
    const found = search(index, box.value);
    find("#found").textContent = box.value.trim() ? `${found.length} sections hold “${box.value.trim()}”.` : "Type a word into the box at the top.";
    results.replaceChildren(...found.slice(0, 40).map(({ href, name, text }) => {
      const [item, link, words] = ["li", "a", "p"].map((tag) => document.createElement(tag));
      Object.assign(link, { href, textContent: name });
      words.textContent = `… ${text} …`;
      item.append(link, words);
      return item;
    }));
  };
  box.value = new URLSearchParams(location.search).get("q") ?? "";
  box.addEventListener("input", show);
  show();
}

const BUTTONS = ["toImage", "zoomIn2d", "zoomOut2d", "resetScale2d"]; // none that shares the data

/** A chart in the colours of the page. */
for (const box of every(".plotly")) {
  const { data, layout } = JSON.parse(box.textContent);
  const axis = { gridcolor: "#8888", zerolinecolor: "#8888" };
  for (const name of Object.keys(layout)) if (/^[xy]axis/.test(name)) Object.assign(layout[name], axis);
  const draw = () => {
    const { color } = getComputedStyle(document.body);
    const own = { paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color }, width: undefined };
    Plotly.newPlot(box, data, { ...layout, ...own }, { displaylogo: false, responsive: true, modeBarButtons: [BUTTONS] });
  };
  box.replaceChildren();
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
