"""What a notebook of the course must be, so that running it as a test means something.

`pytest --nbval notebooks/` runs the cells and compares their outputs. Here is what it cannot see.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from inspect import getsource
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import csglib
from csgcourse.notebooks import STAMP, stamp
from csglib.model.inflation import inflate_kernel

ROOT = Path(csglib.__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
COURSE = (
    *("00_start_here.ipynb", "01_inflation.ipynb", "02_clips_to_tokens.ipynb"),
    *("03_intra_dimension_attention.ipynb", "04_fusion_swa_vs_ca.ipynb"),
    *("05_learnable_weighting.ipynb", "06_csg3dct.ipynb", "07_clips_and_grades.ipynb"),
    *("08_training.ipynb", "09_attention_across_frames.ipynb"),
    *("10_is_it_evidence.ipynb", "11_table_1.ipynb", "12_your_own_clips.ipynb"),
    "13_full_training.ipynb",
)
NEXT = dict(pairwise(COURSE))

LINES_OF_A_CELL = 20
COMPARED_SHARE = 0.7
PACE = {"cells": 55, "words": 2000, "words in a cell": 120}
BYTES_OF_A_NOTEBOOK, BYTES_OF_AN_OUTPUT, BYTES_OF_A_PICTURE = 1_000_000, 100_000, 300_000
NOT_COMPARED = {"nbval-ignore-output", "nbval-skip"}
TAGS = NOT_COMPARED | {"claims"}
FORBIDDEN = {  # in code: why not
    r"sys\.path": "csglib is installed",
    r"%run": "import it",
    r"[!%]\s*pip": "pyproject.toml says what is needed",
    r"import \*": "a reader cannot see where a name comes from",
    r"\binteract(ive(_output)?)?\(": "nbval has no front end for it; use a widget of csglib",
    r"\bOutput\(": "it hides errors; use a widget of csglib",
    r"\bclear_output": "nbval cannot compare what was erased",
    r"FigureWidget": "5 MB of script in the file; use a plain Figure",
    r"NBVAL_|PYTEST_VALIDATE": "say it with a tag",
}
MACHINE_PATH = re.compile(rf"/(home|root|tmp|Users)/|[A-Z]:\\Users|{re.escape(str(ROOT))}/")


@dataclass(frozen=True)
class Page:
    """A notebook, with the name of its file."""

    name: str
    notebook: NotebookNode

    @property
    def code(self) -> list[tuple[int, NotebookNode]]:
        """Code cells, each with its place in the notebook, from 1."""
        cells = enumerate(self.notebook.cells, start=1)
        return [(place, cell) for place, cell in cells if cell.cell_type == "code"]

    @property
    def prose(self) -> str:
        cells = self.notebook.cells
        return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")

    @property
    def outputs(self) -> list[tuple[int, str, str]]:
        """Place of the cell, kind, and content of everything that a cell has shown."""
        return [
            (place, kind, content if isinstance(content, str) else json.dumps(content))
            for place, cell in self.code
            for output in cell.outputs
            for kind, content in (output.get("data") or {"text": json.dumps(output)}).items()
        ]


def not_as_saved(page: Page) -> Iterator[str]:
    """Saved by `make notebooks`, after this code ran from top to bottom."""
    metadata = page.notebook.metadata
    if metadata.get(STAMP) != stamp(page.notebook):
        yield "the outputs are not those of this code: run `make notebooks`"
    counts = [cell.execution_count for _, cell in page.code]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not run once from top to bottom: execution counts are {counts}"
    if (kernel := metadata.get("kernelspec", {}).get("name")) != "python3":
        yield f"kernel is {kernel}, not python3"
    if "widgets" in metadata:
        yield "keeps the state of its widgets: save it with `make notebooks`"


def long_or_forbidden_code(page: Page) -> Iterator[str]:
    for place, cell in page.code:
        if (lines := len(cell.source.splitlines())) > LINES_OF_A_CELL:
            yield f"cell {place}: {lines} lines, at most {LINES_OF_A_CELL}"
        for word, reason in FORBIDDEN.items():
            if found := re.search(word, cell.source):
                yield f"cell {place}: {found.group()!r}: {reason}"


def machine_paths(page: Page) -> Iterator[str]:
    """In code, prose and what cells have shown; a picture's letters mean nothing."""
    sources = [(place, cell.source) for place, cell in enumerate(page.notebook.cells, start=1)]
    shown = [(place, text) for place, kind, text in page.outputs if not kind.startswith("image/")]
    for place, text in sources + shown:
        if found := MACHINE_PATH.search(text):
            yield f"cell {place}: {found.group()!r} is a path of one machine"


