"""Which room of the project may import which: no cycles, and the core knows no annex."""

import ast
from collections.abc import Iterator
from pathlib import Path

import csglib

ROOT = Path(csglib.__file__).parents[1]
CORE = {  # a room may import the rooms named, and itself
    "data": "",
    "metrics": "",
    "model": "data",
    "train": "data metrics model",
    "detect": "data model",
    "view": "data metrics model train",
    "widgets": "data metrics model train view",
}
ANNEXES = {  # besides the core
    "phantom": "",
    "doctor": "phantom",
    "table1": "phantom",
}
ALLOWED = (
    {room: {room, *known.split()} for room, known in CORE.items()}
    | {room: {room, *CORE, *known.split()} for room, known in ANNEXES.items()}
    | {"__main__": {*CORE, *ANNEXES}, "__init__": {*CORE, "phantom"}, "_compat": set()}
)
NAMES_OF_NO_IDEA = {"utils", "util", "common", "helpers", "misc"}


def imports(source: str) -> Iterator[str]:
    """Modules that a source imports, at its top or inside a function; relative ones keep dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "csglib":
            yield from (f"csglib.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def faults(room: str, source: str) -> Iterator[str]:
    """Imports that a room must not have."""
    for module in imports(source):
        package, _, rest = module.partition(".")
        if module.startswith("."):
            yield f"{room} imports {module}: write the whole name, from csglib on"
        elif package == "csgcourse":
            yield f"{room} imports {module}: the library does not know the course"
        elif package == "csglib" and rest.partition(".")[0] not in ALLOWED[room]:
            yield f"{room} must not import {module}"


def files() -> list[tuple[str, Path]]:
    paths = (ROOT / "csglib").rglob("*.py")
    return [
        (path.relative_to(ROOT / "csglib").parts[0].removesuffix(".py"), path) for path in paths
    ]


def test_rooms_import_only_what_they_may():
    found = [
        f"{path.name}: {fault}"
        for room, path in files()
        for fault in faults(room, path.read_text())
    ]
    assert not found, "\n".join(found)
    assert not NAMES_OF_NO_IDEA & {path.stem for _, path in files()}


def test_the_rule_finds_its_faults():
    assert list(faults("data", "from csglib.model.csg3dct import CSG3DCT"))
    assert list(faults("train", "def f():\n    import csglib.table1.rows"))
    assert list(faults("model", "from csglib import phantom"))
    assert list(faults("doctor", "from csgcourse import check"))
    assert list(faults("data", "from .clips import Clip"))
    assert not list(faults("view", "from csglib.model.amdf import AMDFBlock"))
