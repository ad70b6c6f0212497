"""Clips that are pictures: a folder with one PNG or JPEG a frame, or an animated GIF.

Not in the paper, whose clips are cut from videos (section 3, "Dataset").
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageOps, ImageSequence

from csglib.data.grey import eight_bits, luma
from csglib.data.limits import ClipError, check_size, refusing

_LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini"}  # and whatever begins with a dot
_WANTED = "wanted one PNG or JPEG a frame, all of one size, and nothing else"


def read_folder(folder: Path) -> UInt8[ndarray, "t y x"]:
    """Read a folder of PNG or JPEG, one a frame, in the order of the numbers in their names.

    frame_10 comes after frame_9, whatever the alphabet says. Colours become their luma, of 16 bits
    the upper eight stay, and a JPEG that says how it is turned is turned.

    Args:
        folder: with nothing else in it; hidden files do not count.

    Raises:
        ClipError: no picture, something that is none, a link that leads out of the folder, sizes
            that differ, damage, or too large; says which file.
    """
    paths = _in_order(folder)
    frames: list[ndarray] = []
    for path in paths:
        name = f"{folder.name}/{path.name}"
        with (
            refusing(f"{name}: not a whole PNG or JPEG; {_WANTED}"),
            _patiently(),
            Image.open(path, formats=("PNG", "JPEG")) as picture,
        ):
            check_size(name, len(paths), picture.height, picture.width)
            if getattr(picture, "n_frames", 1) > 1:
                raise ClipError(f"{name}: moves by itself; {_WANTED}")
            grey = _grey(ImageOps.exif_transpose(picture))
        if frames and frames[0].shape != grey.shape:
            (height, width), (first_height, first_width) = grey.shape, frames[0].shape
            sizes = f"{width} x {height}, and {paths[0].name} is {first_width} x {first_height}"
            raise ClipError(f"{name}: is {sizes}; {_WANTED}")
        frames.append(grey)
    return np.stack(frames)


def read_gif(file: BinaryIO, name: str) -> UInt8[ndarray, "t y x"]:
    """Read every picture of a GIF as it would be seen: each laid over the ones before.

    Args:
        file: open at its beginning.
        name: of the file, for messages.

    Raises:
        ClipError: damaged, cut short, or too large.
    """
    frames: list[ndarray] = []
    with (
        refusing(f"{name}: not a whole GIF; export it again, or as mp4"),
        _patiently(),
        Image.open(file, formats=("GIF",)) as opened,
    ):
        for picture in ImageSequence.Iterator(opened):
            check_size(name, len(frames) + 1, picture.height, picture.width)
            frames.append(_grey(picture))
    return np.stack(frames)


def is_picture(head: bytes) -> bool:
    """Whether a file begins as PNG or JPEG do."""
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


@contextmanager
def _patiently() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # odd EXIF, extra data: no matter
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        yield


def _in_order(folder: Path) -> list[Path]:
    with refusing(f"{folder}: the folder cannot be listed"):
        inside = [path for path in folder.iterdir() if not _is_left_by_systems(path)]
    if not inside:
        raise ClipError(f"{folder}: an empty folder; {_WANTED}")
    home = folder.resolve()
    for path in sorted(inside):
        with refusing(f"{folder.name}/{path.name}: a link that leads nowhere"):
            target = path.resolve(strict=True)
        if not target.is_relative_to(home):
            raise ClipError(f"{folder.name}/{path.name}: a link that leads out of the folder; copy")
        if not target.is_file():
            kind = "a folder" if target.is_dir() else "a device or a pipe"
            raise ClipError(f"{folder.name}/{path.name}: {kind}; {_WANTED}")
    return sorted(inside, key=lambda path: (_numbered(path.stem), path.name))


def _is_left_by_systems(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LEFT_BY_SYSTEMS


def _numbered(name: str) -> list[str | int]:
    """Words and numbers by turns, so that only like is compared with like."""
    parts = re.split(r"(\d+)", name, flags=re.ASCII)
    return [int(part) if place % 2 else part.lower() for place, part in enumerate(parts)]


def _grey(picture: Image.Image) -> UInt8[ndarray, "y x"]:
    if picture.mode == "L":
        return np.array(picture)
    if picture.mode.startswith("I"):  # 16 bits, whatever Pillow keeps them in
        return eight_bits(np.array(picture).clip(0, 65_535).astype(np.uint16), 16, limited=False)
    return luma(np.array(picture.convert("RGB")))
