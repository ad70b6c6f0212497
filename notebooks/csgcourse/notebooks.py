"""Run notebooks and save them with their outputs: `python -m csgcourse.notebooks [paths]`.

Outputs must be those of the code beside them, and nbval compares nothing in a
cell that was never run. So every notebook is saved by this module, after a clean run, with a hash
of the code that ran; a test compares the hash.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbclient
import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from csglib.data.atomic import replacing

NOTEBOOKS = Path(__file__).parents[1]
STAMP = "code_sha256"  # its key in the notebook's metadata
SECONDS_PER_CELL = 600
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def stamp(notebook: NotebookNode) -> str:
    """Hash of the code cells, in order; prose, outputs and metadata do not change it."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def execute(path: Path, *, seconds_per_cell: int = SECONDS_PER_CELL) -> None:
    """Run a notebook in a fresh kernel, in its own folder, and save it with its outputs.

    Two runs of deterministic code give the same file, byte for byte.

    Raises:
        ValueError: a cell failed or took too long (says which and how), or the file has changed
            since the start. The file is then left as it was.
    """
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    _run(notebook, path, seconds_per_cell)
    if path.read_text(encoding="utf-8") != before:
        raise ValueError(f"{path.name} was changed while it ran: run it again")
    _drop_what_differs(notebook)
    notebook.metadata[STAMP] = stamp(notebook)
    with replacing(path) as file:
        file.write(f"{nbformat.writes(notebook)}\n".encode())


def _run(notebook: NotebookNode, path: Path, seconds_per_cell: int) -> None:
    started: list[int] = []  # cells, by their index
    client = nbclient.NotebookClient(
        notebook,
        timeout=seconds_per_cell,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=40"],  # no warnings of the kernel's own
        on_cell_start=lambda cell, cell_index: started.append(cell_index),
    )
    with TemporaryDirectory() as empty:  # the author's progress must not show in the outputs
        try:
            client.execute(env={**os.environ, "CSGLIB_PROGRESS": f"{empty}/progress.json"})
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            reason = getattr(error, "evalue", type(error).__name__)
            raise ValueError(f"{path.name}, cell {started[-1] + 1}: {reason}") from error


def _drop_what_differs(notebook: NotebookNode) -> None:
    """Drop what differs from run to run or between machines."""
    notebook.metadata.pop("widgets", None)  # megabytes; a widget has a still picture instead
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            # Without its state a view is a dead link, shown in place of the still picture.
            output.get("data", {}).pop(_WIDGET_VIEW, None)


if __name__ == "__main__":
    try:
        for path in [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
            print(path.name, flush=True)
            execute(path)
    except (ValueError, OSError) as error:
        sys.exit(f"Stopped: {error}")
