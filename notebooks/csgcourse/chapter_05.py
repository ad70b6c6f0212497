"""Exercises 5.1 and 5.2: who decides which branch counts.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI.
"""

import torch
from torch import Generator, Tensor

from csgcourse import mistakes_05_weights
from csgcourse.exercise import Arguments, Exercise
from csgcourse.inputs import normal, sizes


def weigh(space: Tensor, time: Tensor, theta: Tensor) -> Tensor:
    """Mix the branches by shares that add up to one."""
    share = theta.sigmoid()
    return share * space + (1 - share) * time


def weigh_gradient(space: Tensor, time: Tensor, theta: Tensor, upstream: Tensor) -> Tensor:
    """How much the loss grows with theta, by the chain rule."""
    share = theta.sigmoid()
    return (upstream * (space - time)).sum() * share * (1 - share)


def _branches(generator: Generator, count: int) -> list[Arguments]:
    """Cases of `count` tensors of one shape, theta in the third place."""
    cases: list[Arguments] = []
    for theta, dtype in ((-1.3, torch.float32), (2.2, torch.float64), (0.0, torch.float64)):
        tensors = [normal(generator, *sizes(generator, 3), dtype=dtype)]
        tensors += [normal(generator, *tensors[0].shape, dtype=dtype) for _ in range(count - 1)]
        cases.append((*tensors[:2], torch.tensor(theta, dtype=dtype), *tensors[2:]))
    single = [normal(generator, 1, 1, 1, 1) for _ in range(count)]  # one token of one clip
    return [*cases, (*single[:2], torch.tensor(0.4), *single[2:])]


WEIGH = Exercise(
    number="5.1",
    reference=weigh,
    cases=lambda generator: _branches(generator, 2),
    mistakes=mistakes_05_weights.WEIGH,
    nudge="Theta may be any number, a share only one between 0 and 1. Which function takes the "
    "one to the other? And what is left for the second branch?",
    plan="1. a = torch.sigmoid(theta).\n2. a of space, and the rest, 1 - a, of time; add them.",
    insight="At theta = 0 both branches count the same, and however far training moves theta, "
    "the two shares add up to one.",
)

GRADIENT = Exercise(
    number="5.2",
    reference=weigh_gradient,
    cases=lambda generator: _branches(generator, 3),
    mistakes=mistakes_05_weights.GRADIENT,
    nudge="Theta is one number that touches every element of the result. Two things follow: a "
    "chain of derivatives for each element, and a sum over all elements.",
    plan="1. d result / d a = space - time, element by element.\n"
    "2. d a / d theta = a (1 - a), with a = sigmoid(theta).\n"
    "3. Multiply by upstream (d loss / d result) and add up all elements: one number.",
    insight="Where both branches agree there is nothing to learn about their shares; and since "
    "a (1 - a) is at most one quarter, a block that has decided changes its mind slowly.",
)

EXERCISES = (WEIGH, GRADIENT)
