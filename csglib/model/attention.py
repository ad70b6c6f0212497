"""Scaled dot-product attention: the fused product, and its map.

Source: Vaswani et al. 2017, equation 1; every attention of Fig. 2 and Fig. 3 ends here.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Attention(nn.Module):
    """softmax(q k^T / sqrt(e) + bias) v, without parameters.

    The paper's attentions differ only in where query, key and value come from, which the callers
    decide. `forward` runs the fused kernel, which never stores the map; `weights` computes the map.
    A module, so that a forward hook sees the inputs of every attention of a network.
    """

    def forward(
        self,
        query: Float[Tensor, "g h i e"],
        key: Float[Tensor, "g h j e"],
        value: Float[Tensor, "g h j e"],
        bias: Float[Tensor, " j"] | None = None,
    ) -> Float[Tensor, "g h i e"]:
        """Attend. `bias` is added to the scores of each key: log 3 counts a key three times."""
        mask = None if bias is None else bias[None]
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    @staticmethod
    def weights(
        query: Float[Tensor, "g h i e"],
        key: Float[Tensor, "g h j e"],
        value: Float[Tensor, "g h j e"] | None = None,
        bias: Float[Tensor, " j"] | None = None,
    ) -> Float[Tensor, "g h i j"]:
        """Attention map of each head; rows sum to 1.

        Takes the arguments of `forward`, so that recorded ones can be passed on; `value` is unused.
        """
        scores = query @ key.mT * query.shape[-1] ** -0.5
        return (scores if bias is None else scores + bias).softmax(dim=-1)
