"""Parameters, multiplications and training memory of a network, module by module.

Source: the rows of Table SI; the paper gives no costs. One clip without content passes through a
copy on torch's `meta` device, so counting takes seconds and no memory, however long the clip.
Conventions of the field: one MAC is a multiplication and its addition, in convolutions, linear
layers and attention; memory is what autograd saves for the backward pass, with fused attention.
"""

import copy
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from csglib.model.attention import Attention
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import VideoTokens

_LINE = "{:<10}{:<19}{:<10}{:>12}{:>12}{:>10}"


@dataclass(frozen=True)
class ModuleCost:
    """Cost of one module without the other counted modules that run inside it."""

    inputs: tuple[Any, ...]  # of its call, on `meta`, as is the output
    output: Any
    parameters: int  # one that several modules share counts for the first
    macs: int
    saved_bytes: int  # of float32, for the backward pass


def costs(
    model: nn.Module, places: Collection[str], frames: int, size: int
) -> dict[str, ModuleCost]:
    """Cost of each module of `places` ("" is the whole network) for one training clip.

    The clip has `frames` x `size` x `size` pixels. Each module runs once in a forward pass; the
    model is not changed.
    """
    on_meta = _to_meta(model).train()
    counter = _Counter(on_meta, places)
    with torch.enable_grad(), counter.flops, saved_tensors_hooks(counter.save, lambda kept: kept):
        on_meta(torch.empty(1, 3, frames, size, size, device="meta"))
    parameters = _parameters(on_meta, places)
    return {
        place: ModuleCost(
            *counter.calls[place], parameters[place], counter.macs[place], counter.saved[place]
        )
        for place in places
    }


def _to_meta(model: nn.Module) -> nn.Module:
    """A copy whose tensors have shapes and no storage."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.to("meta")) for p in model.parameters()}
    memo |= {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    return copy.deepcopy(model, memo)


class _Counter:
    """Attributes FLOPs and saved tensors to the innermost counted module that is running."""

    def __init__(self, model: nn.Module, places: Collection[str]) -> None:
        self.flops = FlopCounterMode(display=False)
        self.calls: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self.macs: dict[str, int] = defaultdict(int)
        self.saved: dict[str, int] = defaultdict(int)
        self._seen = {p.untyped_storage()._cdata: p.detach() for p in model.parameters()}
        self._names = {model.get_submodule(place): place for place in places}
        self._stack: list[nn.Module] = []
        self._counted = 0
        for module in model.modules():
            if module in self._names or isinstance(module, Attention):
                module.register_forward_pre_hook(self._enter)
                module.register_forward_hook(self._leave)

    def save(self, tensor: Tensor) -> Tensor:
        """Called for every tensor that autograd saves."""
        # On `meta`, attention is decomposed and saves its map; the fused kernel saves only its
        # inputs and its output, which `_enter` and `_leave` count.
        if not (self._stack and isinstance(self._stack[-1], Attention)):
            self._count(tensor)
        return tensor

    def _enter(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._attribute_macs()
        self._stack.append(module)
        if isinstance(module, Attention):
            for tensor in filter(torch.is_tensor, arguments):
                self._count(tensor)

    def _leave(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        self._attribute_macs()
        if isinstance(module, Attention):
            self._count(output)
        else:
            self.calls[self._names[module]] = arguments, output
        self._stack.pop()

    def _attribute_macs(self) -> None:
        total = self.flops.get_total_flops() // 2
        self.macs[self._innermost()] += total - self._counted
        self._counted = total

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            # Holding the tensor keeps its storage's id from being given to another one.
            self._seen[storage._cdata] = tensor
            self.saved[self._innermost()] += storage.nbytes()

    def _innermost(self) -> str:
        return next((self._names[m] for m in reversed(self._stack) if m in self._names), "")


def _parameters(model: nn.Module, places: Collection[str]) -> dict[str, int]:
    """Parameters of each module that belong to no counted module inside it."""
    counts: dict[str, int] = defaultdict(int)
    for name, parameter in model.named_parameters():
        owners = [place for place in places if name.startswith(f"{place}.")]
        counts[max(owners, key=len, default="")] += parameter.numel()
    return counts


@dataclass(frozen=True)
class StageCost:
    """One row of Table SI ("stem", "embedding", "c1" to "c5", "head") with its cost."""

    name: str
    volume: tuple[int, int, int, int] | None  # the CNN's: frames, rows, columns, channels
    tokens: tuple[int, int] | None  # the transformer's: frames, tokens a frame
    parameters: int
    macs: int
    saved_bytes: int

    def __str__(self) -> str:
        volume = "{}, {}, {}, {}".format(*self.volume) if self.volume else ""
        tokens = "{} x {}".format(*self.tokens) if self.tokens else ""
        macs, saved = f"{self.macs / 1e6:,.1f}", f"{self.saved_bytes / 2**20:,.1f}"
        return _LINE.format(self.name, volume, tokens, f"{self.parameters:,}", macs, saved)


@dataclass(frozen=True)
class Summary:
    """All rows, in the order of a forward pass; prints as a table."""

    rows: tuple[StageCost, ...]

    @property
    def total(self) -> StageCost:
        """The sum of the rows."""
        return StageCost("total", None, None, *_sums(self.rows))

    def __str__(self) -> str:
        head = ("stage", "volume t, y, x, c", "tokens", "parameters", "MMACs", "MiB saved")
        return "\n".join([_LINE.format(*head), *map(str, self.rows), str(self.total)])


def summary(model: CSG3DCT, frames: int = 8, size: int = 256) -> Summary:
    """Table SI with costs: what one training clip of `frames` x `size` x `size` takes.

    Raises:
        ValueError: `size` is no multiple of the patch size.
    """
    stages = _stages(model)
    found = costs(model, [place for stage in stages.values() for place in stage], frames, size)
    return Summary(tuple(_row(name, [found[p] for p in stage]) for name, stage in stages.items()))


def _stages(model: CSG3DCT) -> dict[str, list[str]]:
    """Modules of each row of Table SI: those that return tokens first, the CNN's last."""
    stages = {"stem": ["stem"], "embedding": ["embed"], "c1": ["blocks.0", "local"]}
    first = 0
    for number, stage in enumerate(model.config.stages[1:], start=2):
        places = range(first, first + stage.blocks)
        stages[f"c{number}"] = [f"blocks.{1 + n}" for n in places] + [f"convs.{n}" for n in places]
        first += stage.blocks
    return stages | {"head": ["head"]}


def _row(name: str, modules: list[ModuleCost]) -> StageCost:
    tokens, volume = modules[0].output, modules[-1].output
    volume = volume[0] if isinstance(volume, tuple) else volume
    is_volume = isinstance(volume, Tensor) and volume.ndim == 5
    return StageCost(
        name,
        (*volume.shape[2:], volume.shape[1]) if is_volume else None,
        (tokens.patches.shape[1], 1 + tokens.patches.shape[2])
        if isinstance(tokens, VideoTokens)
        else None,
        *_sums(modules),
    )


def _sums(counted: Sequence[ModuleCost] | Sequence[StageCost]) -> tuple[int, int, int]:
    costs = [(each.parameters, each.macs, each.saved_bytes) for each in counted]
    parameters, macs, saved_bytes = map(sum, zip(*costs, strict=True))
    return parameters, macs, saved_bytes
