"""The CNN branch's blocks: the stem, and the 3D bottleneck, two of which make a "3D Conv Block".

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; Fig. 2(a) blue; the column "3D CNN" of
Table SI.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Padding = Literal["replicate", "zeros"]
EXPANSION = 4  # output channels of a bottleneck, in inner widths


class Stem(nn.Sequential):
    """1 x 7 x 7 convolution and 1 x 3 x 3 max pooling, both of spatial stride 2, no mixing in time.

    Table SI has 64 output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv3d(3, channels, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )


class Bottleneck(nn.Module):
    """Residual bottleneck: t x 1 x 1, 1 x 3 x 3, 1 x 1 x 1 convolutions and a shortcut.

    Only the first, pointwise convolution spans time, so inflation multiplies the smallest kernel by
    t. There is no temporal stride: the number of frames stays.

    Args:
        channels: of the input.
        width: inner channels; the output has 4 times as many.
        frames: t, temporal size of the first convolution; odd.
        stride: spatial stride of the 3 x 3 convolution.
        padding: temporal padding of the first convolution. "replicate" repeats the first and last
            frame, so that a still clip gives the 2D output; "zeros" takes 1/t away at the ends.
        projected: whether the shortcut is a projection even where shapes agree, as in stage c1.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        frames: int = 1,
        stride: int = 1,
        padding: Padding = "replicate",
        projected: bool = False,
    ) -> None:
        super().__init__()
        out = EXPANSION * width
        spatial_stride = (1, stride, stride)
        self.conv1 = nn.Sequential(
            TemporalConv(channels, width, frames, padding), _norm(width), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(
            nn.Conv3d(width, width, (1, 3, 3), spatial_stride, (0, 1, 1), bias=False),
            _norm(width),
            nn.ReLU(inplace=True),
        )
        self.conv3 = nn.Sequential(nn.Conv3d(width, out, 1, bias=False), _norm(out))
        self.shortcut: nn.Module = nn.Identity()
        if projected or stride > 1 or channels != out:
            project = nn.Conv3d(channels, out, 1, spatial_stride, bias=False)
            self.shortcut = nn.Sequential(project, _norm(out))

    def inner(
        self, volume: Float[Tensor, "b c t y x"], coupled: Float[Tensor, "b w t y x"] | None = None
    ) -> Float[Tensor, "b w t y2 x2"]:
        """Output of the 3 x 3 convolution, which the FCU reads."""
        hidden = self.conv1(volume)
        return self.conv2(hidden if coupled is None else hidden + coupled)

    def outer(
        self, volume: Float[Tensor, "b c t y x"], inner: Float[Tensor, "b w t y2 x2"]
    ) -> Float[Tensor, "b c2 t y2 x2"]:
        """Last convolution and shortcut."""
        return torch.relu(self.conv3(inner) + self.shortcut(volume))

    def forward(
        self, volume: Float[Tensor, "b c t y x"], coupled: Float[Tensor, "b w t y x"] | None = None
    ) -> Float[Tensor, "b c2 t y2 x2"]:
        """The whole block; `coupled`, from the tokens, is added before the 3 x 3 convolution."""
        return self.outer(volume, self.inner(volume, coupled))


class TimePadded(nn.Conv3d):
    """`nn.Conv3d` that pads short clips itself instead of leaving it to the kernel.

    Same result. With fewer frames than the temporal kernel is long, torch 2.13 computes wrong
    bfloat16 weight gradients on CPUs (oneDNN, see pytorch issue 169688) unless padding is zero.
    """

    def forward(self, volume: Float[Tensor, "*b c t y x"]) -> Float[Tensor, "*b c2 t2 y2 x2"]:
        """Convolve."""
        if volume.shape[-3] >= self.kernel_size[0] or self.padding_mode != "zeros":
            return super().forward(volume)
        reach, *spatial = (int(side) for side in self.padding)
        padded = F.pad(volume, (0, 0, 0, 0, reach, reach))
        return F.conv3d(
            padded, self.weight, self.bias, self.stride, (0, *spatial), self.dilation, self.groups
        )


class TemporalConv(TimePadded):
    """t x 1 x 1 convolution with as many frames out as in.

    Raises:
        ValueError: `frames`, t, is even: the kernel could not reach as far back as ahead.
    """

    def __init__(self, channels: int, width: int, frames: int, padding: Padding) -> None:
        if frames % 2 == 0:
            raise ValueError(f"temporal kernel size must be odd: got frames={frames}")
        reach = (frames // 2, 0, 0)
        mode = padding if frames > 1 else "zeros"  # t = 1 needs no padding, and no slow pad kernel
        super().__init__(
            channels, width, (frames, 1, 1), padding=reach, padding_mode=mode, bias=False
        )


def channels_last(volume: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b c t y x"]:
    """The same with channels last in memory: the fastest layout for pointwise convolutions."""
    # as .contiguous(memory_format=torch.channels_last_3d), which torch.vmap does not know
    return volume.movedim(1, -1).contiguous().movedim(-1, 1)


def _norm(channels: int) -> nn.BatchNorm3d:
    return nn.BatchNorm3d(channels, eps=1e-6)  # Conformer's eps, so that its statistics fit
