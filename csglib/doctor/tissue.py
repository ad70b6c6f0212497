"""The tissue region of a clip: where grey levels change in time, as speckle does and text does not.

Not in the paper. Around the tissue a scanner shows names, dates and scales, which no network should
see and no shared file may contain.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from csglib.data.clips import Region

_SAMPLED = 24  # frames, evenly spread
_MIN_VARIANCE = 4  # in time, grey levels squared; less may be rounding
_MIN_SHARE = 0.2  # of all variance: tissue has 0.4 to 1, text under the worst codec 0.03
_NEIGHBOURHOOD = 1 / 100  # of the longer side: radius of the local statistics
_GAP = 1 / 20  # of the longer side: shadows to be bridged
_MIN_PART = 1 / 4  # of the largest component: a smaller one is a clock or a trace
_MIN_LINE = 0.4  # of a row or column: less, at an edge, is a clock beside a name
_MIN_AREA = 1 / 50  # of the image: less is not tissue
_STROKE = 80  # grey levels by which a thin line, such as a letter's, stands out in every frame
_MIN_FRAMES = 5  # in fewer, speckle too may be bright throughout
_BLOCK = 8  # pixels: codecs disturb a letter's surroundings up to this distance
_SPILL = 2  # pixels that codecs smear beyond the edge of what moves
_EXTENT_CHANGE = 12  # grey levels, for `moving_extent`
_EXTENT_LINE = 0.25  # of the changes in the line with most of them


def find_tissue(frames: UInt8[ndarray, "t y x"]) -> Region | None:
    """Bounding box of the tissue, rather too small than too large.

    Tissue is where the variance in time is a large share of the variance in time and space. Codecs
    make still text flicker, but little beside how it stands out from its surroundings. In motion
    JPEG of constant rate a letter's block may change as much as tissue does, so nothing counts near
    thin bright lines that never go away. Two images side by side are one region; a clock or an ECG
    trace elsewhere is not part of it; text on the tissue stays in it. None for a single frame, a
    still, and where only something small moves.
    """
    radius, gap = _radius(frames), max(1, round(max(frames.shape[1:]) * _GAP))
    sample = frames[np.unique(np.linspace(0, len(frames) - 1, _SAMPLED).astype(int))]
    moves = ndimage.binary_fill_holes(_close(_moving_pixels(sample, radius), gap))
    parts, count = ndimage.label(moves)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0  # the background
    if sizes.max() < _MIN_AREA * moves.size:
        return None
    tissue = (sizes >= _MIN_PART * sizes.max())[parts]
    rows = _span(tissue.mean(axis=1) / tissue.any(axis=0).mean(), radius + _SPILL)
    columns = _span(tissue[slice(*rows)].mean(axis=0), radius + _SPILL) if rows else None
    if rows is None or columns is None:
        return None
    return Region(columns[0], rows[0], columns[1], rows[1])


def moving_extent(frames: UInt8[ndarray, "t y x"]) -> Region:
    """Bounding box of most changes in time; all of the image where nothing changes.

    For comparing clips, not for cropping: it is the same for two copies of a clip to a few
    hundredths of its sides, but may contain part of a letter. `find_tissue` avoids letters, and so
    shrinks more in a bad copy than in a good one.
    """
    sample = frames[np.unique(np.linspace(0, len(frames) - 1, 16).astype(int))]
    moves = sample.max(axis=0) - sample.min(axis=0) > _EXTENT_CHANGE
    moves &= ~near_strokes(sample)
    if not moves.any():
        return Region(0, 0, frames.shape[2], frames.shape[1])
    top, bottom = _extent(moves.mean(axis=1))
    left, right = _extent(moves[top:bottom].mean(axis=0))
    return Region(left, top, right, bottom)


def near_strokes(frames: UInt8[ndarray, "t y x"]) -> Bool[ndarray, "y x"]:
    """Pixels in whose codec blocks a letter may be: thin lines that are bright in every frame."""
    if len(frames) < _MIN_FRAMES:
        return np.zeros(frames.shape[1:], bool)
    darkest, brightest = frames.min(axis=0), frames.max(axis=0)
    width = 2 * _radius(frames) + 1
    heights = [ndimage.white_tophat(still, width) for still in (darkest, brightest)]
    strokes = (np.minimum(*heights) > _STROKE) & (brightest - darkest < darkest / 2)
    near: Bool[ndarray, "y x"] = ndimage.maximum_filter(strokes, 2 * _BLOCK - 1)
    return near


def _moving_pixels(frames: UInt8[ndarray, "t y x"], radius: int) -> Bool[ndarray, "y x"]:
    """Pixels whose surroundings have a large variance in time, also beside that in space."""
    mean, in_time = np.zeros((2, *frames.shape[1:]), np.float32)
    for frame in frames:  # one at a time: a long clip as float32 would not fit into memory
        mean += frame / np.float32(len(frames))
    for frame in frames:
        in_time += (frame - mean) ** 2 / np.float32(len(frames))
    in_time[near_strokes(frames)] = 0
    in_time = ndimage.uniform_filter(in_time, 2 * radius + 1)
    mean -= mean.mean()  # else the difference below would be mostly rounding error
    wide = 4 * radius + 1  # so that flicker around letters is compared with the letters
    in_space = ndimage.uniform_filter(mean**2, wide) - ndimage.uniform_filter(mean, wide) ** 2
    share = _MIN_SHARE * (in_time + in_space)
    moving: Bool[ndarray, "y x"] = in_time > np.maximum(_MIN_VARIANCE, share)
    return moving


def _radius(frames: UInt8[ndarray, "t y x"]) -> int:
    return max(1, round(max(frames.shape[1:]) * _NEIGHBOURHOOD))


def _close(moves: Bool[ndarray, "y x"], gap: int) -> Bool[ndarray, "y x"]:
    """Morphological closing; padded, so that the image's edge does not wear away."""
    padded = np.pad(moves, gap).astype(np.uint8)
    closed: Bool[ndarray, "y x"] = ndimage.grey_closing(padded, (gap, gap))[gap:-gap, gap:-gap] > 0
    return closed


def _span(shares: Float[ndarray, " line"], margin: int) -> tuple[int, int] | None:
    """First line, and one past the last, of which enough is tissue; moved inwards by a margin.

    No margin where that is the edge of the image: there is no text beyond it.
    """
    lines = np.flatnonzero(shares >= _MIN_LINE).tolist()
    if not lines:
        return None
    first, end = lines[0], lines[-1] + 1
    first, end = first + margin * (first > 0), end - margin * (end < len(shares))
    return (first, end) if first < end else None


def _extent(shares: Float[ndarray, " line"]) -> tuple[int, int]:
    lines = np.flatnonzero(shares >= _EXTENT_LINE * shares.max()).tolist()
    return lines[0], lines[-1] + 1
