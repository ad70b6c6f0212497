"""UniFormer: convolution where the grid is fine, attention over space and time where it is coarse.

Source: Li et al. 2022, "UniFormer: Unified Transformer for Efficient Spatiotemporal Representation
Learning". The CSG paper says "UniFormer" and neither which size, nor from which weights it starts.
"""

from dataclasses import dataclass
from itertools import pairwise

from einops import rearrange, reduce
from einops.layers.torch import Rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.attention import Attention
from csglib.model.conv import TimePadded
from csglib.model.intra import FeedForward
from csglib.table1.baselines.drop_path import DropPath, rising

Volume = Float[Tensor, "b c t y x"]
_HEAD = 64  # width of a token's part that one map mixes
_WIDER = 4  # times, inside every MLP
_SEEN = 5  # frames, rows and columns that a local block sees
_STRIDE = 32  # of all embeddings together
_EPS = 1e-6  # of the layer norms

_LOCAL = {  # parts of a block: ours, and theirs
    "position": "pos_embed",
    "mix.0": "norm1",
    "mix.1": "conv1",
    "mix.2": "attn",
    "mix.3": "conv2",
    "ffn.0": "norm2",
    "ffn.1": "mlp.fc1",
    "ffn.3": "mlp.fc2",
}
_GLOBAL = {
    "position": "pos_embed",
    "norm": "norm1",
    "qkv": "attn.qkv",
    "proj": "attn.proj",
    "ffn.0": "norm2",
    "ffn.1.0": "mlp.fc1",
    "ffn.1.2": "mlp.fc2",
}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """One UniFormer.

    Attributes:
        depths: blocks of each stage.
        widths: channels of each stage; those of the last two are multiples of 64.
        drop_path: share of clips that skip a branch of the last block; it rises from 0.
    """

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    drop_path: float


SMALL = Sizes(depths=(3, 4, 8, 3), widths=(64, 128, 320, 512), drop_path=0.1)
BASE = Sizes(depths=(5, 8, 20, 7), widths=(64, 128, 320, 512), drop_path=0.3)
"""UniFormer-S and UniFormer-B, both with an undivided stem; the variants with layer scale or with
attention split into space and time are others."""


