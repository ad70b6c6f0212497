"""Networks of every kind, at a size for tests."""

from dataclasses import replace

import torch
from torch import nn

from csglib import CSG3DCT
from csglib.model import AMDF, ModelConfig, conformer_names, inflate_kernel

WIDTHS = (8, 8, 16)  # one stage alone, one that strides as it is entered, one as it is left


def small(config: ModelConfig) -> ModelConfig:
    """The same graph of a config with few blocks and small widths."""
    first, _, _, fourth, last = config.stages
    stages = zip((first, fourth, last), WIDTHS, strict=True)
    amdf = isinstance(config.encoder, AMDF)
    hidden = {"hidden": 17, "space_hidden": 96} if amdf else {"hidden": 96}
    return replace(
        config,
        stages=tuple(replace(stage, blocks=1, width=width) for stage, width in stages),
        encoder=replace(config.encoder, heads=config.encoder.heads // 3, **hidden),
        stem=5,
        dim=24,
        classes=5,
    )


def narrow(config: ModelConfig) -> ModelConfig:
    """A config with every block as narrow as can be: all tensor names, few numbers."""
    room = 24 if config.encoder.heads == 6 else 6  # fits Conformer's FFN, or does not
    amdf = isinstance(config.encoder, AMDF)
    hidden = {"hidden": 6, "space_hidden": room} if amdf else {"hidden": room}
    stages = (replace(stage, width=max(stage.width // 32, 2)) for stage in config.stages)
    encoder = replace(config.encoder, heads=3, **hidden)
    return replace(config, stages=tuple(stages), encoder=encoder, stem=5, dim=6)


def conformer_named(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict of a 2D network of ours, under Conformer's published names."""
    theirs = {ours: name for name, ours in conformer_names(12, "").items()}
    found = {}
    for name, tensor in weights.items():
        part, _, leaf = name.rpartition(".")
        flat = tensor[:, :, 0] if tensor.ndim == 5 else tensor
        place = "cls_token" if part == "embed" else f"{theirs[part]}.{leaf}"
        found[place] = flat.clone().contiguous()
    return found


def inflated(config: ModelConfig, mode: str = "mean") -> tuple[CSG3DCT, CSG3DCT]:
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
