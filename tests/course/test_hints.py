"""Hints come one by one, and the last is the solution, which is right."""

import pytest

from csgcourse import check, hint
from csgcourse.exercises import chapters, exercises_of
from csgcourse.hints import LEVELS

EXERCISES = [exercise for chapter in chapters() for exercise in exercises_of(chapter)]


def test_each_call_goes_one_further_and_stays_at_the_last(monkeypatch):
    monkeypatch.setattr("csgcourse.hints._shown", {})
    assert [hint("1.2").level for _ in range(4)] == [1, 2, 3, 3]
    assert hint("1.3").level == 1


def test_a_level_can_be_asked_for(monkeypatch):
    monkeypatch.setattr("csgcourse.hints._shown", {})
    assert hint("1.2", level=2).level == 2
    assert hint("1.2").level == 3


def test_a_level_that_is_not_there_is_told():
    with pytest.raises(ValueError, match="a hint has level 1, 2 or 3: got 4"):
        hint("1.2", level=4)


def test_a_hint_is_folded_and_says_how_to_get_the_next():
    first = hint("1.1", level=1)
    assert repr(first).startswith("Exercise 1.1, hint 1 of 3: a nudge.\n")
    assert "<details><summary>Exercise 1.1, hint 1 of 3" in first._repr_html_()
    assert "next hint" in first._repr_html_()
    assert "next hint" not in hint("1.1", level=3)._repr_html_()


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_every_exercise_has_three_hints_of_which_only_the_last_is_the_solution(exercise):
    texts = [hint(exercise.number, level).text for level in LEVELS]
    assert all(text.strip() for text in texts)
    assert [f"def {exercise.reference.__name__}(" in text for text in texts] == [0, 0, 1]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_the_last_hint_typed_into_a_cell_passes(exercise):
    namespace = {}
    exec(hint(exercise.number, level=3).text, namespace)
    assert check(exercise.number, namespace[exercise.reference.__name__]).passed


def test_numbers_follow_one_another():
    for chapter in chapters():
        numbers = [exercise.number for exercise in exercises_of(chapter)]
        assert numbers == [f"{chapter}.{place + 1}" for place in range(len(numbers))]
