"""Cascading randomisation: correlation of maps with themselves while the weights are shuffled.

Source: not in the paper. Adebayo et al. 2018, "Sanity checks for saliency maps": a map that stays
the same shows the input, not the network.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import rankdata
from torch import nn

from csglib.data.clips import Clip
from csglib.train.fit import predict
from csglib.view.scores import TIE, Method, shares_of

_LARGE = 1 / 4  # of all parameters: a larger module is split into its children
REST = "rest"
"""The stage of parameters outside all modules that run, such as a class token."""


def cascading_randomisation(
    method: Method, network: nn.Module, clips: Sequence[Clip], seed: int = 0
) -> dict[str, Float[ndarray, " clips"]]:
    """Correlation of maps with themselves while a copy of the network is randomised by stages.

    From the head down, and what is randomised stays so. The entries of each tensor are shuffled: it
    keeps its scale, so activations neither vanish nor explode, and loses what it has learned.
    Attention does not depend on later layers: it stays at 1 until its own block is shuffled.

    Args:
        method: makes a map.
        network: a trained one; it is copied.
        clips: to make maps of.
        seed: of the shuffling.

    Returns:
        By stage, from the head down, each clip's Spearman correlation with its map before any
        shuffling. Near 1 to the end: the map ignores the weights. NaN where a map is uniform.

    Raises:
        ValueError: no clip, or a map that `shares_of` refuses.
    """
    if not clips:
        raise ValueError("maps are made of one clip or more: got none")
    copied = copy.deepcopy(network)
    before = [shares_of(method(copied, clip), clip) for clip in clips]
    generator = torch.Generator().manual_seed(seed)
    parts = {name: [*copied.get_submodule(name).parameters()] for name in stages(copied, clips[0])}
    owned = {id(weights) for tensors in parts.values() for weights in tensors}
    if rest := [weights for weights in copied.parameters() if id(weights) not in owned]:
        parts[REST] = rest
    found = {}
    for name, tensors in parts.items():
        _shuffle(tensors, generator)
        after = [shares_of(method(copied, clip), clip) for clip in clips]
        found[name] = np.array([_spearman(*pair) for pair in zip(before, after, strict=True)])
    return found


def stages(network: nn.Module, clip: Clip) -> list[str]:
    """Names of a network's modules in reverse order of their forward calls on a clip.

    A module with more than a quarter of the parameters is split into its children.
    """
    finished: dict[str, None] = {}

    def note(name: str, *_: object) -> None:
        finished.setdefault(name)

    handles = [
        network.get_submodule(name).register_forward_hook(partial(note, name))
        for name in _parts(network, "", _count(network) * _LARGE)
    ]
    try:
        predict(network, clip.frames[None])
    finally:
        for handle in handles:
            handle.remove()
    return list(reversed(finished))


def _count(module: nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters())


def _parts(module: nn.Module, prefix: str, large: float) -> Iterator[str]:
    for name, part in module.named_children():
        lists = isinstance(part, nn.ModuleList | nn.ModuleDict)  # have no forward of their own
        if lists or (_count(part) > large and any(part.children())):
            yield from _parts(part, f"{prefix}{name}.", large)
        elif _count(part):
            yield f"{prefix}{name}"


@torch.no_grad()
def _shuffle(tensors: list[nn.Parameter], generator: torch.Generator) -> None:
    for weights in tensors:
        order = torch.randperm(weights.numel(), generator=generator).to(weights.device)
        weights.copy_(weights.flatten()[order].view(weights.shape))


def _spearman(one: Float[ndarray, "t y x"], other: Float[ndarray, "t y x"]) -> float:
    if any(np.ptp(shares) <= TIE * shares.max() for shares in (one, other)):
        return math.nan  # a uniform map has no order
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
