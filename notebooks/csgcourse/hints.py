"""Three hints an exercise: a nudge, a plan, and the solution, as text and never as a cell.

Not in the paper: part of the course.
"""

import ast
import inspect
from dataclasses import dataclass
from html import escape

from csgcourse.exercise import Exercise, find, html

LEVELS = {1: "a nudge", 2: "a plan", 3: "the solution"}
_shown: dict[str, int] = {}  # the last level shown, by exercise: each call goes one further


@dataclass(frozen=True)
class Hint:
    """One hint of an exercise. A notebook shows it folded."""

    number: str
    level: int
    text: str

    @property
    def title(self) -> str:
        """The summary line of the folded hint."""
        return f"Exercise {self.number}, hint {self.level} of {len(LEVELS)}: {LEVELS[self.level]}"

    @property
    def more(self) -> str:
        """How to get the next one."""
        again = f'For the next hint, run `hint("{self.number}")` again.'
        return again if self.level < len(LEVELS) else ""

    def __repr__(self) -> str:
        return "\n".join(filter(None, (f"{self.title}.", self.text, self.more)))

    def _repr_html_(self) -> str:
        code = f"<pre>{escape(self.text, quote=False)}</pre>"
        body = f"<p>{html(self.text)}</p>" if self.level == 1 else code
        return f"<details><summary>{self.title}</summary>{body}</details><p>{html(self.more)}</p>"


def hint(number: str, level: int | None = None) -> Hint:
    """The next hint of an exercise, each call one further, or the one of that level.

    Args:
        number: the exercise, for instance "1.2".
        level: 1 a nudge, 2 a plan, 3 the solution.

    Raises:
        ValueError: there is no such exercise or level.
    """
    exercise = find(number)
    if level is None:
        level = min(_shown.get(number, 0) + 1, len(LEVELS))
    if level not in LEVELS:
        raise ValueError(f"a hint has level 1, 2 or 3: got {level}")
    _shown[number] = level
    nudge, plan, _ = exercise.texts
    return Hint(number, level, (nudge, plan, _with_imports(exercise))[level - 1])


def _with_imports(exercise: Exercise) -> str:
    """The source of the solution, below the imports it needs."""
    text = exercise.solution
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    imports = []
    for node in ast.parse(inspect.getsource(inspect.getmodule(exercise.reference) or inspect)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in names]
            imports += [ast.unparse(node)] if node.names else []
    return "\n".join([*imports, "", text] if imports else [text])
