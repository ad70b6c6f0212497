"""ResNet-50 over clips: what I3D, SlowFast, TPN, NL-I3D and CNN-LSTM have in common.

Source: He et al. 2016; inflated after Carreira and Zisserman 2017. Where each network looks along
time is its own `Layout`; the bottleneck is the one CSG-3DCT inflates too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import EXPANSION, Bottleneck

Volume = Float[Tensor, "b _ _ _ _"]  # b c t y x, each stage its own
DEPTHS = (3, 4, 6, 3)
_PARTS = {  # of a bottleneck: ours, and torchvision's name
    "conv1.0": "conv1",
    "conv1.1": "bn1",
    "conv2.0": "conv2",
    "conv2.1": "bn2",
    "conv3.0": "conv3",
    "conv3.1": "bn3",
    "shortcut.0": "downsample.0",
    "shortcut.1": "downsample.1",
}
_EPS = 1e-5  # of the norms; with which the 2D parent's statistics were taken


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a ResNet-50 looks along time, and how wide it is.

    Attributes:
        stem: frames that the first convolution sees, odd.
        frames: that the first convolution of a bottleneck sees, odd; for each of the four stages
            a pattern that is repeated over its bottlenecks.
        halving: whether every second frame is dropped after the first stage.
        width: channels that the stem puts out, and inner width of the first stage.
        joining: channels that somebody else adds in front of each stage.
    """

    stem: int = 1
    frames: tuple[tuple[int, ...], ...] = ((1,), (1,), (1,), (1,))
    halving: bool = False
    width: int = 64
    joining: tuple[int, int, int, int] = (0, 0, 0, 0)


FLAT = Layout()
"""Sees each frame by itself."""

SLOW_ONLY = Layout(frames=((1,), (1,), (3,), (3,)))
"""Looks along time where it looks at large things alone; never drops a frame."""


class ResNet(nn.Module):
    """The five stages of a ResNet-50.

    Args:
        layout: where time is.

    Attributes:
        stem: convolution and pooling, a quarter of the rows and columns.
        shorten: between the first and the second stage.
        stages: res2 to res5; sequences of bottlenecks.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.stem = nn.Sequential(
            nn.Conv3d(
                3, width, (layout.stem, 7, 7), (1, 2, 2), (layout.stem // 2, 3, 3), bias=False
            ),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
        self.shorten = nn.MaxPool3d((2, 1, 1)) if layout.halving else nn.Identity()
        self.stages = nn.ModuleList()
        channels = width
        for number, (depth, joined) in enumerate(zip(DEPTHS, layout.joining, strict=True)):
            pattern, inner = layout.frames[number], width * 2**number
            frames = [pattern[place % len(pattern)] for place in range(depth)]
            self.stages.append(_stage(channels + joined, inner, frames, stride=min(number, 1) + 1))
            channels = EXPANSION * inner
        self.channels = channels
        for module in self.modules():
            _start(module)

    def bottlenecks(self) -> Iterator[Bottleneck]:
        """All of them, in the order in which a clip passes."""
        return (part for part in self.stages.modules() if isinstance(part, Bottleneck))

    def image_names(self) -> dict[str, str]:
        """Each tensor, and how torchvision's ResNet-50 calls it."""
        theirs: dict[nn.Module, str] = {self.stem[0]: "conv1", self.stem[1]: "bn1"}
        places = (f"layer{n}.{place}" for n in range(1, 5) for place in range(DEPTHS[n - 1]))
        for block, place in zip(self.bottlenecks(), places, strict=True):
            known = dict(block.named_modules())
            theirs |= {
                known[our]: f"{place}.{name}" for our, name in _PARTS.items() if our in known
            }
        return {
            f"{name}.{tensor}": f"{theirs[part]}.{tensor}"
            for name, part in self.named_modules()
            for tensor in (part.state_dict() if part in theirs else ())
        }

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> list[Volume]:
        """What each of the four stages puts out."""
        volume = self.stem(clip.contiguous(memory_format=torch.channels_last_3d))
        volumes = []
        for stage in self.stages:
            volume = stage(volume)
            volumes.append(volume)
            if len(volumes) == 1:
                volume = self.shorten(volume)
        return volumes


class OnResNet(nn.Module):
    """A network whose backbone may start from a 2D ResNet-50.

    Args:
        backbone: the CNN.
    """

    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.backbone = backbone

    def image_names(self) -> dict[str, str]:
        """Each tensor that a 2D ResNet-50 has too, and how torchvision calls it."""
        names = self.backbone.image_names()
        return {f"backbone.{ours}": theirs for ours, theirs in names.items()}


class Verdict(nn.Module):
    """Mean over all places and frames, half of it dropped in training, one linear layer.

    Args:
        channels: width of what comes in.
        classes: grades to tell apart.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.classify = nn.Linear(channels, classes)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.zeros_(self.classify.bias)

    def forward(self, *volumes: Volume) -> Float[Tensor, "b classes"]:
        """Logits; volumes of several pathways are averaged each by itself, and joined."""
        means = [reduce(volume, "b c t y x -> b c", "mean") for volume in volumes]
        return self.classify(self.drop(torch.cat(means, dim=1)))


def _stage(channels: int, width: int, frames: Sequence[int], stride: int) -> nn.Sequential:
    wide = EXPANSION * width
    return nn.Sequential(
        *(
            Bottleneck(
                wide if place else channels,
                width,
                frames=seen,
                stride=1 if place else stride,
                padding="zeros",
            )
            for place, seen in enumerate(frames)
        )
    )


def _start(module: nn.Module) -> None:
    """He's start for convolutions; the parent's small number in norms."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm3d):
        module.eps = _EPS
