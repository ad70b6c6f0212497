"""Scores of a saliency map against the known plaque and narrowest frame of a simulated clip.

Source: not in the paper, whose Fig. 4 shows Grad-CAM of a clip and scores nothing. The pointing
game is Zhang et al. 2016's. Compare every score with those of `csglib.view.controls`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from einops import reduce
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import entropy, rankdata
from torch import Tensor, nn

from csglib.data.clips import Clip, Truth
from csglib.data.stenosis import inside

Map = Float[Tensor, "t rows columns"] | Float[ndarray, "t rows columns"]
"""Attention, Grad-CAM, rollout, anything: 0 or more, in any unit, for each patch of each frame."""

Method = Callable[[nn.Module, Clip], Map]
"""Makes a map of a clip from a network; it never reads the clip's truth."""

_SAMPLES = 512  # points along a side of the picture, at which contours are sampled
TIE = 1e-6  # a smaller relative difference is rounding


class Areas(NamedTuple):
    """Fraction of each patch that lies in an area, 0 to 1."""

    plaque: Float[ndarray, "t rows columns"]  # closed part of the original lumen
    lumen: Float[ndarray, "t rows columns"]  # open to blood
    vessel: Float[ndarray, "t rows columns"]  # the original lumen: both of them, without the wall


class Inside(NamedTuple):
    """How much of a map lies in an area."""

    share: float  # of the map's sum over the whole clip
    uniform: float  # the same for a uniform map: the area's share of the clip

    @property
    def ratio(self) -> float:
        """Share over that of a uniform map; NaN for an empty area."""
        return self.share / self.uniform if self.uniform else math.nan


@dataclass(frozen=True, kw_only=True)
class MapScores:
    """How well a map fits the truth. All but `Inside.uniform` and the chance depend on the map.

    What a softmax fixes says nothing: along "space" each frame has its own, so ranks of frames mean
    nothing; along "time" each place has its own, so ratios mean nothing.

    Attributes:
        plaque, lumen, vessel: as in `Areas`.
        rank: of the narrowest frame's sum among those of all frames; 1 is the largest, ties share
            their mean rank.
        rank_percentile: fraction of the other frames with a smaller sum, a tie counting half: 1 for
            rank 1, 0.5 for a uniform map, NaN in a clip of one frame.
        pointing: 1 if most of the largest patch lies in the vessel, else 0; the mean of ties.
        pointing_chance: the same for a random patch.
        entropy: over that of a uniform map, 0 (one patch) to 1.
    """

    plaque: Inside
    lumen: Inside
    vessel: Inside
    rank: float
    rank_percentile: float
    pointing: float
    pointing_chance: float
    entropy: float

    @property
    def figures(self) -> dict[str, float]:
        """What depends on the map, by name."""
        return {
            "plaque share": self.plaque.share,
            "plaque ratio": self.plaque.ratio,
            "lumen ratio": self.lumen.ratio,
            "vessel ratio": self.vessel.ratio,
            "rank": self.rank,
            "rank percentile": self.rank_percentile,
            "pointing": self.pointing,
            "entropy": self.entropy,
        }


def areas(clip: Clip, rows: int, columns: int) -> Areas:
    """The truth as a map, from the contours; rows and columns of patches span a frame.

    Raises:
        ValueError: the clip has no truth, or the grid no patch.
    """
    truth = _truth(clip)
    if min(rows, columns) < 1:
        raise ValueError(f"a grid has one patch or more: got {rows} x {columns}")
    down, across = (max(1, math.ceil(_SAMPLES / count)) for count in (rows, columns))
    _, height, width = clip.frames.shape
    scale = np.array([columns * across / width, rows * down / height])

    def sampled(polygons: Float[ndarray, "t points 2"]) -> Bool[ndarray, "t y x"]:
        # The picture's edge stays in place, half a pixel before the centre that is (0, 0).
        return inside((polygons + 0.5) * scale - 0.5, rows * down, columns * across)

    vessel, lumen = sampled(truth.vessel_inner), sampled(truth.lumen)
    pattern = "t (rows down) (columns across) -> t rows columns"
    plaque, lumen, vessel = (
        reduce(area.astype(np.float32), pattern, "mean", down=down, across=across).astype(float)
        for area in (vessel & ~lumen, lumen, vessel)
    )
    return Areas(plaque, lumen, vessel)


def score_map(saliency: Map, clip: Clip, known: Areas | None = None) -> MapScores:
    """Score a map of a simulated clip.

    Only proportions count. A map of zeros, as Grad-CAM can be, is scored as a uniform one.

    Args:
        saliency: on any grid that spans the frames.
        clip: what it is a map of.
        known: the clip's areas on the map's grid, to score many maps of a clip; else computed.

    Raises:
        ValueError: the clip has no truth, or the map is one that `shares_of` refuses.
    """
    truth, shares = _truth(clip), shares_of(saliency, clip)
    found = areas(clip, *shares.shape[1:]) if known is None else known
    plaque, lumen, vessel = (Inside(float((shares * a).sum()), float(a.mean())) for a in found)
    in_vessel = found.vessel > 0.5
    largest = shares >= shares.max() * (1 - TIE)
    frames = len(shares)
    totals = np.rint(reduce(shares, "t rows columns -> t", "sum") * frames / TIE)
    rank = float(rankdata(-totals)[truth.narrowest])
    return MapScores(
        plaque=plaque,
        lumen=lumen,
        vessel=vessel,
        rank=rank,
        rank_percentile=(frames - rank) / (frames - 1) if frames > 1 else math.nan,
        pointing=float(in_vessel[largest].mean()),
        pointing_chance=float(in_vessel.mean()),
        entropy=float(entropy(shares.ravel()) / math.log(shares.size)),
    )


def shares_of(saliency: Map, clip: Clip) -> Float[ndarray, "t rows columns"]:
    """A map brought to a sum of 1; one of zeros becomes uniform.

    Raises:
        ValueError: the map has other frames than the clip or fewer than two patches, or holds what
            is negative or no number.
    """
    values = np.asarray(saliency, np.float64)
    if values.ndim != 3 or len(values) != len(clip.frames) or values.size < 2:
        raise ValueError(
            f"a map is (t, rows, columns), two patches or more, with the clip's t of "
            f"{len(clip.frames)}: got {values.shape}"
        )
    odd = ~(np.isfinite(values) & (values >= 0))
    if odd.any():
        place = tuple(np.argwhere(odd)[0].tolist())
        raise ValueError(
            f"a map holds finite numbers, 0 or more: got {values[place]} at frame, row, column "
            f"{place}"
        )
    if not values.any():
        return np.full_like(values, 1 / values.size)
    values = values / values.max()  # so that neither tiny nor huge ones leave the floats' range
    return values / values.sum()


def _truth(clip: Clip) -> Truth:
    if clip.truth is None:
        raise ValueError(
            "a map is scored against the truth of a simulated clip: the clip of "
            f"{clip.patient} has no truth"
        )
    return clip.truth
