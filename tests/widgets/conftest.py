"""A headless Chromium, and a bare page for ES modules."""

import base64
import io
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

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
  const unpack = (text) =>
    new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  for (const name in packed) state[name] = unpack(packed[name]);
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
    unpack,
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
  for (const name in packed) values[name] = model.unpack(packed[name]);
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


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items):
    for item in items:
        if "chromium" in item.fixturenames:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium here; one comes with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(chromium):
    """A page whose own errors fail the test."""
    page = chromium.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(10_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    yield page
    page.close()
    ours = [error for error in errors if "blob:" in error or NOT_OURS not in error]
    assert not ours, ours


@pytest.fixture
def page(chromium):
    with opened(chromium) as page:
        yield page


def split(values):
    """Plain values, and bytes as letters."""
    packed = {n: base64.b64encode(v).decode() for n, v in values.items() if isinstance(v, bytes)}
    return {name: value for name, value in values.items() if name not in packed}, packed


class Shown:
    """A widget in a bare page, whose model has no kernel; `handle` is what `MOUNT` returns."""

    def __init__(self, handle):
        self.handle = handle

    def evaluate(self, script, given=None):
        """Run a function of `{ es, model, el, close }` in the page."""
        return self.handle.evaluate(script, given)

    def trait(self, name):
        return self.traits(name)[0]

    def traits(self, *names):
        return self.evaluate("({ model }, names) => names.map((name) => model.get(name))", [*names])

    def becomes(self, name, wanted):
        """Wait, seconds on a busy machine, until a trait has a value."""
        for _ in range(100):
            if self.trait(name) == wanted:
                return
            time.sleep(0.05)
        assert self.trait(name) == wanted

    def put(self, **values):
        """Set traits as the kernel would, and wait until they are drawn."""
        self.evaluate(PUT, [*split(values)])

    @staticmethod
    def pixels(canvas):
        """What is painted: red, green and blue, (y, x, 3)."""
        url = canvas.evaluate("(canvas) => canvas.toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))[..., :3]


@pytest.fixture
def pixels():
    return Shown.pixels


@pytest.fixture
def mount(page):
    """Show a widget in a bare page."""

    def show(widget):
        state, packed = split(widget.get_state())
        page.add_style_tag(content=widget._css)
        data = {"module": widget._esm, "state": state, "packed": packed}
        return Shown(page.evaluate_handle(MOUNT, data))

    return show


@pytest.fixture
def sentence(page):
    """What a widget says in words."""
    return page.locator(".csg-sentence")


@pytest.fixture
def stolen(page):
    """Makes the page a notebook in the worst case, and tells which keys it has taken."""
    page.evaluate(HOSTILE)
    return lambda: page.evaluate("window.stolen")


@pytest.fixture
def screenshots(tmp_path):
    """Where pictures of the page go: $CSGLIB_SCREENSHOTS, else the test's own folder."""
    folder = Path(os.environ.get("CSGLIB_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
