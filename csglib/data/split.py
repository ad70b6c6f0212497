"""Split clips by patient, so that no patient is both trained and tested on.

Source: section 3, "Dataset and Implementations": a split "at the patient level with no overlap".
"""

import math
import random
from collections.abc import Hashable, Sequence

SPLITS = ("train", "validation", "test")


def split_by_patient(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    """Assign patients to groups at random; each clip goes where its patient goes.

    Shares are of patients, above 0 and together 1. Every group gets one patient, then each further
    one goes to the group furthest below its share. Given each clip's patient, returns its group.
    """
    if not all(share > 0 for share in shares) or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"shares must be above 0 and sum to 1: got {shares}")
    names = sorted(set(patients))  # the order of a set differs from one Python process to the next
    if len(names) < len(shares):
        raise ValueError(f"{len(shares)} groups need a patient each: got {len(names)} patients")
    random.Random(seed).shuffle(names)
    counts = [1 for _ in shares]
    while sum(counts) < len(names):
        missing = [share * len(names) - n for share, n in zip(shares, counts, strict=True)]
        counts[missing.index(max(missing))] += 1
    groups = [group for group, count in enumerate(counts) for _ in range(count)]
    group_of = dict(zip(names, groups, strict=True))
    return [group_of[patient] for patient in patients]


def check_no_overlap(patients: Sequence[str], groups: Sequence[Hashable]) -> None:
    """Raise a ValueError that names a patient in two groups; given patient and group a clip."""
    first: dict[str, Hashable] = {}
    for patient, group in zip(patients, groups, strict=True):
        if first.setdefault(patient, group) != group:
            raise ValueError(f"patient {patient} is in {first[patient]} and in {group}")
