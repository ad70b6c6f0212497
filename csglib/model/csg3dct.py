"""CSG-3DCT: the whole network, and the only file that reads a configuration.

Source: Fig. 2(a) and Table SI. L 3D Conv Blocks and L + 1 transformer blocks run side by side and
meet at every step.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.amdf import AMDFBlock
from csglib.model.config import AMDF, ModelConfig, SingleBranch, Stage
from csglib.model.conv import EXPANSION, Bottleneck, Stem
from csglib.model.fcu import TokensToVolume, VolumeToTokens
from csglib.model.fusion import CrossAttention, SwitchedAttention
from csglib.model.head import JoinedHead, TwoHeads
from csglib.model.intra import IntraDimension
from csglib.model.tokens import PatchEmbedding, VideoTokens
from csglib.model.weighting import EvenWeighting, LearnableWeighting

PATCH = 16  # pixels of the clip that a patch spans: 4 through the stem, 4 through the embedding
HEADS = {"joined": JoinedHead, "two": TwoHeads}
FUSIONS = {"cross": CrossAttention, "switched": SwitchedAttention}
WEIGHTINGS = {"learned": LearnableWeighting, "even": EvenWeighting}


class CSG3DCT(nn.Module):
    """A clip in, a grade out; length and size are free, no parameter depends on them.

    Args:
        config: every size and choice, for instance `PAPER` or `TINY`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        first, *coupled = config.stages
        self.stem = Stem(config.stem)
        self.embed = PatchEmbedding(config.stem, config.dim, size=first.scale)
        self.local = Bottleneck(
            config.stem, first.width, frames=first.frames, padding=config.padding
        )
        self.convs = nn.ModuleList(_conv_blocks(config, coupled, EXPANSION * first.width))
        self.blocks = nn.ModuleList(_transformer_block(config) for _ in range(1 + len(self.convs)))
        self.head = HEADS[config.head](
            EXPANSION * config.stages[-1].width, config.dim, config.classes
        )
        self.apply(_initialise)
        # torch declares this call without its memory format.
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits of each clip.

        Args:
            clip: normalised frames; y and x multiples of 16, any number of frames.

        Raises:
            ValueError: the clip has another shape; says which.
        """
        _check(clip)
        volume = self.stem(clip.contiguous(memory_format=torch.channels_last_3d))
        tokens = self.blocks[0](self.embed(volume))
        volume = self.local(volume)
        for conv, block in zip(self.convs, self.blocks[1:], strict=True):
            volume, tokens = conv(volume, tokens, block)
        return self.head(volume, tokens.cls)


class ConvBlock(nn.Module):
    """A 3D Conv Block: two bottlenecks, and the two bridges of the coupling unit between them.

    Args:
        channels: width of the volume that comes in.
        stage: widths, t and scale.
        config: width of a token, padding.
        stride: spatial stride of the first bottleneck.
        last_stride: spatial stride of the second.
    """

    def __init__(
        self, channels: int, stage: Stage, config: ModelConfig, stride: int, last_stride: int
    ) -> None:
        super().__init__()
        width, frames, padding = stage.width, stage.frames, config.padding
        self.scale = stage.scale
        self.gain = 2 if config.class_token == "double" else 1
        self.first = Bottleneck(channels, width, frames=frames, stride=stride, padding=padding)
        self.down = VolumeToTokens(width, config.dim, stage.scale)
        self.up = TokensToVolume(config.dim, width, stage.scale)
        self.second = Bottleneck(
            EXPANSION * width, width, frames=frames, stride=last_stride, padding=padding
        )

    def forward(
        self, volume: Float[Tensor, "b c t y x"], tokens: VideoTokens, block: nn.Module
    ) -> tuple[Float[Tensor, "b wide t y2 x2"], VideoTokens]:
        """One step of both sides: the CNN tells, the transformer block thinks, and tells back."""
        inner = self.first.inner(volume)
        volume = self.first.outer(volume, inner)
        tokens = block(VideoTokens(self.gain * tokens.cls, tokens.patches + self.down(inner)))
        columns = volume.shape[-1] // self.scale
        return self.second(volume, self.up(tokens.patches, columns)), tokens


def _conv_blocks(config: ModelConfig, stages: list[Stage], channels: int) -> list[ConvBlock]:
    blocks = []
    for stage in stages:
        for place in range(1, stage.blocks + 1):
            stride = stage.stride if place == 1 else 1
            last_stride = stage.last_stride if place == stage.blocks else 1
            blocks.append(ConvBlock(channels, stage, config, stride, last_stride))
            channels = EXPANSION * stage.width
    return blocks


def _transformer_block(config: ModelConfig) -> IntraDimension | AMDFBlock:
    match config.encoder:
        case SingleBranch(axis=axis, heads=heads, hidden=hidden):
            return IntraDimension(config.dim, heads, hidden, axis)
        case AMDF(heads=heads, hidden=hidden, space_hidden=space_hidden) as amdf:
            fusion = FUSIONS[amdf.fusion]
            return AMDFBlock(
                space=IntraDimension(config.dim, heads, space_hidden, "space"),
                time=IntraDimension(config.dim, heads, hidden, "time"),
                into_space=fusion(config.dim, heads, hidden),
                into_time=fusion(config.dim, heads, hidden),
                weigh=WEIGHTINGS[amdf.weighting](),
            )


def _initialise(module: nn.Module) -> None:
    """The 2D parent's start: narrow normal linear layers, He for convolutions."""
    if isinstance(module, nn.Linear):
        # The parent's 0.02 at its 384 features: so scaled, a narrow network starts as lively.
        nn.init.trunc_normal_(module.weight, std=0.02 * (384 / module.in_features) ** 0.5)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _check(clip: Tensor) -> None:
    if clip.ndim != 5 or clip.shape[1] != 3 or clip.shape[2] < 1:
        raise ValueError(f"a clip is (b, 3, t, y, x) with t at least 1: got {tuple(clip.shape)}")
    rows, columns = clip.shape[-2:]
    if rows < PATCH or columns < PATCH or rows % PATCH or columns % PATCH:
        raise ValueError(f"rows and columns must be multiples of {PATCH}: got {rows} x {columns}")
