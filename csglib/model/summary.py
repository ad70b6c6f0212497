"""What the network costs, stage by stage: sizes, parameters, multiplications and memory.

Source: the columns of Table SI. Counted on tensors without content, so it takes a second and no
memory, however long the clip.
"""

import copy
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
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
class Row:
    """One row of Table SI, and what it costs.

    Attributes:
        name: "stem", "embedding", "c1" to "c5", "head".
        volume: frames, rows, columns, channels that the CNN puts out; None where it does not.
        tokens: frames and tokens a frame that the transformer puts out; None where it does not.
        parameters: numbers to learn.
        macs: multiplications, each with its addition, in convolutions, linear layers and attention.
        kept: bytes that training keeps of a float32 clip for the way back; attention is fused.
    """

    name: str
    volume: tuple[int, int, int, int] | None
    tokens: tuple[int, int] | None
    parameters: int
    macs: int
    kept: int

    def __str__(self) -> str:
        volume = "{}, {}, {}, {}".format(*self.volume) if self.volume else ""
        tokens = "{} x {}".format(*self.tokens) if self.tokens else ""
        macs, kept = f"{self.macs / 1e6:,.1f}", f"{self.kept / 2**20:,.1f}"
        return _LINE.format(self.name, volume, tokens, f"{self.parameters:,}", macs, kept)


@dataclass(frozen=True)
class Summary:
    """All rows; prints as a table.

    Attributes:
        rows: in the order in which a clip passes them.
    """

    rows: tuple[Row, ...]

    @property
    def total(self) -> Row:
        """The sum of the rows."""
        return Row(
            "total",
            volume=None,
            tokens=None,
            parameters=sum(row.parameters for row in self.rows),
            macs=sum(row.macs for row in self.rows),
            kept=sum(row.kept for row in self.rows),
        )

    def __str__(self) -> str:
        head = _LINE.format(
            "stage", "volume t, y, x, c", "tokens", "parameters", "MMACs", "MiB kept"
        )
        return "\n".join([head, *map(str, self.rows), str(self.total)])


def summary(model: CSG3DCT, frames: int = 8, size: int = 256) -> Summary:
    """What one clip costs, in training.

    Args:
        model: left as it is.
        frames: length of the clip.
        size: its rows and columns, multiples of a patch.

    Raises:
        ValueError: a clip of such a size does not fit; says what does.
    """
    twin = _without_content(model).train()
    stages = _stages(twin)
    ledger = _Ledger(twin, [part for stage in stages.values() for part in stage])
    counter = FlopCounterMode(display=False)
    with torch.enable_grad(), counter, saved_tensors_hooks(ledger.keep, _same):
        twin(torch.empty(1, 3, frames, size, size, device="meta"))
    flops = {name: sum(kinds.values()) for name, kinds in counter.get_flop_counts().items()}
    place = {part: f"{type(twin).__name__}.{name}" for name, part in twin.named_modules()}
    parameters = _parameters(twin, stages)
    rows = [
        Row(
            name,
            _volume(ledger.passed[stage[-1]]),
            _tokens(ledger.passed[stage[0]]),
            parameters[name],
            sum(flops[place[part]] for part in stage) // 2,
            sum(ledger.kept[part] for part in stage),
        )
        for name, stage in stages.items()
    ]
    return Summary(tuple(rows))


def _without_content(model: CSG3DCT) -> CSG3DCT:
    """A copy whose tensors have shapes and nothing else."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.to("meta")) for p in model.parameters()}
    memo |= {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    return copy.deepcopy(model, memo)


def _stages(model: CSG3DCT) -> dict[str, list[nn.Module]]:
    """The parts that run in each row of Table SI, the CNN's last; a conv block runs its tokens'."""
    stages: dict[str, list[nn.Module]] = {"stem": [model.stem], "embedding": [model.embed]}
    stages["c1"] = [model.blocks[0], model.local]
    convs = iter(model.convs)
    for number, stage in enumerate(model.config.stages[1:], start=2):
        stages[f"c{number}"] = list(islice(convs, stage.blocks))
    return stages | {"head": [model.head]}


class _Ledger:
    """Notes, while a clip passes, what each part puts out and the bytes that its way back needs."""

    def __init__(self, model: nn.Module, parts: list[nn.Module]) -> None:
        self.passed: dict[nn.Module, Any] = {}
        self.kept: dict[nn.Module, int] = defaultdict(int)
        self._known = {p.untyped_storage()._cdata: p.detach() for p in model.parameters()}
        self._inside: list[nn.Module] = []
        for part in model.modules():
            if part in parts or isinstance(part, Attention):
                part.register_forward_pre_hook(self._enter)
                part.register_forward_hook(self._leave)

    def keep(self, tensor: Tensor) -> Tensor:
        """Called for every tensor that autograd saves."""
        if not isinstance(self._inside[-1], Attention):  # on real tensors it saves no map
            self._count(tensor)
        return tensor

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known[storage._cdata] = tensor  # held, or its number could be given away again
            self.kept[self._inside[0]] += storage.nbytes()

    def _enter(self, part: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._inside.append(part)
        if isinstance(part, Attention):  # the fused kernel keeps what comes in and what goes out
            for tensor in arguments:
                if tensor is not None:
                    self._count(tensor)

    def _leave(self, part: nn.Module, _: object, output: Any) -> None:
        if isinstance(part, Attention):
            self._count(output)
        self._inside.pop()
        self.passed[part] = output


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _volume(output: Any) -> tuple[int, int, int, int] | None:
    volume = output[0] if isinstance(output, tuple) else output
    if not isinstance(volume, Tensor) or volume.ndim != 5:
        return None
    return (*volume.shape[2:], volume.shape[1])


def _tokens(output: Any) -> tuple[int, int] | None:
    tokens = output[1] if isinstance(output, tuple) else output
    if not isinstance(tokens, VideoTokens):
        return None
    return (tokens.patches.shape[1], 1 + tokens.patches.shape[2])


def _parameters(model: CSG3DCT, stages: dict[str, list[nn.Module]]) -> dict[str, int]:
    """Numbers to learn in each stage; one that several share counts for the first of them."""
    blocks = dict(zip(model.convs, model.blocks[1:], strict=True))
    counts, counted = {}, set[nn.Parameter]()
    for name, stage in stages.items():
        parts = [*stage, *(blocks[part] for part in stage if part in blocks)]
        owned = {p for part in parts for p in part.parameters()} - counted
        counts[name] = sum(parameter.numel() for parameter in owned)
        counted |= owned
    return counts
