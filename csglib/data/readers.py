"""A clip from a file: NPZ, DICOM, mp4, avi or mkv, told apart by what is in it, not by its name.

Not in the paper, whose clips come from the machines of its authors' hospitals.
"""

from pathlib import Path

from csglib.data.clips import Clip, anonymous
from csglib.data.dicom import read_dicom
from csglib.data.limits import ClipError, refusing
from csglib.data.npz import read_npz
from csglib.data.video import container_of, read_video

__all__ = ["ClipError", "read_clip"]

_WANTED = "wanted NPZ, DICOM, mp4, avi or mkv"


def read_clip(path: str | Path) -> Clip:
    """Read the frames of a clip as grey levels, with its scale where the file states one.

    Nothing is ever written, and nothing that identifies a person is taken over: `Clip.patient` is
    what `save_clip` stored, or a hash of DICOM's PatientID or of the file's name. Names that are
    burned into the pixels stay there.

    Args:
        path: an NPZ (`save_clip`, or any with `frames`), a DICOM picture or cine loop, a video.

    Raises:
        ClipError: no such file, or not a clip; says what is wrong, and in which frame.
    """
    path = Path(path)
    head = _head(path)
    if head.startswith(b"PK"):
        return read_npz(path)
    if head[128:] == b"DICM":
        return read_dicom(path)
    container = container_of(head)
    if container is None:
        raise ClipError(f"{path.name}: {_describe(head)}, which is not a clip; {_WANTED}")
    with path.open("rb") as file:
        return Clip(frames=read_video(file, container, path.name), patient=anonymous(path.stem))


def _head(path: Path) -> bytes:
    if not path.exists():
        raise ClipError(f"{path}: no such file; {_WANTED}")
    if path.is_dir():
        raise ClipError(f"{path}: a folder; name one file in it; {_WANTED}")
    if not path.is_file():
        raise ClipError(f"{path}: a device or a pipe; {_WANTED}")
    with refusing(f"{path}: cannot be opened"), path.open("rb") as file:
        head = file.read(132)  # DICOM says what it is in the last four of these bytes
    if not head:
        raise ClipError(f"{path.name}: an empty file; copy or export it again; {_WANTED}")
    return head


def _describe(head: bytes) -> str:
    if head.isascii() and head.decode("ascii").replace("\n", "").replace("\r", "").isprintable():
        return f"starts with the text {head[:20].decode('ascii')!r}"
    return f"starts with the bytes {head[:8].hex(' ')}"
