"""DICOM ultrasound: single pictures and cine loops, compressed in any of the usual ways.

Not in the paper. Ultrasound machines export clips like this; only here stands their scale.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from PIL import Image
from pydicom import DataElement, Dataset, uid
from pydicom.encaps import generate_fragments
from pydicom.filereader import read_file_meta_info

from csglib.data.clips import Clip, hash_patient
from csglib.data.readers.dicom_pictures import Promise, check_pixels, pictures
from csglib.data.readers.dicom_regions import mm_per_px, tissue_region
from csglib.data.readers.frames import Film, Reel
from csglib.data.readers.limits import MAX_BYTES, ClipError, check_size, refusing
from csglib.data.readers.video import container_of, read_video

# What FFmpeg calls the bare stream of each kind of video that DICOM allows.
_VIDEO = {
    **dict.fromkeys((uid.MPEG2MPML, uid.MPEG2MPMLF, uid.MPEG2MPHL, uid.MPEG2MPHLF), "mpegvideo"),
    **dict.fromkeys((uid.MPEG4HP41, uid.MPEG4HP41F, uid.MPEG4HP41BD, uid.MPEG4HP41BDF), "h264"),
    **dict.fromkeys((uid.MPEG4HP422D, uid.MPEG4HP422DF, uid.MPEG4HP423D, uid.MPEG4HP423DF), "h264"),
    **dict.fromkeys((uid.MPEG4HP42STEREO, uid.MPEG4HP42STEREOF), "h264"),
    **dict.fromkeys((uid.HEVCMP51, uid.HEVCM10P51), "hevc"),
}


def read_dicom(path: Path) -> Clip:
    """Read every frame as grey levels; colours become their luma, and no window is applied.

    Names and numbers of people stay in the file. `Clip.patient` is a hash of PatientID, or of the
    file's name where that is empty: the same patient keeps one name, which is what a split needs,
    and the name does not show who it is. Whoever has a list of all PatientIDs can hash them too.

    Args:
        path: a DICOM file with its preamble.

    Raises:
        ClipError: cut short, damaged, without pictures, not 8 bits, too large, or packed in a way
            that needs another package.
    """
    name = path.name
    with _patiently():
        dataset = _open(path)
        with refusing(f"{name}: the DICOM header is damaged; export it again"):
            promise = _promise(dataset)
            moving = dataset.file_meta.TransferSyntaxUID in _VIDEO
            patient = hash_patient(str(dataset.get("PatientID") or "").strip() or path.stem)
            scale, region = mm_per_px(dataset), tissue_region(dataset)
            check_size(name, *promise)
            if not moving:
                check_pixels(dataset, promise, name)
        film = _video(dataset, promise, name) if moving else _cine(dataset, promise, name)
    return Clip(
        frames=film.frames,
        patient=patient,
        mm_per_px=scale,
        coloured=film.coloured,
        region=region,
    )


@contextmanager
def _patiently() -> Iterator[None]:
    with warnings.catch_warnings():
        # pydicom warns of each breach of the standard, though it reads the value right: real files
        # are full of them. What matters here is checked here.
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        yield


def _open(path: Path) -> Dataset:
    name = path.name
    most = MAX_BYTES // 4 * 3  # the whole file is in memory, its frames beside it
    if path.stat().st_size > most:
        raise ClipError(f"{name}: too large: over {most >> 20} MiB; cut out what you need")
    with refusing(f"{name}: the DICOM header is damaged; export it again"):
        syntax = read_file_meta_info(path).get("TransferSyntaxUID")
        if syntax is None:
            raise ClipError(f"{name}: cut short: the DICOM header ends before its transfer syntax")
        if syntax == uid.DeflatedExplicitVRLittleEndian:  # unpacks without limit
            raise ClipError(f"{name}: deflated as a whole, which is not read; export it otherwise")
        dataset = pydicom.dcmread(path)
        if not dataset.get("PixelData"):
            kind = dataset.file_meta.get("MediaStorageSOPClassUID", uid.UID("")).name or "unknown"
            reasons = f"it is cut short, or a file without pictures (its kind: {kind})"
            raise ClipError(f"{name}: no pixel data: {reasons}; export the clip again")
        if _end(dataset["PixelData"]) > path.stat().st_size:
            raise ClipError(f"{name}: cut short: it ends within the pixel data; copy it again")
    return dataset


def _end(pixels: DataElement) -> int:
    """Where in the file the pixel data ends; when it is packed, behind a mark of 8 bytes."""
    return (pixels.file_tell or 0) + len(pixels.value) + 8 * pixels.is_undefined_length


def _promise(dataset: Dataset) -> Promise:
    frames = dataset.get("NumberOfFrames")
    return Promise(1 if frames is None else int(frames), int(dataset.Rows), int(dataset.Columns))


def _cine(dataset: Dataset, promise: Promise, name: str) -> Film:
    reel = Reel(name)
    for picture in pictures(dataset, promise, name):
        reel.add(*picture)
    return reel.film()


def _video(dataset: Dataset, promise: Promise, name: str) -> Film:
    with refusing(f"{name}: the video inside is damaged or cut short; export it again"):
        fragments = generate_fragments(dataset.PixelData)
        next(fragments)  # where each frame begins, or nothing
        stream = io.BytesIO()
        stream.writelines(fragments)
    stream.seek(0)
    film = read_video(stream, _container(stream.read(200), dataset), name)
    came = Promise(*film.frames.shape)
    if came.frames < promise.frames or came[1:] != promise[1:]:
        raise ClipError(f"{name}: promises {promise}, but its video holds {came}; export it again")
    return film


def _container(head: bytes, dataset: Dataset) -> str:
    if head[:1] == b"\x47" == head[188:189]:  # every packet of a transport stream starts so
        return "mpegts"
    if head[:4] == b"\x00\x00\x01\xba":
        return "mpeg"
    return container_of(head) or _VIDEO[dataset.file_meta.TransferSyntaxUID]
