"""Table SI and Table 1 as values: every size and every choice of the network, and nothing else.

Source: supplementary Table SI (sizes), Table 1 (variants). What the paper leaves open is said at
each field.
"""

from dataclasses import dataclass, replace
from typing import Literal

from csglib.model.conv import Padding
from csglib.model.tokens import Axis


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One row of Table SI, c1 to c5.

    Attributes:
        blocks: how many blocks stand in a row.
        width: inner width of its bottlenecks; they put out 4 times as much.
        frames: t of the first convolution in each bottleneck, 1 or 3.
        scale: places of the volume that a patch spans along y and x inside the stage.
        stride: spatial stride on entering the stage; c5 strides on leaving instead.
        last_stride: spatial stride of the last bottleneck.
    """

    blocks: int
    width: int
    frames: int
    scale: int
    stride: int = 1
    last_stride: int = 1


@dataclass(frozen=True, kw_only=True)
class SingleBranch:
    """One transformer branch: CSG-3DCT-Base, and the 2D parent.

    Attributes:
        axis: "joint" lets every token see the whole clip, "space" its own frame.
        heads: h.
        hidden: width inside the FFN.
    """

    axis: Axis
    heads: int
    hidden: int


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
        fusion: "cross" (CA) or "switched" (SWA).
        weighting: "learned", or "even" for the rows of Table 1 with a star.
    """

    heads: int
    hidden: int
    space_hidden: int
    fusion: Literal["cross", "switched"] = "cross"
    weighting: Literal["learned", "even"] = "learned"


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The whole network.

    Attributes:
        stages: c1 to c5; the first has a single bottleneck and no coupling.
        encoder: what a transformer block is.
        stem: channels that the stem puts out.
        dim: width of a token, d.
        classes: grades to tell apart.
        padding: what a convolution in time sees beyond the clip's ends; the paper does not say.
        class_token: "double" adds the class token to itself at each coupling, as the 2D
            parent does: its weights need it, but it buries what late blocks add. "single" does not.
        head: "joined" gives one linear layer both kinds of features; "two" sums the logits of one
            each, as the 2D parent does.
    """

    stages: tuple[Stage, ...]
    encoder: SingleBranch | AMDF
    stem: int = 64
    dim: int = 384
    classes: int = 2
    padding: Padding = "replicate"
    class_token: Literal["single", "double"] = "single"
    head: Literal["joined", "two"] = "joined"


PAPER = ModelConfig(
    stages=(
        Stage(blocks=1, width=64, frames=1, scale=4),
        Stage(blocks=3, width=64, frames=1, scale=4),
        Stage(blocks=4, width=128, frames=3, scale=2, stride=2),
        Stage(blocks=3, width=256, frames=3, scale=1, stride=2),
        Stage(blocks=1, width=256, frames=3, scale=1, last_stride=2),
    ),
    encoder=AMDF(heads=12, hidden=384, space_hidden=384),
)
"""CSG-3DCT as Table SI prints it."""

WARM = replace(PAPER, encoder=AMDF(heads=6, hidden=384, space_hidden=1536), class_token="double")
"""CSG-3DCT whose spatial branch has room for a whole block of the 2D parent."""

BASE = replace(
    PAPER, encoder=SingleBranch(axis="joint", heads=6, hidden=1536), class_token="double"
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
        Stage(blocks=1, width=8, frames=1, scale=4),
        Stage(blocks=1, width=8, frames=1, scale=4),
        Stage(blocks=1, width=16, frames=3, scale=2, stride=2),
        Stage(blocks=1, width=32, frames=3, scale=1, stride=2),
        Stage(blocks=1, width=32, frames=3, scale=1, last_stride=2),
    ),
    encoder=AMDF(heads=4, hidden=64, space_hidden=64),
    stem=16,
    dim=64,
)
"""CSG-3DCT for a laptop: every stage and every part, one block each."""

VARIANTS = {
    "base": BASE,
    "swa": replace(
        PAPER,
        encoder=AMDF(heads=12, hidden=384, space_hidden=384, fusion="switched", weighting="even"),
    ),
    "ca": replace(PAPER, encoder=AMDF(heads=12, hidden=384, space_hidden=384, weighting="even")),
    "csg3dct": PAPER,
}
"""The last rows of Table 1: CSG-3DCT-Base, -SWA*, -CA* and CSG-3DCT."""
