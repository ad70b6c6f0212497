"""DICOM ultrasound: still images and cine loops, uncompressed, compressed frame by frame, or video.

Not in the paper. Scanners state a scale for each region of the screen: one screen may show tissue
at one scale, a spectrum at another and text at none. Where a header and its pixels contradict each
other, the pixels count, and `Clip.notes` says so.
"""

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from pydicom import DataElement, Dataset, uid
from pydicom.encaps import generate_fragments
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_windowing
from pydicom.pixels.utils import get_expected_length

from csglib.data.clips import Clip, Region, hash_patient
from csglib.data.readers import limits
from csglib.data.readers.frames import FrameStack, rgb_to_grey
from csglib.data.readers.limits import ClipError, as_clip_error, check_size, size_text
from csglib.data.readers.video import container_of, decode_video

_DAMAGED = "the DICOM header is damaged; export it again"
_ADVICE = "export it uncompressed, or as JPEG"
_TISSUE, _FLAT, _CENTIMETRES = 1, 1, 3  # codes of ultrasound regions: DICOM PS3.3, C.8.5.5
_REQUIRED = ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation")
_JPEG_XL = "1.2.840.10008.1.2.4.11"  # its three transfer syntaxes begin so; pydicom has no names
_FRAME_STARTS = (b"\xff\xd8", b"\xff\x4f", b"\0\0\0\x0cjP")  # JPEG, JPEG 2000 bare and in JP2


def read_dicom(path: Path, key: bytes | None) -> Clip:
    """Read every frame as grey levels: colours as luma, 16 bits as their window shows them."""
    name = path.name
    with as_clip_error(f"{name}: {_DAMAGED}"):
        dataset = _open(path)
        shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
        check_size(name, *shape)
        identity = str(dataset.get("PatientID") or "").strip() or path.stem
        aspect, scale, region = _geometry(dataset)
    is_video = dataset.file_meta.TransferSyntaxUID in uid.MPEGTransferSyntaxes
    stack = (_decode_stream if is_video else _decode_frames)(dataset, shape, name)
    stack.aspect = aspect or stack.aspect
    return stack.clip(hash_patient(identity, key), scale, region)


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
    if missing := [field for field in _REQUIRED if dataset.get(field) in (None, "")]:
        raise ClipError(f"{name}: states no {', '.join(missing)}; export it again")
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


def _check_samples(dataset: Dataset, name: str) -> Iterator[str]:
    """Refuse what is neither 8 bits nor grey ultrasound of 16, of which it says the window."""
    bits = [dataset.BitsAllocated, dataset.get("BitsStored") or dataset.BitsAllocated]
    signed = dataset.get("PixelRepresentation") or 0
    dataset.BitsStored, dataset.PixelRepresentation = bits[1], signed
    window = [dataset.get(f"Window{field}") for field in ("Center", "Width")]
    grey = "MONOCHROME" in dataset.PhotometricInterpretation and dataset.get("Modality") == "US"
    if bits[0] == 16 and grey and None not in window:
        yield f"{bits[1]} bits, shown by the window it states: {window[0]}, {window[1]} wide"
    elif [*bits, signed] != [8, 8, 0]:
        came = f"{bits[1]} bits in {bits[0]}{', signed' if signed else ''}"
        wanted = "ultrasound's 8 in 8, unsigned, or grey 16 with a window"
        raise ClipError(f"{name}: its samples have {came}; wanted {wanted}")


def _corrected(dataset: Dataset) -> Iterator[str]:
    """Complete and correct the header by what the pixels are; say so where it matters."""
    if dataset.SamplesPerPixel > 1 and dataset.get("PlanarConfiguration") is None:
        dataset.PlanarConfiguration = 0
        yield "states no PlanarConfiguration: taken as 0, one pixel after another"
    if dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRBigEndian:
        for colour in ("Red", "Green", "Blue"):  # pydicom takes them as little-endian in any file
            if element := dataset.get_item(f"{colour}PaletteColorLookupTableData"):
                words = np.frombuffer(element.value, ">u2").astype("<u2")
                dataset[element.tag] = DataElement(element.tag, "OW", words.tobytes())
    pixels, stated = dataset.PixelData, dataset.get("NumberOfFrames")
    if dataset["PixelData"].is_undefined_length:
        rle = dataset.file_meta.TransferSyntaxUID == uid.RLELossless  # first a table, then frames
        starts = (it.startswith(_FRAME_STARTS) for it in generate_fragments(pixels))
        held = sum(rle or start for start in starts) - rle
    else:
        if kind := _mislabelled(dataset):
            dataset.PhotometricInterpretation = kind
            yield f"states YBR_FULL_422, of two bytes a pixel, and has three: read as {kind}"
        held = len(pixels) * (stated or 1) // get_expected_length(dataset)
    if held > (stated or 1):  # if there are fewer, the decoder says at which it stops
        said = "no number of frames" if stated is None else f"{stated} frames"
        yield f"states {said}, and holds {held}: all of them are read"
        dataset.NumberOfFrames = held


