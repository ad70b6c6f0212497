"""What every widget is: a text, a still, a state; in a page it fits, and keeps its keys."""

import base64
import io
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

LIVE = "application/vnd.jupyter.widget-view+json"


def test_it_shows_a_live_view_a_text_and_a_still(make_widget):
    text = repr(make_widget())
    for opened in (False, True):
        widget = make_widget(opened)
        bundle, _ = widget._repr_mimebundle_()
        assert set(bundle) == {"text/plain", LIVE, "image/png"}
        assert bundle["text/plain"] == repr(widget)
        assert bundle["text/plain"].startswith(f"{type(widget).__name__}(")
        assert not re.search(r"0x|object at|[0-9a-f]{32}", bundle["text/plain"])
        assert opened or bundle["text/plain"] == text  # the same in every run
        assert bundle[LIVE]["model_id"] == widget.model_id
        assert len(bundle["image/png"]) < 110_000  # git keeps every one
        assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).width > 400


def test_it_sends_less_than_a_megabyte_and_its_module_fetches_nothing(make_widget):
    widget = make_widget()
    assert widget._esm.count("export default") == 1
    assert not re.search(r"https?:|\bimport\b|fetch\(|@import|url\(", widget._esm + widget._css)
    sent = {name: value for name, value in widget.get_state().items() if name[0] != "_"}
    packed = sum(len(value) for value in sent.values() if isinstance(value, bytes))
    plain = {name: value for name, value in sent.items() if not isinstance(value, bytes)}
    text = json.dumps(plain)
    assert json.loads(text).keys() == plain.keys()
    assert packed + len(text) < 1_000_000


def test_the_kit_loads_no_torch_and_no_widget():
    code = "import sys, csglib.widgets.base; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    unwanted = r"torch|csglib\.(model|train|view|widgets\.(?!base)\w+)"
    assert not [name for name in loaded.stdout.split() if re.fullmatch(unwanted, name)]


# --- in a bare page ---


AXE = Path(find_spec("axe_playwright_python").submodule_search_locations[0]) / "axe.min.js"
FINDINGS = """
async () => {
  const { violations } = await axe.run(".csg", { resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
    `${id}: ${html.slice(0, 160)} | ${failureSummary.replace(/\\s+/g, " ").slice(0, 200)}`));
}
"""
# Controls smaller than a finger needs: 24 pixels.
SMALL = """
() => [...document.querySelectorAll("input, button:not([tabindex='-1'])")].filter((element) => {
  const { width, height } = (element.closest("label") ?? element).getBoundingClientRect();
  return width && Math.min(width, height) < 24;
}).map(({ outerHTML }) => outerHTML.slice(0, 160))
"""
SIZES = ("light", 1366, 768), ("dark", 390, 844)  # of a laptop, of a phone
# Of clips of another shape, or with tests of their own; the picker shows large frames.
TALL = ("AttentionExplorer", "ClipPicker", "Switchboard", "TokenExplorer")
KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]
# Numbers all that Tab must reach, in the order of the page; of radio buttons the one chosen.
STOPS = """
() => [...document.querySelectorAll(".csg :is(input, button, select, a[href], [tabindex])")]
  .filter((part) => part.tabIndex >= 0 && !part.disabled && !part.matches(":disabled"))
  .filter((part) => part.checkVisibility())
  .filter((part) => part.type !== "radio" || part.checked
    || ![...document.getElementsByName(part.name)].some((other) => other.checked)
    && document.getElementsByName(part.name)[0] === part)
  .map((part, number) => (part.dataset.stop = String(number)))
"""
FOCUSED = """
() => {
  const at = document.activeElement;
  const rim = (part) => part && getComputedStyle(part).outlineStyle !== "none";
  const seen = rim(at) || rim(at.nextElementSibling) || at.matches("svg *") || false;
  return [at.dataset.stop ?? null, seen];
}
"""


def fits_and_is_accessible(page, screenshots, name, scheme, width, height):
    """A whole page, axe-core loaded, not one widget."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    page.screenshot(path=screenshots / f"{name}_{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = page.evaluate(SMALL) + page.evaluate(FINDINGS.replace('".csg"', "document"))
    assert not found, "\n".join(found)


def test_it_fits_its_page_and_axe_finds_nothing(make_widget, mount, page, screenshots):
    page.add_script_tag(path=AXE)
    page.add_style_tag(content=":root { color-scheme: light dark } body { background: Canvas }")
    for opened in (False, True):
        widget = make_widget(opened)
        shown = mount(widget)
        for scheme, width in (("light", 1000), ("dark", 620)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=screenshots / f"{type(widget).__name__}_{opened}_{width}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            tall = page.locator(".csg").bounding_box()["height"] > 560  # beyond a laptop's screen
            assert not (tall and width == 1000 and type(widget).__name__ not in TALL)
            assert page.evaluate(SMALL) == []
            found = page.evaluate(FINDINGS)
            assert not found, "\n".join(found)
        shown.evaluate("({ close }) => close()")


def test_tab_reaches_all_in_order_no_key_leaves_and_nothing_stays(
    make_widget, mount, page, request
):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    widget = make_widget(opened=True)
    shown = mount(widget)
    shown.put()
    wanted = page.evaluate(STOPS)
    reached = []
    for _ in wanted:
        page.keyboard.press("Tab")
        stop, seen = page.evaluate(FOCUSED)
        assert seen, f"nothing shows that stop {stop} has the focus"
        reached.append(stop)
    assert reached == wanted
    stolen = request.getfixturevalue("stolen")  # from here on the page takes all keys, Tab too
    for number, stop in enumerate(wanted):
        control = page.locator(f"[data-stop='{stop}']")
        for key in KEYS if stop == wanted[-1] else (KEYS[number % 8], KEYS[(number + 3) % 8]):
            if control.is_visible() and control.is_enabled():
                control.focus()
                page.keyboard.press(key)
    assert not set(KEYS) & set(stolen())
    if type(widget).__name__ != "TrainingDashboard":  # of one epoch: nothing to choose
        assert shown.evaluate("({ model }) => model.saved") > 0
    before = len(stolen())
    page.keyboard.press("Control+ArrowDown")  # not ours
    page.evaluate("document.body.append(document.createElement('input'))")
    page.locator("body > input").focus()
    page.keyboard.press("ArrowRight")  # nor what starts outside
    assert stolen()[before:] == ["Control", "ArrowDown", "ArrowRight"]
    shown.evaluate("({ close }) => close()")
    assert page.locator(".csg").count() == 0
    assert shown.evaluate("({ model }) => model.listeners()") == 0
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []
