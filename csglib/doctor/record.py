"""What is kept of a clip once it has been read: a few kilobytes, never its frames.

Not in the paper.
"""

import base64
import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from csglib.data.clips import Clip, Region, hash_patient
from csglib.data.readers import read_clip
from csglib.data.readers.limits import ClipError
from csglib.doctor.moving_region import moving_region
from csglib.doctor.near_duplicates import Prints, prints
from csglib.doctor.overlays import beside, changes, lively, marks

_STAMP = 112  # pixels, the longer side of a picture on the page


@dataclass(frozen=True, kw_only=True)
class Record:
    """One clip, read.

    Attributes:
        size: frames, rows and columns.
        mm_per_px: size of a pixel; None where the file does not say.
        coloured: largest share of a frame's pixels that were not grey, 0 to 1.
        person: a hash of whoever the file itself says it is of; empty where it says nothing.
        region: of the tissue, as the file states it, or of all that moves.
        digest: the same for the same pixels.
        prints: see `csglib.doctor.near_duplicates`.
        changes: share of pixels that change, from each frame to the next.
        marks: where something bright stands still, also around the tissue.
        beside: whether there are two pictures side by side.
        stamp: a small PNG of the middle frame, as a data URI.
    """

    size: tuple[int, int, int]
    mm_per_px: float | None
    coloured: float
    person: str
    region: Region
    digest: str
    prints: Prints
    changes: tuple[float, ...]
    marks: tuple[Region, ...]
    beside: bool
    stamp: str


class Task(NamedTuple):
    """A clip to look at.

    Attributes:
        folder: of exports.
        clip: path below it.
    """

    folder: Path
    clip: str


def look(task: Task) -> Record | str:
    """Read a clip; what it shows, or the reader's words on why it cannot be read."""
    path = task.folder / task.clip
    try:
        clip = read_clip(path)
    except ClipError as error:
        return str(error).replace(str(path), path.name)
    region = clip.region or moving_region(clip.frames)
    stated = clip.region.crop(clip.frames) if clip.region else clip.frames
    return Record(
        size=clip.frames.shape,
        mm_per_px=clip.mm_per_px,
        coloured=clip.coloured,
        person=_person(clip, path),
        region=region,
        digest=_digest(clip.frames),
        prints=prints(lively(stated).crop(stated)),
        changes=changes(clip.frames),
        marks=marks(clip.frames),
        beside=beside(stated),
        stamp=_stamp(clip.frames[len(clip.frames) // 2]),
    )


def _digest(frames: UInt8[ndarray, "t y x"]) -> str:
    digest = sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


def _person(clip: Clip, path: Path) -> str:
    """Readers that find no name inside a file make one of what the file is called."""
    from_outside = {
        hash_patient(name) for name in (path.name, path.stem, path.name.partition(".")[0])
    }
    return "" if clip.patient in from_outside else clip.patient


def _stamp(frame: UInt8[ndarray, "y x"]) -> str:
    picture = Image.fromarray(np.ascontiguousarray(frame))
    picture.thumbnail((_STAMP, _STAMP))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
