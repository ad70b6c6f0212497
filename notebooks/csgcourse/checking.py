"""Try a function on the inputs of an exercise, and say in words what is wrong."""

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from itertools import combinations

from torch import Tensor

from csgcourse.building import cannot_learn, differs_in_tiny
from csgcourse.comparing import compare
from csgcourse.exercise import Answers, Arguments, Exercise, find, html
from csgcourse.explaining import explain
from csgcourse.hints import texts
from csgcourse.record import remember
from csgcourse.running import run

_ITEMS_SHOWN = 8  # of a list, in a message


@dataclass(frozen=True)
class Verdict:
    """The result of a check: what is wrong, and what the function printed on its first input."""

    passed: bool
    message: str
    printed: str = ""

    def __repr__(self) -> str:
        printed = f"\nYour function printed:\n{self.printed}" if self.printed else ""
        return f"{self._mark} {self.message}{printed}"

    def _repr_html_(self) -> str:
        printed = escape(self.printed, quote=False)
        more = f"<p>Your function printed:</p><pre>{printed}</pre>" if printed else ""
        what, verdict, rest = self.message.partition("passed." if self.passed else "not yet:")
        return f"<p><strong>{self._mark} {html(what)}{verdict}</strong>{html(rest)}</p>{more}"

    @property
    def _mark(self) -> str:
        return "\N{CHECK MARK}" if self.passed else "\N{BALLOT X}"


def check(number: str, function: object) -> Verdict:
    """Try a function on the inputs of exercise "1.2", say; if it passes, note that as progress.

    A function that raises, changes its inputs or never ends gets a verdict too.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise = find(number)
    trouble, printed = run_check(exercise, function)
    if trouble is None:
        said = (f"Exercise {number} passed.", texts()[number][2], remember(number, None))
        return Verdict(True, " ".join(filter(None, said)), printed)
    if "nothing came back" not in trouble:  # the stub is no try
        remember(number, next((words for words in exercise.mistakes if words in trouble), ""))
    return Verdict(False, f"Exercise {number}, not yet: {trouble}", printed)


def run_check(exercise: Exercise, function: object) -> tuple[str | None, str]:
    """What is wrong with an answer, None if nothing is, and what it printed on its first input."""
    if not callable(function):
        call = f'check("{exercise.number}", {exercise.reference.__name__})'
        return f"pass the function itself, without calling it: `{call}`.", ""
    if trouble := _other_arguments(exercise, function):
        return trouble, ""
    return _try(exercise, function)


def mine(number: str, function: object) -> Callable[..., object]:
    """Your function if it passes its check, else the course's solution; prints which.

    Raises:
        ValueError: there is no such exercise.
    """
    if run_check(find(number), function)[0] is None:
        print(f"Exercise {number}: from here on your own function runs.")
        return function  # type: ignore[return-value]
    print(f"Exercise {number} is not solved yet: from here on the course's own function runs.")
    return find(number).reference


def _other_arguments(exercise: Exercise, function: Callable[..., object]) -> str | None:
    try:
        inspect.signature(function).bind(*exercise.parameters)
    except TypeError:
        return f"the function should take ({', '.join(exercise.parameters)})."
    except ValueError:
        return None  # a builtin without a signature: try it
    return None


def _try(exercise: Exercise, function: Callable[..., object]) -> tuple[str | None, str]:
    """What is wrong, None if nothing is, and what the function printed on its first input."""
    answers: list[tuple[Arguments, object]] = []
    printed = trouble = None
    for given in exercise.drawn():
        handed = deepcopy(given)
        outcome = run(function, handed, exercise.use)
        printed = outcome.printed if printed is None else printed
        if trouble := outcome.trouble or _changed(exercise, given, handed):
            trouble = _sentence(exercise, trouble, given)
            break
        answers.append((given, outcome.value))
    trouble = _wrong(exercise, answers) or trouble
    if (exercise.learns or exercise.part) and not trouble:
        trouble = cannot_learn(exercise, function)
    if exercise.part and not trouble:
        trouble = differs_in_tiny(exercise.number, function)
    return trouble and _ended(trouble), printed or ""


def _wrong(exercise: Exercise, answers: Answers) -> str | None:
    """The difference of the first wrong answer, named as a known mistake if it is one."""
    for given, answer in answers:
        if answer is None or answer is ...:
            return compare(answer, given)
        if exercise.validate:
            if wrong := exercise.validate(answer, *given):
                return _ended(wrong)
        elif wrong := compare(exercise.read(answer), exercise.wanted(*given)):
            known = None if "NaN" in wrong else explain(exercise, answers)
            return _ended(known) if known else _sentence(exercise, wrong, given)
    random = exercise.validate and "seed" in exercise.parameters
    return _not_by_seed(exercise, answers) if random else None


def _not_by_seed(exercise: Exercise, answers: Answers) -> str | None:
    """Of many right answers, equal inputs give the same one, and another seed another one."""
    for (given, answer), (other_given, other_answer) in combinations(answers, 2):
        pairs = zip(exercise.parameters, given, other_given, strict=True)
        apart = [name for name, one, other in pairs if compare(one, other)]
        same = [*map(float, answer)] == [*map(float, other_answer)]
        if not apart and not same:
            return "the same seed gives another result: make one generator from `seed`, inside."
        if same and apart and {"seed", "draws"}.issuperset(apart):
            return f"another `{apart[0]}` changes nothing: the result does not depend on it."
    return None


def _ended(clause: str) -> str:
    return clause if clause.endswith((".", "?")) else f"{clause}."


def _changed(exercise: Exercise, given: Arguments, handed: Arguments) -> str | None:
    for name, before, after in zip(exercise.parameters, given, handed, strict=True):
        if compare(after, before):
            return f"the function changes its input `{name}`; work on a copy (`.clone()`)"
    return None


def _sentence(exercise: Exercise, clause: str, arguments: Arguments) -> str:
    words = [_named(*pair) for pair in zip(exercise.parameters, arguments, strict=True)]
    return f"{_ended(clause)} This was with {', '.join(words)}."


def _named(name: str, value: object) -> str:
    """An input, short enough for a sentence."""
    if isinstance(value, Tensor):
        shown = f" of shape {tuple(value.shape)}" if value.ndim else f" = {value.item():.4g}"
        return f"{name}{shown}"
    if callable(value):  # a function, a module
        return f"{name} = {getattr(value, '__name__', f'{type(value).__name__}(...)')}"
    if isinstance(value, list | tuple) and value and isinstance(value[0], Tensor):
        shapes = dict.fromkeys(str(tuple(one.shape)) for one in value)
        return f"{name}, {len(value)} tensors of shape {' and '.join(shapes)}"
    if isinstance(value, list) and len(value) > _ITEMS_SHOWN:
        return f"{name}, a list of {len(value)}: {value[0]!r}, {value[1]!r}, ..."
    return f"{name} = {value!r}"
