"""Scaled dot-product attention: the fused product, and its map.

Source: Vaswani et al. 2017, equation 1; every attention of Fig. 2 and Fig. 3 ends here.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Attention(nn.Module):
    """Each query becomes a mean of the values, weighted by how well it fits their keys.

    It has no parameters: where queries, keys and values come from is all that tells the paper's
    attentions apart, and that is decided outside. `forward` runs the fused kernel, which never
    builds the map of weights; `weights` is that map, for whoever wants to look at it.
    """

    def forward(
        self,
        query: Float[Tensor, "g h i e"],
        key: Float[Tensor, "g h j e"],
        value: Float[Tensor, "g h j e"],
        bias: Float[Tensor, " j"] | None = None,
    ) -> Float[Tensor, "g h i e"]:
        """Mix the values into each query.

        Args:
            query: who asks.
            key: what the question is compared with.
            value: what is mixed.
            bias: added to the score of each key; log 3 makes one key count as three.
        """
        mask = None if bias is None else bias[None]
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    @staticmethod
    def weights(
        query: Float[Tensor, "g h i e"],
        key: Float[Tensor, "g h j e"],
        value: Float[Tensor, "g h j e"] | None = None,
        bias: Float[Tensor, " j"] | None = None,
    ) -> Float[Tensor, "g h i j"]:
        """Share of each key in each query, per head; a row sums to 1.

        Takes what `forward` takes, so that one call's arguments serve both; the values do not
        matter.
        """
        scores = query @ key.mT * query.shape[-1] ** -0.5
        return (scores if bias is None else scores + bias).softmax(dim=-1)
