"""I3D, a ResNet-50 inflated over time, and NL-I3D, which adds five non-local blocks.

Source: Carreira and Zisserman 2017 for inflation, Wang et al. 2018 for its ResNet-50 and for the
non-local block. The paper says neither which I3D it takes nor which similarity: ours is the dot
product, divided by the number of places; the authors' code has a softmax (embedded Gaussian) by
default, another network with as many parameters.
"""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import EXPANSION
from csglib.table1.baselines.resnet import Classifier, Layout, OnResNet, ResNet

LAYOUT = Layout(stem=5, frames=((3,), (3, 1), (3, 1), (1, 3)), halving=True)
"""For short clips: neither the stem nor its pooling drops frames. Where all three do, as in some
public versions, 8 frames have become one before the second stage spans time."""

_NON_LOCAL = ((1, (1, 3)), (2, (1, 3, 5)))  # stage and bottlenecks: of res3 and of res4


class I3D(OnResNet):
    """Clips of any size and of two frames or more in, logits out."""

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, layout: Layout = LAYOUT
    ) -> None:
        super().__init__(ResNet(layout))
        self.classifier = Classifier(self.backbone.channels, classes)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self.classifier(self.backbone(clip)[-1])


class NLI3D(I3D):
    """I3D with non-local blocks; clips of 32 x 32 pixels or more."""

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, layout: Layout = LAYOUT
    ) -> None:
        super().__init__(classes, frames, size, layout=layout)
        for stage, places in _NON_LOCAL:
            for place in places:
                # a part of the bottleneck, whose parameters so keep I3D's names
                bottleneck = self.backbone.stages[stage][place]  # type: ignore[index]
                bottleneck.non_local = NonLocal(EXPANSION * layout.width * 2**stage)
                bottleneck.register_forward_hook(lambda part, _, volume: part.non_local(volume))


class NonLocal(nn.Module):
    """Each place adds a mean over all places and frames, weighted by similarity.

    Keys and values are pooled 2 x 2, which quarters the work.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.q, self.k, self.v = (nn.Conv3d(channels, inner, 1) for _ in range(3))
        self.pool = nn.MaxPool3d((1, 2, 2))
        self.proj = nn.Conv3d(inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm3d(channels)
        nn.init.zeros_(self.norm.weight)  # starts as the identity: I3D

    def forward(self, volume: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b c t y x"]:
        """The volume plus the weighted mean."""
        query = rearrange(self.q(volume), "b c t y x -> b (t y x) c")
        key = rearrange(self.pool(self.k(volume)), "b c t y x -> b c (t y x)")
        value = rearrange(self.pool(self.v(volume)), "b c t y x -> b (t y x) c")
        # Without a softmax the product is associative: no map of (t y x) x (t y x) is made.
        # Divided first, since a sum over all places may exceed float16.
        mean = query @ (key @ (value / key.shape[-1]))
        t, y = volume.shape[2:4]
        mean = rearrange(mean, "b (t y x) c -> b c t y x", t=t, y=y)
        return volume + self.norm(self.proj(mean))
