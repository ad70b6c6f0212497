"""DICOM ultrasound: still images and cine loops, uncompressed, compressed frame by frame, or video.

Not in the paper. Scanners state a scale for each region of the screen, not as PixelSpacing: one
screen may show tissue at one scale, a spectrum at another and text at none.
"""

import io
import math
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from pydicom import Dataset, uid
from pydicom.encaps import generate_fragments
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut

from csglib.data.clips import Clip, Region
from csglib.data.readers import limits
from csglib.data.readers.frames import FrameStack, rgb_to_grey
from csglib.data.readers.limits import ClipError, as_clip_error, check_size, size_text
from csglib.data.readers.video import container_of, decode_video

_DAMAGED = "the DICOM header is damaged; export it again"
_ADVICE = "export it uncompressed, or as JPEG"
_JPEG_XL = "1.2.840.10008.1.2.4.11"  # its three transfer syntaxes begin so; pydicom has no names
_TISSUE, _FLAT, _CENTIMETRES = 1, 1, 3  # codes of ultrasound regions: DICOM PS3.3, C.8.5.5


def read_dicom(path: Path) -> Clip:
    """Read every frame as grey levels; colours become luma, and no window is applied.

    `Clip.patient` is a hash of PatientID, or of the file name where that is empty: clips of one
    patient share it, but whoever has a list of all PatientIDs can hash those too.
    """
    name = path.name
    with as_clip_error(f"{name}: {_DAMAGED}"):
        dataset = _open(path)
        frames = dataset.get("NumberOfFrames")
        shape = (1 if frames is None else int(frames), int(dataset.Rows), int(dataset.Columns))
        check_size(name, *shape)
        is_video = dataset.file_meta.TransferSyntaxUID in uid.MPEGTransferSyntaxes
        if not is_video:
            _check_samples(dataset, name)
        identity = str(dataset.get("PatientID") or "").strip() or path.stem
        scale, region = _scale_and_tissue(dataset)
    stack = (_decode_stream if is_video else _decode_frames)(dataset, shape, name)
    return stack.clip(identity, scale, region)


def _open(path: Path) -> Dataset:
    name, size = path.name, path.stat().st_size
    most = limits.MAX_BYTES // 4 * 3  # the whole file is in memory, and its frames beside it
    if size > most:
        raise ClipError(f"{name}: too large: over {most >> 20} MiB; cut out what you need")
    syntax = _transfer_syntax(path)
    dataset = pydicom.dcmread(path, force=True)
    if not dataset.get("PixelData"):
        kind = dataset.file_meta.get("MediaStorageSOPClassUID", uid.UID("")).name or "unknown"
        reasons = f"it is cut short, or a file without images (its kind: {kind})"
        raise ClipError(f"{name}: no pixel data: {reasons}; export the clip again")
    pixels = dataset["PixelData"]
    if not syntax and pixels.is_undefined_length:
        raise ClipError(f"{name}: compressed, and no header says how; {_ADVICE}")
    implicit, little = dataset.original_encoding
    plain = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
    found = uid.ImplicitVRLittleEndian if implicit else plain
    dataset.file_meta.TransferSyntaxUID = syntax or found
    end_mark = 8 * pixels.is_undefined_length  # bytes behind compressed data
    if (pixels.file_tell or 0) + len(pixels.value) + end_mark > size:
        raise ClipError(f"{name}: cut short: it ends within the pixel data; copy it again")
    return dataset


