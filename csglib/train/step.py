"""One step of training: a batch, its loss, and the way back, over all processes at work.

Source: section 3 for Adam and its numbers; the paper says nothing of memory or of processes.
"""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Float, Int64
from numpy import ndarray
from torch import Tensor, nn
from tqdm.auto import tqdm

from csglib.data.clips import network_input
from csglib.data.cohort import ClipSet

if TYPE_CHECKING:  # four seconds to import: for those who train only
    from lightning.fabric import Fabric
    from lightning.fabric.wrappers import _FabricModule as FabricModule
    from torch.distributed.optim import ZeroRedundancyOptimizer


class Loss(NamedTuple):
    """What is lowered: the cross-entropy of each judge, averaged.

    Attributes:
        grade_weights: how much a clip of each grade counts; empty if all alike.
        smoothing: share of each label that is spread over all grades, for labels that are unsure.
    """

    grade_weights: tuple[float, ...] = ()
    smoothing: float = 0.0

    def of(
        self, votes: Float[Tensor, "judges b classes"], grades: Int64[Tensor, " b"]
    ) -> Float[Tensor, " b"]:
        """Of each clip, weighted; to be divided by the sum of `weights`."""
        losses = F.cross_entropy(
            votes.flatten(0, 1),
            grades.repeat(len(votes)),
            reduction="none",
            label_smoothing=self.smoothing,
        )
        return self.weights(grades) * reduce(losses, "(judges b) -> b", "mean", judges=len(votes))

    def weights(self, grades: Int64[Tensor, " b"]) -> Float[Tensor, " b"]:
        """How much each clip counts."""
        if not self.grade_weights:
            return torch.ones(len(grades), device=grades.device)
        return torch.tensor(self.grade_weights, device=grades.device)[grades]


CROSS_ENTROPY = Loss()
"""As it is: the paper's."""


class Tally(NamedTuple):
    """Sums over clips."""

    loss: float
    hits: float
    clips: float


class Step:
    """Takes steps; each process sees the same batch and works on its own share of it.

    Args:
        fabric: knows the device and the processes.
        network: a `Ballot`, compiled or not, as Fabric has set it up.
        optimizer: likewise.
        loss: what is lowered.
    """

    def __init__(
        self,
        fabric: "Fabric",
        network: "FabricModule",
        optimizer: torch.optim.Optimizer,
        loss: Loss,
    ) -> None:
        self.fabric, self.network, self.optimizer, self.loss = fabric, network, optimizer, loss
        self.pieces = 1  # in which a batch passes, one after the other

    def __call__(self, batch: ClipSet) -> Tally:
        """Learn from a batch; where memory does not do, from piece after piece of it, in one step.

        Only norms over the clips of a batch tell the difference.

        Raises:
            FloatingPointError: the loss is no number any more; says on which clips.
            torch.OutOfMemoryError: even one clip is too much, or several processes are at work.
        """
        while True:
            try:
                return self._taken(batch)
            except torch.OutOfMemoryError:
                if self.pieces >= len(batch) or self.fabric.world_size > 1:
                    raise
                self.pieces = min(2 * self.pieces, len(batch))
                at_once = -(-len(batch) // self.pieces)
                tqdm.write(
                    f"out of memory: from here on {at_once} clips at a time, and a step is still "
                    f"one of {len(batch)}"
                )

    def _taken(self, batch: ClipSet) -> Tally:
        self.optimizer.zero_grad()
        whole = self.loss.weights(torch.from_numpy(batch.grades)).sum().item()
        tally = np.zeros(3)
        for part, counts, waits in self._parts(batch):
            with self.fabric.no_backward_sync(self.network, enabled=waits):
                tally += counts * self._learned(part, counts / whole)
        self.optimizer.step()
        return Tally(tally[0] * len(batch) / whole, *tally[1:])

    def _parts(self, batch: ClipSet) -> Iterator[tuple[ClipSet, bool, bool]]:
        """This process's share in pieces; whether it counts; whether others follow.

        Whoever has no share of a small batch walks along with a clip that does not count: all
        processes must come to every step.
        """
        mine = np.arange(len(batch))[self.fabric.global_rank :: self.fabric.world_size]
        pieces = np.array_split(mine, self.pieces) if len(mine) else [np.array([0])]
        pieces = [piece for piece in pieces if len(piece)]
        for number, piece in enumerate(pieces, start=1):
            yield batch.choose(piece), bool(len(mine)), number < len(pieces)

    def _learned(self, part: ClipSet, share: float) -> Float[ndarray, "3"]:
        """Summed loss, hits and clips of a part; what it teaches is added to the gradients."""
        clips = self.fabric.to_device(network_input(part.frames))
        grades = self.fabric.to_device(torch.from_numpy(part.grades))
        votes = self.network(clips).float()
        loss = self.loss.of(votes, grades).sum()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss.item()} on clips of {', '.join(part.patients)}"
            )
        # Fabric averages over processes; the share is of the sum.
        self.fabric.backward(loss * share * self.fabric.world_size)
        hits = (votes.sum(0).argmax(1) == grades).sum()
        return np.array([loss.item(), hits.item(), len(part)])


def votes_of(network: nn.Module, clips: Tensor) -> Float[Tensor, "judges b classes"]:
    """Logits of each judge; most networks have a single one."""
    votes = getattr(network, "votes", None)
    return network(clips)[None] if votes is None else votes(clips)


class Ballot(nn.Module):
    """A network whose `forward` is its votes: Fabric, DDP and torch.compile see no other call.

    It adds nothing to the network, which is saved and asked by itself.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "judges b classes"]:
        """Logits of each judge."""
        return votes_of(self.network, clips)


def compiled(ballot: Ballot, device: torch.device) -> nn.Module:
    """To be set up by Fabric, which compiles what it has wrapped, at its first call.

    Not in the paper. The network within stays as it is, with its weights and their names.

    Args:
        ballot: shapes and precision are found out when it is called.
        device: where that will be.

    Raises:
        ValueError: nothing can be compiled for that device; says what is missing.
    """
    torch.compiler.reset()  # another network's code counts against the limit of one's own
    try:
        torch.compile(torch.neg)(torch.ones(2, device=device))  # else it would fail at a step
    except RuntimeError as error:
        raise ValueError(
            "a compiled plan wants a machine where torch.compile works, with a C++ compiler and, "
            f"for a GPU, Triton; here it says: {str(error).splitlines()[0]}"
        ) from error
    return cast("nn.Module", torch.compile(ballot))


def adam_of(
    network: nn.Module, rate: float, decay: float, in_shards: bool
) -> torch.optim.Optimizer:
    """Adam, whose decay spares biases, norms, the class token and the shares of branches.

    Args:
        network: what learns.
        rate: of learning.
        decay: of weights.
        in_shards: whether each process remembers for a part of the weights only.
    """
    matrices = [p for p in network.parameters() if p.squeeze().ndim > 1]
    vectors = [p for p in network.parameters() if p.squeeze().ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors},
    ]
    if in_shards:
        return _in_shards(groups, rate)
    return torch.optim.Adam(groups, lr=rate, fused=True)


def shards() -> "type[ZeroRedundancyOptimizer]":
    """What deals an optimiser's memory out among processes; two seconds to import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's, of itself
        from torch.distributed.optim import ZeroRedundancyOptimizer  # noqa: PLC0415
    return ZeroRedundancyOptimizer


def _in_shards(groups: list[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    return shards()(groups, torch.optim.Adam, lr=rate, fused=True)
