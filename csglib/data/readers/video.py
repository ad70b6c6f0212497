"""Videos as grey frames: each picture's luma, to the last one, over the whole range of grey.

Not in the paper, whose clips are cut from videos (section 3, "Dataset").
"""

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from csglib.data.readers.frames import Film, Reel
from csglib.data.readers.grey import Grey, eight_bits, tinted, without_colours
from csglib.data.readers.limits import MAX_SIDE, ClipError, check_size, refusing

_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp")
_MKV_SEGMENT = b"\x18\x53\x80\x67"
_MOST_PIXELS = {"max_pixels": str(MAX_SIDE**2)}  # of a picture, before FFmpeg makes room for it
# Pixel formats whose first plane is nothing but luma, 8 bits or little-endian 9 to 16.
_LUMA_FIRST = re.compile(
    r"(gray|nv12|nv16|nv21|nv24|yuvj?4(10|11|20|22|40|44)p|yuva4(20|22|44)p)((9|1[0246])le)?"
)


def container_of(head: bytes) -> str | None:
    """Name the container by its first bytes: "mp4" (and mov), "avi", "matroska" or None."""
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    return "matroska" if head[:4] == b"\x1a\x45\xdf\xa3" else None


def read_video(file: BinaryIO | io.BytesIO, container: str, name: str) -> Film:
    """Decode every picture of the first video stream.

    A picture that does not say its range has the usual one, 16 to 235, unless its format is grey
    or a photograph's ("yuvj"); players do the same.

    Args:
        file: open at its beginning. Never a name: that could lead a container to other files.
        container: as FFmpeg calls it; never left to FFmpeg, some of whose formats are only lists
            of other files and addresses.
        name: of the file, for messages.

    Raises:
        ClipError: cut short, damaged, no video in it, an unknown codec or kind of pixel, a change
            of size, or too large.
    """
    _check_length(file, container, name)
    reel = Reel(name)
    for picture in _pictures(file, container, name):
        check_size(name, reel.length + 1, picture.height, picture.width)
        with refusing(f"{name}: frame {reel.length} cannot be made grey; convert it to mp4"):
            grey = _grey(picture, name)
        reel.add(*grey)
    if not reel.length:
        raise ClipError(f"{name}: nothing to see: its video has no frame that can be decoded")
    return reel.film()


def _pictures(file: BinaryIO | io.BytesIO, container: str, name: str) -> Iterator[av.VideoFrame]:
    complaint = f"{name}: not a whole {container} video; export it again, or convert it to mp4"
    decoded = 0
    with (
        refusing(complaint),
        av.open(file, "r", container, options=_MOST_PIXELS, metadata_errors="ignore") as opened,
    ):
        if not opened.streams.video:
            raise ClipError(f"{name}: no video stream in this {container} file, only sound or text")
        stream = opened.streams.video[0]
        stream.codec_context.options = _MOST_PIXELS
        for packet in opened.demux(stream):
            wrong = f"damaged, or over {MAX_SIDE} pixels a side; export it again"
            with refusing(f"{name}: frame {decoded} cannot be decoded: {wrong}"):
                pictures = packet.decode()
            for picture in pictures:
                if packet.is_corrupt or picture.is_corrupt:
                    raise ClipError(f"{name}: frame {decoded} is damaged; export it again")
                decoded += 1
                yield picture


def _grey(picture: av.VideoFrame, name: str) -> Grey:
    pixels = picture.format.name
    if picture.format.is_rgb or picture.format.has_palette:
        return without_colours(picture.to_ndarray(format="rgb24"))
    if not _LUMA_FIRST.fullmatch(pixels):
        advice = "convert it with: ffmpeg -i in -pix_fmt yuv420p out.mp4"
        raise ClipError(f"{name}: its pixels are stored as {pixels}, unknown here; {advice}")
    bits = picture.format.components[0].bits
    untold = picture.color_range == 0 and not pixels.startswith(("gray", "yuvj"))
    limited = picture.color_range == 1 or untold
    samples, *chroma = (_samples(plane, bits) for plane in picture.planes[:3])
    levels = eight_bits(samples[:, : picture.width], bits, limited=limited)
    if not chroma:
        return Grey(levels)
    blue, red = ((plane >> (bits - 8)).astype(np.uint8) for plane in _two(chroma, picture))
    return Grey(levels, tinted(blue, red, limited=limited))


def _samples(plane: Any, bits: int) -> Integer[ndarray, "y line"]:
    """Rows of a plane, with whatever fills them up at their right; the last one may come first."""
    kind = np.uint8 if bits == 8 else np.dtype("<u2")
    rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
    return rows if plane.line_size > 0 else rows[::-1]


def _two(
    chroma: list[Integer[ndarray, "y line"]], picture: av.VideoFrame
) -> tuple[Integer[ndarray, "y x"], Integer[ndarray, "y x"]]:
    """Blue's channel and red's: in a plane each or, in the formats called nv, by turns in one.

    In nv21 red comes first, which changes next to nothing in how far red, green and blue differ.
    """
    width = picture.planes[1].width
    if len(chroma) > 1:
        return chroma[0][:, :width], chroma[1][:, :width]
    return chroma[0][:, : 2 * width : 2], chroma[0][:, 1 : 2 * width : 2]


def _check_length(file: BinaryIO | io.BytesIO, container: str, name: str) -> None:
    """Refuse a file that ends before its container does: FFmpeg would return what is left of it."""
    holds = file.seek(0, io.SEEK_END)
    file.seek(0)
    promised = _ENDS[container](file, holds) if container in _ENDS else holds
    file.seek(0)
    if promised > holds:
        raise ClipError(f"{name}: cut short: {holds} bytes of {promised}; copy or export it again")


def _mp4_end(file: BinaryIO | io.BytesIO, holds: int) -> int:
    end = 0
    while end + 8 <= holds:
        file.seek(end)
        size = int.from_bytes(file.read(4))
        if size == 1:  # the true size, in eight bytes, follows the name of the box
            file.seek(end + 8)
            size = int.from_bytes(file.read(8))
        if size < 8:  # 0: this box goes on to the end, whatever that is
            return holds
        end += size
    return end


def _avi_end(file: BinaryIO | io.BytesIO, holds: int) -> int:
    file.seek(4)
    return 8 + int.from_bytes(file.read(4), "little")


def _matroska_end(file: BinaryIO | io.BytesIO, holds: int) -> int:
    file.seek(4)
    header = _matroska_size(file)
    file.seek(header, io.SEEK_CUR)
    if file.read(4) != _MKV_SEGMENT:
        return holds
    size = _matroska_size(file)
    return file.tell() + size if size >= 0 else holds


def _matroska_size(file: BinaryIO | io.BytesIO) -> int:
    """A length whose leading zero bits say how many bytes it has; -1 when it is left open."""
    first = int.from_bytes(file.read(1))
    digits = 7 * (9 - first.bit_length())
    rest = file.read(8 - first.bit_length() if first else 0)
    size = int.from_bytes(bytes([first]) + rest) & ((1 << digits) - 1)
    return -1 if size == (1 << digits) - 1 else size


_ENDS = {"mp4": _mp4_end, "avi": _avi_end, "matroska": _matroska_end}