def _transfer_syntax(path: Path) -> uid.UID:
    """How the file is packed, if it says so; refuses what pydicom cannot unpack, or not safely."""
    with path.open("rb") as file:
        read_preamble(file, force=True)  # or none: some files begin with their first element
        header = read_dataset(file, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    syntax = uid.UID(header.get("TransferSyntaxUID") or "")
    if syntax == uid.DeflatedExplicitVRLittleEndian:  # pydicom unpacks it without limit
        raise ClipError(f"{path.name}: deflated as a whole, which is not read; {_ADVICE}")
    if syntax and not syntax.is_transfer_syntax:
        kind = "JPEG XL" if syntax.startswith(_JPEG_XL) else f"transfer syntax {syntax}"
        raise ClipError(f"{path.name}: compressed as {kind}, unknown here; {_ADVICE}")
    return syntax


def _check_samples(dataset: Dataset, name: str) -> None:
    bits = [dataset.get(field) for field in ("BitsAllocated", "BitsStored", "PixelRepresentation")]
    if bits != [8, 8, 0]:
        came = f"{bits[1]} bits in {bits[0]}{', signed' if bits[2] else ''}"
        raise ClipError(f"{name}: its samples have {came}; wanted ultrasound's 8 in 8, unsigned")


def _decode_frames(dataset: Dataset, shape: tuple[int, int, int], name: str) -> FrameStack:
    """Decode one frame at a time: in colour, all of them take three times the memory."""
    syntax = dataset.file_meta.TransferSyntaxUID
    with as_clip_error(f"{name}: compressed as {syntax.name}, unknown here; {_ADVICE}"):
        decoder = get_decoder(syntax)
    if not decoder.is_available:
        package = "pylibjpeg-openjpeg" if "High-Throughput" in syntax.name else "python-gdcm"
        raise ClipError(f"{name}: compressed as {syntax.name}; to read it: pip install {package}")
    stack, decoded = FrameStack(name), decoder.iter_array(dataset, raw=True)
    wrong = "cannot be decoded; the file is damaged or cut short; export it again"
    for number in range(shape[0]):
        with as_clip_error(f"{name}: frame {number} of {size_text(*shape)} {wrong}"):
            samples, properties = next(decoded)
            kind = str(properties["photometric_interpretation"])
            stack.add(*_to_grey(samples, dataset, kind, name))
    return stack


def _to_grey(
    samples: UInt8[ndarray, "y x *c"], dataset: Dataset, kind: str, name: str
) -> tuple[UInt8[ndarray, "y x"], float]:
    """Grey levels, and the fraction of pixels that are coloured."""
    if kind in ("MONOCHROME1", "MONOCHROME2"):
        return (samples if kind == "MONOCHROME2" else 255 - samples), 0.0
    if kind == "PALETTE COLOR":
        colours = apply_color_lut(samples, dataset)[..., :3]
        # Palettes of 16 bits hold 8-bit colours times 256 or 257: either way in the high byte
        samples = (colours >> (8 if colours.dtype == np.uint16 else 0)).astype(np.uint8)
    if kind in ("RGB", "PALETTE COLOR"):
        return rgb_to_grey(samples)
    if kind in ("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"):
        if kind.startswith("YBR_PARTIAL"):  # luma runs from 16 to 235, chroma from 16 to 240
            full = (samples - np.array([16.0, 128, 128])) * (255 / np.array([219, 224, 224]))
            samples = np.rint(full + np.array([0, 128, 128])).clip(0, 255).astype(np.uint8)
        rgb = Image.fromarray(np.ascontiguousarray(samples), "YCbCr").convert("RGB")
        return samples[..., 0], rgb_to_grey(np.array(rgb))[1]
    raise ClipError(f"{name}: colours of the kind {kind!r}; wanted grey, RGB, YBR or a palette")


def _decode_stream(dataset: Dataset, shape: tuple[int, int, int], name: str) -> FrameStack:
    """Decode a video that is stored whole: an mp4, a transport stream or a raw stream."""
    with as_clip_error(f"{name}: the video inside is damaged or cut short; export it again"):
        fragments = generate_fragments(dataset.PixelData)
        next(fragments)  # the table of offsets, or nothing
        stream = io.BytesIO(b"".join(fragments))
    head, syntax = bytes(stream.getbuffer()[:512]), dataset.file_meta.TransferSyntaxUID.name
    raw = "mpegvideo" if "MPEG2" in syntax else "hevc" if "HEVC" in syntax else "h264"
    stack = decode_video(stream, container_of(head) or raw, name)
    if stack.length < shape[0] or stack.shape != shape[1:]:
        found = size_text(stack.length, *stack.shape)
        raise ClipError(f"{name}: declares {size_text(*shape)}, but its video has {found}")
    return stack


def _scale_and_tissue(dataset: Dataset) -> tuple[float | None, Region | None]:
    """Millimetres per pixel that all regions of tissue share, and the region if it is the only one.

    None where the file does not state them. Never guessed.
    """
    items = dataset.get("SequenceOfUltrasoundRegions") or []
    tissue = [item for item in items if item.get("RegionDataType") == _TISSUE]
    scales = {_scale(item, dataset) for item in tissue}
    flat = [item for item in tissue if item.get("RegionSpatialFormat") == _FLAT]
    scale = scales.pop() if len(scales) == 1 else None
    return scale, _edges(flat[0], dataset) if len(flat) == 1 else None


def _scale(item: Dataset, image: Dataset) -> float | None:
    units = [item.get(f"PhysicalUnits{axis}Direction") for axis in "XY"]
    across, down = (abs(float(item.get(f"PhysicalDelta{axis}") or 0)) for axis in "XY")
    square = 0 < across < math.inf and math.isclose(across, down, rel_tol=1e-3)
    stated = item.get("RegionSpatialFormat") == _FLAT and units == [_CENTIMETRES] * 2
    return 10 * across if square and stated and _edges(item, image) else None


def _edges(item: Dataset, image: Dataset) -> Region | None:
    """The item's rectangle; None if it exceeds the image, which has then been resized."""
    names = ("MinX0", "MinY0", "MaxX1", "MaxY1")
    left, top, right, bottom = edges = [item.get(f"RegionLocation{name}") for name in names]
    if None in edges or not (
        0 <= left < right <= image.Columns and 0 <= top < bottom <= image.Rows
    ):
        return None
    # Some scanners count the last column and row, some the edge behind it: take the larger part
    last = min(int(right) + 1, image.Columns), min(int(bottom) + 1, image.Rows)
    return Region(int(left), int(top), *last)
