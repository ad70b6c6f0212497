"""Which exercises are solved: `progress.json`, beside the notebooks.

The file holds numbers of exercises and no answers, and stays on this machine. The environment
variable CSGLIB_PROGRESS names another file.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from csgcourse.exercise import exercises_of
from csglib.data.atomic import replacing

_NAMES = (
    *("Start here", "Inflation", "Clips to tokens", "Intra-dimension attention"),
    *("Fusion: SWA against CA", "Learnable weighting", "CSG-3DCT", "Clips and grades"),
    *("Training", "Attention across frames", "Is it evidence?"),
)
TITLES = {**dict(enumerate(_NAMES)), 12: "Your own clips"}  # of notebooks that have exercises
_SOLVED, _OPEN = "\N{CHECK MARK}", "\N{WHITE CIRCLE}"
_HOME = Path(__file__).parents[1]  # the notebooks' folder, unless csgcourse is installed elsewhere


def progress_file() -> Path | None:
    """Where progress is kept: in the notebooks' folder, wherever Python was started.

    That is the folder that holds csgcourse, or the working directory if csgcourse is installed
    apart from its notebooks; None if neither holds notebooks and can be written to.
    """
    if name := os.environ.get("CSGLIB_PROGRESS"):
        return Path(name)
    for folder in (_HOME, Path.cwd()):
        if any(folder.glob("[0-9][0-9]_*.ipynb")) and os.access(folder, os.W_OK):
            return folder / "progress.json"
    return None


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
    file = progress_file()
    if file is None or not file.exists():
        return Progress(frozenset())
    try:
        return Progress(frozenset(map(str, json.loads(file.read_bytes())["solved"])))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file.resolve()} is damaged: delete it to start over") from error


def remember(number: str) -> str:
    """Note that an exercise is solved; returns why it could not be noted, "" if it was."""
    if (path := progress_file()) is None:
        return "It could not be noted as solved: no notebooks here (CSGLIB_PROGRESS names a file)."
    try:
        solved = progress().solved | {number}
        with replacing(path) as file:
            file.write(json.dumps({"solved": sorted(solved)}).encode())
    except (OSError, ValueError) as error:
        return f"It could not be noted as solved: {error}."
    return ""


def start_over() -> Progress:
    """Forget what was solved."""
    if path := progress_file():
        path.unlink(missing_ok=True)
    return progress()
