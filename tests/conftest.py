"""A small clip that knows its truth, and a network whose class token has opinions."""

import numpy as np
import pytest
import torch

from csglib.data.clips import Clip, Truth
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT


def circles(radii, height, width):
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return np.array([width / 2, height / 2]) + np.asarray(radii)[:, None, None] * ring


@pytest.fixture
def simulated_clip():
    """Three frames of 96 x 128: small enough to be sent pixel by pixel."""
    closed = np.array([0.2, 0.75, 0.4])
    outer, inner = (circles([radius] * 3, 96, 128) for radius in (36, 30))
    truth = Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=circles(30 * np.sqrt(1 - closed), 96, 128),
        area_stenosis=closed,
        diameter_stenosis=1 - np.sqrt(1 - closed),
    )
    grey = np.random.default_rng(7).integers(0, 256, (3, 96, 128), dtype=np.uint8)
    return Clip(frames=grey, patient="nobody", truth=truth)


@pytest.fixture
def opinionated_network():
    """Random weights with strong questions, so that the maps are far from even."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = CSG3DCT(TINY)
        for name, weights in network.named_parameters():
            if weights.ndim == 2 and ("to_query" in name or "to_key" in name):
                weights.data.normal_(0, 0.3)
    return network
