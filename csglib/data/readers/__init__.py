"""Read a clip from a file or a folder of images; the format is detected from its bytes.

Not in the paper, whose clips come from the scanners of its authors' hospitals.
"""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from csglib.data.clips import Clip
from csglib.data.readers.limits import ClipError, as_clip_error, check_link

__all__ = ["ClipError", "read_clip"]

_WANTED = "wanted NPZ, DICOM, mp4, avi, mkv, mpeg, wmv, GIF, NIfTI or a folder of PNG or JPEG"
# Offset, magic bytes, reader by name: pydicom, nibabel and PyAV are imported when they are needed.
_READERS: tuple[tuple[int, tuple[bytes, ...], str], ...] = (
    (0, (b"PK",), "npz:read_npz"),
    (0, (b"\x1f\x8b",), "nifti:read_nifti"),  # gzip
    (344, (b"n+1\0", b"ni1\0"), "nifti:read_nifti"),
    (4, (b"n+2\0", b"ni2\0"), "nifti:read_nifti"),
    (0, (b"GIF87a", b"GIF89a"), "images:read_gif"),
)


def read_clip(path: str | Path, key: bytes | None = None) -> Clip:
    """Read the frames of a clip as 8-bit grey levels, and mm per pixel where the file states it.

    Frames are upright, on square pixels: as a player shows them. What a reader had to correct or to
    choose is in `Clip.notes`, and a warning.

    Nothing is written. No identifying text is kept: `Clip.patient` is what `save_clip` stored, or a
    hash of DICOM's PatientID or else of the file name. Names burned into the pixels stay there.

    Args:
        path: an NPZ (`save_clip`, or any with `frames`), a DICOM image or cine loop, a video, an
            animated GIF, a NIfTI with a time axis, or a folder with one PNG or JPEG per frame.
            Symbolic links are followed only to targets in the same folder.
        key: 32 secret bytes for that hash; without them it differs from one process to the next.

    Raises:
        ClipError: missing, damaged, truncated, too large, or not a clip. The message names the
            file, and the frame where there is one.
    """
    path = Path(path)
    with as_clip_error(f"{path}: cannot be opened"):
        check_link(path, path.parent, path.name)
        read = _named("images:read_folder") if path.is_dir() else _reader(path)
    clip: Clip = read(path, key)
    for note in clip.notes:
        warnings.warn(str(ClipError(f"{path.name}: {note}")), stacklevel=2)  # printable
    return clip


def _reader(path: Path) -> Callable[[Path, bytes | None], Clip]:
    if not path.is_file():
        came = "a device or a pipe" if path.exists() else "no such file"
        raise ClipError(f"{path}: {came}; {_WANTED}")
    with path.open("rb") as file:
        head = file.read(512)
    if is_dicom(head):
        return _named("dicom:read_dicom")
    for offset, magics, read in _READERS:
        if head.startswith(magics, offset):
            return _named(read)
    if container := _named("video:container_of")(head):
        return partial(_named("video:read_video"), container=container)
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        raise ClipError(f"{path.name}: a single image; put all frames into one folder and read it")
    came = f"starts with {head[:20]!r}, which no reader here knows" if head else "an empty file"
    raise ClipError(f"{path.name}: {came}; {_WANTED}")


def is_dicom(head: bytes) -> bool:
    """Whether a file with these first 132 bytes is DICOM: by its mark, else by its first element.

    Some archives leave out the 128 bytes before the mark, the mark, and the header behind it.
    """
    group, explicit = head[:2], head[4:6].isalpha() and head[4:6].isupper()
    implicit = head[6:8] == b"\0\0" and group != b"\0\x08"  # a short element, little-endian
    bare = group in (b"\2\0", b"\x08\0", b"\0\x08") and (explicit or implicit)
    return bare or head[128:132] == b"DICM"


def _named(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = resolve_name(f"{__name__}.{name}")
    return function
