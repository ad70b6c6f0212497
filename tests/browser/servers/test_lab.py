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
}
STUDIO = (
    """
from csglib.view.widgets import PhantomStudio, phantom_studio
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
