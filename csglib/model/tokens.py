"""Tokens: patch embedding, the class token, and how tokens are folded into sequences.

Source: section 2, "Transformer Encoder"; Fig. 2(c) for the two axes. The text has one class token a
clip (t n^2 + 1 tokens), Table SI prints 8 x 257: both hold when each sequence gets its own copy of
that one token. The other reading, one class token a frame, is a setting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor, nn

Axis = Literal["space", "time", "joint"]
ClassTokens = Literal["clip", "log_t", "frame"]

_SEQUENCES: dict[Axis, str] = {"space": "(b t) n d", "time": "(b n) t d", "joint": "b (t n) d"}
# Class tokens at the head of each sequence, out of k (one a clip, or one a frame), each copied g
# times: along space that of the sequence's frame, along time and jointly all of them.
_CLS: dict[Axis, str] = {"space": "(b k g) 1 d", "time": "(b g) k d", "joint": "(b g) k d"}


@dataclass(frozen=True, slots=True)
class VideoTokens:
    """Tokens of a batch of clips; class and patch tokens are concatenated only inside attention."""

    cls: Float[Tensor, "b k d"]  # one a clip (k = 1) or one a frame (k = t)
    patches: Float[Tensor, "b t n d"]  # frame by frame, row by row

    @property
    def flat(self) -> Float[Tensor, "b s d"]:
        """All t n patch tokens of a clip, without the class token."""
        return rearrange(self.patches, "b t n d -> b (t n) d")

    def map(self, change: Callable[[Tensor], Tensor]) -> "VideoTokens":
        """Apply a token-wise function: LayerNorm, a projection, an FFN."""
        return VideoTokens(change(self.cls), change(self.patches))

    def __add__(self, other: "VideoTokens") -> "VideoTokens":
        return VideoTokens(self.cls + other.cls, self.patches + other.patches)


class PatchEmbedding(nn.Module):
    """Patch tokens from the stem's volume, and the learnable class token.

    There is no position embedding, as in Conformer: position enters through the zero padding of the
    convolutions, and temporal order through their t = 3 kernels alone.

    A patch spans `size` positions of the volume along y and x. `class_tokens` "frame" copies the
    class token to every frame, "clip" and "log_t" to every clip.
    """

    def __init__(
        self, channels: int, dim: int, size: int, class_tokens: ClassTokens = "clip"
    ) -> None:
        super().__init__()
        self.class_tokens = class_tokens
        self.cls = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, dim), std=0.02))
        self.project = nn.Conv3d(channels, dim, (1, size, size), (1, size, size))

    def forward(self, volume: Float[Tensor, "b c t y x"]) -> VideoTokens:
        """Embed each patch of each frame."""
        patches = rearrange(self.project(volume), "b d t y x -> b t (y x) d")
        clips, frames = patches.shape[:2]
        count = frames if self.class_tokens == "frame" else 1
        return VideoTokens(self.cls.expand(clips, count, -1), patches)


def fold(tokens: VideoTokens, axis: Axis) -> Float[Tensor, "g s d"]:
    """Sequences along `axis`, each headed by its own copy of the class token.

    "space": one sequence a frame, 1 + n tokens. "time": one a patch position, k + t tokens.
    "joint": one a clip, k + t n tokens.
    """
    frames, patches = tokens.patches.shape[1:3]
    copies = {"space": frames // tokens.cls.shape[1], "time": patches, "joint": 1}[axis]
    cls = repeat(tokens.cls, f"b k d -> {_CLS[axis]}", g=copies)
    return torch.cat([cls, rearrange(tokens.patches, f"b t n d -> {_SEQUENCES[axis]}")], dim=1)


def unfold(sequences: Float[Tensor, "g s d"], axis: Axis, like: VideoTokens) -> VideoTokens:
    """Inverse of `fold`; the copies of a class token become their mean."""
    clips, frames, positions, _ = like.patches.shape
    count = like.cls.shape[1]
    copies, patches = sequences.tensor_split([1 if axis == "space" else count], dim=1)
    cls = reduce(copies, f"{_CLS[axis]} -> b k d", "mean", b=clips, k=count)
    sizes = {"b": clips, "t": frames, "n": positions}
    return VideoTokens(cls, rearrange(patches, f"{_SEQUENCES[axis]} -> b t n d", **sizes))
