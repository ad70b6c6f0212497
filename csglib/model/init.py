"""Where training starts from: the random weights of a new network, or a block that changes nothing.

Source: section 3: what the 2D parent does not give begins at random. The numbers are the parent's.
"""

from torch import nn

from csglib.model.amdf import AMDFBlock


def initialise(module: nn.Module) -> None:
    """The 2D parent's start: narrow normal linear layers, He for convolutions."""
    if isinstance(module, nn.Linear):
        # The parent's 0.02 at its 384 features: so scaled, a narrow network starts as lively.
        nn.init.trunc_normal_(module.weight, std=0.02 * (384 / module.in_features) ** 0.5)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def silence(module: nn.Module) -> None:
    """Let an AMDF block's temporal branch and fusion add nothing yet: their last layers are zero.

    What is left is the spatial branch, the one that takes the 2D parent's weights; from here on
    time is learned without first being noise.
    """
    if isinstance(module, AMDFBlock):
        for part in (module.time, module.into_space, module.into_time):
            *_, last = (layer for layer in part.ffn.modules() if isinstance(layer, nn.Linear))
            nn.init.zeros_(part.merge.weight)
            nn.init.zeros_(last.weight)
