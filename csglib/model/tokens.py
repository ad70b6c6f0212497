"""What the transformer sees: patches, one class token, and the ways to line them up.

Source: section 2, "Transformer Encoder"; Fig. 2(c) for the two axes. The text has one class token a
clip (t n^2 + 1 tokens), Table SI prints 8 x 257: both hold when each sequence carries its own copy
of that one token. The other reading, one class token a frame, is here too.
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
# Which of the k class tokens (one a clip or one a frame) lead a sequence, g copies of each: in
# space that of its own frame, along time and jointly all of them.
_LEADERS: dict[Axis, str] = {"space": "(b k g) 1 d", "time": "(b g) k d", "joint": "(b g) k d"}


@dataclass(frozen=True, slots=True)
class VideoTokens:
    """The tokens of a batch of clips: two tensors, joined only inside attention.

    Attributes:
        cls: the class token, one a clip (k = 1) or one a frame (k = t).
        patches: the patch tokens, frame by frame, row by row.
    """

    cls: Float[Tensor, "b k d"]
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
        class_tokens: "frame" gives every frame a class token of its own, all alike at first;
            "clip" and "log_t" give one a clip.
    """

    def __init__(
        self, channels: int, dim: int, size: int, class_tokens: ClassTokens = "clip"
    ) -> None:
        super().__init__()
        self.class_tokens = class_tokens
        self.cls = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, dim), std=0.02))
        self.project = nn.Conv3d(channels, dim, (1, size, size), (1, size, size))

    def forward(self, volume: Float[Tensor, "b c t y x"]) -> VideoTokens:
        """One token a patch, row by row, and the class token for every clip or frame."""
        patches = rearrange(self.project(volume), "b d t y x -> b t (y x) d")
        clips, frames = patches.shape[:2]
        count = frames if self.class_tokens == "frame" else 1
        return VideoTokens(self.cls.expand(clips, count, -1), patches)


def fold(tokens: VideoTokens, axis: Axis) -> Float[Tensor, "g s d"]:
    """Cut clips into sequences along `axis`, each led by its own copy of the class token.

    "space": one sequence a frame, 1 + n tokens. "time": one a patch position, k + t tokens.
    "joint": one a clip, k + t n tokens. k is 1, or t where each frame has a class token.
    """
    frames, patches = tokens.patches.shape[1:3]
    copies = {"space": frames // tokens.cls.shape[1], "time": patches, "joint": 1}[axis]
    leaders = repeat(tokens.cls, f"b k d -> {_LEADERS[axis]}", g=copies)
    return torch.cat([leaders, rearrange(tokens.patches, f"b t n d -> {_SEQUENCES[axis]}")], dim=1)


def unfold(sequences: Float[Tensor, "g s d"], axis: Axis, like: VideoTokens) -> VideoTokens:
    """Undo `fold`: patches return to their places, the class token's copies become their mean."""
    clips, frames, patches, _ = like.patches.shape
    count = like.cls.shape[1]
    leaders, members = sequences.tensor_split([1 if axis == "space" else count], dim=1)
    cls = reduce(leaders, f"{_LEADERS[axis]} -> b k d", "mean", b=clips, k=count)
    sizes = {"b": clips, "t": frames, "n": patches}
    return VideoTokens(cls, rearrange(members, f"{_SEQUENCES[axis]} -> b t n d", **sizes))
