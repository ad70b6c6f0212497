"""What tells the grade without a look at the tissue, as a network may learn: by patient, as AUC.

Not in the paper.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from csglib.doctor.examination import Examination

_MIN_PATIENTS = 3  # with and without a grade
_MIN_AUC = 0.9


def find_shortcuts(exam: Examination) -> Iterator[str]:
    """Such as: file type .gif has an AUC of 1.00 for the grade severe, over 12 patients."""
    values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    grades = defaultdict(list)
    for row in exam.labels:
        if row.clip in exam.records and row.grade in exam.grades:
            frames, height, width = exam.records[row.clip].shape
            grades[row.patient].append(row.grade)
            for name, value in (
                ("image size", f"{width} x {height}"),
                ("number of frames", str(frames)),
                ("file type", PurePosixPath(row.clip).suffix or "none"),
                ("place of the tissue", str(exam.records[row.clip].tissue)),
            ):
                values[name][row.patient].append(value)
    seen = {(name, it) for name in values for each in values[name].values() for it in each}
    for grade in exam.grades:
        inside = [patient for patient, found in grades.items() if {*found} == {grade}]
        outside = [patient for patient, found in grades.items() if grade not in found]
        if min(len(inside), len(outside)) < _MIN_PATIENTS:
            continue
        for name, value in sorted(seen):
            found = values[name]
            here, there = (
                np.array([found[patient].count(value) / len(found[patient]) for patient in group])
                for group in (inside, outside)
            )
            auc = np.mean((np.sign(here[:, None] - there) + 1) / 2)
            if auc >= _MIN_AUC:
                what = f"{name} {value} has an AUC of {auc:.2f} for the grade {grade}"
                yield f"{what}, over {len(inside) + len(outside)} patients"
