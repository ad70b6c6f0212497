"""Exercises 5.1 and 5.2: the gate between the two branches.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI.
"""

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, normal, sizes


def weigh(space: Tensor, time: Tensor, theta: Tensor) -> Tensor:
    """Weighted sum of the branches, with weights that add up to one.

    Theta may be any number, a weight only one between 0 and 1. Which function maps one to the
    other? And what is left for the second branch?

    1. a = torch.sigmoid(theta).
    2. a of space, and the rest, 1 - a, of time; add them.

    At theta = 0 both branches count the same, and however far training moves theta, the two
    weights add up to one.
    """
    gate = theta.sigmoid()
    return gate * space + (1 - gate) * time


def weigh_gradient(space: Tensor, time: Tensor, theta: Tensor, upstream: Tensor) -> Tensor:
    """Derivative of the loss by theta, by the chain rule.

    Theta is one number that affects every element of the result. So there is a chain of
    derivatives for each element, and a sum over all elements.

    1. d result / d a = space - time, element by element.
    2. d a / d theta = a (1 - a), with a = sigmoid(theta).
    3. Multiply by upstream (d loss / d result) and add up all elements: one number.

    Where both branches agree the gate has no gradient; and since a (1 - a) is at most a quarter,
    and small near 0 and 1, a saturated gate changes slowly.
    """
    gate = theta.sigmoid()
    return (upstream * (space - time)).sum() * gate * (1 - gate)


def _branches(generator: Generator, count: int) -> list[Arguments]:
    """Cases of `count` tensors of one shape, with theta in the third place."""
    cases: list[Arguments] = []
    for theta, double in ((-1.3, False), (2.2, True), (0.0, True), (0.4, False)):
        shape = sizes(generator, 3) if theta != 0.4 else (1, 1, 1, 1)
        tensors = [normal(generator, *shape, double=double) for _ in range(count)]
        number = torch.tensor(theta, dtype=tensors[0].dtype)
        cases.append((*tensors[:2], number, *tensors[2:]))
    return cases


def _weigh_mistakes(space: Tensor, time: Tensor, theta: Tensor) -> Wrong:
    a = theta.sigmoid()
    clamped, tanh = theta.clamp(0, 1), theta.tanh()
    return {
        "theta is used as it is; a = sigmoid(theta)": theta * space + (1 - theta) * time,
        "theta is cut off, so its gradient may be zero; a = sigmoid(theta)": clamped * space
        + (1 - clamped) * time,
        "tanh may be negative; a = sigmoid(theta)": tanh * space + (1 - tanh) * time,
        "time counts in full; its weight is 1 - a": a * space + time,
        "both branches have the weight a; time has 1 - a": a * (space + time),
        "time is subtracted; the two parts are added": a * space - (1 - a) * time,
        "this is the plain mean: theta is not used": (space + time) / 2,
        "this is the plain sum: theta is not used": space + time,
        "time is missing: its weight is 1 - a": a * space,
    }


def _gradient_mistakes(space: Tensor, time: Tensor, theta: Tensor, upstream: Tensor) -> Wrong:
    a, by_gate = theta.sigmoid(), (upstream * (space - time)).sum()
    slope = a * (1 - a)
    return {
        "this is the derivative by a; times a (1 - a), the derivative of the sigmoid": by_gate,
        "you took theta for a in a (1 - a); a = sigmoid(theta)": by_gate * theta * (1 - theta),
        "the derivative of the sigmoid is a (1 - a); 1 - a is missing": by_gate * a,
        "there is one theta for all elements: sum over them": upstream * (space - time) * slope,
        "`upstream`, the gradient of the loss, is missing": (space - time).sum() * slope,
        "the sign is wrong: theta favours space, so space - time": -by_gate * slope,
        "time depends on theta too, by 1 - a: so space - time": (upstream * space).sum() * slope,
        "you summed first; multiply each element first": upstream.sum()
        * (space - time).sum()
        * slope,
        "`upstream` times the result; its derivative is wanted": (
            upstream * weigh(space, time, theta)
        ).sum(),
    }


EXERCISES = (
    Exercise("5.1", weigh, lambda generator: _branches(generator, 2), mistakes=_weigh_mistakes),
    Exercise(
        "5.2",
        weigh_gradient,
        lambda generator: _branches(generator, 3),
        mistakes=_gradient_mistakes,
    ),
)
