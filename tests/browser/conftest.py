"""A headless Chromium, and a bare page for ES modules."""

import base64
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, JSHandle, Locator, Page, sync_playwright

from csglib.widgets.base import LiveFigure

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Notebook 7.6 stumbles over settings and commands that JupyterLab has, with any notebook. A module
# of ours comes from an address that begins with "blob:".
NOT_OURS = "/static/notebook/"

# What anywidget hands to `render`, in a few lines: traits, listeners, and what was saved.
MOUNT = """
async ({ module, state, packed }) => {
  for (const name in packed) {
    const letters = Uint8Array.from(atob(packed[name]), (letter) => letter.charCodeAt(0));
    state[name] = new DataView(letters.buffer);
  }
  const heard = {};
  const model = {
    saved: 0,
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of heard[`change:${name}`] ?? []) listener();
    },
    on: (event, listener) => (heard[event] ??= new Set()).add(listener),
    off: (event, listener) => heard[event].delete(listener),
    save_changes: () => model.saved++,
    sent: [],
    send: (message) => model.sent.push(message),
    tell(message, buffers) {
      for (const listener of heard["msg:custom"]) listener(message, buffers);
    },
    listeners: () => Object.values(heard).reduce((sum, set) => sum + set.size, 0),
  };
  const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  const es = await import(url);
  const el = document.body.appendChild(document.createElement("div"));
  const close = es.default.render({ model, el });
  return { es, model, el, close };
}
"""


PUT = """
({ model }, [values, packed]) => {
  for (const name of packed) {
    const letters = Uint8Array.from(atob(values[name]), (letter) => letter.charCodeAt(0));
    values[name] = new DataView(letters.buffer);
  }
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  return new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
}
"""

# A notebook in the worst case: it takes every key on its way down.
HOSTILE = """
() => {
  window.stolen = [];
  document.addEventListener("keydown", (event) => {
    window.stolen.push(event.key);
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
}
"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; one comes with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page whose own errors fail the test."""
    page = chromium.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    yield page
    page.close()
    ours = [error for error in errors if "blob:" in error or NOT_OURS not in error]
    assert not ours, ours


class Shown:
    """A widget in a bare page, whose model has no kernel.

    Args:
        handle: what `MOUNT` returns; for functions of the page itself.
    """

    def __init__(self, handle: JSHandle) -> None:
        self.handle = handle

    def evaluate(self, script: str, given: Any = None) -> Any:
        """Run a function of `{ es, model, el, close }` in the page."""
        return self.handle.evaluate(script, given)

    def trait(self, name: str) -> Any:
        return self.traits(name)[0]

    def traits(self, *names: str) -> list[Any]:
        return self.evaluate("({ model }, names) => names.map((name) => model.get(name))", [*names])

    def becomes(self, name: str, wanted: Any) -> None:
        """Wait, seconds on a busy machine, until a trait has a value."""
        for _ in range(100):
            if self.trait(name) == wanted:
                return
            time.sleep(0.05)
        assert self.trait(name) == wanted

    def put(self, **values: Any) -> None:
        """Set traits as the kernel would, and wait until they are drawn."""
        packed = [name for name, value in values.items() if isinstance(value, bytes)]
        letters = {name: base64.b64encode(values[name]).decode() for name in packed}
        self.evaluate(PUT, [values | letters, packed])

    @staticmethod
    def pixels(canvas: Locator) -> np.ndarray:
        """What is painted: red, green and blue, (y, x, 3)."""
        url = canvas.evaluate("(canvas) => canvas.toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))[..., :3]


@pytest.fixture
def mount(page: Page) -> Callable[[LiveFigure], Shown]:
    """Show a widget in a bare page."""

    def show(widget: LiveFigure) -> Shown:
        state = widget.get_state()
        packed = {
            name: base64.b64encode(value).decode()
            for name, value in state.items()
            if isinstance(value, bytes)
        }
        plain = {name: value for name, value in state.items() if name not in packed}
        page.add_style_tag(content=widget._css)
        data = {"module": widget._esm, "state": plain, "packed": packed}
        return Shown(page.evaluate_handle(MOUNT, data))

    return show


@pytest.fixture
def sentence(page: Page) -> Locator:
    """What a widget says in words."""
    return page.locator(".csg-sentence")


@pytest.fixture
def stolen(page: Page) -> Callable[[], list[str]]:
    """Makes the page a notebook in the worst case, and tells which keys it has taken."""
    page.evaluate(HOSTILE)
    return lambda: page.evaluate("window.stolen")


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures of the page go: $CSGLIB_SCREENSHOTS, else the test's own folder."""
    folder = Path(os.environ.get("CSGLIB_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def nameless(page: Page) -> int:
    """How many controls and pictures have nothing that a screen reader could say."""
    return page.evaluate(
        """() => [...document.querySelectorAll("input, button, [tabindex], [role=img]")]
          .filter((element) => element.checkVisibility())
          .filter((element) => !element.ariaLabel && !element.closest("label")
            && !element.textContent.trim()).length"""
    )


def too_small(page: Page) -> int:
    """How many controls are narrower or lower than a finger needs, 24 pixels."""
    return page.evaluate(
        """() => [...document.querySelectorAll("input, button:not([tabindex='-1'])")]
          .map((element) => (element.closest("label") ?? element).getBoundingClientRect())
          .filter(({ width, height }) => width && Math.min(width, height) < 24).length"""
    )


@pytest.fixture
def clumsy() -> Callable[[Page], tuple[int, int]]:
    """Controls without a name, and controls too small; both should be none."""
    return lambda page: (nameless(page), too_small(page))
