"""A folder of exports to practise on: simulated clips of invented people, with planted faults.

112 clips of `data_samples/cohort_64.npz`, two of each of 56 patients, in eight
formats, on the screen of an ultrasound machine with the patient's name; and one long video.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import av
import nibabel
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES, Clip, save_clip
from csglib.doctor.labels import KEY, LABELS, Label, write_labels
from csglib.phantom.probe import SCANNERS
from csglib.phantom.simulate import make_video

SWEEP = "hart_gus/sweep.mp4"  # from which no clip has been cut yet
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
    "birch_cat/left.avi": "unusable",
    "birch_dan/left.mkv": "no label",
    "birch_eve/report.txt": "not a clip",
    "unsorted.npz": "no patient folder",
    SWEEP: "no grade",
}
_TYPED: dict[str, Any] = {  # wrong entries of labels.csv
    "birch_ann/left": {"grade": "Severe"},
    "birch_cat/left.avi": {"first_frame": 4, "frames": 8},
}
_FAMILIES = ("Abel", "Birch", "Cole", "Dale", "Elm", "Ford", "Gale", "Hart")
_GIVEN = ("Ann", "Ben", "Cat", "Dan", "Eve", "Fay", "Gus")
_MARK = ".made_for_practice"
_LEFT, _TOP, _RIGHT, _BOTTOM = TISSUE = (40, 36, 168, 164)  # pixels of the screen
_WIDTH, _HEIGHT = 216, 184  # of the screen; even, as video needs it
_BRIGHT, _DIM = 230, 150
Frames = UInt8[ndarray, "t y x"]


class Person(NamedTuple):
    """An invented patient; `number` is the hospital's."""

    family: str
    given: str
    number: str
    born: date

    @property
    def folder(self) -> str:
        """That of the exports."""
        return f"{self.family}_{self.given}".lower()


class Recording(NamedTuple):
    """Frames of the whole screen, the patient, and mm a pixel (only some formats store it)."""

    frames: Frames
    person: Person
    mm_per_px: float


def practice_folder(work: Path, samples: Path) -> Path:
    """Make a folder of exports in `work`, with the same bytes and the same faults each time.

    A real folder makes its own secret key for pseudonyms; this one comes with a known key, so that
    all readers get the same split. `samples` is the folder `data_samples`.

    Raises:
        ValueError: `work` is neither new nor made by this function before (then it is made anew).
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
    rows, recordings = {}, {}
    for clip, recording, grade in _recordings(samples):
        _export(recording, folder / clip)
        rows[clip], recordings[clip] = Label(clip=clip, grade=grade), recording
    video = make_video(5, 2, 128, **SCANNERS["smooth"], plaque="IV", length=16.0)
    sweep, person = video.clip(0, len(video)), people()[-1]  # along an artery with two plaques
    screen = _on_screen(sweep.frames, person)
    _export(Recording(screen, person, sweep.mm_per_px or 0.0), folder / SWEEP)
    _damage(folder, recordings, rows)
    for clip, change in _TYPED.items():
        rows[clip] = replace(rows[clip], **change)
    rows["birch_ben/middle.mp4"] = Label(clip="birch_ben/middle.mp4", grade="mild")
    rows[SWEEP] = Label(clip=SWEEP, grade="")
    write_labels(folder / LABELS, [rows[clip] for clip in sorted(rows)])
    return folder


def people() -> list[Person]:
    """The 56 invented patients."""
    return [
        Person(*names, f"EX-{4000 + 37 * place}", date(1938, 3, 1) + timedelta(days=211 * place))
        for place, names in enumerate(product(_FAMILIES, _GIVEN))
    ]


def _recordings(samples: Path) -> Iterator[tuple[str, Recording, str]]:
    """Each clip's path, recording and grade."""
    with np.load(samples / "cohort_64.npz", allow_pickle=False) as file:
        frames, grades, scales = (file[name] for name in ("frames", "grade", "mm_per_px"))
    for number, person in enumerate(people()):
        ending = [*FORMATS][number % len(FORMATS)]
        for place, side in enumerate(("left", "right")):
            clip = 2 * number + (place + number) % 2  # so that the side does not tell the grade
            small = map(Image.fromarray, frames[clip])
            large = [one.resize((128, 128), Image.Resampling.BICUBIC) for one in small]
            screen = _on_screen(np.stack([*map(np.asarray, large)]), person)
            recording = Recording(screen, person, float(scales[clip]) / 2)
            yield f"{person.folder}/{side}{ending}", recording, GRADES[grades[clip]]


def _on_screen(tissue: UInt8[ndarray, "t 128 128"], person: Person) -> UInt8[ndarray, "t 184 216"]:
    """Tissue on a machine's screen: name, number and date of birth above, settings below."""
    screen = Image.new("L", (_WIDTH, _HEIGHT))
    draw = ImageDraw.Draw(screen)
    font = ImageFont.load_default(11)
    draw.text((6, 2), f"{person.family}, {person.given}  {person.number}".upper(), _BRIGHT, font)
    draw.text((6, 17), f"born {person.born:%d.%m.%Y}   L carotid", _BRIGHT, font)
    draw.text((6, 169), "MI 0.9  TIS 0.4   DR 60", _DIM, font)
    for row in range(_TOP, _BOTTOM, 16):
        draw.line((_RIGHT + 6, row, _RIGHT + 10, row), _DIM)
    frames = np.repeat(np.asarray(screen)[None], len(tissue), axis=0)
    frames[:, _TOP:_BOTTOM, _LEFT:_RIGHT] = tissue
    return frames


