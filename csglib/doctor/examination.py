"""What is read from a folder of exports: a record of each clip, never its frames, and the labels.

Not in the paper.
"""

import base64
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from secrets import token_bytes
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from csglib.data.clips import Clip, Region, hash_patient
from csglib.data.readers import read_clip
from csglib.data.readers.limits import ClipError, check_link
from csglib.doctor import cache
from csglib.doctor.cropping import CohortSettings, Cropped, crop
from csglib.doctor.labels import Exports, Label, by_clip, patient_of
from csglib.doctor.near_duplicates import (
    SIDE,
    Fingerprints,
    NearDuplicate,
    find_near_duplicates,
    fingerprints,
)
from csglib.doctor.pseudonyms import read_or_create_key
from csglib.doctor.tissue import find_overlays, find_pictures, moved
from csglib.phantom.parallel import explain_write_errors, run_tasks

_SIDE = 200  # pixels, the longer side of a picture
_CHANGE = 6  # grey levels that an encoding may add to a still image
_BOX = (255, 140, 0)  # colour of the box around what is kept


class Preview(NamedTuple):
    """What de-identification keeps of a row's frames, or of all without a row.

    Pictures are JPEG as data URIs: the file's first frame with a box around what is kept; and of
    that the middle frame, the darkest and the brightest grey level over time.
    """

    label: Label
    share: float  # of the brightness of what moves, 0 to 1
    contrast: int  # grey levels between the darkest and the brightest hundredth
    pictures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """What is kept of a clip: tens of kilobytes, mostly pictures."""

    shape: tuple[int, int, int]  # frames, rows, columns
    mm_per_px: float | None  # None if the file does not state it
    coloured: float  # largest fraction of a frame's pixels that are not grey
    patient_id: str  # pseudonym of the patient id in the file; empty if there is none
    tissue: Region  # as the file states it, else as detected, else the whole image
    digest: str  # equal for equal pixels
    fingerprints: Fingerprints  # see `csglib.doctor.near_duplicates`
    changes: tuple[float, ...]  # fraction of pixels that change, from each frame to the next
    overlays: tuple[Region, ...]  # also those around the tissue
    images: int  # on the screen
    notes: tuple[str, ...]  # what reading it corrected or had to choose
    previews: tuple[Preview, ...]  # of its rows, or of all
    refusals: tuple[str, ...]  # of rows of which nothing can be kept: why

    def to_json(self) -> dict[str, Any]:
        """All of it, of types that JSON has."""
        prints = base64.b64encode(self.fingerprints.tobytes()).decode()
        return asdict(self) | {"fingerprints": prints}

    @classmethod
    def from_json(cls, found: dict[str, Any], rows: Sequence[Label]) -> "ClipRecord":
        """The record that `to_json` was called on, whose rows may have another grade now."""
        labels = {row.cut: row for row in rows}
        lists = {name: tuple(it) for name, it in found.items() if isinstance(it, list)}
        prints = np.frombuffer(base64.b64decode(found["fingerprints"]), np.uint8)
        others: dict[str, Any] = {
            "tissue": Region(**found["tissue"]),
            "overlays": tuple(Region(**it) for it in found["overlays"]),
            "fingerprints": prints.reshape(-1, SIDE, SIDE),
            "previews": tuple(_previewed(labels, *preview) for preview in found["previews"]),
        }
        return cls(**found | lists | others)


def _previewed(
    labels: Mapping[Any, Label], row: Any, share: float, contrast: int, pictures: list[str]
) -> Preview:
    label = Label(**row | {"box": row["box"] and Region(**row["box"])})
    return Preview(labels[label.cut], share, contrast, tuple(pictures))


Task = tuple[str, Sequence[Label]]  # a clip's path below the folder, and its rows or an empty one


def read_all(
    folder: Path, tasks: Sequence[Task], settings: CohortSettings, workers: int
) -> tuple[dict[str, ClipRecord | str], tuple[NearDuplicate, ...]]:
    """The record of each clip, or why it cannot be read; near-duplicates, indices into records."""
    writable, place = os.access(folder, os.W_OK), folder / cache.FOLDER
    key = read_or_create_key(folder) if writable else token_bytes()
    check_link(place, folder, cache.FOLDER)
    found: dict[str, ClipRecord | str] = {}
    paths = {}
    for clip, rows in tasks:
        paths[clip] = place / cache.hash_of(key, folder / clip, [it.cut for it in rows], settings)
        if kept := cache.load(paths[clip]):
            found[clip] = ClipRecord.from_json(kept, rows)
    new = [(paths[task[0]], task) for task in tasks if task[0] not in found]
    with explain_write_errors(folder):
        read = partial(_read_and_store, folder, settings, key)
        results = run_tasks(read, new, workers, "doctor")
    found |= {task[0]: record for (_, task), record in zip(new, results, strict=True)}
    found = {it: found[it] for it in paths}
    records = {it: record for it, record in found.items() if isinstance(record, ClipRecord)}
    pairs = place / cache.hash_of([paths[it].name for it in records])
    near = cache.load(pairs)
    if near is None:
        near = [*find_near_duplicates([it.fingerprints for it in records.values()])]
        cache.store(pairs, near)
    for other in {*place.glob("*")} - {pairs, *paths.values()}:  # of clips that are gone
        other.unlink()
    return found, tuple(NearDuplicate(*pair) for pair in near)


