"""A clip: a few grey frames, where they came from, and the truth when they are simulated.

Source: section 3, "Dataset": plaque clips of 8 or 16 frames, 256 x 256, graded mild or severe.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

GRADES = ("mild", "severe")
_IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1, 1)
_IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a simulated clip knows about itself. Contours are polygons in pixels, (x, y) a point.

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
        """Index into `GRADES`: severe when half the diameter or more is closed at the narrowest frame.

        The paper names the grades but not its rule; this one is local (ECST-like): a transverse
        clip never shows the distal vessel that NASCET compares with.
        """
        return int(self.diameter_stenosis[self.narrowest] >= 0.5)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A few frames of one vessel.

    Attributes:
        frames: grey levels.
        patient: whose vessel it is; clips of one patient never stand on both sides of a split.
        mm_per_px: size of a pixel, or None when the file does not say; never guessed.
        truth: what the phantom knows; None for a real clip.
    """

    frames: UInt8[ndarray, "t y x"]
    patient: str
    mm_per_px: float | None = None
    truth: Truth | None = None


def network_input(frames: UInt8[ndarray, "*b t y x"]) -> Float[Tensor, "*b 3 t y x"]:
    """Grey frames as the network wants them: three equal channels with ImageNet's mean and spread.

    Greyscale in three channels keeps the first convolution of a network trained on photographs.
    """
    grey = torch.from_numpy(np.ascontiguousarray(frames)).float().div(255).unsqueeze(-4)
    return (grey - _IMAGENET_MEAN) / _IMAGENET_STD
