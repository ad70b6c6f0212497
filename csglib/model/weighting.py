"""Learnable weighting: how much each branch counts, found by training.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI. The
paper says "a learnable parameter" and no more; what keeps the shares sensible is our reading.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.tokens import VideoTokens


class UniformWeighting(nn.Module):
    """Both branches count the same: no learnable mechanism, the * rows of Table 1."""

    def gate(self) -> Float[Tensor, ""]:
        """Share of the spatial branch; the temporal one has the rest."""
        return torch.tensor(0.5)

    def forward(self, space: VideoTokens, time: VideoTokens) -> VideoTokens:
        """Mean of the branches: shares that sum to one keep the size of the features."""
        share = self.gate().to(space.cls)
        return VideoTokens(
            torch.lerp(time.cls, space.cls, share), torch.lerp(time.patches, space.patches, share)
        )


class LearnableWeighting(UniformWeighting):
    """One number decides between the branches: a = sigmoid(theta), always between 0 and 1.

    Args:
        start: share of the spatial branch before training, above 0 and below 1.
    """

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start).logit())

    def gate(self) -> Float[Tensor, ""]:
        """Share of the spatial branch; the temporal one has the rest."""
        return self.theta.sigmoid()


class SoftmaxWeighting(LearnableWeighting):
    """One number a branch; the same shares as with a sigmoid, and fit for more branches than two.

    Args:
        start: share of the spatial branch before training, above 0 and below 1.
    """

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([start, 1 - start]).log())

    def gate(self) -> Float[Tensor, ""]:
        """Share of the spatial branch; the temporal one has the rest."""
        return self.theta.softmax(dim=0)[0]


class RawWeighting(LearnableWeighting):
    """The number is the share itself, as in the authors' later code: nothing bounds it.

    Args:
        start: share of the spatial branch before training; here it may be 0 or 1 as well.
    """

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start))

    def gate(self) -> Float[Tensor, ""]:
        """Share of the spatial branch; the temporal one has the rest."""
        return self.theta.clone()
