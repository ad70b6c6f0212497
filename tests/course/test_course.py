"""Hints come one by one, and the last is the solution; progress is kept beside the notebooks."""

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

import csgcourse
import csglib
from csgcourse import check, hint, mine, progress, record, start_over
from csgcourse.exercise import chapters, exercises_of
from csgcourse.record import TITLES, Progress, progress_file

NOTEBOOKS = Path(csglib.__file__).parents[1] / "notebooks"
EXERCISES = [exercise for chapter in chapters() for exercise in exercises_of(chapter)]


def share(numbers):
    return numbers / numbers.sum()


def test_each_call_goes_one_hint_further_and_a_level_can_be_chosen(monkeypatch):
    monkeypatch.setattr("csgcourse.hints._shown", {})
    assert [hint("1.2").level for _ in range(4)] == [1, 2, 3, 3]
    assert hint("1.3", level=2).level == 2
    assert hint("1.3").level == 3
    with pytest.raises(ValueError, match="a hint has level 1, 2 or 3: got 4"):
        hint("1.2", level=4)


def test_a_hint_is_folded_and_says_how_to_get_the_next():
    first, last = (hint("1.1", level)._repr_html_() for level in (1, 3))
    assert "<details><summary>Exercise 1.1, hint 1 of 3: a nudge</summary>" in first
    assert "next hint" in first
    assert "next hint" not in last


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_the_last_hint_alone_is_the_solution_and_passes_when_typed_into_a_cell(exercise):
    nudge, plan, solution = (hint(exercise.number, level).text for level in (1, 2, 3))
    assert nudge.strip()
    assert plan.startswith("1. ")
    assert all(exercise.reference.__name__ + "(" not in text for text in (nudge, plan[:9]))
    namespace = {}
    exec(solution, namespace)
    assert check(exercise.number, namespace[exercise.reference.__name__]).passed


def test_numbers_follow_one_another():
    for chapter in chapters():
        numbers = {exercise.number for exercise in exercises_of(chapter)}
        assert numbers == {f"{chapter}.{place}" for place in range(1, 1 + len(numbers))}


def test_checks_are_noted_with_the_mistakes_that_they_named(progress_path):
    check("1.3", lambda frames: ...)  # the stub is no try
    mine("0.1", share)  # nor is going on
    assert not progress_path.exists()
    for wrong in ("numbers / len(numbers)", "numbers / len(numbers)", "numbers + 1", "1 / 0"):
        assert not check("0.1", eval(f"lambda numbers: {wrong}")).passed
    assert progress().solved == frozenset()
    check("0.1", share)
    check("1.3", lambda frames: frames // 2)
    named = ["you divided by how many numbers there are; divide by their sum"]
    one, other = record.checks().values()
    assert (one["checked"], one["mistakes"]) == (5, named)
    assert (other["checked"], other["mistakes"]) == (1, [])
    assert datetime.fromisoformat(one["solved"]) <= datetime.fromisoformat(other["solved"])
    assert progress().solved == {"0.1", "1.3"}
    assert start_over().solved == progress().solved == frozenset()


def test_it_shows_every_chapter_and_every_exercise():
    solved = Progress(frozenset({"1.1", "1.4", "99.9"}))  # the last is gone and does not count
    lines = repr(solved).splitlines()
    assert lines[1] == f"01 {'Inflation':<27}✓ ○ ○ ✓ ○ ○"
    assert len(lines) == len(TITLES) + 1
    assert lines[-1] == f"2 of {len(EXERCISES)} exercises solved."
    assert "<td>01 Inflation</td><td>✓ ○ ○ ✓ ○ ○</td>" in solved._repr_html_()


@pytest.mark.parametrize("text", ["{", "[]", '{"exercises": 3}', '{"exercises": {"0.1": {}}}'])
def test_a_damaged_file_says_so_and_fails_no_answer(progress_path, text):
    progress_path.write_text(text)
    with pytest.raises(ValueError, match=r"progress\.json is damaged: delete it to start over"):
        progress()
    verdict = check("0.1", share)
    assert verdict.passed
    assert "It could not be noted as solved: " in verdict.message
    assert progress_path.read_text() == text


def test_progress_is_kept_beside_the_notebooks_wherever_python_starts(monkeypatch, tmp_path):
    monkeypatch.delenv("CSGLIB_PROGRESS")
    monkeypatch.chdir(tmp_path)
    assert progress_file() == NOTEBOOKS / "progress.json"


def test_installed_apart_it_is_kept_where_the_running_notebook_is(monkeypatch, tmp_path):
    monkeypatch.delenv("CSGLIB_PROGRESS")
    monkeypatch.setattr(record, "_HOME", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)
    assert progress_file() is None
    assert progress() == start_over() == Progress(frozenset())
    not_noted = "It could not be noted as solved: "
    verdicts = [check("0.1", share)]
    with monkeypatch.context() as patch:
        patch.setenv("CSGLIB_PROGRESS", str(tmp_path / "nowhere" / "progress.json"))
        verdicts.append(check("0.1", share))
    assert all(verdict.passed and not_noted in verdict.message for verdict in verdicts)
    assert not list(tmp_path.iterdir())
    (tmp_path / "00_start_here.ipynb").touch()
    check("0.1", share)
    assert progress().solved == {"0.1"}
    assert (tmp_path / "progress.json").exists()


def test_it_is_imported_from_a_notebook_s_folder_as_it_is(tmp_path):
    """A copy of the folder, not the installed package; run as a notebook's kernel is."""
    shutil.copytree(Path(csgcourse.__file__).parent, tmp_path / "csgcourse")
    (tmp_path / "00_start_here.ipynb").touch()
    code = (
        "import sys; sys.path.insert(0, '')\n"
        "import csgcourse; from csgcourse import check\n"
        "print(csgcourse.__file__, check('0.1', lambda numbers: numbers / numbers.sum()).passed)"
    )
    environment = {"PYTHONPATH": str(Path(csglib.__file__).parents[1]), "PATH": ""}
    command = [sys.executable, "-c", code]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == f"{tmp_path / 'csgcourse' / '__init__.py'} True\n"
    assert [*json.loads((tmp_path / "progress.json").read_text())["exercises"]] == ["0.1"]


def test_it_lists_the_notebooks_that_have_exercises_and_no_other():
    numbers = set()
    for path in NOTEBOOKS.glob("*.ipynb"):
        found = re.findall(r'check\(\\"(\d+)\.\d+', path.read_text(encoding="utf-8"))
        numbers |= {int(number) for number in found}
    assert numbers == set(TITLES) == set(chapters())
