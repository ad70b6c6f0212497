"""Changes that leave the grade alone, the same for all frames of a clip, so that motion stays.

Not in the paper, which names no augmentation. Where a vessel lies, how large it is and how bright
the scanner shows it do not change its grade. Scaling one axis more than the other is left out: our
measures would survive it, each diameter being compared with its own direction, but round arteries
turn oval, and whoever compares the lumen's smallest diameter with the vessel's mean sees another
stenosis.
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One change of a whole clip; without values, none.

    Everything turns and grows about the middle of the picture, in the order of the attributes.

    Attributes:
        flipped: left and right are exchanged.
        turn: clockwise as shown, in whole degrees: then the calipers of `measure.widths`, one
            degree apart, find exactly the same diameters.
        zoom: of both axes, above 0; above 1 is larger.
        shift: to the right and down, in widths of the picture.
        gamma: exponent of the grey levels, above 0; above 1 makes the middle ones darker.
        gain: added after that, grey levels.

    Raises:
        ValueError: a zoom or gamma that is not above 0.
    """

    flipped: bool = False
    turn: int = 0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    gamma: float = 1.0
    gain: float = 0.0

    def __post_init__(self) -> None:
        if not min(self.zoom, self.gamma) > 0:
            raise ValueError(
                f"zoom and gamma must be above 0: got zoom={self.zoom}, gamma={self.gamma}"
            )

    def apply(self, frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "t y x"]:
        """Change frames. What comes in from beyond the picture's edge is black, as on a screen."""
        height, width = frames.shape[1:]
        back = np.linalg.inv(self._matrix)
        middle = np.array([width, height]) / 2  # Pillow's (0, 0) is a corner, not the first centre
        start = middle - back @ (middle + np.array(self.shift) * width)
        way = np.column_stack([back, start]).ravel().tolist()
        affine, smooth = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        pictures = [Image.fromarray(frame) for frame in self._tones[frames]]
        moved = [
            np.asarray(picture.transform(picture.size, affine, way, smooth)) for picture in pictures
        ]
        return np.rint(moved).astype(np.uint8)

    def move(
        self, points: Float[ndarray, "*t points 2"], height: int, width: int
    ) -> Float[ndarray, "*t points 2"]:
        """Carry points (x, y) of a picture of that size along, in pixels."""
        middle = np.array([width - 1, height - 1]) / 2
        return (points - middle) @ self._matrix.T + middle + np.array(self.shift) * width

    @property
    def _matrix(self) -> Float[ndarray, "2 2"]:
        across, down = self.zoom * cos(radians(self.turn)), self.zoom * sin(radians(self.turn))
        mirror = -1 if self.flipped else 1
        return np.array([[mirror * across, -down], [mirror * down, across]])

    @property
    def _tones(self) -> Float32[ndarray, "256"]:
        """What each grey level becomes. Floats: between 8-bit pixels, Pillow rounds down."""
        bent = 255 * (np.arange(256) / 255) ** self.gamma
        return np.clip(bent + self.gain, 0, 255).astype(np.float32)


def draw_augmentation(rng: np.random.Generator) -> Augmentation:
    """Draw a change that keeps the artery in the picture and its darkest plaque above black.

    An artery fills up to three quarters of its clip, and the least echogenic plaque has 14 grey
    levels (Gray-Weale type I): a larger change could hide what the grade is read from.
    """
    return Augmentation(
        flipped=bool(rng.random() < 0.5),
        turn=int(rng.integers(-10, 11)),
        zoom=float(rng.uniform(0.9, 1.1)),
        shift=(float(rng.uniform(-0.04, 0.04)), float(rng.uniform(-0.04, 0.04))),
        gamma=float(np.exp(rng.uniform(-0.15, 0.15))),
        gain=float(rng.uniform(-6, 12)),
    )
