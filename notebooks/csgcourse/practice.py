"""A folder of exports to practise on: simulated clips, people who are made up, faults that are not.

Not in the paper. 112 clips of `data_samples/cohort_64.npz`, two of each of 56 patients, in eight
formats on the screen of a machine, and one video from which nobody has cut a clip yet.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from csgcourse.exporting import (
    FORMATS,
    LEFT,
    TOP,
    Person,
    Shot,
    export,
    on_screen,
    save_video,
)
from csglib.data.atomic import replacing
from csglib.data.clips import GRADES
from csglib.doctor.labels import KEY, LABELS, Label, write_labels
from csglib.phantom.probe import SCANNERS
from csglib.phantom.simulate import make_video

SWEEP = "hart_gus/sweep.mp4"  # from which nobody has cut a clip yet
PLANTED = {  # path below the folder: kind of finding, see `csglib.doctor.checks.KINDS`
    "abel_ann/left.mp4": "unreadable",
    "abel_ben/left_copy.mp4": "near-duplicate",
    "abel_cat/left.mkv": "colour",
    "abel_dan_2019/right.dcm": "same patient id",
    "abel_eve/left_copy.npz": "duplicate",
    "abel_fay/left.nii.gz": "no motion",
    "abel_gus/left.gif": "overlay",
    "birch_ann/left": "unknown grade",
    "birch_ben/middle.mp4": "no such clip",
    "birch_cat/left.avi": "out of range",
    "birch_dan/left.mkv": "no label",
    "birch_eve/report.txt": "not a clip",
    "unsorted.npz": "no patient folder",
    SWEEP: "no grade",
}
_MISTAKES: dict[str, Any] = {  # in rows: what somebody has typed
    "birch_ann/left": {"grade": "Severe"},
    "birch_cat/left.avi": {"first_frame": 4, "frames": 8},
}
_FAMILIES = ("Abel", "Birch", "Cole", "Dale", "Elm", "Ford", "Gale", "Hart")
_GIVEN = ("Ann", "Ben", "Cat", "Dan", "Eve", "Fay", "Gus")
_MARK = ".made_for_practice"
Frames = UInt8[ndarray, "t y x"]


def practice_folder(work: Path, samples: Path) -> Path:
    """Make the folder; the same bytes each time, so everybody meets the same faults.

    A real folder makes its own secret key for pseudonyms. This one brings a known one along: there
    is nobody to protect, and everybody's patients are dealt out alike.

    Args:
        work: new, or one that this function has made before; then **all** in it is made anew.
        samples: the folder `data_samples`.

    Returns:
        The exports, a folder in `work`.

    Raises:
        ValueError: `work` holds something else.
    """
    if (work / _MARK).is_file():
        shutil.rmtree(work)
    if work.exists() and any(work.iterdir()):
        raise ValueError(f"{work} holds other files; name a new folder")
    folder = work / "exports"
    folder.mkdir(parents=True)
    (work / _MARK).touch()
    with replacing(folder / KEY) as file:
        file.write(b"no secret: only for practice :-)")
    shots = dict(_shots(samples))
    labels = [Label(clip=clip, grade=grade) for clip, (_, grade) in shots.items()]
    for clip, (shot, _) in shots.items():
        export(shot, folder / clip)
    export(_sweep(people()[-1]), folder / SWEEP)
    planter = _Planter(folder, {clip: shot for clip, (shot, _) in shots.items()}, labels)
    write_labels(folder / LABELS, planter.plant())
    return folder


def people() -> list[Person]:
    """56 of them, who never lived."""
    first = date(1938, 3, 1)
    return [
        Person(family, given, f"EX-{4000 + 37 * number}", first + timedelta(days=211 * number))
        for number, (family, given) in enumerate(product(_FAMILIES, _GIVEN))
    ]


def _shots(samples: Path) -> Iterator[tuple[str, tuple[Shot, str]]]:
    """Each clip's path, what is exported, and its grade."""
    with np.load(samples / "cohort_64.npz", allow_pickle=False) as file:
        frames, grades, scales = file["frames"], file["grade"], file["mm_per_px"]
    endings = [*FORMATS]
    for number, person in enumerate(people()):
        for place, side in enumerate(("left", "right")):
            clip = 2 * number + (place + number) % 2  # so that the side does not tell the grade
            tissue = np.stack([_enlarged(frame) for frame in frames[clip]])
            shot = Shot(on_screen(tissue, person), person, float(scales[clip]) / 2)
            name = f"{person.folder}/{side}{endings[number % len(endings)]}"
            yield name, (shot, GRADES[grades[clip]])


