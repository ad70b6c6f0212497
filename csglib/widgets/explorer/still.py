"""The explorer's still: all frames under the attention on show, from the arrays that the page has.

Source: not in the paper.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor

from csglib.view.attention_record import Questions
from csglib.widgets.base import MAGNITUDE

_BLUE, _GREY = "#1668b8", "#555555"


@dataclass(frozen=True)
class Shown:
    """One token's attention over the clip.

    Attributes:
        title: whose it is, in words.
        maps: NaN where the token may not ask.
        totals: what falls on a frame; along one place, what the place has there. NaN likewise.
        even_patch: what `maps` would hold if all keys were alike.
        even_frame: what `totals` would hold then.
    """

    title: str
    maps: Float[Tensor, "t rows columns"]
    totals: Float[Tensor, " t"]
    even_patch: float
    even_frame: float


def shown(seen: Questions, view: str, block: int, head: int, query: int) -> Shown:
    """What is on show.

    Args:
        seen: of the network.
        view: a branch.
        block: counted from 1.
        head: counted from 1; 0 for the mean.
        query: 0 for the class token, else a patch counted from 1.
    """
    branch = seen.class_token.branches[view]
    even = (branch.even_patch, branch.even_frame)
    if query:
        keys = seen.of_patch(view, block - 1, query - 1)
        maps = seen.laid_out(view, query - 1, keys[head - 1] if head else keys.mean(0))
        totals = _totals(maps, seen.asked[view][0].axis == "time")
    elif head:
        heads = seen.of_class_token(view, block - 1)
        maps, totals = heads.maps[head - 1], heads.totals[head - 1]
    else:
        maps, totals = branch.maps[block - 1], branch.totals[block - 1]
    blocks = len(branch.maps)
    return Shown(f"Block {block} of {blocks}", maps, totals, *even)


def figure(
    frames: UInt8[ndarray, "t y x"], panels: list[Shown], title: str, opacity: float, stretch: bool
) -> Figure:
    """Frames with the overlay, and the attention on each as a bar; panels under one another.

    Args:
        frames: grey levels.
        panels: one, or two to compare.
        title: above all.
        opacity: of the colours.
        stretch: colours begin at the least value and not at 0.
    """
    asked = torch.cat([panel.maps[~panel.maps.isnan()] for panel in panels])
    least, most = float(asked.min()), float(asked.max())
    wide = (0.0, max(most, *(2 * panel.even_patch for panel in panels)))
    low, high = (least, most) if stretch else wide
    count = len(frames)
    side = min(1.1, 9 / count)  # inches of a frame: many must still fit a page
    size = (max(side * count + 1.2, 4), (side + 1.3) * len(panels) + 0.5)
    drawn = Figure(figsize=size, layout="constrained")
    drawn.suptitle(title, fontsize=11)
    ratios = [1, 0.5] * len(panels)
    rows = drawn.subplots(2 * len(panels), count, squeeze=False, height_ratios=ratios)
    scale = ScalarMappable(Normalize(low, high), MAGNITUDE)
    for place, panel in enumerate(panels):
        above, below = rows[2 * place : 2 * place + 2]
        for frame, axes in enumerate(above):
            colours = scale.to_rgba(panel.maps[frame].numpy(), alpha=opacity)
            colours[..., 3] *= ~panel.maps[frame].isnan().numpy()
            _frame(axes, frames[frame], colours)
            axes.set(xticks=[], yticks=[], title=frame + 1)
        _bars(list(below), panel)
        if len(panels) > 1:
            above[0].set_ylabel(panel.title, fontsize=9)
    drawn.colorbar(scale, ax=list(rows[::2].flat), format="{x:.2%}", label="one patch")
    return drawn


def _frame(axes: Axes, frame: UInt8[ndarray, "y x"], colours: Float[ndarray, "r c 4"]) -> None:
    height, width = frame.shape
    extent = (0, width, height, 0)
    axes.imshow(frame, cmap="gray", vmin=0, vmax=255, extent=extent)
    axes.imshow(colours, extent=extent)


def _bars(axes: list[Axes], panel: Shown) -> None:
    asked = ~panel.totals.isnan()
    full = max(2 * panel.even_frame, *panel.totals[asked].tolist())
    for below, total, known in zip(axes, panel.totals.nan_to_num().tolist(), asked, strict=True):
        below.bar([0], [total], color=_BLUE)
        below.axhline(panel.even_frame, color=_GREY, ls="--", lw=1)
        below.set(xlim=(-1, 1), ylim=(0, full), xticks=[], yticks=[])
        below.set_xlabel(f"{total:.1%}" if known else "not asked")


def _totals(maps: Float[Tensor, "t rows columns"], one_place: bool) -> Float[Tensor, " t"]:
    if one_place:
        return maps.nanmean(dim=(1, 2))
    asked = ~maps.isnan().all(dim=2).all(dim=1)
    return torch.where(asked, maps.nansum(dim=(1, 2)), torch.nan)
