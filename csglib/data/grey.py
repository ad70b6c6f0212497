"""From what a file stores to grey levels: luma of colours, and the full range of video samples.

Not in the paper. B-mode is grey; a file may still hold it as colours, or squeezed into 16 to 235.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Integer, UInt8
from numpy import ndarray


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
        samples: below 2 ** `bits`.
        bits: of a sample, 8 to 16.
        limited: black is 16 and white 235 (times 2 ** (bits - 8)), as in most video; what lies
            beyond is clipped. Else black is 0 and white is the largest sample.

    Source:
        Not in the paper; ITU-R BT.601 and H.273 define both ranges.
    """
    if bits == 8 and not limited:
        return samples.astype(np.uint8)
    return _levels(bits, limited)[samples]


@lru_cache(maxsize=8)
def _levels(bits: int, limited: bool) -> UInt8[ndarray, " levels"]:
    unit = 1 << (bits - 8)
    black, white = (16 * unit, 235 * unit) if limited else (0, (1 << bits) - 1)
    levels = (np.arange(1 << bits) - black) * (255 / (white - black))
    return np.rint(levels).clip(0, 255).astype(np.uint8)
