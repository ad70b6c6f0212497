"""Size limits, checked before anything is decoded, and the one exception for unreadable files.

Not in the paper. Section 3, "Dataset", is well within: its 200 videos have 316 frames on average.
"""

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

MAX_FRAMES = 10_000  # five minutes at 30 frames a second
MAX_SIDE = 4096  # pixels; ultrasound screens have at most 1920
MAX_BYTES = 1 << 30  # all frames of a clip together, as the file stores them
_OPENED = re.compile(r"(?<=cannot identify image file) .*")  # a path, or an open file: Pillow
_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^/\\'\"<>]*[/\\])+")  # of whole paths


class ClipError(ValueError):
    """A file that cannot be read as a clip: which, what is wrong, what to do, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else "\ufffd" for c in message))


def size_text(frames: int, height: int, width: int) -> str:
    """A clip's size, for messages."""
    return f"{frames} frames of {width} x {height} pixels"


def check_size(name: str, frames: int, height: int, width: int, bytes_each: int = 1) -> None:
    """Refuse an empty or huge clip before it is decoded: a few bytes can declare 10^9 pixels."""
    size = size_text(frames, height, width)
    if min(frames, height, width) < 1:
        raise ClipError(f"{name}: empty: {size}; wanted at least one frame of one pixel")
    too_much = math.prod((frames, height, width, bytes_each)) > MAX_BYTES
    if too_much or frames > MAX_FRAMES or max(height, width) > MAX_SIDE:
        limits = f"{MAX_FRAMES} frames, {MAX_SIDE} pixels a side, {MAX_BYTES >> 20} MiB in all"
        raise ClipError(f"{name}: too large: {size}; at most {limits}; cut out what you need")


def check_link(path: Path, home: Path, name: str) -> None:
    """Refuse a symbolic link that leads out of the folder `home`, or nowhere."""
    if not path.is_symlink():
        return
    with as_clip_error(f"{name}: a link that leads nowhere; copy the file itself"):
        target = path.resolve(strict=True)
    if not target.is_relative_to(home.resolve()):
        raise ClipError(f"{name}: a link that leads out of its folder; copy the file itself")


@contextmanager
def as_clip_error(message: str) -> Iterator[None]:
    """Turn any exception that a parser raises over a damaged file into a ClipError.

    The parser's own words follow `message`, without folder names: those may name a patient.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # harmless breaches of standards
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except ClipError:
        raise
    except Exception as error:  # over damaged bytes, parsers raise nearly every type there is
        words = str(error)
        if name := getattr(error, "filename", None):  # what Python or FFmpeg has opened
            words = words.replace(f": {name!r}", "")
        words = " ".join(_FOLDERS.sub("", _OPENED.sub("", words)).split())
        raise ClipError(f"{message} ({type(error).__name__}: {words})") from error
