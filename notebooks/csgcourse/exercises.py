"""Finds an exercise by its number: chapter 1 is `chapter_01.py`, and a new chapter is a new file.

Not in the paper: part of the course.
"""

import re
from importlib import import_module
from pkgutil import iter_modules

import csgcourse
from csgcourse.exercise import Exercise


def find(number: str) -> Exercise:
    """The exercise of that number.

    Args:
        number: chapter and place, for instance "1.2".

    Raises:
        ValueError: it is no such number, or there is no such exercise; says which there are.
    """
    match = re.fullmatch(r"(\d+)\.(\d+)", str(number))
    if not match:
        raise ValueError(f'an exercise has a number like "1.2": got {number!r}')
    chapter = int(match[1])
    exercises = {exercise.number: exercise for exercise in exercises_of(chapter)}
    if number not in exercises:
        known = ", ".join(exercises) or "none"
        raise ValueError(f"there is no exercise {number}: chapter {chapter} has {known}")
    return exercises[number]


def chapters() -> list[int]:
    """The chapters that have exercises, in order."""
    names = [module.name for module in iter_modules(csgcourse.__path__)]
    return sorted(int(name[-2:]) for name in names if re.fullmatch(r"chapter_\d\d", name))


def exercises_of(chapter: int) -> tuple[Exercise, ...]:
    """All exercises of a chapter, in order; none when there is no such chapter."""
    if chapter not in chapters():
        return ()
    return import_module(f"{csgcourse.__name__}.chapter_{chapter:02d}").EXERCISES
