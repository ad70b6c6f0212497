"""Predicted probabilities of a set of clips beside the truth: as a CSV file, and as scores.

Not in the paper. One row per clip, so that two runs can be compared clip by clip.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray
from torch import Tensor

from csglib.data.atomic import write_csv
from csglib.data.cohort import ClipSet
from csglib.metrics import Scores, grade_scores


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Of the clips of one set, in its order."""

    probabilities: Float[ndarray, "clips classes"]
    grades: Int64[ndarray, " clips"]  # the true ones, indices into `names`
    patients: tuple[str, ...]  # of each clip
    names: tuple[str, ...]  # of the grades

    @classmethod
    def of(cls, logits: Float[Tensor, "clips classes"], clips: ClipSet) -> "Predictions":
        """From the logits of `csglib.train.fit.predict`."""
        probabilities = logits.double().softmax(1).numpy()
        grades, patients, names = clips.grades, clips.patients, clips.grade_names
        return cls(probabilities=probabilities, grades=grades, patients=patients, names=names)

    @classmethod
    def read(cls, path: Path) -> "Predictions":
        """From a file that `write` wrote; a ValueError for any other."""
        if not path.is_file():
            raise ValueError(f"{path}: there is no such file; wanted a table of predictions")
        rows = list(csv.DictReader(path.read_text().splitlines()))
        try:
            names = tuple(name.removeprefix("p_") for name in rows[0] if name.startswith("p_"))
            return cls(
                probabilities=np.array([[float(row[f"p_{n}"]) for n in names] for row in rows]),
                grades=np.array([names.index(row["grade"]) for row in rows]),
                patients=tuple(row["patient"] for row in rows),
                names=names,
            )
        except (IndexError, KeyError, ValueError, TypeError, csv.Error) as error:
            raise ValueError(f"{path} is no table of predictions: {error}") from error

    def write(self, path: Path) -> None:
        """Write a CSV file, whole or not at all."""
        clips = zip(self.patients, self.grades.tolist(), self.probabilities.tolist(), strict=True)
        rows = (
            [place, patient, self.names[grade], *(f"{p:.6f}" for p in row)]
            for place, (patient, grade, row) in enumerate(clips)
        )
        write_csv(path, ["clip", "patient", "grade", *(f"p_{n}" for n in self.names)], rows)

    def scores(self) -> Scores:
        """All scores, with intervals by patient."""
        return grade_scores(self.probabilities, self.grades, self.patients)
