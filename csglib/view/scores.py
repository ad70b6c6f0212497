"""Scores of a saliency map against the known plaque and narrowest frame of a simulated clip.

Source: not in the paper, whose Fig. 4 shows Grad-CAM of a clip and scores nothing. The pointing
game is Zhang et al. 2016's. Compare every score with those of `csglib.view.controls`.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import rankdata
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


def score_map(saliency: Map, clip: Clip) -> dict[str, float]:
    """How well a map fits the truth; compare with a uniform map and with `csglib.view.controls`.

    Only proportions count. What a softmax fixes says nothing: along "space" each frame has its own,
    so the rank of a frame means nothing; along "time" each place has its own, and ratios mean
    nothing.

    Args:
        saliency: on any grid that spans the frames. One of zeros, as Grad-CAM can be, is uniform.
        clip: what it is a map of.

    Returns:
        vessel, plaque, remnant vessel ratio: the map's share in `Areas` over that of a uniform map,
            which has 1; NaN for an empty area.
        rank percentile: fraction of the other frames whose sum is smaller than that of the
            narrowest frame, a tie counting half: 0.5 for a uniform map, NaN in a clip of one frame.
        pointing: 1 if most of the largest patch lies in the vessel, else 0; the mean of ties.

    Raises:
        ValueError: the clip has no truth, or the map is one that `shares_of` refuses.
    """
    found = cross_scores(shares_of(saliency, clip)[None], [clip])
    return {figure: float(values[0, 0]) for figure, values in found.items()}


def cross_scores(
    shares: Float[ndarray, "maps t rows columns"],
    clips: Sequence[Clip],
    known: Sequence[Areas] | None = None,
) -> dict[str, Float[ndarray, "maps clips"]]:
    """`score_map` of every map on every clip, by matrix products.

    Args:
        shares: maps from `shares_of`.
        clips: simulated ones with as many frames.
        known: their areas on the maps' grid; else computed, which takes most of the time.
    """
    _, frames, rows, columns = shares.shape
    found = [areas(clip, rows, columns) for clip in clips] if known is None else known
    plaque, lumen, vessel = (
        rearrange(np.stack(area), "clips t rows columns -> clips (t rows columns)")
        for area in zip(*found, strict=True)
    )
    flat = rearrange(shares, "maps t rows columns -> maps (t rows columns)")
    largest = (flat >= flat.max(axis=1, keepdims=True) * (1 - TIE)).astype(float)
    totals = np.rint(reduce(shares, "maps t rows columns -> maps t", "sum") * frames / TIE)
    smaller = frames - rankdata(-totals, axis=1)  # frames with a smaller sum, a tie counting half
    narrowest = [_truth(clip).narrowest for clip in clips]
    with np.errstate(invalid="ignore"):  # an empty area, a single frame: NaN
        return {
            "vessel ratio": flat @ vessel.T / vessel.mean(axis=1),
            "plaque ratio": flat @ plaque.T / plaque.mean(axis=1),
            "remnant vessel ratio": flat @ lumen.T / lumen.mean(axis=1),
            "rank percentile": smaller[:, narrowest] / np.float64(frames - 1),
            "pointing": largest @ (vessel.T > 0.5) / largest.sum(axis=1, keepdims=True),
        }


def shares_of(saliency: Map, clip: Clip) -> Float[ndarray, "t rows columns"]:
    """A map brought to a sum of 1; one of zeros becomes uniform.

    Raises:
        ValueError: the map has other frames than the clip or fewer than two patches, or holds what
            is negative or no number.
    """
    values = np.asarray(saliency, np.float64)
    if values.ndim != 3 or len(values) != len(clip.frames) or values.size < 2:
        wanted = f"two patches or more, with the clip's t of {len(clip.frames)}"
        raise ValueError(f"a map is (t, rows, columns), {wanted}: got {values.shape}")
    odd = ~(np.isfinite(values) & (values >= 0))
    if odd.any():
        place = tuple(np.argwhere(odd)[0].tolist())
        got = f"{values[place]} at frame, row, column {place}"
        raise ValueError(f"a map holds finite numbers, 0 or more: got {got}")
    if not values.any():
        return np.full_like(values, 1 / values.size)
    values = values / values.max()  # so that neither tiny nor huge ones leave the floats' range
    return values / values.sum()


def _truth(clip: Clip) -> Truth:
    if clip.truth is None:
        wanted = "a map is scored against the truth of a simulated clip"
        raise ValueError(f"{wanted}: the clip of {clip.patient} has no truth")
    return clip.truth
