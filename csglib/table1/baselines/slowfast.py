"""SlowFast: one pathway with few frames and many channels, one with all frames and few channels.

Source: Feichtenhofer et al. 2019, the 8 x 8 network. Theirs keeps every eighth frame for the slow
pathway, which of 8 frames leaves one; ours keeps every fourth, the first of each four, where the
authors' code spreads as many evenly from the first frame to the last. The paper does not say.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import check_fits
from csglib.model.conv import channels_last
from csglib.table1.baselines.resnet import SLOW_ONLY, Classifier, Layout, ResNet, Volume, conv_bn
from csglib.view.grad_cam import Target

EVERY = 4  # frames of the fast pathway per frame of the slow one
_THINNER = 8  # channels of the slow pathway per channel of the fast one
_SPAN = 7  # frames that a lateral convolution spans


class Lateral(nn.Module):
    """Concatenates the fast pathway's features, at the slow pathway's frame rate, to the slow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convert = conv_bn(channels, 2 * channels, (_SPAN, 1, 1), (EVERY, 1, 1))

    def forward(self, slow: Volume, fast: Volume) -> Volume:
        """Slow features with the fast ones behind them."""
        return torch.cat([slow, self.convert(fast)], dim=1)


class SlowFast(nn.Module):
    """Clips of any size and of a multiple of four frames in, logits out."""

    # the fast pathway, as in Fig. 4: it keeps all frames
    cam_target: ClassVar[Target] = Target(lambda network: network.fast.stages[-1])

    def __init__(self, classes: int, frames: int = 8, size: int = 256, *, width: int = 64) -> None:
        super().__init__()
        thin = width // _THINNER
        channels = [thin, *(4 * thin * 2**stage for stage in range(3))]
        joining = tuple(2 * count for count in channels)
        self.slow = ResNet(Layout(frames=SLOW_ONLY.frames, width=width, joining=joining))
        self.fast = ResNet(Layout(stem=5, frames=((3,),) * 4, width=thin))
        self.laterals = nn.ModuleList(Lateral(count) for count in channels)
        self.classifier = Classifier(self.slow.channels + self.fast.channels, classes)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits; a ValueError unless the slow pathway's every fourth frame divides them."""
        frames, rows, columns = clip.shape[2:]
        check_fits(clip.shape[2:], (max(frames - frames % EVERY, EVERY), rows, columns))
        slow, fast = (
            path.stem(channels_last(frames))
            for path, frames in ((self.slow, clip[:, :, ::EVERY]), (self.fast, clip))
        )
        stages = zip(self.laterals, self.slow.stages, self.fast.stages, strict=True)
        for lateral, slow_stage, fast_stage in stages:
            slow, fast = slow_stage(lateral(slow, fast)), fast_stage(fast)
        return self.classifier(slow, fast)
