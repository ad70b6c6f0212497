import pytest
import torch

from csglib.model.tokens import VideoTokens
from csglib.model.weighting import (
    LearnableWeighting,
    RawWeighting,
    SoftmaxWeighting,
    UniformWeighting,
)

LEARNABLE = [LearnableWeighting, SoftmaxWeighting, RawWeighting]


def branches():
    return [VideoTokens(torch.randn(2, 1, 7), torch.randn(2, 3, 5, 7)) for _ in range(2)]


@pytest.mark.parametrize("theta", [-2.0, 0.0, 3.0])
def test_the_gate_is_a_sigmoid(theta):
    weigh = LearnableWeighting()
    weigh.theta.data.fill_(theta)
    space, time = branches()
    share = torch.tensor(theta).sigmoid()
    both = weigh(space, time)
    torch.testing.assert_close(both.cls, share * space.cls + (1 - share) * time.cls)
    torch.testing.assert_close(both.patches, share * space.patches + (1 - share) * time.patches)


def test_a_softmax_of_two_is_a_sigmoid_of_their_difference():
    softmax, sigmoid = SoftmaxWeighting(), LearnableWeighting()
    softmax.theta.data.copy_(torch.tensor([0.3, -1.1]))
    sigmoid.theta.data.fill_(1.4)
    torch.testing.assert_close(softmax.gate(), sigmoid.gate())


def test_a_raw_gate_is_the_parameter_itself_without_bounds():
    weigh = RawWeighting(start=1.0)
    space, time = branches()
    torch.testing.assert_close(weigh(space, time).patches, space.patches, rtol=0, atol=0)
    weigh.theta.data.fill_(1.5)
    torch.testing.assert_close(weigh(space, time).cls, 1.5 * space.cls - 0.5 * time.cls)


@pytest.mark.parametrize("kind", LEARNABLE)
@pytest.mark.parametrize("start", [0.5, 0.9])
def test_the_gate_starts_at_its_initial_value(kind, start):
    assert kind(start).gate().item() == pytest.approx(start)
    space, time = branches()
    torch.testing.assert_close(kind()(space, time).patches, UniformWeighting()(space, time).patches)


@pytest.mark.parametrize("kind", LEARNABLE)
def test_equal_branches_stay_as_they_are(kind):
    space, _ = branches()
    torch.testing.assert_close(kind(0.7)(space, space).patches, space.patches)


@pytest.mark.parametrize("kind", LEARNABLE)
def test_the_gradient_moves_the_gate_towards_the_better_branch(kind):
    weigh = kind()
    space, time = branches()
    (weigh(space, time).cls - space.cls).square().sum().backward()
    assert weigh.theta.grad.flatten()[0] < 0  # descending raises theta and the gate


def test_uniform_weighting_has_no_parameters():
    assert not list(UniformWeighting().parameters())
