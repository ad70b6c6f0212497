"""A page of all clips as they will be written, for whoever must not give a name away.

Not in the paper. Eyes find a name on the tissue, which no program does for certain.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from csglib.doctor.cutting import Order, cut

_SIDE, _GAP, _EDGE, _HEAD, _CAPTION = 200, 4, 28, 84, 22  # pixels, as is all that follows
_BESIDE, _LETTERS = 28, 90  # between two clips; of a caption
_PAPER, _INK, _SOFT = 250, 29, 100  # grey levels
_TITLE = "Is there a name, a date or a number in any of these? Then do not go on."
_LEGEND = (
    "Of each clip: the middle frame; the darkest over time, where what stands still stays bright; "
    "the brightest, where all shows that is there even once."
)


class Stamp(NamedTuple):
    """What the page shows of a clip.

    Attributes:
        name: of the clip, and its frames.
        pictures: one beside the other.
    """

    name: str
    pictures: UInt8[ndarray, "three y x"]


def stamp(order: Order) -> Stamp:
    """Cut a clip as it will be written, and keep three pictures of it.

    Raises:
        ValueError: see `csglib.doctor.cutting.cut`.
    """
    frames, label = cut(order).frames, order.label
    pictures = np.stack([frames[len(frames) // 2], frames.min(axis=0), frames.max(axis=0)])
    last = "the end" if label.frames is None else label.first_frame + label.frames - 1
    return Stamp(f"{label.clip}, frames {label.first_frame} to {last}", pictures)


def sheet(stamps: Sequence[Stamp]) -> Image.Image:
    """Draw the page, two clips a line, in their order.

    Args:
        stamps: one or more.
    """
    column = 3 * _SIDE + 2 * _GAP + _BESIDE
    line = _CAPTION + _SIDE + _BESIDE
    width, height = 2 * _EDGE + 2 * column - _BESIDE, _HEAD + line * -(-len(stamps) // 2) + _EDGE
    page = Image.new("L", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_EDGE, 20), f"{len(stamps)} clips. {_TITLE}", _INK, ImageFont.load_default(22))
    draw.text((_EDGE, 52), _LEGEND, _SOFT, ImageFont.load_default(14))
    for number, (name, pictures) in enumerate(stamps):
        x, y = _EDGE + number % 2 * column, _HEAD + number // 2 * line
        short = name if len(name) <= _LETTERS else f"...{name[3 - _LETTERS :]}"
        draw.text((x, y), short, _INK, ImageFont.load_default(13))
        for place, picture in enumerate(pictures):
            small = Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (x + place * (_SIDE + _GAP), y + _CAPTION))
    return page
