"""Every lesson in JupyterLab: its cells run, its widget is alive, a key reaches the kernel."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
START = NOTEBOOKS / "00_start_here.ipynb"
LESSONS = {  # notebooks, and how their widgets are marked in the page
    "01_inflation": ".csg-time-stretch",
    "02_clips_to_tokens": ".csg-token-explorer",
    "03_intra_dimension_attention": ".csg-cost-dial",
    "04_fusion_swa_vs_ca": ".csg-switchboard",
    "05_learnable_weighting": ".csg-balance",
    "06_csg3dct": ".csg-wiring-map",
    "07_clips_and_grades": ".csg-phantom-studio",
    "08_training": ".csg-training-dashboard",
    "09_attention_across_frames": ".csg-explorer",
    "10_table_1": ".csg-table-reader",
    "11_your_own_clips": ".csg-clip-picker",
}
STUDIO = (
    """
from csgcourse.widgets.phantom_studio import PhantomStudio
from csgcourse.widgets import phantom_studio
asked, make_video = [], phantom_studio.make_video
def counting(number, **what):
    asked.append(what["stenosis"])
    return make_video(number, **what)
phantom_studio.make_video = counting
""",
    """
studio = PhantomStudio()
studio.guess = "mild"
asked.clear()
studio
""",
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


@pytest.mark.parametrize("notebook", [STUDIO], indirect=True, ids=["studio"])
def test_while_a_slider_moves_the_kernel_skips_to_its_last_value(ran, ask, screenshots):
    studio = ran.locator(".csg-phantom-studio")
    slider = studio.get_by_role("slider", name="Stenosis, %")
    slider.focus()
    for _ in range(30):
        ran.keyboard.press("ArrowLeft")
    last = int(slider.input_value())
    expect(studio).not_to_have_class(re.compile("csg-waiting"), timeout=60_000)
    studio.screenshot(path=screenshots / "studio.png")
    asked = json.loads(ask(ran, "import json; print(json.dumps(asked))"))
    assert asked[-1] == last / 100
    assert len(asked) < 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("notebook", "widget"),
    [(NOTEBOOKS / f"{name}.ipynb", widget) for name, widget in LESSONS.items()],
    indirect=["notebook"],
    ids=LESSONS,
)
def test_a_lesson_runs_in_the_page_and_shows_its_widget(ran, notebook, widget, screenshots):
    shown = ran.locator(widget).first
    expect(shown.locator("canvas:visible, svg:visible, table:visible").first).to_be_visible()
    shown.screenshot(path=screenshots / f"{Path(notebook).stem}_widget.png")
    page = ran.locator(".jp-WindowedPanel-outer")  # the part that scrolls
    whole = page.evaluate("(page) => page.scrollHeight")
    ran.set_viewport_size({"width": 1280, "height": min(whole, 16_000) + 200})
    page.evaluate("(page) => { page.scrollTop = 0; }")
    page.screenshot(path=screenshots / f"{Path(notebook).stem}.png")


@pytest.mark.parametrize("notebook", [START], indirect=True, ids=[START.stem])
def test_one_arrow_key_lights_all_lamps(ran, notebook, screenshots):
    widget = ran.locator(".csg-self-test")
    expect(widget.locator(".csg-on")).to_have_count(0)
    widget.get_by_role("slider").focus()
    ran.keyboard.press("ArrowRight")
    expect(widget.locator(".csg-on")).to_have_count(3, timeout=20_000)
    widget.screenshot(path=screenshots / f"{Path(notebook).stem}.png")


@pytest.mark.parametrize("notebook", [DASHBOARD], indirect=True, ids=["dashboard"])
def test_the_button_stops_a_cell_that_is_running(begun, screenshots):
    """Its message reaches a busy kernel through a subshell."""
    state = begun.locator(".csg-state")
    expect(state).to_contain_text("Training epoch 3", timeout=60_000)
    begun.get_by_role("slider", name="Epoch").focus()
    begun.keyboard.press("Home")  # to look back while it trains
    begun.get_by_role("button", name="Stop after this epoch").click()
    expect(state).to_contain_text("Stopped after epoch", timeout=20_000)
    begun.screenshot(path=screenshots / "training_dashboard_lab.png")
    expect(begun.get_by_text(re.compile(r"cell after \d+ of 500"))).to_be_visible()
    expect(begun.get_by_role("slider", name="Epoch")).to_have_value("1")
