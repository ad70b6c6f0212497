"""The explorer's still: all frames under the attention on view."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor

from csglib.view.attention_record import AttentionRecord
from csglib.widgets.base import MAGNITUDE

_BLUE, _GREY = "#1668b8", "#555555"


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
    frames: UInt8[ndarray, "t y x"], panels: list[Panel], title: str, opacity: float, stretch: bool
) -> Figure:
    """Frames with the overlay, and the attention on each as a bar; panels under one another."""
    values = torch.cat([panel.maps[~panel.maps.isnan()] for panel in panels])
    least, most = float(values.min()), float(values.max())
    wide = (0.0, max(most, *(2 * panel.uniform_patch for panel in panels)))
    count = len(frames)
    side = min(1.1, 9 / count)  # inches of a frame: many must still fit a page
    size = (max(side * count + 1.2, 4), (side + 1.3) * len(panels) + 0.5)
    drawn = Figure(figsize=size, layout="constrained")
    drawn.suptitle(title, fontsize=11)
    ratios = [1, 0.5] * len(panels)
    rows = drawn.subplots(2 * len(panels), count, squeeze=False, height_ratios=ratios)
    scale = ScalarMappable(Normalize(*((least, most) if stretch else wide)), MAGNITUDE)
    for place, panel in enumerate(panels):
        above, below = rows[2 * place : 2 * place + 2]
        for frame, axes in enumerate(above):
            extent = (0, frames.shape[2], frames.shape[1], 0)
            axes.imshow(frames[frame], cmap="gray", vmin=0, vmax=255, extent=extent)
            colours = scale.to_rgba(panel.maps[frame].numpy(), alpha=opacity)
            colours[..., 3] *= ~panel.maps[frame].isnan().numpy()
            axes.imshow(colours, extent=extent)
            axes.set(xticks=[], yticks=[], title=frame + 1)
        _bars(list(below), panel)
        if len(panels) > 1:
            above[0].set_ylabel(panel.title, fontsize=9)
    drawn.colorbar(scale, ax=list(rows[::2].flat), format="{x:.2%}", label="one patch")
    return drawn


def _bars(axes: list[Axes], panel: Panel) -> None:
    attended = ~panel.totals.isnan()
    full = max(2 * panel.uniform_frame, *panel.totals[attended].tolist())
    for below, total, known in zip(axes, panel.totals.nan_to_num().tolist(), attended, strict=True):
        below.bar([0], [total], color=_BLUE)
        below.axhline(panel.uniform_frame, color=_GREY, ls="--", lw=1)
        below.set(xlim=(-1, 1), ylim=(0, full), xticks=[], yticks=[])
        below.set_xlabel(f"{total:.1%}" if known else "none")
