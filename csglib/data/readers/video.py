"""Video: the luma of every frame, stretched to the full range 0 to 255.

Not in the paper, whose clips are cut from videos (section 3, "Dataset").
"""

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from csglib.data.clips import Clip, hash_patient
from csglib.data.readers.frames import FrameStack, rgb_to_grey
from csglib.data.readers.limits import MAX_SIDE, ClipError, as_clip_error, check_size

_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp")
_MKV, _MKV_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF, _ASF_FILE = map(bytes.fromhex, ("3026b2758e66cf11", "a1dcab8c47a9cf118ee400c00c205365"))
_PROGRAM_STREAM, _MPEG_VIDEO, _PACKET = b"\0\0\1\xba", b"\0\0\1\xb3", 188
_MAX_PIXELS = {"max_pixels": str(MAX_SIDE**2)}  # of a frame, before FFmpeg allocates it


def container_of(head: bytes) -> str | None:
    """FFmpeg's name of the container with these first bytes (mp4 also for mov); None if unknown."""
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[: 2 * _PACKET + 1 : _PACKET] == b"GGG":  # every packet of a transport stream begins so
        return "mpegts"
    starts = {_MKV: "matroska", _ASF: "asf", _PROGRAM_STREAM: "mpeg", _MPEG_VIDEO: "mpegvideo"}
    return next((name for start, name in starts.items() if head.startswith(start)), None)


def read_video(path: Path, key: bytes | None, container: str) -> Clip:
    """Read the first video stream of a file; see `decode_video`."""
    with path.open("rb") as file:
        return decode_video(file, container, path.name).clip(hash_patient(path.stem, key))


def decode_video(file: io.BufferedIOBase, container: str, name: str) -> FrameStack:
    """Decode every frame of the first video stream.

    Args:
        file: open, seekable. Not a path: a container could then lead FFmpeg to other files.
        container: FFmpeg's name. Never guessed by FFmpeg: some of its formats are lists of URLs.
        name: of the file, for messages.
    """
    _check_length(file, container, name)
    stack = FrameStack(name)
    with (
        as_clip_error(f"{name}: not a whole {container} video; export it again, or as mp4"),
        av.open(file, "r", container, options=_MAX_PIXELS, metadata_errors="ignore") as opened,
    ):
        if not opened.streams.video:
            raise ClipError(f"{name}: no video stream in this {container} file, only sound or text")
        stream = opened.streams.video[0]
        stream.codec_context.options = _MAX_PIXELS
        aspect = float(stream.sample_aspect_ratio or 1)
        for packet in opened.demux(stream):
            wrong = f"damaged, or over {MAX_SIDE} pixels a side; export it again"
            with as_clip_error(f"{name}: frame {stack.length} cannot be decoded: {wrong}"):
                frames = packet.decode()
            for frame in frames:
                if packet.is_corrupt or frame.is_corrupt:
                    raise ClipError(f"{name}: frame {stack.length} is damaged; export it again")
                check_size(name, stack.length + 1, frame.height, frame.width)
                if frame.rotation % 90:
                    raise ClipError(f"{name}: not turned by quarters; export it upright")
                levels, coloured = _to_grey(frame)
                stack.add(_upright(levels, frame), coloured)
                stack.aspect = 1 / aspect if frame.rotation % 180 else aspect
    if not stack.length:
        raise ClipError(f"{name}: empty: no frame of its video can be decoded; export it again")
    return stack


def _to_grey(frame: av.VideoFrame) -> tuple[UInt8[ndarray, "y x"], float]:
    """Luma over the full range, and the fraction of pixels that are coloured.

    A frame that does not state its range has the usual one of video, 16 to 235, unless its format
    is grey or a JPEG's ("yuvj"); players do the same.
    """
    pixels, stated = frame.format, frame.color_range  # 1: 16 to 235, 2: 0 to 255
    full = stated == 2 or (stated == 0 and pixels.name.startswith(("gray", "yuvj")))
    ranges = {"src_color_range": 2 if full else 1, "dst_color_range": 2}
    levels, coloured = rgb_to_grey(frame.reformat(format="rgb24", **ranges).to_ndarray())
    if not (pixels.is_rgb or pixels.has_palette):
        levels = frame.reformat(format="gray", **ranges).to_ndarray()  # exactly its luma
    return levels, coloured


def _upright(levels: UInt8[ndarray, "y x"], frame: av.VideoFrame) -> UInt8[ndarray, "rows columns"]:
    """The frame turned and mirrored as its file says that it is shown: phones lie on their side."""
    stored: Any = frame.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return levels
    # a place (x, y) is shown at (a x + c y, b x + d y)
    (a, b, _), (c, d, _) = np.frombuffer(stored, "i4")[:6].reshape(2, 3)
    if frame.rotation % 180:
        levels, a, d = levels.T, c, b
    return levels[:: np.sign(d), :: np.sign(a)]


def _check_length(file: io.BufferedIOBase, container: str, name: str) -> None:
    """Refuse a file that is shorter than its container declares.

    FFmpeg does not: it returns the frames that are left, and estimates another duration.
    """
    declared = holds = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(4096)
    if container == "mp4":
        declared = _mp4_length(file, holds)
    elif container == "avi":
        declared = 8 + int.from_bytes(head[4:8], "little")
    elif container == "mpegts":
        declared += -holds % _PACKET
    elif container == "asf" and (start := head.find(_ASF_FILE) + 40) > 40:  # 0: a live recording
        declared = int.from_bytes(head[start : start + 8], "little")
    elif container == "matroska" and (start := head.find(_MKV_SEGMENT) + 4) > 4:
        # leading zero bits of the first byte give the size's width; all ones: a live recording
        width = 9 - int.from_bytes(head[start : start + 1]).bit_length()
        size = int.from_bytes(head[start : start + width]) & (unknown := (1 << 7 * width) - 1)
        declared = start + width + size if size < unknown else holds
    file.seek(0)
    if declared > holds:
        raise ClipError(f"{name}: cut short: {holds} bytes of {declared}; copy or export it again")


def _mp4_length(file: io.BufferedIOBase, holds: int) -> int:
    """End of the last box. Each begins with its size: 4 bytes, or 1 and, behind its name, 8."""
    end = 0
    while end + 8 <= holds:
        file.seek(end)
        size, _, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        size = large if size == 1 else size
        if size < 8:  # 0: this box goes on to the end of the file
            return holds
        end += size
    return end
