"""TimeSformer and ViViT, from the library `transformers`.

Source: Bertasius et al. 2021, "divided space-time attention", and Arnab et al. 2021, model 1,
B/16 x 2. The paper does not say which variants it takes; both here are as large as ViT-B/16.
"""

from typing import Any, ClassVar

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from transformers import (
    TimesformerConfig,
    TimesformerForVideoClassification,
    VivitConfig,
    VivitForVideoClassification,
)

from csglib.data.clips import check_fits
from csglib.view.grad_cam import Target, Volume


def _of_vivit(network: Any, tokens: Float[Tensor, "b s d"]) -> Volume:
    return rearrange(
        tokens[:, 1:], "b (t y x) d -> b d t y x", t=network.times, y=network.side, x=network.side
    )


def _of_timesformer(network: Any, tokens: Float[Tensor, "b_t s d"]) -> Volume:
    # Along space each frame is a sequence of its own, and has a copy of the class token.
    frames, side = network.network.config.num_frames, network.side
    return rearrange(tokens[:, 1:], "(b t) (y x) d -> b d t y x", t=frames, y=side, x=side)


class _ViT(nn.Module):
    """Clips of the given frames and size, a multiple of 16, in; logits out."""

    def __init__(self, network: nn.Module, times: int, fits: tuple[int, int, int]) -> None:
        super().__init__()
        self.network, self.times, self.fits, self.side = network, times, fits, fits[1] // 16

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits; a ValueError for another length or size than it was built for."""
        check_fits(clip.shape[2:], self.fits)
        return self.network(rearrange(clip, "b c t y x -> b t c y x")).logits


class TimeSformer(_ViT):
    """Each patch attends to its own place in all frames, then to all places of its own frame.

    Attention over time adds nothing at first: its last layer starts at zero.
    """

    # the keys and values of the last attention: after it, no patch reaches the prediction
    cam_target: ClassVar[Target] = Target(
        lambda network: network.network.timesformer.encoder.layer[-1].layernorm_before,
        _of_timesformer,
    )

    def __init__(self, classes: int, frames: int, size: int, layers: int = 12, width: int = 768):
        config = TimesformerConfig(image_size=size, num_frames=frames, num_hidden_layers=layers)
        config.hidden_size, config.intermediate_size = width, 4 * width
        config.num_labels = classes
        network = TimesformerForVideoClassification(config)
        for name, parameter in network.named_parameters():
            if "temporal_dense" in name:
                nn.init.zeros_(parameter)
        super().__init__(network, times=1, fits=(frames, size, size))


class ViViT(_ViT):
    """A clip cut into tubelets of two frames, with joint attention over all of them."""

    cam_target: ClassVar[Target] = Target(
        lambda network: network.network.vivit.layers[-1].layernorm_before, _of_vivit
    )

    def __init__(self, classes: int, frames: int, size: int, layers: int = 12, width: int = 768):
        config = VivitConfig(image_size=size, num_frames=frames, num_hidden_layers=layers)
        config.hidden_size, config.intermediate_size = width, 4 * width
        config.num_labels = classes
        network = VivitForVideoClassification(config)
        super().__init__(network, times=frames // 2, fits=(frames, size, size))
