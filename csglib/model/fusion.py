"""Inter-dimension fusion: how one branch learns from the other, by switched or by cross attention.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3; the rows "MHCA-12, FFN" of Table SI.
Its only difference from intra-dimension learning is where queries, keys and values come from, and
so it is here.
"""

from abc import ABC, abstractmethod

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.attention import Attention
from csglib.model.intra import FeedForward
from csglib.model.tokens import Axis, VideoTokens


class InterDimension(nn.Module, ABC):
    """One direction of the fusion: the target branch takes something from the complementary one.

    One class token asks all t n patches of a clip at once, so the product grows with the number of
    tokens and not with its square. Only the target's class token takes part in the exchange; the
    FFN then serves all tokens.

    Args:
        dim: width of a token, d; the heads share it equally.
        heads: number of independent maps, h.
        hidden: width inside the FFN.

    Attributes:
        axis: how the keys are lined up, as in `fold`: all patches of the clip in one sequence.

    Raises:
        ValueError: `heads` does not divide `dim`.
    """

    axis: Axis = "joint"

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
    def query_key_value(
        self, target: VideoTokens, complement: VideoTokens
    ) -> tuple[Float[Tensor, "g i d"], Float[Tensor, "g j d"], Float[Tensor, "g j d"]]:
        """Who asks, who answers, and with what: all that tells SWA and CA apart."""

    def forward(self, target: VideoTokens, complement: VideoTokens) -> VideoTokens:
        """Update the target; the complement stays as it is."""
        query, key, value = self.query_key_value(target, complement)
        mixed = self.attention(self._split(query), self._split(key), self._split(value))
        target = self._add(target, rearrange(mixed, "g h i e -> g i (h e)"))
        return target + target.map(self.ffn)

    def _add(self, target: VideoTokens, mixed: Float[Tensor, "g i d"]) -> VideoTokens:
        """What was learned is for those who asked: the class token alone."""
        return VideoTokens(target.cls + self.proj(mixed), target.patches)

    def _split(self, tokens: Float[Tensor, "g s d"]) -> Float[Tensor, "g h s e"]:
        return rearrange(tokens, "g s (h e) -> g h s e", h=self.heads)


class CrossAttention(InterDimension):
    """CA: the target's class token queries the complement's patches.

    It is not inserted among them, unlike in CrossViT: what is asked never depends on who asks.
    """

    def query_key_value(
        self, target: VideoTokens, complement: VideoTokens
    ) -> tuple[Float[Tensor, "b k d"], Float[Tensor, "b j d"], Float[Tensor, "b j d"]]:
        """Query from the target, keys and values from the complement."""
        context = self.norm(complement.flat)
        return (
            self.q(self.norm(target.cls)),
            self.k(context),
            self.v(context),
        )


class SwitchedAttention(InterDimension):
    """SWA: the complement's map, made by its own query and keys, mixes the target's values.

    The paper describes the switch in words. With class tokens as the only queries both branches'
    maps lie over the same t n patches, so they can be exchanged as they are.
    """

    def query_key_value(
        self, target: VideoTokens, complement: VideoTokens
    ) -> tuple[Float[Tensor, "b k d"], Float[Tensor, "b j d"], Float[Tensor, "b j d"]]:
        """Query and keys from the complement, values from the target."""
        return (
            self.q(self.norm(complement.cls)),
            self.k(self.norm(complement.flat)),
            self.v(self.norm(target.flat)),
        )
