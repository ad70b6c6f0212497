"""NPZ: what `csglib.data.clips.save_clip` wrote, or any archive with an array `frames`.

Not in the paper. Nothing is unpickled: a pickle can run any program.
"""

import json
import math
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
from numpy import ndarray

from csglib.data.clips import TRUTH_ARRAYS, Clip, Truth, hash_patient
from csglib.data.readers import limits
from csglib.data.readers.frames import to_grey_levels
from csglib.data.readers.limits import ClipError, as_clip_error, check_size

_SCALARS = ("patient", "mm_per_px", "parameters")
_KNOWN = ("frames", *_SCALARS, *TRUTH_ARRAYS)
_MAX_SCALAR = 1 << 20  # bytes: a thousand times what a name or a number needs
_ADVICE = "write it with csglib.data.clips.save_clip, or np.savez_compressed(path, frames=frames)"


def read_npz(path: Path, key: bytes | None = None) -> Clip:
    """Read `frames` (t, y, x), uint8 or float from 0 to 1; all else is optional."""
    name = path.name
    with as_clip_error(f"{name}: not a whole NPZ; {_ADVICE}"), ZipFile(path) as archive:
        arrays = _arrays(archive, name)
        frames = arrays["frames"]
        if frames.ndim != 3:
            raise ClipError(f"{name}: frames have shape {frames.shape}; wanted (t, y, x)")
        count, height, width = frames.shape
        check_size(name, count, height, width, frames.itemsize)
        patient, mm_per_px = _scalar(arrays, "patient", name), _scalar(arrays, "mm_per_px", name)
        if patient is not None and not patient.isprintable():
            raise ClipError(f"{name}: patient holds characters that cannot be shown")
        if mm_per_px is not None and not 0 < mm_per_px < math.inf:
            raise ClipError(f"{name}: mm_per_px is {mm_per_px}; wanted above 0, or none")
        return Clip(
            frames=to_grey_levels(frames, name),
            patient=hash_patient(path.stem, key) if patient is None else patient,
            mm_per_px=mm_per_px,
            truth=_truth(arrays, len(frames), name),
        )


def _arrays(archive: ZipFile, name: str) -> dict[str, ndarray]:
    """Read the arrays of a clip, once their unpacked sizes, which zipfile enforces, are checked."""
    entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    if "frames" not in entries:
        found = ", ".join([*entries][:5]) or "nothing"
        raise ClipError(f"{name}: no array named frames, only {found}; {_ADVICE}")
    entries = {member: entries[member] for member in _KNOWN if member in entries}
    total, arrays = 0, {}
    for member, entry in entries.items():
        if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # others unpack without limit
            raise ClipError(f"{name}: {member} is packed in a way that numpy never uses; {_ADVICE}")
        total += entry.file_size
        if total > limits.MAX_BYTES or (member in _SCALARS and entry.file_size > _MAX_SCALAR):
            raise ClipError(f"{name}: too large: {member} has {entry.file_size} bytes; {_ADVICE}")
        with archive.open(entry) as file:
            arrays[member] = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):  # reading to the end also makes zipfile compare the checksum
                raise ClipError(f"{name}: {member} is longer than its shape declares; {_ADVICE}")
    return arrays


def _scalar(arrays: dict[str, ndarray], field: str, name: str) -> Any:
    """A text or, for mm_per_px, a float; None where the file has none."""
    value = arrays.get(field)
    if value is None:
        return None
    if value.shape != () or value.dtype.kind != ("f" if field == "mm_per_px" else "U"):
        wanted = "float" if field == "mm_per_px" else "text"
        raise ClipError(f"{name}: {field} is {value.dtype} {value.shape}; wanted one {wanted}")
    return value.item()


def _truth(arrays: dict[str, ndarray], frames: int, name: str) -> Truth | None:
    missing = [field for field in ("parameters", *TRUTH_ARRAYS) if field not in arrays]
    if len(missing) > len(TRUTH_ARRAYS):
        return None
    if missing:
        raise ClipError(f"{name}: the truth lacks {', '.join(missing)}; wanted all of it or none")
    polygon = (frames, *arrays["lumen"].shape[1:2], 2)
    for field in TRUTH_ARRAYS:
        shape, array = (frames,) if field.endswith("stenosis") else polygon, arrays[field]
        if array.shape != shape or array.dtype.kind != "f":
            came = f"{array.dtype} {array.shape}"
            raise ClipError(f"{name}: {field} of the truth is {came}; wanted float {shape}")
    with as_clip_error(f"{name}: the parameters of the truth are not JSON"):
        parameters = json.loads(_scalar(arrays, "parameters", name))
    values = parameters.values() if isinstance(parameters, dict) else [None]
    if not all(isinstance(value, float | int | str) for value in values):
        raise ClipError(f"{name}: the truth's parameters are not a table of numbers and texts")
    return Truth(**{field: arrays[field] for field in TRUTH_ARRAYS}, parameters=parameters)
