"""Exercises 5.1 to 5.3: the gate between the two branches, and the AMDF block.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from csgcourse.chapter_03 import intra_forward
from csgcourse.chapter_04 import Pair, fusion_forward
from csgcourse.exercise import Exercise, Wrong, inputs
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


def _weigh_mistakes(space: Tensor, time: Tensor, theta: Tensor) -> Wrong:
    a = theta.sigmoid()
    gates = {
        "theta is used as it is; a = sigmoid(theta)": theta,
        "theta is cut off, so its gradient may be zero; a = sigmoid(theta)": theta.clamp(0, 1),
        "tanh may be negative; a = sigmoid(theta)": theta.tanh(),
    }
    return {
        **{words: gate * space + (1 - gate) * time for words, gate in gates.items()},
        "time counts in full; its weight is 1 - a": a * space + time,
        "both branches have the weight a; time has 1 - a": a * (space + time),
        "this is the plain mean: theta is not used": (space + time) / 2,
        "this is the plain sum: theta is not used": space + time,
        "time is missing: its weight is 1 - a": a * space,
    }


def _gradient_mistakes(space: Tensor, time: Tensor, theta: Tensor, upstream: Tensor) -> Wrong:
    a, by_gate = theta.sigmoid(), (upstream * (space - time)).sum()
    slope, apart = a * (1 - a), upstream.sum() * (space - time).sum()
    return {
        "this is the derivative by a; times a (1 - a), the derivative of the sigmoid": by_gate,
        "you took theta for a in a (1 - a); a = sigmoid(theta)": by_gate * theta * (1 - theta),
        "the derivative of the sigmoid is a (1 - a); 1 - a is missing": by_gate * a,
        "there is one theta for all elements: sum over them": upstream * (space - time) * slope,
        "`upstream`, the gradient of the loss, is missing": (space - time).sum() * slope,
        "time depends on theta too, by 1 - a: so space - time": (upstream * space).sum() * slope,
        "you summed first; multiply each element first": apart * slope,
    }


def _block(width: int, heads: int) -> AMDFBlock:
    sizes = (width, heads, 7)
    branches = (IntraDimension(*sizes, "space"), IntraDimension(*sizes, "time"))
    fusions = (CrossAttention(*sizes), CrossAttention(*sizes))
    return AMDFBlock(*branches, *fusions, LearnableWeighting())


_BLOCKS = inputs(
    lambda b, t, n, h, e: (_block(h * e, h), (b, 1, h * e), (b, t, n, h * e)),
    *({}, {}, {"t": 1}, {"n": 1}),
)


def _amdf_mistakes(block: Any, cls: Tensor, patches: Tensor) -> Wrong:
    tokens, into_space, into_time = VideoTokens(cls, patches), block.into_space, block.into_time
    space, time = block.space(tokens), block.time(tokens)
    after, in_turn = (into_space(space, time), into_time(time, space)), block.time(space)
    first = "a fusion reads a branch that the other fusion has updated; both read the branches"
    targets = "the targets are exchanged: `into_space` has space as its target"
    in_parallel = "the branches run in parallel, not one after the other"
    exchanged = "`into_space` and `into_time` are exchanged"
    theta: Any = block.weigh.theta
    gate = theta.sigmoid()
    wrong = {
        first: (after[0], into_time(time, after[0]), gate),
        f"{first}, before either fusion": (into_space(space, after[1]), after[1], gate),
        in_parallel: (into_space(space, in_turn), into_time(in_turn, space), gate),
        "both fusions are missing": (space, time, gate),
        targets: (into_space(time, space), into_time(space, time), gate),
        exchanged: (into_time(space, time), into_space(time, space), gate),
        "the weights are exchanged: a is the weight of space": (*after, 1 - gate),
        "this is the plain mean: theta is not used": (*after, 0.5),
        "theta is used as it is; a = sigmoid(theta)": (*after, theta),
    }
    return {
        words: [a * s.cls + (1 - a) * t.cls, a * s.patches + (1 - a) * t.patches]
        for words, (s, t, a) in wrong.items()
    }


def _in_network(function: Callable[..., Any], block: Any, tokens: VideoTokens) -> VideoTokens:
    return VideoTokens(*function(block, tokens.cls, tokens.patches))


_PART = AMDFBlock, _in_network
EXERCISES = (
    Exercise("5.1", weigh, _BRANCHES, mistakes=_weigh_mistakes, learns=True),
    Exercise("5.2", weigh_gradient, _UPSTREAM, mistakes=_gradient_mistakes),
    Exercise("5.3", amdf_forward, _BLOCKS, "b 1 d; b t n d", _amdf_mistakes, part=_PART),
)
