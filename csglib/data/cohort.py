"""Many clips with their grades, split by patient: what a network is trained and tested on.

A cohort is a folder: cohort.json, manifest.csv with a row a clip, and the clips. Both files can be
read without csglib. Or it is one NPZ.

Source: section 3, "Dataset and Implementations": training, validation and test clips "at the
patient level with no overlap".
"""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from csglib.data.clips import GRADES, Clip, resample
from csglib.data.readers.npz import read_npz
from csglib.data.split import SPLITS, check_no_overlap

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
    "plaque": "Gray-Weale type, I to IV, or isoechoic",
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
_REPEAT = "the command that made the cohort, given again, writes it"
_NPZ_ARRAYS = ("frames", "grade", "patient", "split")


@dataclass(frozen=True, kw_only=True)
class ClipSet:
    """Clips of one size: grades are indices into `grade_names`, which run from open to closed."""

    frames: UInt8[ndarray, "clips t y x"]
    grades: Int64[ndarray, " clips"]
    patients: tuple[str, ...]
    grade_names: tuple[str, ...] = GRADES

    def __post_init__(self) -> None:
        counts = [len(self.frames), len(self.grades), len(self.patients)]
        if len({*counts}) > 1 or not counts[0]:
            raise ValueError(f"wanted a grade and a patient for each clip, and one: got {counts}")
        unknown = set(self.grades.tolist()) - set(range(len(self.grade_names)))
        if unknown:
            raise ValueError(f"grades are 0 to {len(self.grade_names) - 1}: got {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.frames)

    def choose(self, places: Int64[ndarray, " chosen"]) -> "ClipSet":
        """The clips at these indices, in this order."""
        return replace(
            self,
            frames=self.frames[places],
            grades=self.grades[places],
            patients=tuple(self.patients[place] for place in places),
        )

    @property
    def fingerprint(self) -> str:
        """First 16 digits of the SHA-256 of frames and grades."""
        hashed = hashlib.sha256(repr(self.frames.shape).encode())
        for array in (self.frames, self.grades):
            hashed.update(np.ascontiguousarray(array).data)
        return hashed.hexdigest()[:16]


def read_cohort(path: Path, size: int | None = None) -> dict[str, ClipSet]:
    """Read a cohort, by split.

    Args:
        path: a folder that `csglib simulate` made, or an NPZ of `frames` u8 (clips, t, y, x) and,
            (clips,) each, `grade` from 0, `patient` and `split`, texts, that is one of `SPLITS`.
        size: rows and columns to resize to; None leaves them. The 459 clips of the paper's size
            take 240 MB.

    Raises:
        ValueError: not a cohort, an incomplete one, a clip that has changed since it was made, or
            a patient in two splits; names it.
    """
    if not path.exists():
        raise ValueError(f"{path}: there is no such file or folder; wanted a cohort")
    splits, clips = (_from_folder if path.is_dir() else _from_npz)(path, size)
    try:
        check_no_overlap(clips.patients, splits)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return by_split(clips, splits)


def by_split(clips: ClipSet, splits: Sequence[str]) -> dict[str, ClipSet]:
    """The clips of each split."""
    return {name: clips.choose(np.flatnonzero(np.array(splits) == name)) for name in SPLITS}


def _from_npz(path: Path, size: int | None) -> tuple[list[str], ClipSet]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if missing := [name for name in _NPZ_ARRAYS if name not in file]:
                raise ValueError(f"it lacks {', '.join(missing)}")
            frames, *others = (file[name] for name in _NPZ_ARRAYS)
        if frames.dtype != np.uint8 or frames.ndim != 4:
            raise ValueError(f"frames is {frames.dtype} {frames.shape}, not uint8 (clips, t, y, x)")
        for name, array, kinds in zip(_NPZ_ARRAYS[1:], others, ("iu", "U", "U"), strict=True):
            if array.dtype.kind not in kinds or array.ndim != 1:
                raise ValueError(f"{name} is {array.dtype} {array.shape}, not one a clip")
        grades, patients, splits = (array.tolist() for array in others)
        if unknown := {*splits} - {*SPLITS}:
            raise ValueError(f"split {min(unknown)!r} is none of {', '.join(SPLITS)}")
    except (ValueError, BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is not a cohort: {error}") from error
    if size is not None:
        frames = np.stack([_resized(clip, size) for clip in frames])
    return splits, ClipSet(frames=frames, grades=np.array(grades), patients=tuple(patients))


def _from_folder(folder: Path, size: int | None) -> tuple[list[str], ClipSet]:
    metadata, rows = read_metadata(folder), read_manifest(folder)
    clips = ClipSet(
        frames=np.stack([_resized(read_unchanged(folder, row).frames, size) for row in rows]),
        grades=np.array([int(row["grade_index"]) for row in rows]),
        patients=tuple(row["patient"] for row in rows),
        grade_names=metadata["grades"],
    )
    return [row["split"] for row in rows], clips


def _resized(frames: UInt8[ndarray, "t y x"], size: int | None) -> UInt8[ndarray, "t h w"]:
    if size is None:
        return frames
    return resample(Clip(frames=frames, patient=""), len(frames), size).frames


def read_unchanged(folder: Path, row: Row) -> Clip:
    """A clip of the manifest; a ValueError if it is missing or has changed since."""
    path = folder / row["clip"]
    if not (path.is_file() and path.resolve().is_relative_to(folder.resolve())):
        raise ValueError(f"{path} is missing, or in another folder: {_REPEAT}")
    if digest(path) != row["sha256"]:
        raise ValueError(f"{path} has changed since it was made: {_REPEAT} anew")
    return read_npz(path)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_metadata(folder: Path) -> dict[str, Any]:
    """Read cohort.json, `grades` as a tuple; a ValueError if it is missing or damaged."""
    path = folder / "cohort.json"
    if not path.is_file():
        raise ValueError(f"{folder} is not a cohort: it has no cohort.json")
    try:
        metadata = dict(json.loads(path.read_bytes()))
        return metadata | {"grades": tuple(metadata["grades"])}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}): take another folder") from None


def read_manifest(folder: Path) -> list[Row]:
    """Read manifest.csv; a ValueError if it is missing or lacks columns."""
    path = folder / "manifest.csv"
    if not path.is_file():
        raise ValueError(f"{folder} is half a cohort, without manifest.csv: {_REPEAT}")
    try:
        rows = [*csv.DictReader(path.read_text("utf-8").splitlines())]
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} is damaged ({error}): {_REPEAT} anew") from error
    missing = [name for name in COLUMNS if not rows or any(row.get(name) is None for row in rows)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing[:3])}: {_REPEAT} anew")
    return rows
