"""Switchboard of notebook 04: wire query, keys and values between two branches of a network.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3. The projections are those of one head
of the last block's fusion. It was trained in one wiring; the widget runs it in all eight.
"""

from itertools import product
from typing import Any, NamedTuple

import torch
import traitlets
from einops import rearrange
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.data.normalise import network_input
from csglib.model.attention import Attention
from csglib.model.csg3dct import CSG3DCT
from csglib.model.fusion import InterDimension
from csglib.model.tokens import VideoTokens
from csglib.view.capture import evaluating
from csglib.widgets.base import MAGNITUDE, LiveFigure, front_end

BRANCHES = ("space", "time")
_SIDES = ("own", "other")

WIRINGS = {  # query, key, value; "own" is the target
    "own own own": "{own}'s class token attends to {own}'s patches; {other} takes no part.",
    "own other other": "CA, cross attention: the query is {own}'s, keys and values are {other}'s.",
    "other other own": "SWA, switched attention: query and keys are {other}'s, values {own}'s.",
    "other other other": "{other}'s class token attends to {other}'s patches; {own} takes no part.",
    "own own other": "The mirror of SWA: {own}'s map over {other}'s values.",
    "other own own": "The mirror of CA: {other}'s query on {own}'s keys and values.",
    "own other own": "Neither: {own}'s query on {other}'s keys, and {own}'s values.",
    "other own other": "Neither: {other}'s query on {own}'s keys, and {other}'s values.",
}


class Branch(NamedTuple):
    """What one branch gives to one head of a fusion."""

    query: Float[Tensor, "1 e"]  # of its class token
    key: Float[Tensor, "j e"]  # of its patches, frame by frame
    value: Float[Tensor, "j e"]
    effect: Float[Tensor, " j"]  # of each value on the logits


def two_branches(model: CSG3DCT, clip: Clip, target: str, head: int) -> dict[str, Branch]:
    """Both branches as the last block's fusion into `target` projects them.

    The effect of a value is what it would add to the logit of the last grade over that of the first
    if it had the whole weight, less the mean over its branch; to first order, by the gradient.

    Raises:
        ValueError: the network has one branch, or no such head.
    """
    fusion: Any = getattr(model.blocks[-1], f"into_{target}", None)
    heads = fusion.heads if isinstance(fusion, InterDimension) else 0
    if not 0 <= head < heads:
        raise ValueError(f"the last block has no head {head} that fuses into {target}, of {heads}")
    seen: dict[str, Any] = {}

    def cut(_: nn.Module, __: object, mixed: Tensor) -> Tensor:
        seen["mixed"] = mixed.detach().requires_grad_()
        return seen["mixed"]

    handles = (
        fusion.register_forward_pre_hook(lambda _, tokens: seen.update(tokens=tokens)),
        fusion.attention.register_forward_hook(cut),
    )
    with evaluating(model), torch.enable_grad():
        first, *_, last = model(network_input(clip.frames)[None])[0]
        (slope,) = torch.autograd.grad(last - first, seen["mixed"])
    for handle in handles:
        handle.remove()
    names = (target, BRANCHES[1 - BRANCHES.index(target)])
    return {
        name: _branch(fusion, tokens, head, slope[0, head, 0])
        for name, tokens in zip(names, seen["tokens"], strict=True)
    }


@torch.no_grad()
def _branch(
    fusion: InterDimension, tokens: VideoTokens, head: int, slope: Float[Tensor, " e"]
) -> Branch:
    def of_head(project: nn.Linear, part: Float[Tensor, "1 s d"]) -> Float[Tensor, "s e"]:
        return rearrange(project(fusion.norm(part)), "1 s (h e) -> h s e", h=fusion.heads)[head]

    value = of_head(fusion.v, tokens.flat)
    effect = value @ slope
    key = of_head(fusion.k, tokens.flat)
    return Branch(of_head(fusion.q, tokens.cls), key, value, effect - effect.mean())


