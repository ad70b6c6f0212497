"""One optimiser step: forward, loss, backward, over micro-batches and over processes.

Source: section 3 for Adam and its numbers; the paper says nothing of memory or of processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.optim import Optimizer

from csglib.data.cohort import ClipSet
from csglib.data.normalise import network_input
from csglib.train.batch_norm import SyncBatchNorm

if TYPE_CHECKING:  # four seconds to import, and needed for training only
    from lightning_fabric import Fabric


@dataclass
class TrainStep:
    """Takes optimiser steps; each process computes the gradients of its share of the batch."""

    fabric: "Fabric"
    micro_batches: int  # of each step
    network: Any  # Fabric's, of a `HeadLogits`, compiled or not
    optimizer: Optimizer

    def __call__(self, batch: ClipSet) -> Float[ndarray, "3"]:
        """Take one step; returns sums over this process's clips: loss, correct ones, all.

        Accumulated gradients are those of the whole batch; only batch norms see micro-batches.

        Raises:
            FloatingPointError: the loss is NaN or infinite; names the patients.
        """
        self.optimizer.zero_grad()
        sums = np.zeros(3)
        for part, weight, more in self._micro_batches(batch):
            SyncBatchNorm.counted = weight > 0
            # gradients are exchanged between processes once, after the last micro-batch
            with self.fabric.no_backward_sync(self.network, enabled=more):
                sums += weight * self._backward(part, weight / len(batch))
        self.optimizer.step()
        return sums

    def _micro_batches(self, batch: ClipSet) -> Iterator[tuple[ClipSet, float, bool]]:
        """This process's share in micro-batches: clips, their weight, whether more follow."""
        world = self.fabric.world_size
        mine = np.arange(len(batch))[self.fabric.global_rank :: world]
        count = min(self.micro_batches, -(-len(batch) // world))  # the same in all processes
        for number, part in enumerate(np.array_split(mine, count), start=1):
            # without a clip of its own, a process takes part in the exchanges with any
            clips = part if len(part) else np.array([0])
            yield batch.choose(clips), float(len(part) > 0), number < count

    def _backward(self, part: ClipSet, scale: float) -> Float[ndarray, "3"]:
        """Add the gradients of scale * the summed loss; returns what a step sums up."""
        clips = self.fabric.to_device(network_input(part.frames))
        grades = self.fabric.to_device(torch.from_numpy(part.grades))
        logits = self.network(clips).float()
        heads = len(logits)  # the loss of a clip is the mean over heads
        summed = F.cross_entropy(logits.flatten(0, 1), grades.repeat(heads), reduction="sum")
        loss = summed / heads
        if not torch.isfinite(loss):
            where = f"{loss.item()} on clips of {', '.join(part.patients)}"
            raise FloatingPointError(f"the loss became {where}; a lower learning rate may help")
        # DDP averages gradients over processes; we want their sum
        self.fabric.backward(loss * scale * self.fabric.world_size)
        correct = (logits.sum(0).argmax(1) == grades).sum()
        return np.array([loss.item(), correct.item(), len(part)])


class HeadLogits(nn.Module):
    """A network whose `forward`, which DDP and torch.compile take, gives each head's logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "heads b classes"]:
        """Logits of each head; a network without a method `head_logits` has a single one."""
        of_network = getattr(self.network, "head_logits", None)
        return self.network(clips)[None] if of_network is None else of_network(clips)


def compiled(network: nn.Module, device: torch.device) -> nn.Module:
    """Compile with torch.compile; the wrapped network keeps its weights and their names.

    Raises:
        ValueError: torch.compile does not work for this device here; the message says why.
    """
    torch.compiler.reset()  # code compiled for another network counts against the recompile limit
    try:
        torch.compile(torch.neg)(torch.ones(2, device=device))  # fail now rather than at a step
    except RuntimeError as error:
        got = str(error).splitlines()[0]
        raise ValueError(f"compile needs a C++ compiler, for a GPU Triton: got {got}") from error
    return cast("nn.Module", torch.compile(network))


def adam(network: nn.Module, lr: float, weight_decay: float) -> Optimizer:
    """Adam with weight decay on the weight matrices and kernels of layers only.

    Biases, norms, class tokens, position embeddings and the branches' gates do not decay.
    """
    decays, others = list[Tensor](), list[Tensor]()
    for name, parameter in network.named_parameters():
        kernel = parameter.squeeze().ndim > 1 and name.rpartition(".")[2].startswith("weight")
        (decays if kernel else others).append(parameter)
    matrices: dict[str, Any] = {"params": decays, "weight_decay": weight_decay}
    return torch.optim.Adam([matrices, {"params": others}], lr=lr, fused=True)
