"""Sentences held by code, so that a notebook says what one sees.

A claims cell has the tag "claims", and its source is hidden. Running the notebook tries its claims;
`stale` finds what prose, claims and outputs no longer share.
"""

import ast
import re
from collections.abc import Iterator
from functools import reduce

from nbformat import NotebookNode

NEAR = 6  # cells between a number in prose and the cell that prints it
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_FREE = re.compile(  # code, formulas, links, tags; an exercise's line, lists, headings; references
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|<[^>]*>|(?m:^\*Difficulty.*$)"
    r"|(?m:^\| (?:Minutes|Cost) .*$|^\s*\d+\. |^#+ \d+(?:\.| ·))|\b(?:19|20)\d\d\b|\[\d\d "
    r"|\b(?:exercises?|notebooks?|sections?|figure|fig\.|table|hint) \d[\d.]*"
    r"(?:(?:, | and | to )\d[\d.]*)*|\d+(?: \u00d7 \d+)+",
    re.DOTALL | re.IGNORECASE,
)


def claim(text: str, condition: object) -> None:
    """Hold a sentence, or a part of one, written as it stands in the prose.

    Raises:
        AssertionError: the condition is false, so the sentence is no longer true.
    """
    if not condition:
        raise AssertionError(f"no longer true: {text!r}; correct the sentence, or the cell")


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
