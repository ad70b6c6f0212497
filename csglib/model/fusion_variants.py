"""Fusions that the paper compares its own with: inserted class token, and all tokens as queries.

Source: section 2, "Inter-dimension ST Fusion Module", which starts from cross attention of all
tokens (Dyadformer, Curto et al. 2021) and from the inserted class token of CrossViT (Chen et al.
2021). Same interface and parameters as CA and SWA.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.fusion import CrossAttention, InterDimension, QueryKeyValue
from csglib.model.tokens import Axis, VideoTokens, fold, unfold


class InsertedCrossAttention(CrossAttention):
    """CrossViT's CA: the target's class token is also a key, beside the complement's patches.

    Its query then meets its own key: the paper's "query-queried dependency".
    """

    def query_key_value(self, target: VideoTokens, complement: VideoTokens) -> QueryKeyValue:
        """As CA, with the target's own class token first among the keys."""
        context = self.norm(torch.cat([target.cls, complement.flat], dim=1))
        return self.q(self.norm(target.cls)), self.k(context), self.v(context)


class AllTokens(InterDimension):
    """Every token of the target is a query."""

    def _add(self, target: VideoTokens, mixed: Float[Tensor, "g i d"]) -> VideoTokens:
        return target + unfold(mixed, self.axis, like=target).map(self.proj)

    def _folded(self, tokens: VideoTokens, project: nn.Linear) -> Float[Tensor, "g s d"]:
        # Project before folding: once for all copies of the class token.
        return fold(tokens.map(lambda part: project(self.norm(part))), self.axis)


class AllTokenCrossAttention(AllTokens):
    """Dyadformer's CA: every token of one branch queries every token of the other."""

    def query_key_value(self, target: VideoTokens, complement: VideoTokens) -> QueryKeyValue:
        """Query from the target, key and value from the complement, class tokens included."""
        return (
            self._folded(target, self.q),
            self._folded(complement, self.k),
            self._folded(complement, self.v),
        )


class AllTokenSwitchedAttention(AllTokens):
    """SWA of whole maps: those of the complement's tokens, folded as the target's sequences.

    A spatial map is (1 + n) x (1 + n), a temporal one (1 + t) x (1 + t): they cannot be exchanged
    as they are, so the complement's queries and keys are folded along `axis`, the target's.
    """

    def __init__(self, dim: int, heads: int, hidden: int, axis: Axis) -> None:
        super().__init__(dim, heads, hidden)
        self.axis = axis

    def query_key_value(self, target: VideoTokens, complement: VideoTokens) -> QueryKeyValue:
        """Query and key from the complement, value from the target."""
        return (
            self._folded(complement, self.q),
            self._folded(complement, self.k),
            self._folded(target, self.v),
        )
