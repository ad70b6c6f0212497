"""From decoded images to a clip: 8-bit grey levels, stacked, with the fraction that was coloured.

Not in the paper. B-mode is grey; a file may still store it in colour, or as other numbers.
"""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from csglib.data.clips import Clip, Region
from csglib.data.readers.limits import ClipError, check_size

_TINT = 20  # grey levels between channels; a weaker tint comes from lossy coding
_ONE_HUE, _MOST = 0.8, 0.6  # of a tint: mean of its hues, on a circle; of what is lit, coloured
_AROUND = np.exp(2j * np.pi / 3 * np.arange(3))  # red, green and blue on that circle
_MAX_ASPECT = 4  # of a pixel; video for broadcast has at most 2


class FrameStack:
    """Collects the frames of one clip, which must share one size.

    One growing buffer, because a list of frames that is stacked at the end is in memory twice.
    """

    def __init__(self, name: str) -> None:
        self.name = name  # for messages
        self.shape = (0, 0)  # rows and columns of a frame
        self.length = 0
        self.aspect = 1.0  # width of a pixel over its height
        self.notes: list[str] = []  # see `Clip`
        self._coloured = 0.0
        self._pixels = bytearray()

    def add(self, levels: UInt8[ndarray, "y x"], coloured: float = 0.0) -> None:
        """Append a frame, of the size of those before; `coloured` is the fraction not grey."""
        height, width = levels.shape
        if self.length and (height, width) != self.shape:
            sizes = f"{width} x {height} after {self.shape[1]} x {self.shape[0]}"
            raise ClipError(f"{self.name}: frame {self.length} is {sizes}; wanted one size")
        self.shape = height, width
        self.length += 1
        self._coloured = max(self._coloured, coloured)
        self._pixels += np.ascontiguousarray(levels).data

    def clip(
        self, patient: str, mm_per_px: float | None = None, region: Region | None = None
    ) -> Clip:
        """The clip, on square pixels, of `mm_per_px` the shorter side of a stored one."""
        clip = Clip(
            frames=np.frombuffer(self._pixels, np.uint8).reshape(self.length, *self.shape),
            patient=patient,
            mm_per_px=mm_per_px,
            coloured=self._coloured,
            region=region,
            notes=tuple(self.notes),
        )
        return square_pixels(clip, self.aspect, self.name)


def square_pixels(clip: Clip, aspect: float, name: str) -> Clip:
    """Frames and region enlarged along the longer side of pixels `aspect` times as wide as high."""
    if math.isclose(aspect, 1, rel_tol=1e-3):
        return clip
    if not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        raise ClipError(f"{name}: states pixels {aspect:g} times as wide as high; export it again")
    count, height, width = clip.frames.shape
    across, down = max(aspect, 1), max(1 / aspect, 1)
    wide, high = round(width * across), round(height * down)
    check_size(name, count, high, wide)
    frames = np.empty((count, high, wide), np.uint8)
    for frame, levels in zip(frames, clip.frames, strict=True):
        frame[:] = Image.fromarray(levels).resize((wide, high), Image.Resampling.BILINEAR)
    if region := clip.region:
        end = round(region.right * across), round(region.bottom * down)
        region = Region(int(region.left * across), int(region.top * down), *end)
    sizes = f"from {width} x {height} to {wide} x {high}"
    note = f"its pixels are {aspect:.4g} times as wide as high: made square, {sizes}"
    return replace(clip, frames=frames, region=region, notes=(*clip.notes, note))


def rgb_to_grey(colours: UInt8[ndarray, "y x 3"]) -> tuple[UInt8[ndarray, "y x"], float]:
    """Luma (ITU-R BT.601), and the fraction of pixels that are not grey, nor of a tint's hue."""
    red, green, blue = np.moveaxis(colours, -1, 0)  # a maximum over the last axis is much slower
    highest = np.maximum(np.maximum(red, green), blue)
    coloured = highest - np.minimum(np.minimum(red, green), blue) > _TINT
    if coloured.sum() > _MOST * np.sum(highest > 2 * _TINT):  # more than a Doppler's box
        hues = np.exp(1j * np.angle(colours[coloured] @ _AROUND))
        if abs(hues.mean()) > _ONE_HUE and np.std(highest[coloured]) > _TINT / 2:  # not one colour
            coloured[coloured] = (hues * hues.mean().conjugate()).real < 1 / 2
    luma = np.array(Image.fromarray(np.ascontiguousarray(colours)).convert("L"))
    return luma, float(np.mean(coloured))


def to_grey_levels(stored: ndarray, name: str) -> UInt8[ndarray, "t y x"]:
    """8 bits from (t, y, x): whole numbers from 0 to 255, or 255 times floats from 0 to 1."""
    if stored.dtype == np.uint8:
        return stored
    if stored.dtype.kind not in "uif":
        raise ClipError(f"{name}: pixels are {stored.dtype}; wanted uint8, or floats from 0 to 1")
    for number, frame in enumerate(stored):  # one at a time: no second copy of all
        if not np.isfinite(frame).all():
            raise ClipError(f"{name}: frame {number} holds NaN or infinity; wanted 0 to 1")
    low, high = float(stored.min()), float(stored.max())
    unit = high <= 1 and stored.dtype.kind == "f"
    whole = all(np.array_equal(frame, np.rint(frame)) for frame in stored)
    if not 0 <= low <= high <= 255 or not (unit or whole):
        raise ClipError(f"{name}: values from {low:g} to {high:g}; wanted 0 to 255, or 0 to 1")
    levels = np.empty(stored.shape, np.uint8)
    for number, frame in enumerate(stored):
        levels[number] = np.rint(frame * 255) if unit else frame
    return levels