def _mislabelled(dataset: Dataset) -> str | None:
    """What uncompressed pixels are if the header says YBR_FULL_422 and they have three bytes."""
    pixels, stated = dataset.PixelData, dataset.get("NumberOfFrames")
    size = dataset.Rows * dataset.Columns
    frames, rest = divmod(len(pixels), 3 * size)  # a byte is left to make an even number of them
    whole = rest < 2 and (frames == stated or (not stated and len(pixels) % (2 * size) > 1))
    if dataset.PhotometricInterpretation != "YBR_FULL_422" or not whole:
        return None
    first = np.frombuffer(pixels, np.uint8, 3 * size).astype(int)
    planes = first.reshape(3, -1) if dataset.PlanarConfiguration else first.reshape(-1, 3).T
    # mostly grey: red, green and blue are then alike, or both chroma channels are 128
    spread = [np.abs(planes[1:] - grey).mean() for grey in (planes[0], 128)]
    return "RGB" if spread[0] < spread[1] else "YBR_FULL"


def _decode_frames(dataset: Dataset, shape: tuple[int, int, int], name: str) -> FrameStack:
    """Decode one frame at a time: in colour, all of them take three times the memory."""
    syntax, stack = dataset.file_meta.TransferSyntaxUID, FrameStack(name)
    with as_clip_error(f"{name}: {_DAMAGED}"):
        stack.notes += [*_check_samples(dataset, name), *_corrected(dataset)]
        shape = (int(dataset.get("NumberOfFrames") or 1), *shape[1:])
        check_size(name, *shape, dataset.BitsAllocated // 8)
    with as_clip_error(f"{name}: compressed as {syntax.name}, unknown here; {_ADVICE}"):
        decoder = get_decoder(syntax)
    if not decoder.is_available:
        package = "pylibjpeg-openjpeg" if "High-Throughput" in syntax.name else "python-gdcm"
        raise ClipError(f"{name}: compressed as {syntax.name}; to read it: pip install {package}")
    decoded = decoder.iter_array(dataset, raw=True)
    if not syntax.is_encapsulated:  # after a frame of 4:2:2, pydicom's iterator expects 4:4:4
        decoded = (decoder.as_array(dataset, index=n, raw=True) for n in range(shape[0]))
    wrong = "cannot be decoded; the file is damaged or cut short; export it again"
    for number in range(shape[0]):
        with as_clip_error(f"{name}: frame {number} of {size_text(*shape)} {wrong}"):
            samples, properties = next(decoded)
            kind = str(properties["photometric_interpretation"])
            stack.add(*_to_grey(samples, dataset, kind, name))
    return stack


def _to_grey(
    samples: ndarray, dataset: Dataset, kind: str, name: str
) -> tuple[UInt8[ndarray, "y x"], float]:
    """Grey levels, and the fraction of pixels that are coloured."""
    if kind in ("MONOCHROME1", "MONOCHROME2"):
        levels = samples if samples.dtype == np.uint8 else _windowed(samples, dataset)
        return (levels if kind == "MONOCHROME2" else 255 - levels), 0.0
    if kind == "PALETTE COLOR":
        if "RedPaletteColorLookupTableDescriptor" not in dataset:
            raise ClipError(f"{name}: states no palette for its colours; export it in RGB")
        samples = _palette(dataset)[samples]
    if kind in ("RGB", "PALETTE COLOR"):
        return rgb_to_grey(samples)
    if kind in ("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"):
        if kind.startswith("YBR_PARTIAL"):  # luma runs from 16 to 235, chroma from 16 to 240
            full = (samples - np.array([16.0, 128, 128])) * (255 / np.array([219, 224, 224]))
            samples = np.rint(full + np.array([0, 128, 128])).clip(0, 255).astype(np.uint8)
        rgb = Image.fromarray(np.ascontiguousarray(samples), "YCbCr").convert("RGB")
        return samples[..., 0], rgb_to_grey(np.array(rgb))[1]
    raise ClipError(f"{name}: colours of the kind {kind!r}; wanted grey, RGB, YBR or a palette")


def _windowed(samples: ndarray, dataset: Dataset) -> UInt8[ndarray, "y x"]:
    window = Dataset()  # of 8 bits and no rescaling: then pydicom gives 0 to 255
    window.BitsStored, window.PixelRepresentation = 8, 0
    window.PhotometricInterpretation = "MONOCHROME2"
    for field in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
        if field in dataset:
            window[field] = dataset[field]
    return np.rint(apply_windowing(apply_modality_lut(samples, dataset), window)).astype(np.uint8)


def _palette(dataset: Dataset) -> UInt8[ndarray, "256 3"]:
    """The colour of each stored value.

    Entries of 16 bits hold colours of 8 bits, as they are or times 256 or 257, or of 10 or 12 bits:
    the largest entry tells.
    """
    table = apply_color_lut(np.arange(256), dataset)[..., :3]
    bits = int(table.max()).bit_length()
    return (table >> (8 if bits > 12 else max(bits - 8, 0))).astype(np.uint8)


def _decode_stream(dataset: Dataset, shape: tuple[int, int, int], name: str) -> FrameStack:
    """Decode a video that is stored whole: an mp4, a transport stream or a raw stream."""
    with as_clip_error(f"{name}: the video inside is damaged or cut short; export it again"):
        fragments = generate_fragments(dataset.PixelData)
        next(fragments)  # the table of offsets, or nothing
        stream = io.BytesIO(b"".join(fragments))
    head, syntax = bytes(stream.getbuffer()[:512]), dataset.file_meta.TransferSyntaxUID.name
    raw = "mpegvideo" if "MPEG2" in syntax else "hevc" if "HEVC" in syntax else "h264"
    stack = decode_video(stream, container_of(head) or raw, name)
    if stack.length < shape[0] - 1 or stack.shape != shape[1:]:  # one is lost in some encoders
        found = size_text(stack.length, *stack.shape)
        raise ClipError(f"{name}: declares {size_text(*shape)}, but its video has {found}")
    if dataset.get("NumberOfFrames") and stack.length != shape[0]:
        stack.notes.append(f"states {shape[0]} frames, its video has {stack.length}: all are read")
    return stack


def _geometry(dataset: Dataset) -> tuple[float | None, float | None, Region | None]:
    """Width of a pixel over its height, its shorter side in mm, and the only region of tissue.

    Each is None where the file does not state it, or states several. Never guessed: outside of
    ultrasound, PixelSpacing is often a filler.
    """
    items = dataset.get("SequenceOfUltrasoundRegions") or []
    tissue = [item for item in items if item.get("RegionDataType") == _TISSUE]
    spacing = _positive(dataset.get("PixelSpacing"))
    sizes = {_pixel_size(item, dataset) for item in tissue} if items else {spacing}
    size = sizes.pop() if len(sizes) == 1 else None
    shape = size or _positive(dataset.get("PixelAspectRatio"))
    scale = min(size) if size and (items or dataset.get("Modality") == "US") else None
    flat = [item for item in tissue if item.get("RegionSpatialFormat") == _FLAT]
    region = _edges(flat[0], dataset) if len(flat) == 1 else None
    return shape and shape[1] / shape[0], scale, region


def _positive(sides: Sequence[Any] | None) -> tuple[float, float] | None:
    """Height and width, if both are stated."""
    height, width = (abs(float(side or 0)) for side in sides or (0, 0))
    return (height, width) if 0 < min(height, width) <= max(height, width) < math.inf else None


def _pixel_size(item: Dataset, image: Dataset) -> tuple[float, float] | None:
    """Height and width of a pixel in mm; None if the item does not state them."""
    units = [item.get(f"PhysicalUnits{axis}Direction") for axis in "XY"]
    size = _positive([item.get(f"PhysicalDelta{axis}") for axis in "YX"])
    stated = item.get("RegionSpatialFormat") == _FLAT and units == [_CENTIMETRES] * 2
    return (10 * size[0], 10 * size[1]) if size and stated and _edges(item, image) else None


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
