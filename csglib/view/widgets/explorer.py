"""The attention explorer: where CSG-3DCT looks across the frames of one clip, block by block.

Source: not in the paper, whose Fig. 4 shows Grad-CAM of one clip. Attention is no evidence that an
answer is right; beside a simulated clip's truth it can at least be seen where it does not fall.
"""

from typing import Any

import torch
import torch.nn.functional as F
import traitlets
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor, nn

from csglib.data.clips import GRADES, Clip
from csglib.model.fusion import SwitchedAttention
from csglib.view.class_token import Branch, ClassToken, class_token
from csglib.view.widgets.base import MAGNITUDE, LiveFigure, es_module, style_sheet

LONGER_SIDE = 128  # pixels of a frame that is sent

LABELS = {
    "space": "spatial branch",
    "time": "temporal branch",
    "into_space": "space asks time",
    "into_time": "time asks space",
    "joint": "the whole clip",
}
SWITCHED = {"into_space": "space uses time's map", "into_time": "time uses space's map"}


class AttentionExplorer(LiveFigure):
    """All frames of a clip under the class token's attention, mean over heads.

    A map has one scale for all frames: a scale a frame would hide that one holds more than
    another. The network runs once, here; the page needs no kernel afterwards.

    Args:
        model: a network made by `CSG3DCT`; comes back in the mode it came in.
        clip: height and width multiples of 16.

    Attributes:
        block: counted from 1, as on the slider; the last at first.
        frame: counted from 1.
        view: the branch on show, a key of `LABELS`; "into_time" at first.
        opacity: of the colours over the frames, 0 to 1.
        playing: frames pass by themselves.
        stretch: colours run from the map's least to its largest value; else from 0 to twice an
            even share at least, so that an even map is grey and not a pattern.
        show_truth: contours and the narrowest frame of a simulated clip.

    Raises:
        ValueError: the clip's size does not suit the network, or it has no class token to look at.
    """

    _esm = es_module("explorer_pictures.js", "explorer.js")
    _css = style_sheet("explorer.css")

    block = traitlets.Int(1).tag(sync=True)
    frame = traitlets.Int(1).tag(sync=True)
    view = traitlets.Unicode("").tag(sync=True)
    opacity = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    stretch = traitlets.Bool(False).tag(sync=True)
    show_truth = traitlets.Bool(False).tag(sync=True)

    # What the page draws from; `_message` says how it is laid out.
    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)
    maps = traitlets.Bytes().tag(sync=True)
    ends = traitlets.Bytes().tag(sync=True)
    totals = traitlets.Bytes().tag(sync=True)
    lumen = traitlets.Bytes().tag(sync=True)
    vessel = traitlets.Bytes().tag(sync=True)

    def __init__(self, model: nn.Module, clip: Clip) -> None:
        self._seen, self._frames = class_token(model, clip), _shrunk(clip.frames)
        switched = any(isinstance(part, SwitchedAttention) for part in model.modules())
        data = _message(clip, self._seen, LABELS | (SWITCHED if switched else {}))
        last = list(self._seen.branches)[-1]
        super().__init__(**data, view=last, block=data["facts"]["blocks"])

    @traitlets.validate("block", "frame")
    def _counted(self, proposal: dict[str, Any]) -> Any:
        name = proposal["trait"].name
        most = self.facts[f"{name}s"]
        if not 1 <= proposal["value"] <= most:
            raise traitlets.TraitError(f"{name} must be 1 to {most}: got {proposal['value']}")
        return proposal["value"]

    @traitlets.validate("view")
    def _known(self, proposal: dict[str, Any]) -> Any:
        names = [branch["name"] for branch in self.facts["branches"]]
        if proposal["value"] not in names:
            raise traitlets.TraitError(f"view must be one of {names}: got {proposal['value']!r}")
        return proposal["value"]

    def __repr__(self) -> str:
        rows, columns = self.facts["rows"], self.facts["columns"]
        return (
            f"AttentionExplorer(view={self.view!r}, block={self.block} of {self.facts['blocks']}, "
            f"frame={self.frame} of {self.facts['frames']}, {rows} x {columns} patches)"
        )

    def still(self) -> Figure:
        """All frames with the overlay, and the attention on each as a bar."""
        branch = self._seen.branches[self.view]
        maps, totals = branch.maps[self.block - 1], branch.totals[self.block - 1].tolist()
        least, most = float(maps.min()), float(maps.max())
        low, high = (least, most) if self.stretch else (0.0, max(most, 2 * branch.even_patch))
        count, height, width = self._frames.shape
        side = min(1.1, 9 / count)  # inches of a frame: many must still fit a page
        figure = Figure(figsize=(max(side * count + 1.2, 4), side + 1.8), layout="constrained")
        label = next(item for item in self.facts["branches"] if item["name"] == self.view)["label"]
        figure.suptitle(f"Block {self.block} of {self.facts['blocks']}, {label}", fontsize=11)
        rows = figure.subplots(2, count, squeeze=False, height_ratios=[1, 0.5])
        scale = ScalarMappable(Normalize(low, high), MAGNITUDE)
        extent = (0, width, height, 0)
        for place, (above, below) in enumerate(zip(*rows, strict=True)):
            above.imshow(self._frames[place], cmap="gray", vmin=0, vmax=255, extent=extent)
            colours = scale.to_rgba(maps[place].numpy(), alpha=self.opacity)
            above.imshow(colours, extent=extent)
            above.set(xticks=[], yticks=[], title=place + 1)
            below.bar([0], [totals[place]], color="#1668b8")
            below.axhline(branch.even_frame, color="#555555", ls="--", lw=1)
            below.set(xlim=(-1, 1), ylim=(0, max(2 * branch.even_frame, *totals)))
            below.set(xticks=[], yticks=[], xlabel=f"{totals[place]:.1%}")
        figure.colorbar(scale, ax=list(rows[0]), format="{x:.2%}", label="one patch")
        return figure


