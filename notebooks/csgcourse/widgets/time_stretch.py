"""Time-stretch of notebook 01: responses of a 2D kernel and of a 3D kernel made from it.

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

from csgcourse.chapter_01 import SOBEL
from csglib.model.conv import Padding
from csglib.widgets.base import SIGNED, LiveFigure, front_end

FRAMES = 8
SIDE = 32  # pixels
Shares = tuple[float, float, float]  # of the 2D kernel, in the slices for t - 1, t and t + 1


class Responses(NamedTuple):
    """Responses of the 2D kernel and of the 3D kernel made from it, and their difference."""

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


def responses(clip: Float[Tensor, "t y x"], shares: Shares, padding: Padding) -> Responses:
    """The Sobel kernel, and a 3D kernel whose slices are shares of it, on one clip."""
    kernel = SOBEL[None, None]
    deep_kernel = torch.stack([share * kernel for share in shares], dim=2)
    mode = "replicate" if padding == "replicate" else "constant"
    longer = F.pad(clip[None, None], (0, 0, 0, 0, 1, 1), mode=mode)
    flat = F.conv2d(clip[:, None], kernel, padding=1)[:, 0]
    deep = F.conv3d(longer, deep_kernel, padding=(0, 1, 1))[0, 0]
    return Responses(flat, deep, (deep - flat).abs().amax(dim=(1, 2)) / flat.abs().max())


class TimeStretch(LiveFigure):
    """Set the speed of a bar of light and the slices of a 3D kernel; compare it with the 2D kernel.

    The page computes both, asks for a guess before it shows the 3D response, and shows for each of
    its pixels the three frames and slices that made it.
    """

    _esm, _css = front_end(__file__)
    _settings = ("speed", "slices", "padding")

    speed = traitlets.Float(1.0, min=0.0, max=3.0).tag(sync=True)  # of the bar, pixels a frame
    slices = traitlets.Enum(("mean", "centre", "own"), "mean").tag(sync=True)
    # Shares of the 2D kernel in the slices of "own".
    before = traitlets.Float(-1.0, min=-1.0, max=1.0).tag(sync=True)
    now = traitlets.Float(0.0, min=-1.0, max=1.0).tag(sync=True)
    after = traitlets.Float(1.0, min=-1.0, max=1.0).tag(sync=True)
    padding = traitlets.Enum(get_args(Padding), "replicate").tag(sync=True)  # in time
    # In which frames will the responses differ? "" hides the 3D one.
    guess = traitlets.Enum(("", "all", "ends", "none"), "").tag(sync=True)

    @property
    def shares(self) -> Shares:
        """Of the 2D kernel, in the three slices."""
        fixed: dict[str, Shares] = {"mean": (1 / 3, 1 / 3, 1 / 3), "centre": (0.0, 1.0, 0.0)}
        return fixed.get(self.slices, (self.before, self.now, self.after))

    def still(self) -> Figure:
        """Clip, both responses and their difference, a column a frame."""
        clip = moving_bar(self.speed)
        flat, deep, apart = responses(clip, self.shares, self.padding)
        reach = float(flat.abs().max())
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        title = (
            f"speed {self.speed:g} (pixels a frame), slices: {self.slices}, padding: {self.padding}"
        )
        figure.suptitle(title, fontsize=11)
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
