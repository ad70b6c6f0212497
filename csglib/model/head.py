"""From features to grades: the row "Classifier Head" of Table SI, in two readings.

Source: section 2, "by combining the CNN features and the CLS token"; the paper does not say how
they combine.
"""

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn


class JoinedHead(nn.Module):
    """Pooled CNN features beside the class token, as wide as it, and one linear layer over both.

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
        self, volume: Float[Tensor, "b c t y x"], cls: Float[Tensor, "b 1 d"]
    ) -> Float[Tensor, "b classes"]:
        """Logits."""
        local = self.project(pool(volume))
        return self.classify(torch.cat([local, rearrange(self.norm(cls), "b 1 d -> b d")], dim=1))


class TwoHeads(nn.Module):
    """One linear layer for each kind of feature, logits summed: what the 2D parent does.

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
        self, volume: Float[Tensor, "b c t y x"], cls: Float[Tensor, "b 1 d"]
    ) -> Float[Tensor, "b classes"]:
        """Logits."""
        everywhere = self.classify_global(rearrange(self.norm(cls), "b 1 d -> b d"))
        return self.classify_local(pool(volume)) + everywhere


def pool(volume: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b c"]:
    """Mean over frames, rows and columns."""
    return reduce(volume, "b c t y x -> b c", "mean")