def bodies(source: str) -> Iterator[tuple[str, str]]:
    """Name and statements, without docstring, of every function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            statements = node.body[ast.get_docstring(node) is not None :]
            yield node.name, "\n".join(map(ast.unparse, statements))


@cache
def bodies_of_csglib() -> dict[tuple[str, str], Path]:
    files = (ROOT / "csglib").rglob("*.py")
    return {body: path for path in files for body in bodies(path.read_text(encoding="utf-8"))}


def copies_of_csglib(page: Page) -> Iterator[str]:
    for place, cell in page.code:
        for body in bodies(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE)):
            if path := bodies_of_csglib().get(body):
                yield f"cell {place}: {body[0]} is a copy of {path.relative_to(ROOT)}: import it"


def wrong_tags(page: Page) -> Iterator[str]:
    tags = [set(cell.metadata.get("tags", [])) for _, cell in page.code]
    compared = sum(not tag & NOT_COMPARED for tag in tags)
    if compared < COMPARED_SHARE * len(tags):
        yield f"nbval compares {compared} of {len(tags)} cells, less than {COMPARED_SHARE:.0%}"
    for place, cell in enumerate(page.notebook.cells, start=1):
        for tag in set(cell.metadata.get("tags", [])) - TAGS:
            yield f"cell {place}: tag {tag!r} is none of {', '.join(sorted(TAGS))}"


def too_large(page: Page) -> Iterator[str]:
    size = len(nbformat.writes(page.notebook).encode())
    if size > BYTES_OF_A_NOTEBOOK:
        yield f"{size:,} bytes, at most {BYTES_OF_A_NOTEBOOK:,}"
    for place, kind, content in page.outputs:
        picture = kind == "image/png"  # six bits a letter
        size = len(content) * 3 // 4 if picture else len(content.encode())
        limit = BYTES_OF_A_PICTURE if picture else BYTES_OF_AN_OUTPUT
        if size > limit:
            yield f"cell {place}: {size:,} bytes of {kind}, at most {limit:,}"


def pictures_and_links(page: Page) -> Iterator[str]:
    for found in re.finditer(r"!\[\s*\]\([^)]*\)|<img(?![^>]*\balt=[\"'][^\"'])[^>]*>", page.prose):
        yield f"{found.group()} has no alt text"
    for target in re.findall(r"(?:\]\(|src=\"|href=\")([^)\"#\s]+)", page.prose):
        outside = re.match(r"(https?|mailto|attachment):", target)
        if not (outside or target in COURSE or (NOTEBOOKS / target).resolve().exists()):
            yield f"{target} does not exist"


def place_in_the_course(page: Page) -> Iterator[str]:
    (first, *_, last), following = page.notebook.cells, NEXT.get(page.name)
    if first.cell_type != "markdown" or "?" not in first.source:
        yield "the first cell asks no question"
    if last.cell_type != "markdown":
        yield "the last cell is code"
    elif following and f"]({following}" not in last.source:
        yield f"the last cell does not link {following}"
    if page.name not in COURSE:
        yield f"{page.name} is no notebook of the course"


def too_long_to_read(page: Page) -> Iterator[str]:
    """Of notebooks of the second edition, which hold a claims cell."""
    cells = page.notebook.cells
    if not any("claims" in cell.metadata.get("tags", []) for cell in cells):
        return
    plain = [re.sub(r"\]\([^)]*\)|<[^>]*>", " ", c.source) * (c.cell_type != "code") for c in cells]
    words = [len([w for w in text.split() if re.search(r"[^\W\d_]", w)]) for text in plain]
    for what, count in (
        ("cells", len(cells)),
        ("words", sum(words)),
        ("words in a cell", max(words)),
    ):
        if count > PACE[what]:
            yield f"{count} {what}, at most {PACE[what]}"


def faults(notebook: NotebookNode, name: str = "00_start_here.ipynb") -> list[str]:
    rules = (not_as_saved, long_or_forbidden_code, machine_paths, copies_of_csglib, wrong_tags)
    rules += (too_large, pictures_and_links, place_in_the_course, too_long_to_read)
    return [fault for rule in rules for fault in rule(Page(name, notebook))]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_keeps_the_rules(path: Path):
    found = faults(nbformat.read(path, as_version=4), path.name)
    assert not found, "\n".join(found)


def test_the_readme_and_notebook_00_give_each_notebook_the_same_question():
    pages = (NOTEBOOKS / COURSE[0], ROOT / "README.md")
    tables = [re.findall(r"\| \W*(\d\d) [^|]+\| (.+?) \|", page.read_text()) for page in pages]
    assert tables[0] == tables[1]
    assert len(tables[0]) == len(COURSE)


def good_notebook() -> NotebookNode:
    text = new_output("stream", name="stdout", text="3 frames\n")
    picture = new_output("display_data", data={"image/png": "aGk=", "text/plain": "a figure"})
    cells = [
        new_markdown_cell("# What is a frame?\n![a vessel](../README.md)"),
        new_code_cell("frames = 3\nprint(frames, 'frames')", execution_count=1, outputs=[text]),
        new_code_cell("%matplotlib inline\nshow(frames)", execution_count=2, outputs=[picture]),
        new_code_cell("def double(x):\n    return 2 * x", execution_count=3),
        new_code_cell("double(frames)", execution_count=4),
        new_markdown_cell("Next: [inflation](01_inflation.ipynb), [ours](../csglib/__init__.py)"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    notebook.metadata[STAMP] = stamp(notebook)
    return notebook


def test_a_good_notebook_keeps_the_rules():
    assert not faults(good_notebook())
    assert faults(good_notebook(), "x.ipynb") == ["x.ipynb is no notebook of the course"]


def saved(notebook: NotebookNode) -> None:
    """As `make notebooks` would number and stamp it."""
    for count, one in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        one.execution_count = count
    notebook.metadata[STAMP] = stamp(notebook)


def code(source: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        notebook.cells.insert(1, new_code_cell(source))
        saved(notebook)

    return change


def prose(source: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells.insert(1, new_markdown_cell(source))


def output(kind: str, content: str) -> Callable[[NotebookNode], None]:
    shown = new_output("display_data", data={kind: content})
    return lambda notebook: notebook.cells[1].update(outputs=[shown])


def cell(place: int, **changes: object) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[place].update(changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cell(1, source="frames = 4"), "not those of this code"),
        (code("\n".join(["x = 1"] * 21)), "21 lines, at most 20"),
        (code("from csglib.model.config import *"), "cannot see"),
        (code("interact(draw, frame=3)"), "no front end"),
        (code("open('/home/ada/clip.mp4')"), "'/home/' is a path of one machine"),
        (code(f"open('{ROOT}/README.md')"), "is a path of one machine"),
        (prose("Open /Users/ada/clip.mp4"), "'/Users/' is a path"),
        (output("text/plain", "/tmp/a.py"), "cell 2: '/tmp/'"),
        (code(getsource(inflate_kernel)), "copy of csglib/model/inflation.py"),
        (prose("![](../README.md)"), "![](../README.md) has no alt text"),
        (prose('<img src="../README.md" alt="">'), "no alt text"),
        (prose("[there](01_inflate.ipynb)"), "01_inflate.ipynb does not exist"),
        (cell(2, execution_count=7), "[1, 7, 3, 4]"),
        (lambda notebook: notebook.metadata.pop("kernelspec"), "kernel is None"),
        (lambda notebook: notebook.metadata.update(widgets={}), "state of its widgets"),
        (output("text/html", "x" * 100_001), "of text/html"),
        (output("image/png", "x" * 400_004), "of image/png"),
        (cell(0, source="?" * 1_000_000), "at most 1,000,000"),
        (lambda notebook: notebook.cells.pop(0), "no question"),
        (lambda notebook: notebook.cells.pop(), "is code"),
        (cell(-1, source="Bye"), "not link 01_inflation"),
        (cell(1, metadata={"tags": ["raises-exception"]}), "is none of claims, nbval-ignore"),
    ],
)
def test_a_bad_notebook_is_found(change, words):
    notebook = good_notebook()
    change(notebook)
    assert sum(words in found for found in faults(notebook)) == 1


def test_a_notebook_can_be_read_at_a_sitting():
    notebook = good_notebook()
    notebook.cells[1].metadata.tags = ["claims"]
    notebook.cells[0].source += " word 7" * 120  # numbers and signs are no words
    assert faults(notebook) == ["126 words in a cell, at most 120"]
    notebook.cells[1:1] = [new_markdown_cell("word " * 100) for _ in range(50)]
    assert {"5129 words, at most 2000", "56 cells, at most 55"} <= {*faults(notebook)}


@pytest.mark.parametrize("tag", ["nbval-ignore-output", "nbval-skip"])
def test_most_cells_must_be_compared(tag):
    notebook = good_notebook()
    notebook.cells[1].metadata.tags = [tag]
    assert not faults(notebook)  # 3 of 4
    notebook.cells[2].metadata.tags = [tag]
    assert faults(notebook) == ["nbval compares 2 of 4 cells, less than 70%"]
