"""NIfTI: a clip as (x, y, t), plain or gzipped.

Not in the paper. Research groups keep volumes in it; its third axis, or the fourth, is time here.
"""

import gzip
import io
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from csglib.data.clips import Clip, hash_patient
from csglib.data.readers.frames import square_pixels, to_grey_levels
from csglib.data.readers.limits import ClipError, as_clip_error, check_size

_HEADER = 544  # bytes of the longer header, NIfTI-2's, with the flag of what follows it
_MAX_START = 1 << 24  # bytes of notes before the voxels
_SILENT = logging.Logger("nifti", logging.CRITICAL + 1)  # nibabel prints what it repairs


def read_nifti(path: Path, key: bytes | None) -> Clip:
    """Read a clip; nothing is turned or mirrored, rows and columns are the file's."""
    name = path.name
    with as_clip_error(f"{name}: not a whole NIfTI; export it again"), path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream: Any = gzip.GzipFile(fileobj=file) if packed else file
        header = _header(stream.read(_HEADER), name)
        shape, dtype = _time_first(header.get_data_shape(), name), header.get_data_dtype()
        slope, offset = header.get_slope_inter()
        scaled = (slope or 1, offset or 0) != (1, 0)
        check_size(name, *shape, max(dtype.itemsize, 4 * scaled))
        stored = _voxels(stream, int(header.get_data_offset()), shape, dtype, name)
        if scaled:
            stored = stored * np.float32(slope) + np.float32(offset)
        levels = to_grey_levels(stored, name)
        across, down = (float(step) for step in header.get_zooms()[:2])
        stated = 0 < across < math.inf and 0 < down < math.inf
        in_mm = stated and header.get_xyzt_units()[0] == "mm"
    patient = hash_patient(name.partition(".")[0], key)
    clip = Clip(frames=levels, patient=patient, mm_per_px=min(across, down) if in_mm else None)
    return square_pixels(clip, across / down if stated else 1, name)


def _header(head: bytes, name: str) -> Any:
    import nibabel  # noqa: PLC0415  # takes seconds

    magic = head[4:7] if head[4:6] in (b"n+", b"ni") else head[344:347]
    if magic in (b"ni1", b"ni2"):
        raise ClipError(f"{name}: its voxels are in another file (.img); save it as one .nii")
    if magic not in (b"n+1", b"n+2"):
        raise ClipError(f"{name}: a gzip file without a NIfTI inside; unpack it")
    kind = nibabel.Nifti2Image if magic == b"n+2" else nibabel.Nifti1Image
    header = kind.header_class.from_fileobj(io.BytesIO(head), check=False)
    header.check_fix(_SILENT)
    return header


def _voxels(
    stream: Any, start: int, shape: tuple[int, int, int], dtype: np.dtype[Any], name: str
) -> ndarray:
    """Everything from `start` on, of one size exactly; nibabel would unpack gzip without limit."""
    if not 0 <= start <= _MAX_START:
        raise ClipError(f"{name}: declares that voxels begin at byte {start}; export it again")
    stream.seek(start)
    size = math.prod(shape) * dtype.itemsize
    found, filled = np.empty(size + 1, np.uint8), 0  # room for a byte too many
    while count := stream.readinto(found.data[filled : filled + (1 << 20)]):
        filled += count
    if filled < size:
        holds = f"{start + filled} bytes of {start + size}"
        raise ClipError(f"{name}: cut short: {holds}; copy or export it again")
    if filled > size:
        raise ClipError(f"{name}: longer than its axes {shape[::-1]} declare; export it again")
    return found[:size].view(dtype).reshape(shape)


def _time_first(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """(t, y, x) of (x, y, ...); axes of length one are left out, but for x and y."""
    x, y, *others = (*shape, 1, 1)[: max(2, len(shape))]
    longer = [int(steps) for steps in others if steps != 1]
    if len(longer) > 1:
        raise ClipError(f"{name}: has the axes {shape}; save it with the axes x, y, time only")
    return longer[0] if longer else 1, int(y), int(x)
