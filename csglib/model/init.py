"""Initial weights: those of the 2D Conformer, or a temporal branch that adds nothing at first.

Source: section 3: what the pretrained 2D network does not give starts at random.
"""

from torch import nn

from csglib.model.amdf import AMDFBlock


def init_weights(module: nn.Module) -> None:
    """Truncated normal for linear layers, He for convolutions; biases are zero."""
    if isinstance(module, nn.Linear):
        # The Conformer's std is 0.02 at 384 features; scaled by fan-in, so that TINY's activations
        # have the same size.
        nn.init.trunc_normal_(module.weight, std=0.02 * (384 / module.in_features) ** 0.5)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def zero_init(module: nn.Module) -> None:
    """Zero the last layers of an AMDF block's temporal branch and fusions.

    Through the residual connections the block is then its spatial branch alone, the one that takes
    pretrained weights; time is learned from there without being noise first.
    """
    if isinstance(module, AMDFBlock):
        for part in (module.time, module.into_space, module.into_time):
            *_, last = (layer for layer in part.ffn.modules() if isinstance(layer, nn.Linear))
            nn.init.zeros_(part.proj.weight)
            nn.init.zeros_(last.weight)
