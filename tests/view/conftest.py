"""Small clips, the networks whose attention is looked at, and what must not change in them."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from csglib import TINY, Clip, read_clip, resample
from csglib.model.config import SingleBranch

from ..conftest import SAMPLES


def noise_clip(frames=3, height=32, width=80):
    """3 frames of 2 x 5 patches, or of another size."""
    grey = np.random.default_rng(2).integers(0, 256, (frames, height, width), dtype=np.uint8)
    return Clip(frames=grey, patient="nobody")


def sample(name, size=64):
    """A clip of `data_samples`: 8 frames, 64 x 64 pixels or another size."""
    return resample(read_clip(SAMPLES / f"{name}.npz"), 8, size)


def tiny(encoder="cross", class_tokens="clip"):
    """TINY with another encoder: an axis for a single branch, or a fusion."""
    alone = encoder in ("joint", "space", "time")
    single = SingleBranch(axis=encoder, heads=4, hidden=64) if alone else None
    fused = replace(TINY.encoder, fusion=encoder) if not alone else None
    return replace(TINY, encoder=single or fused, class_tokens=class_tokens)


def _tensors(network):
    slopes = {f"{name}.grad": each.grad for name, each in network.named_parameters()}
    known = {name: slope for name, slope in slopes.items() if slope is not None}
    return {name: value.clone() for name, value in (network.state_dict() | known).items()}


@contextmanager
def unchanged(network):
    """Leaves a network's weights, statistics, gradients and modes, and no hook."""
    before, modes = _tensors(network), [part.training for part in network.modules()]
    yield
    after = _tensors(network)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [part.training for part in network.modules()] == modes
    assert not any(p._forward_hooks or p._forward_pre_hooks for p in network.modules())
