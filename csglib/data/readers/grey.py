"""From what a file stores to grey levels: luma of colours, and the full range of video samples.

Not in the paper. B-mode is grey; a file may still hold it as colours, or squeezed into 16 to 235.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from numpy import ndarray

_SEEN = 20  # grey levels between channels: less of a tint is the work of lossy coding


class Grey(NamedTuple):
    """A picture without its colours.

    Attributes:
        levels: its brightness.
        coloured: share of its pixels whose channels differ by more than 20 levels, 0 to 1.
    """

    levels: UInt8[ndarray, "y x"]
    coloured: float = 0.0


def without_colours(colours: UInt8[ndarray, "y x 3"]) -> Grey:
    """The luma of red, green, blue, and how much of the picture was not grey."""
    red, green, blue = np.moveaxis(colours, -1, 0)  # a maximum over the last axis is much slower
    most = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    return Grey(luma(colours), float(np.mean(most - least > _SEEN)))


def tinted(blue: UInt8[ndarray, "y x"], red: UInt8[ndarray, "y x"], *, limited: bool) -> float:
    """How much of a picture in YBR is not grey, from its two channels of colour alone.

    Brightness moves red, green and blue alike, so what lies between them is known without it.

    Args:
        blue: Cb, 128 where there is no colour; of any size.
        red: Cr, likewise.
        limited: the channels run from 16 to 240, as in most video, not from 0 to 255.

    Source:
        Not in the paper; ITU-R BT.601.
    """
    return float(_tints(limited)[blue, red].mean())


def luma(colours: UInt8[ndarray, "y x 3"]) -> UInt8[ndarray, "y x"]:
    """Brightness of red, green, blue as video defines it (BT.601); equal channels stay as they are.

    Source:
        Not in the paper. The channel Y of YBR pictures is the same sum, so both read alike.
    """
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def eight_bits(
    samples: Integer[ndarray, "y x"], bits: int, *, limited: bool
) -> UInt8[ndarray, "y x"]:
    """Stretch samples to 0 (black) to 255 (white).

    Args:
        samples: below 2 ** `bits`; a larger one, from a damaged file, counts as the largest.
        bits: of a sample, 8 to 16.
        limited: black is 16 and white 235 (times 2 ** (bits - 8)), as in most video; what lies
            beyond is clipped. Else black is 0 and white is the largest sample.

    Source:
        Not in the paper; ITU-R BT.601 and H.273 define both ranges.
    """
    if bits == 8 and not limited:
        return samples.astype(np.uint8)
    return _levels(bits, limited).take(samples, mode="clip")


@lru_cache(maxsize=2)
def _tints(limited: bool) -> Bool[ndarray, "blue red"]:
    blue, red = (np.indices((256, 256)) - 128) * (255 / 224 if limited else 1.0)
    added = np.stack([1.402 * red, -0.344 * blue - 0.714 * red, 1.772 * blue])
    return np.ptp(added, axis=0) > _SEEN


@lru_cache(maxsize=8)
def _levels(bits: int, limited: bool) -> UInt8[ndarray, " levels"]:
    unit = 1 << (bits - 8)
    black, white = (16 * unit, 235 * unit) if limited else (0, (1 << bits) - 1)
    levels = (np.arange(1 << bits) - black) * (255 / (white - black))
    return np.rint(levels).clip(0, 255).astype(np.uint8)
