"""Every network of Table 1 by name, all called alike: a clip (b, 3, t, y, x) in, logits out.

Source: Table 1. What the paper leaves open, sizes and variants, is said in each network's module.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from csglib.model.config import TINY, VARIANTS, ModelConfig
from csglib.model.csg3dct import CSG3DCT
from csglib.table1.baselines.cnn_lstm import CNNLSTM
from csglib.table1.baselines.i3d import I3D
from csglib.table1.baselines.mtv import MTV
from csglib.table1.baselines.nl_i3d import NLI3D
from csglib.table1.baselines.slowfast import SlowFast
from csglib.table1.baselines.tpn import TPN
from csglib.table1.baselines.uniformer import BASE, SMALL, UniFormer

Build = Callable[[int, int, int], nn.Module]  # classes, frames, size -> network


def build_network(name: str, classes: int = 2, frames: int = 8, size: int = 256) -> nn.Module:
    """Build a network with random weights.

    Args:
        name: one of `NETWORKS`.
        classes: grades to tell apart, 2 or more.
        frames: length of its clips, 8 or 16; TimeSformer, ViViT and MTV take no other clips then.
        size: rows and columns of its clips, a multiple of 32; likewise.

    Raises:
        ValueError: an unknown name, or clips of another kind; says which there are.
    """
    if name not in NETWORKS:
        raise ValueError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}")
    if classes < 2 or frames not in (8, 16) or size < 32 or size % 32:
        raise ValueError(
            "wanted 2 classes or more, 8 or 16 frames, and a size that is a multiple of 32: got "
            f"{classes=}, {frames=}, {size=}"
        )
    network = NETWORKS[name](classes, frames, size)
    for kernel in network.parameters():
        if kernel.ndim == 5:
            kernel.data = kernel.contiguous(memory_format=torch.channels_last_3d)
    return network


def _timesformer(classes: int, frames: int, size: int) -> nn.Module:
    from csglib.table1.baselines.timesformer import TimeSformer  # noqa: PLC0415  # seconds to import

    return TimeSformer(classes, frames, size)


def _vivit(classes: int, frames: int, size: int) -> nn.Module:
    from csglib.table1.baselines.vivit import ViViT  # noqa: PLC0415  # seconds to import

    return ViViT(classes, frames, size)


def _variant(config: ModelConfig) -> Build:
    return lambda classes, frames, size: CSG3DCT(replace(config, classes=classes))


NETWORKS: dict[str, Build] = {
    "i3d": lambda classes, frames, size: I3D(classes),
    "slowfast": lambda classes, frames, size: SlowFast(classes),
    "tpn": lambda classes, frames, size: TPN(classes),
    "timesformer": _timesformer,
    "vivit": _vivit,
    "mtv": MTV,
    "nl_i3d": lambda classes, frames, size: NLI3D(classes),
    "uniformer": lambda classes, frames, size: UniFormer(classes, SMALL),
    "uniformer_b": lambda classes, frames, size: UniFormer(classes, BASE),
    "cnn_lstm": lambda classes, frames, size: CNNLSTM(classes),
    "tiny": _variant(TINY),
} | {name: _variant(config) for name, config in VARIANTS.items()}
"""Table 1's, in its order; UniFormer in two sizes; CNN-LSTM, which the paper cites; and `TINY`."""
