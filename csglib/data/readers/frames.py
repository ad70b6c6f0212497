"""From decoded images to a clip: 8-bit grey levels, stacked, with the fraction that was coloured.

Not in the paper. B-mode is grey; a file may still store it in colour, or as other numbers.
"""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from csglib.data.clips import Clip, Region, hash_patient
from csglib.data.readers.limits import ClipError

_TINT = 20  # grey levels between channels; a weaker tint comes from lossy coding


class FrameStack:
    """Collects the frames of one clip, which must share one size.

    One growing buffer, because a list of frames that is stacked at the end is in memory twice.
    """

    def __init__(self, name: str) -> None:
        self.name = name  # for messages
        self.shape = (0, 0)  # rows and columns of a frame
        self.length = 0
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
        self, identity: str, mm_per_px: float | None = None, region: Region | None = None
    ) -> Clip:
        """The clip; of `identity`, a patient's number or a file name, only a hash is kept."""
        return Clip(
            frames=np.frombuffer(self._pixels, np.uint8).reshape(self.length, *self.shape),
            patient=hash_patient(identity),
            mm_per_px=mm_per_px,
            coloured=self._coloured,
            region=region,
        )


def rgb_to_grey(colours: UInt8[ndarray, "y x 3"]) -> tuple[UInt8[ndarray, "y x"], float]:
    """Luma (ITU-R BT.601), and the fraction of pixels that are not grey."""
    red, green, blue = np.moveaxis(colours, -1, 0)  # a maximum over the last axis is much slower
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    luma = (
        299 * red.astype(np.uint32) + 587 * green.astype(np.uint32) + 114 * blue.astype(np.uint32)
    )
    return ((luma + 500) // 1000).astype(np.uint8), float(np.mean(spread > _TINT))


def to_grey_levels(
    stored: ndarray, name: str, slope: float = 1.0, offset: float = 0.0
) -> UInt8[ndarray, "t y x"]:
    """8 bits from `slope * stored + offset`, which is (t, y, x).

    Whole numbers from 0 to 255 stay as they are; floats from 0 to 1 are multiplied by 255. All else
    is refused.
    """
    scaled = (slope, offset) != (1.0, 0.0)
    if stored.dtype == np.uint8 and not scaled:
        return stored
    if stored.dtype.kind not in "uif":
        raise ClipError(f"{name}: pixels are {stored.dtype}; wanted uint8, or floats from 0 to 1")

    def value(frame: ndarray) -> ndarray:  # one frame at a time: floats take four times the memory
        return frame * np.float32(slope) + np.float32(offset) if scaled else frame

    low, high, whole = np.inf, -np.inf, True
    for number, frame in enumerate(map(value, stored)):
        if not np.isfinite(frame).all():
            raise ClipError(f"{name}: frame {number} holds NaN or infinity; wanted 0 to 1")
        low, high = min(low, float(frame.min())), max(high, float(frame.max()))
        whole = whole and np.array_equal(frame, np.rint(frame))
    unit = high <= 1 and (scaled or stored.dtype.kind == "f")
    if not 0 <= low <= high <= 255 or not (unit or whole):
        raise ClipError(f"{name}: values from {low:g} to {high:g}; wanted 0 to 255, or 0 to 1")
    levels = np.empty(stored.shape, np.uint8)
    for number, frame in enumerate(map(value, stored)):
        levels[number] = np.rint(frame * 255) if unit else frame
    return levels
