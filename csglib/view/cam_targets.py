"""Where Grad-CAM looks into each network, and how what it finds there becomes a volume.

Source: not in the paper, which says of Fig. 4 only that it looks at "models without temporal
downsampling", of SlowFast at the fast branch. The layers are our choice: the last ones that still
know where and when things are. Of a network with two sides, a map shows one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

Volume = Float[Tensor, "b c t y x"]


def as_it_is(network: nn.Module, found: Volume) -> Volume:
    """A convolution puts out a volume already."""
    return found


class Target(NamedTuple):
    """What Grad-CAM looks at.

    Attributes:
        layer: finds the layer in a network; it runs once in a pass and puts out one tensor.
        volume: brings that tensor, or its gradient, to channels, time, rows and columns. It only
            moves numbers: class tokens are left out, for they have no place.
    """

    layer: Callable[[Any], nn.Module]
    volume: Callable[[Any, Tensor], Volume] = as_it_is


def _vivit(network: Any, tokens: Float[Tensor, "b s d"]) -> Volume:
    return rearrange(
        tokens[:, 1:], "b (t y x) d -> b d t y x", t=network.times, y=network.side, x=network.side
    )


def _timesformer(network: Any, tokens: Float[Tensor, "b_t s d"]) -> Volume:
    # Along space each frame is a sequence of its own, and has a copy of the class token.
    frames, side = network.network.config.num_frames, network.side
    return rearrange(tokens[:, 1:], "(b t) (y x) d -> b d t y x", t=frames, y=side, x=side)


def _mtv(network: Any, tokens: Float[Tensor, "b g s d"]) -> Volume:
    steps = rearrange(tokens, "b g (step n) d -> b (g step) n d", n=1 + network.patches)
    return rearrange(steps[:, :, 1:], "b t (y x) d -> b d t y x", y=round(network.patches**0.5))


TARGETS: dict[str, Target] = {
    # I3D, NL-I3D, TPN and CNN-LSTM: res5. What TPN makes of it has one frame left, and what an LSTM
    # remembers has no places.
    "csglib.table1.baselines.resnet.OnResNet": Target(lambda network: network.backbone.stages[-1]),
    # The fast pathway, as in Fig. 4: it keeps all frames.
    "csglib.table1.baselines.slowfast.SlowFast": Target(lambda network: network.fast.stages[-1]),
    "csglib.table1.baselines.uniformer.UniFormer": Target(lambda network: network.stages[-1]),
    # What the class token is about to ask for the last time. Behind that attention, nothing a patch
    # holds reaches the answer.
    "csglib.table1.baselines.vit.TimeSformer": Target(
        lambda network: network.network.timesformer.encoder.layer[-1].layernorm_before, _timesformer
    ),
    "csglib.table1.baselines.vit.ViViT": Target(
        lambda network: network.network.vivit.layers[-1].layernorm_before, _vivit
    ),
    # Likewise, in the view of the shortest pieces; the others have looked at it before.
    "csglib.table1.baselines.mtv.MTV": Target(lambda network: network.layers[-1][0].norm, _mtv),
    # The last volume of the CNN; the class token's evidence is not in it.
    "csglib.model.csg3dct.CSG3DCT": Target(lambda network: network.convs[-1].second),
}
"""By class, which serves its subclasses too. Its name stands for it: importing TimeSformer takes
seconds, and whoever has a network of a class has imported it."""


def target_of(network: nn.Module) -> Target:
    """The target that `TARGETS` has for a network's class, or for the nearest class above it.

    Raises:
        ValueError: it has none.
    """
    for kind in type(network).__mro__:
        if (name := f"{kind.__module__}.{kind.__qualname__}") in TARGETS:
            return TARGETS[name]
    known = ", ".join(name.rpartition(".")[-1] for name in TARGETS)
    raise ValueError(
        f"where to look into a {type(network).__name__} is not known, only into {known}: give a "
        "csglib.view.cam_targets.Target"
    )
