"""Cost dial of notebook 03: the cost of joint, spatial and temporal attention, and a patch's map.

Source: section 2, "Intra-dimension ST Learning Module" and Fig. 2(c); the cost of joint attention
is the first of the two limitations that the section starts from.
"""

import copy
from typing import Any, cast

import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from csgcourse.chapter_03 import attention_cost
from csglib.data.clips import Clip
from csglib.data.normalise import network_input
from csglib.model.amdf import AMDFBlock
from csglib.model.config import PAPER
from csglib.model.csg3dct import CSG3DCT
from csglib.view.capture import attention_maps
from csglib.widgets.base import MAGNITUDE, LiveFigure, front_end

KINDS = {"joint": "joint", "space": "space", "time": "time", "both": "space + time"}
LONGEST_CLIP = 16  # frames; a larger table cannot be read
GUESSES = (2, 8, 50, 500)  # times cheaper


def macs(frames: int, side: int, kind: str) -> int:
    """MACs of scores and weighted sums in one block of the paper's width, class token included.

    Projections and FFN are left out: they cost the same per token for every kind, a key of `KINDS`.
    A frame has `side` x `side` patches.
    """
    axes = ("space", "time") if kind == "both" else (kind,)
    return sum(attention_cost(frames, side**2, PAPER.dim, axis) for axis in axes)


def temporal_maps(network: CSG3DCT, clip: Clip) -> Float[Tensor, "patches h t keys"]:
    """Temporal attention of every patch in the first block, whose tokens are still patches.

    A map has a row for each frame as the query. The first column is the weight of the class token
    (the sum, if each frame has one), then the frames; a row sums to 1.

    Raises:
        ValueError: the network has no temporal branch, or the clip is too long or does not fit.
    """
    if not isinstance(network.blocks[0], AMDFBlock):
        raise ValueError("the network has no temporal branch: it attends jointly or in space")
    frames = len(clip.frames)
    if frames > LONGEST_CLIP:
        raise ValueError(f"a clip of at most {LONGEST_CLIP} frames is wanted: got {frames}")
    twin = copy.deepcopy(network).eval()  # so that each part of the network keeps its mode
    weights = next(twin.parameters())
    with attention_maps(cast("AMDFBlock", twin.blocks[0]).time) as maps, torch.no_grad():
        twin(network_input(clip.frames)[None].to(weights.device, weights.dtype))
    patches = maps["attention"].float().cpu()[:, :, -frames:]  # without the class token's rows
    cls = patches[..., :-frames].sum(dim=-1, keepdim=True)
    return torch.cat([cls, patches[..., -frames:]], dim=-1).contiguous()