class UniFormer(nn.Module):
    """A clip of any length in, its rows and columns multiples of 32; grades out.

    Every second frame is dropped by the first embedding, and none after it.

    Args:
        classes: grades to tell apart.
        frames, size: of a clip; any will do.
        sizes: `SMALL` or `BASE`.
    """

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, sizes: Sizes = SMALL
    ) -> None:
        super().__init__()
        rates = iter(rising(sizes.drop_path, sum(sizes.depths)))
        patches = ((3, 4, 4), (1, 2, 2), (1, 2, 2), (1, 2, 2))
        blocks = (LocalBlock, LocalBlock, GlobalBlock, GlobalBlock)
        self.depths = sizes.depths
        self.stages = nn.Sequential()
        for (channels, width), patch, depth, block in zip(
            pairwise((3, *sizes.widths)), patches, sizes.depths, blocks, strict=True
        ):
            row = [block(width, next(rates)) for _ in range(depth)]
            self.stages.append(nn.Sequential(_Embedding(channels, width, patch), *row))
        self.norm = nn.BatchNorm3d(sizes.widths[-1])
        self.head = nn.Linear(sizes.widths[-1], classes)

    def image_names(self) -> dict[str, str]:
        """Ours, and how the authors' UniFormer for images calls it."""
        names = {"norm": "norm"}
        for number, depth in enumerate(self.depths, start=1):
            names |= {f"stages.{number - 1}.0.0": f"patch_embed{number}.proj"}
            names |= {f"stages.{number - 1}.0.2": f"patch_embed{number}.norm"}
            words = _LOCAL if number < 3 else _GLOBAL
            for place in range(1, depth + 1):
                for ours, theirs in words.items():
                    block = f"blocks{number}.{place - 1}"
                    names |= {f"stages.{number - 1}.{place}.{ours}": f"{block}.{theirs}"}
        parts = (ours.rpartition(".") for ours in self.state_dict())
        return {
            f"{part}.{tensor}": f"{names[part]}.{tensor}"
            for part, _, tensor in parts
            if part in names
        }

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits.

        Raises:
            ValueError: another size.
        """
        rows, columns = clip.shape[-2:]
        if rows % _STRIDE or columns % _STRIDE:
            raise ValueError(
                f"UniFormer wants rows and columns that are multiples of {_STRIDE}: "
                f"got {rows} x {columns}"
            )
        volume = self.norm(self.stages(clip))
        return self.head(reduce(volume, "b c t y x -> b c", "mean"))


def uniformer_b(classes: int, frames: int, size: int) -> UniFormer:
    """UniFormer-B, for `csglib.train.networks.NETWORKS`."""
    return UniFormer(classes, frames, size, sizes=BASE)


class LocalBlock(nn.Module):
    """A transformer's block whose tokens mix with their neighbours, by weights learned once.

    Args:
        channels: width of the volume.
        drop_path: share of clips that skip a branch.
    """

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.position = _depth_wise(channels, 3)
        self.mix = nn.Sequential(
            nn.BatchNorm3d(channels),
            nn.Conv3d(channels, channels, 1),
            _depth_wise(channels, _SEEN),
            nn.Conv3d(channels, channels, 1),
        )
        self.ffn = nn.Sequential(
            nn.BatchNorm3d(channels),
            nn.Conv3d(channels, _WIDER * channels, 1),
            nn.GELU(),
            nn.Conv3d(_WIDER * channels, channels, 1),
        )
        self.drop = DropPath(drop_path)

    def forward(self, volume: Volume) -> Volume:
        """Where am I, who is near, what does it mean."""
        volume = volume + self.position(volume)
        volume = volume + self.drop(self.mix(volume))
        return volume + self.drop(self.ffn(volume))


class GlobalBlock(nn.Module):
    """A transformer's block in which every place of every frame looks at all others.

    Args:
        channels: width of the volume, a multiple of 64.
        drop_path: share of clips that skip a branch.

    Raises:
        ValueError: another width.
    """

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        if channels % _HEAD:
            raise ValueError(f"heads of {_HEAD} channels must fill the width: got {channels}")
        self.position = _depth_wise(channels, 3)
        self.norm = nn.LayerNorm(channels, eps=_EPS)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.attention = Attention()
        self.proj = nn.Linear(channels, channels)
        self.ffn = nn.Sequential(
            nn.LayerNorm(channels, eps=_EPS), FeedForward(channels, _WIDER * channels)
        )
        self.drop = DropPath(drop_path)

    def forward(self, volume: Volume) -> Volume:
        """Where am I, who is like me, what does it mean."""
        volume = volume + self.position(volume)
        frames, rows = volume.shape[2:4]
        tokens = rearrange(volume, "b c t y x -> b (t y x) c")
        tokens = tokens + self.drop(self._attend(tokens))
        tokens = tokens + self.drop(self.ffn(tokens))
        return rearrange(tokens, "b (t y x) c -> b c t y x", t=frames, y=rows)

    def _attend(self, tokens: Float[Tensor, "b s c"]) -> Float[Tensor, "b s c"]:
        query, key, value = rearrange(
            self.qkv(self.norm(tokens)),
            "b s (three h e) -> three b h s e",
            three=3,
            e=_HEAD,
        )
        return self.proj(rearrange(self.attention(query, key, value), "b h s e -> b s (h e)"))


class _Embedding(nn.Sequential):
    """One patch becomes one place; patches overlap along time alone, where they are three long."""

    def __init__(self, channels: int, width: int, patch: tuple[int, int, int]) -> None:
        frames, rows, columns = patch
        stride = (frames // 2 + 1, rows, columns)
        super().__init__(
            nn.Conv3d(channels, width, patch, stride, (frames // 2, 0, 0)),
            Rearrange("b c t y x -> b t y x c"),
            nn.LayerNorm(width, eps=_EPS),
            Rearrange("b t y x c -> b c t y x"),
        )


def _depth_wise(channels: int, seen: int) -> nn.Conv3d:
    return TimePadded(channels, channels, seen, padding=seen // 2, groups=channels)
