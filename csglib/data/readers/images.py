"""Clips that are images: a folder with one PNG or JPEG per frame, or an animated GIF.

Not in the paper, whose clips are cut from videos (section 3, "Dataset").
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageOps, ImageSequence

from csglib.data.clips import Clip, hash_patient
from csglib.data.readers.frames import FrameStack, rgb_to_grey
from csglib.data.readers.limits import ClipError, as_clip_error, check_link, check_size

_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
_WANTED = "wanted one PNG or JPEG per frame, all of one size, and nothing else"


def read_folder(folder: Path, key: bytes | None) -> Clip:
    """Read a folder of PNG or JPEG, in the order of the numbers in their names: 9 before 10.

    Colours become luma, of 16 bits the upper eight stay, transparent pixels lie on black, and EXIF
    orientation is applied. Hidden files are ignored.
    """
    with as_clip_error(f"{folder}: the folder cannot be listed"):
        listed = (path for path in folder.iterdir() if not path.name.startswith("."))
        paths = sorted((p for p in listed if p.name.lower() not in _SYSTEM_FILES), key=_order)
    if not paths:
        raise ClipError(f"{folder}: an empty folder; {_WANTED}")
    stack = FrameStack(folder.name)
    for path in paths:
        stack.name = name = f"{folder.name}/{path.name}"
        check_link(path, folder, name)
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "a device or a pipe"
            raise ClipError(f"{name}: {kind}; {_WANTED}")
        with (
            as_clip_error(f"{name}: not a whole PNG or JPEG; {_WANTED}"),
            Image.open(path, formats=("PNG", "JPEG")) as image,
        ):
            check_size(name, len(paths), image.height, image.width)
            if getattr(image, "n_frames", 1) > 1:
                raise ClipError(f"{name}: an animation; {_WANTED}")
            stack.add(*_to_grey(ImageOps.exif_transpose(image)))
    return stack.clip(hash_patient(folder.resolve().name, key))


def read_gif(path: Path, key: bytes | None) -> Clip:
    """Read every frame of a GIF as it is displayed: drawn over those before, on black."""
    stack = FrameStack(path.name)
    with (
        as_clip_error(f"{path.name}: not a whole GIF; export it again, or as mp4"),
        Image.open(path, formats=("GIF",)) as opened,
    ):
        for image in ImageSequence.Iterator(opened):
            check_size(path.name, stack.length + 1, image.height, image.width)
            stack.add(*_to_grey(image))
    return stack.clip(hash_patient(path.stem, key))


def _order(path: Path) -> tuple[list[str | int], str]:
    """Text and numbers in turn, so that only like is compared with like."""
    parts = re.split(r"(\d+)", path.stem, flags=re.ASCII)
    return [int(part) if i % 2 else part.lower() for i, part in enumerate(parts)], path.name


def _to_grey(image: Image.Image) -> tuple[UInt8[ndarray, "y x"], float]:
    """Grey levels, and the fraction of pixels that are coloured."""
    if image.mode.startswith("I"):  # 16 bits, whatever Pillow keeps them in
        return np.rint(np.array(image).clip(0, 65_535) / 257).astype(np.uint8), 0.0
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    if image.mode == "L":
        return np.array(image), 0.0
    return rgb_to_grey(np.array(image.convert("RGB")))
