"""Builds the modules of a network from its config: every choice in `config.py` is resolved here.

Source: Table SI, column by column.
"""

from functools import partial

from csglib.model.amdf import AMDFBlock
from csglib.model.config import AMDF, STEM_STRIDE, ModelConfig, SingleBranch
from csglib.model.conv import EXPANSION, Bottleneck
from csglib.model.conv_block import ConvBlock
from csglib.model.fcu import TokensToVolume, VolumeToTokens
from csglib.model.fusion import CrossAttention, InterDimension, SwitchedAttention
from csglib.model.fusion_variants import (
    AllTokenCrossAttention,
    AllTokenSwitchedAttention,
    InsertedCrossAttention,
)
from csglib.model.head import JoinedHead, TwoHeads
from csglib.model.intra import IntraDimension, LogTIntraDimension
from csglib.model.tokens import Axis
from csglib.model.weighting import (
    LearnableWeighting,
    RawWeighting,
    SoftmaxWeighting,
    UniformWeighting,
)

_HEADS: dict[str, type[JoinedHead | TwoHeads]] = {"joined": JoinedHead, "two": TwoHeads}
_FUSIONS: dict[str, type[InterDimension]] = {
    "cross": CrossAttention,
    "cross_inserted": InsertedCrossAttention,
    "cross_all": AllTokenCrossAttention,
    "switched": SwitchedAttention,
}
WEIGHTINGS = {
    "sigmoid": LearnableWeighting,
    "softmax": SoftmaxWeighting,
    "raw": RawWeighting,
}


def first_bottleneck(config: ModelConfig) -> Bottleneck:
    """Stage c1, the only bottleneck without an FCU."""
    first = config.stages[0]
    return Bottleneck(
        config.stem, first.width, frames=first.frames, padding=config.padding, projected=True
    )


def conv_blocks(config: ModelConfig) -> list[ConvBlock]:
    """Stages c2 to c5, L blocks in all."""
    blocks, channels = [], EXPANSION * config.stages[0].width
    bottleneck = partial(Bottleneck, padding=config.padding)
    for stage, stride in list(zip(config.stages, config.strides, strict=True))[1:]:
        width, frames = stage.width, stage.frames
        scale = config.patch // (STEM_STRIDE * stride)  # positions that a patch spans here
        for place in range(1, stage.blocks + 1):
            first = stage.stride if place == 1 else 1
            last = stage.last_stride if place == stage.blocks else 1
            block = ConvBlock(
                first=bottleneck(channels, width, frames=frames, stride=first),
                down=VolumeToTokens(width, config.dim, scale),
                up=TokensToVolume(config.dim, width, scale),
                second=bottleneck(EXPANSION * width, width, frames=frames, stride=last),
                gain=2 if config.cls_residual == "double" else 1,
            )
            blocks.append(block)
            channels = EXPANSION * width
    return blocks


def transformer_blocks(config: ModelConfig) -> list[IntraDimension] | list[AMDFBlock]:
    """The transformer encoder, L + 1 blocks."""
    count, encoder = sum(stage.blocks for stage in config.stages), config.encoder
    if isinstance(encoder, SingleBranch):
        sizes = encoder.heads, encoder.hidden, encoder.axis
        return [_branch(config, *sizes) for _ in range(count)]
    shared = _weighting(encoder)
    return [
        AMDFBlock(
            space=_branch(config, encoder.heads, encoder.space_hidden, "space"),
            time=_branch(config, encoder.heads, encoder.hidden, "time"),
            into_space=_fusion(config, encoder, "space"),
            into_time=_fusion(config, encoder, "time"),
            weigh=shared if encoder.gate_per == "network" else _weighting(encoder),
        )
        for _ in range(count)
    ]


def _branch(config: ModelConfig, heads: int, hidden: int, axis: Axis) -> IntraDimension:
    branch = LogTIntraDimension if config.class_tokens == "log_t" else IntraDimension
    return branch(config.dim, heads, hidden, axis)


def _fusion(config: ModelConfig, amdf: AMDF, axis: Axis) -> InterDimension:
    if amdf.fusion == "switched_all":
        return AllTokenSwitchedAttention(config.dim, amdf.heads, amdf.hidden, axis)
    return _FUSIONS[amdf.fusion](config.dim, amdf.heads, amdf.hidden)


def _weighting(amdf: AMDF) -> UniformWeighting:
    if amdf.weighting == "uniform":
        return UniformWeighting()
    return WEIGHTINGS[amdf.weighting](amdf.gate)


def head(config: ModelConfig) -> JoinedHead | TwoHeads:
    """The classifier head."""
    channels = EXPANSION * config.stages[-1].width
    return _HEADS[config.head](channels, config.dim, config.classes)
