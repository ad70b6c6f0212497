"""Exercises 5.1 to 5.3: the gate between the two branches, and the AMDF block.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from csgcourse.chapter_03 import intra_forward
from csgcourse.chapter_04 import Pair, fusion_forward
from csgcourse.exercise import Exercise, inputs
from csglib.model.amdf import AMDFBlock
from csglib.model.fusion import CrossAttention
from csglib.model.intra import IntraDimension
from csglib.model.tokens import VideoTokens
from csglib.model.weighting import LearnableWeighting


def weigh(space: Tensor, time: Tensor, theta: Tensor) -> Tensor:
    """Weighted sum of the branches, with weights that add up to one."""
    gate = theta.sigmoid()
    return gate * space + (1 - gate) * time


def weigh_gradient(space: Tensor, time: Tensor, theta: Tensor, upstream: Tensor) -> Tensor:
    """Derivative of the loss by theta, by the chain rule."""
    gate = theta.sigmoid()
    return (upstream * (space - time)).sum() * gate * (1 - gate)


def amdf_forward(block: AMDFBlock, cls: Tensor, patches: Tensor) -> Pair:
    """Both branches in parallel, both fusions of the branches as they were, the gate."""
    space = intra_forward(block.space, cls, patches, "space")
    time = intra_forward(block.time, cls, patches, "time")
    new_space = fusion_forward(block.into_space, space, time, "cross")
    new_time = fusion_forward(block.into_time, time, space, "cross")
    theta: Any = block.weigh.theta
    cls, patches = (weigh(*both, theta) for both in zip(new_space, new_time, strict=True))
    return cls, patches


_EDGES = ({"theta": -1.3}, {"theta": 2.2}, {"theta": 0.0}, {"theta": 0.4, "y": 1, "x": 1})
_BRANCHES = inputs(lambda y, x, theta: ((y, x), (y, x), theta), *_EDGES)
_UPSTREAM = inputs(lambda y, x, theta: ((y, x), (y, x), theta, (y, x)), *_EDGES)


# fmt: off
_MIXED = "gate * space + (1 - gate) * time"
_WEIGH_MISTAKES = {
    "theta is used as it is; a = sigmoid(theta)": (".sigmoid()", ""),
    "theta is cut off, so its gradient may be zero; a = sigmoid(theta)":
        ("sigmoid()", "clamp(0, 1)"),
    "tanh may be negative; a = sigmoid(theta)": ("sigmoid", "tanh"),
    "time counts in full; its weight is 1 - a": ("(1 - gate) * ", ""),
    "both branches have the weight a; time has 1 - a": ("(1 - gate)", "gate"),
    "this is the plain mean: theta is not used": (_MIXED, "(space + time) / 2"),
    "this is the plain sum: theta is not used": (_MIXED, "space + time"),
    "time is missing: its weight is 1 - a": (" + (1 - gate) * time", ""),
}
_GRADIENT_MISTAKES = {
    "this is the derivative by a; times a (1 - a), the derivative of the sigmoid":
        (" * gate * (1 - gate)", ""),
    "you took theta for a in a (1 - a); a = sigmoid(theta)": (".sigmoid()", ""),
    "the derivative of the sigmoid is a (1 - a); 1 - a is missing": (" * (1 - gate)", ""),
    "there is one theta for all elements: sum over them": (".sum()", ""),
    "`upstream`, the gradient of the loss, is missing": ("upstream * ", ""),
    "time depends on theta too, by 1 - a: so space - time": ("(space - time)", "space"),
    "you summed first; multiply each element first":
        ("(upstream * (space - time)).sum()", "upstream.sum() * (space - time).sum()"),
}
# fmt: on


def _block(width: int, heads: int) -> AMDFBlock:
    sizes = (width, heads, 7)
    branches = (IntraDimension(*sizes, "space"), IntraDimension(*sizes, "time"))
    fusions = (CrossAttention(*sizes), CrossAttention(*sizes))
    return AMDFBlock(*branches, *fusions, LearnableWeighting())


_BLOCKS = inputs(
    lambda b, t, n, h, e: (_block(h * e, h), (b, 1, h * e), (b, t, n, h * e)),
    *({}, {}, {"t": 1}, {"n": 1}),
)


# fmt: off
_FIRST = "a fusion reads a branch that the other fusion has updated; both read the branches"
_AMDF_MISTAKES = {
    _FIRST: ('time, space, "cross"', 'time, new_space, "cross"'),
    f"{_FIRST}, before either fusion":
        ('space, time, "c', 'space, fusion_forward(block.into_time, time, space, "cross"), "c'),
    "the branches run in parallel, not one after the other": ("time, cls, patches", "time, *space"),
    "both fusions are missing": ("zip(new_space, new_time", "zip(space, time"),
    "the targets are exchanged: `into_space` has space as its target":
        ("into_space, space, time", "into_space, time, space",
         "into_time, time, space", "into_time, space, time"),
    "`into_space` and `into_time` are exchanged":
        ("into_space, space", "into_time, space", "into_time, time", "into_space, time"),
    "the weights are exchanged: a is the weight of space":
        ("new_space, new_time", "new_time, new_space"),
    "this is the plain mean: theta is not used": ("weigh.theta", "weigh.theta * 0"),
    "theta is used as it is; a = sigmoid(theta)":
        ("weigh(*both, theta)", "theta * both[0] + (1 - theta) * both[1]"),
}
# fmt: on


def _in_network(function: Callable[..., Any], block: Any, tokens: VideoTokens) -> VideoTokens:
    return VideoTokens(*function(block, tokens.cls, tokens.patches))


_PART = AMDFBlock, _in_network
EXERCISES = (
    Exercise("5.1", weigh, _BRANCHES, mistakes=_WEIGH_MISTAKES, learns=True),
    Exercise("5.2", weigh_gradient, _UPSTREAM, mistakes=_GRADIENT_MISTAKES),
    Exercise("5.3", amdf_forward, _BLOCKS, "b 1 d; b t n d", _AMDF_MISTAKES, part=_PART),
)
