"""What a learner hands in: one JSON file with the code of each answer, for `csgcourse grade`."""

import ast
import datetime
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from csgcourse.hints import with_needed
from csgcourse.record import checks, notebooks_folder
from csglib.data.atomic import replacing

_CHECK = re.compile(r'^check\("(\d+\.\d+)", (\w+)\)', re.MULTILINE)
_KEPT = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign


def report(learner: str, folder: Path | None = None) -> Path:
    """Write LEARNER.json beside the notebooks: answers, how often each was checked, and when.

    An answer stands on the imports, functions, classes and constants above it in its notebook, as
    saved on disk; on nothing that a cell has computed.

    Args:
        learner: the name in the teacher's table, and of the file; letters, digits, ". _ -".
        folder: where the notebooks are, if not beside csgcourse.

    Raises:
        ValueError: a name that no file can have, no notebooks, or no answers in them.
    """
    if not re.fullmatch(r"[\w.-]+", learner):
        raise ValueError(f'a name of letters, digits, ".", "_" and "-" is wanted: got {learner!r}')
    folder = folder or notebooks_folder() or Path.cwd()
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    codes = {n: code for path in notebooks for n, code in answers(nbformat.read(path, 4))}
    if not codes:
        raise ValueError(f"no answers in the {len(notebooks)} notebooks of {folder}: save them")
    noted = checks()
    exercises = {number: {"code": code, **noted.get(number, {})} for number, code in codes.items()}
    content = {
        "learner": learner,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "exercises": exercises,
        "sha256": hashlib.sha256(json.dumps(exercises, sort_keys=True).encode()).hexdigest(),
    }
    with replacing(path := folder / f"{learner}.json") as file:
        file.write(json.dumps(content, indent=1).encode())
    print(f"{path.name}: {len(codes)} answers. Nothing was sent: hand the file in.")
    return path


def answers(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """The number and the code of each exercise that is no longer a stub."""
    source = ""
    for cell in notebook.cells:
        asked = _CHECK.findall(cell.source) if cell.cell_type == "code" else []
        try:
            parts = [node for node in ast.parse(cell.source).body if isinstance(node, _KEPT)]
        except SyntaxError:  # prose, or an answer that Python cannot read
            yield from ((number, cell.source) for number, _ in asked)
            continue
        lines = cell.source.splitlines()
        for node in parts:
            first = min(n.lineno for n in [node, *getattr(node, "decorator_list", [])])
            source += "\n".join(lines[first - 1 : node.end_lineno]) + "\n\n\n"
        stubs = {n.name for n in parts if isinstance(n, ast.FunctionDef) and _is_stub(n)}
        yield from ((n, with_needed(source, name)) for n, name in asked if name not in stubs)


def _is_stub(function: ast.FunctionDef) -> bool:
    return [*map(ast.unparse, function.body)] == ["..."]
