"""How sure we may be of a score: intervals of 95 %.

Patients are drawn, and come with all their clips: another study would have met other patients, not
the same ones with other clips.

Source: not in the paper, on whose 118 test clips one clip is 0.85 points.
"""

import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_ENDS = (0.025, 0.975)
_SPREADS = 1.959963984540054  # standard normal: 2.5 % lie above


@dataclass(frozen=True)
class Score:
    """A score of all clips and the interval around it, each NaN where it is not defined.

    The interval is that of percentiles. Where all clips are right it has no width: see `wilson`.
    """

    value: float
    low: float
    high: float


def wilson(hits: int, clips: int) -> tuple[float, float]:
    """The interval (low, high) around a share, for clips of as many patients.

    Raises:
        ValueError: no clip, or hits that are not some of them.

    Source:
        Wilson 1927.
    """
    if not 0 <= hits <= clips or not clips:
        raise ValueError(f"hits must be some of at least one clip: got {hits} of {clips}")
    share, square = hits / clips, _SPREADS**2 / clips
    middle = share + square / 2
    half = math.sqrt(square * (share * (1 - share) + square / 4))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def same_lengths(**columns: Sized) -> None:
    """Refuse columns of unequal lengths, or without a clip.

    Raises:
        ValueError: says which lengths came.
    """
    lengths = [len(column) for column in columns.values()]
    if len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(
            f"one of each of {', '.join(columns)} is wanted for every clip, and at least one clip: "
            f"got {', '.join(map(str, lengths))}"
        )


def draw_patients(
    patients: Sequence[str] | range, draws: int, seed: int
) -> Float[ndarray, "rows clips"]:
    """Draw as many patients as there are, again and again.

    Returns:
        How often each clip counts: once in row 0, in each further row as often as it was drawn.
    """
    names, owners = np.unique(np.array(patients), return_inverse=True)  # sorted: order is no matter
    chances = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), chances, size=draws)
    return np.vstack([np.ones(len(names)), drawn])[:, owners]


def interval_of(rows: Float[ndarray, " rows"]) -> Score:
    """The score in row 0, of the clips as they are, between percentiles of the others, of draws."""
    draws = rows[1:][~np.isnan(rows[1:])]
    low, high = np.quantile(draws, _ENDS) if draws.size else (np.nan, np.nan)
    return Score(float(rows[0]), float(low), float(high))
