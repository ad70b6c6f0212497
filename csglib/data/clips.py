"""A clip: a few grey frames, their patient, and the ground truth where they are simulated.

Source: section 3, "Dataset": plaque clips of 8 or 16 frames, 256 x 256, graded mild or severe.
"""

import hmac
import json
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from PIL import Image

from csglib.data.atomic import replacing
from csglib.data.stenosis import DEFAULT_RULE, Rule, area_stenosis, inside

GRADES = DEFAULT_RULE.grades
_KEY = secrets.token_bytes(32)  # of this process alone
TRUTH_ARRAYS = ("vessel_outer", "vessel_inner", "lumen", "area_stenosis", "diameter_stenosis")


@dataclass(frozen=True)
class Region:
    """A rectangle of pixels: columns `left` to `right` - 1, rows `top` to `bottom` - 1."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right and 0 <= self.top < self.bottom):
            raise ValueError(f"a region needs 0 <= left < right and 0 <= top < bottom: got {self}")

    def crop(self, frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "t rows columns"]:
        """The pixels inside; a ValueError if the region exceeds the frames."""
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
    """Ground truth of a simulated clip; points are (x, y), (0, 0) the top left pixel's centre.

    Attributes:
        vessel_outer: media-adventitia border, one polygon a frame.
        vessel_inner: border of the original lumen, before the plaque.
        lumen: border of the open lumen.
        area_stenosis: fraction of the original lumen's area that is closed, 0 to 1.
        diameter_stenosis: largest fraction of a diameter that is closed, over directions, 0 to 1.
        parameters: of the simulation, its seed included.
    """

    vessel_outer: Float[ndarray, "t points 2"]
    vessel_inner: Float[ndarray, "t points 2"]
    lumen: Float[ndarray, "t points 2"]
    area_stenosis: Float[ndarray, " t"]
    diameter_stenosis: Float[ndarray, " t"]
    parameters: dict[str, float | int | str] = field(default_factory=dict)

    @property
    def narrowest(self) -> int:
        """Index of the frame with the largest area stenosis."""
        return int(np.argmax(self.area_stenosis))

    @property
    def grade(self) -> int:
        """Index into `GRADES`, by the default rule: severe from 50 % of the diameter on."""
        return DEFAULT_RULE.grade(self.stenosis(DEFAULT_RULE))

    def stenosis(self, rule: Rule) -> float:
        """The rule's measure in the narrowest frame, 0 to 1."""
        return float(self.stenoses(rule)[self.narrowest])

    def stenoses(self, rule: Rule) -> Float[ndarray, " t"]:
        """The rule's measure in each frame, 0 to 1."""
        return {"area": self.area_stenosis, "diameter": self.diameter_stenosis}[rule.measure]

    @property
    def outer_stenosis(self) -> Float[ndarray, " t"]:
        """Area stenosis against the outer border: counts the wall too, 29 to 39 % if healthy."""
        return area_stenosis(self.vessel_outer, self.lumen)

    def choose(self, frames: Int[ndarray, " chosen"]) -> "Truth":
        """The truth of these frames, in this order."""
        arrays: dict[str, Any] = {name: getattr(self, name)[frames] for name in TRUTH_ARRAYS}
        return replace(self, **arrays)

    def move(self, corner: Int[ndarray, "#t 2"], scale: Float[ndarray, "#t 1"]) -> "Truth":
        """The truth in crops with that upper left corner (x, y), enlarged by `scale`."""

        def moved(polygons: Float[ndarray, "t points 2"]) -> Float[ndarray, "t points 2"]:
            # the image's edge stays in place, half a pixel before the centre that is (0, 0)
            return (polygons - corner[:, None]) * scale[..., None] + (scale[..., None] - 1) / 2

        polygons: dict[str, Any] = {name: moved(getattr(self, name)) for name in TRUTH_ARRAYS[:3]}
        return replace(self, **polygons)

    def plaque(self, height: int, width: int) -> Bool[ndarray, "t y x"]:
        """Mask of the plaque in images of that size: of the original lumen, what is closed."""
        return inside(self.vessel_inner, height, width) & ~inside(self.lumen, height, width)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A few frames of one vessel.

    Attributes:
        frames: grey levels.
        patient: the same for all clips of a patient, who are in one split only.
        mm_per_px: size of a pixel, or None when the file does not state it; never guessed.
        truth: of a simulated clip; None for a real one.
        coloured: largest fraction of a frame's pixels that were not grey in the file, 0 to 1: more
            than a little is colour Doppler, or drawn marks.
        region: of the tissue in these frames, where the file states it.
        notes: what a reader corrected or had to choose, a sentence each; mostly none.
    """

    frames: UInt8[ndarray, "t y x"]
    patient: str
    mm_per_px: float | None = None
    truth: Truth | None = None
    coloured: float = 0.0
    region: Region | None = None
    notes: tuple[str, ...] = ()


def save_clip(clip: Clip, path: Path) -> None:
    """Write a clip and its truth as compressed NPZ; the same clip gives the same bytes."""
    arrays: dict[str, Any] = {"frames": clip.frames, "patient": np.array(clip.patient)}
    if clip.mm_per_px is not None:
        arrays["mm_per_px"] = np.array(clip.mm_per_px)
    if clip.truth is not None:
        arrays |= {name: getattr(clip.truth, name) for name in TRUTH_ARRAYS}
        text = json.dumps(clip.truth.parameters, sort_keys=True, allow_nan=False)
        arrays["parameters"] = np.array(text)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def hash_patient(identity: str, key: bytes | None = None) -> str:
    """A pseudonym, "patient-" and 12 hexadecimal digits: the same for the same identity and key.

    Without a secret key of 32 random bytes, all patient ids could be tried in minutes. Where no
    `key` is given, one is drawn in each process and never stored. Two of 10,000 patients share a
    pseudonym with a probability of 1 in 5 million. Normalised (NFC): é is one character, or two.
    """
    text = unicodedata.normalize("NFC", identity).encode(errors="surrogateescape")
    return f"patient-{hmac.digest(key or _KEY, text, 'sha256').hex()[:12]}"


def even_indices(length: int, frames: int) -> Int[ndarray, " t"]:
    """Indices of so many frames, evenly spaced over a clip of `length`, from first to last."""
    return np.rint(np.linspace(0, length - 1, frames)).astype(int)


def check_fits(shape: Sequence[int], wanted: tuple[int, int, int]) -> None:
    """Raise a ValueError if a clip (t, y, x) has another shape than a network takes."""
    if tuple(shape) != wanted:
        got, takes = (f"{t} frames of {x} x {y} pixels" for t, y, x in (shape, wanted))
        advice = f"csglib.resample(clip, frames={wanted[0]}, size={wanted[1]}) makes one"
        raise ValueError(f"this network takes clips of {takes}: got {got}; {advice}")


def resample(clip: Clip, frames: int = 8, size: int = 256) -> Clip:
    """Keep so many frames, evenly spaced, and of each the central square, resized to `size` pixels.

    The first and the last frame are kept; 1 keeps the first. Pixels are averaged where they shrink,
    so that speckle does not alias. Scale and truth follow.

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
    images = [
        Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR, box)
        for frame in clip.frames[kept]
    ]
    scale = size / side
    return replace(
        clip,
        frames=np.stack([np.asarray(image) for image in images]),
        mm_per_px=None if clip.mm_per_px is None else clip.mm_per_px / scale,
        region=None,
        truth=clip.truth and clip.truth.choose(kept).move(corner[None], np.array([[scale]])),
    )
