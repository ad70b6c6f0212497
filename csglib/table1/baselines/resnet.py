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

from csglib.model.conv import EXPANSION, Bottleneck
from csglib.table1.baselines.image_weights import FromImages, Names

Volume = Float[Tensor, "b _ _ _ _"]  # b c t y x, another c, t, y, x after each stage
DEPTHS = (3, 4, 6, 3)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a ResNet-50 spans time, and how wide it is.

    Attributes:
        stem: temporal size of the first convolution, odd.
        frames: temporal size of the first convolution of a bottleneck, odd: for each of the four
            stages a pattern that is repeated over its bottlenecks.
        halving: whether every second frame is dropped after the first stage.
        width: output channels of the stem, and inner width of the first stage.
        joining: channels that another pathway adds in front of each stage.
    """

    stem: int = 1
    frames: tuple[tuple[int, ...], ...] = ((1,), (1,), (1,), (1,))
    halving: bool = False
    width: int = 64
    joining: tuple[int, int, int, int] = (0, 0, 0, 0)


FLAT = Layout()
"""Every frame by itself."""

SLOW_ONLY = Layout(frames=((1,), (1,), (3,), (3,)))
"""Spans time in the last two stages only; keeps all frames."""


class ResNet(nn.Module):
    """The stem and the four stages, res2 to res5, of a ResNet-50.

    Attributes:
        stem: convolution and pooling, to a quarter of the rows and columns.
        shorten: between the first and the second stage.
        stages: sequences of bottlenecks.
        channels: of the last stage's output.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width, span = layout.width, layout.stem
        self.stem = nn.Sequential(
            nn.Conv3d(3, width, (span, 7, 7), (1, 2, 2), (span // 2, 3, 3), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
        self.shorten = nn.MaxPool3d((2, 1, 1)) if layout.halving else nn.Identity()
        self.stages = nn.ModuleList()
        self.channels = width
        for number, (depth, joined) in enumerate(zip(DEPTHS, layout.joining, strict=True)):
            pattern, inner = layout.frames[number], width * 2**number
            stage = nn.Sequential()
            for place in range(depth):
                stage.append(
                    Bottleneck(
                        EXPANSION * inner if place else self.channels + joined,
                        inner,
                        frames=pattern[place % len(pattern)],
                        stride=2 if number and not place else 1,
                        padding="zeros",
                    )
                )
            self.stages.append(stage)
            self.channels = EXPANSION * inner
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm3d):
                module.eps = 1e-5  # torchvision's, which goes with its statistics

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> list[Volume]:
        """Output of each of the four stages."""
        volume = self.stem(clip.contiguous(memory_format=torch.channels_last_3d))
        volumes = []
        for stage in self.stages:
            volume = stage(volume)
            volumes.append(volume)
            if len(volumes) == 1:
                volume = self.shorten(volume)
        return volumes


class OnResNet(FromImages):
    """A network on one ResNet, which may start from torchvision's 2D ResNet-50."""

    image_names: ClassVar[Names] = (
        (r"^backbone\.stem\.0", "conv1"),
        (r"^backbone\.stem\.1", "bn1"),
        *((rf"^backbone\.stages\.{number}", f"layer{number + 1}") for number in range(4)),
        (r"\.conv(\d)\.0\.", r".conv\1."),
        (r"\.conv(\d)\.1\.", r".bn\1."),
        (r"\.shortcut\.", ".downsample."),
    )
    new: ClassVar[str] = r"^(?!backbone)|non_local"

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
