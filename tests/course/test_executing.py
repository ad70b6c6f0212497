"""`make notebooks`: the same file every time; a run that fails changes no file."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from csgcourse.notebooks import STAMP, execute, stamp

DRAW = "import matplotlib.pyplot as plt\nplt.plot([2, 3, 5])\nplt.show()"
SLIDE = "import ipywidgets\nipywidgets.IntSlider(value=3)"
PROGRESS = "from csgcourse import progress\nprogress()"
TALK = (
    "import os, sys\nprint('a')\nprint('b', file=sys.stderr)\nprint(os.path.basename(os.getcwd()))"
)


def save(path: Path, *sources: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    cells = [new_markdown_cell("# Why?"), *(new_code_cell(source) for source in sources)]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_the_stamp_is_of_the_code_alone():
    notebook = new_notebook(cells=[new_code_cell("1"), new_markdown_cell("2"), new_code_cell("3")])
    before = stamp(notebook)
    notebook.cells[1].source = "other prose"
    notebook.cells[0].update(execution_count=5, metadata={"tags": ["nbval-skip"]})
    assert stamp(notebook) == before
    notebook.cells[0], notebook.cells[2] = notebook.cells[2], notebook.cells[0]
    assert stamp(notebook) != before
    notebook.cells = [new_code_cell("13")]
    assert stamp(notebook) != before


def test_two_runs_give_the_same_bytes_and_nothing_of_one_run_alone(tmp_path):
    path = save(tmp_path / "here" / "one.ipynb", DRAW, SLIDE, TALK, PROGRESS)
    mine = path.with_name("progress.json")
    mine.write_text('{"solved": ["0.1"]}')
    execute(path)
    first = path.read_bytes()
    execute(path)
    assert path.read_bytes() == first
    assert {file.name for file in path.parent.iterdir()} == {"one.ipynb", "progress.json"}
    assert mine.read_text() == '{"solved": ["0.1"]}'  # a reader's progress is not touched

    saved = json.loads(first)
    draw, slide, talk, shown = saved["cells"][1:]
    assert saved["metadata"][STAMP] == stamp(nbformat.read(path, as_version=4))
    assert "widgets" not in saved["metadata"]
    assert [cell["execution_count"] for cell in (draw, slide, talk)] == [1, 2, 3]
    assert draw["metadata"] == {}
    assert "image/png" in draw["outputs"][0]["data"]
    assert list(slide["outputs"][0]["data"]) == ["text/plain"]
    texts = {output["name"]: "".join(output["text"]) for output in talk["outputs"]}
    assert "\u2713" not in "".join(shown["outputs"][0]["data"]["text/plain"])  # nor shown
    assert texts == {"stdout": "a\nhere\n", "stderr": "b\n"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os\nos._exit(3)", r"one.ipynb, cell 3: DeadKernelError"),
        ("import time\ntime.sleep(60)", r"one.ipynb, cell 3: CellTimeoutError"),
    ],
)
def test_a_run_that_ends_early_names_the_cell_and_touches_nothing(tmp_path, source, message):
    """For an error in a cell: tests/course/test_claims.py."""
    path = save(tmp_path / "one.ipynb", "1 + 1", source, "2 + 2")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        execute(path, seconds_per_cell=3)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_saved_meanwhile_is_kept(tmp_path):
    path = save(
        tmp_path / "one.ipynb", "from pathlib import Path\nPath('one.ipynb').write_text('mine')"
    )
    with pytest.raises(ValueError, match=r"one.ipynb was changed while it ran"):
        execute(path)
    assert path.read_text() == "mine"
