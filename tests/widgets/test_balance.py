"""The balance without a page: its branches and its gradient descent."""

import numpy as np
import pytest
import torch
import traitlets

from csgcourse.widgets.balance import CLIPS, LR, STEPS, Balance, descend, two_estimates


def branches(space_noise, time_noise):
    space, time = two_estimates()
    return space_noise * space, time_noise * time


def test_the_branches_errors_are_uncorrelated_and_of_size_one():
    errors = two_estimates().numpy()
    assert errors.shape == (2, CLIPS)
    np.testing.assert_allclose(errors.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(errors @ errors.T / CLIPS, np.eye(2), atol=1e-12)


def by_hand(space, time, reading, start, decay):
    """Gates step by step, with every derivative written out."""
    space, time = space.numpy(), time.numpy()
    theta = {
        "sigmoid": np.array([np.log(start / (1 - start))]),
        "softmax": np.log([start, 1 - start]),
        "raw": np.array([start]),
    }[reading]
    gates = []
    for _ in range(STEPS + 1):
        score = theta[0] - theta[1] if reading == "softmax" else theta[0]
        gate = score if reading == "raw" else 1 / (1 + np.exp(-score))
        slope = 2 * ((gate * space + (1 - gate) * time) * (space - time)).mean()
        bent = 1 if reading == "raw" else gate * (1 - gate)
        gradient = slope * bent * np.array([1, -1])[: len(theta)]
        theta = theta - LR * (gradient + decay * theta)
        gates.append(gate)
    return gates


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("start", [0.5, 0.99])
@pytest.mark.parametrize("reading", ["sigmoid", "softmax", "raw"])
def test_training_is_the_chain_rule_by_hand(reading, start, decay):
    space, time = branches(0.7, 0.35)
    found, _, _ = descend(space, time, reading, start, decay)
    np.testing.assert_allclose(found, by_hand(space, time, reading, start, decay), atol=1e-5)


def test_the_gate_converges_to_the_least_loss():
    gate, loss, gradient = descend(*branches(0.6, 0.3), "raw", 0.5, 0.0)
    assert float(gate[-1]) == pytest.approx(0.3**2 / (0.3**2 + 0.6**2), abs=1e-6)
    assert float(loss[-1]) == pytest.approx(0.2 * 0.6**2, abs=1e-6)
    assert float(gradient[0]) == pytest.approx(0.6**2 - 0.3**2, abs=1e-6)
    assert abs(float(gradient[-1])) < 1e-6


def test_weight_decay_pulls_a_sigmoid_to_a_half_and_a_raw_gate_to_time_alone():
    for reading, end in (("sigmoid", 0.5), ("raw", 0)):
        gate, _, _ = descend(*branches(0.0, 0.0), reading, 0.99, 0.1)
        assert float(gate[-1]) == pytest.approx(end, abs=1e-4)


def test_softmax_learns_twice_as_fast_as_a_sigmoid_and_a_saturated_gate_slowly():
    pair = branches(0.3, 0.9)
    sigmoid, softmax = (descend(*pair, name, 0.5, 0.0)[0] for name in ("sigmoid", "softmax"))
    assert float(softmax[1].logit()) == pytest.approx(2 * float(sigmoid[1].logit()), rel=1e-4)
    slow, _, _ = descend(*branches(0.9, 0.3), "sigmoid", 0.99, 0.0)
    assert float(slow[60]) > 0.97
    assert float(slow[-1]) < 0.2


def test_uniform_weighting_learns_nothing():
    gate, loss, gradient = descend(*branches(0.3, 0.9), "uniform", 0.99, 0.1)
    assert gate.unique().tolist() == [0.5]
    assert loss.unique().tolist() == pytest.approx([(0.3**2 + 0.9**2) / 4])
    assert not gradient.any()


def test_it_trains_in_a_notebook_without_gradients():
    expected = descend(*two_estimates(), "sigmoid", 0.5, 0.0)
    with torch.no_grad():
        assert descend(*two_estimates(), "sigmoid", 0.5, 0.0).equal(expected)


def test_the_still_shows_errors_and_gates_at_the_present_settings():
    balance = Balance()
    balance.reading, balance.start, balance.weight_decay, balance.time_noise = "raw", 0.99, 0.1, 0.2
    assert repr(balance) == (
        "Balance(time_noise=0.2, space_noise=0.3, reading='raw', start=0.99, weight_decay=0.1)"
    )
    dots, path = balance.still().axes
    space, time = branches(0.3, 0.2)
    gates, _, _ = descend(space, time, "raw", 0.99, 0.1)
    np.testing.assert_allclose(path.lines[0].get_ydata(), gates)
    mixture = gates[-1] * space + (1 - gates[-1]) * time
    for line, errors in zip(dots.lines, (time, space, mixture), strict=False):
        np.testing.assert_allclose(line.get_xdata(), errors, atol=1e-6)
    sent = np.frombuffer(balance.errors, "<f4").reshape(2, CLIPS)
    np.testing.assert_allclose(sent, two_estimates(), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [("reading", "tanh"), ("start", 0.7), ("weight_decay", 1.0), ("guess", 1.2), ("step", 301)],
)
def test_it_refuses_what_is_not_there(name, value):
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(Balance(), name, value)
