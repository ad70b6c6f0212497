"""A Jupyter server of our own, which shows a notebook in JupyterLab, in Notebook 7 and as Voila."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[3]
PAGES = {
    "lab": "lab/tree/{}?reset&",  # alone: else what was open before opens beside it
    "notebook": "notebooks/{}?",
    "voila": "voila/render/{}?",
}
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True,
    },
    # else cells out of sight are not in the page
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}  # fmt: skip

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
  // A claims cell, whose source is hidden, has an empty prompt; one that has not run has "[ ]:".
  const ran = prompts.every((prompt) => /^(\[\d+\]:?)?$/.test(prompt.textContent.trim()));
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


class Jupyter:
    """A server that serves one folder and listens to nobody else; tests write `notebooks` in it."""

    def __init__(self, home):
        self.folder = home / "root"
        (self.folder / "notebooks").mkdir(parents=True)
        for name in ("data_samples", "benchmarks"):
            (self.folder / name).symlink_to(ROOT / name)
        self._token = secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        for name, value in SETTINGS.items():
            path = home / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value))
        self._log = (home / "server.log").open("w+")
        self._server = subprocess.Popen(
            self._command(), stdout=self._log, stderr=subprocess.STDOUT, env=environment(home)
        )

    def address(self, path):
        return f"http://127.0.0.1:{self._port}/{path}token={self._token}"

    def wait(self):
        for _ in range(900):
            try:
                urllib.request.urlopen(self.address("api/status?"), timeout=2).close()
                return
            except OSError:
                assert self._server.poll() is None, self._words()
                time.sleep(0.1)
        raise TimeoutError(self._words())

    def close(self):
        self._server.terminate()
        self._server.wait(30)
        self._log.close()

    def _command(self):
        return [
            sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root",
            "--ip=127.0.0.1", f"--port={self._port}", "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self._token}", f"--ServerApp.root_dir={self.folder}",
            "--LabApp.extension_manager=readonly", "--expose-app-in-browser",
            "--JupyterNotebookApp.expose_app_in_browser=True",
        ]  # fmt: skip

    def _words(self):
        self._log.seek(0)
        return self._log.read()


def environment(home):
    """Nothing of the user's own Jupyter is read or written; kernels start from this Python."""
    return os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "IPYTHONDIR": str(home / "ipython"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture(scope="session")
def jupyter(chromium, tmp_path_factory):
    server = Jupyter(tmp_path_factory.mktemp("jupyter"))
    try:
        server.wait()
        yield server
    finally:
        server.close()


@pytest.fixture
def notebook(request, jupyter):
    """A notebook without outputs in the server's folder; the parameter: its path, or its cells."""
    if isinstance(request.param, Path):
        name, written = request.param.name, nbformat.read(request.param, as_version=4)
    else:
        name, cells = f"{request.node.callspec.id}.ipynb", map(str.strip, request.param)
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        made = [nbformat.v4.new_code_cell(source) for source in cells]
        written = nbformat.v4.new_notebook(cells=made, metadata=kernel)
    for cell in written.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(written, jupyter.folder / "notebooks" / name)
    return f"notebooks/{name}"


@pytest.fixture
def place():
    """Which of `PAGES` a notebook is opened in; a test may have others."""
    return "lab"


@pytest.fixture
def begun(notebook, place, jupyter, page):
    """The page with that notebook open, and every cell on its way; Voila runs them by itself."""
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.set_default_timeout(300_000)  # one of them trains a network
    page.goto(jupyter.address(PAGES[place].format(notebook)))
    if place != "voila":
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.wait_for_function(CONNECTED)
        page.evaluate(RUN_ALL)  # not awaited: it may never answer
    return page


@pytest.fixture
def ran(begun):
    """The same, when all have ended."""
    begun.wait_for_function(ENDED)
    errors = begun.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0, errors.first.inner_text()
    return begun


@pytest.fixture
def ask():
    """Runs code in a page's kernel; what it prints comes back."""
    return lambda page, code: page.evaluate(ASK, code).strip()
