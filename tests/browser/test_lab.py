"""One widget all the way: a notebook in JupyterLab, a key in the page, the trait in the kernel."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
NOTEBOOKS = [None, *sorted(ROOT.glob("notebooks/09_*.ipynb"))]  # None: the small one written below

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

# A kernel that is not connected yet calls itself idle, and running a cell then never ends.
CONNECTED = """
() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}
"""
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
ALL_RAN = r"""
() => {
  const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
  return prompts.length && prompts.every((prompt) => /^\[\d+\]:?$/.test(prompt.textContent.trim()));
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


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem if path else "small")
def notebook(request, lab):
    """A notebook with an explorer, where the server finds it; the original stays untouched."""
    if request.param is not None:
        return Path(shutil.copy(request.param, lab.folder)).name
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in SMALL]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=kernel), lab.folder / "small.ipynb"
    )
    return "small.ipynb"


@pytest.fixture
def ran(notebook, lab, page):
    """The page with that notebook open and every cell run."""
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.set_default_timeout(60_000)
    page.goto(lab.address(notebook))
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.wait_for_function(CONNECTED)
    page.evaluate(RUN_ALL)  # not awaited: it may never answer
    page.wait_for_function(ALL_RAN)
    return page


def test_an_arrow_key_reaches_the_kernel(ran, notebook, screenshots):
    frames = json.loads(ran.evaluate(ASK, FRAMES_IN_THE_KERNEL))
    slider = ran.locator(".csg-explorer").first.get_by_role("slider", name="Frame")
    slider.focus()
    ran.keyboard.press("ArrowRight")
    ran.locator(".csg-explorer").first.screenshot(path=screenshots / f"{Path(notebook).stem}.png")
    assert slider.evaluate("(slider) => slider === document.activeElement")
    assert slider.input_value() == "2"
    moved = json.loads(ran.evaluate(ASK, FRAMES_IN_THE_KERNEL))
    assert [moved[name] - frame for name, frame in frames.items()].count(1) == 1
    assert ran.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
