"""Exercises 5.1 and 5.2: the gate between the two branches.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI.
"""

from torch import Tensor

from csgcourse.exercise import Exercise, Wrong, inputs


def weigh(space: Tensor, time: Tensor, theta: Tensor) -> Tensor:
    """Weighted sum of the branches, with weights that add up to one."""
    gate = theta.sigmoid()
    return gate * space + (1 - gate) * time


def weigh_gradient(space: Tensor, time: Tensor, theta: Tensor, upstream: Tensor) -> Tensor:
    """Derivative of the loss by theta, by the chain rule."""
    gate = theta.sigmoid()
    return (upstream * (space - time)).sum() * gate * (1 - gate)


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


EXERCISES = (
    Exercise("5.1", weigh, _BRANCHES, mistakes=_weigh_mistakes),
    Exercise("5.2", weigh_gradient, _UPSTREAM, mistakes=_gradient_mistakes),
)