def _message(clip: Clip, seen: ClassToken, labels: dict[str, str]) -> dict[str, Any]:
    """All traits that hold data, by name; arrays are flat, branches in the order of `seen`.

    Args:
        clip: whose frames are shown.
        seen: what `class_token` found in them.
        labels: words for each branch.

    Returns:
        "facts": sizes, labels, the network's answer, the truth.
        "frames": u8 (t, y, x).
        "maps": u8 (branch, block, t, row, column); 0 is a map's least value, 255 its most.
        "ends": f32 (branch, block, 2), these two values.
        "totals": f32 (branch, block, t), attention on a frame.
        "lumen", "vessel": f32 (t, points, 2), x and y as shares of a side; empty for a real clip.
    """
    frames = _shrunk(clip.frames)
    branches = seen.branches.values()
    ends = [_ends(branch.maps) for branch in branches]
    codes = [_codes(branch.maps, end) for branch, end in zip(branches, ends, strict=True)]
    truth = clip.truth
    return {
        "facts": {**_sizes(frames, seen), **_words(clip, seen, labels)},
        "frames": frames.tobytes(),
        "maps": _bytes(torch.stack(codes)),
        "ends": _bytes(torch.stack(ends)),
        "totals": _bytes(torch.stack([branch.totals for branch in branches])),
        "lumen": b"" if truth is None else _bytes(_shares(truth.lumen, clip)),
        "vessel": b"" if truth is None else _bytes(_shares(truth.vessel_inner, clip)),
    }


def _shrunk(frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "t small_y small_x"]:
    """Frames no longer than `LONGER_SIDE` pixels; each pixel is the mean of what it covers."""
    height, width = frames.shape[1:]
    scale = min(1.0, LONGER_SIDE / max(height, width))
    if scale == 1:
        return frames
    size = (round(scale * height), round(scale * width))
    grey = F.adaptive_avg_pool2d(torch.tensor(frames).float(), size)
    return grey.round().byte().numpy()


def _sizes(frames: UInt8[ndarray, "t y x"], seen: ClassToken) -> dict[str, int]:
    first = next(iter(seen.branches.values()))
    names = ("blocks", "frames", "rows", "columns")
    sizes = dict(zip(names, first.maps.shape, strict=True))
    return {**sizes, "height": frames.shape[1], "width": frames.shape[2]}


def _words(clip: Clip, seen: ClassToken, labels: dict[str, str]) -> dict[str, Any]:
    shares = seen.probabilities.tolist()
    numbered = tuple(f"grade {place}" for place in range(len(shares)))
    grades = GRADES if len(shares) == len(GRADES) else numbered
    return {
        "branches": [_branch(name, branch, labels) for name, branch in seen.branches.items()],
        "answer": [list(pair) for pair in zip(grades, shares, strict=True)],
        "truth": clip.truth
        and {
            "narrowest": clip.truth.narrowest + 1,
            "closed": clip.truth.diameter_stenosis.tolist(),
            "grade": GRADES[clip.truth.grade],
        },
    }


def _branch(name: str, branch: Branch, labels: dict[str, str]) -> dict[str, Any]:
    even = {"evenPatch": branch.even_patch, "evenFrame": branch.even_frame}
    return {"name": name, "label": labels[name], **even}


def _ends(maps: Float[Tensor, "blocks t rows columns"]) -> Float[Tensor, "blocks 2"]:
    pattern = "blocks t rows columns -> blocks"
    return torch.stack([reduce(maps, pattern, "min"), reduce(maps, pattern, "max")], dim=1)


def _codes(
    maps: Float[Tensor, "blocks t rows columns"], ends: Float[Tensor, "blocks 2"]
) -> UInt8[Tensor, "blocks t rows columns"]:
    least, most = rearrange(ends, "blocks end -> end blocks 1 1 1")
    span = (most - least).clamp(min=torch.finfo(maps.dtype).tiny)  # an even map is all zeros
    return (255 * (maps - least) / span).round().byte()


def _shares(contour: Float[ndarray, "t points 2"], clip: Clip) -> Float[Tensor, "t points 2"]:
    # a point (0, 0) is the middle of the first pixel
    height, width = clip.frames.shape[1:]
    return (torch.tensor(contour).float() + 0.5) / torch.tensor([width, height])


def _bytes(array: Tensor) -> bytes:
    return array.contiguous().numpy().tobytes()
