"""CNN-LSTM: a ResNet-50 looks at each frame, an LSTM remembers what it saw.

Source: Donahue et al. 2015, with a ResNet-50; cited in section 1 of the paper, not in its Table 1.
"""

from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.table1.baselines.resnet import FLAT, Layout, OnResNet, ResNet


class CNNLSTM(OnResNet):
    """A clip of any length and size in, grades out.

    Args:
        classes: grades to tell apart.
        frames, size: of a clip; any will do.
        memory: features that the LSTM keeps.
        layout: how wide the ResNet is; it sees one frame at a time.
    """

    def __init__(
        self,
        classes: int,
        frames: int = 8,
        size: int = 256,
        *,
        memory: int = 256,
        layout: Layout = FLAT,
    ) -> None:
        super().__init__(ResNet(layout))
        self.remember = nn.LSTM(self.backbone.channels, memory, batch_first=True)
        self.classify = nn.Linear(memory, classes)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits, of what is remembered after the last frame."""
        seen = reduce(self.backbone(clip)[-1], "b c t y x -> b t c", "mean")
        _, (memory, _) = self.remember(seen)
        return self.classify(memory[-1])
