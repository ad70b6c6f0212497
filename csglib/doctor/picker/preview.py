"""The clip picker's preview: all frames of a video, small enough to be sent at once.

Source: not in the paper, whose videos have 316 frames on average (section 3): 99 MB of 560 x 560.
"""

from io import BytesIO

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

MOST_SENT = 8_000_000  # bytes, about
SIDES = (320, 256, 192, 128, 96, 64)  # pixels: the largest that keeps to it is taken
_QUALITY = 80  # 316 frames of 560 x 560 then take 2.5 MB
_SAMPLES = 32  # frames that say how large all will be


def preview(frames: UInt8[ndarray, "t y x"]) -> tuple[list[bytes], Float32[ndarray, " t"]]:
    """Shrink all frames, and measure how far each is from the one before.

    Args:
        frames: grey levels.

    Returns:
        A JPEG a frame, its longer side as `SIDES` allow or as it is; and changes, grey levels: mean
        absolute difference of the shrunken frames, 0 for the first.
    """
    few = frames[:: max(1, len(frames) // _SAMPLES)]
    for side in SIDES:
        if len(frames) * np.mean([len(_jpeg(_shrunk(frame, side))) for frame in few]) <= MOST_SENT:
            break
    pictures, changes = [], np.zeros(len(frames), np.float32)
    before = np.asarray(_shrunk(frames[0], side), np.float32)
    for place, frame in enumerate(frames):
        small = _shrunk(frame, side)
        now = np.asarray(small, np.float32)
        changes[place] = np.abs(now - before).mean()
        pictures.append(_jpeg(small))
        before = now
    return pictures, changes


def _shrunk(frame: UInt8[ndarray, "y x"], side: int) -> Image.Image:
    height, width = frame.shape
    scale = min(1, side / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return Image.fromarray(frame).resize(size, Image.Resampling.BOX)


def _jpeg(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "jpeg", quality=_QUALITY)
    return file.getvalue()
