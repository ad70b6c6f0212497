"""The 3D feature coupling unit (FCU): from the CNN's volume to tokens, and back.

Source: section 2, "3D feature coupling unit (3D FCU)"; Fig. 2(a); the column "3D FCU" of Table SI;
the 2D unit of Peng et al. 2021 (Conformer).
"""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class VolumeToTokens(nn.Module):
    """FCU down: 1 x 1 x 1 convolution, average over each patch, LayerNorm, GELU.

    A patch spans `stride` x `stride` positions of the volume.
    """

    def __init__(self, channels: int, dim: int, stride: int) -> None:
        super().__init__()
        self.project = nn.Conv3d(channels, dim, 1)
        self.stride = stride
        self.norm = nn.Sequential(nn.LayerNorm(dim, eps=1e-6), nn.GELU())

    def forward(self, volume: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b t n d"]:
        """One token a patch."""
        clips = volume.shape[0]
        # avg_pool2d on folded frames: in channels-last memory it is many times faster than
        # avg_pool3d with a 1 x s x s window.
        images = rearrange(self.project(volume), "b d t y x -> (b t) d y x")
        means = F.avg_pool2d(images, self.stride)
        return self.norm(rearrange(means, "(b t) d y x -> b t (y x) d", b=clips))


class TokensToVolume(nn.Module):
    """FCU up: 1 x 1 x 1 convolution, BatchNorm, ReLU, nearest upsampling over each patch.

    A patch spans `stride` x `stride` positions of the volume.
    """

    def __init__(self, dim: int, channels: int, stride: int) -> None:
        super().__init__()
        self.project = nn.Conv3d(dim, channels, 1)
        self.norm = nn.Sequential(nn.BatchNorm3d(channels, eps=1e-6), nn.ReLU(inplace=True))
        self.upsample = (
            nn.Upsample(scale_factor=(1, stride, stride)) if stride > 1 else nn.Identity()
        )

    def forward(
        self, patches: Float[Tensor, "b t n d"], columns: int
    ) -> Float[Tensor, "b c t y x"]:
        """A volume from tokens that form rows of `columns` patches."""
        grid = rearrange(patches, "b t (y x) d -> b d t y x", x=columns)
        return self.upsample(self.norm(self.project(grid)))