def _damage(folder: Path, recordings: dict[str, Recording], rows: dict[str, Label]) -> None:
    """Plant the faults that change files."""

    def again(clip: str, place: str, write: Callable[[Path], object]) -> None:
        """A clip a second time; with its label."""
        (folder / place).parent.mkdir(exist_ok=True)
        write(folder / place)
        rows[place] = replace(rows[clip], clip=place)

    def changed(clip: str, frames: Frames) -> None:
        _export(recordings[clip]._replace(frames=frames), folder / clip)

    colour = np.stack([recordings["abel_cat/left.mkv"].frames] * 3, axis=-1)
    colour[:, _TOP + 50 : _TOP + 80, _LEFT + 30 : _LEFT + 100] = (200, 30, 20)  # Doppler
    _save_video(colour, folder / "abel_cat/left.mkv", "ffv1", "bgr0")
    frames = recordings["abel_gus/left.gif"].frames.copy()
    for y, x in ((_TOP + 45, _LEFT + 50), (_TOP + 75, _LEFT + 62)):  # calipers
        frames[:, y - 5 : y + 6, x] = frames[:, y, x - 5 : x + 6] = 255
    changed("abel_gus/left.gif", frames)
    still = recordings["abel_fay/left.nii.gz"].frames
    changed("abel_fay/left.nii.gz", still[:1].repeat(len(still), axis=0))
    half = folder / "abel_ann/left.mp4"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    twice, same = "abel_ben/left.avi", "abel_eve/left.npz"
    again(twice, "abel_ben/left_copy.mp4", lambda path: _export(recordings[twice], path))
    again(same, "abel_eve/left_copy.npz", lambda path: shutil.copy(folder / same, path))
    again("abel_dan/right.dcm", "abel_dan_2019/right.dcm", (folder / "abel_dan/right.dcm").rename)
    del rows["abel_dan/right.dcm"], rows["birch_dan/left.mkv"]
    shutil.copy(folder / "abel_eve/right.npz", folder / "unsorted.npz")
    (folder / "birch_eve/report.txt").write_text("Plaque on the far wall, see left.\n")


def _export(recording: Recording, path: Path) -> None:
    """Write in the format of the file name's ending; without one, a folder of pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS["".join(path.suffixes)](recording, path)


def _save_video(frames: UInt8[ndarray, "t y x *rgb"], path: Path, codec: str, pixels: str) -> None:
    with av.open(path, "w") as file:
        stream: Any = file.add_stream(codec, rate=20)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.thread_count = pixels, 1  # one thread: the same bytes everywhere
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, "gray" if frame.ndim == 2 else "rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode())


def _gif(recording: Recording, path: Path) -> None:
    first, *others = map(Image.fromarray, recording.frames)
    first.save(path, save_all=True, append_images=others, optimize=False, disposal=1)


def _pictures(recording: Recording, path: Path) -> None:
    path.mkdir()
    for number, frame in enumerate(recording.frames):
        Image.fromarray(frame).save(path / f"frame_{number}.png")


def _dicom(recording: Recording, path: Path) -> None:
    dataset, region, person = Dataset(), Dataset(), recording.person
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = uid.UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = uid.generate_uid(entropy_srcs=[person.number, path.name])
    dataset.PatientName, dataset.PatientID = f"{person.family}^{person.given}", person.number
    dataset.PatientBirthDate = f"{person.born:%Y%m%d}"
    region.RegionSpatialFormat = region.RegionDataType = 1  # a 2D picture of tissue
    region.RegionFlags = 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = _LEFT, _TOP
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = _RIGHT - 1, _BOTTOM - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # centimetres
    region.PhysicalDeltaX = region.PhysicalDeltaY = recording.mm_per_px / 10
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.set_pixel_data(recording.frames, "MONOCHROME2", 8, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


FORMATS: dict[str, Callable[[Recording, Path], None]] = {
    ".mp4": lambda one, path: _save_video(one.frames, path, "libx264", "yuv420p"),
    ".avi": lambda one, path: _save_video(one.frames, path, "mjpeg", "yuvj420p"),
    ".mkv": lambda one, path: _save_video(one.frames, path, "ffv1", "gray"),
    ".dcm": _dicom,
    ".npz": lambda one, path: save_clip(
        Clip(frames=one.frames, patient=one.person.number, mm_per_px=one.mm_per_px), path
    ),
    ".nii.gz": lambda one, path: nibabel.save(nibabel.Nifti1Image(one.frames.T, np.eye(4)), path),
    ".gif": _gif,
    "": _pictures,
}
