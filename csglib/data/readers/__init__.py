"""A clip from a file or a folder of pictures, told apart by what is in it, not by its name.

Not in the paper, whose clips come from the machines of its authors' hospitals.
"""

from pathlib import Path

from csglib.data.clips import Clip, hash_patient
from csglib.data.readers.dicom import read_dicom
from csglib.data.readers.frames import Film
from csglib.data.readers.limits import ClipError, check_link, refusing
from csglib.data.readers.nifti import beginning, is_nifti, read_nifti
from csglib.data.readers.npz import read_npz
from csglib.data.readers.pictures import is_picture, read_folder, read_gif
from csglib.data.readers.video import container_of, read_video

__all__ = ["ClipError", "read_clip"]

_WANTED = "wanted NPZ, DICOM, mp4, avi, mkv, GIF, NIfTI or a folder of PNG or JPEG"


def read_clip(path: str | Path) -> Clip:
    """Read the frames of a clip as grey levels, with its scale where the file states one.

    Nothing is ever written, and nothing that identifies a person is taken over: `Clip.patient` is
    what `save_clip` stored, or a hash of DICOM's PatientID or of the file's name. Names that are
    burned into the pixels stay there.

    Args:
        path: an NPZ (`save_clip`, or any with `frames`), a DICOM picture or cine loop, a video, an
            animated GIF, a NIfTI with a time axis, or a folder with one PNG or JPEG a frame. A
            link is followed only to something else in the same folder.

    Raises:
        ClipError: no such file, or not a clip; says what is wrong, and in which frame.
    """
    path = Path(path)
    with refusing(f"{path}: cannot be opened"):
        check_link(path, path.parent, path.name)
        head = None if path.is_dir() else _head(path)
    if head is None:
        return _clip(read_folder(path), path.resolve().name)
    if head.startswith(b"PK"):
        return read_npz(path)
    if head[128:132] == b"DICM":
        return read_dicom(path)
    if is_nifti(head):
        return _clip(read_nifti(path), path.name.partition(".")[0])
    return _clip(_moving(path, head), path.stem)


def _clip(film: Film, identity: str) -> Clip:
    return Clip(
        frames=film.frames,
        patient=hash_patient(identity),
        mm_per_px=film.mm_per_px,
        coloured=film.coloured,
    )


def _moving(path: Path, head: bytes) -> Film:
    with path.open("rb") as file:
        if head.startswith((b"GIF87a", b"GIF89a")):
            return read_gif(file, path.name)
        if container := container_of(head):
            return read_video(file, container, path.name)
    if is_picture(head):
        raise ClipError(f"{path.name}: a single picture; put all frames into a folder and name it")
    raise ClipError(f"{path.name}: {_describe(head)}, which is not a clip; {_WANTED}")


def _head(path: Path) -> bytes:
    if not path.exists():
        raise ClipError(f"{path}: no such file; {_WANTED}")
    if not path.is_file():
        raise ClipError(f"{path}: a device or a pipe; {_WANTED}")
    head = beginning(path)
    if not head:
        raise ClipError(f"{path.name}: an empty file; copy or export it again; {_WANTED}")
    return head


def _describe(head: bytes) -> str:
    if head.isascii() and head.decode("ascii").replace("\n", "").replace("\r", "").isprintable():
        return f"starts with the text {head[:20].decode('ascii')!r}"
    return f"starts with the bytes {head[:8].hex(' ')}"
