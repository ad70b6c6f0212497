"""Learnable weighting: how much each branch counts, found by training.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.tokens import VideoTokens


class EvenWeighting(nn.Module):
    """Both branches count the same: no learnable mechanism, the * rows of Table 1."""

    def share(self) -> Float[Tensor, ""]:
        """Share of the spatial branch; the temporal one has the rest."""
        return torch.tensor(0.5)

    def forward(self, space: VideoTokens, time: VideoTokens) -> VideoTokens:
        """Mean of the branches: shares that sum to one keep the size of the features."""
        share = self.share().to(space.cls)
        return VideoTokens(
            torch.lerp(time.cls, space.cls, share), torch.lerp(time.patches, space.patches, share)
        )


class LearnableWeighting(EvenWeighting):
    """One number a block decides between the branches: a = sigmoid(theta), theta = 0 at the start.

    The paper says "a learnable parameter" and no more. The sigmoid keeps both shares between 0 and
    1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(()))

    def share(self) -> Float[Tensor, ""]:
        """Share of the spatial branch; the temporal one has the rest."""
        return self.theta.sigmoid()
