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
    facts: dict[str, list[set[str]]] = defaultdict(list)  # of each row of a patient
    grades: dict[str, set[str]] = defaultdict(set)
    for row in exam.labels:
        if row.clip in exam.records and row.grade in exam.settings.grades:
            record = exam.records[row.clip]
            frames, height, width = record.shape
            grades[row.patient].add(row.grade)
            facts[row.patient].append({
                f"image size {width} x {height}",
                f"number of frames {frames}",
                f"file type {PurePosixPath(row.clip).suffix or 'none'}",
                f"place of the tissue {record.tissue}",
            })  # fmt: skip
    for grade in exam.settings.grades:
        inside = [patient for patient, found in grades.items() if found == {grade}]
        outside = [patient for patient, found in grades.items() if grade not in found]
        if min(len(inside), len(outside)) < _MIN_PATIENTS:
            continue
        for fact in sorted({it for rows in facts.values() for row in rows for it in row}):
            shares = {
                patient: np.mean([fact in row for row in facts[patient]]) for patient in facts
            }
            here, there = (np.array([*map(shares.get, group)]) for group in (inside, outside))
            auc = np.mean((np.sign(here[:, None] - there) + 1) / 2)
            if auc >= _MIN_AUC:
                what = f"{fact} has an AUC of {auc:.2f} for the grade {grade}"
                yield f"{what}, over {len(inside) + len(outside)} patients"
