"""Switchboard of notebook 04: wire question, keys and values between two branches.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3. The branches of the network are
learned and hard to read; these two follow rules of ours (not in the paper) that a reader can check
with the eye.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from einops import rearrange, reduce
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from csglib.data.clips import Clip
from csglib.model.attention import Attention
from csglib.widgets.base import MAGNITUDE, SIGNED, LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
PATCH = 16  # pixels along y and x
FEATURES = ("brightness", "difference")
BRANCHES = ("space", "time")
REACH = 3.0  # standard deviations that the colours of the values span, both ways
_LOUD = 3.0  # a key one standard deviation higher weighs e^1.5 = 4.5 times as much
_SIDES = ("own", "other")

WIRINGS = {  # who asks, who is compared, who gives; "own" is the target
    "own own own": "Self-attention of {own}: it asks itself, and nothing of {other} flows in.",
    "own other other": "CA, cross attention: {own} asks its own question, {other} is queried and "
    "gives what it holds.",
    "other other own": "SWA, switched attention: the map is {other}'s, question and keys; what is "
    "seen through it is {own}'s.",
    "other other other": "Self-attention of {other}, handed over: nothing of {own} takes part.",
    "own own other": "The mirror of SWA: {own}'s map over {other}'s values is what {other} gets "
    "from SWA when {other} is the target.",
    "other own own": "The mirror of CA: {other} queries {own}; that answer is due to {other}, as "
    "the target.",
    "own other own": "Neither: {own}'s question meets {other}'s keys, and what is found there is "
    "read off in {own}. Not in the paper, and in no other that we know.",
    "other own other": "Neither: {other}'s question meets {own}'s keys, and what is found there is "
    "read off in {other}. Not in the paper, and in no other that we know.",
}


@dataclass(frozen=True)
class Offer:
    """What a branch has to offer: one question, and a key and a value for every patch.

    Attributes:
        query: what its class token looks for, a wish for each feature.
        key: what a patch shows, in standard deviations over the clip; frame by frame, row by row.
        value: what it hands over; the same numbers here, while a network learns both apart.
    """

    query: Float[Tensor, "1 e"]
    key: Float[Tensor, "j e"]
    value: Float[Tensor, "j e"]


def two_branches(clip: Clip) -> dict[str, Offer]:
    """A branch that compares within a frame, and one that compares a place with itself over time.

    Both note two features of each patch, brightness and difference. "space" takes a patch's
    brightness against its frame and how much it differs from the patches around it, and asks for
    what is bright. "time" takes its brightness against the same place in all frames and how much it
    differs from the frames before and after, and asks for what is different.

    Args:
        clip: at least 2 frames, sides multiples of `PATCH`.

    Raises:
        ValueError: the clip is of another size.
    """
    frames, height, width = clip.frames.shape
    if frames < 2 or height % PATCH or width % PATCH:
        raise ValueError(
            f"a clip of 2 frames or more is wanted, with sides that are multiples of {PATCH} "
            f"pixels: got {frames} x {height} x {width}"
        )
    light = reduce(
        torch.from_numpy(clip.frames / np.float32(255)),
        "t (rows y) (columns x) -> t rows columns",
        "mean",
        y=PATCH,
        x=PATCH,
    )
    around = F.avg_pool2d(light, 3, stride=1, padding=1, count_include_pad=False)
    before_and_after = F.pad(light.diff(dim=0).abs(), (0, 0, 0, 0, 1, 1))
    return {
        "space": _offer((1, 0), light - light.mean((1, 2), keepdim=True), (light - around).abs()),
        "time": _offer((0, 1), light - light.mean(0), before_and_after[1:] + before_and_after[:-1]),
    }


def _offer(wish: tuple[int, int], *features: Float[Tensor, "t rows columns"]) -> Offer:
    standard = [(seen - seen.mean()) / seen.std().clamp_min(1e-6) for seen in features]
    patches = rearrange(standard, "e t rows columns -> (t rows columns) e").float()
    return Offer(_LOUD / 2**0.5 * torch.tensor([wish], dtype=torch.float32), patches, patches)


def wired(
    offers: dict[str, Offer], target: str, wires: tuple[str, str, str]
) -> tuple[Float[Tensor, " j"], Float[Tensor, " e"]]:
    """Where one wiring looks, and what the target gets to know.

    Args:
        offers: of "space" and "time".
        target: the branch that takes the answer.
        wires: who asks, who is compared, who gives; "own" (the target) or "other" each.

    Returns:
        The map, which sums to 1, and the mean of the values under it.
    """
    complement = BRANCHES[1 - BRANCHES.index(target)]
    query, key, value = (offers[target if side == "own" else complement] for side in wires)
    parts = (query.query[None, None], key.key[None, None], value.value[None, None])
    return Attention.weights(*parts)[0, 0, 0], Attention()(*parts)[0, 0, 0]


class Switchboard(LiveFigure):
    """Say who asks, who answers and who gives, and see what comes of it.

    The page computes everything itself and asks for a guess before it shows where a wiring looks.

    Args:
        clip: at least 2 frames, sides multiples of 16 pixels; a few frames and 64 to 128 pixels
            are best to look at.

    Attributes:
        target: "space" or "time".
        query, key, value: who asks, who is compared, who gives: "own" (the target) or "other".
        guess: the wiring that was taken for SWA, one of `WIRINGS`, or "" while all is hidden.
    """

    _esm = es_module(_HERE, "switchboard_pictures.js", "switchboard.js")
    _css = style_sheet(_HERE / "switchboard.css")

    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)  # uint8, t y x
    offers = traitlets.Bytes().tag(sync=True)  # float32; of each branch query, key, value
    target = traitlets.Enum(BRANCHES, "space").tag(sync=True)
    query = traitlets.Enum(_SIDES, "own").tag(sync=True)
    key = traitlets.Enum(_SIDES, "own").tag(sync=True)
    value = traitlets.Enum(_SIDES, "own").tag(sync=True)
    guess = traitlets.Enum(("", *WIRINGS), "").tag(sync=True)

    def __init__(self, clip: Clip) -> None:
        self._offers = two_branches(clip)
        self._clip = clip
        frames, height, width = clip.frames.shape
        numbers = [
            part.numpy().astype("<f4").tobytes()
            for offer in self._offers.values()
            for part in (offer.query, offer.key, offer.value)
        ]
        super().__init__(
            facts={
                "frames": frames,
                "height": height,
                "width": width,
                "patch": PATCH,
                "reach": REACH,
                "branches": list(BRANCHES),
                "features": list(FEATURES),
                "wirings": WIRINGS,
            },
            frames=clip.frames.tobytes(),
            offers=b"".join(numbers),
        )

    def __repr__(self) -> str:
        return (
            f"Switchboard(target={self.target!r}, query={self.query!r}, key={self.key!r}, "
            f"value={self.value!r})"
        )

    def still(self) -> Figure:
        """The map over the clip and the values under it; a picture cannot ask for a guess."""
        wires = (self.query, self.key, self.value)
        other = BRANCHES[1 - BRANCHES.index(self.target)]
        look, answer = wired(self._offers, self.target, wires)
        giver = self.target if self.value == "own" else other
        count, height, width = self._clip.frames.shape
        sizes = {"t": count, "rows": height // PATCH}
        stack = rearrange(look, "(t rows columns) -> t rows columns", **sizes)
        values = rearrange(
            self._offers[giver].value, "(t rows columns) e -> e t rows columns", **sizes
        )
        figure = Figure(figsize=(9, 6.6), layout="constrained")
        figure.suptitle(
            WIRINGS[" ".join(wires)].format(own=self.target, other=other)
            + f"\nThe answer: brightness {answer[0]:+.2f}, difference {answer[1]:+.2f}",
            fontsize=10,
            wrap=True,
        )
        rows = figure.subplots(3, count, squeeze=False)
        box = (0, width, height, 0)
        for frame in range(count):
            rows[0, frame].imshow(self._clip.frames[frame], cmap="gray", extent=box)
            top = {"vmin": 0, "vmax": look.max(), "alpha": 0.6, "extent": box}
            rows[0, frame].imshow(stack[frame].numpy(), cmap=MAGNITUDE, **top)
            rows[0, frame].set_title(f"frame {1 + frame}: {stack[frame].sum():.0%}", fontsize=9)
            for axes, seen in zip(rows[1:, frame], values, strict=True):
                axes.imshow(seen[frame].numpy(), cmap=SIGNED, vmin=-REACH, vmax=REACH)
                for row, column in torch.nonzero(stack[frame] > look.max() / 2).tolist():
                    corner = (column - 0.5, row - 0.5)
                    axes.add_patch(Rectangle(corner, 1, 1, fill=False, color="white", lw=2))
        names = ("the map", *(f"values of {giver}:\n{feature}" for feature in FEATURES))
        for axes, name in zip(rows[:, 0], names, strict=True):
            axes.set_ylabel(name, fontsize=9)
        for axes in rows.flat:
            axes.set(xticks=[], yticks=[])
        return figure
