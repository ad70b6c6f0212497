"""SlowFast: one pathway sees few frames well, the other sees all of them, thinly.

Source: Feichtenhofer et al. 2019, the 8 x 8 network. Theirs keeps every eighth frame for the slow
pathway, which of 8 frames leaves one; ours keeps every fourth. The paper does not say.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.table1.baselines.resnet import SLOW_ONLY, Layout, ResNet, Verdict, Volume

EVERY = 4  # frames of the fast pathway for each of the slow one
_THINNER = 8  # times, the fast pathway
_SEEN = 7  # frames that a lateral convolution sees


class Lateral(nn.Module):
    """What the fast pathway tells the slow one, at the slow one's pace.

    Args:
        channels: of the fast pathway; it tells twice as many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.tell = nn.Sequential(
            nn.Conv3d(
                channels, 2 * channels, (_SEEN, 1, 1), (EVERY, 1, 1), (_SEEN // 2, 0, 0), bias=False
            ),
            nn.BatchNorm3d(2 * channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, slow: Volume, fast: Volume) -> Volume:
        """The slow pathway's features, and beside them what it is told."""
        return torch.cat([slow, self.tell(fast)], dim=1)


class SlowFast(nn.Module):
    """A clip of a multiple of four frames, of any size, in; grades out.

    Args:
        classes: grades to tell apart.
        frames, size: of a clip; any will do.
        width: channels of the slow pathway's stem.
    """

    def __init__(self, classes: int, frames: int = 8, size: int = 256, *, width: int = 64) -> None:
        super().__init__()
        thin = width // _THINNER
        told = [thin, *(4 * thin * 2**stage for stage in range(3))]
        joining = tuple(2 * channels for channels in told)
        self.slow = ResNet(Layout(frames=SLOW_ONLY.frames, width=width, joining=joining))
        self.fast = ResNet(Layout(stem=5, frames=((3,),) * 4, width=thin))
        self.laterals = nn.ModuleList(Lateral(channels) for channels in told)
        self.verdict = Verdict(self.slow.channels + self.fast.channels, classes)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits.

        Raises:
            ValueError: another number of frames.
        """
        if clip.shape[2] % EVERY:
            raise ValueError(
                f"SlowFast keeps every {EVERY}th frame, so it wants a multiple: got {clip.shape[2]}"
            )
        slow, fast = (
            path.stem(frames.contiguous(memory_format=torch.channels_last_3d))
            for path, frames in ((self.slow, clip[:, :, ::EVERY]), (self.fast, clip))
        )
        for lateral, look, glance in zip(
            self.laterals, self.slow.stages, self.fast.stages, strict=True
        ):
            slow, fast = look(lateral(slow, fast)), glance(fast)
        return self.verdict(slow, fast)
