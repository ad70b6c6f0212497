"""Intra-dimension learning: self-attention along one axis, then the FFN, both residual.

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
    """Two linear layers with a GELU between, applied to every token.

    Table SI prints "FFN, 384" and does not say whether that is the hidden width.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class IntraDimension(nn.Module):
    """Pre-norm ViT block whose attention stays within a frame, a patch position, or the clip.

    `dim` is d, `hidden` the width inside the FFN. `axis` is "space" (patches of the same frame),
    "time" (the same patch position in all frames), or "joint" (all patches of the clip: the block
    of CSG-3DCT-Base). A ValueError if `heads` does not divide `dim`.
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
        """Self-attention along the axis, then the FFN."""
        tokens = tokens + self._attend(tokens)
        return tokens + tokens.map(self.ffn)

    def _attend(self, tokens: VideoTokens) -> VideoTokens:
        # Project before folding and after unfolding: the class token's copies, one a sequence, are
        # equal before attention and averaged after it, so one projection serves all of them.
        projected = tokens.map(lambda part: self.qkv(self.norm(part)))
        query, key, value = self._split_heads(fold(projected, self.axis))
        mixed = self.attention(query, key, value, self._bias(tokens))
        mixed = rearrange(mixed, "g h s e -> g s (h e)")
        return unfold(mixed, self.axis, like=tokens).map(self.proj)

    def _bias(self, tokens: VideoTokens) -> Float[Tensor, " s"] | None:
        """No bias on the keys' scores."""
        return None

    def _split_heads(self, sequences: Float[Tensor, "g s d3"]) -> Float[Tensor, "3 g h s e"]:
        return rearrange(sequences, "g s (three h e) -> three g h s e", three=3, h=self.heads)


class LogTIntraDimension(IntraDimension):
    """Adds log t to the class token's score, so that it counts t times, once a frame.

    One class token competes with t patches of each position: on a still clip its attention weight
    would shrink as the clip grows. With the bias it equals that of a single frame.
    """

    def _bias(self, tokens: VideoTokens) -> Float[Tensor, " s"] | None:
        frames, patches = tokens.patches.shape[1:3]
        if self.axis == "space":
            return None  # a sequence has one frame
        others = frames if self.axis == "time" else frames * patches
        return F.pad(tokens.cls.new_full((1,), math.log(frames)), (0, others))
