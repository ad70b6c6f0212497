"""Exercises 5.1 and 5.2: right answers in several styles pass; wrong ones are told why."""

import math

import numpy as np
import pytest
import torch

from csgcourse import check
from csgcourse.chapter_05 import weigh, weigh_gradient
from csglib.model.tokens import VideoTokens
from csglib.model.weighting import LearnableWeighting


def by_the_library(space, time, theta):
    weighting = LearnableWeighting().to(space.dtype)
    weighting.theta.data.copy_(theta)
    flat = [branch.reshape(1, 1, 1, -1) for branch in (space, time)]
    tokens = [VideoTokens(branch[0], branch) for branch in flat]
    return weighting(*tokens).patches.view_as(space).detach()


def by_autograd(space, time, theta, upstream):
    weighting = LearnableWeighting().to(space.dtype)
    weighting.theta.data.copy_(theta)
    share = weighting.gate()
    (share * space + (1 - share) * time).backward(upstream)
    return weighting.theta.grad


def test_the_references_agree_with_the_library_and_with_autograd():
    generator = torch.Generator().manual_seed(0)
    space, time, upstream = (torch.randn(2, 3, 5, generator=generator) for _ in range(3))
    theta = torch.tensor(-0.7)
    torch.testing.assert_close(weigh(space, time, theta), by_the_library(space, time, theta))
    given = (space, time, theta, upstream)
    torch.testing.assert_close(weigh_gradient(*given), by_autograd(*given))


def share_of(theta):
    return 1 / (1 + math.exp(-theta))


def gradient_by_loops(space, time, theta, upstream):
    total = torch.zeros((), dtype=space.dtype)
    for place in np.ndindex(*space.shape):
        total += upstream[place] * (space[place] - time[place])
    return total * share_of(theta) * (1 - share_of(theta))


def gradient_by_differences(space, time, theta, upstream):
    given = [tensor.double() for tensor in (space, time, theta, upstream)]
    ends = [(weigh(*given[:2], given[2] + step) * given[3]).sum() for step in (1e-5, -1e-5)]
    return (ends[0] - ends[1]) / 2e-5


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("5.1", by_the_library),
        ("5.1", lambda s, t, theta: torch.lerp(t, s, torch.sigmoid(theta))),
        ("5.1", lambda s, t, theta: share_of(theta) * s + share_of(-theta) * t),
        ("5.1", lambda s, t, theta: t + theta.sigmoid() * (s - t)),
        ("5.1", lambda s, t, theta: (torch.stack([s, t], -1) * torch.stack([theta, theta * 0])
                                     .softmax(0)).sum(-1)),
        ("5.2", gradient_by_loops),
        ("5.2", gradient_by_differences),
        ("5.2", by_autograd),
        ("5.2", lambda s, t, theta, up: torch.vdot(up.flatten(), (s - t).flatten())
                                        * share_of(theta) * share_of(-theta)),
        ("5.2", lambda s, t, theta, up: torch.einsum("i,i->", up.flatten(), (s - t).flatten())
                                        / (2 + theta.exp() + (-theta).exp())),
    ],
)  # fmt: skip
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda s, t, theta: share_of(theta) * t + share_of(-theta) * s, "a is given to time"),
        (lambda s, t, theta: theta * s + (1 - theta) * t, "theta was used as it is"),
        (lambda s, t, theta: torch.lerp(t, s, theta.clip(0, 1)), "cut off at 0 and 1"),
        (lambda s, t, theta: torch.tanh(theta) * s + (1 - torch.tanh(theta)) * t, "tanh lies"),
        (lambda s, t, theta: share_of(theta) * s + t, "time counts in full"),
        (lambda s, t, theta: share_of(theta) * (t + s), "both branches have the share a"),
        (lambda s, t, theta: torch.stack([s, t]).mean(0), "the plain mean"),
        # from here on nobody has told the exercise
        (lambda s, t, theta: s, "of the values are wrong"),
        (lambda s, t, theta: s * torch.softmax(theta, 0) + t, "this is the plain sum"),
        (lambda s, t, theta: torch.lerp(t, s, share_of(share_of(theta))), "values are wrong"),
        (lambda s, t, theta: 2 * weigh(s, t, theta), "every value is 2 times"),
        (lambda s, t, theta: theta.exp() * s + t, "every value is 1.27 times"),
        (lambda s, t, theta: torch.lerp(t, s, (theta + 1) / 2), "of the values are wrong"),
        (lambda s, t, theta: torch.cat([share_of(theta) * s, share_of(-theta) * t]), "shape"),
        (lambda s, t, theta: s.sigmoid() * s + (1 - s.sigmoid()) * t, "of the values are wrong"),
    ],
)
def test_wrong_weightings_are_told_what_they_did(wrong, says):
    rejected("5.1", wrong, says)


def slope(theta):
    return share_of(theta) * share_of(-theta)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda s, t, theta, up: (up * (s - t)).sum(), "the chain goes on to theta"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * share_of(theta), "1 - a is missing"),
        (lambda s, t, theta, up: up * (s - t) * slope(theta), "one theta for all elements"),
        (lambda s, t, theta, up: (up * (s - t)).mean() * slope(theta), "you took the mean"),
        (lambda s, t, theta, up: (s - t).sum() * slope(theta), "`upstream` was forgotten"),
        (lambda s, t, theta, up: (up * (t - s)).sum() * slope(theta), "the sign is wrong"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * theta * (1 - theta), "theta for a"),
        (lambda s, t, theta, up: (up * s).sum() * slope(theta), "time depends on theta too"),
        (lambda s, t, theta, up: up.sum() * (s - t).sum() * slope(theta), "added up first"),
        # from here on nobody has told the exercise
        (lambda s, t, theta, up: (up * (s - t)).sum(0) * slope(theta), "the shape should be ()"),
        (lambda s, t, theta, up: (up * (s + t)).sum() * slope(theta), "every value is"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * share_of(theta) ** 2, "every value is"),
        (lambda s, t, theta, up: (up * (s - t)).sum() / 4, "every value is"),
        (lambda s, t, theta, up: (up * (s - t)).abs().sum() * slope(theta), "every value is"),
        (lambda s, t, theta, up: (up.mean() * (s - t)).sum() * slope(theta), "every value is"),
        (
            lambda s, t, theta, up: ((up * (s - t)).sum() * slope(theta)).item(),
            "a torch tensor is wanted: got 3.5",
        ),
        (lambda s, t, theta, up: ((up * (s - t)).sum() * slope(theta))[None], "shape should be ()"),
    ],
)
def test_wrong_gradients_are_told_what_they_did(wrong, says):
    rejected("5.2", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
