"""UniFormer: convolutions where the grid is fine, attention over space and time where it is coarse.

Source: Li et al. 2022, "UniFormer: Unified Transformer for Efficient Spatiotemporal Representation
Learning". The CSG paper says "UniFormer" and neither which size, nor from which weights it starts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar

import torch
from einops import rearrange, reduce
from einops.layers.torch import Rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from csglib.model.attention import Attention
from csglib.model.conv import TimePadded
from csglib.model.intra import FeedForward
from csglib.view.grad_cam import Target

Volume = Float[Tensor, "b c t y x"]
_MLP = 4  # hidden width of an MLP, in widths
_KERNEL = 5  # frames, rows and columns of a local block's depthwise convolution
_STRIDE = 32  # of all patch embeddings together
_EPS = 1e-6  # of the blocks' layer norms; the embeddings' have torch's 1e-5
_PATCHES = ((3, 4, 4), (1, 2, 2), (1, 2, 2), (1, 2, 2))  # of the four stages' embeddings


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Blocks and channels of each stage, and the stochastic depth of the last block."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]  # those of the last two stages are multiples of `head`
    drop_path: float  # per clip; it rises linearly from 0 at the first block
    head: int = 64  # width of an attention head


SMALL = Sizes(depths=(3, 4, 8, 3), widths=(64, 128, 320, 512), drop_path=0.1)
BASE = Sizes(depths=(5, 8, 20, 7), widths=(64, 128, 320, 512), drop_path=0.3)
"""UniFormer-S and UniFormer-B, both with a single-convolution stem and without layer scale."""


class UniFormer(nn.Module):
    """Clips of any length in, rows and columns multiples of 32; logits out.

    The first embedding drops every second frame; the others drop none.
    """

    cam_target: ClassVar[Target] = Target(lambda network: network.stages[-1])

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, sizes: Sizes = SMALL
    ) -> None:
        super().__init__()
        rates = iter(torch.linspace(0, sizes.drop_path, sum(sizes.depths), device="cpu").tolist())
        attend = partial(GlobalBlock, head=sizes.head)
        blocks: tuple[Callable[[int, float], nn.Module], ...]
        blocks = (LocalBlock, LocalBlock, attend, attend)
        self.stages = nn.Sequential()
        for (channels, width), patch, depth, block in zip(
            pairwise((3, *sizes.widths)), _PATCHES, sizes.depths, blocks, strict=True
        ):
            embedding = _patch_embedding(channels, width, patch)
            stage = nn.Sequential(*(block(width, next(rates)) for _ in range(depth)))
            self.stages.append(nn.Sequential(embedding, stage))
        self.norm = nn.BatchNorm3d(sizes.widths[-1])
        self.head = nn.Linear(sizes.widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits; a ValueError for another size."""
        rows, columns = clip.shape[-2:]
        if rows % _STRIDE or columns % _STRIDE:
            wanted = f"UniFormer wants rows and columns that are multiples of {_STRIDE}"
            raise ValueError(f"{wanted}: got {rows} x {columns}")
        volume = self.norm(self.stages(clip))
        return self.head(reduce(volume, "b c t y x -> b c", "mean"))


uniformer_b = partial(UniFormer, sizes=BASE)


class LocalBlock(nn.Module):
    """A transformer block with a depthwise convolution instead of attention."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.position = _depthwise(channels, 3)
        self.mix = nn.Sequential(
            nn.BatchNorm3d(channels),
            nn.Conv3d(channels, channels, 1),
            _depthwise(channels, _KERNEL),
            nn.Conv3d(channels, channels, 1),
        )
        self.ffn = nn.Sequential(
            nn.BatchNorm3d(channels),
            nn.Conv3d(channels, _MLP * channels, 1),
            nn.GELU(),
            nn.Conv3d(_MLP * channels, channels, 1),
        )
        self.drop = StochasticDepth(drop_path, "row")

    def forward(self, volume: Volume) -> Volume:
        """Position encoding, mixing, MLP; all residual."""
        volume = volume + self.position(volume)
        volume = volume + self.drop(self.mix(volume))
        return volume + self.drop(self.ffn(volume))


class GlobalBlock(nn.Module):
    """A transformer block with joint attention over all places of all frames."""

    def __init__(self, channels: int, drop_path: float, head: int = 64) -> None:
        super().__init__()
        if channels % head:
            raise ValueError(f"heads of {head} channels must fill the width: got {channels}")
        self.head = head
        self.position = _depthwise(channels, 3)
        self.norm = nn.LayerNorm(channels, eps=_EPS)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.attention = Attention()
        self.proj = nn.Linear(channels, channels)
        ffn = FeedForward(channels, _MLP * channels)
        self.ffn = nn.Sequential(nn.LayerNorm(channels, eps=_EPS), ffn)
        self.drop = StochasticDepth(drop_path, "row")

    def forward(self, volume: Volume) -> Volume:
        """Position encoding, attention, MLP; all residual."""
        volume = volume + self.position(volume)
        frames, rows = volume.shape[2:4]
        tokens = rearrange(volume, "b c t y x -> b (t y x) c")
        tokens = tokens + self.drop(self._attend(tokens))
        tokens = tokens + self.drop(self.ffn(tokens))
        return rearrange(tokens, "b (t y x) c -> b c t y x", t=frames, y=rows)

    def _attend(self, tokens: Float[Tensor, "b s c"]) -> Float[Tensor, "b s c"]:
        qkv = self.qkv(self.norm(tokens))
        query, key, value = rearrange(qkv, "b s (n h e) -> n b h s e", n=3, e=self.head)
        return self.proj(rearrange(self.attention(query, key, value), "b h s e -> b s (h e)"))


def _patch_embedding(channels: int, width: int, patch: tuple[int, int, int]) -> nn.Sequential:
    """Patches to places; they overlap along time where they are three frames long."""
    frames, rows, columns = patch
    stride = (frames // 2 + 1, rows, columns)
    return nn.Sequential(
        nn.Conv3d(channels, width, patch, stride, (frames // 2, 0, 0)),
        Rearrange("b c t y x -> b t y x c"),
        nn.LayerNorm(width),
        Rearrange("b t y x c -> b c t y x"),
    )


def _depthwise(channels: int, kernel: int) -> nn.Conv3d:
    return TimePadded(channels, channels, kernel, padding=kernel // 2, groups=channels)
