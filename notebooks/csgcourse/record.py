"""What a reader has solved so far, kept in one file beside the notebooks.

Not in the paper: part of the course. The file holds numbers of exercises and nothing of the
answers; it stays on this machine, and to delete it is to start over.
The environment variable CSGLIB_PROGRESS names another file.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from csgcourse.exercises import exercises_of
from csglib.data.atomic import replacing

# Without another word, where a notebook's kernel starts: in its own folder.
FILE = Path(os.environ.get("CSGLIB_PROGRESS", "progress.json"))
TITLES = {  # of the notebooks that ask for their exercises
    0: "Start here",
    1: "Inflation",
    2: "Clips to tokens",
    3: "Intra-dimension attention",
    4: "Fusion: SWA against CA",
    5: "Learnable weighting",
    6: "CSG-3DCT",
    7: "Clips and grades",
    8: "Training",
    9: "Attention across frames",
}
_SOLVED, _OPEN = "\N{CHECK MARK}", "\N{WHITE CIRCLE}"


@dataclass(frozen=True)
class Progress:
    """The exercises solved. A notebook shows it as a table when it is the last value of a cell.

    Attributes:
        solved: their numbers.
    """

    solved: frozenset[str]

    def __repr__(self) -> str:
        rows = [f"{chapter:02} {TITLES[chapter]:<27}{marks}" for chapter, marks in self._marks()]
        return "\n".join([*rows, self._sum])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{chapter:02} {TITLES[chapter]}</td><td>{marks}</td></tr>"
            for chapter, marks in self._marks()
        )
        head = f"<thead><tr><th>notebook</th><th>{_SOLVED} solved, {_OPEN} open</th></tr></thead>"
        return f"<table>{head}<tbody>{rows}</tbody></table><p>{self._sum}</p>"

    def _marks(self) -> list[tuple[int, str]]:
        marks = {True: _SOLVED, False: _OPEN}
        return [
            (chapter, " ".join(marks[e.number in self.solved] for e in exercises_of(chapter)))
            for chapter in TITLES
        ]

    @property
    def _sum(self) -> str:
        known = {exercise.number for chapter in TITLES for exercise in exercises_of(chapter)}
        return f"{len(self.solved & known)} of {len(known)} exercises solved."


def progress() -> Progress:
    """What has been solved so far, in this folder.

    Raises:
        ValueError: the file is damaged; says what to do.
    """
    if not FILE.exists():
        return Progress(frozenset())
    try:
        solved = json.loads(FILE.read_bytes())["solved"]
        return Progress(frozenset(str(number) for number in solved))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{FILE.resolve()} is damaged: delete it to start over") from error


def remember(number: str) -> str:
    """Note that an exercise is solved.

    Returns:
        Nothing, or why it could not be noted: that is no reason to fail a right answer.
    """
    try:
        solved = progress().solved | {number}
        with replacing(FILE) as file:
            file.write(json.dumps({"solved": sorted(solved)}).encode())
    except (OSError, ValueError) as error:
        return f"It could not be noted as solved: {error}."
    return ""


def start_over() -> Progress:
    """Forget what was solved."""
    FILE.unlink(missing_ok=True)
    return progress()
