"""Which part of a picture is tissue: what a file or a person says, or what moves.

Not in the paper. Around the tissue stand names, dates and scales; no network should see them, and
nobody else either.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from csglib.data.clips import Region

_LOOKED_AT = 24  # frames, evenly spread; more say no more
_CHANGES = 4  # variance in time, grey levels squared; less may be rounding
_LIVELY = 0.2  # share of all variance: tissue has 0.4 to 1, text under the worst codec 0.03
_NEAR = 1 / 100  # of the longer side: how far around a pixel is looked
_GAP = 1 / 20  # of the longer side: shadows between what moves
_PART = 1 / 4  # of the largest part: a smaller one is a clock or a trace
_LINE = 0.4  # of a row or column: at an edge, less than that is a clock beside a name
_LEAST = 1 / 50  # of the picture: less than that is no tissue
_STROKE = 80  # grey levels by which a thin line, a letter's, stands out in every frame
_SURE = 5  # frames
_BLOCK = 8  # pixels: as far as codecs make a letter's surroundings tremble with it
_SPILL = 2  # pixels that codecs smear what moves beyond its edge


def moving_region(frames: UInt8[ndarray, "t y x"]) -> Region:
    """Where the picture lives, or all of it where nobody can tell; see `moving_part`."""
    height, width = frames.shape[1:]
    return moving_part(frames) or Region(0, 0, width, height)


def moving_part(frames: UInt8[ndarray, "t y x"]) -> Region | None:
    """Where the picture lives: speckle changes from frame to frame, text and borders do not.

    Codecs make still text tremble, but little beside how it stands out from what is around it. In
    tissue, grey levels differ as much in time as in space. Motion JPEG of a rate that it must keep
    to may change a letter's block as much as tissue changes: near thin bright lines that never go
    away, nothing counts as moving. Edges are rather inside than outside:
    half a line of a name can still be read. Two pictures side by side are one part, a clock or a
    trace elsewhere is none. Text on the tissue stays on it.

    Args:
        frames: of one clip.

    Returns:
        A rectangle; None of a single frame, of a still, and where only something small moves.

    Source:
        Not in the paper; ours.
    """
    reach, gap = _reach(frames), max(1, round(max(frames.shape[1:]) * _GAP))
    few = frames[np.unique(np.linspace(0, len(frames) - 1, _LOOKED_AT).astype(int))]
    moves = ndimage.binary_fill_holes(_closed(_lively(few, reach), gap))
    parts, count = ndimage.label(moves)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0  # all that stands still
    if sizes.max() < _LEAST * moves.size:
        return None
    tissue = (sizes >= _PART * sizes.max())[parts]
    down = _span(tissue.mean(axis=1) / tissue.any(axis=0).mean(), reach + _SPILL)
    across = _span(tissue[slice(*down)].mean(axis=0), reach + _SPILL) if down else None
    if down is None or across is None:
        return None
    return Region(across[0], down[0], across[1], down[1])


def _lively(frames: UInt8[ndarray, "t y x"], reach: int) -> Bool[ndarray, "y x"]:
    """Pixels around which changes in time are large, and not small beside those in space."""
    mean, in_time = np.zeros((2, *frames.shape[1:]), np.float32)
    for frame in frames:
        mean += frame / np.float32(len(frames))
    for frame in frames:
        in_time += (frame - mean) ** 2 / np.float32(len(frames))
    in_time[near_strokes(frames)] = 0
    in_time = ndimage.uniform_filter(in_time, 2 * reach + 1)
    mean -= mean.mean()  # of large numbers the difference below would be mostly rounding
    wide = 4 * reach + 1  # so that what trembles around letters is compared with the letters
    in_space = ndimage.uniform_filter(mean**2, wide) - ndimage.uniform_filter(mean, wide) ** 2
    lively: Bool[ndarray, "y x"] = in_time > np.maximum(_CHANGES, _LIVELY * (in_time + in_space))
    return lively


def near_strokes(frames: UInt8[ndarray, "t y x"]) -> Bool[ndarray, "y x"]:
    """Pixels in whose blocks a codec may have had a letter: thin lines, bright whatever happens.

    Args:
        frames: in fewer than five, speckle too may be bright throughout, and nothing is found.
    """
    if len(frames) < _SURE:
        return np.zeros(frames.shape[1:], bool)
    darkest, brightest = frames.min(axis=0), frames.max(axis=0)
    width = 2 * _reach(frames) + 1
    heights = [ndimage.white_tophat(still, width) for still in (darkest, brightest)]
    strokes = (np.minimum(*heights) > _STROKE) & (brightest - darkest < darkest / 2)
    near: Bool[ndarray, "y x"] = ndimage.maximum_filter(strokes, 2 * _BLOCK - 1)
    return near


def _reach(frames: UInt8[ndarray, "t y x"]) -> int:
    """How far around a pixel is looked, pixels."""
    return max(1, round(max(frames.shape[1:]) * _NEAR))


def _closed(moves: Bool[ndarray, "y x"], gap: int) -> Bool[ndarray, "y x"]:
    """Speckle and the gaps in it as one piece; the edge stays where it is."""
    padded = np.pad(moves, gap).astype(np.uint8)  # else the edge of the picture would wear away
    closed: Bool[ndarray, "y x"] = ndimage.grey_closing(padded, (gap, gap))[gap:-gap, gap:-gap] > 0
    return closed


def _span(shares: Float[ndarray, " line"], by: int) -> tuple[int, int] | None:
    """From the first line to behind the last of which enough is tissue, and a little inwards.

    Where that ends with the picture, there is nothing beside it to be afraid of.
    """
    lines = np.flatnonzero(shares >= _LINE).tolist()
    if not lines:
        return None
    first, end = lines[0], lines[-1] + 1
    first, end = first + by * (first > 0), end - by * (end < len(shares))
    return (first, end) if first < end else None
