"""The attention maps of one forward pass, taken beside it and without changing it.

Source: not in the paper, which shows Grad-CAM only (Fig. 4). These are the weights themselves.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.attention import Attention

Keep = Callable[[Float[Tensor, "g h i j"]], Tensor]


def _whole(weights: Float[Tensor, "g h i j"]) -> Float[Tensor, "g h i j"]:
    return weights


@contextmanager
def attention_maps(module: nn.Module, keep: Keep = _whole) -> Iterator[dict[str, Tensor]]:
    """Collect the map of every `Attention` that runs inside the `with` block.

    The pass itself keeps its fused kernel, so its result is the same bit for bit. A module that
    runs twice keeps its last map.

    Args:
        module: the network, or any part of it.
        keep: what to keep of a map (g, h, i, j) as soon as it is known; all of it by default. All
            maps of `PAPER` are 300 MB a clip of 8 frames, its class token's rows less than 1 MB.

    Yields:
        The maps by the name of their module, filled while the network runs; a row sums to 1.
    """
    maps: dict[str, Tensor] = {}

    def recorder(name: str) -> Callable[[Attention, tuple[Any, ...], Tensor], None]:
        @torch.no_grad()
        def record(attention: Attention, arguments: tuple[Any, ...], mixed: Tensor) -> None:
            maps[name] = keep(attention.weights(*arguments))

        return record

    handles = [
        part.register_forward_hook(recorder(name))
        for name, part in module.named_modules()
        if isinstance(part, Attention)
    ]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
