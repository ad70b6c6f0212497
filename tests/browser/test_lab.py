"""Widgets all the way: a notebook in JupyterLab, a key in the page, the trait in the kernel."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
START = ROOT / "notebooks" / "00_start_here.ipynb"
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
}

SMALL = (
    """
import numpy as np, torch
from csglib.data.clips import Clip
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.view.widgets import AttentionExplorer
""",
    """
grey = np.random.default_rng(3).integers(0, 256, (8, 64, 64), dtype=np.uint8)
explorer = AttentionExplorer(CSG3DCT(TINY), Clip(frames=grey, patient="nobody"))
explorer
""",
)

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

# A kernel that is not connected yet calls itself idle, and running a cell then never ends.
CONNECTED = """
() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}
"""
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
ENDED = r"""
() => {
  const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
  const ran = prompts.every((prompt) => /^\[\d+\]:?$/.test(prompt.textContent.trim()));
  return ran || document.querySelector("[data-mime-type='application/vnd.jupyter.error']");
}
"""
ASK = """
async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const asked = kernel.requestExecute({ code, store_history: false });
  let text = "";
  asked.onIOPub = ({ content }) => (text += content.text ?? content.evalue ?? "");
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("no answer")), 20000));
  await Promise.race([asked.done, late]);
  return text;
}
"""
FRAMES_IN_THE_KERNEL = """
import gc, json
from csglib.view.widgets import AttentionExplorer
explorers = [thing for thing in gc.get_objects() if issubclass(type(thing), AttentionExplorer)]
print(json.dumps({explorer.model_id: explorer.frame for explorer in explorers}))
"""


@pytest.fixture
def notebook(request, lab):
    """A copy without outputs, where the server finds it and its `../data_samples` too.

    The parameter is its path, or the sources of its cells.
    """
    folder = lab.folder / "notebooks"
    if not folder.exists():
        folder.mkdir()
        (lab.folder / "data_samples").symlink_to(ROOT / "data_samples")
    kept = isinstance(request.param, Path)
    written = nbformat.read(request.param, as_version=4) if kept else of_cells(request.param)
    for cell in written.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    name = request.param.name if kept else f"{request.node.callspec.id}.ipynb"
    nbformat.write(written, folder / name)
    return f"notebooks/{name}"


def of_cells(sources):
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


@pytest.fixture
def ran(notebook, lab, page):
    """The page with that notebook open and every cell run."""
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.set_default_timeout(300_000)  # one of them trains a network
    page.goto(lab.address(notebook))
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.wait_for_function(CONNECTED)
    page.evaluate(RUN_ALL)  # not awaited: it may never answer
    page.wait_for_function(ENDED)
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0, errors.first.inner_text()
    return page


@pytest.mark.parametrize("notebook", [SMALL], indirect=True, ids=["small"])
def test_an_arrow_key_reaches_the_kernel(ran, notebook, screenshots):
    frames = json.loads(ran.evaluate(ASK, FRAMES_IN_THE_KERNEL))
    explorer = ran.locator(".csg-explorer").first
    slider = explorer.get_by_role("slider", name="Frame")
    slider.focus()
    ran.keyboard.press("ArrowRight")
    explorer.screenshot(path=screenshots / f"{Path(notebook).stem}.png")
    assert slider.evaluate("(slider) => slider === document.activeElement")
    assert slider.input_value() == "2"
    moved = json.loads(ran.evaluate(ASK, FRAMES_IN_THE_KERNEL))
    assert [moved[name] - frame for name, frame in frames.items()].count(1) == 1


@pytest.mark.parametrize("notebook", [SMALL], indirect=True, ids=["patch"])
def test_a_pressed_patch_reaches_the_kernel_and_its_row_comes_back(ran, screenshots):
    explorer = ran.locator(".csg-explorer").first
    canvas = explorer.locator(".csg-frames canvas").nth(2)
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.375, "y": box["height"] * 0.875})
    explorer.get_by_role("radio", name="spatial branch").check()
    explorer.get_by_role("radio", name="2", exact=True).check()
    sentence = explorer.locator(".csg-sentence")
    expect(sentence).to_contain_text("frame 3, row 4, column 2 asks the 16 patches of its frame")
    expect(sentence).to_contain_text("spatial branch, head 2")
    explorer.screenshot(path=screenshots / "patch.png")
    told = "print(explorer.query, explorer.view, explorer.head, explorer.frame)"
    assert ran.evaluate(ASK, told).split() == [str(1 + 2 * 16 + 3 * 4 + 1), "space", "2", "3"]
    explorer.locator(".csg-asking-grid").focus()
    ran.keyboard.press("ArrowLeft")
    ran.keyboard.press("Escape")
    expect(explorer.get_by_text("Asking: the class token")).to_be_visible()
    # A page that has just told the kernel something waits for its answer before it tells more.
    for _ in range(20):
        if (query := ran.evaluate(ASK, "print(explorer.query)").strip()) == "0":
            break
        ran.wait_for_timeout(250)
    assert query == "0"


@pytest.mark.parametrize("notebook", [STUDIO], indirect=True, ids=["studio"])
def test_while_a_slider_moves_the_kernel_skips_to_its_last_value(ran, screenshots):
    studio = ran.locator(".csg-phantom-studio")
    slider = studio.get_by_role("slider", name="Stenosis, %")
    slider.focus()
    for _ in range(30):
        ran.keyboard.press("ArrowLeft")
    last = int(slider.input_value())
    expect(studio).not_to_have_class(re.compile("csg-waiting"), timeout=60_000)
    studio.screenshot(path=screenshots / "studio.png")
    asked = json.loads(ran.evaluate(ASK, "import json; print(json.dumps(asked))"))
    assert asked[-1] == last / 100
    assert len(asked) < 30


# Notebook 09 trains its network first, where nobody has run 08 in that folder.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("notebook", "widget"),
    [(ROOT / "notebooks" / f"{name}.ipynb", widget) for name, widget in LESSONS.items()],
    indirect=["notebook"],
    ids=LESSONS,
)
def test_a_lesson_runs_in_the_page_and_shows_its_widget(ran, notebook, widget, screenshots):
    shown = ran.locator(widget).first
    expect(shown.locator("canvas:visible, svg:visible").first).to_be_visible()
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
