"""The pictures of a DICOM file that is not a video: unpacked one by one, and made grey.

Not in the paper. Colour takes three times the memory, so one frame at a time is in colour.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from pydicom import Dataset, uid
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.processing import apply_color_lut

from csglib.data.readers.grey import Grey, eight_bits, tinted, without_colours
from csglib.data.readers.limits import ClipError, refusing

_PACKAGES = {  # decoders that csglib does not bring along, all under permissive licences
    **dict.fromkeys((uid.JPEGLossless, uid.JPEGLosslessSV1), "python-gdcm"),
    **dict.fromkeys((uid.JPEGLSLossless, uid.JPEGLSNearLossless), "pyjpegls"),
    **dict.fromkeys((uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL), "pylibjpeg-openjpeg"),
}


class Promise(NamedTuple):
    """What the header says of the pictures, before any of them is opened."""

    frames: int
    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.columns} x {self.rows} pixels"


def check_pixels(dataset: Dataset, promise: Promise, name: str) -> None:
    """Refuse samples that are not 8 bits, and unpacked pixels that are fewer than promised."""
    bits = [dataset.get(field) for field in ("BitsAllocated", "BitsStored", "PixelRepresentation")]
    if bits != [8, 8, 0]:
        came = f"{bits[1]} bits in {bits[0]}{', signed' if bits[2] else ''}"
        raise ClipError(f"{name}: its samples have {came}; wanted ultrasound's 8 in 8, unsigned")
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    halved = dataset.PhotometricInterpretation == "YBR_FULL_422"  # two pixels share a colour
    size = promise.rows * promise.columns * (2 if halved else int(dataset.SamplesPerPixel))
    if size * promise.frames > len(dataset.PixelData):
        place = f"its pixels end in frame {len(dataset.PixelData) // size}"
        raise ClipError(f"{name}: cut short: promises {promise}, but {place}; copy it again")


def pictures(dataset: Dataset, promise: Promise, name: str) -> Iterator[Grey]:
    """Yield the promised frames, grey, or raise a ClipError that says which one is wrong."""
    unpacked = _decoder(dataset.file_meta.TransferSyntaxUID, name).iter_array(dataset, raw=True)
    for number in range(promise.frames):
        advice = "the file is damaged or cut short; export it again"
        with refusing(f"{name}: frame {number} of {promise} cannot be decoded; {advice}"):
            picture, properties = next(unpacked)
            grey = _grey(picture, dataset, str(properties["photometric_interpretation"]), name)
        yield grey


def _decoder(syntax: uid.UID, name: str) -> Decoder:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        advice = "export it uncompressed, or as JPEG"
        raise ClipError(f"{name}: packed as {syntax.name}, unknown here; {advice}") from error
    if not decoder.is_available:
        package = _PACKAGES.get(syntax, "python-gdcm")
        raise ClipError(f"{name}: packed as {syntax.name}; to read it: pip install {package}")
    return decoder


def _grey(stored: UInt8[ndarray, "y x *c"], dataset: Dataset, kind: str, name: str) -> Grey:
    match kind:
        case "MONOCHROME2":
            return Grey(stored)
        case "MONOCHROME1":
            return Grey(255 - stored)
        case "PALETTE COLOR":
            colours = apply_color_lut(stored, dataset)[..., :3]
            # Palettes of 16 bits hold 8-bit colours times 256 or 257; either way the high byte.
            eight = colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
            return without_colours(eight)
        case "RGB":
            return without_colours(stored)
        case "YBR_FULL" | "YBR_FULL_422" | "YBR_PARTIAL_422" | "YBR_PARTIAL_420":
            limited = kind.startswith("YBR_PARTIAL")
            levels, blue, red = np.moveaxis(stored, -1, 0)
            share = tinted(blue, red, limited=limited)
            return Grey(eight_bits(levels, 8, limited=limited), share)
    raise ClipError(f"{name}: colours of the kind {kind!r}; wanted grey, RGB, YBR or a palette")
