"""Every network of Table 1 by name, all built alike: a clip (b, 3, t, y, x) in, logits out.

Source: Table 1. Each network's module says what the paper leaves open about it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import torch
from torch import nn

from csglib.model.checkpoints import read_checkpoint
from csglib.model.config import TINY, VARIANTS, ModelConfig
from csglib.model.csg3dct import CSG3DCT
from csglib.model.pretrained import load_conformer
from csglib.model.weights import current_names, load_weights

_CLASSIFIERS = r"(^|\.)(head(\.\d)?|classif\w+)\.(weight|bias)$"  # a row of each for every grade
_BASELINES = "csglib.table1.baselines"
NETWORKS: Mapping[str, ModelConfig | str] = {
    "i3d": f"{_BASELINES}.i3d:I3D",
    "slowfast": f"{_BASELINES}.slowfast:SlowFast",
    "tpn": f"{_BASELINES}.tpn:TPN",
    "timesformer": f"{_BASELINES}.vit:TimeSformer",
    "vivit": f"{_BASELINES}.vit:ViViT",
    "mtv": f"{_BASELINES}.mtv:MTV",
    "nl_i3d": f"{_BASELINES}.i3d:NLI3D",
    "uniformer": f"{_BASELINES}.uniformer:UniFormer",
    "uniformer_b": f"{_BASELINES}.uniformer:uniformer_b",
    "cnn_lstm": f"{_BASELINES}.cnn_lstm:CNNLSTM",
    "video_swin": f"{_BASELINES}.torchvision_video:VideoSwin",
    "mvit": f"{_BASELINES}.torchvision_video:MViT",
    "tiny": TINY,
    **VARIANTS,
}
"""In the order of Table 1, then UniFormer-B, what the paper cites without comparing it (CNN-LSTM,
Video Swin, MViT), and `TINY`. Ours by their configuration; competitors by what builds them, called
as (classes, frames, size) and imported only when needed."""


def build_network(name: str, classes: int = 2, frames: int = 8, size: int = 256) -> nn.Module:
    """Build a network of `NETWORKS` with random weights; a ValueError for any other name.

    Clips have 8 or 16 frames, and a multiple of 32 rows and columns. TimeSformer, ViViT, MTV
    and MViT take no others than these afterwards.
    """
    if name not in NETWORKS:
        raise ValueError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}")
    if classes < 2 or frames not in (8, 16) or size < 32 or size % 32:
        wanted = "2 classes or more, 8 or 16 frames, and a size that is a multiple of 32"
        raise ValueError(f"wanted {wanted}: got {classes=}, {frames=}, {size=}")
    entry = NETWORKS[name]
    if isinstance(entry, ModelConfig):
        return CSG3DCT(replace(entry, classes=classes))
    network: nn.Module = resolve_name(entry)(classes, frames, size)
    # channels last: the fastest memory format for pointwise convolutions
    for kernel in network.parameters():
        if kernel.ndim == 5:
            kernel.data = kernel.contiguous(memory_format=torch.channels_last_3d)
    return network


def load_initial_weights(network: nn.Module, source: str) -> list[str]:
    """Load weights of this very network, or inflate those of the 2D network it starts from.

    `source` is a file or the name of a public checkpoint; a ValueError if its weights do not fit.
    This very network may have been trained on another number of grades: its classifiers, whose
    tensors' names are returned, are then left as they are.
    """
    found = read_checkpoint(source)
    if network.state_dict().keys() in (found.keys(), current_names(found).keys()):
        return load_weights(network, Path(source), resizable=_CLASSIFIERS)
    if isinstance(network, CSG3DCT):
        load_conformer(network, found)
    elif load := getattr(network, "load_image_weights", None):
        load(found)
    else:
        raise ValueError(f"wanted a {type(network).__name__}'s own weights: it has no 2D network")
    return []
