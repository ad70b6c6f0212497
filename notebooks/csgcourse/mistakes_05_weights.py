"""Wrong answers to exercises 5.1 and 5.2, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from torch import Tensor

from csgcourse.exercise import Mistake


def _slope(theta: Tensor) -> Tensor:
    return theta.sigmoid() * (1 - theta.sigmoid())


WEIGH = (
    Mistake(
        lambda space, time, theta: torch.lerp(space, time, theta.sigmoid()),
        "a is given to time; it is the share of space, and time has the rest, 1 - a.",
    ),
    Mistake(
        lambda space, time, theta: theta * space + (1 - theta) * time,
        "theta was used as it is: it may be below 0 or above 1. The share is a = sigmoid(theta).",
    ),
    Mistake(
        lambda space, time, theta: theta.clamp(0, 1) * space + (1 - theta.clamp(0, 1)) * time,
        "theta was cut off at 0 and 1. There its gradient is zero, and it would never come back; "
        "the share is a = sigmoid(theta).",
    ),
    Mistake(
        lambda space, time, theta: theta.tanh() * space + (1 - theta.tanh()) * time,
        "tanh lies between -1 and 1, and is 0 at theta = 0; the share is a = sigmoid(theta).",
    ),
    Mistake(
        lambda space, time, theta: theta.sigmoid() * space + time,
        "time counts in full: its share is what space leaves, 1 - a.",
    ),
    Mistake(
        lambda space, time, theta: theta.sigmoid() * (space + time),
        "both branches have the share a; together the shares should be one: a and 1 - a.",
    ),
    Mistake(
        lambda space, time, theta: theta.sigmoid() * space - (1 - theta.sigmoid()) * time,
        "time is subtracted; the two parts are added.",
    ),
    Mistake(
        lambda space, time, theta: (space + time) / 2,
        "this is the plain mean, as in the rows of Table 1 without the learnable mechanism: "
        "theta was not used.",
    ),
    Mistake(
        lambda space, time, theta: space + time,
        "this is the plain sum: theta was not used, and the result grows with each block.",
    ),
    Mistake(
        lambda space, time, theta: theta.sigmoid() * space,
        "time is missing: it has the share 1 - a.",
    ),
)

GRADIENT = (
    Mistake(
        lambda space, time, theta, upstream: (upstream * (space - time)).sum(),
        "this is the derivative with respect to a; the chain goes on to theta: "
        "times a (1 - a), the derivative of the sigmoid.",
    ),
    Mistake(
        lambda space, time, theta, upstream: (
            (upstream * (space - time)).sum() * theta * (1 - theta)
        ),
        "you took theta for a; the derivative of the sigmoid is a (1 - a), with "
        "a = sigmoid(theta).",
    ),
    Mistake(
        lambda space, time, theta, upstream: (upstream * (space - time)).sum() * theta.sigmoid(),
        "the derivative of the sigmoid is a (1 - a); 1 - a is missing.",
    ),
    Mistake(
        lambda space, time, theta, upstream: upstream * (space - time) * _slope(theta),
        "there is one theta for all elements, so its gradient is one number: the sum over all of "
        "them is missing.",
    ),
    Mistake(
        lambda space, time, theta, upstream: (upstream * (space - time)).mean() * _slope(theta),
        "you took the mean over the elements. Each of them pulls at theta, and pulls add up: "
        "the sum. A mean inside the loss is already in `upstream`.",
    ),
    Mistake(
        lambda space, time, theta, upstream: (space - time).sum() * _slope(theta),
        "`upstream` was forgotten: the gradient that comes from the loss, element by element, is "
        "the first link of the chain.",
    ),
    Mistake(
        lambda space, time, theta, upstream: (upstream * (time - space)).sum() * _slope(theta),
        "the sign is wrong: a larger theta gives more to space, so it is space - time.",
    ),
    Mistake(
        lambda space, time, theta, upstream: (upstream * space).sum() * _slope(theta),
        "time depends on theta too, through 1 - a: its part is -time. So it is space - time.",
    ),
    Mistake(
        lambda space, time, theta, upstream: upstream.sum() * (space - time).sum() * _slope(theta),
        "you added up first and multiplied then; each element's `upstream` belongs to that "
        "element's space - time. Multiply, then add up.",
    ),
    Mistake(
        lambda space, time, theta, upstream: (
            upstream * torch.lerp(time, space, theta.sigmoid())
        ).sum(),
        "this multiplies `upstream` by the result itself; wanted is how the result changes with "
        "theta.",
    ),
)
