"""What csglib may cost: lines to read, arguments to learn, modules to import."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import csglib

ROOT = Path(csglib.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
REPOSITORY = ROOT.parent
CORE = ("data", "metrics", "model", "train", "detect", "view", "widgets")
LINES = {  # of all files with this ending below these folders, at most: lower it when you can
    # 13,500 before the doctor checked class folders, what cleaning keeps, and privacy
    ("py", "csglib"): 13_905,
    ("py", *(f"csglib/{room}" for room in CORE)): 6_996,
    ("js", "csglib"): 2_000,
    # 3,500 before the exercises that build, judged gradients, claims and the diagram; 4,606 before
    # a class could be graded (report.py, grading.py, what record.py notes); 4,958 before the three
    # exercises of notebook 11, and 10.4
    ("py", "notebooks/csgcourse"): 5_221,
    ("js", "notebooks/csgcourse"): 2_000,
    # 215 and 590 while it held the network's page alone; now every page and its widgets
    ("py", "book"): 545,
    ("js", "book"): 668,
    ("py", "tests"): 19_337,
}
LINES_OF_NOTEBOOK_01 = 4_500  # of ours, loaded by its imports
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 45  # with its signature and docstring
ARGUMENTS = 6  # without self
FIGURES = ["anywidget", "IPython", "ipywidgets", "matplotlib", "plotly", "pytorch_grad_cam"]
TRAINERS = ["lightning_fabric", "torchvision", "transformers"]


def functions(source: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))


def too_long(source: str) -> Iterator[str]:
    """A file or a function that asks for too much at once."""
    lines = len(source.splitlines())
    if lines > LINES_OF_A_FILE:
        yield f"{lines} lines, at most {LINES_OF_A_FILE}: split it by idea"
    for function in functions(source):
        lines = function.end_lineno - function.lineno + 1
        if lines > LINES_OF_A_FUNCTION:
            yield f"{function.name}: {lines} lines, at most {LINES_OF_A_FUNCTION}"


def is_command(function: ast.FunctionDef) -> bool:
    """Of typer: its arguments are the command line's."""
    return "app.command()" in map(ast.unparse, function.decorator_list)


def too_many_arguments(source: str) -> Iterator[str]:
    for function in functions(source):
        if is_command(function):
            continue
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        names = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
        if len(names) > ARGUMENTS:
            yield f"{function.name}: {len(names)} arguments, at most {ARGUMENTS}"


def options_passed_on(source: str) -> Iterator[str]:
    """Options that a function takes without knowing them: no signature says what they are."""
    for function in functions(source):
        unknown = function.args.kwarg
        calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
        for keyword in (keyword for call in calls for keyword in call.keywords):
            given = keyword.value.id if isinstance(keyword.value, ast.Name) else None
            if unknown and keyword.arg is None and given == unknown.arg:
                yield f"{function.name}: passes **{given} on"


@pytest.mark.parametrize("rule", [too_long, too_many_arguments, options_passed_on])
def test_csglib_keeps_its_budget(rule):
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in FILES}
    found = [f"{path}: {said}" for path, text in texts.items() for said in rule(text)]
    assert not found, "\n".join(found)


def test_each_rule_finds_its_fault():
    assert list(too_long("\n" * 401)) == ["401 lines, at most 400: split it by idea"]
    assert list(too_long("def f():\n" + "    pass\n" * 45)) == ["f: 46 lines, at most 45"]
    seven = "class A:\n    def f(self, a, b, c, /, d, *, e, g, h): ..."
    assert list(too_many_arguments(seven)) == ["f: 7 arguments, at most 6"]
    assert not list(too_many_arguments(seven.replace(", h)", ")")))
    assert not list(too_many_arguments(seven.replace("    def", "    @app.command()\n    def")))
    assert list(options_passed_on("def f(**what):\n    g(1, **what)")) == ["f: passes **what on"]
    assert not list(options_passed_on("def f(what):\n    g(**what)"))


@pytest.mark.parametrize(("kind", "most"), LINES.items(), ids=[" ".join(k) for k in LINES])
def test_rooms_keep_their_size(kind, most):
    ending, *folders = kind
    paths = (path for folder in folders for path in (REPOSITORY / folder).rglob(f"*.{ending}"))
    paths = (path for path in paths if "site" not in path.parts)  # what `make book` has written
    assert sum(path.read_text(encoding="utf-8").count("\n") for path in paths) <= most


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_networks_and_clips_need_no_figures_and_no_trainer():
    found = (path for room in ("model", "data") for path in (ROOT / room).rglob("*.py"))
    modules = [path for path in found if path.name != "__init__.py"]
    inner = [path.relative_to(ROOT).with_suffix("") for path in modules]
    names = [".".join(("csglib", *path.parts)) for path in inner]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({FIGURES + TRAINERS}))"
    run = python(f"{blocked}; import {', '.join(names)}")
    assert run.returncode == 0, run.stderr


def test_notebook_01_loads_little_of_ours():
    """Its imports, run together: fewer lines of ours than a reader could read, and no readers."""
    cells = json.loads((REPOSITORY / "notebooks" / "01_inflation.ipynb").read_text())["cells"]
    trees = (ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code")
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imports = "\n".join(ast.unparse(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom))
    run = python(
        f"import sys\n{imports}\n"
        "ours = {m.__file__ for name, m in list(sys.modules.items())"
        " if name.partition('.')[0] in ('csglib', 'csgcourse') and getattr(m, '__file__', None)}\n"
        "print(sum(open(path).read().count(chr(10)) for path in ours))\n"
        "print([name for name in ('pydicom', 'nibabel', 'av') if name in sys.modules])"
    )
    lines, readers = run.stdout.splitlines()
    assert 500 < int(lines) < LINES_OF_NOTEBOOK_01, run.stderr
    assert readers == "[]"
