"""Burned-in overlays (calipers, arrows, letters), and lack of motion.

Not in the paper, whose clips were chosen by hand. Tissue is never quite still: speckle changes, and
a hand moves. What was drawn over it is still to the pixel.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from scipy.ndimage import find_objects, label, median_filter, uniform_filter

from csglib.data.clips import Region

MIN_FRAMES = 4  # in fewer, still and moving cannot be told apart
_SAMPLED = 16  # frames, evenly spread
_BRIGHT, _CONTRAST = 120, 60  # grey levels of an overlay, and those above its surroundings
_CALMER = 2.5  # times less change than around it: a second encoding makes overlays flicker too
_BLACK, _STEADY = 10, 12  # grey levels: on a black background an overlay must itself be steady
_AROUND, _NEAR = 15, 9  # pixels, sides of squares
_MIN_SIZE = 8  # pixels; speckle in the phantom's clips forms spots of up to 6
_CHANGE = 6  # grey levels that an encoding may add to a still image


def find_overlays(frames: UInt8[ndarray, "t y x"]) -> tuple[Region, ...]:
    """Bounding boxes of bright things that are still, in moving tissue or on black.

    A bright wall is not one: it changes, and fades into its surroundings. What a screen shows
    around the tissue is among the results. Fewer than `MIN_FRAMES` frames have none.
    """
    if len(frames) < MIN_FRAMES:
        return ()
    sample = _sample(frames)
    lowest, mean = sample.min(axis=0), sample.mean(axis=0, dtype=np.float32)
    change = (sample.max(axis=0) - lowest).astype(np.float32)
    background = median_filter(mean, _NEAR)
    calm = change * _CALMER <= uniform_filter(change, _AROUND)
    on_black = (background <= _BLACK) & (change <= _STEADY)
    overlay = (lowest >= _BRIGHT) & (mean - background >= _CONTRAST) & (calm | on_black)
    parts, _ = label(overlay, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:].tolist()
    return tuple(
        Region(columns.start, rows.start, columns.stop, rows.stop)
        for size, (rows, columns) in zip(sizes, find_objects(parts), strict=True)
        if size >= _MIN_SIZE
    )


def frame_changes(frames: UInt8[ndarray, "t y x"]) -> tuple[float, ...]:
    """Fraction of the pixels that change from each frame to the next, 0 to 1."""
    return tuple(
        float((np.maximum(one, two) - np.minimum(one, two) > _CHANGE).mean())
        for one, two in pairwise(frames)
    )


def _sample(frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "few y x"]:
    return frames[np.unique(np.linspace(0, len(frames) - 1, _SAMPLED).astype(int))]
