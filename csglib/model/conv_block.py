"""A 3D Conv Block: two bottlenecks, and between them the two directions of the FCU.

Source: section 2, "a 3D Conv Block consists of two sub-blocks"; Fig. 2(a), one step of both
branches; the rows c2 to c5 of Table SI.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import Bottleneck
from csglib.model.fcu import TokensToVolume, VolumeToTokens
from csglib.model.tokens import VideoTokens


class ConvBlock(nn.Module):
    """CNN side of one step: bottleneck, FCU down, transformer block, FCU up, bottleneck.

    The inner features of `first` go to the tokens; the projected tokens are added before the 3 x 3
    convolution of `second`. `gain` is the class token's factor on entering the transformer block: 2
    where the 2D Conformer adds the class token to itself.
    """

    def __init__(
        self,
        first: Bottleneck,
        down: VolumeToTokens,
        up: TokensToVolume,
        second: Bottleneck,
        gain: int,
    ) -> None:
        super().__init__()
        self.first, self.down, self.up, self.second = first, down, up, second
        self.gain = gain

    def forward(
        self,
        volume: Float[Tensor, "b c t y x"],
        tokens: VideoTokens,
        block: Callable[[VideoTokens], VideoTokens],
    ) -> tuple[Float[Tensor, "b c2 t y2 x2"], VideoTokens]:
        """One step of both branches; `block` is the transformer block that runs beside."""
        inner = self.first.inner(volume)
        volume = self.first.outer(volume, inner)
        tokens = block(VideoTokens(self.gain * tokens.cls, tokens.patches + self.down(inner)))
        columns = volume.shape[-1] // self.down.stride
        return self.second(volume, self.up(tokens.patches, columns)), tokens
