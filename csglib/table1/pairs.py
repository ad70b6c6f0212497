"""Paired comparison of two runs on the same clips, in the same order. Not in the paper."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths

Right = Bool[ndarray, " clips"]
"""Which clips a run predicted correctly."""


def mcnemar(first: Right, second: Right) -> float:
    """Exact two-sided p value of McNemar 1947, from the clips that one run alone got right.

    Assumes independent clips; where patients have several, `paired_difference` is safer. A
    ValueError without a clip, or for lengths that differ.
    """
    same_lengths(first=first, second=second)
    one, other = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    tosses, fewer = one + other, min(one, other)
    return min(1.0, 2 * sum(math.comb(tosses, k) for k in range(fewer + 1)) / 2**tosses)


def paired_difference(
    first: Right, second: Right, patients: Sequence[str], draws: int = 2000, seed: int = 0
) -> Score:
    """Accuracy of the first run minus that of the second; draws resample patients for both alike.

    A ValueError without a clip, or for lengths that differ.
    """
    same_lengths(first=first, second=second, patients=patients)
    weights = draw_patients(patients, draws, seed)
    return interval_of(weights @ (first.astype(np.float64) - second) / weights.sum(1))
