"""Each exercise is in its notebook, with its arguments; a solved notebook runs to its end."""

import ast
import asyncio
import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest

import csglib
from csgcourse.checking import Verdict
from csgcourse.exercise import exercises_of

NOTEBOOKS = Path(csglib.__file__).parents[1] / "notebooks"
each_notebook = pytest.mark.parametrize(
    "name", sorted(path.stem for path in NOTEBOOKS.glob("[01]*_*.ipynb"))
)


def shown_by(cell: str, namespace: dict) -> object:
    """Run a cell as a kernel does: its last expression is what it shows, and it may wait."""
    *before, last = ast.parse(cell).body
    if not isinstance(last, ast.Expr):
        run(ast.Module([*before, last], []), "exec", namespace)
        return None
    run(ast.Module(before, []), "exec", namespace)
    return run(ast.Expression(last.value), "eval", namespace)


def run(part: ast.Module | ast.Expression, mode: str, namespace: dict) -> object:
    code = compile(part, "<cell>", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    given = eval(code, namespace)
    if not inspect.iscoroutine(given):
        return given
    with ThreadPoolExecutor(1) as thread:  # browser tests leave a loop running in this one
        return thread.submit(asyncio.run, given).result()


@each_notebook
def test_every_exercise_is_in_its_notebook_as_a_stub_with_its_arguments(name):
    exercises = {e.reference.__name__: e for e in exercises_of(int(name[:2]))}
    stubs = {}
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        for number, function in re.findall(r'^check\("([\d.]+)", (\w+)\)', cell.source, re.M):
            (stub,) = [n for n in ast.parse(cell.source).body if isinstance(n, ast.FunctionDef)]
            assert function == stub.name
            stubs[number, function] = [argument.arg for argument in stub.args.args]
    wanted = {
        (exercise.number, function): list(inspect.signature(exercise.reference).parameters)
        for function, exercise in exercises.items()
    }
    assert stubs == wanted


@pytest.mark.long
@each_notebook
def test_a_solved_notebook_passes_every_check(name, monkeypatch, capsys):
    monkeypatch.chdir(NOTEBOOKS)  # where its kernel starts
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    solutions = {exercise.reference.__name__: exercise for exercise in exercises_of(int(name[:2]))}
    notebook = nbformat.read(f"{name}.ipynb", as_version=4)
    before = (exercise for n in range(int(name[:2])) for exercise in exercises_of(n))
    namespace = {exercise.reference.__name__: exercise.reference for exercise in before}
    verdicts = []
    for cell in (cell.source for cell in notebook.cells if cell.cell_type == "code"):
        shown = shown_by(cell, namespace)
        for asked in solutions.keys() & {
            node.name for node in ast.parse(cell).body if isinstance(node, ast.FunctionDef)
        }:
            assert not shown.passed  # as a reader finds it
            namespace[asked] = solutions.pop(asked).reference
            last = ast.parse(cell).body[-1]
            verdicts.append(shown_by(ast.unparse(last), namespace))
    assert not solutions, "the notebook asks for every exercise of its chapter"
    assert all(isinstance(verdict, Verdict) and verdict.passed for verdict in verdicts)
    assert "not solved yet" not in capsys.readouterr().out
