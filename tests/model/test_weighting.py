import pytest
import torch

from csglib.model.tokens import VideoTokens
from csglib.model.weighting import EvenWeighting, LearnableWeighting


def branches():
    return [VideoTokens(torch.randn(2, 1, 7), torch.randn(2, 3, 5, 7)) for _ in range(2)]


@pytest.mark.parametrize("theta", [-2.0, 0.0, 3.0])
def test_shares_are_a_sigmoid_and_its_rest(theta):
    weigh = LearnableWeighting()
    weigh.theta.data.fill_(theta)
    space, time = branches()
    share = torch.tensor(theta).sigmoid()
    both = weigh(space, time)
    torch.testing.assert_close(both.cls, share * space.cls + (1 - share) * time.cls)
    torch.testing.assert_close(both.patches, share * space.patches + (1 - share) * time.patches)


def test_it_starts_even():
    space, time = branches()
    torch.testing.assert_close(
        LearnableWeighting()(space, time).patches, EvenWeighting()(space, time).patches
    )


def test_equal_branches_stay_as_they_are():
    space, _ = branches()
    torch.testing.assert_close(LearnableWeighting()(space, space).patches, space.patches)


def test_the_gradient_moves_the_share_towards_the_better_branch():
    weigh = LearnableWeighting()
    space, time = branches()
    (weigh(space, time).cls - space.cls).square().sum().backward()
    assert weigh.theta.grad.item() < 0  # descending raises theta, and with it the spatial share
    assert not list(EvenWeighting().parameters())
