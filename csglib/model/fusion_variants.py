"""What the paper's fusion is compared with: a class token put among the keys, or all tokens asking.

Source: section 2, "Inter-dimension ST Fusion Module": it starts from cross attention of all tokens
(Dyadformer, Curto et al. 2021) and from the inserted class token of CrossViT (Chen et al. 2021),
and departs from both. Same interface, same parameters as CA and SWA: only the keys and the askers
differ.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.fusion import CrossAttention, InterDimension
from csglib.model.tokens import Axis, VideoTokens, fold, unfold


class InsertedCrossAttention(CrossAttention):
    """CrossViT's CA: the target's class token moves in among the complement's patches.

    It then answers part of its own question: what the paper calls query-queried dependency.
    """

    def query_key_value(
        self, target: VideoTokens, complement: VideoTokens
    ) -> tuple[Float[Tensor, "b k d"], Float[Tensor, "b j d"], Float[Tensor, "b j d"]]:
        """As CA, with the target's own class token first among the keys."""
        context = self.norm(torch.cat([target.cls, complement.flat], dim=1))
        return (
            self.q(self.norm(target.cls)),
            self.k(context),
            self.v(context),
        )


class AllTokens(InterDimension):
    """Every token of the target asks, not its class token alone."""

    def _add(self, target: VideoTokens, mixed: Float[Tensor, "g i d"]) -> VideoTokens:
        """What was learned is for all."""
        return target + unfold(mixed, self.axis, like=target).map(self.proj)

    def _lined_up(self, tokens: VideoTokens, project: nn.Linear) -> Float[Tensor, "g s d"]:
        # Projected before it is folded: the class token's copies are paid for once.
        return fold(tokens.map(lambda part: project(self.norm(part))), self.axis)


class AllTokenCrossAttention(AllTokens):
    """Dyadformer's CA: every token of one branch asks every token of the other."""

    def query_key_value(
        self, target: VideoTokens, complement: VideoTokens
    ) -> tuple[Float[Tensor, "g s d"], Float[Tensor, "g s d"], Float[Tensor, "g s d"]]:
        """Queries from the target, keys and values from the complement, class tokens included."""
        return (
            self._lined_up(target, self.q),
            self._lined_up(complement, self.k),
            self._lined_up(complement, self.v),
        )


class AllTokenSwitchedAttention(AllTokens):
    """SWA with whole maps: those that the complement's tokens make in the target's sequences.

    A map along space has (1 + n)^2 places and one along time (1 + t)^2: they cannot be exchanged as
    they are. So the complement's queries and keys are lined up as the target is.

    Args:
        dim: width of a token, d; the heads share it equally.
        heads: number of independent maps, h.
        hidden: width inside the FFN.
        axis: the target's, "space" or "time".
    """

    def __init__(self, dim: int, heads: int, hidden: int, axis: Axis) -> None:
        super().__init__(dim, heads, hidden)
        self.axis = axis

    def query_key_value(
        self, target: VideoTokens, complement: VideoTokens
    ) -> tuple[Float[Tensor, "g s d"], Float[Tensor, "g s d"], Float[Tensor, "g s d"]]:
        """Queries and keys from the complement, values from the target."""
        return (
            self._lined_up(complement, self.q),
            self._lined_up(complement, self.k),
            self._lined_up(target, self.v),
        )
