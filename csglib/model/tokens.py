"""What the transformer sees: patches, one class token, and the ways to line them up.

Source: section 2, "Transformer Encoder"; Fig. 2(c) for the two axes. The text has one class token a
clip (t n^2 + 1 tokens), Table SI prints 8 x 257: both hold when each sequence carries its own copy
of that one token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor, nn

Axis = Literal["space", "time", "joint"]

_SEQUENCES: dict[Axis, str] = {"space": "(b t) n d", "time": "(b n) t d", "joint": "b (t n) d"}


@dataclass(frozen=True, slots=True)
class VideoTokens:
    """The tokens of a batch of clips: two tensors, joined only inside attention.

    Attributes:
        cls: the class token, one a clip.
        patches: the patch tokens, frame by frame, row by row.
    """

    cls: Float[Tensor, "b 1 d"]
    patches: Float[Tensor, "b t n d"]

    @property
    def flat(self) -> Float[Tensor, "b s d"]:
        """All patches of a clip in one row, without the class token."""
        return rearrange(self.patches, "b t n d -> b (t n) d")

    def map(self, change: Callable[[Tensor], Tensor]) -> "VideoTokens":
        """Change every token on its own, as LayerNorm, a projection or an FFN does."""
        return VideoTokens(change(self.cls), change(self.patches))

    def __add__(self, other: "VideoTokens") -> "VideoTokens":
        return VideoTokens(self.cls + other.cls, self.patches + other.patches)


class PatchEmbedding(nn.Module):
    """Cuts each frame of the stem's volume into patches, and owns the class token.

    Nothing tells a patch where it is: positions leak in through the padding of the convolutions, as
    in the 2D parent, and order in time through their t = 3 kernels alone.

    Args:
        channels: width of the volume.
        dim: width of a token, d.
        size: places of the volume that a patch spans along y and x.
    """

    def __init__(self, channels: int, dim: int, size: int) -> None:
        super().__init__()
        self.cls = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, dim), std=0.02))
        self.project = nn.Conv3d(channels, dim, (1, size, size), (1, size, size))

    def forward(self, volume: Float[Tensor, "b c t y x"]) -> VideoTokens:
        """One token a patch, row by row, and the class token for every clip."""
        patches = rearrange(self.project(volume), "b d t y x -> b t (y x) d")
        return VideoTokens(self.cls.expand(len(volume), -1, -1), patches)


def fold(tokens: VideoTokens, axis: Axis) -> Float[Tensor, "g s d"]:
    """Cut clips into sequences along `axis`, each led by its own copy of the class token.

    "space": one sequence a frame, 1 + n tokens. "time": one a patch position, 1 + t tokens.
    "joint": one a clip, 1 + t n tokens.
    """
    sequences = rearrange(tokens.patches, f"b t n d -> {_SEQUENCES[axis]}")
    copies = len(sequences) // len(tokens.cls)
    return torch.cat([repeat(tokens.cls, "b 1 d -> (b g) 1 d", g=copies), sequences], dim=1)


def unfold(sequences: Float[Tensor, "g s d"], axis: Axis, like: VideoTokens) -> VideoTokens:
    """Undo `fold`: patches return to their places, the class token's copies become their mean."""
    clips, frames, patches, _ = like.patches.shape
    return VideoTokens(
        reduce(sequences[:, :1], "(b g) 1 d -> b 1 d", "mean", b=clips),
        rearrange(
            sequences[:, 1:],
            f"{_SEQUENCES[axis]} -> b t n d",
            b=clips,
            t=frames,
            n=patches,
        ),
    )
