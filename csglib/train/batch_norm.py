"""Batch norm over the clips of all processes, as if one process had them all.

Not in the paper. torch.nn.SyncBatchNorm takes CUDA tensors only, and cannot leave out a clip.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


class _Sum(torch.autograd.Function):
    """Over processes; so is the gradient, since the loss of each of them depends on the sum."""

    @staticmethod
    def forward(context: Any, mine: Tensor) -> Tensor:
        total = mine.clone()
        torch.distributed.all_reduce(total)
        return total

    backward = forward  # type: ignore[assignment]


class SyncBatchNorm(_BatchNorm):
    """A `BatchNorm1d`, `2d` or `3d` turns into one as `module.__class__ = SyncBatchNorm`."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float
    counted = True  # False: this process has no clip of its own, its values count for nothing

    def forward(self, values: Tensor) -> Tensor:
        """Normalise `values` (b, c, ...) per channel, in training by all processes' statistics."""
        usual = self.running_mean, self.running_var, self.weight, self.bias
        if not self.training:
            return F.batch_norm(values, *usual, eps=self.eps)
        var, mean = torch.var_mean(values.float(), [0, *range(2, values.ndim)], correction=0)
        count = torch.full_like(mean, values.numel() / len(mean) * self.counted)
        total, summed = _Sum.apply(torch.stack([count, count * mean]))  # type: ignore[no-untyped-call]
        center = summed / total
        var = _Sum.apply(count * (var + (mean - center) ** 2)) / total  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(center, self.momentum)
            self.running_var.lerp_(var * total / (total - 1), self.momentum)
        scale = self.weight * (var + self.eps).rsqrt()
        shape = [1, -1] + [1] * (values.ndim - 2)
        shift = (self.bias - center * scale).view(shape)
        return torch.addcmul(shift, values, scale.view(shape)).to(values.dtype)
