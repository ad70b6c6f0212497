"""A clip: a few grey frames, where they came from, and the truth when they are simulated.

Source: section 3, "Dataset": plaque clips of 8 or 16 frames, 256 x 256, graded mild or severe.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from csglib.data.atomic import replacing
from csglib.data.stenosis import DEFAULT_RULE, Rule, area_stenosis, inside

GRADES = DEFAULT_RULE.grades
TRUTH_ARRAYS = ("vessel_outer", "vessel_inner", "lumen", "area_stenosis", "diameter_stenosis")
_IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1, 1)
_IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1, 1)


@dataclass(frozen=True)
class Region:
    """A rectangle of pixels; `right` and `bottom` are the first ones outside it.

    Attributes:
        left: first column, from 0.
        top: first row, from 0.
        right: one more than the last column.
        bottom: one more than the last row.

    Raises:
        ValueError: nothing is inside.
    """

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right and 0 <= self.top < self.bottom):
            raise ValueError(f"a region needs 0 <= left < right and 0 <= top < bottom: got {self}")

    def crop(self, frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "t rows columns"]:
        """What is inside.

        Raises:
            ValueError: it does not lie within the frames.
        """
        height, width = frames.shape[1:]
        if self.right > width or self.bottom > height:
            raise ValueError(f"{self} does not lie within frames of {width} x {height} pixels")
        return frames[:, self.top : self.bottom, self.left : self.right]

    def intersection(self, other: "Region") -> "Region | None":
        """What lies in both; None if nothing does."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Region(left, top, right, bottom) if left < right and top < bottom else None

    def __str__(self) -> str:
        return f"columns {self.left} to {self.right - 1}, rows {self.top} to {self.bottom - 1}"


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a simulated clip knows about itself. Contours are polygons of points (x, y), in pixels.

    The point (0, 0) is the centre of the top left pixel.

    Attributes:
        vessel_outer: media-adventitia border, one polygon a frame.
        vessel_inner: border of the original lumen, before the plaque.
        lumen: what is still open to blood.
        area_stenosis: share of the original lumen's area that is closed, 0 to 1.
        diameter_stenosis: largest share of a diameter that is closed, over directions, 0 to 1.
        parameters: everything the clip was made from, its seed included.
    """

    vessel_outer: Float[ndarray, "t points 2"]
    vessel_inner: Float[ndarray, "t points 2"]
    lumen: Float[ndarray, "t points 2"]
    area_stenosis: Float[ndarray, " t"]
    diameter_stenosis: Float[ndarray, " t"]
    parameters: dict[str, float | int | str] = field(default_factory=dict)

    @property
    def narrowest(self) -> int:
        """The frame in which most of the vessel is closed."""
        return int(np.argmax(self.area_stenosis))

    @property
    def grade(self) -> int:
        """Index into `GRADES`: severe when the narrowest frame has lost half its diameter or more.

        The paper names the grades but not its rule; `csglib.data.stenosis` has this one and others.
        """
        return DEFAULT_RULE.grade(self.stenosis(DEFAULT_RULE))

    def stenosis(self, rule: Rule) -> float:
        """What the rule measures, in the narrowest frame: a share that is closed, 0 to 1."""
        return float(self.stenoses(rule)[self.narrowest])

    def stenoses(self, rule: Rule) -> Float[ndarray, " t"]:
        """What the rule measures, in each frame."""
        return {"area": self.area_stenosis, "diameter": self.diameter_stenosis}[rule.measure]

    @property
    def outer_stenosis(self) -> Float[ndarray, " t"]:
        """Area stenosis if the outer border is taken for the vessel's: too much, 0 to 1.

        The wall then counts as plaque, and a healthy artery already reads 29 to 39 %.
        """
        return area_stenosis(self.vessel_outer, self.lumen)

    def plaque(self, height: int, width: int) -> Bool[ndarray, "t y x"]:
        """Pixels of the plaque, in pictures of that size: in the original lumen, and closed."""
        return inside(self.vessel_inner, height, width) & ~inside(self.lumen, height, width)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A few frames of one vessel.

    Attributes:
        frames: grey levels.
        patient: whose vessel it is; clips of one patient never stand on both sides of a split.
        mm_per_px: size of a pixel, or None when the file does not say; never guessed.
        truth: what the phantom knows; None for a real clip.
        coloured: largest share of a frame's pixels that were not grey in the file, 0 to 1. B-mode
            is grey: more than a little is colour Doppler, or marks that somebody drew.
        region: where in these frames the file says that tissue is; None when nobody says.
    """

    frames: UInt8[ndarray, "t y x"]
    patient: str
    mm_per_px: float | None = None
    truth: Truth | None = None
    coloured: float = 0.0
    region: Region | None = None


