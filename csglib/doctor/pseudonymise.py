"""A cohort's clips without names: who is called what, which number each has, and its row.

Not in the paper. A row has the columns of every cohort; those that only a simulation knows are
empty.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from csglib.data.atomic import replacing
from csglib.data.clips import Clip, save_clip
from csglib.data.cohort import COLUMNS, Row, digest
from csglib.data.split import SPLITS, split_by_patient
from csglib.doctor.cutting import Cut, Order, cut
from csglib.doctor.pseudonyms import Pseudonyms
from csglib.phantom.patients import CLIPS

_SHARES = [clips / sum(CLIPS[8].values()) for clips in CLIPS[8].values()]  # of the paper's sides


class Job(NamedTuple):
    """One clip to write.

    Attributes:
        path: of the clip.
        order: what it is cut from.
        patient: a pseudonym.
        video: a number, the same for all clips of one file.
        split: one of `SPLITS`.
        grade: index of its grade.
    """

    path: Path
    order: Order
    patient: str
    video: str
    split: str
    grade: int

    @property
    def note(self) -> Path:
        """Where its row is kept until the whole cohort is there."""
        return self.path.with_name(f".{self.path.stem}.json")


def numbered(
    orders: Sequence[Order],
    pseudonyms: Pseudonyms,
    clips: Path,
    seed: int,
    grades: Sequence[str],
) -> Iterator[Job]:
    """Number the clips in the order of the pseudonyms: not even the alphabet of the names is left.

    Args:
        orders: in any order.
        pseudonyms: of the folder.
        clips: folder that they go into.
        seed: deals patients to sides, where the labels do not.
        grades: names, from open to closed.
    """
    called = sorted(
        ((pseudonyms.name(order.label.patient), order) for order in orders),
        key=lambda pair: pair[0],
    )
    dealt = split_by_patient([patient for patient, _ in called], _SHARES, seed)
    videos: dict[str, str] = {}
    for number, ((patient, order), side) in enumerate(zip(called, dealt, strict=True), start=1):
        path, label = clips / f"{number:04d}.npz", order.label
        yield Job(
            path=path,
            order=order,
            patient=patient,
            video=videos.setdefault(label.clip, f"v{len(videos) + 1:04d}"),
            split=label.split or SPLITS[side],
            grade=grades.index(label.grade),
        )


def write(job: Job) -> Row:
    """Write a clip, unless an interrupted run has done so; its row of the manifest.

    Raises:
        ValueError: see `csglib.doctor.cutting.cut`.
    """
    if job.note.is_file() and job.path.is_file():
        row: Row = json.loads(job.note.read_bytes())
        if row["sha256"] == digest(job.path):
            return row
    piece = cut(job.order)
    clip = Clip(frames=piece.frames, patient=job.patient, mm_per_px=piece.mm_per_px)
    save_clip(clip, job.path)
    row = _row(job, piece)
    with replacing(job.note) as file:
        file.write(json.dumps(row).encode())
    return row


def _row(job: Job, piece: Cut) -> Row:
    label, scale = job.order.label, piece.mm_per_px
    return dict.fromkeys(COLUMNS, "") | {
        "clip": f"{job.path.parent.name}/{job.path.name}",
        "patient": job.patient,
        "video": job.video,
        "first_frame": str(label.first_frame),
        "split": job.split,
        "grade": label.grade,
        "grade_index": str(job.grade),
        "narrowest_frame": "" if piece.narrowest is None else str(piece.narrowest),
        "mm_per_px": "" if scale is None else f"{scale:.5f}",
        "sha256": digest(job.path),
    }
