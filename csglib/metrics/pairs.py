"""Paired comparison of two runs on the same clips. Not in the paper."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Which clips a run predicted correctly.

    Attributes:
        right: whether the prediction is correct.
        clips: an identifier of each clip, such as its file name.
        patients: of each clip.

    Raises:
        ValueError: no clip, or lengths that differ.
    """

    right: Bool[ndarray, " clips"]
    clips: Sequence[Hashable]
    patients: Sequence[str]

    def __post_init__(self) -> None:
        same_lengths(right=self.right, clips=self.clips, patients=self.patients)


def mcnemar(first_right: Bool[ndarray, " clips"], second_right: Bool[ndarray, " clips"]) -> float:
    """Exact two-sided p value of McNemar 1947, from the clips that one run alone got right.

    Assumes independent clips; where patients have several, `paired_difference` is safer.

    Raises:
        ValueError: no clip, or lengths that differ.
    """
    same_lengths(first=first_right, second=second_right)
    first, second = np.sum(first_right & ~second_right), np.sum(second_right & ~first_right)
    tosses, fewer = int(first + second), int(min(first, second))
    return min(1.0, 2 * sum(math.comb(tosses, k) for k in range(fewer + 1)) / 2**tosses)


def paired_difference(first: Answers, second: Answers, draws: int = 2000, seed: int = 0) -> Score:
    """Accuracy of the first run minus that of the second; draws resample both alike.

    Raises:
        ValueError: clips, their order, or whose they are differ between the runs.
    """
    if len(first.clips) != len(second.clips):
        raise ValueError(
            f"two runs need the same clips: got {len(first.clips)} and {len(second.clips)}"
        )
    named = (zip(run.clips, run.patients, strict=True) for run in (first, second))
    for place, (one, other) in enumerate(zip(*named, strict=True)):
        if one != other:
            raise ValueError(
                f"two runs need the same clips in the same order: at place {place} the first has "
                f"{one[0]} of {one[1]}, the second {other[0]} of {other[1]}"
            )
    gained = first.right.astype(np.float64) - second.right
    weights = draw_patients(first.patients, draws, seed)
    return interval_of(weights @ gained / weights.sum(1))
