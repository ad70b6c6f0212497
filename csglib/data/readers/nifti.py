"""NIfTI: a film as (x, y, t), plain or packed with gzip.

Not in the paper. Research groups keep volumes in it; its third axis, or the fourth, is time here.
"""

import gzip
import io
import logging
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from csglib.data.readers.frames import Film, Reel
from csglib.data.readers.limits import ClipError, check_size, refusing

_HEADER = 544  # bytes: NIfTI-2's, the longer one, with the mark of what follows it
_GZIP = b"\x1f\x8b"
_LAST_START = 1 << 24  # bytes of notes before the voxels; more would be a way to fill time
_PART = 1 << 20  # bytes
_SILENT = logging.Logger("nifti", logging.CRITICAL + 1)  # what nibabel mends, it would print
_ADVICE = "save it as uint8 with the axes x, y, time"


def is_nifti(head: bytes) -> bool:
    """Whether a file's first bytes, `_HEADER` of them or more, are those of NIfTI; unpacked."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def beginning(path: Path) -> bytes:
    """A file's first bytes; those of the NIfTI inside, if it is one that is packed."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
        if not head.startswith(_GZIP):
            return head
        file.seek(0)
        try:
            inside = gzip.GzipFile(fileobj=file).read(_HEADER)
        except (OSError, EOFError, zlib.error):  # whatever it is, it is no packed NIfTI
            return head
        return inside if is_nifti(inside) else head


def read_nifti(path: Path) -> Film:
    """Read a film. Whole numbers from 0 to 255 stay; others from 0 to 1 are stretched to that.

    Nothing is turned or mirrored: rows and columns are the file's.

    Args:
        path: a file for which `is_nifti` holds.

    Raises:
        ClipError: cut short, damaged, without a time axis, too large, header and voxels in two
            files, or values of another range.
    """
    name = path.name
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if packed else file
        with refusing(f"{name}: not a whole NIfTI; export it again"):
            return _film(stream, name)


def _film(stream: io.BufferedIOBase, name: str) -> Film:
    """Read by hand what nibabel's header describes: nibabel itself unpacks without limit."""
    import nibabel  # noqa: PLC0415  # seconds to import

    head = stream.read(_HEADER)
    if head[344:347] == b"ni1" or head[4:7] == b"ni2":
        raise ClipError(f"{name}: its voxels are in another file (.img); save it as one .nii")
    kind = nibabel.Nifti2Image if head[4:7] == b"n+2" else nibabel.Nifti1Image
    header = kind.header_class.from_fileobj(io.BytesIO(head), check=False)
    header.check_fix(_SILENT)
    dtype, shape = header.get_data_dtype(), _time_first(header.get_data_shape(), name)
    if dtype.kind not in "uif":
        raise ClipError(f"{name}: its voxels are {dtype}, which is no grey; {_ADVICE}")
    check_size(name, *shape, dtype.itemsize)
    start = int(header.get_data_offset())
    if not 0 <= start <= _LAST_START:
        raise ClipError(f"{name}: its voxels begin at byte {start}, it says; export it again")
    stream.seek(start)
    wanted = math.prod(shape) * dtype.itemsize
    voxels = _read(stream, wanted)
    if len(voxels) < wanted:
        holds = f"{start + len(voxels)} bytes of {start + wanted}"
        raise ClipError(f"{name}: cut short: {holds}; copy or export it again")
    if stream.read(1):  # reading to the very end is also what makes gzip compare the checksum
        raise ClipError(f"{name}: longer than its axes {shape[::-1]} say; export it again")
    frames = _grey(np.frombuffer(voxels, dtype).reshape(shape), header, name)
    return Film(frames, mm_per_px=_mm_per_px(header))


def _read(stream: io.BufferedIOBase, size: int) -> bytearray:
    """Up to that many bytes, which take no more memory than there are."""
    found = bytearray()
    while part := stream.read(min(_PART, size - len(found))):
        found += part
    return found


def _time_first(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """(t, y, x) of (x, y, ...); axes of one step are left out, but for x and y."""
    x, y, *others = (*shape, 1, 1)[: max(2, len(shape))]
    longer = [int(steps) for steps in others if steps != 1]
    if len(longer) > 1:
        raise ClipError(f"{name}: has the axes {shape}: more than x, y and time; {_ADVICE}")
    return longer[0] if longer else 1, int(y), int(x)


def _grey(voxels: ndarray, header: Any, name: str) -> UInt8[ndarray, "t y x"]:
    slope, offset = header.get_slope_inter()
    scaled = slope not in (None, 1) or offset not in (None, 0)
    if voxels.dtype == np.uint8 and not scaled:
        return voxels

    def frames() -> Iterator[ndarray]:  # one at a time: scaled voxels are larger than stored ones
        for frame in voxels:
            yield frame * np.float32(slope) + np.float32(offset or 0) if scaled else frame

    low = min(float(frame.min()) for frame in frames())
    high = max(float(frame.max()) for frame in frames())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ClipError(f"{name}: holds NaN or infinity; {_ADVICE}")
    reel = Reel(name)
    whole = all(np.array_equal(frame, np.rint(frame)) for frame in frames())
    if not (low >= 0 and (high <= 1 or (high <= 255 and whole))):
        raise ClipError(f"{name}: values from {low:g} to {high:g}; wanted 0 to 255, or 0 to 1")
    for frame in frames():
        reel.add((frame if whole else np.rint(frame * 255)).astype(np.uint8))
    return reel.film().frames


def _mm_per_px(header: Any) -> float | None:
    across, down = (float(step) for step in header.get_zooms()[:2])
    said = header.get_xyzt_units()[0] == "mm"
    square = 0 < across < math.inf and math.isclose(across, down, rel_tol=1e-3)
    return across if said and square else None
