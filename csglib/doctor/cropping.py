"""What is kept of a clip: the tissue in the labelled frames, of one size, and nothing around it.

Not in the paper.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from csglib.data.clips import GRADES, Clip, Region, even_indices, resample
from csglib.data.readers import read_clip
from csglib.doctor.labels import LABELS, Label
from csglib.doctor.tissue import find_pictures, find_tissue, moved, moving_brightness


@dataclass(frozen=True, kw_only=True)
class CohortSettings:
    """What decides a cohort of one's own clips, apart from clips, labels and key.

    An invalid value raises a ValueError that names it.
    """

    frames: int = 8  # of a clip, evenly spaced over the labelled ones
    size: int = 256  # height and width of a frame, pixels
    seed: int = 0  # of the split by patient, where labels.csv has none
    grades: tuple[str, ...] = GRADES  # names, from mild to severe
    pad: bool = False  # keep all of the tissue, beside black bars, not its central square

    def __post_init__(self) -> None:
        wanted = {
            "frames": (self.frames >= 1, "1 or more"),
            "size": (16 <= self.size <= 1024, "16 to 1024 pixels"),
            "seed": (self.seed >= 0, "0 or more"),
            "grades": (len({*self.grades} - {""}) == len(self.grades) > 1, "two or more names"),
        }
        for name, (met, what) in wanted.items():
            if not met:
                raise ValueError(f"{name} must be {what}: got {getattr(self, name)}")


class Cropped(NamedTuple):
    """All that is taken from a file, and what of the file it is."""

    frames: UInt8[ndarray, "t size size"]  # black outside the tissue's outline
    mm_per_px: float | None  # None if the file does not state it
    narrowest: int | None  # index of the kept frame next to the graded one; None if unknown
    seen: Region  # in the file's frames
    share: float  # of the brightness of what moves in the file, 0 to 1; 1 if there is a box


def crop_clip(label: Label, folder: Path, settings: CohortSettings) -> Cropped:
    """Read a file and crop it; a ValueError, also for a file that is unreadable, names the clip."""
    path = folder / label.clip
    try:
        with warnings.catch_warnings(action="ignore"):  # of notes: the findings have them
            return crop(read_clip(path), label, settings)
    except ValueError as error:
        words = str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
        raise ValueError(f"{label.clip}: {words}") from error


def crop(clip: Clip, label: Label, settings: CohortSettings) -> Cropped:
    """Keep of the labelled frames the image that moves most, within its box.

    Scanners may state the whole screen as tissue, and boxes may be drawn a little too large, but
    nothing outside them is ever kept. Of the image the central square is kept, which shows no
    network which scanner was used, or who drew the box; with `pad` all of it, made square by black
    bars. A square box keeps all of it.

    Raises:
        ValueError: the clip lacks what the label or the settings say, nothing moves and there is no
            box, or the box holds no tissue.
    """
    length, span = len(clip.frames), label.span(len(clip.frames))
    if max(span.start + 1, span.stop, (label.narrowest_frame or 0) + 1) > length:
        raise ValueError(f"{LABELS} has more than its {length} frames, from 0")
    part = clip.frames[span.start : span.stop]
    region, outline = _tissue(part, clip.region, label.box)
    tissue = region.crop(part) * outline
    height, width = outline.shape
    side = min(height, width)
    if settings.pad:
        side = max(height, width)
        bars = [((side - it) // 2, (side - it + 1) // 2) for it in (height, width)]
        tissue = np.pad(tissue, ((0, 0), *bars))
    y, x = ((it - side) // 2 for it in tissue.shape[1:])
    square = Region(x, y, x + side, y + side)
    whole = Clip(frames=tissue, patient="", mm_per_px=clip.mm_per_px)
    small = resample(whole, settings.frames, settings.size)
    seen = region if settings.pad else moved(square, region)
    shown = clip.region.crop(part) if clip.region else part
    share = float(square.crop(tissue).mean(axis=0).sum()) / moving_brightness(shown)
    narrowest = None
    if label.narrowest_frame is not None:
        kept = even_indices(len(part), settings.frames)
        narrowest = int(np.abs(kept - (label.narrowest_frame - span.start)).argmin())
    share = 1.0 if label.box else min(1.0, share)
    return Cropped(small.frames, small.mm_per_px, narrowest, seen, share)


def _tissue(
    frames: UInt8[ndarray, "t y x"], stated: Region | None, box: Region | None
) -> tuple[Region, Bool[ndarray, "rows columns"]]:
    """The image that moves most within both regions, and its outline."""
    whole = stated or Region(0, 0, frames.shape[2], frames.shape[1])
    if box:
        box.crop(frames)  # raises if it does not lie within
    part = whole.intersection(box or whole)
    if part and (picture := next(iter(find_pictures(part.crop(frames))), None)) and picture.moving:
        return moved(picture.region, part), picture.outline
    if not box:
        why = "nothing in it moves, so text cannot be told from tissue"
        raise ValueError(f"{why}: give it a box in {LABELS}")
    tissue = find_tissue(whole.crop(frames))
    if tissue or part is None:
        there = moved(tissue, whole) if tissue else whole
        raise ValueError(f"its box, {box}, has no tissue in it: that is in {there}")
    return part, np.ones((part.bottom - part.top, part.right - part.left), bool)
