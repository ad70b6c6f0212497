"""The 3D feature coupling unit: two bridges between the CNN's volume and the tokens.

Source: section 2, "3D feature coupling unit (3D FCU)"; Fig. 2(a); the column "3D FCU" of Table SI;
the 2D unit of Peng et al. 2021 (Conformer).
"""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class VolumeToTokens(nn.Module):
    """Down the bridge: one token a patch, from the mean of its places.

    Args:
        channels: width of the volume.
        dim: width of a token, d.
        stride: places a patch spans along y and x.
    """

    def __init__(self, channels: int, dim: int, stride: int) -> None:
        super().__init__()
        self.project = nn.Conv3d(channels, dim, 1)
        self.stride = stride
        self.norm = nn.Sequential(nn.LayerNorm(dim, eps=1e-6), nn.GELU())

    def forward(self, volume: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b t n d"]:
        """Frames stay frames; rows and columns become a row of patches."""
        clips = len(volume)
        # As single frames: in this memory format the 2D pooling is many times faster than the 3D
        # one.
        images = rearrange(self.project(volume), "b d t y x -> (b t) d y x")
        means = F.avg_pool2d(images, self.stride)
        return self.norm(rearrange(means, "(b t) d y x -> b t (y x) d", b=clips))


class TokensToVolume(nn.Module):
    """Up the bridge: every token is laid over the places of its patch, in its own frame.

    Args:
        dim: width of a token, d.
        channels: width of the volume.
        stride: places a patch spans along y and x.
    """

    def __init__(self, dim: int, channels: int, stride: int) -> None:
        super().__init__()
        self.project = nn.Conv3d(dim, channels, 1)
        self.norm = nn.Sequential(nn.BatchNorm3d(channels, eps=1e-6), nn.ReLU(inplace=True))
        self.spread = nn.Upsample(scale_factor=(1, stride, stride)) if stride > 1 else nn.Identity()

    def forward(
        self, patches: Float[Tensor, "b t n d"], columns: int
    ) -> Float[Tensor, "b c t y x"]:
        """Rows and columns again; `columns` is how many patches stand side by side."""
        grid = rearrange(patches, "b t (y x) d -> b d t y x", x=columns)
        return self.spread(self.norm(self.project(grid)))
