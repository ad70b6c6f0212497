"""Widgets in JupyterLab, Notebook 7 and Voila: what happens in the page reaches the kernel.

One lesson runs in Lab each time; the others only under the `long` marker.
"""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

LONG = pytest.mark.long  # Notebook 7 is JupyterLab's code in another frame

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
QUICK = [NOTEBOOKS / "01_inflation.ipynb"]
EXPLORER = (
    """
import json, numpy as np, torch
from csglib.data.clips import Clip
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.widgets.explorer import AttentionExplorer
grey = np.random.default_rng(3).integers(0, 256, (8, 64, 64), dtype=np.uint8)
explorer = AttentionExplorer(CSG3DCT(TINY), Clip(frames=grey, patient="nobody"))
""",
    "explorer",
)
STUDIO = (
    """
import json
from csgcourse.widgets import phantom_studio
asked, make_video = [], phantom_studio.make_video
def counting(number, **what):
    asked.append(what["stenosis"])
    return make_video(number, **what)
phantom_studio.make_video = counting
studio = phantom_studio.PhantomStudio()
studio.guess = "mild"
asked.clear()
""",
    "studio",
)
DASHBOARD = (
    """
import time, tempfile, torch, numpy as np
from pathlib import Path
from csglib.data.cohort import ClipSet
from csglib.train.config import TrainConfig
from csglib.widgets.dashboard import TrainingDashboard

class Slow(torch.nn.Linear):
    def forward(self, clips):
        time.sleep(0.1)
        return super().forward(clips.mean(dim=(2, 3, 4)))

frames = np.random.default_rng(0).integers(0, 255, (8, 1, 16, 16), dtype=np.uint8)
sets = [ClipSet(frames=frames, grades=np.arange(8) % 2, patients=tuple(f"{n}{i}" for i in range(8)))
        for n in "ab"]
config = TrainConfig(folder=Path(tempfile.mkdtemp()) / "run", epochs=500, batch_size=8)
dashboard = TrainingDashboard(Slow(3, 2), *sets, config)
dashboard
""",
    "records = await dashboard.run()",
    "print('went on to the next cell after', len(records), 'of', config.epochs)",
)
TRAITS = "print(json.dumps([explorer.query, explorer.view, explorer.head, explorer.frame]))"


@pytest.fixture
def outside(page):
    """Addresses beyond this machine that the page asks for; it gets none of them."""
    asked = []

    def refuse(route):
        asked.append(route.request.url)
        route.abort()

    page.route(lambda url: urlsplit(url).hostname not in {"127.0.0.1", None}, refuse)
    return asked


def check_explorer(page, ask=None):
    """Without a kernel to ask, a row that came from it is what tells."""
    shown = page.locator(".csg-explorer").first
    expect(shown.locator("canvas").first).to_be_visible(timeout=120_000)
    slider = shown.get_by_role("slider", name="Frame")
    slider.focus()
    for key in ("Home", "ArrowRight"):
        page.keyboard.press(key)
    assert slider.evaluate("(slider) => slider === document.activeElement")
    assert slider.input_value() == "2"
    canvas = shown.locator(".csg-frames canvas").nth(2)  # 4 x 4 patches: the fourth row's second
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 1.5 / 4, "y": box["height"] * 3.5 / 4})
    shown.get_by_role("radio", name="spatial branch").check()
    shown.get_by_role("radio", name="2", exact=True).check()
    sentence = shown.locator(".csg-sentence")
    expect(sentence).to_contain_text("spatial branch, head 2")
    expect(sentence).to_contain_text("row 4, column 2 attends to the 16 patches of its frame")

    def told(*wanted):
        for _ in range(20):  # a page that has just sent something waits before it sends more
            if ask is None or (found := json.loads(ask(page, TRAITS))) == [*wanted]:
                return
            page.wait_for_timeout(250)
        assert found == [*wanted]

    told(1 + 2 * 16 + 3 * 4 + 1, "space", 2, 3)
    shown.locator(".csg-query-grid").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(shown.get_by_text("Query: the class token")).to_be_visible()
    told(0, "space", 2, 3)


def check_dashboard(page):
    """The button's message reaches a busy kernel through a subshell."""
    state = page.locator(".csg-state")
    expect(state).to_contain_text("Training epoch 3", timeout=60_000)
    page.get_by_role("slider", name="Epoch").focus()
    page.keyboard.press("Home")  # to look back while it trains
    page.get_by_role("button", name="Stop after this epoch").click()
    expect(state).to_contain_text("Stopped after epoch", timeout=20_000)
    expect(page.get_by_text(re.compile(r"cell after \d+ of 500"))).to_be_visible()
    expect(page.get_by_role("slider", name="Epoch")).to_have_value("1")


def check_studio(page, ask):
    """While a slider moves, the kernel skips to its last value."""
    studio = page.locator(".csg-phantom-studio")
    slider = studio.get_by_role("slider", name="Area stenosis, %")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    last = int(slider.input_value())
    expect(studio).not_to_have_class(re.compile("csg-waiting"), timeout=60_000)
    asked = json.loads(ask(page, "print(json.dumps(asked))"))
    assert asked[-1] == last / 100
    assert len(asked) < 30


@pytest.mark.parametrize("place", [pytest.param("notebook", marks=LONG), "voila"])
@pytest.mark.parametrize("notebook", [EXPLORER], indirect=True, ids=["explorer"])
def test_the_explorer_is_alive_and_fetches_nothing(outside, begun, place, ask):
    check_explorer(begun, ask if place == "notebook" else None)
    # Voila's own page asks for fonts of icons and formulas; ours does without.
    assert not [url for url in outside if "mathjax" not in url and "fontawesome" not in url]


@pytest.mark.parametrize("notebook", [DASHBOARD + EXPLORER + STUDIO], indirect=True, ids=["three"])
def test_in_lab_a_running_cell_is_stopped_and_widgets_are_alive_and_fetch_nothing(
    outside, begun, ask, request
):
    """One kernel for the three: it takes seconds to start."""
    check_dashboard(begun)
    ran = request.getfixturevalue("ran")
    check_explorer(ran, ask)
    check_studio(ran, ask)
    assert outside == []


@pytest.mark.parametrize(
    "notebook",
    [
        pytest.param(path, id=path.stem, marks=[] if path in QUICK else LONG)
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    ],
    indirect=True,
)
def test_a_lesson_runs_in_lab_and_shows_its_widgets(ran):
    widgets = ran.locator(".csg").all()
    assert widgets
    for widget in widgets:
        expect(widget.locator(":is(canvas, svg, table, input):visible").first).to_be_visible()
