"""From grey levels to a network's input: not in clips.py, so that workers load no torch."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

_IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1, 1)
_IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1, 1)


def network_input(frames: UInt8[ndarray, "*b t y x"]) -> Float[Tensor, "*b 3 t y x"]:
    """Grey levels in three equal channels, normalised by ImageNet's mean and standard deviation."""
    grey = torch.from_numpy(np.ascontiguousarray(frames)).float().div(255).unsqueeze(-4)
    return (grey - _IMAGENET_MEAN) / _IMAGENET_STD
