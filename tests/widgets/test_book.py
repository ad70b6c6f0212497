"""The course as web pages, opened from disk without a connection."""

import subprocess
import sys
from functools import cache

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import expect

from ..conftest import SAMPLES
from .test_contract import AXE, SIZES, fits_and_is_accessible

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = SAMPLES.parent
ONE = "01_inflation"
NAMES = [path.stem for kind in ("notebooks/*.ipynb", "docs/*.md") for path in ROOT.glob(kind)]
OTHERS = sorted({*NAMES, "index", "search"} - {ONE})
LIVE = {  # in this order; that of notebook 12 is of a network trained there
    **{"01_inflation": 1, "02_clips_to_tokens": 1, "03_intra_dimension_attention": 1},
    **{"04_fusion_swa_vs_ca": 1, "05_learnable_weighting": 1, "06_csg3dct": 1},
    **{"09_attention_across_frames": 1, "11_table_1": 1},
}
CONTROLS = ":is(input, button, select, [tabindex='0']):not(:disabled)"
HTML = """
(widget) => new Promise((done) =>
  requestAnimationFrame(() => setTimeout(() => done(widget.innerHTML), 50)))
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Builds the page of one notebook, or with "" all pages, once; about half a minute for all."""

    @cache
    def build(only=""):
        folder = tmp_path_factory.mktemp("site")
        command = [sys.executable, ROOT / "book" / "pages.py", folder, only]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return folder

    return build


def answers(widget, keyboard):
    """Whether a key in one of its controls makes a widget draw something else."""
    before = widget.evaluate(HTML)
    for number in range(min(8, widget.locator(CONTROLS).count())):
        for key in ("ArrowRight", "Enter"):
            if (control := widget.locator(CONTROLS).nth(number)).is_visible():
                control.focus()
                keyboard.press(key)
                if widget.evaluate(HTML) != before:
                    return True
    return False


@pytest.mark.parametrize(
    "name", [ONE, *(pytest.param(name, marks=pytest.mark.long) for name in OTHERS)]
)
def test_a_page_fits_is_accessible_asks_nobody_and_its_widgets_answer(
    book, page, screenshots, name
):
    site = book(ONE if name == ONE else "")
    file = site / f"{name}.html"
    assert file.stat().st_size <= 3_000_000
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.context.set_offline(True)
    page.goto(file.as_uri())
    page.evaluate("for (const part of document.querySelectorAll('main details')) part.open = true")
    page.evaluate(AXE.read_text())
    for size in SIZES:
        fits_and_is_accessible(page, screenshots, name, *size)
    widgets = page.locator(".widget:has(.csg)").all()
    assert len(widgets) == LIVE.get(name, 0)
    for widget in widgets:
        assert answers(widget, page.keyboard)
    assert [word for word in said if word.startswith(("error", "warning"))] == []
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:", "blob:"))] == []


def test_search_leads_to_a_section_and_code_stays_folded(book, page):
    page.goto((book(ONE) / f"{ONE}.html").as_uri())
    assert page.locator("math").count() == 2  # its formulas, drawn without a script
    page.get_by_role("button", name="Fold all code").click()
    page.get_by_role("searchbox").fill("bootstrapping mean")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_contain_text("hold “bootstrapping mean”")
    page.locator("#results a").first.click()
    anchor = page.evaluate("decodeURIComponent(location.hash)")
    expect(page.locator(anchor)).to_have_text("Exercise 1.1 · Mean inflation")
    assert page.locator(".code[open]").count() == 0


@pytest.mark.long
def test_every_link_leads_somewhere(book):
    texts = {path.name: path.read_text("utf-8") for path in book().glob("*.html")}
    soups = {name: BeautifulSoup(text, "html.parser") for name, text in texts.items()}
    anchors = {name: {tag["id"] for tag in soup.select("[id]")} for name, soup in soups.items()}
    dead = []
    for name, soup in soups.items():
        for link in soup.select("a[href], script[src]"):
            to, _, anchor = (link.get("href") or link.get("src")).partition("#")
            if ":" in to or to == "lab.html":
                continue
            to = to or name
            if not (book() / to).is_file() or not {anchor} - {""} <= anchors.get(to, set()):
                dead.append(f"{name}: {to}#{anchor}")
    assert not dead
