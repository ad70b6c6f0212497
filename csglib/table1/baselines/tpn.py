"""TPN, the temporal pyramid network: two depths of one CNN, brought to one pace and joined.

Source: Yang et al. 2020, on a ResNet-50 that keeps all frames. The paper does not say on which.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import TimePadded
from csglib.table1.baselines.resnet import SLOW_ONLY, Layout, OnResNet, ResNet, Verdict, Volume

_GROUPS = 32
_PACE = 8  # frames that become one, or as many as there are


class TPN(OnResNet):
    """A clip of any length and size in, grades out.

    Args:
        classes: grades to tell apart.
        frames, size: of a clip; any will do.
        layout: where the CNN looks along time; of its widths, each a multiple of 32.
    """

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, layout: Layout = SLOW_ONLY
    ) -> None:
        super().__init__(ResNet(layout))
        wide = self.backbone.channels
        narrow = wide // 2
        self.shrink = _layer(narrow, wide, kernel=(1, 3, 3), stride=(1, 2, 2))
        self.slow_down = nn.ModuleList(_SlowDown(wide, narrow) for _ in range(2))
        self.pass_up = TimePadded(narrow, narrow, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.join_down, self.join_up = (_Join(narrow, wide) for _ in range(2))
        self.join = _layer(2 * wide, wide)
        self.verdict = Verdict(wide, classes)
        self.aside = nn.Sequential(
            _layer(narrow, wide, kernel=(1, 3, 3), stride=(1, 2, 2)), Verdict(wide, classes)
        )

    def votes(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "3 b classes"]:
        """Logits that are learned from: the answer twice, and a judge of res4 at half its weight.

        Without that judge, the shallower of the two depths learns late. It is asked in training.
        """
        shallow, deep = self.backbone(clip)[-2:]
        answer = self._answer(shallow, deep)
        return torch.stack([answer, answer, self.aside(shallow)])

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self._answer(*self.backbone(clip)[-2:])

    def _answer(self, shallow: Volume, deep: Volume) -> Float[Tensor, "b classes"]:
        fine, coarse = (
            slow_down(volume)
            for slow_down, volume in zip(self.slow_down, (self.shrink(shallow), deep), strict=True)
        )
        fine = fine + coarse
        down = self.join_down(fine, coarse)
        up = self.join_up(fine, coarse + self.pass_up(fine))
        return self.verdict(self.join(torch.cat([down, up], dim=1)))


class _SlowDown(nn.Module):
    """Look along time, then keep the strongest of eight frames."""

    def __init__(self, channels: int, wanted: int) -> None:
        super().__init__()
        self.look = nn.Conv3d(
            channels, wanted, (3, 1, 1), padding=(1, 0, 0), groups=_GROUPS, bias=False
        )

    def forward(self, volume: Volume) -> Volume:
        pace = min(_PACE, volume.shape[2])
        return nn.functional.max_pool3d(self.look(volume), (pace, 1, 1), ceil_mode=True)


class _Join(nn.Module):
    """Both depths, each looked at by itself, then together."""

    def __init__(self, channels: int, wanted: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(_layer(channels, channels, groups=_GROUPS) for _ in range(2))
        self.both = _layer(2 * channels, wanted)

    def forward(self, fine: Volume, coarse: Volume) -> Volume:
        parts = [look(volume) for look, volume in zip(self.each, (fine, coarse), strict=True)]
        return self.both(torch.cat(parts, dim=1))


def _layer(
    channels: int,
    wanted: int,
    *,
    kernel: tuple[int, int, int] = (1, 1, 1),
    stride: tuple[int, int, int] = (1, 1, 1),
    groups: int = 1,
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(channels, wanted, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm3d(wanted),
        nn.ReLU(inplace=True),
    )
