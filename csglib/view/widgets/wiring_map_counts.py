"""What flows through each box and bridge of Fig. 2(a), and what it costs; for the wiring map.

Source: Fig. 2(a), Table SI. Counted on tensors without content, as in csglib.model.summary, whose
rows are sums of these: a stage there is its convolutions, its two bridges and its blocks here.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from csglib.model.attention import Attention
from csglib.model.config import ModelConfig
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import VideoTokens

FRAMES = 8
SIDE = 256  # pixels


@dataclass(frozen=True)
class Flow:
    """Something on its way.

    Attributes:
        words: what it is and how large, for instance "volume 8 x 64 x 64, 256 channels".
        numbers: how many numbers it holds, for one clip.
    """

    words: str
    numbers: int


@dataclass(frozen=True)
class Part:
    """A box or a bridge, all its blocks together.

    Attributes:
        enters: what comes in, in the first of its blocks.
        leaves: what goes out of the last.
        blocks: how many there are in a row.
        parameters: numbers to learn.
        macs: multiplications, each with its addition.
        kept: bytes that training keeps for the way back, of a float32 clip.
    """

    enters: tuple[Flow, ...]
    leaves: tuple[Flow, ...]
    blocks: int
    parameters: int
    macs: int
    kept: int


@cache
def parts_of(config: ModelConfig) -> dict[str, Part]:
    """Every part of a network by the name that the map gives it: "c3", "t3", "down3", "up3"."""
    with torch.device("meta"):
        network = CSG3DCT(config).train()
    homes = _homes(network)
    watch = _Watch(network, homes)
    with watch.counter, saved_tensors_hooks(watch.keep, _same):
        network(torch.empty(1, 3, FRAMES, SIDE, SIDE, device="meta"))
    members: dict[str, list[str]] = defaultdict(list)
    for place, name in homes.items():
        members[name].append(place)
    return {name: watch.part(places) for name, places in members.items()}


def _homes(network: CSG3DCT) -> dict[str, str]:
    """The part of the map in which each module stands; what stands inside another comes first."""
    stages = [
        stage
        for stage, sizes in enumerate(network.config.stages[1:], start=2)
        for _ in range(sizes.blocks)
    ]
    homes = {"stem": "stem", "embed": "embedding", "local": "c1", "blocks.0": "t1", "head": "head"}
    for place, stage in enumerate(stages):
        homes |= {
            f"blocks.{place + 1}": f"t{stage}",
            f"convs.{place}.down": f"down{stage}",
            f"convs.{place}.up": f"up{stage}",
            f"convs.{place}": f"c{stage}",
        }
    return homes


class _Watch:
    """Notes what passes while one clip goes through a network."""

    def __init__(self, network: CSG3DCT, homes: dict[str, str]) -> None:
        self.network, self.homes = network, homes
        self.counter = FlopCounterMode(display=False)
        self.passed: dict[str, tuple[tuple[Flow, ...], tuple[Flow, ...]]] = {}
        self.kept: dict[str, int] = defaultdict(int)
        # A conv block runs the transformer block beside it.
        self._blocks = {f"convs.{n}": f"blocks.{n + 1}" for n in range(len(network.convs))}
        self._known = {p.untyped_storage()._cdata: p.detach() for p in network.parameters()}
        for place in homes:
            network.get_submodule(place).register_forward_hook(self._note(place))
        for part in network.modules():
            if isinstance(part, Attention):
                part.register_forward_hook(self._attended)

    def part(self, places: list[str]) -> Part:
        """The sum over the modules of a part, less what stands inside them and is another part."""
        modules = [self.network.get_submodule(place) for place in places]
        parameters = sum(p.numel() for module in modules for p in module.parameters())
        macs = sum(self._macs(place) for place in places)
        for place in (place for place in places if place in self._blocks):
            bridges = [f"{place}.down", f"{place}.up"]
            macs -= sum(map(self._macs, [*bridges, self._blocks[place]]))
            inside = map(self.network.get_submodule, bridges)
            parameters -= sum(p.numel() for bridge in inside for p in bridge.parameters())
        enters, leaves = self.passed[places[0]][0], self.passed[places[-1]][1]
        kept = sum(self.kept[place] for place in places)
        return Part(enters, leaves, len(places), parameters, macs, kept)

    def keep(self, tensor: Tensor) -> Tensor:
        """Called for every tensor that autograd saves."""
        inside = self.counter.mod_tracker.parents
        if not any(name.endswith(".attention") for name in inside):  # fused, it saves no map
            self._count(tensor)
        return tensor

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known[storage._cdata] = tensor  # held, or its number could be given away again
            inside = self.counter.mod_tracker.parents
            place = next(place for place in self.homes if f"CSG3DCT.{place}" in inside)
            self.kept[place] += storage.nbytes()

    def _attended(self, _: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        # The fused kernel keeps what comes in and what goes out.
        for tensor in (*arguments, output):
            if tensor is not None:
                self._count(tensor)

    def _note(self, place: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def note(_: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            side = slice(None) if place == "head" else slice(0, 1)  # what flows comes first
            results = output if isinstance(output, tuple) else (output,)
            self.passed[place] = _flows(arguments[side]), _flows(results[side])

        return note

    def _macs(self, place: str) -> int:
        kinds = self.counter.get_flop_counts()[f"CSG3DCT.{place}"]
        return int(sum(kinds.values())) // 2


def _flows(things: tuple[Any, ...]) -> tuple[Flow, ...]:
    return tuple(_flow(thing) for thing in things)


def _flow(thing: Tensor | VideoTokens) -> Flow:
    if isinstance(thing, VideoTokens):
        patches, cls = _flow(thing.patches), _flow(thing.cls)
        return Flow(f"{patches.words}, and the class token", patches.numbers + cls.numbers)
    match thing.shape:
        case (_, channels, *sizes) if len(sizes) == 3:
            words = f"volume {' x '.join(map(str, sizes))}, {channels:,} channels"
        case (_, frames, count, width):
            words = f"tokens {frames} x {count}, {width} wide"
        case (judges, 1, classes) if judges == 1 and classes < 10:
            words = f"{classes} logits, one a grade"
        case (_, _, width):
            words = f"the class token, {width} wide"
    return Flow(words, prod(thing.shape))


def _same(tensor: Tensor) -> Tensor:
    return tensor
