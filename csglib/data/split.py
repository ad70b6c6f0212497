"""Dealing out clips by patient: no neck is trained on and tested on.

Source: section 3, "Dataset and Implementations": a split "at the patient level with no overlap".
"""

import math
import random
from collections.abc import Hashable, Sequence

SPLITS = ("train", "validation", "test")


def split_by_patient(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    """Deal patients out at random; each clip goes where its patient goes.

    The order in which clips come does not matter, nor how many a patient has: shares are of
    patients. Every group gets one, however small its share; each further patient goes to the group
    that lacks most, which rounds all shares as fairly as whole patients allow.

    Args:
        patients: whose each clip is.
        shares: of each group, above 0, together 1.
        seed: another seed, another split.

    Returns:
        The number of a group for each clip, 0 to len(shares) - 1.

    Raises:
        ValueError: shares that are none, or fewer patients than groups.
    """
    if not all(share > 0 for share in shares) or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"shares must be above 0 and sum to 1: got {shares}")
    names = sorted(set(patients))  # a set alone has another order each time Python starts
    if len(names) < len(shares):
        raise ValueError(f"{len(shares)} groups need a patient each: got {len(names)} patients")
    random.Random(seed).shuffle(names)
    group_of = dict(zip(names, _in_a_row(len(names), shares), strict=True))
    return [group_of[patient] for patient in patients]


def _in_a_row(patients: int, shares: Sequence[float]) -> list[int]:
    """Group numbers, each as often as the group has patients."""
    counts = [1 for _ in shares]
    while sum(counts) < patients:
        lacks = [share * patients - count for share, count in zip(shares, counts, strict=True)]
        counts[lacks.index(max(lacks))] += 1
    return [group for group, count in enumerate(counts) for _ in range(count)]


def check_no_overlap(patients: Sequence[str], groups: Sequence[Hashable]) -> None:
    """Fail if a patient stands on both sides of a split.

    Args:
        patients: whose each clip is.
        groups: the number or the name of each clip's group.

    Raises:
        ValueError: some patient does, or lengths differ; says who, and between what.
    """
    if len(patients) != len(groups):
        raise ValueError(f"{len(patients)} clips need as many groups: got {len(groups)}")
    first: dict[str, Hashable] = {}
    for patient, group in zip(patients, groups, strict=True):
        if first.setdefault(patient, group) != group:
            raise ValueError(f"patient {patient} is in {first[patient]} and in {group}")
