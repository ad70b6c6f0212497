"""Time-stretch of notebook 01: a 2D kernel and the 3D kernel made of it look at the same clip.

Source: section 2, "Inflation Strategy for 3D CNN Encoder". The paper does not say what a kernel
meets beyond the clip's ends; both readings can be switched here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
import torch.nn.functional as F
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from csglib.model.conv import Padding
from csglib.model.inflation import Inflation, inflate_kernel
from csglib.widgets.base import SIGNED, LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
FRAMES = 8
SIDE = 32  # pixels
KERNEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
"""Answers to upright edges: orange where it gets brighter to the right, blue where darker."""


@dataclass(frozen=True)
class Responses:
    """What the two kernels answer, and by how much they differ.

    Attributes:
        flat: the 2D kernel, frame by frame.
        deep: the 3D kernel inflated from it.
        apart: per frame the largest difference, as a share of the largest 2D response.
    """

    flat: Float[Tensor, "t y x"]
    deep: Float[Tensor, "t y x"]
    apart: Float[Tensor, " t"]


def bar_of_light(speed: float) -> Float[Tensor, "t y x"]:
    """An upright soft bar that crosses the picture's middle half way through the clip.

    Args:
        speed: pixels a frame, to the right; 0 to 3 keep the bar inside.
    """
    time, row, column = torch.meshgrid(
        torch.arange(FRAMES), torch.arange(SIDE), torch.arange(SIDE), indexing="ij"
    )
    middle = (SIDE - 1) / 2
    across = (column - middle - speed * (time - (FRAMES - 1) / 2)) / 2
    along = (row - middle) / 6
    return torch.exp(-(across**2 + along**2) / 2)


def responses(
    clip: Float[Tensor, "t y x"],
    frames: int,
    inflation: Inflation,
    padding: Padding,
) -> Responses:
    """Both kernels' answers to one clip.

    Args:
        clip: brightness.
        frames: how many frames the 3D kernel sees, odd.
        inflation: how the 2D kernel was stretched.
        padding: what it meets beyond the clip's ends, a copy of the outer frame or darkness.
    """
    kernel = torch.tensor(KERNEL)[None, None]
    beyond = (0, 0, 0, 0, frames // 2, frames // 2)
    mode = "replicate" if padding == "replicate" else "constant"
    longer = F.pad(clip[None, None], beyond, mode=mode)
    flat = F.conv2d(clip[:, None], kernel, padding=1)[:, 0]
    deep = F.conv3d(longer, inflate_kernel(kernel, frames, inflation), padding=(0, 1, 1))[0, 0]
    return Responses(flat, deep, (deep - flat).abs().amax(dim=(1, 2)) / flat.abs().max())


class TimeStretch(LiveFigure):
    """Make a bar of light move, and watch where 2D and 3D answers part.

    The page computes everything itself and asks for a guess before it shows the 3D answer.

    Attributes:
        speed: of the bar, pixels a frame, 0 to 3.
        frames: of the 3D kernel, 1, 3 or 5.
        inflation: "mean" or "center".
        padding: beyond the clip's ends, "replicate" or "zeros".
        guess: "yes" (the answers agree in every frame), "no", or "" while hidden.
    """

    _esm = es_module(_HERE, "time_stretch_responses.js", "time_stretch.js")
    _css = style_sheet(_HERE / "time_stretch.css")

    speed = traitlets.Float(0.0, min=0.0, max=3.0).tag(sync=True)
    frames = traitlets.Enum((1, 3, 5), 3).tag(sync=True)
    inflation: traitlets.Enum[Inflation] = traitlets.Enum(get_args(Inflation), "mean").tag(
        sync=True
    )
    padding: traitlets.Enum[Padding] = traitlets.Enum(get_args(Padding), "replicate").tag(sync=True)
    guess = traitlets.Enum(("", "yes", "no"), "").tag(sync=True)

    def __repr__(self) -> str:
        return (
            f"TimeStretch(speed={self.speed:g}, frames={self.frames}, "
            f"inflation={self.inflation!r}, padding={self.padding!r})"
        )

    def still(self) -> Figure:
        """Clip, both answers and their difference; a picture cannot ask for a guess."""
        clip = bar_of_light(self.speed)
        both = responses(clip, self.frames, self.inflation, self.padding)
        reach = both.flat.abs().max()
        stacks = (clip, both.flat / reach, both.deep / reach)
        figure = Figure(figsize=(9, 4.4), layout="constrained")
        figure.suptitle(
            f"{self.speed:g} pixels a frame, kernel of {self.frames} frames, "
            f"{self.inflation} inflation, padding: {self.padding}",
            fontsize=11,
        )
        rows = figure.subplots(4, FRAMES, height_ratios=[1, 1, 1, 0.6])
        for row, name, stack in zip(
            rows[:3], ("clip", "2D kernel", "3D kernel"), stacks, strict=True
        ):
            low, palette = (0, "gray") if stack is clip else (-1, SIGNED)
            for axes, frame in zip(row, stack.numpy(), strict=True):
                axes.imshow(frame, cmap=palette, vmin=low, vmax=1)
                axes.set(xticks=[], yticks=[])
            row[0].set_ylabel(name)
        for frame, (axes, share) in enumerate(zip(rows[3], both.apart.tolist(), strict=True)):
            axes.bar([0], [share], color="#1668b8")
            axes.set(xlim=(-1, 1), ylim=(0, 1), xticks=[], yticks=[])
            axes.set_xlabel(f"frame {1 + frame}", fontsize=9)
            axes.text(0, min(share, 0.7) + 0.05, f"{share:.0%}", ha="center", fontsize=9)
        rows[3, 0].set_ylabel("apart")
        return figure
