"""One step of training: a batch, its loss, and the way back, over all processes at work.

Source: section 3 for Adam and its numbers; the paper says nothing of memory or of processes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

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
        network: as Fabric has set it up.
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
        with self.fabric.autocast():  # a call of anything but `forward` is not seen by Fabric
            votes = votes_of(self.network, clips).float()
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
