"""Classifier head: from the CNN's volume and the class tokens, both averaged, to logits.

Source: the row "Classifier Head" of Table SI; section 2, "by combining the CNN features and the CLS
token", without saying how. Each head returns one row of logits; the prediction is their sum, the
training loss the mean of their cross-entropies. Table SI goes from pooling and class token straight
to the classes; `JoinedHead` projects the pooled features to d first, which is our reading.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class JoinedHead(nn.Module):
    """One head: pooled CNN features, projected to d, beside the class token; one linear layer.

    `channels` are those of the CNN's volume, `dim` is d.
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
        features = torch.cat([self.project(volume.mean((2, 3, 4))), self.norm(cls).mean(1)], dim=1)
        return self.classify(features)[None]


class TwoHeads(nn.Module):
    """Two heads, a linear layer for each kind of feature, as in the 2D Conformer.

    `channels` are those of the CNN's volume, `dim` is d.
    """

    def __init__(self, channels: int, dim: int, classes: int) -> None:
        super().__init__()
        self.classify_local = nn.Linear(channels, classes)
        self.norm = nn.LayerNorm(dim)
        self.classify_global = nn.Linear(dim, classes)

    def forward(
        self, volume: Float[Tensor, "b c t y x"], cls: Float[Tensor, "b k d"]
    ) -> Float[Tensor, "2 b classes"]:
        """Logits of the CNN's features and of the class token."""
        local = self.classify_local(volume.mean((2, 3, 4)))
        return torch.stack([local, self.classify_global(self.norm(cls).mean(1))])
