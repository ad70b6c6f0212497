"""Cost dial of notebook 03: who may ask whom, what it costs, and what one patch asks its past.

Source: section 2, "Intra-dimension ST Learning Module" and Fig. 2(c); the cost of asking every
token is the first of the two limitations that the section starts from.
"""

import copy
from pathlib import Path
from typing import Any, cast

import torch
import traitlets
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from csglib.data.clips import Clip, network_input
from csglib.model.amdf import AMDFBlock
from csglib.model.config import PAPER
from csglib.model.csg3dct import CSG3DCT
from csglib.view.capture import attention_maps
from csglib.widgets.base import MAGNITUDE, LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
KINDS = {"joint": "joint", "space": "space", "time": "time", "both": "space + time"}
MOST_FRAMES, MOST_SIDE = 64, 32  # what the sliders reach
LONGEST_CLIP = 16  # frames; a larger table cannot be read
GUESSES = (2, 8, 50, 500)  # "so many times cheaper"
ASKED = (8, 64)  # frames at which a guess is asked for, at the paper's 16 x 16 patches
_BLUE, _ORANGE = "#1668b8", "#b45309"


def multiplications(frames: int, side: int, kind: str) -> int:
    """What scores and mixing cost in one block of the paper's width, class token included.

    Projections and FFN are not in it: they cost the same per token whoever is asked.

    Args:
        frames: t, 1 or more.
        side: patches along a side of a frame, 1 or more.
        kind: "joint", "space", "time", or "both" of the last two.
    """
    patches = side**2
    sequences = {
        "joint": [(1, 1 + frames * patches)],
        "space": [(frames, 1 + patches)],
        "time": [(patches, 1 + frames)],
    }
    sequences["both"] = sequences["space"] + sequences["time"]
    return 2 * PAPER.dim * sum(count * length**2 for count, length in sequences[kind])


