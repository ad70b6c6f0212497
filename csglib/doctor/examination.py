"""What is read from a folder of exports: a record of each clip, never its frames, and the labels.

Not in the paper.
"""

import base64
import io
import warnings
from collections.abc import Mapping
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
from csglib.doctor.labels import Exports, Label, patient_of
from csglib.doctor.near_duplicates import Fingerprints, NearDuplicate, fingerprints
from csglib.doctor.overlays import find_overlays, frame_changes, is_side_by_side
from csglib.doctor.tissue import find_tissue, moving_extent

_THUMBNAIL = 112  # pixels, the longer side


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """What is kept of a clip: a few kilobytes."""

    shape: tuple[int, int, int]  # frames, rows, columns
    mm_per_px: float | None  # None if the file does not state it
    coloured: float  # largest fraction of a frame's pixels that are not grey
    patient_id: str  # hash of the patient id in the file; empty if there is none
    tissue: Region  # as the file states it, else as detected, else the whole image
    digest: str  # equal for equal pixels
    fingerprints: Fingerprints  # see `csglib.doctor.near_duplicates`
    changes: tuple[float, ...]  # fraction of pixels that change, from each frame to the next
    overlays: tuple[Region, ...]  # also those around the tissue
    side_by_side: bool  # two images
    notes: tuple[str, ...]  # what reading it corrected or had to choose
    thumbnail: str  # PNG of the middle frame, as a data URI


def read_record(folder: Path, clip: str) -> ClipRecord | str:
    """Read a clip below a folder; its record, or the reason why it cannot be read."""
    path = folder / clip
    try:
        with warnings.catch_warnings(action="ignore"):  # of notes, which are findings
            read = read_clip(path)
    except ClipError as error:
        return str(error).replace(str(path), path.name)
    frames = read.frames
    whole = Region(0, 0, frames.shape[2], frames.shape[1])
    stated = (read.region or whole).crop(frames)
    digest = sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return ClipRecord(
        shape=frames.shape,
        mm_per_px=read.mm_per_px,
        coloured=read.coloured,
        patient_id=_patient_id(read, path),
        tissue=read.region or find_tissue(frames) or whole,
        digest=digest.hexdigest(),
        fingerprints=fingerprints(moving_extent(stated).crop(stated)),
        changes=frame_changes(frames),
        overlays=find_overlays(frames),
        side_by_side=is_side_by_side(stated),
        notes=read.notes,
        thumbnail=_thumbnail(frames[len(frames) // 2]),
    )


def _patient_id(clip: Clip, path: Path) -> str:
    """Nothing if it is a hash of the file's name, which readers use where a file has no id."""
    names = (path.name, path.stem, path.name.partition(".")[0])
    return "" if clip.patient in map(hash_patient, names) else clip.patient


def _thumbnail(frame: UInt8[ndarray, "y x"]) -> str:
    image, file = Image.fromarray(np.ascontiguousarray(frame)), io.BytesIO()
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


class Span(NamedTuple):
    """A part of a clip: frames `first` to `end` - 1, and a box within them (None: all of it)."""

    first: int
    end: int
    box: Region | None = None

    def __str__(self) -> str:
        return f"frames {self.first} to {self.end - 1}"


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Everything that the checks look at."""

    exports: Exports
    unreadable: Mapping[str, str]  # reason, by clip
    records: Mapping[str, ClipRecord]  # of the other clips, in order
    near_duplicates: tuple[NearDuplicate, ...]  # indices into `records`
    labels: tuple[Label, ...]  # none if there is a `label_error`
    label_error: tuple[str, str] | None  # kind of finding, and what was found
    frames: int  # of a clip that the network sees
    size: int  # rows and columns that the network sees
    grades: tuple[str, ...]  # names, from mild to severe

    def spans(self, clip: str) -> list[Span]:
        """Parts of a readable clip that would be trained on: its rows, or all of it without one."""
        length = self.records[clip].shape[0]
        rows = [label for label in self.labels if label.clip == clip]
        ends = [length if row.frames is None else row.first_frame + row.frames for row in rows]
        spans = [Span(row.first_frame, end, row.box) for row, end in zip(rows, ends, strict=True)]
        return spans or [Span(0, length)]

    def is_used(self, clip: str) -> bool:
        """Whether a clip would be trained on: all are, as long as there are no labels."""
        return not self.labels or any(label.clip == clip for label in self.labels)

    def values(self, clip: str, column: str) -> set[str]:
        """What the clip's rows have in a column, such as "split"."""
        return {getattr(row, column) for row in self.labels if row.clip == clip}

    def patients(self, clip: str) -> set[str]:
        """Whose clip it is; one patient, unless its rows contradict each other."""
        return self.values(clip, "patient") or {patient_of(clip)}

    def same_split(self, one: str, other: str) -> bool:
        """Whether two clips are certain to be in the same split."""
        splits = self.values(one, "split")
        given = splits == self.values(other, "split") and len(splits) == 1 and splits != {""}
        patients = self.patients(one)
        return given or (len(patients) == 1 and patients == self.patients(other))
