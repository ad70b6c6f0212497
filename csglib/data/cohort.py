"""Many clips with their grades, split by patient: what a network is trained and tested on.

Source: section 3, "Dataset and Implementations": training, validation and test clips "at the
patient level with no overlap".
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from csglib.data.clips import GRADES

SPLITS = ("train", "validation", "test")
_NEEDED = ("frames", "grade", "patient", "split")


@dataclass(frozen=True, kw_only=True)
class ClipSet:
    """Clips of one size.

    Attributes:
        frames: grey levels of every clip.
        grades: indices into `GRADES`.
        patients: whose each clip is.

    Raises:
        ValueError: no clip, a grade that does not exist, or lengths that differ.
    """

    frames: UInt8[ndarray, "clips t y x"]
    grades: Int64[ndarray, " clips"]
    patients: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.frames), len(self.grades), len(self.patients)}
        if len(lengths) > 1 or not len(self.frames):
            raise ValueError(
                f"a set needs as many grades and patients as clips, and at least one: got clips, "
                f"grades, patients {len(self.frames)}, {len(self.grades)}, {len(self.patients)}"
            )
        unknown = set(self.grades.tolist()) - set(range(len(GRADES)))
        if unknown:
            raise ValueError(f"grades are 0 to {len(GRADES) - 1}: got {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.frames)

    def choose(self, places: Int64[ndarray, " chosen"]) -> "ClipSet":
        """The clips at these places, in this order."""
        return ClipSet(
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


def read_cohort(path: Path) -> dict[str, ClipSet]:
    """Read a cohort file, by split.

    Args:
        path: NPZ of `frames` u8 (clips, t, y, x), `grade` (clips,), `patient` (clips,) and `split`
            (clips,), each "train", "validation" or "test".

    Raises:
        ValueError: not such a file, or a patient stands on both sides of a split; says which.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in _NEEDED if name not in file]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            arrays = {name: file[name] for name in _NEEDED}
    except (ValueError, BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is not a cohort: {error}") from error
    split, patients = arrays["split"], arrays["patient"]
    sides: dict[str, set[str]] = {name: set(patients[split == name].tolist()) for name in SPLITS}
    for name, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if shared := sides[name] & sides[other]:
            raise ValueError(f"{path}: patient {min(shared)} is in {name} and in {other}")
    return {
        name: ClipSet(
            frames=arrays["frames"][split == name],
            grades=arrays["grade"][split == name],
            patients=tuple(patients[split == name].tolist()),
        )
        for name in SPLITS
    }
