"""Configs: every size and choice of the network, and the presets of Table SI and Table 1.

Source: supplementary Table SI (sizes), Table 1 (variants). What the paper leaves open is said at
each field, and each reading is a value: `replace(PAPER, class_tokens="frame")` is a network too.
"""

from dataclasses import dataclass, replace
from itertools import accumulate
from operator import mul
from typing import Literal, get_args, get_origin, get_type_hints

from csglib.model.conv import Padding
from csglib.model.tokens import Axis, ClassTokens

STEM_STRIDE = 4  # two strides of 2, before the first stage


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One row of Table SI, c1 to c5."""

    blocks: int
    width: int  # inner channels of its bottlenecks; the output has 4 times as many
    frames: int  # t of the first convolution in each bottleneck, 1 or 3
    stride: int = 1  # of the first bottleneck, spatial
    last_stride: int = 1  # of the last bottleneck, spatial


@dataclass(frozen=True, kw_only=True)
class SingleBranch:
    """One transformer branch: CSG-3DCT-Base, and the 2D Conformer.

    A token attends along `axis`: "joint" is the whole clip, "space" its frame, "time" its position
    in all frames.
    """

    axis: Axis
    heads: int
    hidden: int  # width inside the FFN

    def __post_init__(self) -> None:
        _check_names(self)


@dataclass(frozen=True, kw_only=True)
class AMDF:
    """Two branches, fused and gated.

    Attributes:
        heads: number of heads, h. Table SI has 12, Conformer 6; pretrained QKV weights compute the
            same maps only with 6.
        hidden: width inside the FFNs. "FFN, 384" is read as this; only then does the network cost
            what the paper says.
        space_hidden: the same in the spatial branch; 1536 fits a whole pretrained 2D block.
        fusion: "cross" (CA) and "switched" (SWA) have the class token as only query, as in the
            paper; "cross_inserted" also has it as a key, as in CrossViT; "cross_all" (Dyadformer)
            and "switched_all" have all tokens as queries.
        weighting: how a parameter becomes the gate: "sigmoid", "softmax", or unchanged ("raw", as
            in the authors' later code); "uniform" has no parameter, as in the * rows of Table 1.
        gate_per: one gate a "block", or one for the "network".
        gate: initial weight of the spatial branch.
        init: "random", or "zero" for a temporal branch and fusions that add nothing at first.
    """

    heads: int
    hidden: int
    space_hidden: int
    fusion: Literal["cross", "cross_inserted", "cross_all", "switched", "switched_all"] = "cross"
    weighting: Literal["sigmoid", "softmax", "raw", "uniform"] = "sigmoid"
    gate_per: Literal["block", "network"] = "block"
    gate: float = 0.5
    init: Literal["random", "zero"] = "random"

    def __post_init__(self) -> None:
        _check_names(self)
        if self.weighting == "uniform" and (self.gate != 0.5 or self.gate_per == "network"):
            came = f'gate={self.gate}, gate_per="{self.gate_per}"'
            raise ValueError(f'weighting "uniform" has no parameter, its gate is 0.5: got {came}')
        if self.weighting in ("sigmoid", "softmax") and not 0 < self.gate < 1:
            wanted = f'a gate strictly between 0 and 1 for weighting "{self.weighting}"'
            raise ValueError(f'wanted {wanted}: got gate={self.gate}; "raw" starts at 0 or 1')


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The whole network.

    Attributes:
        stages: c1 to c5; the first has a single bottleneck and no FCU.
        encoder: the transformer blocks.
        stem: output channels of the stem.
        dim: token width, d.
        patch: side of a patch, pixels of the clip.
        classes: number of grades.
        padding: temporal padding of the convolutions; the paper does not say.
        class_tokens: one a "clip", or one a "frame"; the paper has both (d x (t n^2 + 1) in the
            text, 8 x 257 in Table SI). "log_t" is one a clip that attention counts t times.
        cls_residual: "double" adds the class token to itself before each block, as Conformer does:
            its weights need it, but it drowns what late blocks add. "single" does not.
        head: "joined" is one linear layer on both kinds of features; "two" sums the logits of one
            each, as Conformer does.
    """

    stages: tuple[Stage, ...]
    encoder: SingleBranch | AMDF
    stem: int = 64
    dim: int = 384
    patch: int = 16
    classes: int = 2
    padding: Padding = "replicate"
    class_tokens: ClassTokens = "clip"
    cls_residual: Literal["single", "double"] = "single"
    head: Literal["joined", "two"] = "joined"

    def __post_init__(self) -> None:
        _check_names(self)
        first, *_, last = self.stages
        if (first.blocks, first.stride) != (1, 1):
            raise ValueError(f"the first stage is one bottleneck of stride 1: got {first}")
        if any(stage.last_stride > 1 for stage in self.stages if stage is not last):
            raise ValueError("only the last stage may have last_stride > 1")
        finest = STEM_STRIDE * self.strides[-1]
        if self.patch % finest:
            raise ValueError(f"wanted a multiple of {finest}, the stride: got patch={self.patch}")
        axis = self.encoder.axis if isinstance(self.encoder, SingleBranch) else None
        if self.class_tokens == "log_t" and axis == "space":
            raise ValueError('"log_t" is for sequences of t frames; "space" has one: use "clip"')

    @property
    def strides(self) -> list[int]:
        """Cumulative spatial stride of each stage, after the stem."""
        return list(accumulate((stage.stride for stage in self.stages), mul))


def _check_names(config: Stage | SingleBranch | AMDF | ModelConfig) -> None:
    for field, kind in get_type_hints(type(config)).items():
        value, known = getattr(config, field), get_args(kind)
        if get_origin(kind) is Literal and value not in known:
            raise ValueError(f"{field} is one of {', '.join(known)}: got {value!r}")


_AMDF = AMDF(heads=12, hidden=384, space_hidden=384)

PAPER = ModelConfig(
    stages=(
        Stage(blocks=1, width=64, frames=1),
        Stage(blocks=3, width=64, frames=1),
        Stage(blocks=4, width=128, frames=3, stride=2),
        Stage(blocks=3, width=256, frames=3, stride=2),
        Stage(blocks=1, width=256, frames=3, last_stride=2),
    ),
    encoder=_AMDF,
)
"""CSG-3DCT with the sizes of Table SI; `head` says where our classifier differs."""

WARM = replace(
    PAPER,
    encoder=AMDF(heads=6, hidden=384, space_hidden=1536, weighting="raw", gate=1.0, init="zero"),
    cls_residual="double",
)
"""CSG-3DCT that takes all weights of a 2D Conformer and starts as it, frame by frame."""

BASE = replace(
    PAPER, encoder=SingleBranch(axis="joint", heads=6, hidden=1536), cls_residual="double"
)
"""CSG-3DCT-Base: the inflated Conformer, joint attention over all tokens of the clip."""

CONFORMER_S = replace(
    BASE,
    stages=tuple(replace(stage, frames=1) for stage in PAPER.stages),
    encoder=SingleBranch(axis="space", heads=6, hidden=1536),
    classes=1000,
    head="two",
)
"""Conformer-S, the pretrained 2D network: the case t = 1."""

TINY = ModelConfig(
    stages=(
        Stage(blocks=1, width=8, frames=1),
        Stage(blocks=1, width=8, frames=1),
        Stage(blocks=1, width=16, frames=3, stride=2),
        Stage(blocks=1, width=32, frames=3, stride=2),
        Stage(blocks=1, width=32, frames=3, last_stride=2),
    ),
    encoder=AMDF(heads=4, hidden=64, space_hidden=64),
    stem=16,
    dim=64,
)
"""CSG-3DCT for a laptop: every stage and every part, one block each."""

TINY_2D = replace(
    TINY,
    stages=tuple(replace(stage, frames=1) for stage in TINY.stages),
    encoder=SingleBranch(axis="space", heads=4, hidden=256),
    cls_residual="double",
    head="two",
)
"""To `TINY` what `CONFORMER_S` is to `PAPER`."""

VARIANTS = {
    "base": BASE,
    "swa": replace(PAPER, encoder=replace(_AMDF, fusion="switched", weighting="uniform")),
    "ca": replace(PAPER, encoder=replace(_AMDF, weighting="uniform")),
    "csg3dct": PAPER,
}
"""The last rows of Table 1: CSG-3DCT-Base, -SWA*, -CA* and CSG-3DCT."""
