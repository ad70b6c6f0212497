"""Clips in NPZ: what `csglib.data.clips.save_clip` wrote, or frames that somebody else saved.

Not in the paper. No pickle is ever opened: a pickle can run any program.
"""

import json
import math
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from csglib.data.clips import TRUTH_ARRAYS, Clip, Truth, hash_patient
from csglib.data.readers.frames import Reel
from csglib.data.readers.limits import MAX_BYTES, ClipError, check_size, refusing

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_NO_FRAMES = ("patient", "mm_per_px", "parameters")
_KNOWN = ("frames", *_NO_FRAMES, *TRUTH_ARRAYS)
_SMALL = 1 << 20  # bytes: words and numbers of a clip need a thousandth of that
_ADVICE = "write it with csglib.data.clips.save_clip, or np.savez_compressed(path, frames=frames)"


def read_npz(path: Path) -> Clip:
    """Read a clip, with its truth if that is there.

    Args:
        path: an NPZ with `frames` (t, y, x), uint8 or float from 0 to 1; all else is optional.

    Raises:
        ClipError: no such frames, pickled objects, an incomplete truth, or a damaged file.
    """
    with refusing(f"{path.name}: not a whole NPZ; {_ADVICE}"), ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "frames" not in names:
            found = ", ".join(names[:5]) or "nothing"
            raise ClipError(f"{path.name}: no array named frames, only {found}; {_ADVICE}")
        arrays: dict[str, ndarray] = {}
        for name in _KNOWN:  # each once, however often the archive lists it
            if name in names:
                room = MAX_BYTES - sum(array.nbytes for array in arrays.values())
                most = min(room, _SMALL) if name in _NO_FRAMES else room
                arrays[name] = _array(archive, name, path.name, most)
        frames = _grey(arrays["frames"], path.name)
        return Clip(
            frames=frames,
            patient=_patient(arrays, path),
            mm_per_px=_mm_per_px(arrays, path.name),
            truth=_truth(arrays, len(frames), path.name),
        )


def _array(archive: ZipFile, member: str, name: str, most: int) -> ndarray:
    """One array of at most that many bytes."""
    if archive.getinfo(f"{member}.npy").compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ClipError(f"{name}: {member} is packed in a way that numpy never uses; {_ADVICE}")
    with archive.open(f"{member}.npy") as file:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    if dtype.hasobject:
        raise ClipError(f"{name}: {member} holds pickled objects and is left closed; {_ADVICE}")
    if math.prod(shape) * dtype.itemsize > most:
        size = f"{most >> 20} MiB" if most > _SMALL else f"{most} bytes"
        raise ClipError(f"{name}: {member} {shape} is too large: over {size}")
    with archive.open(f"{member}.npy") as file:
        array: ndarray = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):  # reading to the very end is also what makes zipfile compare the checksum
            raise ClipError(f"{name}: {member} is longer than its shape {shape} says")
    return array


def _grey(frames: ndarray, name: str) -> UInt8[ndarray, "t y x"]:
    if frames.ndim != 3:
        raise ClipError(f"{name}: frames have shape {frames.shape}; wanted (frame, row, column)")
    count, height, width = frames.shape
    check_size(name, count, height, width, frames.itemsize)
    if frames.dtype == np.uint8:
        return frames
    if frames.dtype.kind != "f":
        raise ClipError(f"{name}: frames are {frames.dtype}; wanted uint8, or float from 0 to 1")
    reel = Reel(name)
    for number, frame in enumerate(frames):
        if not np.isfinite(frame).all():
            raise ClipError(f"{name}: frame {number} holds NaN or infinity; wanted 0 to 1")
        if frame.min() < 0 or frame.max() > 1:
            span = f"{frame.min():g} to {frame.max():g}"
            raise ClipError(f"{name}: frame {number} runs from {span}; wanted 0 to 1, or uint8")
        reel.add(np.rint(frame * 255).astype(np.uint8))
    return reel.film().frames


def _patient(arrays: dict[str, ndarray], path: Path) -> str:
    patient = arrays.get("patient")
    if patient is None:
        return hash_patient(path.stem)
    if patient.shape != () or patient.dtype.kind != "U":
        raise ClipError(f"{path.name}: patient is {patient.dtype} {patient.shape}; wanted one text")
    if not str(patient).isprintable():
        raise ClipError(f"{path.name}: patient holds signs that cannot be shown; wanted one text")
    return str(patient)


def _mm_per_px(arrays: dict[str, ndarray], name: str) -> float | None:
    scale = arrays.get("mm_per_px")
    if scale is None:
        return None
    if scale.shape != () or scale.dtype.kind != "f" or not 0 < scale < math.inf:
        raise ClipError(f"{name}: mm_per_px is {scale!r}; wanted one float above 0, or none")
    return float(scale)


def _truth(arrays: dict[str, ndarray], frames: int, name: str) -> Truth | None:
    wanted = ("parameters", *TRUTH_ARRAYS)
    missing = [field for field in wanted if field not in arrays]
    if len(missing) == len(wanted):
        return None
    if missing:
        raise ClipError(f"{name}: the truth lacks {', '.join(missing)}; wanted all of it or none")
    polygon = (frames, *arrays["lumen"].shape[1:2], 2)
    for field in TRUTH_ARRAYS:
        shape = (frames,) if field.endswith("stenosis") else polygon
        array = arrays[field]
        if array.shape != shape or array.dtype.kind != "f":
            came = f"{array.dtype} {array.shape}"
            raise ClipError(f"{name}: {field} of the truth is {came}; wanted float {shape}")
    kept = {field: arrays[field] for field in TRUTH_ARRAYS}
    return Truth(**kept, parameters=_parameters(str(arrays["parameters"]), name))


def _parameters(text: str, name: str) -> dict[str, Any]:
    with refusing(f"{name}: the parameters of the truth are not JSON"):
        parameters = json.loads(text)
    flat = isinstance(parameters, dict) and all(
        isinstance(value, float | int | str) for value in parameters.values()
    )
    if not flat:
        raise ClipError(f"{name}: the parameters of the truth are not a table of numbers and words")
    return dict(parameters)
