"""Networks of every kind, at a size for tests."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from csglib.model.config import AMDF, ModelConfig, SingleBranch
from csglib.model.csg3dct import CSG3DCT
from csglib.model.inflation import inflate_kernel
from csglib.model.pretrained import conformer_names

WIDTHS = (8, 8, 16)  # one stage alone, one that strides as it is entered, one as it is left


@pytest.fixture(scope="session")
def small():
    return _small


def _small(config: ModelConfig) -> ModelConfig:
    """The same graph with few blocks and small widths."""
    first, _, _, fourth, last = config.stages
    stages = zip((first, fourth, last), WIDTHS, strict=True)
    encoder = config.encoder
    heads = encoder.heads // 3
    if isinstance(encoder, AMDF):
        encoder = replace(encoder, heads=heads, hidden=17, space_hidden=96)
    elif isinstance(encoder, SingleBranch):
        encoder = replace(encoder, heads=heads, hidden=96)
    return replace(
        config,
        stages=tuple(replace(stage, blocks=1, width=width) for stage, width in stages),
        encoder=encoder,
        stem=5,
        dim=24,
        classes=5,
    )


@pytest.fixture(scope="session")
def narrow():
    return _narrow


def _narrow(config: ModelConfig) -> ModelConfig:
    """Every block at the smallest width: all tensor names, few numbers."""
    room = 24 if config.encoder.heads == 6 else 6  # fits Conformer's FFN, or does not
    encoder = config.encoder
    if isinstance(encoder, AMDF):
        encoder = replace(encoder, heads=3, hidden=6, space_hidden=room)
    else:
        encoder = replace(encoder, heads=3, hidden=room)
    return replace(
        config,
        stages=tuple(replace(stage, width=max(stage.width // 32, 2)) for stage in config.stages),
        encoder=encoder,
        stem=5,
        dim=6,
    )


@pytest.fixture(scope="session")
def conformer_named():
    return _conformer_named


def _conformer_named(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """State dict of a 2D network of ours under Conformer's published names."""
    theirs = {ours: name for name, ours in conformer_names(12, "").items()}
    found = {"cls_token": weights["embed.cls"]}
    for name, tensor in weights.items():
        part, _, leaf = name.rpartition(".")
        if part != "embed":
            flat = tensor[:, :, 0] if tensor.ndim == 5 else tensor
            found[f"{theirs[part]}.{leaf}"] = flat.clone().contiguous()
    return found


@pytest.fixture(scope="session")
def inflated():
    return _inflated


def _inflated(config: ModelConfig, mode: str = "mean") -> tuple[CSG3DCT, CSG3DCT]:
    """A network of t = 1, and the same with inflated convolutions."""
    torch.manual_seed(0)
    alone = tuple(replace(stage, frames=1) for stage in config.stages)
    flat, deep = CSG3DCT(replace(config, stages=alone)).double(), CSG3DCT(config).double()
    for module in flat.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.1)
    places = deep.state_dict()
    deep.load_state_dict(
        {
            name: inflate_kernel(tensor[:, :, 0], places[name].shape[2], mode)
            if tensor.ndim == 5
            else tensor
            for name, tensor in flat.state_dict().items()
        }
    )
    return flat.eval(), deep.eval()