def _read_and_store(
    folder: Path, settings: CohortSettings, key: bytes, task: tuple[Path, Task]
) -> ClipRecord | str:
    """Read a clip; its record, or the reason why it cannot be read."""
    place, (clip, rows) = task
    path = folder / clip
    try:
        with warnings.catch_warnings(action="ignore"):  # of notes, which are findings
            read = read_clip(path, key)
    except ClipError as error:
        return str(error).replace(str(path), path.name)
    names = {hash_patient(it, key) for it in (path.name, path.stem, path.name.partition(".")[0])}
    read = replace(read, patient="" if read.patient in names else read.patient)
    record = record_of(read, rows, settings)
    cache.store(place, record.to_json())
    return record


def record_of(read: Clip, rows: Sequence[Label], settings: CohortSettings) -> ClipRecord:
    """What is kept of a clip, and what of each row."""
    frames = read.frames
    whole = Region(0, 0, frames.shape[2], frames.shape[1])
    stated = (read.region or whole).crop(frames)
    pictures = find_pictures(stated)
    moving = [moved(it.region, read.region or whole) for it in pictures if it.moving]
    shown = (pictures[0].region.crop(stated), pictures[0].outline) if moving else (stated,)
    digest = sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    previews, refusals = [], []
    for row in rows:
        try:
            previews.append(_preview(read, row, crop(read, row, settings)))
        except ValueError as error:
            refusals.append(str(error))
    return ClipRecord(
        shape=frames.shape,
        mm_per_px=read.mm_per_px,
        coloured=read.coloured,
        patient_id=read.patient,
        tissue=read.region or (moving[0] if moving else whole),
        digest=digest.hexdigest(),
        fingerprints=fingerprints(*shown),
        changes=frame_changes(frames),
        overlays=find_overlays(frames),
        images=len(pictures) if moving else 1,
        notes=read.notes,
        previews=tuple(previews),
        refusals=tuple(refusals),
    )


def frame_changes(frames: UInt8[ndarray, "t y x"]) -> tuple[float, ...]:
    """Fraction of the pixels that change from each frame to the next, 0 to 1."""
    return tuple(
        float((np.maximum(one, two) - np.minimum(one, two) > _CHANGE).mean())
        for one, two in pairwise(frames)
    )


def _preview(clip: Clip, row: Label, kept: Cropped) -> Preview:
    whole = Image.fromarray(clip.frames[row.first_frame]).convert("RGB")
    whole.thumbnail((_SIDE, _SIDE))
    scale = whole.width / clip.frames.shape[2]
    box = [scale * edge for edge in astuple(kept.seen)]
    ImageDraw.Draw(whole).rectangle(box, outline=_BOX)
    still = kept.frames[len(kept.frames) // 2], kept.frames.min(axis=0), kept.frames.max(axis=0)
    low, high = np.percentile(kept.frames, (1, 99)).tolist()
    pictures = (whole, *map(Image.fromarray, still))
    return Preview(row, kept.share, int(high - low), tuple(map(_data_uri, pictures)))


def _data_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.thumbnail((_SIDE, _SIDE))
    image.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Everything that the checks look at."""

    folder: Path
    exports: Exports
    unreadable: Mapping[str, str]  # reason, by clip
    records: Mapping[str, ClipRecord]  # of the other clips, in order
    near_duplicates: tuple[NearDuplicate, ...]  # indices into `records`
    labels: tuple[Label, ...]  # none if there is a `label_error`
    different: set[frozenset[str]]  # pairs that a person has judged, see `read_pairs`
    label_error: tuple[str, str] | None  # kind of finding, and what was found
    settings: CohortSettings  # what the network sees

    @cached_property
    def rows(self) -> Mapping[str, list[Label]]:
        """Labels by clip."""
        return by_clip(self.labels)

    def rows_of(self, clip: str) -> list[Label]:
        """The clip's rows, or one for all of it if it has none."""
        return self.rows.get(clip) or [Label(clip=clip, grade="")]

    def is_used(self, clip: str) -> bool:
        """Whether a clip would be trained on: all are, as long as there are no labels."""
        return not self.rows or clip in self.rows

    def values(self, clip: str, column: str) -> set[str]:
        """What the clip's rows have in a column, such as "split"."""
        return {getattr(row, column) for row in self.rows.get(clip, ())}

    def patients(self, clip: str) -> set[str]:
        """Whose clip it is; one patient, unless its rows contradict each other."""
        return self.values(clip, "patient") or {patient_of(clip)}

    def same_split(self, one: str, other: str) -> bool:
        """Whether two clips are certain to be in the same split."""
        splits = self.values(one, "split")
        given = splits == self.values(other, "split") and len(splits) == 1 and splits != {""}
        patients = self.patients(one)
        return given or (len(patients) == 1 and patients == self.patients(other))
