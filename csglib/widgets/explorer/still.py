"""The explorer's still: all frames under the attention on view."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor

from csglib.view.attention_record import AttentionRecord
from csglib.widgets.base import MAGNITUDE

_BLUE, _GREY = "#1668b8", "#555555"
_ATTENDED = ListedColormap(MAGNITUDE(np.linspace(0.5, 1, 128)))  # from grey to yellow


@dataclass(frozen=True)
class Panel:
    """One query's attention over the clip; NaN where it cannot attend."""

    title: str  # which network and block
    maps: Float[Tensor, "t rows columns"]
    totals: Float[Tensor, " t"]  # on a frame; along one place, on the place in that frame
    uniform_patch: float  # value of `maps` for uniform attention
    uniform_frame: float  # of `totals` then


def panel_of(
    record: AttentionRecord, view: str, block: int, head: int, query: int, whose: str = ""
) -> Panel:
    """The row of a query, 0 for the class token; block, head and patches are counted from 1.

    A network without the branch shows its last; head 0, or one that it lacks, is the mean.
    """
    possible = [name for name in record.axes if not query or record.patches_query(name)]
    view = view if view in possible else possible[-1]
    head = head if head <= record.heads else 0
    branch = record.branches[view]
    if query:
        keys = record.patch_row(view, block - 1, query - 1)
        maps = record.on_grid(view, query - 1, keys[head - 1] if head else keys.mean(0))
        attended = ~maps.isnan().all(dim=2).all(dim=1)
        sums = torch.where(attended, maps.nansum(dim=(1, 2)), torch.nan)
        totals = maps.nanmean(dim=(1, 2)) if record.axes[view] == "time" else sums
    elif head:
        heads = record.class_token_heads(view, block - 1)
        maps, totals = heads.maps[head - 1], heads.totals[head - 1]
    else:
        maps, totals = branch.maps[block - 1], branch.totals[block - 1]
    title = f"{whose}Block {block} of {record.blocks}"
    return Panel(title, maps, totals, branch.uniform_patch, branch.uniform_frame)


def figure(
    frames: UInt8[ndarray, "t y x"],
    panels: list[Panel],
    title: str,
    contours: list[Float[ndarray, "t points 2"]],  # fractions of a side: vessel, then lumen
    opacity: float,
    stretch: bool,
) -> Figure:
    """Frames with the overlay, and the attention on each as a bar; panels under one another."""
    times = [panel.maps / panel.uniform_patch for panel in panels]
    values = torch.cat([each[~each.isnan()] for each in times])
    low, high = (float(values.min()), float(values.max())) if stretch else (1.0, 2.0)
    count = len(frames)
    side = min(1.1, 9 / count)  # inches of a frame: many must still fit a page
    size = (max(side * count + 1.2, 4), (side + 1.3) * len(panels) + 0.5)
    drawn = Figure(figsize=size, layout="constrained")
    drawn.suptitle(title, fontsize=11)
    heights = [1, 0.5] * len(panels)
    rows = drawn.subplots(2 * len(panels), count, squeeze=False, height_ratios=heights)
    scale = ScalarMappable(Normalize(low, high, clip=True), _ATTENDED)
    for place, panel in enumerate(panels):
        full = np.nanmax([2 * panel.uniform_frame, *panel.totals])
        for frame, (axes, below) in enumerate(zip(*rows[2 * place : 2 * place + 2], strict=True)):
            extent = (0, frames.shape[2], frames.shape[1], 0)
            axes.imshow(frames[frame], cmap="gray", vmin=0, vmax=255, extent=extent)
            here = times[place][frame].numpy()
            over = scale.to_rgba(here)
            over[..., 3] = opacity * np.nan_to_num(scale.norm(here))  # none where it cannot attend
            axes.imshow(over, extent=extent)
            for style, contour in zip(("--", "-"), contours, strict=False):
                axes.plot(*(contour[frame] * frames.shape[:0:-1]).T, style, color="white", lw=0.8)
            axes.set(xticks=[], yticks=[], title=frame + 1)
            total = panel.totals[frame].item()
            below.bar([0], [np.nan_to_num(total)], color=_BLUE)
            below.axhline(panel.uniform_frame, color=_GREY, ls="--", lw=1)
            below.set(xlim=(-1, 1), ylim=(0, full), xticks=[], yticks=[])
            below.set_xlabel("none" if np.isnan(total) else f"{total:.1%}")
        if len(panels) > 1:
            rows[2 * place, 0].set_ylabel(panel.title, fontsize=9)
    drawn.colorbar(scale, ax=list(rows[::2].flat), label="times uniform")
    return drawn
