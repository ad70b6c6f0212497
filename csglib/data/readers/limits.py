"""What a file must keep to before it becomes a clip, and the one error for a file that does not.

Not in the paper. Section 3, "Dataset", is well inside: its 200 videos have 316 frames on average.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_FRAMES = 10_000  # five minutes at 30 frames a second
MAX_SIDE = 4096  # pixels; ultrasound screens have at most 1920
MAX_BYTES = 1 << 30  # of all decoded frames together
_OPENED = re.compile(r"(?<=cannot identify image file) .*")  # a path, or an open file: Pillow
_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^/\\'\"<>]*[/\\])+")  # of whole paths


class ClipError(ValueError):
    """A file that cannot be read as a clip; the message says which, why, and what helps.

    It is one line that any terminal can show, whatever a file or its name put into it.

    Args:
        message: for whoever has the file.
    """

    def __init__(self, message: str) -> None:
        super().__init__(
            "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message)
        )


def check_size(name: str, frames: int, height: int, width: int, bytes_each: int = 1) -> None:
    """Refuse a clip before it fills the memory: a few bytes can promise a billion pixels.

    Args:
        name: of the file, for the message.
        frames: how many are promised, or already read.
        height: of a frame, pixels.
        width: of a frame, pixels.
        bytes_each: of one pixel as it is stored.

    Raises:
        ClipError: nothing to see, or more than `MAX_FRAMES`, `MAX_SIDE` or `MAX_BYTES`.
    """
    size = f"{frames} frames of {width} x {height} pixels"
    if min(frames, height, width) < 1:
        raise ClipError(f"{name}: nothing to see: {size}; wanted at least one frame of one pixel")
    too_much = math.prod((frames, height, width, bytes_each)) > MAX_BYTES
    if too_much or frames > MAX_FRAMES or max(height, width) > MAX_SIDE:
        limits = f"{MAX_FRAMES} frames, {MAX_SIDE} pixels a side, {MAX_BYTES >> 20} MiB in all"
        raise ClipError(f"{name}: too large: {size}; at most {limits}; cut out what you need")


def check_link(path: Path, home: Path, name: str) -> None:
    """Refuse a link that leads out of a folder: what lies there was not given to be read.

    Args:
        path: a link or not.
        home: the folder.
        name: of the file, for the message.

    Raises:
        ClipError: it leads out, or nowhere.
    """
    if not path.is_symlink():
        return
    with refusing(f"{name}: a link that leads nowhere; copy the file itself"):
        target = path.resolve(strict=True)
    if not target.is_relative_to(home.resolve()):
        raise ClipError(f"{name}: a link that leads out of its folder; copy the file itself")


@contextmanager
def refusing(complaint: str) -> Iterator[None]:
    """Make a ClipError of whatever a foreign parser raises over a damaged file.

    Files in its words are left out, or at least their folders: those may be a patient's name, and
    the complaint has said already which file it is.

    Args:
        complaint: file, place, what is wanted; the parser's own words follow it.

    Raises:
        ClipError: anything was raised inside.
    """
    try:
        yield
    except ClipError:
        raise
    except Exception as error:  # over damaged bytes parsers raise nearly every type there is
        reason = f"{type(error).__name__}: {_words(error)}"
        reason = " ".join(reason.split())  # some come in several lines
        raise ClipError(f"{complaint} ({reason})") from error


def _words(error: Exception) -> str:
    words = str(error)
    if name := getattr(error, "filename", None):  # of what Python or FFmpeg has opened
        words = words.replace(f": {name!r}", "")
    return _FOLDERS.sub("", _OPENED.sub("", words))
