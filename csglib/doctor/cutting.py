"""One labelled clip as it may leave the house: tissue alone, square, of few frames, nobody's.

Not in the paper. Only what `Cut` lists comes out of a file: what is not taken needs no removing.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from csglib.data.clips import Clip, Region, even_indices, resample
from csglib.data.readers import read_clip
from csglib.doctor.labels import Label
from csglib.doctor.moving_region import moving_part


class Order(NamedTuple):
    """A clip that is wanted.

    Attributes:
        folder: of exports.
        label: which clip of it, from where to where.
        frames: how many.
        size: their rows and columns, pixels.
    """

    folder: Path
    label: Label
    frames: int
    size: int


class Cut(NamedTuple):
    """All that is taken over from a file.

    Attributes:
        frames: grey levels.
        mm_per_px: size of a pixel, or None where the file does not say.
        narrowest: the frame that was graded, or the one next to it; None if nobody has said.
    """

    frames: UInt8[ndarray, "t y x"]
    mm_per_px: float | None
    narrowest: int | None


def cut(order: Order) -> Cut:
    """Read a file and take the labelled frames, of them the tissue, of that the central square.

    The square is cut out, not filled up with black: bars would tell a network which machine, or
    who drew the box, and the vessel would be smaller. Whoever misses something at the sides draws
    a box that is square; nothing outside a box is ever taken.

    Raises:
        ValueError: the file cannot be read, has not what the label says, or nothing tells which
            part of it is tissue; names the clip.
    """
    label, path = order.label, order.folder / order.label.clip
    try:
        clip = read_clip(path)
        length = len(clip.frames)
        end = length if label.frames is None else label.first_frame + label.frames
        if max(label.first_frame + 1, end, (label.narrowest_frame or 0) + 1) > length:
            raise ValueError(f"labels.csv asks for more than its {length} frames, from 0")
        part = clip.frames[label.first_frame : end]
        tissue = _tissue(part, clip.region, label.box).crop(part)
        whole = Clip(frames=tissue, patient="", mm_per_px=clip.mm_per_px)
        small = resample(whole, order.frames, order.size)
    except ValueError as error:
        words = str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
        raise ValueError(f"{label.clip}: {words}") from error
    return Cut(small.frames, small.mm_per_px, _narrowest(label, len(part), order.frames))


def _tissue(frames: UInt8[ndarray, "t y x"], stated: Region | None, box: Region | None) -> Region:
    """What moves, within what the file says and within what a person says.

    Some machines state the whole screen, and some people draw a box that is a little too large.
    """
    height, width = frames.shape[1:]
    within = stated or Region(0, 0, width, height)
    moving = moving_part(within.crop(frames))
    if moving is None and box is None:
        raise ValueError(
            "nothing in it moves, so text cannot be told from tissue: give it a box in labels.csv"
        )
    tissue = within if moving is None else _placed(moving, within)
    if box is None:
        return tissue
    box.crop(frames)  # refuses what does not lie within
    found = box.intersection(tissue)
    if found is None:
        raise ValueError(f"its box, {box}, has no tissue in it: that is in {tissue}")
    return found


def _placed(inner: Region, outer: Region) -> Region:
    """A region of a part of the picture as one of the picture."""
    x, y = outer.left, outer.top
    return Region(inner.left + x, inner.top + y, inner.right + x, inner.bottom + y)


def _narrowest(label: Label, length: int, frames: int) -> int | None:
    if label.narrowest_frame is None:
        return None
    kept = even_indices(length, frames)
    return int(np.abs(kept - (label.narrowest_frame - label.first_frame)).argmin())
