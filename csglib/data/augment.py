"""Augmentations that leave the grade unchanged; the same for all frames of a clip.

Not in the paper, which names none. Where a vessel lies, how large and how bright it is do not
change its grade. Scaling one axis alone would: round arteries turn oval, and the lumen's smallest
diameter over the vessel's mean one changes.
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One change of a whole clip, about the middle of the image, in the order of the attributes.

    Attributes:
        flipped: left and right are exchanged.
        turn: clockwise, whole degrees, so that `stenosis.widths` finds exactly the same diameters.
        zoom: of both axes, above 0; above 1 is larger.
        shift: to the right and down, in widths of the image.
        gamma: exponent of the grey levels, above 0; above 1 makes the middle ones darker.
        gain: added after that, grey levels.
    """

    flipped: bool = False
    turn: int = 0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    gamma: float = 1.0
    gain: float = 0.0

    def __post_init__(self) -> None:
        if not min(self.zoom, self.gamma) > 0:
            raise ValueError(f"zoom and gamma must be above 0: got {self.zoom} and {self.gamma}")

    def apply(self, frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "t y x"]:
        """Change frames; pixels from beyond the edge are black, as on a screen."""
        height, width = frames.shape[1:]
        inverse = np.linalg.inv(self._matrix)  # Pillow maps from the result back to the source
        middle = np.array([width, height]) / 2  # Pillow's (0, 0) is a corner, not a pixel's centre
        offset = middle - inverse @ (middle + np.array(self.shift) * width)
        matrix = np.column_stack([inverse, offset]).ravel().tolist()
        # Floats: Pillow rounds down when it interpolates 8-bit pixels
        tones = 255 * (np.arange(256) / 255) ** self.gamma + self.gain
        levels: Float32[ndarray, "t y x"] = tones.clip(0, 255).astype(np.float32)[frames]
        moved = [
            Image.fromarray(frame).transform(
                (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
            )
            for frame in levels
        ]
        return np.rint([np.asarray(image) for image in moved]).astype(np.uint8)

    @property
    def _matrix(self) -> Float[ndarray, "2 2"]:
        across, down = self.zoom * cos(radians(self.turn)), self.zoom * sin(radians(self.turn))
        mirror = -1 if self.flipped else 1
        return np.array([[mirror * across, -down], [mirror * down, across]])


def draw_augmentation(rng: np.random.Generator) -> Augmentation:
    """Draw an augmentation that keeps the artery in the image and its darkest plaque above black.

    An artery fills up to three quarters of its clip, and the least echogenic plaque has 14 grey
    levels (Gray-Weale type I): larger changes could hide what the grade is read from.
    """
    return Augmentation(
        flipped=bool(rng.random() < 0.5),
        turn=int(rng.integers(-10, 11)),
        zoom=float(rng.uniform(0.9, 1.1)),
        shift=(float(rng.uniform(-0.04, 0.04)), float(rng.uniform(-0.04, 0.04))),
        gamma=float(np.exp(rng.uniform(-0.15, 0.15))),
        gain=float(rng.uniform(-6, 12)),
    )
