"""Three hints an exercise: a nudge, a plan, and the solution, as text and never as a cell.

Not in the paper: part of the course.
"""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from csgcourse.exercises import find
from csgcourse.markup import html

LEVELS = (1, 2, 3)
_shown: dict[str, int] = {}  # the last level shown, by exercise: each call goes one further


@dataclass(frozen=True)
class Hint:
    """One hint. A notebook shows it folded, so that it is read on purpose.

    Attributes:
        number: the exercise.
        level: 1 nudge, 2 plan, 3 solution.
        text: the hint.
    """

    number: str
    level: int
    text: str

    @property
    def title(self) -> str:
        """What stands on the folded hint."""
        kind = {1: "a nudge", 2: "a plan", 3: "the solution"}[self.level]
        return f"Exercise {self.number}, hint {self.level} of {len(LEVELS)}: {kind}"

    @property
    def more(self) -> str:
        """How to get the next one."""
        if self.level == LEVELS[-1]:
            return ""
        return f'For the next hint, run `hint("{self.number}")` again.'

    def __repr__(self) -> str:
        return "\n".join(filter(None, (f"{self.title}.", self.text, self.more)))

    def _repr_html_(self) -> str:
        if self.level == LEVELS[0]:
            body = f"<p>{html(self.text)}</p>"
        else:
            body = f"<pre>{escape(self.text, quote=False)}</pre>"
        return f"<details><summary>{self.title}</summary>{body}</details><p>{html(self.more)}</p>"


def hint(number: str, level: int | None = None) -> Hint:
    """The next hint of an exercise, each call one further, or the one asked for.

    Args:
        number: the exercise, for instance "1.2".
        level: 1 a nudge, 2 a plan, 3 the solution.

    Raises:
        ValueError: there is no such exercise or level.
    """
    exercise = find(number)
    if level is None:
        level = min(_shown.get(number, 0) + 1, LEVELS[-1])
    if level not in LEVELS:
        raise ValueError(f"a hint has level 1, 2 or 3: got {level}")
    _shown[number] = level
    return Hint(
        number, level, (exercise.nudge, exercise.plan, _solution(exercise.reference))[level - 1]
    )


def _solution(function: Callable[..., object]) -> str:
    """A function as text, below the imports it needs."""
    text = inspect.getsource(function).strip()
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    imports = []
    for node in ast.parse(inspect.getsource(inspect.getmodule(function) or inspect)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in names]
            imports += [ast.unparse(node)] if node.names else []
    return "\n".join([*imports, "", text] if imports else [text])
