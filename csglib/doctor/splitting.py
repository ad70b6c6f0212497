"""The split of one's own clips: as labels.csv gives it, or drawn by patient in the paper's shares.

Source: section 3, "Dataset and Implementations": 318, 23 and 118 clips of 8 frames, split "at the
patient level with no overlap".
"""

from collections.abc import Collection, Sequence

from csglib.data.split import SPLITS, split_by_patient
from csglib.doctor.labels import Label
from csglib.phantom.patients import CLIPS

_, _VALIDATION, _TEST = (clips / sum(CLIPS[8].values()) for clips in CLIPS[8].values())
_DRAWS, _NEXT_SEED = 100, 1_000_003


def assign_splits(
    labels: Sequence[Label], patients: Sequence[str], wanted: Collection[str], seed: int = 0
) -> list[str]:
    """The split of each label: its own, or drawn by patient until no `wanted` grade is missing.

    Raises:
        ValueError: a column that is neither complete nor empty, fewer than 4 patients, training
            that lacks a grade, or a test of one patient.
    """
    splits = [label.split for label in labels]
    if {*splits} not in ({""}, {*SPLITS}):
        counts = ", ".join(f"{splits.count(it)} {it or 'empty'}" for it in sorted({*splits}))
        raise ValueError(f"the column split has {counts}; wanted {', '.join(SPLITS)}, or nothing")
    if (count := len({*patients})) <= len(SPLITS):
        raise ValueError(f"training and validation need a patient each, the test two: got {count}")

    def missing(splits: Sequence[str], side: str) -> set[str]:
        rows = zip(splits, labels, strict=True)
        return {*wanted} - {label.grade for split, label in rows if split == side}

    if "" in splits:
        test = max(_TEST, 2 / count)  # one patient's test would have no interval
        shares = 1 - _VALIDATION - test, _VALIDATION, test
        seeds = range(seed, seed + _DRAWS * _NEXT_SEED, _NEXT_SEED)
        draws = ([SPLITS[it] for it in split_by_patient(patients, shares, at)] for at in seeds)
        splits = min(draws, key=lambda it: (len(missing(it, "train")), len(missing(it, "test"))))
    if lacking := missing(splits, "train"):
        raise ValueError(f"training would have no clip of {', '.join(sorted(lacking))}")
    if len({it for it, split in zip(patients, splits, strict=True) if split == "test"}) < 2:
        raise ValueError("the test would be of one patient: give it two")
    return splits
