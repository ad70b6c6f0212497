"""Run notebooks and keep them with their outputs: `python -m csgcourse.notebooks [paths]`.

Not in the paper. A notebook shown with outputs that its code no longer makes is a lie, and nbval
compares nothing in a cell that was never run. So every notebook is saved by this module, after a
clean run, with a stamp of the code that ran; a test compares the stamp.
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
from tqdm import tqdm

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
    """Run a notebook from top to bottom in a fresh kernel, and save it with its outputs.

    The kernel starts in the notebook's folder. Two runs of code that always answers the same
    give the same file, byte for byte.

    Args:
        path: the notebook, rewritten in place.
        seconds_per_cell: a cell that takes longer has failed.

    Raises:
        ValueError: a cell failed (says which and how), or somebody has saved the file meanwhile.
            The file is then as it was.
    """
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    _run(notebook, path, seconds_per_cell)
    if path.read_text(encoding="utf-8") != before:
        raise ValueError(f"{path.name} was saved by somebody else while it ran: run it again")
    _forget_this_run(notebook)
    notebook.metadata[STAMP] = stamp(notebook)
    with replacing(path) as file:
        file.write(f"{nbformat.writes(notebook)}\n".encode())


def _run(notebook: NotebookNode, path: Path, seconds_per_cell: int) -> None:
    at = 0
    with tqdm(total=len(notebook.cells), desc=path.name, unit="cell") as bar:

        def started(cell: NotebookNode, cell_index: int) -> None:
            nonlocal at
            at = cell_index
            bar.update(at - bar.n)

        client = nbclient.NotebookClient(
            notebook,
            timeout=seconds_per_cell,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=40"],  # its warnings are no reader's business
            on_cell_start=started,
        )
        try:
            with TemporaryDirectory() as nobodys:  # progress is the reader's, not the course's
                progress = str(Path(nobodys) / "progress.json")
                client.execute(env={**os.environ, "CSGLIB_PROGRESS": progress})
        except CellExecutionError as error:
            reason = f"{error.ename}: {error.evalue}"
        except CellTimeoutError:
            reason = f"it ran longer than {seconds_per_cell} s"
        except DeadKernelError:
            reason = "its kernel died"
        else:
            bar.update(bar.total - bar.n)
            return
    first_line = notebook.cells[at].source.strip().partition("\n")[0]
    raise ValueError(f"{path.name}, cell {at + 1} ({first_line!r}): {reason}; left as it was")


def _forget_this_run(notebook: NotebookNode) -> None:
    """Drop what differs from run to run, or from machine to machine, and nobody reads."""
    notebook.metadata.pop("widgets", None)  # megabytes; a widget keeps a still picture instead
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            # Without its state a view is a dead link, and would stand before the still picture.
            output.get("data", {}).pop(_WIDGET_VIEW, None)


def main(arguments: list[str]) -> None:
    """Execute the notebooks named, or all of the course's."""
    paths = [Path(argument) for argument in arguments] or sorted(NOTEBOOKS.glob("*.ipynb"))
    if not paths:
        raise ValueError(f"found no notebook in {NOTEBOOKS}: name some as arguments")
    for path in paths:
        execute(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"Stopped: {error}")
