"""The data report in a notebook: legible, whatever Jupyter's own rules for tables are."""

import numpy as np

from csglib import Clip
from csglib.data.clips import save_clip
from csglib.doctor import examine

JUPYTER = """<style>
.jp-RenderedHTMLCommon table { table-layout: fixed; margin-left: auto; font-size: 12px; }
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr {
  text-align: right; vertical-align: middle; white-space: normal; max-width: none; }
</style><div class="jp-RenderedHTMLCommon jp-RenderedHTML">"""


def test_its_text_is_left_aligned_and_has_most_of_the_width(page, tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (8, 64, 64), np.uint8)
    (tmp_path / "one").mkdir()
    save_clip(Clip(frames=frames, patient="somebody"), tmp_path / "one" / "clip.npz")
    page.set_viewport_size({"width": 720, "height": 900})
    page.set_content(f"{JUPYTER}{examine(tmp_path, workers=1)._repr_html_()}</div>")
    cells = page.locator(".doctor th, .doctor td").evaluate_all(
        "(cells) => cells.map((cell) => getComputedStyle(cell).textAlign)"
    )
    assert {*cells} == {"left"}
    found = page.locator(".doctor table", has_text="severity")
    widths = found.locator("thead th").evaluate_all("(heads) => heads.map((it) => it.offsetWidth)")
    assert widths[2] > widths[0] + widths[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
