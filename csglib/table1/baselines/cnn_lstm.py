"""CNN-LSTM: a ResNet-50 on each frame, an LSTM over the frames.

Source: Donahue et al. 2015, with a ResNet-50; cited in section 1 of the paper, not in its Table 1.
"""

from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.table1.baselines.resnet import FLAT, Layout, OnResNet, ResNet


class CNNLSTM(OnResNet):
    """Clips of any length and size in, logits out; `hidden` is the width of the LSTM."""

    def __init__(
        self, classes: int, frames: int = 8, size: int = 256, hidden: int = 256,
        layout: Layout = FLAT,
    ) -> None:  # fmt: skip
        super().__init__(ResNet(layout))
        self.lstm = nn.LSTM(self.backbone.channels, hidden, batch_first=True)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits, from the state after the last frame."""
        features = reduce(self.backbone(clip)[-1], "b c t y x -> b t c", "mean")
        _, (state, _) = self.lstm(features)
        return self.classify(state[-1])
