"""ResNet-50 over clips: what I3D, SlowFast, TPN, NL-I3D and CNN-LSTM have in common.

Source: He et al. 2016; inflated after Carreira and Zisserman 2017. Each network has its own
`Layout`, which says where kernels span time; the bottleneck is the one that CSG-3DCT inflates.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import EXPANSION, Bottleneck, channels_last
from csglib.view.grad_cam import Target

Volume = Float[Tensor, "b _ _ _ _"]  # b c t y x, another c, t, y, x after each stage
Span = tuple[int, int, int]  # frames, rows, columns
DEPTHS = (3, 4, 6, 3)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a ResNet-50 spans time, and how wide it is.

    `frames` are temporal kernel sizes, odd, of each bottleneck's first convolution: for each of the
    four stages a pattern that is repeated over its bottlenecks.
    """

    stem: int = 1  # temporal size of the first convolution, odd
    frames: tuple[tuple[int, ...], ...] = ((1,), (1,), (1,), (1,))
    halving: bool = False  # drop every second frame after the first stage
    width: int = 64  # of the stem's output, and inside the first stage
    joining: tuple[int, int, int, int] = (0, 0, 0, 0)  # channels of another pathway, each stage


FLAT = Layout()
"""Every frame by itself."""

SLOW_ONLY = Layout(frames=((1,), (1,), (3,), (3,)))
"""Spans time in the last two stages only; keeps all frames."""


def conv_bn(
    channels: int, out: int, kernel: Span = (1, 1, 1), stride: Span = (1, 1, 1), groups: int = 1
) -> nn.Sequential:
    """Convolution with odd kernels, padded with zeros; batch norm; ReLU."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    conv = nn.Conv3d(channels, out, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(out), nn.ReLU(inplace=True))


class ResNet(nn.Module):
    """The stem and the four stages, res2 to res5, of a ResNet-50.

    The stem reduces rows and columns to a quarter; `channels` are those of the last stage.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.stem = conv_bn(3, width, (layout.stem, 7, 7), (1, 2, 2))
        self.stem.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
        self.shorten = nn.MaxPool3d((2, 1, 1)) if layout.halving else nn.Identity()
        self.stages = nn.ModuleList()
        self.channels = width
        for number, (depth, pattern) in enumerate(zip(DEPTHS, layout.frames, strict=True)):
            channels, inner = self.channels + layout.joining[number], width * 2**number
            self.channels = EXPANSION * inner
            stage = nn.Sequential()
            for place in range(depth):
                frames, stride = pattern[place % len(pattern)], 2 if number and not place else 1
                stage.append(
                    Bottleneck(channels, inner, frames=frames, stride=stride, padding="zeros")
                )
                channels = self.channels
            self.stages.append(stage)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm3d):
                module.eps = 1e-5  # torchvision's, which goes with its statistics

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> list[Volume]:
        """Output of each of the four stages."""
        volume = self.stem(channels_last(clip))
        volumes = []
        for stage in self.stages:
            volume = stage(volume)
            volumes.append(volume)
            if len(volumes) == 1:
                volume = self.shorten(volume)
        return volumes


class OnResNet(nn.Module):
    """A network on one ResNet."""

    # res5: TPN's own features have one frame left, an LSTM's state has no places
    cam_target: ClassVar[Target] = Target(lambda network: network.backbone.stages[-1])

    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.backbone = backbone


class Classifier(nn.Module):
    """Global average pooling, dropout of one half, one linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.classify = nn.Linear(channels, classes)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.zeros_(self.classify.bias)

    def forward(self, *volumes: Volume) -> Float[Tensor, "b classes"]:
        """Logits; several pathways are pooled separately and concatenated."""
        means = [reduce(volume, "b c t y x -> b c", "mean") for volume in volumes]
        return self.classify(self.drop(torch.cat(means, dim=1)))
