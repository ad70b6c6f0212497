import json
import re
from pathlib import Path

import pytest

import csglib
from csgcourse import check, mine, progress, start_over
from csgcourse.exercises import exercises_of
from csgcourse.record import TITLES, Progress, remember


def share(numbers):
    return numbers / numbers.sum()


def test_a_right_answer_is_noted_and_a_wrong_one_is_not(progress_file):
    assert not check("0.1", lambda numbers: numbers).passed
    assert not progress_file.exists()
    assert check("0.1", share).passed
    assert progress().solved == {"0.1"}
    assert json.loads(progress_file.read_text()) == {"solved": ["0.1"]}


def test_it_grows_and_is_forgotten_on_demand(capsys):
    mine("0.1", share)
    mine("1.5", lambda frame, frames: frame.unsqueeze(1).repeat(1, frames, 1, 1))
    assert progress().solved == {"0.1", "1.5"}
    assert start_over().solved == frozenset()
    assert progress().solved == frozenset()


def test_it_shows_every_chapter_and_every_exercise():
    text = repr(Progress(frozenset({"1.1", "1.4"})))
    lines = text.splitlines()
    assert lines[1] == f"01 {'Inflation':<27}✓ ○ ○ ✓ ○"
    assert len(lines) == len(TITLES) + 1
    total = sum(len(exercises_of(chapter)) for chapter in TITLES)
    assert lines[-1] == f"2 of {total} exercises solved."
    page = Progress(frozenset({"1.1", "1.4"}))._repr_html_()
    assert "<td>01 Inflation</td><td>✓ ○ ○ ✓ ○</td>" in page


@pytest.mark.parametrize("text", ["", "{", "[]", '{"solved": 3}', '{"other": []}'])
def test_a_damaged_file_says_so_and_fails_no_answer(progress_file, text):
    progress_file.write_text(text)
    with pytest.raises(ValueError, match=r"progress\.json is damaged: delete it to start over"):
        progress()
    verdict = check("0.1", share)
    assert verdict.passed
    assert "It could not be noted as solved: " in verdict.message
    assert progress_file.read_text() == text


def test_where_nothing_can_be_written_answers_still_pass(monkeypatch, tmp_path):
    monkeypatch.setattr("csgcourse.record.FILE", tmp_path / "nowhere" / "progress.json")
    assert remember("0.1").startswith("It could not be noted as solved: ")
    assert check("0.1", share).passed


def test_it_knows_the_notebooks_that_ask_and_no_other():
    asked = set()
    for path in (Path(csglib.__file__).parents[1] / "notebooks").glob("*.ipynb"):
        numbers = re.findall(r'check\(\\"(\d+)\.\d+', path.read_text(encoding="utf-8"))
        asked |= {int(number) for number in numbers}
    assert asked == set(TITLES)


def test_an_exercise_that_is_gone_does_not_count():
    assert repr(Progress(frozenset({"99.9"}))).endswith(
        "0 of " + repr(progress()).split(" of ")[-1]
    )
