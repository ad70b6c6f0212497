"""Time-stretch of notebook 01: responses of a 2D kernel and of the 3D kernel inflated from it.

Source: section 2, "Inflation Strategy for 3D CNN Encoder". The paper does not say how the clip is
padded in time; both readings can be chosen here.
"""

from typing import NamedTuple, get_args

import torch
import torch.nn.functional as F
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from csglib.model.conv import Padding
from csglib.model.inflation import Inflation, inflate_kernel
from csglib.widgets.base import SIGNED, LiveFigure, front_end

FRAMES = 8
SIDE = 32  # pixels
KERNEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
"""Detects vertical edges: positive where it gets brighter to the right."""


class Responses(NamedTuple):
    """Responses of the 2D kernel and of the 3D kernel inflated from it, and their difference."""

    flat: Float[Tensor, "t y x"]
    deep: Float[Tensor, "t y x"]
    apart: Float[Tensor, " t"]  # largest difference in a frame over the largest 2D response


def moving_bar(speed: float) -> Float[Tensor, "t y x"]:
    """A vertical soft bar that crosses the middle half way through the clip.

    A speed of 0 to 3 pixels a frame keeps it inside.
    """
    sizes = map(torch.arange, (FRAMES, SIDE, SIDE))
    time, row, column = torch.meshgrid(*sizes, indexing="ij")
    middle = (SIDE - 1) / 2
    across = (column - middle - speed * (time - (FRAMES - 1) / 2)) / 2
    along = (row - middle) / 6
    return torch.exp(-(across**2 + along**2) / 2)


def responses(
    clip: Float[Tensor, "t y x"], frames: int, inflation: Inflation, padding: Padding
) -> Responses:
    """Both kernels on one clip; the 3D kernel sees `frames` of it, an odd number."""
    kernel = torch.tensor(KERNEL)[None, None]
    beyond = (0, 0, 0, 0, frames // 2, frames // 2)
    mode = "replicate" if padding == "replicate" else "constant"
    longer = F.pad(clip[None, None], beyond, mode=mode)
    flat = F.conv2d(clip[:, None], kernel, padding=1)[:, 0]
    deep = F.conv3d(longer, inflate_kernel(kernel, frames, inflation), padding=(0, 1, 1))[0, 0]
    return Responses(flat, deep, (deep - flat).abs().amax(dim=(1, 2)) / flat.abs().max())


class TimeStretch(LiveFigure):
    """Set the speed of a bar of light and compare the 2D and the 3D response.

    The page computes both and asks for a guess before it shows the 3D response.
    """

    _esm, _css = front_end(__file__)
    _settings = ("speed", "frames", "inflation", "padding")

    speed = traitlets.Float(0.0, min=0.0, max=3.0).tag(sync=True)  # of the bar, pixels a frame
    frames = traitlets.Enum((1, 3, 5), 3).tag(sync=True)  # of the 3D kernel
    inflation = traitlets.Enum(get_args(Inflation), "mean").tag(sync=True)
    padding = traitlets.Enum(get_args(Padding), "replicate").tag(sync=True)  # in time
    # Do the responses agree in every frame? "" hides the 3D one.
    guess = traitlets.Enum(("", "yes", "no"), "").tag(sync=True)

    def still(self) -> Figure:
        """Clip, both responses and their difference, a column a frame."""
        clip = moving_bar(self.speed)
        flat, deep, apart = responses(clip, self.frames, self.inflation, self.padding)
        reach = float(flat.abs().max())
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        title = f"{self.speed:g} pixels a frame, kernel of {self.frames} frames, {self.inflation} "
        figure.suptitle(f"{title}inflation, padding: {self.padding}", fontsize=11)
        rows = figure.subplots(3, FRAMES)
        response = {"cmap": SIGNED, "vmin": -reach, "vmax": reach}
        drawn = {"clip": (clip, {"cmap": "gray", "vmin": 0, "vmax": 1})}
        drawn |= {"2D kernel": (flat, response), "3D kernel": (deep, response)}
        for row, (name, (stack, style)) in zip(rows, drawn.items(), strict=True):
            for axes, frame in zip(row, stack.numpy(), strict=True):
                axes.imshow(frame, **style)
                axes.set(xticks=[], yticks=[])
            row[0].set_ylabel(name)
        for axes, difference in zip(rows[2], apart.tolist(), strict=True):
            axes.set_xlabel(f"differs {difference:.0%}", fontsize=9)
        return figure
