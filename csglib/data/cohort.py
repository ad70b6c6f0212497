"""Many clips with their grades, split by patient: what a network is trained and tested on.

Source: section 3, "Dataset and Implementations": training, validation and test clips "at the
patient level with no overlap".
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES, Clip, resample
from csglib.data.readers.npz import read_npz
from csglib.data.split import SPLITS, check_no_overlap
from csglib.data.stenosis import RULES, Rule

COLUMNS = {
    "clip": "file of the clip, in this folder",
    "patient": "whose vessel it is",
    "video": "the sweep that the clip is cut from",
    "first_frame": "of the clip in the video, from 0",
    "split": "train, validation or test; all clips of a patient have the same",
    "grade": "by the rule that cohort.json names",
    "grade_index": "the same as a number, from 0",
    "observed_stenosis": "what the observer took for the stenosis; empty without an observer",
    "area_stenosis": "share of the vessel's area that is closed in the narrowest frame, 0 to 1",
    "diameter_stenosis": "largest share of a diameter that is closed in that frame, 0 to 1",
    "narrowest_frame": "of the clip, from 0: the one with the largest area stenosis",
    "plaque": "Gray-Weale type, I to IV",
    "side": "of the vessel on which the plaque lies",
    "calcified": "share of the plaque's arc that is calcified, 0 to 1",
    "diameter_mm": "of the vessel without plaque",
    "depth_mm": "of the vessel's middle under the skin",
    "scanner": "preset of the simulated scanner",
    "mm_per_px": "width of a pixel, mm",
    "seed": "of the video",
    "sha256": "of the file",
}
Row = dict[str, str]
_AGAIN = "the command that made the cohort, given again, writes it"


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_metadata(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write cohort.json; what the columns of the manifest mean is added."""
    text = json.dumps({**facts, "columns_of_the_manifest": COLUMNS}, indent=2)
    with replacing(folder / "cohort.json") as file:
        file.write(f"{text}\n".encode())


def read_metadata(folder: Path) -> dict[str, Any]:
    """Read cohort.json; its `grades` are a tuple.

    Raises:
        ValueError: there is none, or it is no such file.
    """
    path = folder / "cohort.json"
    if not path.is_file():
        raise ValueError(f"{folder} is not a cohort: it has no cohort.json")
    try:
        facts = dict(json.loads(path.read_bytes()))
        facts["grades"] = tuple(facts["grades"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}): take another folder") from None
    return facts


