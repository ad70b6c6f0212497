"""TPN, the temporal pyramid network: two depths of one CNN at one frame rate, fused both ways.

Source: Yang et al. 2020, on a ResNet-50 that keeps all frames. The paper does not say on which.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import TimePadded
from csglib.table1.baselines.resnet import SLOW_ONLY, Classifier, Layout, OnResNet, ResNet, conv_bn

Volume = Float[Tensor, "b _ _ _ _"]
_GROUPS = 32
_POOL = 8  # frames that are pooled to one, or as many as there are


class TPN(OnResNet):
    """Clips of any length and size in, logits out; the layout's widths are multiples of 32."""

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, layout: Layout = SLOW_ONLY
    ) -> None:
        super().__init__(ResNet(layout))
        wide = self.backbone.channels
        narrow = wide // 2
        self.shrink = conv_bn(narrow, wide, (1, 3, 3), (1, 2, 2))
        self.temporal = nn.ModuleList(_TemporalPool(wide, narrow) for _ in range(2))
        self.bottom_up = TimePadded(narrow, narrow, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.fuse_down, self.fuse_up = (_Fuse(narrow, wide) for _ in range(2))
        self.fuse = conv_bn(2 * wide, wide)
        self.classifier = Classifier(wide, classes)
        self.auxiliary = nn.Sequential(
            conv_bn(narrow, wide, (1, 3, 3), (1, 2, 2)), Classifier(wide, classes)
        )

    def head_logits(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "3 b classes"]:
        """Logits for the loss: the output twice, and an auxiliary head on res4 at half its weight.

        Without that head, the shallower depth learns late. It is used in training only.
        """
        shallow, deep = self.backbone(clip)[-2:]
        output = self._output(shallow, deep)
        return torch.stack([output, output, self.auxiliary(shallow)])

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self._output(*self.backbone(clip)[-2:])

    def _output(self, shallow: Volume, deep: Volume) -> Float[Tensor, "b classes"]:
        fine = self.temporal[0](self.shrink(shallow))
        coarse = self.temporal[1](deep)
        fine = fine + coarse
        down = self.fuse_down(fine, coarse)
        up = self.fuse_up(fine, coarse + self.bottom_up(fine))
        return self.classifier(self.fuse(torch.cat([down, up], dim=1)))


class _TemporalPool(nn.Module):
    """A convolution over time, then max pooling over frames."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, out, (3, 1, 1), 1, (1, 0, 0), groups=_GROUPS, bias=False)

    def forward(self, volume: Volume) -> Volume:
        frames = min(_POOL, volume.shape[2])
        return nn.functional.max_pool3d(self.conv(volume), (frames, 1, 1), ceil_mode=True)


class _Fuse(nn.Module):
    """A convolution on each depth, then one on both."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(conv_bn(channels, channels, groups=_GROUPS) for _ in range(2))
        self.both = conv_bn(2 * channels, out)

    def forward(self, fine: Volume, coarse: Volume) -> Volume:
        return self.both(torch.cat([self.each[0](fine), self.each[1](coarse)], dim=1))
