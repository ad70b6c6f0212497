"""The balance without a page: its branches and its gradient descent."""

import numpy as np
import pytest
import torch

from csgcourse.widgets.balance import CLIPS, HALF, LR, STEPS, Balance, descend, noisy, two_estimates


def branches(space_noise, time_noise):
    return noisy(space_noise, time_noise, "alike")


def test_errors_of_the_branches_are_uncorrelated_with_mean_square_1():
    errors = two_estimates().numpy()
    assert errors.shape == (2, CLIPS)
    for half in (errors[:, :HALF], errors[:, HALF:]):
        np.testing.assert_allclose(half.mean(axis=1), 0, atol=1e-12)
        np.testing.assert_allclose(half @ half.T / HALF, np.eye(2), atol=1e-12)
    one, two = noisy(0.3, 0.9, "alike"), noisy(0.3, 0.9, "two kinds")
    np.testing.assert_allclose(one, errors * [[0.3], [0.9]])
    np.testing.assert_allclose(two[:, :HALF], one[:, :HALF])
    np.testing.assert_allclose(two[:, HALF:], errors[:, HALF:] * [[0.9], [0.3]])
    np.testing.assert_allclose(
        np.frombuffer(Balance().errors, "<f4").reshape(2, CLIPS), errors, rtol=1e-6
    )


def by_hand(space, time, reading, start, decay):
    """Gate, loss and gradient step by step, with every derivative written out."""
    space, time = space.numpy(), time.numpy()
    theta = {
        "sigmoid": np.array([np.log(start / (1 - start))]),
        "softmax": np.log([start, 1 - start]),
        "raw": np.array([start]),
    }[reading]
    rows = []
    for _ in range(STEPS + 1):
        score = theta[0] - theta[1] if reading == "softmax" else theta[0]
        gate = score if reading == "raw" else 1 / (1 + np.exp(-score))
        error = gate * space + (1 - gate) * time
        slope = 2 * (error * (space - time)).mean()
        bent = 1 if reading == "raw" else gate * (1 - gate)
        gradient = slope * bent * np.array([1, -1])[: len(theta)]
        theta = theta - LR * (gradient + decay * theta)
        rows.append([gate, (error**2).mean(), gradient[0]])
    return np.array(rows).T


@pytest.mark.parametrize(("start", "decay"), [(0.5, 0.0), (0.99, 0.1)])
@pytest.mark.parametrize("reading", ["sigmoid", "softmax", "raw"])
def test_training_equals_the_chain_rule_by_hand(reading, start, decay):
    pair = branches(0.7, 0.35)
    with torch.no_grad():  # a notebook may have turned gradients off
        found = descend(*pair, reading, start, decay)
    np.testing.assert_allclose(found, by_hand(*pair, reading, start, decay), atol=1e-5)


@pytest.mark.parametrize(
    ("noise", "reading", "decay", "end"),
    [
        ((0.6, 0.3), "raw", 0.0, 0.3**2 / (0.3**2 + 0.6**2)),  # the least loss
        ((0.0, 0.0), "sigmoid", 0.1, 0.5),  # weight decay alone
    ],
)
def test_the_gate_converges_to_its_closed_form(noise, reading, decay, end):
    gate, loss, gradient = descend(*branches(*noise), reading, 0.99, decay)
    assert float(gate[-1]) == pytest.approx(end, abs=1e-4)
    least = end**2 * noise[0] ** 2 + (1 - end) ** 2 * noise[1] ** 2
    assert float(loss[-1]) == pytest.approx(least, abs=1e-6)
    assert abs(float(gradient[-1])) < 1e-6


def test_the_still_shows_errors_and_gates_at_the_present_settings():
    balance = Balance()
    balance.reading, balance.start, balance.weight_decay, balance.time_noise = "raw", 0.99, 0.1, 0.2
    assert repr(balance) == (
        "Balance(time_noise=0.2, space_noise=0.3, clips='alike', reading='raw', start=0.99, "
        "weight_decay=0.1)"
    )
    dots, path = balance.still().axes
    assert len(dots.lines) == 3 and len(path.lines) == 1  # the guess comes first
    balance.step = STEPS
    dots, path = balance.still().axes
    space, time = branches(0.3, 0.2)
    gates, _, _ = descend(space, time, "raw", 0.99, 0.1)
    np.testing.assert_allclose(path.lines[1].get_ydata(), gates)
    mixture = gates[-1] * space + (1 - gates[-1]) * time
    for line, errors in zip(dots.lines, (time, space, mixture), strict=False):
        np.testing.assert_allclose(line.get_xdata(), errors, atol=1e-6)
