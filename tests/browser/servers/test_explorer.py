"""The explorer all the way: a key or a press in the page, the trait in the kernel, and back.

JupyterLab and Notebook 7 have a kernel that can be asked; in a Voila page, what comes back tells.
"""

import json
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SMALL = (
    """
import numpy as np, torch
from csglib.data.clips import Clip
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.widgets.explorer import AttentionExplorer
""",
    """
grey = np.random.default_rng(3).integers(0, 256, (8, 64, 64), dtype=np.uint8)
explorer = AttentionExplorer(CSG3DCT(TINY), Clip(frames=grey, patient="nobody"))
explorer
""",
)
FRAMES_IN_THE_KERNEL = """
import gc, json
from csglib.widgets.explorer import AttentionExplorer
explorers = [thing for thing in gc.get_objects() if issubclass(type(thing), AttentionExplorer)]
print(json.dumps({explorer.model_id: explorer.frame for explorer in explorers}))
"""
# Whatever can be reached by keyboard; of a group of radio buttons, the one that is chosen.
STOPS = """
(explorer) => [...explorer.querySelectorAll("input, button, select, a[href], [tabindex='0']")]
  .filter((part) => part.tabIndex >= 0 && !part.disabled && part.checkVisibility())
  .filter((part) => part.type !== "radio" || part.checked)
  .map((part, number) => { part.dataset.stop ??= String(number); return part.dataset.stop; })
"""
FOCUSED = "() => document.activeElement?.dataset.stop ?? null"
KINDS = {  # of controls; each is a stop, whatever the mouse can do
    ".csg-query-grid": 1,  # all patches of all frames
    "input[type=radio]": 4 + 5,  # branches and heads
    "input[type=range]": 3,  # block, frame, overlay
    "input[type=checkbox]": 2,  # stretch, compare
    "button": 2,  # play, copy
}
COUNT = """
(explorer, kinds) => kinds.map((kind) => [...explorer.querySelectorAll(kind)]
  .filter((part) => part.tabIndex >= 0 && part.checkVisibility()).length)
"""

in_notebooks = pytest.mark.parametrize("place", ["lab", "notebook"])
in_pages = pytest.mark.parametrize("place", ["lab", "notebook", "voila"])
of_a_small_clip = pytest.mark.parametrize("notebook", [SMALL], indirect=True, ids=["small"])


@pytest.fixture
def outside(page):
    """Addresses beyond this machine that the page asks for; it gets none of them."""
    asked = []

    def refuse(route):
        asked.append(route.request.url)
        route.abort()

    page.route(lambda url: urlsplit(url).hostname not in {"127.0.0.1", None}, refuse)
    return asked


@pytest.fixture
def shown(notebook, place, jupyter, page, request):
    """The explorer in a page, alive."""
    if place == "voila":
        page.set_viewport_size({"width": 1280, "height": 1100})
        page.goto(jupyter.address(place, notebook))
        page.set_default_timeout(60_000)
    else:
        page = request.getfixturevalue("ran")
    explorer = page.locator(".csg-explorer").first
    expect(explorer.locator("canvas").first).to_be_visible(timeout=60_000)
    return explorer


def press(explorer, row, column):
    """Press a patch of the third frame, which has 4 x 4 of them."""
    canvas = explorer.locator(".csg-frames canvas").nth(2)
    box = canvas.bounding_box()
    x, y = (box[side] * (at - 0.5) / 4 for side, at in (("width", column), ("height", row)))
    canvas.click(position={"x": x, "y": y})


@in_notebooks
@of_a_small_clip
def test_an_arrow_key_reaches_the_kernel(shown, ran, ask):
    frames = json.loads(ask(ran, FRAMES_IN_THE_KERNEL))
    slider = shown.get_by_role("slider", name="Frame")
    slider.focus()
    ran.keyboard.press("ArrowRight")
    assert slider.evaluate("(slider) => slider === document.activeElement")
    assert slider.input_value() == "2"
    moved = json.loads(ask(ran, FRAMES_IN_THE_KERNEL))
    assert [moved[name] - frame for name, frame in frames.items()].count(1) == 1


@in_notebooks
@of_a_small_clip
def test_a_pressed_patch_reaches_the_kernel(shown, ran, ask):
    press(shown, row=4, column=2)
    shown.get_by_role("radio", name="spatial branch").check()
    shown.get_by_role("radio", name="2", exact=True).check()
    expect(shown.locator(".csg-sentence")).to_contain_text("spatial branch, head 2")
    told = "print(explorer.query, explorer.view, explorer.head, explorer.frame)"
    assert ask(ran, told).split() == [str(1 + 2 * 16 + 3 * 4 + 1), "space", "2", "3"]
    shown.locator(".csg-query-grid").focus()
    ran.keyboard.press("ArrowLeft")
    ran.keyboard.press("Escape")
    expect(shown.get_by_text("Query: the class token")).to_be_visible()
    # A page that has just told the kernel something waits for its answer before it tells more.
    for _ in range(20):
        if (query := ask(ran, "print(explorer.query)")) == "0":
            break
        ran.wait_for_timeout(250)
    assert query == "0"


@in_pages
@of_a_small_clip
def test_the_row_of_a_patch_comes_from_the_kernel(shown, place, page, screenshots):
    shown.get_by_role("radio", name="spatial branch").check()
    press(shown, row=4, column=2)
    asked = "frame 3, row 4, column 2 attends to the 16 patches of its frame"
    expect(shown.locator(".csg-sentence")).to_contain_text(asked)
    shown.screenshot(path=screenshots / f"explorer_in_{place}.png")
    page.screenshot(path=screenshots / f"page_of_{place}.png")


@in_pages
@of_a_small_clip
def test_tab_alone_reaches_every_control(shown, page):
    wanted = shown.evaluate(STOPS)
    shown.locator("[data-stop]").first.focus()
    reached = []
    for _ in range(3 * len(wanted)):
        stop = page.evaluate(FOCUSED)
        if stop is None:
            break
        reached.append(stop)
        page.keyboard.press("Tab")
    assert reached == wanted
    assert shown.evaluate(COUNT, list(KINDS)) == list(KINDS.values())


@in_pages
@of_a_small_clip
def test_nothing_comes_from_outside(outside, shown):
    """Voila's own page asks for fonts of icons and formulas; what is ours does without."""
    press(shown, row=1, column=1)
    expect(shown.locator(".csg-sentence")).to_contain_text("frame 3, row 1, column 1")
    assert not [url for url in outside if "mathjax" not in url and "fontawesome" not in url]
