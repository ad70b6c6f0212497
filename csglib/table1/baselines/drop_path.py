"""Stochastic depth: the one regulariser that UniFormer and MTV share.

Source: Huang et al. 2016, "Deep networks with stochastic depth"; drawn for each clip on its own.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class DropPath(nn.Dropout):
    """Stands at the end of a residual branch and, in training, silences it for some of the clips.

    What is left is scaled up, so that the mean over many draws is the branch itself; in eval
    nothing is dropped.

    Args:
        p: share of the clips that skip the branch, 0 to 1.
    """

    def forward(self, branch: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """One draw a clip: the whole branch or nothing."""
        each = branch.new_ones(len(branch), *(1 for _ in branch.shape[1:]))
        return branch * F.dropout(each, self.p, self.training)


def rising(rate: float, depth: int) -> list[float]:
    """Shares for the blocks of a network: none is dropped in the first, `rate` in the last."""
    return [rate * block / max(depth - 1, 1) for block in range(depth)]