def network_input(frames: UInt8[ndarray, "*b t y x"]) -> Float[Tensor, "*b 3 t y x"]:
    """Grey frames as the network wants them: three equal channels with ImageNet's mean and spread.

    Greyscale in three channels keeps the first convolution of a network trained on photographs.
    """
    grey = torch.from_numpy(np.ascontiguousarray(frames)).float().div(255).unsqueeze(-4)
    return (grey - _IMAGENET_MEAN) / _IMAGENET_STD


def save_clip(clip: Clip, path: Path) -> None:
    """Write a clip and its truth as compressed NPZ; `csglib.data.readers` reads it back.

    The same clip gives the same bytes with the same numpy and zlib. Whoever looks at `path` sees
    the old file or the whole new one, never a half.

    Args:
        clip: what to write.
        path: the file; its folder exists.

    Source:
        Not in the paper; NPZ because it is lossless, small, and read without pickle.
    """
    arrays: dict[str, Any] = {"frames": clip.frames, "patient": np.array(clip.patient)}
    if clip.mm_per_px is not None:
        arrays["mm_per_px"] = np.array(clip.mm_per_px)
    if clip.truth is not None:
        arrays |= {name: getattr(clip.truth, name) for name in TRUTH_ARRAYS}
        text = json.dumps(clip.truth.parameters, sort_keys=True, allow_nan=False)
        arrays["parameters"] = np.array(text)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def hash_patient(identity: str) -> str:
    """A name for a patient that does not say who it is: the same for the same `identity`.

    It hides a name from a reader's eye, not from somebody who can try every identity there is.
    """
    return f"patient-{hashlib.sha256(identity.encode(errors='surrogateescape')).hexdigest()[:8]}"


def even_indices(length: int, frames: int) -> Int[ndarray, " t"]:
    """Places of so many frames, evenly spread over a clip; the first and the last are among them.

    Args:
        length: of the clip, frames.
        frames: 1 or more; 1 is the first.
    """
    return np.rint(np.linspace(0, length - 1, frames)).astype(int)


def resample(clip: Clip, frames: int = 8, size: int = 256) -> Clip:
    """Bring a clip to the network's size: frames evenly spread, the central square of each.

    The first and the last frame are among them. Pixels are averaged where they shrink, so that
    speckle does not turn into noise. Scale and truth follow; the aspect ratio stays.

    Args:
        clip: any clip of at least `frames` frames.
        frames: how many to keep, 1 or more; 1 keeps the first.
        size: rows and columns afterwards, pixels, 1 or more.

    Raises:
        ValueError: fewer frames in the clip than asked for, or nothing asked for.

    Source:
        Section 3, "Dataset and Implementations": 8 or 16 frames, "resized to 256 x 256".
    """
    if min(frames, size) < 1:
        raise ValueError(f"wanted at least one frame of one pixel: got {frames=}, {size=}")
    if frames > len(clip.frames):
        raise ValueError(f"asked for {frames} frames of a clip that has {len(clip.frames)}")
    kept = even_indices(len(clip.frames), frames)
    height, width = clip.frames.shape[1:]
    side = min(height, width)
    corner = np.array([(width - side) // 2, (height - side) // 2])  # of the square, (x, y)
    box = (*corner.tolist(), *(corner + side).tolist())
    pictures = [
        Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR, box)
        for frame in clip.frames[kept]
    ]
    scale = size / side
    return replace(
        clip,
        frames=np.stack([np.asarray(picture) for picture in pictures]),
        mm_per_px=None if clip.mm_per_px is None else clip.mm_per_px / scale,
        region=None,
        truth=None if clip.truth is None else _follow(clip.truth, kept, corner, scale),
    )


def _follow(
    truth: Truth, kept: Int[ndarray, " t"], corner: Int[ndarray, "2"], scale: float
) -> Truth:
    def moved(polygons: Float[ndarray, "all points 2"]) -> Float[ndarray, "t points 2"]:
        # The picture's edge stays in place, half a pixel before the centre that is (0, 0).
        return (polygons[kept] - corner) * scale + (scale - 1) / 2

    return replace(
        truth,
        vessel_outer=moved(truth.vessel_outer),
        vessel_inner=moved(truth.vessel_inner),
        lumen=moved(truth.lumen),
        area_stenosis=truth.area_stenosis[kept],
        diameter_stenosis=truth.diameter_stenosis[kept],
    )
