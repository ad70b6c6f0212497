"""One clip as a machine or a person hands it over, by the ending of the file's name.

Not in the paper. The opposite of `csglib.data.readers`, and only for practice: people who are made
up, with their names where real ones stand, in the header and in the picture.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from csglib.data.clips import Clip, save_clip

if TYPE_CHECKING:
    from pydicom import Dataset

LEFT, TOP, RIGHT, BOTTOM = 40, 36, 168, 164  # of the tissue, pixels of the screen
_WIDTH, _HEIGHT = 216, 184  # of the screen; even, as video wants it
_INK, _SOFT = 230, 150
_RATE = 20  # frames a second


class Person(NamedTuple):
    """Somebody made up.

    Attributes:
        family, given: names.
        number: the hospital's.
        born: the day.
    """

    family: str
    given: str
    number: str
    born: date

    @property
    def folder(self) -> str:
        """What a folder of this patient is called."""
        return f"{self.family}_{self.given}".lower()


class Shot(NamedTuple):
    """What is exported.

    Attributes:
        frames: of the whole screen.
        person: whose neck it is.
        mm_per_px: size of a pixel, mm; only some formats can say it.
    """

    frames: UInt8[ndarray, "t y x"]
    person: Person
    mm_per_px: float


def on_screen(tissue: UInt8[ndarray, "t 128 128"], person: Person) -> UInt8[ndarray, "t 184 216"]:
    """Put tissue on a machine's screen: name, number and date above it, settings below."""
    screen = Image.new("L", (_WIDTH, _HEIGHT), 0)
    draw = ImageDraw.Draw(screen)
    font = ImageFont.load_default(11)
    draw.text((6, 2), f"{person.family}, {person.given}  {person.number}".upper(), _INK, font)
    draw.text((6, 17), f"born {person.born:%d.%m.%Y}   L carotid", _INK, font)
    draw.text((6, 169), "MI 0.9  TIS 0.4   DR 60", _SOFT, font)
    for row in range(TOP, BOTTOM, 16):
        draw.line((RIGHT + 6, row, RIGHT + 10, row), _SOFT)
    frames = np.repeat(np.asarray(screen)[None], len(tissue), axis=0)
    frames[:, TOP:BOTTOM, LEFT:RIGHT] = tissue
    return frames


def export(shot: Shot, path: Path) -> None:
    """Write it in the format that the name ends with; without an ending, as a folder of pictures.

    Args:
        shot: what.
        path: ends with one of `FORMATS`; its folder is made.

    Raises:
        KeyError: another ending.
    """
    ending = "".join(path.suffixes)
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[ending](shot, path)


def save_video(frames: UInt8[ndarray, "t y x *rgb"], path: Path, codec: str, pixels: str) -> None:
    """Encode grey frames, or coloured ones, as a video.

    Args:
        frames: of an even height and width.
        path: of the file.
        codec: as FFmpeg calls it.
        pixels: their layout, as FFmpeg calls it.
    """
    import av  # noqa: PLC0415  # for those who make a folder only

    with av.open(path, "w") as file:
        stream = file.add_stream(codec, rate=_RATE)
        assert isinstance(stream, av.VideoStream), f"{codec} is for sound"
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.thread_count = pixels, 1  # one thread: the same bytes everywhere
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, "gray" if frame.ndim == 2 else "rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode())


def _mp4(shot: Shot, path: Path) -> None:
    save_video(shot.frames, path, "libx264", "yuv420p")


def _avi(shot: Shot, path: Path) -> None:
    save_video(shot.frames, path, "mjpeg", "yuvj420p")


def _mkv(shot: Shot, path: Path) -> None:
    save_video(shot.frames, path, "ffv1", "gray")


def _gif(shot: Shot, path: Path) -> None:
    first, *others = [Image.fromarray(frame) for frame in shot.frames]
    first.save(path, save_all=True, append_images=others, optimize=False, disposal=1)


def _npz(shot: Shot, path: Path) -> None:
    save_clip(Clip(frames=shot.frames, patient=shot.person.number, mm_per_px=shot.mm_per_px), path)


def _nifti(shot: Shot, path: Path) -> None:
    import nibabel  # noqa: PLC0415  # for those who make a folder only

    nibabel.save(nibabel.Nifti1Image(shot.frames.T, np.eye(4)), path)


def _pictures(shot: Shot, path: Path) -> None:
    path.mkdir()
    for number, frame in enumerate(shot.frames):
        Image.fromarray(frame).save(path / f"frame_{number}.png")


def _dicom(shot: Shot, path: Path) -> None:
    from pydicom import Dataset, uid  # noqa: PLC0415  # for those who make a folder only
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415

    dataset, person = Dataset(), shot.person
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = uid.UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = uid.generate_uid(entropy_srcs=[person.number, path.name])
    dataset.PatientName = f"{person.family}^{person.given}"
    dataset.PatientID = person.number
    dataset.PatientBirthDate = f"{person.born:%Y%m%d}"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = shot.frames.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.SequenceOfUltrasoundRegions = [_region(shot.mm_per_px)]
    dataset.PixelData = shot.frames.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)


def _region(mm_per_px: float) -> "Dataset":
    from pydicom import Dataset  # noqa: PLC0415

    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1  # a 2D picture of tissue
    region.RegionFlags = 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = LEFT, TOP
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = RIGHT - 1, BOTTOM - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # centimetres
    region.PhysicalDeltaX = region.PhysicalDeltaY = mm_per_px / 10
    return region


FORMATS: dict[str, Callable[[Shot, Path], None]] = {
    ".mp4": _mp4,
    ".avi": _avi,
    ".mkv": _mkv,
    ".dcm": _dicom,
    ".npz": _npz,
    ".nii.gz": _nifti,
    ".gif": _gif,
    "": _pictures,
}
