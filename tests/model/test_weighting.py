import pytest
import torch

from csglib.model import (
    LearnableWeighting,
    RawWeighting,
    SoftmaxWeighting,
    UniformWeighting,
    VideoTokens,
)


def branches():
    return [VideoTokens(torch.randn(2, 1, 7), torch.randn(2, 3, 5, 7)) for _ in range(2)]


@pytest.mark.parametrize(
    ("kind", "theta", "gate"),
    [
        (LearnableWeighting, -2.0, 1 / (1 + torch.tensor(2.0).exp())),
        (SoftmaxWeighting, [0.3, -1.1], torch.tensor(1.4).sigmoid()),
        (RawWeighting, 1.5, torch.tensor(1.5)),  # without bounds
    ],
)
def test_the_gate_weighs_space_and_one_minus_it_time(kind, theta, gate):
    weigh = kind()
    weigh.theta.data.copy_(torch.tensor(theta))
    space, time = branches()
    both = weigh(space, time)
    torch.testing.assert_close(weigh.gate(), gate)
    for part in ("cls", "patches"):
        found, one, other = (getattr(tokens, part) for tokens in (both, space, time))
        torch.testing.assert_close(found, gate * one + (1 - gate) * other)
        assert torch.autograd.grad(found.sum(), weigh.theta, retain_graph=True)[0].any()


@pytest.mark.parametrize("kind", [LearnableWeighting, SoftmaxWeighting, RawWeighting])
def test_the_gate_starts_at_its_initial_value_and_uniform_by_default(kind):
    assert kind(0.9).gate().item() == pytest.approx(0.9)
    space, time = branches()
    torch.testing.assert_close(kind()(space, time).patches, UniformWeighting()(space, time).patches)
    assert not list(UniformWeighting().parameters())
