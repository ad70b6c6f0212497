"""What each part of a network costs, counted while a clip without content passes through it.

Source: not in the paper, which gives no costs; the conventions are those of the field: a MAC is a
multiplication with its addition, and memory is what autograd keeps for the way back.
"""

import copy
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from csglib.model.attention import Attention


@dataclass(frozen=True)
class Entry:
    """What passed through a part, and what it cost without the other parts that ran inside it.

    Attributes:
        came: what it was called with; tensors have shapes and no content.
        left: what it put out.
        parameters: numbers to learn; one that several parts share counts for the first.
        macs: multiplications, each with its addition, in convolutions, linear layers and attention.
        kept: bytes that training keeps of a float32 clip for the way back; attention is fused.
    """

    came: tuple[Any, ...]
    left: Any
    parameters: int
    macs: int
    kept: int


def costs(model: nn.Module, places: Collection[str], frames: int, size: int) -> dict[str, Entry]:
    """Send one clip through a copy of a network and keep the books.

    Args:
        model: left as it is.
        places: the parts to tell apart, by their names in the network; each runs once.
        frames: length of the clip.
        size: its rows and columns.
    """
    twin = _without_content(model).train()
    ledger = _Ledger(twin, places)
    with torch.enable_grad(), ledger.counter, saved_tensors_hooks(ledger.keep, _same):
        twin(torch.empty(1, 3, frames, size, size, device="meta"))
    owned = _parameters(twin, places)
    return {
        place: Entry(*ledger.passed[place], owned[place], ledger.macs[place], ledger.kept[place])
        for place in places
    }


def _without_content(model: nn.Module) -> nn.Module:
    """A copy whose tensors have shapes and nothing else."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.to("meta")) for p in model.parameters()}
    memo |= {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    return copy.deepcopy(model, memo)


class _Ledger:
    """Notes what comes and goes; what is not in `places` belongs to the part it runs in."""

    def __init__(self, model: nn.Module, places: Collection[str]) -> None:
        self.counter = FlopCounterMode(display=False)
        self.passed: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self.macs: dict[str, int] = defaultdict(int)
        self.kept: dict[str, int] = defaultdict(int)
        self._known = {p.untyped_storage()._cdata: p.detach() for p in model.parameters()}
        self._names = {model.get_submodule(place): place for place in places}
        self._inside: list[nn.Module] = []
        self._billed = 0
        for part in model.modules():
            if part in self._names or isinstance(part, Attention):
                part.register_forward_pre_hook(self._enter)
                part.register_forward_hook(self._leave)

    def keep(self, tensor: Tensor) -> Tensor:
        """Called for every tensor that autograd saves."""
        if not (self._inside and isinstance(self._inside[-1], Attention)):
            self._count(tensor)  # inside attention there is a map, which a fused kernel never has
        return tensor

    def _enter(self, part: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._bill()
        self._inside.append(part)
        if isinstance(part, Attention):  # the fused kernel keeps what comes in and what goes out
            for tensor in arguments:
                if tensor is not None:
                    self._count(tensor)

    def _leave(self, part: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        self._bill()
        if isinstance(part, Attention):
            self._count(output)
        else:
            self.passed[self._names[part]] = arguments, output
        self._inside.pop()

    def _bill(self) -> None:
        total = self.counter.get_total_flops() // 2
        self.macs[self._innermost()] += total - self._billed
        self._billed = total

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known[storage._cdata] = tensor  # held, or its number could be given away again
            self.kept[self._innermost()] += storage.nbytes()

    def _innermost(self) -> str:
        return next((self._names[p] for p in reversed(self._inside) if p in self._names), "")


def _parameters(model: nn.Module, places: Collection[str]) -> dict[str, int]:
    """Numbers to learn in each place and in none inside it."""
    counts: dict[str, int] = defaultdict(int)
    for name, parameter in model.named_parameters():
        homes = [place for place in places if name.startswith(f"{place}.")]
        counts[max(homes, key=len, default="")] += parameter.numel()
    return counts


def _same(tensor: Tensor) -> Tensor:
    return tensor
