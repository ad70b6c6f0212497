"""NL-I3D: I3D in which every place may ask every other one, of any frame, at five points.

Source: Wang et al. 2018. The paper does not say which of their similarities it takes: ours is the
dot product, as large as the Gaussian of embedded features, and without a softmax.
"""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import EXPANSION
from csglib.table1.baselines.i3d import I3D, LAYOUT
from csglib.table1.baselines.resnet import Layout

_AFTER = ((1, (1, 3)), (2, (1, 3, 5)))  # bottlenecks of res3 and of res4


class NonLocal(nn.Module):
    """Each place adds a mean of all others, weighted by how alike they are.

    Keys and values are pooled, 2 x 2: a quarter of the work and, to the eye, the same.

    Args:
        channels: width of what comes and goes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.q, self.k, self.v = (nn.Conv3d(channels, inner, 1) for _ in range(3))
        self.pool = nn.MaxPool3d((1, 2, 2))
        self.widen = nn.Conv3d(inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm3d(channels)
        nn.init.zeros_(self.norm.weight)  # at first, I3D

    def forward(self, volume: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b c t y x"]:
        """The volume, and what it has heard."""
        query = rearrange(self.q(volume), "b c t y x -> b (t y x) c")
        key = rearrange(self.pool(self.k(volume)), "b c t y x -> b c (t y x)")
        value = rearrange(self.pool(self.v(volume)), "b c t y x -> b (t y x) c")
        heard = query @ (key @ value) / key.shape[-1]  # no softmax: so grouped, no map is made
        t, y = volume.shape[2:4]
        heard = rearrange(heard, "b (t y x) c -> b c t y x", t=t, y=y)
        return volume + self.norm(self.widen(heard))


class NLI3D(I3D):
    """I3D with non-local blocks, clips of 32 x 32 pixels or more.

    Args:
        classes: grades to tell apart.
        frames, size: of a clip; any will do.
        layout: where I3D looks along time.
    """

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, *, layout: Layout = LAYOUT
    ) -> None:
        super().__init__(classes, frames, size, layout=layout)
        for stage, places in _AFTER:
            blocks = self.backbone.stages[stage]
            assert isinstance(blocks, nn.Sequential)
            channels = EXPANSION * layout.width * 2**stage
            for place in places:
                blocks[place] = nn.Sequential(blocks[place], NonLocal(channels))
