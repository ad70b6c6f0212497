"""Table SI and Table 1 as values: every size and every choice of the network, and nothing else.

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
    """One row of Table SI, c1 to c5.

    Attributes:
        blocks: how many blocks stand in a row.
        width: inner width of its bottlenecks; they put out 4 times as much.
        frames: t of the first convolution in each bottleneck, 1 or 3.
        stride: spatial stride on entering the stage; c5 strides on leaving instead.
        last_stride: spatial stride of the last bottleneck.
    """

    blocks: int
    width: int
    frames: int
    stride: int = 1
    last_stride: int = 1


@dataclass(frozen=True, kw_only=True)
class SingleBranch:
    """One transformer branch: CSG-3DCT-Base, and the 2D parent.

    Attributes:
        axis: "joint" lets every token see the whole clip, "space" its own frame, "time" its own
            place in all frames.
        heads: h.
        hidden: width inside the FFN.
    """

    axis: Axis
    heads: int
    hidden: int

    def __post_init__(self) -> None:
        _check_names(self)


@dataclass(frozen=True, kw_only=True)
class AMDF:
    """Two branches, fused and weighed.

    Attributes:
        heads: h, 12 in Table SI; the 2D parent has 6, and only with 6 does a loaded map mean the
            same.
        hidden: width inside the FFNs. "FFN, 384" is read as this; only so is the network as cheap
            as the paper says.
        space_hidden: the same for the spatial branch, into which a whole 2D block fits when it is
            1536.
        fusion: who asks whom. "cross" (CA) and "switched" (SWA): the class token alone, as in the
            paper. "cross_inserted": it joins the keys, as in CrossViT. "cross_all" (Dyadformer)
            and "switched_all": all tokens ask.
        weighting: what makes a share of a learned number: "sigmoid", "softmax", or nothing ("raw",
            as in the authors' later code); "uniform" learns none, as in the * rows of Table 1.
        gate_per: whether each "block" has a share of its own, or one serves the whole "network".
        share: of the spatial branch, before training.
        start: "random", or "silent" for a temporal branch and a fusion that add nothing at first.
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
            raise ValueError(
                'weighting "uniform" has no parameter and its gate is 0.5: got '
                f'gate={self.gate}, gate_per="{self.gate_per}"'
            )
        if self.weighting in ("sigmoid", "softmax") and not 0 < self.gate < 1:
            raise ValueError(
                f'weighting "{self.weighting}" keeps the gate strictly between 0 and 1: got '
                f'gate={self.gate}; use weighting="raw" to start at 0 or 1'
            )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The whole network.

    Attributes:
        stages: c1 to c5; the first has a single bottleneck and no coupling.
        encoder: what a transformer block is.
        stem: channels that the stem puts out.
        dim: width of a token, d.
        patch: pixels of the clip that a patch spans along y and x.
        classes: grades to tell apart.
        padding: what a convolution in time sees beyond the clip's ends; the paper does not say.
        class_tokens: one a "clip", or one a "frame"; the paper has both (d x (t n^2 + 1) in the
            text, 8 x 257 in Table SI). "log_t" is one a clip that counts as one a frame.
        cls_residual: "double" adds the class token to itself at each coupling, as the 2D parent
            does: its weights need it, but it buries what late blocks add. "single" does not.
        head: "joined" gives one linear layer both kinds of features; "two" sums the logits of one
            each, as the 2D parent does.
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
            raise ValueError("only the last stage may stride as it is left, for there tokens end")
        finest = STEM_STRIDE * self.strides[-1]
        if self.patch % finest:
            raise ValueError(
                f"a patch covers whole places of every stage, so its side is a multiple of {finest}"
                f": got patch={self.patch}"
            )
        if self.class_tokens == "log_t" and self.encoder_axis == "space":
            raise ValueError(
                'class_tokens "log_t" makes up for repeated frames, and a sequence along '
                '"space" has one frame: nothing to balance'
            )

    @property
    def strides(self) -> list[int]:
        """Spatial stride of each stage's volume against the stem's."""
        return list(accumulate((stage.stride for stage in self.stages), mul))

    @property
    def encoder_axis(self) -> Axis | None:
        """The axis of the only branch; None when there are two."""
        return self.encoder.axis if isinstance(self.encoder, SingleBranch) else None


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
"""CSG-3DCT as Table SI prints it."""

WARM = replace(
    PAPER,
    encoder=AMDF(heads=6, hidden=384, space_hidden=1536, weighting="raw", gate=1.0, init="zero"),
    cls_residual="double",
)
"""CSG-3DCT that takes the 2D parent whole, and starts as that parent, frame by frame."""

BASE = replace(
    PAPER, encoder=SingleBranch(axis="joint", heads=6, hidden=1536), cls_residual="double"
)
"""CSG-3DCT-Base: the 2D parent inflated, all tokens of the clip in one attention."""

CONFORMER_S = replace(
    BASE,
    stages=tuple(replace(stage, frames=1) for stage in PAPER.stages),
    encoder=SingleBranch(axis="space", heads=6, hidden=1536),
    classes=1000,
    head="two",
)
"""The 2D parent, Conformer-S: the case of one frame."""

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
