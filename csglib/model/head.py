"""From features to grades: the row "Classifier Head" of Table SI, in two readings.

Source: section 2, "by combining the CNN features and the CLS token"; the paper does not say how
they combine. One row of logits per head: the prediction is their sum, the training loss the mean of
their cross-entropies.
"""

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn


class JoinedHead(nn.Module):
    """One head: pooled CNN features beside the class token, as wide as it, and one linear layer.

    Args:
        channels: width of the CNN's volume.
        dim: width of a token, d.
        classes: grades to tell apart.
    """

    def __init__(self, channels: int, dim: int, classes: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, dim)
        self.norm = nn.LayerNorm(dim)
        self.classify = nn.Linear(2 * dim, classes)

    def forward(
        self, volume: Float[Tensor, "b c t y x"], cls: Float[Tensor, "b k d"]
    ) -> Float[Tensor, "1 b classes"]:
        """Logits."""
        features = torch.cat([self.project(pool(volume)), mean(self.norm(cls))], dim=1)
        return rearrange(self.classify(features), "b classes -> 1 b classes")


class TwoHeads(nn.Module):
    """Two heads, one linear layer for each kind of feature: what the 2D parent does.

    Args:
        channels: width of the CNN's volume.
        dim: width of a token, d.
        classes: grades to tell apart.
    """

    def __init__(self, channels: int, dim: int, classes: int) -> None:
        super().__init__()
        self.classify_local = nn.Linear(channels, classes)
        self.norm = nn.LayerNorm(dim)
        self.classify_global = nn.Linear(dim, classes)

    def forward(
        self, volume: Float[Tensor, "b c t y x"], cls: Float[Tensor, "b k d"]
    ) -> Float[Tensor, "2 b classes"]:
        """Logits of the CNN's features, and of the class token."""
        return torch.stack(
            [self.classify_local(pool(volume)), self.classify_global(mean(self.norm(cls)))]
        )


def pool(volume: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b c"]:
    """Mean over frames, rows and columns."""
    return reduce(volume, "b c t y x -> b c", "mean")


def mean(cls: Float[Tensor, "b k d"]) -> Float[Tensor, "b d"]:
    """Mean over the class tokens of a clip, be it one or one a frame."""
    return reduce(cls, "b k d -> b d", "mean")
