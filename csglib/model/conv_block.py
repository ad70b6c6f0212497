"""A 3D Conv Block: two bottlenecks, and between them the two bridges of the coupling unit.

Source: section 2, "a 3D Conv Block consists of two sub-blocks"; Fig. 2(a), one step of both sides;
the rows c2 to c5 of Table SI.
"""

from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.conv import Bottleneck
from csglib.model.fcu import TokensToVolume, VolumeToTokens
from csglib.model.tokens import VideoTokens


class ConvBlock(nn.Module):
    """The CNN's side of one step; the transformer's side is handed in.

    Args:
        first: narrows, looks around, tells the tokens what it saw, widens.
        down: from the volume to the tokens.
        up: from the tokens to the volume.
        second: hears the tokens before it looks around.
        gain: what the class token is multiplied by on its way: 2 where it is added to itself.
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
        self, volume: Float[Tensor, "b c t y x"], tokens: VideoTokens, block: nn.Module
    ) -> tuple[Float[Tensor, "b wide t y2 x2"], VideoTokens]:
        """One step of both sides: the CNN tells, the transformer block thinks, and tells back."""
        inner = self.first.inner(volume)
        volume = self.first.outer(volume, inner)
        tokens = block(VideoTokens(self.gain * tokens.cls, tokens.patches + self.down(inner)))
        columns = volume.shape[-1] // self.down.stride
        return self.second(volume, self.up(tokens.patches, columns)), tokens
