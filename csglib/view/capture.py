"""Queries and keys of every attention in a forward pass, and the attention maps they give.

Source: not in the paper, which shows Grad-CAM only (Fig. 4). These are the weights themselves.
"""

from collections import UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.data.normalise import network_input
from csglib.model.attention import Attention


@dataclass(frozen=True)
class QueryKeys:
    """What one attention compared, class tokens first; without gradients.

    In the paper's fusion class tokens are the only queries. The bias is added to each key's score.
    """

    query: Float[Tensor, "g h i e"]
    key: Float[Tensor, "g h j e"]
    bias: Float[Tensor, " j"] | None = None

    def weights(
        self, sequences: slice = slice(None), queries: slice = slice(None)
    ) -> Float[Tensor, "some h rows j"]:
        """The attention map, or some of its rows; each row sums to 1."""
        query, key = self.query[sequences, :, queries], self.key[sequences]
        return Attention.weights(query, key, bias=self.bias)

    def copied(self) -> "QueryKeys":
        """In float32 on the CPU; cloned, since parts of a larger tensor would keep all of it."""
        query, key = (part.float().cpu().clone() for part in (self.query, self.key))
        return QueryKeys(query, key, None if self.bias is None else self.bias.float().cpu())


@contextmanager
def query_keys(module: nn.Module) -> Iterator[dict[str, QueryKeys]]:
    """Record every `Attention` that runs inside the `with` block, by its name in `module`.

    Only inputs are recorded: the pass keeps its fused kernel, and its result is the same bit for
    bit. A module that runs twice keeps its last call.
    """
    record: dict[str, QueryKeys] = {}

    def keep(name: str, _: nn.Module, arguments: tuple[Any, ...]) -> None:
        query, key, _value, *bias = arguments
        given = bias[0].detach() if bias and bias[0] is not None else None
        record[name] = QueryKeys(query.detach(), key.detach(), given)

    handles = [
        part.register_forward_pre_hook(partial(keep, name))
        for name, part in module.named_modules()
        if isinstance(part, Attention)
    ]
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


class AttentionMaps(UserDict[str, Any]):
    """Attention maps (g, h, i, j) by the name of their module, computed when they are read."""

    def __getitem__(self, name: str) -> Float[Tensor, "g h i j"]:
        return self.data[name].weights()


@contextmanager
def attention_maps(module: nn.Module) -> Iterator[AttentionMaps]:
    """Collect the map of every `Attention` that runs inside the `with` block; its rows sum to 1.

    What is kept are queries and keys: 240 MB a clip of 8 frames in `PAPER`, its maps are 300 MB.
    """
    with query_keys(module) as record:
        maps = AttentionMaps()
        maps.data = record
        yield maps


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the `with` block; afterwards each module's own mode again.

    Module by module, since a network may train with some parts frozen.
    """
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def batch_of(network: nn.Module, clip: Clip) -> Float[Tensor, "1 3 t y x"]:
    """The clip as a batch of one, on the device and in the precision of the network's weights."""
    weights = next(network.parameters())
    return network_input(clip.frames)[None].to(weights.device, weights.dtype)
