"""Paired comparison of two runs on the same clips, and an interval of one. Not in the paper."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths

_SPREADS = 1.959963984540054  # standard normal: 2.5 % lie above
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


def wilson(hits: int, clips: int) -> tuple[float, float]:
    """Interval (low, high) of a proportion, one clip per patient. Source: Wilson 1927.

    Raises:
        ValueError: no clip, or hits outside 0 to `clips`.
    """
    if not 0 <= hits <= clips or not clips:
        raise ValueError(f"hits must be some of at least one clip: got {hits} of {clips}")
    share, square = hits / clips, _SPREADS**2 / clips
    middle = share + square / 2
    half = math.sqrt(square * (share * (1 - share) + square / 4))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))