class CostDial(LiveFigure):
    """Set a clip's length and resolution, see the cost; below, pick a query and see its map.

    The page asks for two guesses before it shows a cost.

    Args:
        network: with a temporal branch; a copy of it runs once, here.
        clip: its height and width multiples of a patch, at most 16 frames.

    Raises:
        ValueError: as `temporal_maps`.
    """

    _esm, _css = front_end(__file__)

    frames = traitlets.Int(8, min=1, max=64).tag(sync=True)  # of the clip whose cost is shown
    side = traitlets.Int(16, min=2, max=32).tag(sync=True)  # patches along a side; the paper has 16
    kind = traitlets.Enum(tuple(KINDS), "joint").tag(sync=True)
    # How many times cheaper space and time are in a clip of 8 or 64 frames; 0 is no guess yet.
    guess_8 = traitlets.Enum((0, *GUESSES), 0).tag(sync=True)
    guess_64 = traitlets.Enum((0, *GUESSES), 0).tag(sync=True)
    revealed = traitlets.Bool(False).tag(sync=True)  # costs are shown
    patch = traitlets.Int(0).tag(sync=True)  # of the query, from 0, row by row
    frame = traitlets.Int(1).tag(sync=True)  # of the query, from 1
    head = traitlets.Int(0).tag(sync=True)  # from 1; 0 is the mean over heads
    # Colours run from the map's least to its largest weight, or from 0 to at least twice 1 / keys.
    stretch = traitlets.Bool(False).tag(sync=True)

    facts = traitlets.Dict().tag(sync=True)  # sizes of the clip; the width that costs are for
    pixels = traitlets.Bytes().tag(sync=True)  # u8 (t, y, x)
    maps = traitlets.Bytes().tag(sync=True)  # f32 (patch, mean and heads, t, class token and t)

    def __init__(self, network: CSG3DCT, clip: Clip) -> None:
        own = temporal_maps(network, clip)
        self._clip, self._maps = clip, torch.cat([own.mean(dim=1, keepdim=True), own], dim=1)
        frames, height, width = clip.frames.shape
        rows, columns = height // network.config.patch, width // network.config.patch
        facts = {"frames": frames, "rows": rows, "columns": columns, "heads": own.shape[1]}
        facts |= {"height": height, "width": width, "dim": PAPER.dim}
        facts["simulated"] = clip.truth is not None
        super().__init__(
            facts=facts,
            pixels=clip.frames.tobytes(),
            maps=self._maps.numpy().tobytes(),
            patch=columns * (rows // 2) + columns // 2,
            frame=1 + frames // 2,
        )

    @traitlets.validate("patch", "frame", "head")
    def _there(self, proposal: dict[str, Any]) -> Any:
        name, value, facts = proposal["trait"].name, proposal["value"], self.facts
        most = {"patch": facts["rows"] * facts["columns"] - 1, "head": facts["heads"]}
        least, most = (1, facts["frames"]) if name == "frame" else (0, most[name])
        if not least <= value <= most:
            raise traitlets.TraitError(f"{name} must be {least} to {most}: got {value}")
        return value

    def __repr__(self) -> str:
        row, column = divmod(self.patch, self.facts["columns"])
        return (
            f"CostDial(frames={self.frames}, side={self.side}, kind={self.kind!r}; query: "
            f"row {1 + row}, column {1 + column}, frame {self.frame} of {self.facts['frames']})"
        )

    def still(self) -> Figure:
        """MACs by kind, the query patch, and its map."""
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        bars, picture, table = figure.subplots(1, 3, width_ratios=[1.3, 1, 1.3])
        costs = [macs(self.frames, self.side, kind) / 1e6 for kind in KINDS]
        drawn = bars.barh(list(KINDS.values()), costs, color=["#b45309"] + 3 * ["#1668b8"])
        bars.bar_label(drawn, [f"{cost:,.1f}" for cost in costs], padding=3)
        bars.invert_yaxis()
        bars.margins(x=0.3)
        bars.set(title=f"million MACs: {self.frames} frames, {self.side} x {self.side}", xticks=[])

        size = self._clip.frames.shape[1] // self.facts["rows"]
        row, column = divmod(self.patch, self.facts["columns"])
        picture.imshow(self._clip.frames[self.frame - 1], cmap="gray")
        picture.add_patch(_outline(column * size, row * size, size, size))
        picture.set(xticks=[], yticks=[], title=f"frame {self.frame}: the query")

        weights = self._maps[self.patch, self.head]
        frames, most = len(weights), float(weights.max())
        ends = (float(weights.min()), most) if self.stretch else (0, max(most, 2 / (1 + frames)))
        image = table.imshow(weights.numpy(), MAGNITUDE, vmin=ends[0], vmax=ends[1])
        head = f"head {self.head}" if self.head else "mean of heads"
        table.set(title=f"temporal attention, {head}", xlabel="key", ylabel="frame of the query")
        table.set_xticks(range(1 + frames), ["cls", *map(str, range(1, 1 + frames))])
        table.set_yticks(range(frames), list(map(str, range(1, 1 + frames))))
        table.add_patch(_outline(0, self.frame - 1, 1 + frames, 1))
        figure.colorbar(image, ax=table, format="{x:.0%}", label="attention weight", shrink=0.7)
        return figure


def _outline(left: int, top: int, width: int, height: int) -> Rectangle:
    corner = (left - 0.5, top - 0.5)  # pixels are centred on whole numbers
    return Rectangle(corner, width, height, fill=False, edgecolor="#ff9d2e", lw=2.5)
