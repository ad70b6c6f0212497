"""I3D: a ResNet-50 whose kernels have been stretched over time.

Source: Carreira and Zisserman 2017 for inflation, Wang et al. 2018 for its ResNet-50. The paper
says "I3D" and neither which, nor from which weights it starts.
"""

from jaxtyping import Float
from torch import Tensor

from csglib.table1.baselines.resnet import Layout, OnResNet, ResNet, Verdict

LAYOUT = Layout(stem=5, frames=((3,), (3, 1), (3, 1), (1, 3)), halving=True)
"""Ours for short clips: neither the stem nor its pooling drops a frame. Where all three do, as in
some public versions, 8 frames have become one before the second stage looks along time."""


class I3D(OnResNet):
    """A clip of two frames or more, of any size, in; grades out.

    Args:
        classes: grades to tell apart.
        frames, size: of a clip; any will do.
        layout: where it looks along time.
    """

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, layout: Layout = LAYOUT
    ) -> None:
        super().__init__(ResNet(layout))
        self.verdict = Verdict(self.backbone.channels, classes)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self.verdict(self.backbone(clip)[-1])