class CostDial(LiveFigure):
    """Dial a clip's length and fineness, and see what asking everybody costs.

    Below the dial is a clip of its own: pick a patch, see whom it may ask, and how its question
    along time is shared out in the first block, whose tokens are still patches of pixels. The page
    asks for two guesses before it shows a cost.

    Args:
        network: made by `CSG3DCT`, with a temporal branch; a copy of it runs once, here.
        clip: its height and width multiples of a patch, at most 16 frames.

    Attributes:
        frames: of the clip whose cost is shown, 1 to 64.
        side: patches along a side of its frames, 2 to 32; the paper has 16.
        kind: who may be asked, a key of `KINDS`.
        guess_8: how many times cheaper the two branches are in a clip of 8 frames, one of
            `GUESSES`, or 0 for no guess yet.
        guess_64: the same for 64 frames.
        revealed: costs are on show.
        patch: the asking patch of the small clip, counted from 0, row by row.
        frame: the frame it asks from, counted from 1.
        head: whose map, counted from 1; 0 is the mean over heads.
        stretch: colours run from the map's least to its largest share; else from 0 to twice an
            even share at least.

    Raises:
        ValueError: the network has no temporal branch, or the clip is too long or does not fit.
    """

    _esm = es_module(_HERE, "cost_dial_clip.js", "cost_dial.js")
    _css = style_sheet(_HERE / "cost_dial.css")

    frames = traitlets.Int(8, min=1, max=MOST_FRAMES).tag(sync=True)
    side = traitlets.Int(16, min=2, max=MOST_SIDE).tag(sync=True)
    kind = traitlets.Enum(tuple(KINDS), "joint").tag(sync=True)
    guess_8 = traitlets.Enum((0, *GUESSES), 0).tag(sync=True)
    guess_64 = traitlets.Enum((0, *GUESSES), 0).tag(sync=True)
    revealed = traitlets.Bool(False).tag(sync=True)
    patch = traitlets.Int(0).tag(sync=True)
    frame = traitlets.Int(1).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    stretch = traitlets.Bool(False).tag(sync=True)

    facts = traitlets.Dict().tag(sync=True)  # sizes, and the width that costs are counted for
    pixels = traitlets.Bytes().tag(sync=True)  # u8 (t, y, x)
    maps = traitlets.Bytes().tag(sync=True)  # f32 (patch, head, asking frame, class token + frame)

    def __init__(self, network: CSG3DCT, clip: Clip) -> None:
        self._clip, self._maps = clip, temporal_maps(network, clip)
        _, heads, frames, _ = self._maps.shape
        _, height, width = clip.frames.shape
        rows, columns = height // network.config.patch, width // network.config.patch
        sizes = {"frames": frames, "rows": rows, "columns": columns, "heads": heads}
        super().__init__(
            facts={
                **sizes,
                "height": height,
                "width": width,
                "dim": PAPER.dim,
                "simulated": clip.truth is not None,
            },
            pixels=clip.frames.tobytes(),
            maps=self._maps.numpy().tobytes(),
            patch=columns * (rows // 2) + columns // 2,
            frame=1 + frames // 2,
        )

    @traitlets.validate("patch", "frame", "head")
    def _there(self, proposal: dict[str, Any]) -> Any:
        name, value, facts = proposal["trait"].name, proposal["value"], self.facts
        least, most = {
            "patch": (0, facts["rows"] * facts["columns"] - 1),
            "frame": (1, facts["frames"]),
            "head": (0, facts["heads"]),
        }[name]
        if not least <= value <= most:
            raise traitlets.TraitError(f"{name} must be {least} to {most}: got {value}")
        return value

    def __repr__(self) -> str:
        row, column = divmod(self.patch, self.facts["columns"])
        return (
            f"CostDial(frames={self.frames}, side={self.side}, kind={self.kind!r}; asking: "
            f"row {1 + row}, column {1 + column}, frame {self.frame} of {self.facts['frames']})"
        )

    def still(self) -> Figure:
        """Costs, their growth, the asking patch, its map; a picture cannot ask for a guess."""
        figure = Figure(figsize=(10, 5.6), layout="constrained")
        (bars, growth), (picture, table) = figure.subplots(2, 2, height_ratios=[1, 1.15])
        _draw_bars(bars, self.frames, self.side)
        _draw_growth(growth, self.frames, self.side)
        self._draw_patch(picture)
        self._draw_map(table)
        return figure

    def _draw_patch(self, axes: Axes) -> None:
        rows, columns, height, width = (
            self.facts[name] for name in ("rows", "columns", "height", "width")
        )
        row, column = divmod(self.patch, columns)
        axes.imshow(self._clip.frames[self.frame - 1], cmap="gray", extent=(0, columns, rows, 0))
        axes.set_aspect(height * columns / (width * rows))
        axes.add_patch(_outline(float(column), float(row)))
        axes.set(xticks=[], yticks=[], title=f"frame {self.frame}: the patch that asks")

    def _draw_map(self, axes: Axes) -> None:
        own = self._maps[self.patch]
        shares = own.mean(dim=0) if self.head == 0 else own[self.head - 1]
        frames = len(shares)
        even, most = 1 / (1 + frames), float(shares.max())
        low, high = (float(shares.min()), most) if self.stretch else (0, max(most, 2 * even))
        image = axes.imshow(shares.numpy(), cmap=MAGNITUDE, vmin=low, vmax=high)
        whose = f"head {self.head}" if self.head else "mean of heads"
        axes.set(title=f"its temporal map, {whose}", xlabel="asked", ylabel="asking frame")
        axes.set_xticks(range(1 + frames), ["cls", *(str(frame) for frame in range(1, 1 + frames))])
        axes.set_yticks(range(frames), [str(frame) for frame in range(1, 1 + frames)])
        axes.add_patch(_outline(-0.5, self.frame - 1.5, width=1.0 + frames))
        axes.figure.colorbar(image, ax=axes, format="{x:.0%}", label="share")


def temporal_maps(network: CSG3DCT, clip: Clip) -> Float[Tensor, "patches h t asked"]:
    """How each patch shares its question out along time, in the first block.

    Args:
        network: with a temporal branch.
        clip: what it sees.

    Returns:
        One map a patch position and head, a row for each frame that asks. The first column is what
        the class token gets (all of them, where each frame has one), then the frames; a row sums
        to 1.

    Raises:
        ValueError: as `CostDial`.
    """
    if not isinstance(network.blocks[0], AMDFBlock):
        raise ValueError(
            "the network has no temporal branch: its blocks attend jointly or in space"
        )
    frames = len(clip.frames)
    if frames > LONGEST_CLIP:
        raise ValueError(f"a clip of at most {LONGEST_CLIP} frames is wanted: got {frames}")
    twin = copy.deepcopy(network).eval()  # so that each part of the network keeps its mode
    weights = next(twin.parameters())
    with attention_maps(cast("AMDFBlock", twin.blocks[0]).time) as maps, torch.no_grad():
        twin(network_input(clip.frames)[None].to(weights.device, weights.dtype))
    asking = maps["attention"].float().cpu()[:, :, -frames:]
    token = asking[..., :-frames].sum(dim=-1, keepdim=True)
    return torch.cat([token, asking[..., -frames:]], dim=-1).contiguous()


def _draw_bars(axes: Axes, frames: int, side: int) -> None:
    costs = [multiplications(frames, side, kind) for kind in KINDS]
    axes.barh(list(KINDS.values()), costs, color=[_ORANGE, _BLUE, _BLUE, _BLUE])
    for place, cost in enumerate(costs):
        words = f" {cost / 1e6:,.1f} M"
        inside = cost > max(costs) / 2
        colour, side_of = ("white", "right") if inside else ("black", "left")
        axes.text(cost, place, words, va="center", ha=side_of, color=colour)
    axes.invert_yaxis()
    axes.set(title=f"multiplications: {frames} frames of {side} x {side} patches", xticks=[])


def _draw_growth(axes: Axes, frames: int, side: int) -> None:
    lengths = range(1, MOST_FRAMES + 1)
    for kind, colour, dashes in (("joint", _ORANGE, "-"), ("both", _BLUE, "--")):
        curve = [multiplications(length, side, kind) / 1e9 for length in lengths]
        axes.plot(lengths, curve, color=colour, ls=dashes, lw=2, label=KINDS[kind])
    axes.axvline(frames, color="#555555", lw=1, ls=":")
    axes.set(title="as the clip grows", xlabel="frames", ylabel="thousand million")
    axes.legend()


def _outline(left: float, top: float, width: float = 1.0) -> Rectangle:
    return Rectangle((left, top), width, 1, fill=False, edgecolor="#ff9d2e", lw=2.5)
