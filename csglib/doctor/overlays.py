"""What a clip's pixels say against it: marks in the tissue, two pictures in one, nothing moving.

Not in the paper, whose clips were chosen by hand. Tissue is never quite still: speckle twinkles,
and a hand moves. What somebody has drawn over it stands still to the pixel.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy.ndimage import find_objects, label, median_filter, uniform_filter

from csglib.data.clips import Region
from csglib.doctor.moving_region import near_strokes

FEW = 4  # frames of which it can be said what stands still
_LOOKED_AT = 16  # evenly spread; more say no more
_BRIGHT, _ABOVE = 120, 60  # grey levels of a mark, and those above what is around it
_CALMER = 2.5  # times than what is around it: a second encoding makes marks twinkle too
_BLACK, _STEADY = 10, 12  # grey levels: where nothing is around it, it must be steady by itself
_AROUND, _NEAR = 15, 9  # pixels, sides of squares
_THING = 8  # pixels; speckle in the phantom's clips makes things of up to 6
_CHANGE = 6  # grey levels that an encoding may add to a still picture
_LIVELY, _IDLE = 0.2, 0.02  # of what moves in the liveliest column
_MOST = 0.25  # of what moves in the liveliest line
_PART = 0.2  # of the lively columns, that the smaller picture has at least


def marks(frames: UInt8[ndarray, "t y x"]) -> tuple[Region, ...]:
    """Where bright things stand still in moving tissue, or in black.

    Calipers, arrows and letters do; a bright wall twinkles, and fades into what is around.

    Args:
        frames: `FEW` or more; of fewer nothing can be said. Whatever a screen shows around its
            tissue is among the answers.
    """
    if len(frames) < FEW:
        return ()
    few = _few(frames)
    lowest, middle = few.min(axis=0), few.mean(axis=0, dtype=np.float32)
    spread = (few.max(axis=0) - lowest).astype(np.float32)
    around = median_filter(middle, _NEAR)
    calm = spread * _CALMER <= uniform_filter(spread, _AROUND)
    alone = (around <= _BLACK) & (spread <= _STEADY)
    mark = (lowest >= _BRIGHT) & (middle - around >= _ABOVE) & (calm | alone)
    things, _ = label(mark, np.ones((3, 3)))
    sizes = np.bincount(things.ravel())[1:].tolist()
    return tuple(
        Region(columns.start, rows.start, columns.stop, rows.stop)
        for size, (rows, columns) in zip(sizes, find_objects(things), strict=True)
        if size >= _THING
    )


def beside(frames: UInt8[ndarray, "t y x"]) -> bool:
    """Whether two moving pictures stand side by side, with a strip between that never changes.

    Args:
        frames: whole ones; what stands around the two does no harm.
    """
    few = _few(frames)
    moving = (few.max(axis=0) - few.min(axis=0) > _CHANGE).mean(axis=0)
    lively = moving > _LIVELY * moving.max(initial=0)
    if not lively.any():
        return False
    strips = np.flatnonzero(_wide(moving <= _IDLE * moving.max())).tolist()
    return any(min(lively[:x].sum(), lively[x:].sum()) >= _PART * lively.sum() for x in strips)


def lively(frames: UInt8[ndarray, "t y x"]) -> Region:
    """Where most of the picture moves, or all of it where nothing does.

    To compare clips with, not to cut them: it is the same for two copies of one clip to a few
    hundredths of its sides, and may hold a piece of a letter. `moving_region` never should, and is
    therefore smaller, by more in a bad copy than in a good one.

    Args:
        frames: whole ones.
    """
    few = _few(frames)
    moves = few.max(axis=0) - few.min(axis=0) > 2 * _CHANGE
    moves &= ~near_strokes(few)
    if not moves.any():
        return Region(0, 0, frames.shape[2], frames.shape[1])
    top, bottom = _span(moves.mean(axis=1))
    left, right = _span(moves[top:bottom].mean(axis=0))
    return Region(left, top, right, bottom)


def changes(frames: UInt8[ndarray, "t y x"]) -> tuple[float, ...]:
    """Share of the pixels that change from each frame to the next, 0 to 1."""
    return tuple(
        float((np.maximum(one, two) - np.minimum(one, two) > _CHANGE).mean())
        for one, two in pairwise(frames)
    )


def _span(shares: Float[ndarray, " line"]) -> tuple[int, int]:
    lines = np.flatnonzero(shares >= _MOST * shares.max()).tolist()
    return lines[0], lines[-1] + 1


def _wide(idle: Bool[ndarray, " x"]) -> Bool[ndarray, " x"]:
    """Idle columns with another idle one beside them: one alone may be chance."""
    return idle & (np.roll(idle, 1) | np.roll(idle, -1))


def _few(frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "few y x"]:
    return frames[np.unique(np.linspace(0, len(frames) - 1, _LOOKED_AT).astype(int))]
