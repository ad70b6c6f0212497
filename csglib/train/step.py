"""One optimiser step: forward, loss, backward, over micro-batches and over processes.

Source: section 3 for Adam and its numbers; the paper says nothing of memory or of processes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from tqdm.auto import tqdm

from csglib.data.cohort import ClipSet
from csglib.data.normalise import network_input

if TYPE_CHECKING:  # four seconds to import, and needed for training only
    from lightning_fabric import Fabric
    from lightning_fabric.wrappers import _FabricModule as FabricModule


class StepSums(NamedTuple):
    """Sums over the clips of a step."""

    loss: float
    correct: float
    clips: float


class TrainStep:
    """Takes optimiser steps; each process computes the gradients of its share of the batch.

    The network is a `HeadLogits`, compiled or not; Fabric has set it and the optimiser up.
    """

    def __init__(
        self, fabric: "Fabric", network: "FabricModule", optimizer: torch.optim.Optimizer
    ) -> None:
        self.fabric, self.network, self.optimizer = fabric, network, optimizer
        self.micro_batches = 1

    def __call__(self, batch: ClipSet) -> StepSums:
        """Take one step; if memory runs out, in twice as many micro-batches, from then on.

        Accumulated gradients are those of the whole batch; only batch norms see smaller batches.

        Raises:
            FloatingPointError: the loss is NaN or infinite; names the patients.
            torch.OutOfMemoryError: a single clip does not fit, or there are several processes.
        """
        while True:
            try:
                return self._step(batch)
            except torch.OutOfMemoryError:
                if self.micro_batches >= len(batch) or self.fabric.world_size > 1:
                    raise
                self.micro_batches = min(2 * self.micro_batches, len(batch))
                at_once = -(-len(batch) // self.micro_batches)
                tqdm.write(
                    f"out of memory: using micro-batches of {at_once} clips from here on; "
                    f"a step is still one of {len(batch)}"
                )

    def _step(self, batch: ClipSet) -> StepSums:
        self.optimizer.zero_grad()
        sums = np.zeros(3)
        for part, weight, more in self._micro_batches(batch):
            # gradients are exchanged between processes once, after the last micro-batch
            with self.fabric.no_backward_sync(self.network, enabled=more):
                sums += weight * self._backward(part, weight / len(batch))
        self.optimizer.step()
        return StepSums(*sums)

    def _micro_batches(self, batch: ClipSet) -> Iterator[tuple[ClipSet, float, bool]]:
        """This process's share in micro-batches: clips, their weight, whether more follow."""
        mine = np.arange(len(batch))[self.fabric.global_rank :: self.fabric.world_size]
        if not len(mine):  # a dummy clip: every process takes part in the exchange of gradients
            yield batch.choose(np.array([0])), 0.0, False
            return
        parts = np.array_split(mine, min(self.micro_batches, len(mine)))
        for number, part in enumerate(parts, start=1):
            yield batch.choose(part), 1.0, number < len(parts)

    def _backward(self, part: ClipSet, scale: float) -> Float[ndarray, "3"]:
        """Add the gradients of scale * the summed loss; returns the terms of `StepSums`."""
        clips = self.fabric.to_device(network_input(part.frames))
        grades = self.fabric.to_device(torch.from_numpy(part.grades))
        logits = self.network(clips).float()
        heads = len(logits)  # the loss of a clip is the mean over heads
        summed = F.cross_entropy(logits.flatten(0, 1), grades.repeat(heads), reduction="sum")
        loss = summed / heads
        if not torch.isfinite(loss):
            patients = ", ".join(part.patients)
            raise FloatingPointError(f"the loss became {loss.item()} on clips of {patients}")
        # DDP averages gradients over processes; we want their sum
        self.fabric.backward(loss * scale * self.fabric.world_size)
        correct = (logits.sum(0).argmax(1) == grades).sum()
        return np.array([loss.item(), correct.item(), len(part)])


class HeadLogits(nn.Module):
    """Wraps a network so that `forward` returns the logits of each head.

    Fabric, DDP and torch.compile intercept `forward` only. Has no parameters of its own.
    """

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
        needs, got = "a C++ compiler and, for a GPU, Triton", str(error).splitlines()[0]
        raise ValueError(f"compile needs {needs}: got {got}") from error
    return cast("nn.Module", torch.compile(network))


def adam(network: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Adam with weight decay on the weight matrices and kernels of layers only.

    Biases, norms, class tokens, position embeddings and the branches' gates do not decay.
    """
    decays: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        kernel = parameter.squeeze().ndim > 1 and name.rpartition(".")[2].startswith("weight")
        (decays if kernel else others).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decays, "weight_decay": weight_decay},
        {"params": others},
    ]
    return torch.optim.Adam(groups, lr=lr, fused=True)
