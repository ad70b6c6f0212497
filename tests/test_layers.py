"""The import direction of csglib is a rule, and this is the rule.

A new file fails until it has a place in `ROWS`: write its name into the row below everything it
imports. A pattern stands for siblings that never import each other; a name wins over a pattern.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import csglib

ROOT = Path(csglib.__file__).parent
KNOWS = {  # what a package, or a file at the top, may import besides itself
    "_compat": "",
    "atomic": "",
    "weights": "atomic",
    "model": "weights",
    "data": "atomic",
    "metrics": "",
    "detector": "weights data",
    "detect": "weights data detector",
    "predictions": "atomic data metrics",
    "doctor": "atomic data predictions",
    "runs": "atomic weights data predictions",
    "step": "data",
    "plan": "step",
    "training": "data predictions runs step plan",
    "baselines": "model",
    "networks": "model baselines",
    "experiment": "atomic weights model data baselines networks predictions runs plan training",
    "card": "data metrics predictions experiment",
    "table1": "atomic weights model data metrics networks predictions plan training experiment",
    "commands": "data metrics detector doctor plan training experiment card table1",
    "__main__": "commands",
    "view": "atomic weights model data metrics detect doctor runs plan training networks table1",
    "course": "atomic weights model data metrics detect doctor runs plan training networks view",
}
ROWS = {  # inside a package, a module imports from the rows above its own, never its own or below
    "model": (
        "attention inflation tokens",
        "conv fcu head intra ledger weighting",
        "config conv_block fusion",
        "amdf fusion_compared",
        "parts start",
        "csg3dct",
        "checkpoints parent summary",
        "pretrained",
    ),
    "data": (
        "exports grades grey limits manifest measure neck plaque probe region scanners split "
        "workshop",
        "labels pseudonyms reel scale",
        "augment clips dicom_pictures nifti pictures speckle tissue vessel video",
        "anatomy dicom npz recipe",
        "audit cohort contact_sheet motion patients readers",
        "scatterers",
        "phantom",
        "filming",
        "production",
    ),
    "metrics": ("intervals", "pairs scores", "metrics"),
    "detector": ("network spoiling", "frames", "training"),
    "doctor": (
        "cutting likeness signs",
        "nameless record sheet",
        "findings",
        "checks_* summary",
        "checks page table",
        "cleaning report",
        "doctor",  # its __init__
    ),
    "baselines": (
        "drop_path image_weights resnet",
        "cnn_lstm i3d mtv slowfast timesformer tpn uniformer vivit",
        "mtv_view nl_i3d",
    ),
    "commands": ("base", "clips doctor learning"),
    "table1": ("parent rows", "backwards estimate running", "results", "report"),
    "view": (
        "cam_targets capture evaluation scores",
        "class_token deletion grad_cam rollout sanity widgets.base",
        "controls questions",
        "widgets.clip_picker_* widgets.explorer_*",
        "widgets.*",
        "widgets",  # its __init__
    ),
    "course": (
        "notebooks comparing exporting inputs markup running",
        "exercise practice",
        "mistakes_*",
        "chapter_*",
        "book",
        "hints record",
        "checking",
        "course",  # its __init__
    ),
}
NAMES_OF_NO_IDEA = {"utils", "util", "common", "helpers", "misc"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def row_of(module: str) -> int | None:
    """Its row within its package; 0 for a file at the top; None when nobody has placed it."""
    package, _, inner = module.partition(".")
    if package not in ROWS:
        return 0 if package in KNOWS and not inner else None
    rows = [names.split() for names in ROWS[package]]
    named = [row for row, names in enumerate(rows) if (inner or package) in names]
    alike = [row for row, names in enumerate(rows) if any(fnmatch(inner, name) for name in names)]
    return next(iter(named + alike), None)


def imports(source: str, modules: set[str]) -> set[str]:
    """What a source imports of csglib, at its top or inside a function; relative ones keep dots."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            deeper = {name for name in inner if name.removeprefix("csglib.") in modules}
            found |= deeper or {"." * node.level + (node.module or "")}
    return {name.removeprefix("csglib.") for name in found if name.startswith(("csglib.", "."))}


def fault_of(module: str, other: str) -> str | None:
    """Why `module` must not import `other`."""
    mine, theirs = (name.partition(".")[0] for name in (module, other))
    if other.startswith("."):
        return f"{module} imports {other}: write the whole name, from csglib on"
    if theirs != mine:
        known = theirs in KNOWS.get(mine, "").split()
        return None if known else f"{module} must not know {other}"
    if module.startswith(f"{other}."):
        return None  # Python has run its own package's __init__ before it anyway
    row, above = row_of(module), row_of(other)
    if row is None or above is None or above < row:
        return None  # a module without a row is a fault of its own
    return f"{module} must not import {other}, which is not in a row above it"


def faults(sources: dict[str, str]) -> Iterator[str]:
    """Whatever breaks the rule, one sentence each; `sources` is module name -> text."""
    for module, source in sources.items():
        if module.split(".")[-1] in NAMES_OF_NO_IDEA:
            yield f"{module} is named after no idea: what does it hold?"
        elif row_of(module) is None:
            yield f"{module} has no row in ROWS: which idea is it?"
        for other in sorted(imports(source, set(sources))):
            if fault := fault_of(module, other):
                yield fault


def holds_code(path: Path) -> bool:
    """False for an `__init__` that is a sentence alone."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return path.name != "__init__.py" or not all(isinstance(node, ast.Expr) for node in body)


def test_every_module_imports_only_what_stands_above_it():
    files = [path for path in ROOT.rglob("*.py") if holds_code(path)]
    found = list(faults({module_name(path): path.read_text("utf-8") for path in files}))
    assert not found, "\n".join(found)


def test_packages_have_a_direction_too():
    above: set[str] = set()
    for package, known in KNOWS.items():
        assert set(known.split()) <= above, f"{package} stands before what it knows"
        above.add(package)


def test_a_row_forbids_itself_and_the_rows_below():
    assert list(faults({"model.intra": "from csglib.model.amdf import AMDFBlock"}))
    assert list(faults({"model.fusion": "from csglib.model.config import PAPER"}))
    assert list(
        faults({"model.attention": "def f():\n    from csglib.model.amdf import AMDFBlock"})
    )
    assert not list(faults({"model.amdf": "from csglib.model.intra import IntraDimension"}))


def test_strangers_stay_strangers():
    for module, source in {
        "model.amdf": "from csglib.data.clips import Clip",
        "data.cohort": "import csglib.model.attention",
        "metrics": "from csglib.data import clips",
        "training": "from csglib.model.conv import Stem",
        "networks": "from csglib.view.capture import attention_maps",
        "__main__": "from csglib.course import check",
    }.items():
        (fault,) = faults({"data.clips": "", module: source})
        assert fault.startswith(f"{module} must not know")


def test_siblings_of_a_pattern_do_not_import_each_other():
    assert list(faults({"view.widgets.one": "from csglib.view.widgets.two import Two"}))
    assert not list(faults({"view.widgets.one": "from csglib.view.widgets.base import LiveFigure"}))


def test_a_new_file_needs_a_row_and_an_idea():
    (fault,) = faults({"model.novelty": ""})
    assert fault == "model.novelty has no row in ROWS: which idea is it?"
    assert "has no row" in next(faults({"novelty": ""}))
    assert "named after no idea" in next(faults({"baselines.utils": ""}))
    assert "write the whole name" in next(faults({"model.amdf": "from .intra import x"}))
