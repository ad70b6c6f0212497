"""Ten kinds of stale sentence are caught: by `stale`, or by running the notebook."""

import ast
import re
from collections.abc import Iterator
from functools import reduce

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from csgcourse import diagram
from csgcourse.notebooks import NOTEBOOKS, execute

ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
NEAR = 6  # cells between a number in prose and the cell that prints it
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_FREE = re.compile(  # code, formulas, links, tags; an exercise's line, lists, headings; references
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|<[^>]*>|(?m:^\*Difficulty.*$)"
    r"|(?m:^\| (?:Minutes|Cost) .*$|^\s*\d+\. |^#+ \d+(?:\.| ·))|\b(?:19|20)\d\d\b|\[\d\d "
    r"|\b(?:exercises?|notebooks?|sections?|figure|fig\.|table|hint) \d[\d.]*"
    r"(?:(?:, | and | to )\d[\d.]*)*|\d+(?: \u00d7 \d+)+",
    re.DOTALL | re.IGNORECASE,
)


def stale(notebook: NotebookNode) -> Iterator[str]:
    """Claims that no prose makes; numbers in prose that no claim holds and no cell near prints.

    Nothing in a notebook without a claims cell.
    """
    cells, claims = notebook.cells, list[re.Pattern[str]]()
    prose = {place: c.source for place, c in enumerate(cells) if c.cell_type == "markdown"}
    holding = [cell for cell in cells if "claims" in cell.metadata.get("tags", [])]
    if any(not cell.metadata.get("jupyter", {}).get("source_hidden") for cell in holding):
        yield "the source of a claims cell is not hidden"
    for text, condition in (claimed for cell in holding for claimed in _claims(cell.source)):
        claims.append(re.compile(r"\s+".join(map(re.escape, text.split()))))
        if not any(map(claims[-1].search, prose.values())):
            yield f"no prose says {text!r}"
        if not any(isinstance(part, ast.Name) for part in ast.walk(condition)):
            yield f"nothing holds {text!r}"
    for place in prose if holding else ():
        unheld = reduce(lambda text, known: known.sub(" ", text), (*claims, _FREE), prose[place])
        near = " ".join(map(_printed, cells[max(0, place - NEAR) : place + NEAR + 1]))
        printed = set(map(_value, re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", near)))
        for number in _NUMBER.findall(unheld):
            if _value(number) not in printed:
                yield f"cell {place + 1}: no cell near prints {number}, and no claim holds it"


def _claims(source: str) -> Iterator[tuple[str, ast.expr]]:
    """Text and condition of each `claim(text, condition)`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "claim":
            text, condition = node.args
            yield ast.literal_eval(text), condition


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _printed(cell: NotebookNode) -> str:
    """What a cell has shown as text; of a picture, nothing."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {"text/plain": output.get("text", "")})
        if not any(kind.startswith("image/") for kind in data):
            texts += [str(shown) for kind, shown in data.items() if kind.startswith("text/")]
    return " ".join(texts)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_notebook_says_what_one_sees(path):
    found = list(stale(nbformat.read(path, as_version=4)))
    assert not found, "\n".join(found)


def page():
    """Prose about a printed number, about a picture, and about nothing that is measured."""
    hidden = {"tags": ["claims"], "jupyter": {"source_hidden": True}}
    said = new_output("stream", name="stdout", text="narrowest: frame 4, 54% closed\n")
    claims = [
        'claim("brightest in frame 3", picture.index(max(picture)) == 2)',
        'claim("Frame 3 has 35 % of the light", round(100 * picture[2] / sum(picture)) == 35)',
    ]
    cells = [
        new_markdown_cell(
            "# 01 · Light\nIn notebooks 02 and 03, a 3D kernel of `3` is that of 2017."
        ),
        new_code_cell("from csgcourse import claim\nclosed = [0.2, 0.31, 0.4, 0.54]"),
        new_code_cell(
            'print(f"narrowest: frame {closed.index(max(closed)) + 1}, {max(closed):.0%} closed")',
            outputs=[said],
        ),
        new_markdown_cell("It is narrowest in frame 4, where 54 % is closed."),
        new_code_cell("picture = [2, 3, 6, 4, 2]"),
        new_markdown_cell(
            "1. The picture is\n   brightest in frame 3.\n\nFrame 3 has 35 % of the light."
        ),
        new_code_cell("\n".join(claims), metadata=hidden),
    ]
    return new_notebook(cells=cells)


def edit(place, before, after):
    def change(notebook):
        cell = notebook.cells[place]
        assert before in cell.source
        cell.source = cell.source.replace(before, after)

    return change


TEXT = {  # found without running
    "another number in prose": (edit(3, "54 %", "58 %"), "no cell near prints 58"),
    "another frame in prose": (edit(3, "frame 4", "frame 6"), "no cell near prints 6"),
    "a number added": (edit(3, "closed.", "closed, by 12 mm."), "no cell near prints 12"),
    "a claim removed": (edit(6, 'claim("Frame 3 has', 'print("Frame 3 has'), "prints 35"),
    "a claimed sentence reworded": (edit(5, "brightest", "darkest"), "no prose says 'brightest"),
    "a claimed number changed": (edit(5, "35 %", "45 %"), "no prose says 'Frame 3 has 35"),
    "the printing cell removed": (lambda notebook: notebook.cells.pop(2), "no cell near prints 54"),
    "the printing cell far away": (
        lambda notebook: (
            notebook.cells.insert(0, notebook.cells.pop(2))
            or [notebook.cells.insert(1, new_code_cell()) for _ in range(6)]
        ),
        "no cell near prints 54",
    ),
    "the printed number changed": (
        lambda notebook: notebook.cells[2].outputs[0].update(text="frame 4, 53% closed"),
        "no cell near prints 54",
    ),
    "a claim that nothing holds": (
        edit(6, "picture.index(max(picture)) == 2", "True"),
        "nothing holds 'brightest",
    ),
    "a claims cell in sight": (
        lambda notebook: notebook.cells[6].metadata.pop("jupyter"),
        "not hidden",
    ),
}


def test_a_page_that_says_what_one_sees_passes():
    assert not list(stale(page()))


@pytest.mark.parametrize(("change", "words"), TEXT.values(), ids=TEXT)
def test_a_stale_sentence_is_found(change, words):
    notebook = page()
    change(notebook)
    assert any(words in found for found in stale(notebook))


@pytest.mark.slow
def test_a_notebook_with_a_stale_sentence_names_it_and_is_left_as_it_was(tmp_path):
    notebook, path = page(), tmp_path / "page.ipynb"
    edit(4, "[2, 3", "[1, 1")(notebook)  # the same shape, other shares
    nbformat.write(notebook, path)
    before = path.read_bytes()
    words = "page.ipynb, cell 7: no longer true: 'Frame 3 has 35 %"
    with pytest.raises(ValueError, match=words):
        execute(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_claims_cell_numbers_are_free():
    notebook = page()
    notebook.cells[6].metadata.tags = []
    notebook.cells[3].source = "It is narrowest in frame 77."
    assert not list(stale(notebook))


def test_the_diagram_lights_what_is_named_and_says_so():
    whole, tokens, gate = diagram(), diagram("tokens"), diagram("time", "gate")
    assert "lit" not in "".join(line for line in whole.svg.splitlines() if "<g " in line)
    assert tokens.svg.count(" lit") - whole.svg.count(" lit") == 1
    assert "You are here: the tokens" in repr(tokens)
    assert 'id="block"' not in tokens.svg
    assert 'id="block"' in gate.svg
    assert gate.svg.count("part lit") == 3  # the AMDF blocks that it is in, too
    assert gate.svg.count(" first") == 1
    with pytest.raises(ValueError, match=r"clip, cnn, tokens, .*: got 'swa'"):
        diagram("swa")