def write_manifest(folder: Path, rows: Sequence[Row]) -> None:
    """Write manifest.csv; rows have the names of `COLUMNS`."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [*COLUMNS])
    table.writeheader()
    table.writerows(rows)
    with replacing(folder / "manifest.csv") as file:
        file.write(text.getvalue().encode())


def read_manifest(folder: Path) -> list[Row]:
    """Read manifest.csv.

    Raises:
        ValueError: it is not there yet, or a program that changed it has spoiled its columns.
    """
    path = folder / "manifest.csv"
    if not path.is_file():
        raise ValueError(f"{folder} is half a cohort, without manifest.csv: {_AGAIN}")
    rows = [*csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))]
    missing = [name for name in COLUMNS if not rows or any(row.get(name) is None for row in rows)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing[:3])}: {_AGAIN} anew")
    return rows


_NEEDED = ("frames", "grade", "patient", "split")


@dataclass(frozen=True, kw_only=True)
class ClipSet:
    """Clips of one size.

    Attributes:
        frames: grey levels of every clip.
        grades: indices into `grade_names`.
        patients: whose each clip is.
        grade_names: of the rule that graded, from open to closed.

    Raises:
        ValueError: no clip, a grade that does not exist, or lengths that differ.
    """

    frames: UInt8[ndarray, "clips t y x"]
    grades: Int64[ndarray, " clips"]
    patients: tuple[str, ...]
    grade_names: tuple[str, ...] = GRADES

    def __post_init__(self) -> None:
        lengths = {len(self.frames), len(self.grades), len(self.patients)}
        if len(lengths) > 1 or not len(self.frames):
            raise ValueError(
                f"a set needs as many grades and patients as clips, and at least one: got clips, "
                f"grades, patients {len(self.frames)}, {len(self.grades)}, {len(self.patients)}"
            )
        unknown = set(self.grades.tolist()) - set(range(len(self.grade_names)))
        if unknown:
            raise ValueError(f"grades are 0 to {len(self.grade_names) - 1}: got {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.frames)

    def choose(self, places: Int64[ndarray, " chosen"]) -> "ClipSet":
        """The clips at these places, in this order."""
        return replace(
            self,
            frames=self.frames[places],
            grades=self.grades[places],
            patients=tuple(self.patients[place] for place in places),
        )

    @property
    def fingerprint(self) -> str:
        """The same for the same clips in the same order, else another."""
        digest = hashlib.sha256(repr(self.frames.shape).encode())
        for array in (self.frames, self.grades):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def read_cohort(path: Path, size: int | None = None) -> dict[str, ClipSet]:
    """Read a cohort, by split.

    Args:
        path: a folder that `csglib simulate` made, or an NPZ of `frames` u8 (clips, t, y,
            x), `grade` (clips,), `patient` (clips,) and `split` (clips,), each "train",
            "validation" or "test".
        size: rows and columns to bring each frame to, pixels; None leaves them as they are. The
            459 clips of the paper's size take 240 MB.

    Raises:
        ValueError: not a cohort, not all of one, a file of it that has changed since it was made,
            or a patient who stands on both sides of a split; says which.
    """
    if not path.exists():
        raise ValueError(f"{path}: there is no such file or folder; wanted a cohort")
    where, clips = (_of_a_folder if path.is_dir() else _of_a_file)(path, size)
    try:
        check_no_overlap(clips.patients, where)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {name: clips.choose(np.flatnonzero(np.array(where) == name)) for name in SPLITS}


def read_frames(folder: Path) -> dict[str, ClipSet]:
    """Read every frame of a cohort's clips as a clip of its own, by split.

    Its grade is that of what is narrow in this very frame: frames beside the plaque are mild.

    Args:
        folder: made by `csglib simulate`.

    Raises:
        ValueError: not a cohort, not all of one, a file of it that has changed, or clips that
            people graded as a whole; says which.
    """
    facts, rows = read_metadata(folder), read_manifest(folder)
    if facts.get("rule") not in RULES:
        raise ValueError(
            f"{folder} says nothing of single frames: its clips are graded by "
            f"{facts.get('graded_by', 'nobody knows whom')}; wanted a cohort made by "
            "`csglib simulate`, which knows the stenosis in each"
        )
    rule = RULES[facts["rule"]]
    clips = [_unchanged(folder / row["clip"], row["sha256"]) for row in rows]
    owners = [row for row, clip in zip(rows, clips, strict=True) for _ in clip.frames]
    where = np.array([row["split"] for row in owners])
    frames = ClipSet(
        frames=np.concatenate([clip.frames for clip in clips])[:, None],
        grades=np.concatenate([_grades(clip, rule) for clip in clips]),
        patients=tuple(row["patient"] for row in owners),
        grade_names=rule.grades,
    )
    return {name: frames.choose(np.flatnonzero(where == name)) for name in SPLITS}


def _grades(clip: Clip, rule: Rule) -> Int64[ndarray, " t"]:
    assert clip.truth is not None, "the cohort is simulated"
    return np.array([rule.grade(share) for share in clip.truth.stenoses(rule).tolist()])


def _of_a_file(path: Path, size: int | None) -> tuple[list[str], ClipSet]:
    """The split of each clip, and the clips."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in _NEEDED if name not in file]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            arrays = {name: file[name] for name in _NEEDED}
    except (ValueError, BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is not a cohort: {error}") from error
    clips = ClipSet(
        frames=arrays["frames"], grades=arrays["grade"], patients=tuple(arrays["patient"].tolist())
    )
    if size is not None:
        clips = replace(clips, frames=np.stack([_sized(clip, size) for clip in clips.frames]))
    return arrays["split"].tolist(), clips


def _of_a_folder(folder: Path, size: int | None) -> tuple[list[str], ClipSet]:
    rows = read_manifest(folder)
    frames = np.stack([_frames(folder, row, size) for row in rows])
    return [row["split"] for row in rows], _listed(rows, frames, read_metadata(folder)["grades"])


def _frames(folder: Path, row: Row, size: int | None) -> UInt8[ndarray, "t y x"]:
    return _sized(_unchanged(folder / row["clip"], row["sha256"]).frames, size)


def _listed(
    rows: Sequence[Row], frames: UInt8[ndarray, "clips t y x"], names: Sequence[str]
) -> ClipSet:
    return ClipSet(
        frames=frames,
        grades=np.array([int(row["grade_index"]) for row in rows]),
        patients=tuple(row["patient"] for row in rows),
        grade_names=tuple(names),
    )


def _unchanged(path: Path, sha256: str) -> Clip:
    if not path.is_file():
        raise ValueError(f"{path} is missing; the command that made the cohort makes it again")
    if digest(path) != sha256:
        raise ValueError(
            f"{path} has changed since it was made; the command that made the cohort mends it"
        )
    return read_npz(path)


def _sized(frames: UInt8[ndarray, "t y x"], size: int | None) -> UInt8[ndarray, "t h w"]:
    if size is None:
        return frames
    return resample(Clip(frames=frames, patient=""), len(frames), size).frames
