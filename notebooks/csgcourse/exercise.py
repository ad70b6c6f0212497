"""What an exercise consists of, and how to find one: chapter 1 is `chapter_01.py`.

Not in the paper: part of the course.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pkgutil import iter_modules

import torch
from torch import Generator, Tensor

import csgcourse

Arguments = tuple[object, ...]
Answers = Sequence[tuple[Arguments, object]]  # the inputs of each case, and what came back
Wrong = dict[str, object]  # wrong results, by the message that names the mistake
PRIMES = (2, 3, 5, 7, 11)


@dataclass(frozen=True)
class Exercise:
    """One exercise: its solution with hints, the inputs it is checked on, common mistakes.

    Attributes:
        number: chapter and place, "1.2".
        reference: the solution. Its docstring has four paragraphs: what it computes, a nudge,
            a plan, and the insight that is said when it is solved.
        cases: draws the inputs: typical sizes first, edge cases after.
        axes: names of the result's axes, for messages; of several results, separated by ";".
        mistakes: (*inputs) -> common wrong results; it must work on every case.
        read: applied to results before they are compared, where several types are right.
        judge: all answers -> what is wrong, None if nothing; for exercises with many right answers.
    """

    number: str
    reference: Callable[..., object]
    cases: Callable[[Generator], Sequence[Arguments]]
    axes: str = ""
    mistakes: Callable[..., Mapping[str, object]] = lambda *_: {}
    read: Callable[[object], object] = lambda result: result
    judge: Callable[[Answers], str | None] | None = None

    @property
    def texts(self) -> tuple[str, str, str]:
        """Nudge, plan and insight."""
        _, nudge, plan, insight = (inspect.getdoc(self.reference) or "").split("\n\n")
        return " ".join(nudge.split()), plan, " ".join(insight.split())

    @property
    def solution(self) -> str:
        """The source of the solution, without its hints."""
        text = inspect.getsource(self.reference).strip()
        return re.sub(r"\n\n.*?\"\"\"", '"""', text, count=1, flags=re.DOTALL)


def find(number: str) -> Exercise:
    """The exercise with that number.

    Raises:
        ValueError: not a number like "1.2", or no such exercise; lists those there are.
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
    """All exercises of a chapter, in order; none if there is no such chapter."""
    if chapter not in chapters():
        return ()
    return import_module(f"csgcourse.chapter_{chapter:02d}").EXERCISES


def sizes(generator: Generator, count: int, *, without: int = 0) -> list[int]:
    """Different small primes, so that no result with swapped axes has the right shape."""
    free = [prime for prime in PRIMES if prime != without]
    return [free[place] for place in torch.randperm(len(free), generator=generator)[:count]]


def normal(generator: Generator, *shape: int, double: bool = False) -> Tensor:
    """Standard normal numbers, float32 or float64."""
    return torch.randn(shape, generator=generator, dtype=torch.float64 if double else torch.float32)


def html(text: str) -> str:
    """Text as HTML, with code between backticks set as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
