"""Paired comparison of two runs on the same clips, and what several seeds say. Not in the paper."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import stats

from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths

Right = Bool[ndarray, " clips"]
"""Which clips a run predicted correctly."""


def mcnemar(first: Right, second: Right, *, mid_p: bool = False) -> float:
    """Two-sided p value of McNemar 1947, from the clips that one run alone got right.

    Exact by default; the mid-p value counts the observed table by half, and is less conservative
    (Fagerland et al. 2013). Both assume independent clips; where patients have several,
    `paired_difference` is safer. A ValueError without a clip, or for lengths that differ.
    """
    same_lengths(first=first, second=second)
    alone, tosses = int(np.sum(first & ~second)), int(np.sum(first != second))
    split = stats.binom(tosses, 0.5)
    fewer = min(alone, tosses - alone)
    return min(1.0, float(2 * split.cdf(fewer) - mid_p * split.pmf(fewer)))


def paired_difference(
    first: Right, second: Right, patients: Sequence[str], draws: int = 2000, seed: int = 0
) -> Score:
    """Accuracy of the first run minus that of the second; draws resample patients for both alike.

    A ValueError without a clip, or for lengths that differ.
    """
    same_lengths(first=first, second=second, patients=patients)
    weights = draw_patients(patients, draws, seed)
    return interval_of(weights @ (first.astype(np.float64) - second) / weights.sum(1))


def over_seeds(differences: Float[ndarray, " seeds"]) -> tuple[Score, float]:
    """Mean difference over seeds that have weights and patients of their own, and its p value.

    Source: Student's t test. A seed is one observation, whatever varies within it. Resampling the
    patients of all seeds is too narrow where seeds vary; resampling seeds and then patients, the
    hierarchical bootstrap, too wide where they do not: see benchmarks/results/inference.json.
    """
    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(0.95)
    return Score(float(np.mean(differences)), float(low), float(high)), float(test.pvalue)


def holm(chances: Sequence[float]) -> list[float]:
    """P values adjusted for being several, in their order; source: Holm 1979."""
    order = np.argsort(chances)
    rising = np.maximum.accumulate(np.sort(chances) * np.arange(len(chances), 0, -1))
    return np.minimum(1, rising[np.argsort(order)]).tolist()
