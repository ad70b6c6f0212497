"""What an exercise consists of, and how to find one: chapter 1 is `chapter_01.py`."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Generator, nn

Arguments = tuple[object, ...]
Answers = Sequence[tuple[Any, Any]]  # the inputs of each case, and what came back
Function = Callable[..., Any]
Wrong = dict[str, object]  # wrong results, by the message that names the mistake
Cases = Callable[[Generator], Sequence[Arguments]]
_PRIMES = (2, 3, 5, 7, 11, 13)
_SEED = 5  # the same inputs at each check, so that a message can be acted on


class AnswerError(Exception):
    """Raised by an exercise's `use`: a clause that says why what came back cannot be checked."""


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise: its solution, the inputs it is checked on, common mistakes."""

    number: str  # chapter and place, "1.2"; its hints are in `hints.md`
    reference: Function  # the solution
    cases: Cases  # draws the inputs: typical sizes first, edge cases after
    axes: str = ""  # names of the result's axes, for messages; of several results, between ";"
    # Common mistakes by the message that names each: a wrong function, or an edit of the solution,
    # words of its source and those in their place: (old, new) or (old, new, old, new).
    mistakes: Mapping[str, Any] = field(default_factory=dict)
    read: Callable[[object], object] = lambda result: result  # where several types are right
    # (answer, *inputs) -> what is wrong; for exercises with many right answers, one for each `seed`
    validate: Callable[..., str | None] | None = None
    # (function, *inputs) -> what is checked, where that is not just what the function returns:
    # weights after a step, gradients. An input that learns is given by its name and built here.
    use: Callable[..., Any] = lambda function, *given: function(*given)
    learns: bool = False  # gradients must flow through the answer; always those through a `part`
    # The library's module whose forward this is, and (function, module, *inputs) -> its output.
    part: tuple[type[nn.Module], Callable[..., object]] | None = None

    @property
    def parameters(self) -> list[str]:
        """Names of the solution's arguments."""
        return list(inspect.signature(self.reference).parameters)

    def drawn(self) -> Sequence[Arguments]:
        """The inputs of a check, the same each time."""
        return self.cases(Generator().manual_seed(_SEED))

    def wanted(self, *given: object) -> object:
        """What the right result for these inputs is compared as."""
        return self.read(self.use(self.reference, *given))

    @cached_property
    def mistaken(self) -> dict[str, Function]:
        """A function for each of `mistakes`."""
        table = self.mistakes.items()
        return {w: edited(self.reference, *m) if isinstance(m, tuple) else m for w, m in table}

    @cached_property
    def wrong(self) -> list[Wrong]:
        """For each input of a check what comes of `mistaken`."""
        return [
            {words: self.outcome(function, *given) for words, function in self.mistaken.items()}
            for given in self.drawn()
        ]

    def outcome(self, function: Function, *given: object) -> object:
        """The result of a wrong function; if it raises an error, something no answer equals."""
        try:
            return self.read(self.use(function, *given))
        except Exception:  # shapes that do not fit, for instance
            return object()


def edited(function: Function, *words: str) -> Function:
    """The function with words of its source replaced, given as old, new, old, new.

    Raises:
        ValueError: the source does not have the old words.
    """
    function = inspect.unwrap(function)
    source = inspect.getsource(function)
    for old, new in zip(words[::2], words[1::2], strict=True):
        if old not in source:
            raise ValueError(f"{function.__name__} has no {old!r}")
        source = source.replace(old, new)
    names = dict(function.__globals__)
    exec(source, names)
    return names[function.__name__]


def find(number: str) -> Exercise:
    """The exercise with that number.

    Raises:
        ValueError: not a number like "1.2", or no such exercise; lists those there are.
    """
    if not (match := re.fullmatch(r"(\d+)\.\d+", str(number))):
        raise ValueError(f'an exercise has a number like "1.2": got {number!r}')
    exercises = {exercise.number: exercise for exercise in exercises_of(int(match[1]))}
    if number not in exercises:
        known = ", ".join(exercises) or "none"
        raise ValueError(f"there is no exercise {number}: chapter {int(match[1])} has {known}")
    return exercises[number]


def chapters() -> list[int]:
    """The chapters that have exercises, in order."""
    return sorted(int(path.stem[-2:]) for path in Path(__file__).parent.glob("chapter_??.py"))


def exercises_of(chapter: int) -> tuple[Exercise, ...]:
    """All exercises of a chapter, in order; none if there is no such chapter."""
    if chapter not in chapters():
        return ()
    return import_module(f"csgcourse.chapter_{chapter:02d}").EXERCISES


def inputs(shapes: Callable[..., Sequence[object]], *edges: Mapping[str, object]) -> Cases:
    """Random inputs, one case for each of `edges`, the sizes it sets; the second is in float64.

    `shapes` gives for each argument, from all sizes: the shape of a tensor, a float (a tensor
    without axes), a tuple of shapes, a module (its parameters are drawn), or another value. A size
    that an edge case does not set is a small prime; all differ, so that no result with swapped axes
    has the right shape.
    """

    def cases(generator: Generator) -> list[Arguments]:
        drawn = []
        for place, edge in enumerate(edges):
            free = [prime for prime in _PRIMES if prime not in edge.values()]
            names = [name for name in inspect.signature(shapes).parameters if name not in edge]
            order = torch.randperm(min(len(free), len(names) + 1), generator=generator)
            sizes = dict(zip(names, [free[k] for k in order], strict=False))
            dtype = torch.float64 if place == 1 else torch.float32
            drawn.append(tuple(_argument(s, generator, dtype) for s in shapes(**sizes, **edge)))
        return drawn

    return cases


def _argument(shape: object, generator: Generator, dtype: torch.dtype) -> object:
    if isinstance(shape, tuple) and isinstance(shape[0], tuple):
        return tuple(_argument(part, generator, dtype) for part in shape)
    if isinstance(shape, tuple):
        return torch.randn(shape, generator=generator, dtype=dtype)
    if isinstance(shape, nn.Module):
        for weights in shape.to(dtype).parameters():
            std = 2 / len(weights.T) ** 0.5 if weights.ndim > 1 else 0.5  # no softmax saturates
            weights.data.normal_(0, std, generator=generator)
    return torch.tensor(shape, dtype=dtype) if isinstance(shape, float) else shape


def html(text: str) -> str:
    """Text as HTML, with code between backticks set as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
