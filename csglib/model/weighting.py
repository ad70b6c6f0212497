"""Learnable weighting: a gate between the spatial and the temporal branch.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI. The
paper says "a learnable parameter" and no more; how it becomes a gate is our reading.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.tokens import VideoTokens


class UniformWeighting(nn.Module):
    """The mean of both branches: no learnable mechanism, the * rows of Table 1."""

    def gate(self) -> Float[Tensor, ""]:
        """Weight a of the spatial branch; the temporal one has 1 - a."""
        return torch.tensor(0.5)

    def forward(self, space: VideoTokens, time: VideoTokens) -> VideoTokens:
        """A * space + (1 - a) * time."""
        gate = self.gate().to(space.cls)
        return VideoTokens(
            torch.lerp(time.cls, space.cls, gate), torch.lerp(time.patches, space.patches, gate)
        )


class LearnableWeighting(UniformWeighting):
    """a = sigmoid(theta), strictly between 0 and 1; `start` is the initial a."""

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start).logit())

    def gate(self) -> Float[Tensor, ""]:
        """Weight a of the spatial branch; the temporal one has 1 - a."""
        return self.theta.sigmoid()


class SoftmaxWeighting(LearnableWeighting):
    """a = softmax(theta)[0] of one parameter a branch; extends to more than two branches."""

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([start, 1 - start]).log())

    def gate(self) -> Float[Tensor, ""]:
        """Weight a of the spatial branch; the temporal one has 1 - a."""
        return self.theta.softmax(dim=0)[0]


class RawWeighting(LearnableWeighting):
    """a = theta, unbounded, as in the authors' later code; a may start at 0 or 1."""

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start))

    def gate(self) -> Float[Tensor, ""]:
        """Weight a of the spatial branch; the temporal one has 1 - a."""
        return self.theta.clone()
