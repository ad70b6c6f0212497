"""NIfTI: a film as (x, y, t), plain or packed with gzip.

Not in the paper. Research groups keep volumes in it; its third axis, or the fourth, is time here.
"""

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from csglib.data.limits import ClipError, check_size, refusing

_HEADER = 544  # bytes: NIfTI-2's, the longer one, with the mark of what follows it
_GZIP = b"\x1f\x8b"
_ADVICE = "save it as uint8 with the axes x, y, time"


class Film(NamedTuple):
    """What a NIfTI file holds.

    Attributes:
        frames: grey levels.
        mm_per_px: where the file states it in millimetres, the same for rows and columns.
    """

    frames: UInt8[ndarray, "t y x"]
    mm_per_px: float | None


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
    import nibabel  # noqa: PLC0415  # seconds to import

    head = stream.read(_HEADER)
    if head[344:347] == b"ni1" or head[4:7] == b"ni2":
        raise ClipError(f"{name}: its voxels are in another file (.img); save it as one .nii")
    kind = nibabel.Nifti2Image if head[4:7] == b"n+2" else nibabel.Nifti1Image
    header = kind.header_class.from_fileobj(io.BytesIO(head), check=True)
    dtype, shape = header.get_data_dtype(), header.get_data_shape()
    size = _time_last(shape, name)
    if dtype.kind not in "uif":
        raise ClipError(f"{name}: its voxels are {dtype}, which is no grey; {_ADVICE}")
    check_size(name, size[2], size[1], size[0], dtype.itemsize)
    start = int(header.get_data_offset())
    wanted = start + math.prod(shape) * dtype.itemsize
    whole = head + stream.read(max(0, wanted - len(head)))
    if start < 0 or len(whole) < wanted:
        raise ClipError(f"{name}: cut short: {len(whole)} bytes of {wanted}; copy or export again")
    voxels = np.frombuffer(whole, dtype, math.prod(shape), start).reshape(size, order="F")
    return Film(np.ascontiguousarray(_grey(voxels, header, name).T), _mm_per_px(header))


def _time_last(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """(x, y, t); axes of one step are left out, but for x and y."""
    x, y, *others = (*shape, 1, 1)[: max(2, len(shape))]
    longer = [int(steps) for steps in others if steps != 1]
    if len(longer) > 1:
        raise ClipError(f"{name}: has the axes {shape}: more than x, y and time; {_ADVICE}")
    return int(x), int(y), longer[0] if longer else 1


def _grey(voxels: ndarray, header: Any, name: str) -> UInt8[ndarray, "x y t"]:
    slope, offset = header.get_slope_inter()
    scaled = slope not in (None, 1) or offset not in (None, 0)
    if voxels.dtype == np.uint8 and not scaled:
        return voxels.copy()
    if scaled:
        voxels = voxels * np.float32(slope) + np.float32(offset or 0)
    low, high = float(voxels.min()), float(voxels.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ClipError(f"{name}: holds NaN or infinity; {_ADVICE}")
    whole = voxels.dtype.kind in "ui" or bool((voxels == np.rint(voxels)).all())
    if low >= 0 and high <= 255 and whole:
        return voxels.astype(np.uint8)
    if low >= 0 and high <= 1:
        return np.rint(voxels * 255).astype(np.uint8)
    raise ClipError(f"{name}: values from {low:g} to {high:g}; wanted 0 to 255, or 0 to 1")


def _mm_per_px(header: Any) -> float | None:
    across, down = (float(step) for step in header.get_zooms()[:2])
    said = header.get_xyzt_units()[0] == "mm"
    square = 0 < across < math.inf and math.isclose(across, down, rel_tol=1e-3)
    return across if said and square else None
