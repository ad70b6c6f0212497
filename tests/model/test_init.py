from dataclasses import replace

import pytest
import torch
from torch import nn

from csglib.model.config import PAPER
from csglib.model.csg3dct import CSG3DCT
from csglib.model.init import init_weights
from csglib.model.tokens import VideoTokens


def tokens():
    return VideoTokens(torch.randn(2, 1, 24), torch.randn(2, 3, 5, 24))


def test_zero_initialised_parts_are_the_identity_and_the_spatial_branch_is_not(small):
    config = small(replace(PAPER, encoder=replace(PAPER.encoder, init="zero")))
    for block in CSG3DCT(config).blocks:
        target, complement = tokens(), tokens()
        for answer in (
            block.time(target),
            block.into_space(target, complement),
            block.into_time(target, complement),
        ):
            torch.testing.assert_close(answer.cls, target.cls, rtol=0, atol=0)
            torch.testing.assert_close(answer.patches, target.patches, rtol=0, atol=0)
        assert not torch.equal(block.space(target).patches, target.patches)


@pytest.mark.parametrize(("width", "spread"), [(384, 0.02), (96, 0.04)])
def test_linear_layers_start_at_a_std_scaled_by_fan_in(width, spread):
    torch.manual_seed(0)
    layer = nn.Linear(width, 500)
    init_weights(layer)
    assert layer.weight.std().item() == pytest.approx(spread, rel=0.03)
    assert not layer.bias.any()


def test_convolutions_start_by_their_fan_out():
    torch.manual_seed(0)
    layer = nn.Conv3d(64, 100, (3, 1, 1))
    init_weights(layer)
    assert layer.weight.std().item() == pytest.approx((2 / (100 * 3)) ** 0.5, rel=0.03)
