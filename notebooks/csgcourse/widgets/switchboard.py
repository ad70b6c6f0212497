"""Switchboard of notebook 04: wire query, keys and values between two branches.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3. The branches of the network are
learned and hard to interpret; these two follow rules of ours (not in the paper) that a reader can
check by eye.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from einops import rearrange, reduce
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from csglib.data.clips import Clip
from csglib.model.attention import Attention
from csglib.widgets.base import MAGNITUDE, LiveFigure, front_end

PATCH = 16  # pixels along y and x
FEATURES = ("brightness", "difference")
BRANCHES = ("space", "time")
REACH = 3.0  # standard deviations that the colours of the values span, both ways
_SCALE = 3.0  # of the queries; a key one standard deviation higher weighs e^1.5 = 4.5 times as much
_SIDES = ("own", "other")

WIRINGS = {  # query, key, value; "own" is the target
    "own own own": "Self-attention of {own}; nothing of {other} takes part.",
    "own other other": "CA, cross attention: the query is {own}'s, keys and values are {other}'s.",
    "other other own": "SWA, switched attention: the attention map, query and keys, is {other}'s; "
    "the values are {own}'s.",
    "other other other": "Self-attention of {other}, handed over; nothing of {own} takes part.",
    "own own other": "The mirror of SWA: {own}'s map over {other}'s values is SWA with {other} as "
    "the target.",
    "other own own": "The mirror of CA: {other}'s query on {own}'s keys and values is CA with "
    "{other} as the target.",
    "own other own": "Neither: {own}'s query on {other}'s keys, and {own}'s values. Not in the "
    "paper, nor in any other that we know.",
    "other own other": "Neither: {other}'s query on {own}'s keys, and {other}'s values. Not in the "
    "paper, nor in any other that we know.",
}


class Branch(NamedTuple):
    """Query, keys and values of one branch."""

    query: Float[Tensor, "1 e"]  # of its class token
    key: Float[Tensor, "j e"]  # features of each patch, in standard deviations; frame by frame
    value: Float[Tensor, "j e"]  # the same numbers here, while a network learns them apart


def two_branches(clip: Clip) -> dict[str, Branch]:
    """Two branches with rules of ours in place of learned projections.

    Both have two features a patch, brightness and difference. In "space" they are relative to the
    patch's frame and to the patches around it, and the query is for brightness; in "time" they are
    relative to the same place in all frames and in the frames before and after, and the query is
    for difference.

    Raises:
        ValueError: the clip has one frame, or sides that are not multiples of `PATCH`.
    """
    frames, height, width = clip.frames.shape
    if frames < 2 or height % PATCH or width % PATCH:
        raise ValueError(
            f"a clip of 2 frames or more is wanted, with sides that are multiples of {PATCH} "
            f"pixels: got {frames} x {height} x {width}"
        )
    grey, grid = torch.from_numpy(clip.frames / np.float32(255)), "t rows columns"
    light = reduce(grey, f"t (rows y) (columns x) -> {grid}", "mean", y=PATCH, x=PATCH)
    around = F.avg_pool2d(light, 3, stride=1, padding=1, count_include_pad=False)
    steps = F.pad(light.diff(dim=0).abs(), (0, 0, 0, 0, 1, 1))  # no step before the first frame
    return {
        "space": _branch((1, 0), light - light.mean((1, 2), keepdim=True), (light - around).abs()),
        "time": _branch((0, 1), light - light.mean(0), steps[1:] + steps[:-1]),
    }


def _branch(query: tuple[int, int], *features: Float[Tensor, "t rows columns"]) -> Branch:
    standard = [(values - values.mean()) / values.std().clamp_min(1e-6) for values in features]
    patches = rearrange(standard, "e t rows columns -> (t rows columns) e").float()
    return Branch(_SCALE / 2**0.5 * torch.tensor([query], dtype=torch.float32), patches, patches)


def wired(
    branches: dict[str, Branch], target: str, wires: tuple[str, str, str]
) -> tuple[Float[Tensor, " j"], Float[Tensor, " e"]]:
    """Attention map and output of one wiring.

    Query, key and value come from "own", the target (the branch that gets the output), or "other".
    """
    complement = BRANCHES[1 - BRANCHES.index(target)]
    query, key, value = (branches[target if side == "own" else complement] for side in wires)
    parts = (query.query[None, None], key.key[None, None], value.value[None, None])
    return Attention.weights(*parts)[0, 0, 0], Attention()(*parts)[0, 0, 0]


class Switchboard(LiveFigure):
    """Choose which branch gives query, key and value, and see the map and the output.

    The page asks for a guess before it shows a map. A clip has at least 2 frames and sides that are
    multiples of 16 pixels; a few frames and 64 to 128 pixels are best to look at.
    """

    _esm, _css = front_end(__file__)
    _settings = ("target", "query", "key", "value")

    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)  # u8 (t, y, x)
    maps = traitlets.Bytes().tag(sync=True)  # f32 (branch of the query, branch of the key, j)
    values = traitlets.Bytes().tag(sync=True)  # f32 (branch, j, e)
    target = traitlets.Enum(BRANCHES, "space").tag(sync=True)  # the branch that gets the output
    query = traitlets.Enum(_SIDES, "own").tag(sync=True)  # comes from the target or the other one
    key = traitlets.Enum(_SIDES, "own").tag(sync=True)
    value = traitlets.Enum(_SIDES, "own").tag(sync=True)
    guess = traitlets.Enum(("", *WIRINGS), "").tag(sync=True)  # taken for SWA; "" hides all

    def __init__(self, clip: Clip) -> None:
        self._clip, self._branches = clip, two_branches(clip)
        # All wirings of one target are all there are: those of the other are the same, mirrored.
        wirings = [*product(_SIDES, _SIDES, _SIDES)]
        found = {wires: wired(self._branches, "space", wires) for wires in wirings}
        named = dict(zip(_SIDES, BRANCHES, strict=True))
        outputs = {" ".join(named[side] for side in one): found[one][1].tolist() for one in wirings}
        maps = torch.stack(
            [weights for (_, _, value), (weights, _) in found.items() if value == "own"]
        )
        values = torch.stack([branch.value for branch in self._branches.values()])
        count, height, width = clip.frames.shape
        facts = {"frames": count, "height": height, "width": width, "patch": PATCH, "reach": REACH}
        facts |= {"branches": list(BRANCHES), "features": list(FEATURES), "wirings": WIRINGS}
        super().__init__(
            facts=facts | {"outputs": outputs},
            frames=clip.frames.tobytes(),
            maps=maps.numpy().astype("<f4").tobytes(),
            values=values.numpy().astype("<f4").tobytes(),
        )

    def still(self) -> Figure:
        """The map over the clip."""
        wires = (self.query, self.key, self.value)
        other = BRANCHES[1 - BRANCHES.index(self.target)]
        weights, output = wired(self._branches, self.target, wires)
        count, height, width = self._clip.frames.shape
        maps = rearrange(weights, "(t y x) -> t y x", t=count, y=height // PATCH)
        figure = Figure(figsize=(9, 3.1), layout="constrained")
        words = WIRINGS[" ".join(wires)].format(own=self.target, other=other)
        numbers = f"Output: brightness {output[0]:+.2f}, difference {output[1]:+.2f}"
        figure.suptitle(f"{words}\n{numbers}", fontsize=10, wrap=True)
        box = (0, width, height, 0)
        for frame, axes in enumerate(figure.subplots(1, count, squeeze=False)[0]):
            axes.imshow(self._clip.frames[frame], cmap="gray", extent=box)
            veil = {"vmin": 0, "vmax": float(weights.max()), "alpha": 0.6, "extent": box}
            axes.imshow(maps[frame].numpy(), cmap=MAGNITUDE, **veil)
            axes.set_title(f"frame {1 + frame}: {maps[frame].sum():.0%}", fontsize=9)
            axes.set(xticks=[], yticks=[])
        return figure
