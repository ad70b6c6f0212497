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
from PIL import Image, ImageOps, ImageSequence

from csglib.data.readers.frames import Film, Reel
from csglib.data.readers.grey import Grey, eight_bits, without_colours
from csglib.data.readers.limits import MAX_SIDE, ClipError, check_link, check_size, refusing

_LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini"}  # and whatever begins with a dot
_WANTED = "wanted one PNG or JPEG a frame, all of one size, and nothing else"


def read_folder(folder: Path) -> Film:
    """Read a folder of PNG or JPEG, one a frame, in the order of the numbers in their names.

    frame_10 comes after frame_9, whatever the alphabet says. Colours become their luma, of 16 bits
    the upper eight stay, what is transparent lies on black, and a picture that says how it is
    turned is turned.

    Args:
        folder: with nothing else in it; hidden files do not count.

    Raises:
        ClipError: no picture, something that is none, a link that leads out of the folder, sizes
            that differ, damage, or too large; says which file.
    """
    paths = _in_order(folder)
    reel = Reel(folder.name)
    for path in paths:
        name = f"{folder.name}/{path.name}"
        _check_kind(path, folder, name)
        with (
            refusing(f"{name}: not a whole PNG or JPEG; {_WANTED}"),
            _patiently(name),
            Image.open(path, formats=("PNG", "JPEG")) as picture,
        ):
            check_size(name, len(paths), picture.height, picture.width)
            if getattr(picture, "n_frames", 1) > 1:
                raise ClipError(f"{name}: moves by itself; {_WANTED}")
            grey = _grey(ImageOps.exif_transpose(picture))
        height, width = grey.levels.shape
        first_height, first_width = reel.shape or (height, width)
        if (height, width) != (first_height, first_width):
            sizes = f"{width} x {height}, and {paths[0].name} is {first_width} x {first_height}"
            raise ClipError(f"{name}: is {sizes}; {_WANTED}")
        reel.add(*grey)
    return reel.film()


def read_gif(file: BinaryIO, name: str) -> Film:
    """Read every picture of a GIF as it would be seen: each laid over the ones before, and black.

    Args:
        file: open at its beginning.
        name: of the file, for messages.

    Raises:
        ClipError: damaged, cut short, a change of size, or too large.
    """
    reel = Reel(name)
    with (
        refusing(f"{name}: not a whole GIF; export it again, or as mp4"),
        _patiently(name),
        Image.open(file, formats=("GIF",)) as opened,
    ):
        for picture in ImageSequence.Iterator(opened):
            check_size(name, reel.length + 1, picture.height, picture.width)
            reel.add(*_grey(picture))
    return reel.film()


def is_picture(head: bytes) -> bool:
    """Whether a file begins as PNG or JPEG do."""
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


@contextmanager
def _patiently(name: str) -> Iterator[None]:
    """Pass over what does no harm; what Pillow calls a bomb is too large."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # odd EXIF, extra data: no matter
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        try:
            yield
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            most = f"at most {MAX_SIDE} pixels a side; cut out what you need"
            raise ClipError(f"{name}: too large: {most} ({error})") from error


def _in_order(folder: Path) -> list[Path]:
    with refusing(f"{folder}: the folder cannot be listed"):
        inside = [path for path in folder.iterdir() if not _is_left_by_systems(path)]
    if not inside:
        raise ClipError(f"{folder}: an empty folder; {_WANTED}")
    return sorted(inside, key=lambda path: (_numbered(path.stem), path.name))


def _check_kind(path: Path, folder: Path, name: str) -> None:
    check_link(path, folder, name)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise ClipError(f"{name}: {kind}; {_WANTED}")


def _is_left_by_systems(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LEFT_BY_SYSTEMS


def _numbered(name: str) -> list[str | int]:
    """Words and numbers by turns, so that only like is compared with like."""
    parts = re.split(r"(\d+)", name, flags=re.ASCII)
    return [int(part) if place % 2 else part.lower() for place, part in enumerate(parts)]


def _grey(picture: Image.Image) -> Grey:
    if picture.mode.startswith("I"):  # 16 bits, whatever Pillow keeps them in
        sixteen = np.array(picture).clip(0, 65_535).astype(np.uint16)
        return Grey(eight_bits(sixteen, 16, limited=False))
    if picture.has_transparency_data:
        black = Image.new("RGBA", picture.size, "black")
        picture = Image.alpha_composite(black, picture.convert("RGBA"))
    if picture.mode == "L":
        return Grey(np.array(picture))
    return without_colours(np.array(picture.convert("RGB")))
