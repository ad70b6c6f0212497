"""Inter-dimension fusion: one branch updated from the other, by switched or by cross attention.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3; the rows "MHCA-12, FFN" of Table SI.
It differs from intra-dimension learning only in where query, key and value come from.
"""

from abc import ABC, abstractmethod

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.attention import Attention
from csglib.model.intra import FeedForward
from csglib.model.tokens import Axis, VideoTokens

QueryKeyValue = tuple[Float[Tensor, "g i d"], Float[Tensor, "g j d"], Float[Tensor, "g j d"]]


class InterDimension(nn.Module, ABC):
    """One direction of the fusion: the target branch is updated from its complement.

    The class token is the only query, over all t n patches, so cost grows linearly in the number of
    tokens. Attention updates the target's class token alone; the FFN updates all of its tokens.

    `dim` is d, `hidden` the width inside the FFN. A ValueError if `heads` does not divide `dim`.
    """

    axis: Axis = "joint"  # how keys are arranged, as in `fold`: all patches in one sequence

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"heads must divide dim: got dim={dim}, heads={heads}")
        self.heads = heads
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.attention = Attention()
        self.proj = nn.Linear(dim, dim)
        self.ffn = nn.Sequential(nn.LayerNorm(dim, eps=1e-6), FeedForward(dim, hidden))

    @abstractmethod
    def query_key_value(self, target: VideoTokens, complement: VideoTokens) -> QueryKeyValue:
        """Projected query, key and value: the only difference between SWA and CA."""

    def forward(self, target: VideoTokens, complement: VideoTokens) -> VideoTokens:
        """The updated target; the complement is only read."""
        query, key, value = self.query_key_value(target, complement)
        mixed = self.attention(
            self._split_heads(query), self._split_heads(key), self._split_heads(value)
        )
        target = self._add(target, rearrange(mixed, "g h i e -> g i (h e)"))
        return target + target.map(self.ffn)

    def _add(self, target: VideoTokens, mixed: Float[Tensor, "g i d"]) -> VideoTokens:
        """Residual connection of the queries: the class token alone."""
        return VideoTokens(target.cls + self.proj(mixed), target.patches)

    def _split_heads(self, tokens: Float[Tensor, "g s d"]) -> Float[Tensor, "g h s e"]:
        return rearrange(tokens, "g s (h e) -> g h s e", h=self.heads)


class CrossAttention(InterDimension):
    """CA: the target's class token queries the complement's patches.

    Unlike CrossViT's, it is not one of the keys.
    """

    def query_key_value(self, target: VideoTokens, complement: VideoTokens) -> QueryKeyValue:
        """Query from the target, key and value from the complement."""
        context = self.norm(complement.flat)
        return self.q(self.norm(target.cls)), self.k(context), self.v(context)


class SwitchedAttention(InterDimension):
    """SWA: the complement's attention map, applied to the target's values.

    The paper describes the switch in words. With the class token as the only query, both branches'
    maps range over the same t n patches, so they can be exchanged.
    """

    def query_key_value(self, target: VideoTokens, complement: VideoTokens) -> QueryKeyValue:
        """Query and key from the complement, value from the target."""
        return (
            self.q(self.norm(complement.cls)),
            self.k(self.norm(complement.flat)),
            self.v(self.norm(target.flat)),
        )
