"""The convolution side: the stem, and the 3D bottleneck, of which two make a "3D Conv Block".

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; Fig. 2(a) blue; the column "3D CNN" of
Table SI.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Padding = Literal["replicate", "zeros"]
EXPANSION = 4  # a bottleneck puts out this many times its inner width


class Stem(nn.Sequential):
    """1 x 7 x 7 convolution and 1 x 3 x 3 pooling, both of spatial stride 2; frames stay apart.

    Args:
        channels: width of what comes out, 64 in Table SI.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv3d(3, channels, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )


class Bottleneck(nn.Module):
    """Narrow, look around, widen, add what came in.

    Time enters through the first, pointwise convolution alone (t x 1 x 1), so that inflation stays
    cheap: t times the smallest kernel. No stride in time: a clip keeps its frames.

    Args:
        channels: width of what comes in.
        width: inner width; what comes out is 4 times as wide.
        frames: t, frames the first convolution sees; odd.
        stride: spatial stride of the 3 x 3 convolution.
        padding: what the first convolution sees beyond the clip's ends. "replicate" holds the last
            frame, which leaves a still clip still; "zeros" takes 1/t of the response away there.
        projected: whether what came in is projected even where it fits as it is, as in stage c1.
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
        wide = EXPANSION * width
        spatial_stride = (1, stride, stride)
        self.conv1 = nn.Sequential(
            TemporalConv(channels, width, frames, padding), _norm(width), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(
            nn.Conv3d(width, width, (1, 3, 3), spatial_stride, (0, 1, 1), bias=False),
            _norm(width),
            nn.ReLU(inplace=True),
        )
        self.conv3 = nn.Sequential(nn.Conv3d(width, wide, 1, bias=False), _norm(wide))
        self.shortcut: nn.Module = nn.Identity()
        if projected or stride > 1 or channels != wide:
            project = nn.Conv3d(channels, wide, 1, spatial_stride, bias=False)
            self.shortcut = nn.Sequential(project, _norm(wide))

    def inner(
        self, volume: Float[Tensor, "b c t y x"], coupled: Float[Tensor, "b w t y x"] | None = None
    ) -> Float[Tensor, "b w t y2 x2"]:
        """What the 3 x 3 convolution puts out; the coupling unit reads it."""
        narrow = self.conv1(volume)
        return self.conv2(narrow if coupled is None else narrow + coupled)

    def outer(
        self, volume: Float[Tensor, "b c t y x"], inner: Float[Tensor, "b w t y2 x2"]
    ) -> Float[Tensor, "b wide t y2 x2"]:
        """Widen the inner features and add what came in."""
        return torch.relu(self.conv3(inner) + self.shortcut(volume))

    def forward(
        self, volume: Float[Tensor, "b c t y x"], coupled: Float[Tensor, "b w t y x"] | None = None
    ) -> Float[Tensor, "b wide t y2 x2"]:
        """One sub-block; `coupled` comes from the tokens and joins before the 3 x 3 convolution."""
        return self.outer(volume, self.inner(volume, coupled))


class TimePadded(nn.Conv3d):
    """A convolution that lays zeros around few frames by itself, before the library sees them.

    The result is the same. But of fewer frames than the kernel is long, torch 2.13 makes wrong
    gradients in bfloat16 on a CPU (oneDNN; compare torch's issue 169688), unless it need not pad.
    """

    def forward(self, volume: Float[Tensor, "*b c t y x"]) -> Float[Tensor, "*b c2 t2 y2 x2"]:
        """Convolve; arguments of the constructor are those of `torch.nn.Conv3d`."""
        if volume.shape[-3] >= self.kernel_size[0] or self.padding_mode != "zeros":
            return super().forward(volume)
        reach, *others = (int(side) for side in self.padding)
        padded = F.pad(volume, (0, 0, 0, 0, reach, reach))
        return F.conv3d(
            padded, self.weight, self.bias, self.stride, (0, *others), self.dilation, self.groups
        )


class TemporalConv(TimePadded):
    """t x 1 x 1 convolution that keeps the number of frames.

    Args:
        channels: width of what comes in.
        width: width of what comes out.
        frames: t; odd, so that there are as many frames before as after.
        padding: see `Bottleneck`.

    Raises:
        ValueError: `frames` is even.
    """

    def __init__(self, channels: int, width: int, frames: int, padding: Padding) -> None:
        if frames % 2 == 0:
            raise ValueError(
                f"a kernel that keeps the number of frames is odd: got frames={frames}"
            )
        reach = (frames // 2, 0, 0)
        mode = padding if frames > 1 else "zeros"  # nothing to pad: stay on the fast path
        super().__init__(
            channels, width, (frames, 1, 1), padding=reach, padding_mode=mode, bias=False
        )


def _norm(channels: int) -> nn.BatchNorm3d:
    return nn.BatchNorm3d(channels, eps=1e-6)  # the parent network's, so that its statistics fit
