"""What is read from a folder of exports: a record of each clip, never its frames, and the labels.

Not in the paper.
"""

import base64
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from csglib.data.clips import Clip, Region, hash_patient, resample
from csglib.data.readers import read_clip
from csglib.data.readers.limits import ClipError
from csglib.doctor.labels import Exports, Label, patient_of
from csglib.doctor.near_duplicates import Fingerprints, NearDuplicate, fingerprints
from csglib.doctor.overlays import find_overlays, frame_changes
from csglib.doctor.tissue import find_pictures, keep_tissue, moved

_THUMBNAIL = 112  # pixels, the longer side
_BOX = (255, 140, 0)  # colour of the box around what is kept


class Preview(NamedTuple):
    """What de-identification would keep of a row's frames, or of all without a row."""

    share: float  # of the brightness of what moves, 0 to 1
    contrast: int  # grey levels between the darkest and the brightest hundredth
    whole: str  # the first frame of the file with a box around what is kept; PNG as a data URI
    kept: str  # of that the middle frame


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
    images: int  # on the screen
    notes: tuple[str, ...]  # what reading it corrected or had to choose
    previews: tuple[Preview, ...]  # of its rows, or of all; where something is kept


def read_record(folder: Path, pad: bool, task: tuple[str, Sequence[Label]]) -> ClipRecord | str:
    """Read a clip below a folder; its record, or the reason why it cannot be read.

    The task is the clip's path, and its rows in labels.csv.
    """
    clip, rows = task
    path = folder / clip
    try:
        with warnings.catch_warnings(action="ignore"):  # of notes, which are findings
            read = read_clip(path)
    except ClipError as error:
        return str(error).replace(str(path), path.name)
    frames = read.frames
    whole = Region(0, 0, frames.shape[2], frames.shape[1])
    stated = (read.region or whole).crop(frames)
    pictures = find_pictures(stated)
    moving = [moved(it.region, read.region or whole) for it in pictures if it.moving]
    shown = (pictures[0].region.crop(stated), pictures[0].outline) if moving else (stated,)
    digest = sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return ClipRecord(
        shape=frames.shape,
        mm_per_px=read.mm_per_px,
        coloured=read.coloured,
        patient_id=_patient_id(read, path),
        tissue=read.region or (moving[0] if moving else whole),
        digest=digest.hexdigest(),
        fingerprints=fingerprints(*shown),
        changes=frame_changes(frames),
        overlays=find_overlays(frames),
        images=len(pictures) if moving else 1,
        notes=read.notes,
        previews=tuple(_previews(read, rows or [Label(clip=clip, grade="")], pad)),
    )


def _previews(clip: Clip, rows: Sequence[Label], pad: bool) -> Iterator[Preview]:
    """Nothing for a row of which nothing can be kept; the checks say why."""
    for row in rows:
        end = None if row.frames is None else row.first_frame + row.frames
        part = clip.frames[row.first_frame : end]
        with suppress(ValueError):
            kept = keep_tissue(part, clip.region, row.box, pad)
            small = resample(
                Clip(frames=kept.frames, patient=""), min(8, len(part)), _THUMBNAIL
            ).frames
            low, high = np.percentile(small, (1, 99)).tolist()
            whole = Image.fromarray(part[0]).convert("RGB")
            box = (kept.seen.left, kept.seen.top, kept.seen.right, kept.seen.bottom)
            line = max(1, max(whole.size) // _THUMBNAIL)
            ImageDraw.Draw(whole).rectangle(box, outline=_BOX, width=line)
            middle = Image.fromarray(small[len(small) // 2])
            yield Preview(kept.share, int(high - low), _thumbnail(whole), _thumbnail(middle))


def _patient_id(clip: Clip, path: Path) -> str:
    """Nothing if it is a hash of the file's name, which readers use where a file has no id."""
    names = (path.name, path.stem, path.name.partition(".")[0])
    return "" if clip.patient in map(hash_patient, names) else clip.patient


def _thumbnail(image: Image.Image) -> str:
    file = io.BytesIO()
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
