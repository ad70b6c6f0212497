"""Three hints an exercise: a nudge and a plan, from hints.md, and the solution, as text."""

import ast
import inspect
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from csgcourse.exercise import Exercise, find, html

_LEVELS = ("a nudge", "a plan", "the solution")
_shown: dict[str, int] = {}  # the last level shown, by exercise: each call goes one further


@dataclass(frozen=True)
class Hint:
    """One hint of an exercise, of level 1 to 3. A notebook shows it folded."""

    number: str
    level: int
    text: str

    def __repr__(self) -> str:
        return "\n".join(filter(None, (f"{self._title}.", self.text, self._more)))

    def _repr_html_(self) -> str:
        code = f"<pre>{escape(self.text, quote=False)}</pre>"
        body = f"<p>{html(self.text)}</p>" if self.level == 1 else code
        return f"<details><summary>{self._title}</summary>{body}</details><p>{html(self._more)}</p>"

    @property
    def _title(self) -> str:
        return f"Exercise {self.number}, hint {self.level} of 3: {_LEVELS[self.level - 1]}"

    @property
    def _more(self) -> str:
        return f'For the next hint, run `hint("{self.number}")` again.' if self.level < 3 else ""


def hint(number: str, level: int | None = None) -> Hint:
    """The next hint of exercise "1.2", say, each call one further, or the one of that level.

    Raises:
        ValueError: there is no such exercise or level.
    """
    exercise = find(number)
    level = min(_shown.get(number, 0) + 1, 3) if level is None else level
    if level not in (1, 2, 3):
        raise ValueError(f"a hint has level 1, 2 or 3: got {level}")
    _shown[number] = level
    return Hint(number, level, (*texts()[number][:2], _with_imports(exercise))[level - 1])


@cache
def texts() -> dict[str, tuple[str, str, str]]:
    """Nudge, plan and insight of every exercise by its number, from `hints.md`."""
    _, *sections = Path(__file__).with_name("hints.md").read_text(encoding="utf-8").split("\n## ")
    parts = [section.strip().split("\n\n") for section in sections]
    return {
        title.split()[0]: (nudge.replace("\n", " "), plan, insight.replace("\n", " "))
        for title, nudge, plan, insight in parts
    }


def _with_imports(exercise: Exercise) -> str:
    """The source of the solution, below the imports and the parts of its module that it needs."""
    source = inspect.getsource(inspect.getmodule(exercise.reference) or inspect)
    return with_needed(source, exercise.reference.__name__)


def with_needed(source: str, name: str) -> str:
    """The last thing of that name in a source, below the imports and the parts that it needs."""
    body = ast.parse(source).body
    defined = {name: node for node in body for name in _names(node)}
    parts: list[ast.AST] = [defined[name]]
    for part in parts:  # grows: what a part needs is a part
        used = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}
        parts += [defined[name] for name in used & defined.keys() if defined[name] not in parts]
    names = {node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)}
    imports = []
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in names]
            imports += [ast.unparse(node)] if node.names else []
    texts = [ast.get_source_segment(source, node) or "" for node in body if node in parts]
    head = "\n".join(imports)
    return "\n\n\n".join([head, *texts] if head else texts)


def _names(node: ast.stmt) -> list[str]:
    """What a statement of a module defines."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return [ast.unparse(target) for target in targets]
