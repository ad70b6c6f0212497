"""Try a reader's function on drawn inputs and say, in words, what came of it.

Not in the paper: part of the course.
"""

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from html import escape

import torch
from torch import Tensor

from csgcourse.comparing import compare
from csgcourse.exercise import Arguments, Exercise
from csgcourse.exercises import find
from csgcourse.markup import html
from csgcourse.record import remember
from csgcourse.running import run

_ITEMS_SHOWN = 8  # of a list, in a message
_SEED = 5  # the same inputs at each check, so that a message can be acted on


@dataclass(frozen=True)
class Verdict:
    """What a check found. A notebook shows it when it is the last value of a cell.

    Attributes:
        passed: whether the function is right on every input tried.
        message: the finding in a sentence or two; code stands between backticks.
        printed: what the function printed on its first input.
    """

    passed: bool
    message: str
    printed: str = ""

    def __repr__(self) -> str:
        extra = f"\nYour function printed:\n{self.printed}" if self.printed else ""
        return f"{self._mark} {self.message}{extra}"

    def _repr_html_(self) -> str:
        printed = escape(self.printed, quote=False)
        extra = f"<p>Your function printed:</p><pre>{printed}</pre>" if printed else ""
        what, verdict, finding = self.message.partition("passed." if self.passed else "not yet:")
        heading = f"<strong>{self._mark} {html(what)}{verdict}</strong>"
        return f"<p>{heading}{html(finding)}</p>{extra}"

    @property
    def _mark(self) -> str:
        return "\N{CHECK MARK}" if self.passed else "\N{BALLOT X}"


def check(number: str, function: object) -> Verdict:
    """Try a function on the inputs of an exercise.

    It may do what it likes: never end, raise, change its input. The verdict says so. A right one is
    noted in the reader's progress.

    Args:
        number: the exercise, for instance "1.2".
        function: the reader's answer itself, not called.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise, printed = find(number), ""
    if not callable(function):
        call = f'check("{number}", {exercise.reference.__name__})'
        trouble: str | None = f"hand over the function itself, without calling it: `{call}`."
    elif not (trouble := _other_arguments(exercise, function)):
        trouble, printed = _try(exercise, function)
    if trouble is None:
        said = (f"Exercise {number} passed.", exercise.insight, remember(number))
        return Verdict(True, " ".join(filter(None, said)), printed)
    return Verdict(False, f"Exercise {number}, not yet: {trouble}", printed)


def mine(number: str, function: object) -> Callable[..., object]:
    """The reader's function if it passes its check, else the course's own; prints which.

    So a notebook goes on with an exercise unsolved, and nobody has to guess whose code ran.

    Args:
        number: the exercise, for instance "1.2".
        function: the reader's answer itself, not called.

    Raises:
        ValueError: there is no such exercise.
    """
    if callable(function) and check(number, function).passed:
        print(f"Exercise {number}: from here on your own function runs.")
        return function
    print(f"Exercise {number} is not solved yet: from here on the course's own function runs.")
    return find(number).reference


def _other_arguments(exercise: Exercise, function: Callable[..., object]) -> str | None:
    wanted = list(inspect.signature(exercise.reference).parameters)
    try:
        inspect.signature(function).bind(*wanted)
    except TypeError:
        return f"the function should take ({', '.join(wanted)})."
    except ValueError:
        return None  # written in C, and silent about what it takes: try it
    return None


def _try(exercise: Exercise, function: Callable[..., object]) -> tuple[str | None, str]:
    """What is wrong, if anything is, and what the function printed at first."""
    answers: list[tuple[Arguments, object]] = []
    printed = trouble = None
    for given in exercise.cases(torch.Generator().manual_seed(_SEED)):
        handed = deepcopy(given)
        outcome = run(function, handed)
        printed = outcome.printed if printed is None else printed
        if trouble := outcome.trouble or _changed(exercise, given, handed):
            trouble = _sentence(exercise, trouble, given)
            break
        answers.append((given, outcome.value))
    return _wrong(exercise, answers) or trouble, printed or ""


def _wrong(exercise: Exercise, answers: list[tuple[Arguments, object]]) -> str | None:
    for given, answer in answers:
        difference = exercise.difference(answer, given)
        if difference and (answer is None or answer is ...):
            return difference  # no input matters to a function that is not written yet
        if difference:
            return exercise.mistake(answers) or _sentence(exercise, difference, given)
    return None


def _changed(exercise: Exercise, given: Arguments, handed: Arguments) -> str | None:
    names = inspect.signature(exercise.reference).parameters
    for name, before, after in zip(names, given, handed, strict=True):
        if compare(after, before):
            return f"the function changes its input `{name}`; work on a copy (`.clone()`)"
    return None


def _sentence(exercise: Exercise, clause: str, arguments: Arguments) -> str:
    names = inspect.signature(exercise.reference).parameters
    words = [_named(name, value) for name, value in zip(names, arguments, strict=True)]
    stop = "" if clause.endswith((".", "?")) else "."
    return f"{clause}{stop} This was with {', '.join(words)}."


def _named(name: str, value: object) -> str:
    """An input, short enough for a sentence."""
    if isinstance(value, Tensor):
        shown = f" of shape {tuple(value.shape)}" if value.ndim else f" = {value.item():.4g}"
        return f"{name}{shown}"
    if isinstance(value, list) and value and isinstance(value[0], Tensor):
        return f"{name}, {len(value)} tensors of shape {tuple(value[0].shape)}"
    if isinstance(value, list) and len(value) > _ITEMS_SHOWN:
        return f"{name}, a list of {len(value)}: {value[0]!r}, {value[1]!r}, ..."
    return f"{name} = {value!r}"
