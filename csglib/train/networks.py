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
"""In the order of Table 1, then UniFormer-B, three that the paper only cites, and `TINY`. Ours by
configuration, others by what builds them from (classes, frames, size), imported when needed."""
_ROWS = [*[*NETWORKS][:8], *VARIANTS]
NARROW = {f"{name}_narrow": f"csglib.table1.narrow:{name}" for name in _ROWS}


def build_network(name: str, classes: int = 2, frames: int = 8, size: int = 256) -> nn.Module:
    """Build one of `NETWORKS` or `NARROW` with random weights; a ValueError for any other name.

    TimeSformer, ViViT, MTV and MViT take no clips of other frames or size afterwards.
    """
    if (entry := NETWORKS.get(name) or NARROW.get(name)) is None:
        raise ValueError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}")
    if classes < 2 or frames not in (8, 16) or size < 32 or size % 32:
        wanted = "2 classes or more, 8 or 16 frames, and a size that is a multiple of 32"
        raise ValueError(f"wanted {wanted}: got {classes=}, {frames=}, {size=}")
    built = resolve_name(entry) if isinstance(entry, str) else entry
    if isinstance(built, ModelConfig):
        return CSG3DCT(replace(built, classes=classes))
    network: nn.Module = built(classes, frames, size)
    # channels last: the fastest memory format for pointwise convolutions
    for kernel in network.parameters():
        if kernel.ndim == 5:
            kernel.data = kernel.contiguous(memory_format=torch.channels_last_3d)
    return network


def load_initial_weights(network: nn.Module, source: str) -> list[str]:
    """Load weights of this very network, or inflate those of CSG-3DCT's 2D network.

    `source` is a file or the name of a public checkpoint; a ValueError if its weights do not fit.
    This very network may have been trained on another number of grades: its classifiers, whose
    tensors' names are returned, are then left as they are.
    """
    found = read_checkpoint(source)
    if network.state_dict().keys() in (found.keys(), current_names(found).keys()):
        return load_weights(network, Path(source), resizable=_CLASSIFIERS)
    if not isinstance(network, CSG3DCT):
        raise ValueError(f"wanted a {type(network).__name__}'s own weights, in {source}")
    load_conformer(network, found)
    return []
