"""How a network is looked at: in evaluation mode, on one clip, and afterwards as it was before."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip, network_input


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the `with` block, whatever happens there.

    Module by module: a network that trains with some parts frozen comes back just so.
    """
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def batch_of(network: nn.Module, clip: Clip) -> Float[Tensor, "1 3 t y x"]:
    """The clip alone in a batch, where the network's weights are and in their precision."""
    weights = next(network.parameters())
    return network_input(clip.frames)[None].to(weights.device, weights.dtype)
