"""Every mistake that an exercise knows is rejected, and by its own name."""

import pytest
import torch

from csgcourse import check
from csgcourse.comparing import compare
from csgcourse.exercises import chapters, exercises_of

EXERCISES = [exercise for chapter in chapters() for exercise in exercises_of(chapter)]
MISTAKES = [(exercise, mistake) for exercise in EXERCISES for mistake in exercise.mistakes]


@pytest.mark.parametrize(
    ("exercise", "mistake"), MISTAKES, ids=[f"{e.number}-{m.says[:40]}" for e, m in MISTAKES]
)
def test_a_known_mistake_is_called_by_its_name(exercise, mistake):
    verdict = check(exercise.number, mistake.function)
    assert not verdict.passed
    assert verdict.message == f"Exercise {exercise.number}, not yet: {mistake.says}"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_an_exercise_knows_its_mistakes(exercise):
    names = [mistake.says for mistake in exercise.mistakes]
    assert 4 <= len(names) == len(set(names))
    assert all(name.endswith((".", "?")) for name in names)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_the_reference_passes_and_cases_are_drawn_alike_each_time(exercise):
    assert check(exercise.number, exercise.reference).passed
    cases = [exercise.cases(torch.Generator().manual_seed(5)) for _ in range(2)]
    assert len(cases[0]) > 1
    assert all(compare(one, other) is None for one, other in zip(*cases, strict=True))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_every_mistake_can_be_made_on_every_case(exercise):
    """A mistake that raises on an odd case would take the check down with it."""
    for given in exercise.cases(torch.Generator().manual_seed(5)):
        for mistake in exercise.mistakes:
            mistake.function(*given)
