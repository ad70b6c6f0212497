"""The AMDF block: attention-guided multi-dimension fusion of space and time.

Source: section 2, "Transformer Encoder with Play-and-plug AMDF design"; Fig. 2(b).
"""

from torch import nn

from csglib.model.fusion import InterDimension
from csglib.model.intra import IntraDimension
from csglib.model.tokens import VideoTokens
from csglib.model.weighting import UniformWeighting


class AMDFBlock(nn.Module):
    """Both branches in parallel, fusion both ways, weighted sum.

    `into_space` is the fusion whose target is the spatial branch, `into_time` the other direction.
    """

    def __init__(
        self,
        space: IntraDimension,
        time: IntraDimension,
        into_space: InterDimension,
        into_time: InterDimension,
        weigh: UniformWeighting,
    ) -> None:
        super().__init__()
        self.space, self.time = space, time
        self.into_space, self.into_time = into_space, into_time
        self.weigh = weigh

    def forward(self, tokens: VideoTokens) -> VideoTokens:
        """Intra-dimension learning, inter-dimension fusion, weighted sum."""
        space, time = self.space(tokens), self.time(tokens)
        # Both fusions read the branches as they were before fusion.
        space, time = self.into_space(space, time), self.into_time(time, space)
        return self.weigh(space, time)