def wired(
    branches: dict[str, Branch], query: str, key: str, value: str
) -> tuple[Float[Tensor, " j"], float]:
    """Attention map of one wiring, "space" or "time" for each part, and its output's effect."""
    weights = Attention.weights(branches[query].query[None, None], branches[key].key[None, None])
    return weights[0, 0, 0], float(weights[0, 0, 0] @ branches[value].effect)


class Switchboard(LiveFigure):
    """Choose which branch gives query, key and value, and see the map and the output.

    The page asks for a guess before it shows a map.

    Args:
        model: with two branches; `head`, from 0, is one of its last block's fusions.
        narrowest: the frame, from 0, that is narrowest by the clip's truth; it is marked.
    """

    _esm, _css = front_end(__file__)
    _settings = ("target", "query", "key", "value")

    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)  # u8 (t, y, x)
    maps = traitlets.Bytes().tag(sync=True)  # f32 (target, branch of the query, of the key, j)
    effects = traitlets.Bytes().tag(sync=True)  # f32 (target, branch, j)
    target = traitlets.Enum(BRANCHES, "space").tag(sync=True)  # the branch that gets the output
    query = traitlets.Enum(_SIDES, "own").tag(sync=True)  # comes from the target or the other one
    key = traitlets.Enum(_SIDES, "own").tag(sync=True)
    value = traitlets.Enum(_SIDES, "own").tag(sync=True)
    guess = traitlets.Enum(("", *WIRINGS), "").tag(sync=True)  # taken for SWA; "" hides all

    def __init__(
        self,
        clip: Clip,
        model: CSG3DCT,
        *,
        target: str = "space",
        head: int = 0,
        narrowest: int | None = None,
    ) -> None:
        self._clip, self._narrowest = clip, narrowest
        self._branches = {name: two_branches(model, clip, name, head) for name in BRANCHES}
        found = {(t, *w): wired(self._branches[t], *w) for t, *w in product(BRANCHES, repeat=4)}
        maps = torch.stack([weights for (*_, v), (weights, _) in found.items() if v == "space"])
        each = product(BRANCHES, BRANCHES)
        effects = torch.stack([self._branches[t][branch].effect for t, branch in each])
        count, height, width = clip.frames.shape
        self._patch = round((count * height * width / maps.shape[-1]) ** 0.5)
        facts = {"frames": count, "height": height, "width": width, "patch": self._patch}
        facts |= {"outputs": {" ".join(wires): output for wires, (_, output) in found.items()}}
        facts |= {"head_width": self._branches["space"]["space"].key.shape[-1]}
        super().__init__(
            facts=facts | {"narrowest": narrowest, "branches": [*BRANCHES], "wirings": WIRINGS},
            frames=clip.frames.tobytes(),
            maps=maps.numpy().astype("<f4").tobytes(),
            effects=effects.numpy().astype("<f4").tobytes(),
            target=target,
        )

    def still(self) -> Figure:
        """The map over the clip."""
        ends = {"own": self.target, "other": BRANCHES[1 - BRANCHES.index(self.target)]}
        sides = (self.query, self.key, self.value)
        weights, output = wired(self._branches[self.target], *(ends[side] for side in sides))
        count, height, width = self._clip.frames.shape
        maps = rearrange(weights, "(t y x) -> t y x", t=count, y=height // self._patch)
        figure = Figure(figsize=(9, 2.1), layout="constrained")
        words = WIRINGS[" ".join(sides)].format(**ends)
        figure.suptitle(f"{words} Effect on the logits {output:+.3f}", fontsize=10, wrap=True)
        box = (0, width, height, 0)
        for frame, axes in enumerate(figure.subplots(1, count, squeeze=False)[0]):
            axes.imshow(self._clip.frames[frame], cmap="gray", extent=box)
            veil = {"vmin": 0, "vmax": float(weights.max()), "alpha": 0.6, "extent": box}
            axes.imshow(maps[frame].numpy(), cmap=MAGNITUDE, **veil)
            narrow = "narrowest, " if frame == self._narrowest else ""
            axes.set_title(f"{narrow}{maps[frame].sum():.0%}", fontsize=9)
            axes.set(xticks=[], yticks=[])
        return figure
