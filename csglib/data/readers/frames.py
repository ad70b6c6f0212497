"""Frames as a reader finds them, and what it learns of them on the way.

Not in the paper.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from csglib.data.readers.limits import ClipError


class Film(NamedTuple):
    """What a file shows.

    Attributes:
        frames: grey levels.
        coloured: the largest share of a frame's pixels that are not grey, 0 to 1.
        mm_per_px: size of a pixel, or None where the file does not say.
    """

    frames: UInt8[ndarray, "t y x"]
    coloured: float = 0.0
    mm_per_px: float | None = None


class Reel:
    """Takes frames of one size, one by one.

    A list of them, stacked at the end, would be in memory twice, and a clip may be large.

    Args:
        name: of the file, for messages.

    Attributes:
        shape: rows and columns of the frames; None while there are none.
        length: how many there are.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.shape: tuple[int, int] | None = None
        self.length = 0
        self._coloured = 0.0
        self._pixels = bytearray()

    def add(self, levels: UInt8[ndarray, "y x"], coloured: float = 0.0) -> None:
        """Append one frame.

        Args:
            levels: of the size that the others have.
            coloured: share of its pixels that were not grey, 0 to 1.

        Raises:
            ClipError: of another size.
        """
        height, width = self.shape or levels.shape
        if levels.shape != (height, width):
            sizes = f"{levels.shape[1]} x {levels.shape[0]} after {width} x {height}"
            message = f"{self._name}: frame {self.length} is {sizes}; wanted one size in a clip"
            raise ClipError(message)
        self.shape = height, width
        self.length += 1
        self._coloured = max(self._coloured, coloured)
        self._pixels += np.ascontiguousarray(levels).data

    def film(self) -> Film:
        """All frames so far; the last thing to ask a reel for."""
        height, width = self.shape or (0, 0)
        frames = np.frombuffer(self._pixels, np.uint8).reshape(self.length, height, width)
        return Film(frames, self._coloured)
