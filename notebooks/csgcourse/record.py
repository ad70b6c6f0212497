"""Which exercises are solved: `progress.json`, beside the notebooks.

The file holds, for each exercise, how often it was checked, which mistakes were named, and when it
was solved; no answers. It stays on this machine. The environment variable CSGLIB_PROGRESS names
another file.
"""

import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csgcourse.exercise import exercises_of
from csglib.data.atomic import replacing

_NAMES = (
    *("Start here", "Inflation", "Clips to tokens", "Intra-dimension attention"),
    *("Fusion: SWA against CA", "Learnable weighting", "CSG-3DCT", "Clips and grades"),
    *("Training", "Attention across frames", "Is it evidence?"),
    *("Table 1", "Your own clips"),
)
TITLES = dict(enumerate(_NAMES))  # of notebooks that have exercises
_NOTED: dict[str, Any] = {"checked": int, "mistakes": list, "solved": str}  # of an exercise
_SOLVED, _OPEN = "\N{CHECK MARK}", "\N{WHITE CIRCLE}"
_HOME = Path(__file__).parents[1]  # the notebooks' folder, unless csgcourse is installed elsewhere


def notebooks_folder() -> Path | None:
    """The folder that holds csgcourse, or else the working directory, if it has notebooks."""
    for folder in (_HOME, Path.cwd()):
        if any(folder.glob("[0-9][0-9]_*.ipynb")) and os.access(folder, os.W_OK):
            return folder
    return None


def progress_file() -> Path | None:
    """Where progress is kept: in the notebooks' folder, wherever Python was started."""
    if name := os.environ.get("CSGLIB_PROGRESS"):
        return Path(name)
    return (folder := notebooks_folder()) and folder / "progress.json"


@dataclass(frozen=True)
class Progress:
    """The exercises solved, by number. A notebook shows them as a table."""

    solved: frozenset[str]

    def __repr__(self) -> str:
        return "\n".join([*(f"{title:<30}{marks}" for title, marks in self._rows()), self._sum])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{one}</td><td>{marks}</td></tr>" for one, marks in self._rows())
        head = f"<thead><tr><th>notebook</th><th>{_SOLVED} solved, {_OPEN} open</th></tr></thead>"
        return f"<table>{head}<tbody>{rows}</tbody></table><p>{self._sum}</p>"

    def _rows(self) -> list[tuple[str, str]]:
        """The title of each notebook, and a mark for each of its exercises."""
        rows = []
        for chapter, title in TITLES.items():
            solved = (exercise.number in self.solved for exercise in exercises_of(chapter))
            marks = " ".join(_SOLVED if each else _OPEN for each in solved)
            rows.append((f"{chapter:02} {title}", marks))
        return rows

    @property
    def _sum(self) -> str:
        marks = "".join(marks for _, marks in self._rows())
        return f"{marks.count(_SOLVED)} of {len(marks.replace(' ', ''))} exercises solved."


def progress() -> Progress:
    """The exercises solved so far.

    Raises:
        ValueError: the file is damaged; says what to do.
    """
    return Progress(frozenset(n for n, noted in checks().items() if noted["solved"]))


def checks() -> dict[str, dict[str, Any]]:
    """By exercise: how often it was `checked`, `mistakes` that were named, when first `solved`.

    Raises:
        ValueError: the file is damaged; says what to do.
    """
    file = progress_file()
    if file is None or not file.exists():
        return {}
    try:
        exercises = json.loads(file.read_bytes())["exercises"].items()
        return {n: {key: kind(one[key]) for key, kind in _NOTED.items()} for n, one in exercises}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file.resolve()} is damaged: delete it to start over") from error


def remember(number: str, mistake: str | None) -> str:
    """Note a check: passed if there is no mistake. Returns why it could not be noted, or ""."""
    if (path := progress_file()) is None:
        return "It could not be noted as solved: no notebooks here (CSGLIB_PROGRESS names a file)."
    try:
        noted = checks()
        one = noted.setdefault(number, {key: kind() for key, kind in _NOTED.items()})
        now = datetime.datetime.now().astimezone().isoformat(timespec="minutes")
        one["checked"] += 1
        one["mistakes"] += [mistake] if mistake and mistake not in one["mistakes"] else []
        one["solved"] = one["solved"] or ("" if mistake is not None else now)
        with replacing(path) as file:
            file.write(json.dumps({"exercises": noted}, indent=1).encode())
    except (OSError, ValueError) as error:
        return f"It could not be noted as solved: {error}."
    return ""


def start_over() -> Progress:
    """Forget what was solved."""
    if path := progress_file():
        path.unlink(missing_ok=True)
    return progress()
