"""What csglib may cost: a reader's attention, and an import's time."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import csglib

ROOT = Path(csglib.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 45  # with its signature and docstring
ARGUMENTS = 6  # without self
FIGURES = ["anywidget", "IPython", "ipywidgets", "matplotlib", "plotly", "pytorch_grad_cam"]
TRAINERS = ["lightning", "torchmetrics", "torchvision", "transformers"]


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


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_csglib_imports_nothing_else():
    """`import torch` imports it, in every process of the environment."""
    run = python("import csglib, sys; print([n for n in ('torch', 'numpy') if n in sys.modules])")
    assert run.stdout == "[]\n", run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("package", ["model", "data"])
def test_networks_and_clips_need_no_figures_and_no_trainer(package):
    modules = [path for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py"]
    inner = [path.relative_to(ROOT).with_suffix("") for path in modules]
    names = [".".join(("csglib", *path.parts)) for path in inner]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({FIGURES + TRAINERS}))"
    run = python(f"{blocked}; import {', '.join(names)}")
    assert run.returncode == 0, run.stderr