def _enlarged(frame: UInt8[ndarray, "y x"]) -> UInt8[ndarray, "two_y two_x"]:
    """As scanners do, to fill the screen."""
    large = Image.fromarray(frame).resize((128, 128), Image.Resampling.BICUBIC)
    return np.asarray(large)


def _sweep(person: Person) -> Shot:
    """Along an artery with two plaques."""
    video = make_video(5, 2, 128, **SCANNERS["smooth"], plaque="IV", length=16.0)
    clip = video.clip(0, len(video))
    assert clip.mm_per_px is not None, "it is simulated"
    return Shot(on_screen(clip.frames, person), person, clip.mm_per_px)


class _Planter:
    """Plants every fault of `PLANTED`, one after the other.

    Args:
        folder: where all clips lie in order.
        shots: what they show, by their paths.
        rows: what labels.csv says of them.
    """

    def __init__(self, folder: Path, shots: dict[str, Shot], rows: list[Label]) -> None:
        self.folder, self.shots = folder, shots
        self.rows = {row.clip: row for row in rows}

    def plant(self) -> list[Label]:
        """Spoil the files; the rows as they are then."""
        self._spoil_files()
        self._spoil_pictures()
        self._spoil_rows()
        return [self.rows[clip] for clip in sorted(self.rows)]

    def _spoil_files(self) -> None:
        half = self.folder / "abel_ann/left.mp4"
        half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
        self._copy("abel_ben/left.avi", "abel_ben/left_copy.mp4")
        export(self.shots["abel_ben/left.avi"], self.folder / "abel_ben/left_copy.mp4")
        self._copy("abel_eve/left.npz", "abel_eve/left_copy.npz")
        self._copy("abel_dan/right.dcm", "abel_dan_2019/right.dcm")
        (self.folder / "abel_dan/right.dcm").unlink()
        del self.rows["abel_dan/right.dcm"]
        shutil.copy(self.folder / "abel_eve/right.npz", self.folder / "unsorted.npz")
        (self.folder / "birch_eve/report.txt").write_text("Plaque on the far wall, see left.\n")

    def _copy(self, clip: str, place: str) -> None:
        (self.folder / place).parent.mkdir(exist_ok=True)
        shutil.copy(self.folder / clip, self.folder / place)
        self.rows[place] = replace(self.rows[clip], clip=place)

    def _spoil_pictures(self) -> None:
        grey = self.shots["abel_cat/left.mkv"].frames
        doppler = np.stack([grey] * 3, axis=-1)
        doppler[:, TOP + 50 : TOP + 80, LEFT + 30 : LEFT + 100] = (200, 30, 20)
        save_video(doppler, self.folder / "abel_cat/left.mkv", "ffv1", "bgr0")
        self._again("abel_fay/left.nii.gz", lambda frames: frames[:1].repeat(len(frames), axis=0))
        self._again("abel_gus/left.gif", _with_calipers)

    def _again(self, clip: str, change: Callable[[Frames], Frames]) -> None:
        shot = self.shots[clip]
        export(shot._replace(frames=change(shot.frames)), self.folder / clip)

    def _spoil_rows(self) -> None:
        for clip, change in _MISTAKES.items():
            self.rows[clip] = replace(self.rows[clip], **change)
        del self.rows["birch_dan/left.mkv"]
        self.rows["birch_ben/middle.mp4"] = Label(clip="birch_ben/middle.mp4", grade="mild")
        self.rows[SWEEP] = Label(clip=SWEEP, grade="")


def _with_calipers(frames: Frames) -> Frames:
    marked = frames.copy()
    for y, x in ((TOP + 45, LEFT + 50), (TOP + 75, LEFT + 62)):
        marked[:, y - 5 : y + 6, x] = marked[:, y, x - 5 : x + 6] = 255
    return marked
