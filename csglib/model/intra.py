"""Intra-dimension learning: one branch, attention along one axis and an FFN.

Source: section 2, "Intra-dimension ST Learning Module"; Fig. 2(b) and (c); the rows "MHSA-12, FFN"
of Table SI.
"""

import math

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.attention import Attention
from csglib.model.tokens import Axis, VideoTokens, fold, unfold


class FeedForward(nn.Sequential):
    """Two layers that every token passes on its own.

    Args:
        dim: width of a token, d.
        hidden: width between the layers. Table SI prints "FFN, 384" and leaves open whether that is
            this one.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class IntraDimension(nn.Module):
    """A ViT block whose tokens see only their own frame, their own past and future, or everything.

    Args:
        dim: width of a token, d; the heads share it equally.
        heads: number of independent maps, h.
        hidden: width inside the FFN.
        axis: "space" (a patch and its frame), "time" (a patch and its place in other frames),
            or "joint" (every patch of the clip: the block of CSG-3DCT-Base).

    Raises:
        ValueError: `heads` does not divide `dim`.
    """

    def __init__(self, dim: int, heads: int, hidden: int, axis: Axis) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"heads must divide dim: got dim={dim}, heads={heads}")
        self.heads, self.axis = heads, axis
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attention = Attention()
        self.proj = nn.Linear(dim, dim)
        self.ffn = nn.Sequential(nn.LayerNorm(dim, eps=1e-6), FeedForward(dim, hidden))

    def forward(self, tokens: VideoTokens) -> VideoTokens:
        """Let the tokens of each sequence look at one another, then think alone."""
        tokens = tokens + self._attend(tokens)
        return tokens + tokens.map(self.ffn)

    def _attend(self, tokens: VideoTokens) -> VideoTokens:
        # Projected before it is copied into the sequences, merged after the copies' mean is taken:
        # the class token pays for one projection, not for one a sequence, and the result is the
        # same.
        projected = tokens.map(lambda part: self.qkv(self.norm(part)))
        query, key, value = self._split(fold(projected, self.axis))
        mixed = self.attention(query, key, value, self._bias(tokens))
        mixed = rearrange(mixed, "g h s e -> g s (h e)")
        return unfold(mixed, self.axis, like=tokens).map(self.proj)

    def _bias(self, tokens: VideoTokens) -> Float[Tensor, " s"] | None:
        """Keys count alike."""
        return None

    def _split(self, sequences: Float[Tensor, "g s three_d"]) -> Float[Tensor, "3 g h s e"]:
        return rearrange(sequences, "g s (three h e) -> three g h s e", three=3, h=self.heads)


class LogTIntraDimension(IntraDimension):
    """The same, with a class token that counts once a frame, however long the clip.

    One class token stands against t patches of each position. On a still clip its share would
    shrink as the clip grows; with log t added to its score it is that of a single frame.
    """

    def _bias(self, tokens: VideoTokens) -> Float[Tensor, " s"] | None:
        """Log t for the class token; along space a sequence has one frame, and nothing to mend."""
        frames, patches = tokens.patches.shape[1:3]
        if self.axis == "space":
            return None
        others = frames if self.axis == "time" else frames * patches
        return F.pad(tokens.cls.new_full((1,), math.log(frames)), (0, others))
