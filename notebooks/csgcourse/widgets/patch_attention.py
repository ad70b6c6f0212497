"""Patch attention of notebook 03: what a patch attends to in its frame, and in its past and future.

Source: Fig. 2(c), with the weights of a network.
"""

from typing import Any, cast

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from csglib.data.clips import Clip
from csglib.model.amdf import AMDFBlock
from csglib.model.csg3dct import CSG3DCT
from csglib.view.capture import attention_maps, batch_of, evaluating
from csglib.widgets.base import MAGNITUDE, LiveFigure, front_end

_LEVELS = 65_535  # weights are sent as u16
Maps = tuple[Float[Tensor, "h t n in_frame"], Float[Tensor, "h n t in_time"]]


def branch_maps(network: CSG3DCT, clip: Clip) -> list[Maps]:
    """Attention of every patch in each block's two branches, the class token's key first.

    Heads: their mean, then each. In space a query's keys are the n patches of its frame, in time
    its place in all t frames; rows sum to 1.

    Raises:
        ValueError: the network has no two branches, or a class token a frame; the clip is too odd.
    """
    if not isinstance(network.blocks[0], AMDFBlock) or network.config.class_tokens == "frame":
        raise ValueError("a network with two branches and one class token a clip is wanted")
    with evaluating(network), attention_maps(network) as maps, torch.no_grad():
        network(batch_of(network, clip))
    found = []
    for block in range(len(network.blocks)):
        own = (maps[f"blocks.{block}.{axis}.attention"].float().cpu() for axis in ("space", "time"))
        space, time = (one[:, :, 1:].transpose(0, 1) for one in own)
        found.append(tuple(torch.cat([one.mean(0, keepdim=True), one]) for one in (space, time)))
    return cast(list[Maps], found)


def shared_weight(space: Float[Tensor, "t n keys"]) -> float:
    """Weight that two patches half a frame apart give to the same keys, 0 to 1: the sum of minima.

    Mean over all patches and frames.
    """
    others = space.roll(space.shape[1] // 2, dims=1)
    return float(torch.minimum(space, others).sum(dim=-1).mean())


class PatchAttention(LiveFigure):
    """Choose a query patch: its attention in its frame as a map, and along time as bars.

    The page asks for a guess first: what two patches far apart attend to in the last block.

    Args:
        network: of two branches, trained.
        clip: height and width multiples of a patch.

    Raises:
        ValueError: as `branch_maps`.
    """

    _esm, _css = front_end(__file__)
    _settings = ("block", "head", "frame", "patch")

    block = traitlets.Int(1).tag(sync=True)  # from 1; at first the last
    head = traitlets.Int(0).tag(sync=True)  # from 1; 0 is the mean over heads
    frame = traitlets.Int(1).tag(sync=True)  # of the query, from 1
    patch = traitlets.Int(0).tag(sync=True)  # of the query, from 0, row by row
    playing = traitlets.Bool(False).tag(sync=True)
    # What two patches far apart attend to: each "near" itself, each what looks "alike", the "same".
    guess = traitlets.Enum(("", "near", "alike", "same"), "").tag(sync=True)

    facts = traitlets.Dict().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)  # u8 (t, y, x)
    space = traitlets.Bytes().tag(sync=True)  # u16 (t, n, 1 + n) of this block and head
    time = traitlets.Bytes().tag(sync=True)  # u16 (n, t, 1 + t)

    def __init__(self, network: CSG3DCT, clip: Clip) -> None:
        self._clip, self._maps = clip, branch_maps(network, clip)
        frames, height, width = clip.frames.shape
        rows, columns = height // network.config.patch, width // network.config.patch
        shared = [[shared_weight(head) for head in space] for space, _ in self._maps]
        facts: dict[str, Any] = {"frames": frames, "rows": rows, "columns": columns}
        facts |= {"height": height, "width": width, "shared": shared, "contours": []}
        if clip.truth:  # x and y in turn, fractions of a side
            outlines = np.stack([clip.truth.vessel_inner, clip.truth.lumen], axis=1) + 0.5
            fractions = (outlines / (width, height)).round(4)
            facts["contours"] = fractions.reshape(frames, 2, -1).tolist()
        super().__init__(
            facts=facts,
            pixels=clip.frames.tobytes(),
            block=len(shared),
            frame=1 + frames // 2,
            patch=columns * (rows // 2) + columns // 2,
        )
        self._send_maps()

    @traitlets.observe("block", "head")
    def _send_maps(self, _change: object = None) -> None:
        for name, maps in zip(("space", "time"), self._maps[self.block - 1], strict=True):
            levels = (maps[self.head] * _LEVELS).round().numpy().astype(np.uint16)
            setattr(self, name, levels.tobytes())

    @traitlets.validate("block", "head", "frame", "patch")
    def _there(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        space, time = self._maps[0]  # of four heads, say, 1 + 4 maps
        counts = {"block": len(self._maps), "frame": space.shape[1], "head": len(space)}
        least = 1 if name in ("block", "frame") else 0
        most = counts.get(name, time.shape[1]) - 1 + least
        if not least <= value <= most:
            raise traitlets.TraitError(f"{name} must be {least} to {most}: got {value}")
        return value

    def still(self) -> Figure:
        """The query's frame with its map, and its weights along time; before the guess, no map."""
        figure = Figure(figsize=(8, 2.9), layout="constrained")
        picture, bars = figure.subplots(1, 2, width_ratios=[1, 1.7])
        rows, columns = self.facts["rows"], self.facts["columns"]
        ends = (-0.5, self.facts["width"] - 0.5, self.facts["height"] - 0.5, -0.5)
        picture.imshow(self._clip.frames[self.frame - 1], cmap="gray", vmin=0, vmax=255)
        space, time = (one[self.head] for one in self._maps[self.block - 1])
        if self.guess:
            weights = space[self.frame - 1, self.patch, 1:].reshape(rows, columns)
            picture.imshow(weights.numpy(), MAGNITUDE, extent=ends, alpha=0.6)
            along = time[self.patch, self.frame - 1].numpy()
            bars.bar(range(len(along)), along, color="#1668b8")
            bars.axhline(1 / len(along), color="#b45309", linestyle="--")
        row, column = divmod(self.patch, columns)
        size = self.facts["height"] // rows
        corner = (column * size - 0.5, row * size - 0.5)
        picture.add_patch(Rectangle(corner, size, size, fill=False, edgecolor="#ff9d2e", lw=2.5))
        picture.set(xticks=[], yticks=[], title=f"in space: frame {self.frame}")
        keys = ["class", *map(str, range(1, 1 + self.facts["frames"]))]
        words = "in time: its place in all frames; dashed: uniform"
        bars.set_xticks(range(len(keys)), keys)
        bars.set(title=words if self.guess else "run this cell: first the widget asks for a guess")
        return figure
