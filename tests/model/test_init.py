from dataclasses import replace

import pytest
import torch
from torch import nn

from csglib import CSG3DCT, PAPER
from csglib.model.init import init_weights
from csglib.model.tokens import VideoTokens

from .conftest import small


def test_zero_initialised_parts_are_the_identity_and_the_spatial_branch_is_not():
    config = small(replace(PAPER, encoder=replace(PAPER.encoder, init="zero")))
    target, complement = (
        VideoTokens(torch.randn(2, 1, 24), torch.randn(2, 3, 5, 24)) for _ in range(2)
    )
    for block in CSG3DCT(config).blocks:
        for output in (
            block.time(target),
            block.into_space(target, complement),
            block.into_time(target, complement),
        ):
            assert torch.equal(output.cls, target.cls)
            assert torch.equal(output.patches, target.patches)
        assert not torch.equal(block.space(target).patches, target.patches)


@pytest.mark.parametrize(
    ("layer", "spread"),
    [
        (nn.Linear(384, 500), 0.02),
        (nn.Linear(96, 500), 0.04),
        (nn.Conv3d(64, 100, (3, 1, 1)), (2 / (100 * 3)) ** 0.5),
    ],
    ids=["linear", "narrow", "convolution"],
)
def test_linear_layers_start_by_their_fan_in_and_convolutions_by_their_fan_out(layer, spread):
    torch.manual_seed(0)
    init_weights(layer)
    assert layer.weight.std().item() == pytest.approx(spread, rel=0.03)
    assert isinstance(layer, nn.Conv3d) or not layer.bias.any()
