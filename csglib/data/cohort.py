"""Many clips with their grades, split by patient: what a network is trained and tested on.

Source: section 3, "Dataset and Implementations": training, validation and test clips "at the
patient level with no overlap".
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray
from tqdm.auto import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES, Clip, resample
from csglib.data.manifest import Row, digest, read_facts, read_manifest
from csglib.data.readers.npz import read_npz
from csglib.data.split import SPLITS, check_apart
from csglib.data.stenosis import RULES, Rule

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
        path: a folder that `python -m csglib cohort` made, or an NPZ of `frames` u8 (clips, t, y,
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
        check_apart(clips.patients, where)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {name: clips.choose(np.flatnonzero(np.array(where) == name)) for name in SPLITS}


def stream_cohort(folder: Path, into: Path, size: int | None = None) -> dict[str, ClipSet]:
    """As `read_cohort`, for clips that do not fit into memory: their frames stay on the disk.

    Args:
        folder: made by `python -m csglib cohort`.
        into: folder of uncompressed copies, a file a side, of one byte a pixel; made anew.
        size: see `read_cohort`.

    Returns:
        By split; frames are read from `into` when they are asked for, as long as that is there.

    Raises:
        ValueError: see `read_cohort`.
    """
    if folder.is_file():
        raise ValueError(f"{folder} is a file: only a folder of clips can be streamed")
    names, rows = read_facts(folder)["grades"], read_manifest(folder)
    where = [row["split"] for row in rows]
    try:
        check_apart(tuple(row["patient"] for row in rows), where)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    into.mkdir(parents=True, exist_ok=True)
    sides = {}
    for split in SPLITS:
        mine = [row for row in rows if row["split"] == split]
        if not mine:
            raise ValueError(f"{folder} lists no clip for {split}")
        frames = (_frames(folder, row, size) for row in mine)
        sides[split] = _listed(mine, _on_disk(into / f"{split}.npy", frames, len(mine)), names)
    return sides


def _on_disk(
    path: Path, clips: Iterator[UInt8[ndarray, "t y x"]], count: int
) -> UInt8[ndarray, "clips t y x"]:
    """Written clip by clip, so that one is in memory at a time."""
    first = next(clips)
    facts = {"descr": "|u1", "fortran_order": False, "shape": (count, *first.shape)}
    with replacing(path) as file:
        np.lib.format.write_array_header_1_0(file, facts)
        for frames in tqdm(chain([first], clips), path.stem, count):
            if frames.shape != first.shape:
                raise ValueError(
                    f"clips of one cohort have one shape: got {first.shape} and {frames.shape}"
                )
            file.write(frames.tobytes())
    # "c": whoever writes changes a copy. torch warns of arrays that cannot be written at all.
    mapped: UInt8[ndarray, "clips t y x"] = np.load(path, mmap_mode="c", allow_pickle=False)
    return mapped


def read_frames(folder: Path) -> dict[str, ClipSet]:
    """Read every frame of a cohort's clips as a clip of its own, by split.

    Its grade is that of what is narrow in this very frame: frames beside the plaque are mild.

    Args:
        folder: made by `python -m csglib cohort`.

    Raises:
        ValueError: not a cohort, not all of one, a file of it that has changed, or clips that
            people graded as a whole; says which.
    """
    facts, rows = read_facts(folder), read_manifest(folder)
    if facts.get("rule") not in RULES:
        raise ValueError(
            f"{folder} says nothing of single frames: its clips are graded by "
            f"{facts.get('graded_by', 'nobody knows whom')}; wanted a cohort made by "
            "`python -m csglib cohort`, which knows the stenosis in each"
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
    return [row["split"] for row in rows], _listed(rows, frames, read_facts(folder)["grades"])


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
