"""Training: `fit` is a loop you can look into, one record an epoch, stopped and resumed at will.

Source: section 3, "Dataset and Implementations": Adam, learning rate 1e-4, weight decay 1e-4,
batches of 4, 100 epochs.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn
from tqdm.auto import tqdm

from csglib.data.clips import network_input
from csglib.data.cohort import ClipSet
from csglib.runs import Epoch, run_in

if TYPE_CHECKING:  # four seconds to import: for those who train only
    from lightning.fabric import Fabric


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train. Where nothing is said, as the paper does.

    Attributes:
        folder: where the run is kept, for instance runs/first.
        epochs: passes over the training clips.
        batch: clips a step.
        rate: learning rate of Adam.
        decay: weight decay; biases, norms, the class token and the shares of branches have none.
        seed: decides the order of the clips.
        precision: "32-true", or "bf16-mixed" where the machine multiplies bfloat16 fast.

    Raises:
        ValueError: a number that cannot be; says which.
    """

    folder: Path
    epochs: int = 100
    batch: int = 4
    rate: float = 1e-4
    decay: float = 1e-4
    seed: int = 0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.rate <= 0 or self.decay < 0:
            raise ValueError(
                "a plan needs at least one epoch, one clip a step, a rate above 0 and decay of at "
                f"least 0: got {self.epochs}, {self.batch}, {self.rate}, {self.decay}"
            )


SMOKE = Plan(folder=Path("runs/smoke"), epochs=12, batch=8, rate=1e-3)
"""Enough for `TINY` to learn 64 small clips on two cores; not enough to judge it."""


def fit(model: nn.Module, train: ClipSet, validation: ClipSet, plan: Plan) -> Iterator[Epoch]:
    """Train, one record an epoch; stop taking records whenever you like, and call again to go on.

    A run that was stopped or killed first yields the records it has, then goes on from its last
    whole epoch, to the same weights as an undisturbed one. See `csglib.runs` for what it leaves.

    Args:
        model: takes (b, 3, t, y, x), gives (b, classes); trained in place. If it has `votes`, the
            logits of several judges, it lowers the mean of their losses.
        train: clips to learn from.
        validation: clips to watch; no patient of theirs is in `train`.
        plan: how.

    Raises:
        ValueError: a patient on both sides, or a folder with another run in it; raised when the
            first record is asked for, before anything is written.
        FloatingPointError: the loss is no number any more; says at which step and on which clips.
    """
    from lightning.fabric import Fabric  # noqa: PLC0415  # slow to import, see above

    if shared := set(train.patients) & set(validation.patients):
        raise ValueError(f"patient {min(shared)} is among the training and the validation clips")
    with run_in(plan.folder, _facts(plan, train, model)) as run:
        fabric = Fabric(accelerator="auto", devices=1, precision=plan.precision)
        adam = _adam(model, plan)
        network, optimizer = fabric.setup(model, adam)
        if hasattr(model, "votes"):
            network.mark_forward_method("votes")
        records = run.resume(model, adam)
        yield from list(records)
        steps, done = -(-len(train) // plan.batch), len(records)
        with tqdm(total=plan.epochs * steps, initial=done * steps, desc="training") as bar:
            for epoch in range(done + 1, plan.epochs + 1):
                start = time.perf_counter()
                batches = _shuffled(train, plan, epoch, bar)
                learned = _learn(fabric, network, optimizer, batches)
                watched = _watch(network, validation, plan.batch)
                records.append(Epoch(epoch, *learned, *watched, time.perf_counter() - start))
                run.save(model, adam, records)
                bar.set_postfix(loss=f"{learned[0]:.3f}", accuracy=f"{learned[1]:.0%}")
                yield records[-1]
        run.finish(predict(network, validation.frames, plan.batch), validation)


@torch.no_grad()
def predict(
    network: nn.Module, frames: UInt8[ndarray, "clips t y x"], batch: int = 8
) -> Float[Tensor, "clips classes"]:
    """Logits of each clip, on the CPU; the network is left in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device
    parts = [
        network(network_input(frames[first : first + batch]).to(device)).float().cpu()
        for first in range(0, len(frames), batch)
    ]
    return torch.cat(parts)


def _learn(
    fabric: "Fabric",
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[ClipSet],
) -> tuple[float, float]:
    """One pass; mean loss and accuracy as the network was when it saw each clip."""
    network.train()
    losses, hits, seen = 0.0, 0, 0
    for batch in batches:
        clips = fabric.to_device(network_input(batch.frames))
        grades = fabric.to_device(torch.from_numpy(batch.grades))
        with fabric.autocast():  # a call of anything but `forward` is not seen by Fabric
            votes = _votes(network, clips).float()
        loss = F.cross_entropy(votes.flatten(0, 1), grades.repeat(len(votes)))
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss.item()} after {seen} clips of this epoch, on clips of "
                f"{', '.join(batch.patients)}: a lower rate than the plan's may help"
            )
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses += loss.item() * len(batch)
        hits += int((votes.sum(0).argmax(1) == grades).sum())
        seen += len(batch)
    return losses / seen, hits / seen


def _votes(network: nn.Module, clips: Tensor) -> Float[Tensor, "judges b classes"]:
    """Logits of each judge; most networks have a single one."""
    votes = getattr(network, "votes", None)
    return network(clips)[None] if votes is None else votes(clips)


def _watch(network: nn.Module, clips: ClipSet, batch: int) -> tuple[float, float]:
    """Loss and accuracy on clips that are not learned from."""
    logits, grades = predict(network, clips.frames, batch), torch.from_numpy(clips.grades)
    hits = logits.argmax(1) == grades
    return F.cross_entropy(logits, grades).item(), hits.float().mean().item()


def _shuffled(train: ClipSet, plan: Plan, epoch: int, bar: "tqdm[None]") -> Iterator[ClipSet]:
    """The clips in an order that seed and epoch decide alone: a resumed run sees the same."""
    order = np.random.default_rng([plan.seed, epoch]).permutation(len(train))
    for first in range(0, len(train), plan.batch):
        yield train.choose(order[first : first + plan.batch])
        bar.update()


def _adam(model: nn.Module, plan: Plan) -> torch.optim.Adam:
    matrices = [p for p in model.parameters() if p.squeeze().ndim > 1]
    vectors = [p for p in model.parameters() if p.squeeze().ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": plan.decay},
        {"params": vectors},
    ]
    return torch.optim.Adam(groups, lr=plan.rate)


def _facts(plan: Plan, train: ClipSet, model: nn.Module) -> dict[str, str]:
    """What decides the weights after each epoch; how many epochs there will be does not."""
    facts = {name: str(value) for name, value in asdict(plan).items()}
    del facts["folder"], facts["epochs"]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return facts | {"training clips": train.fingerprint, "parameters": str(parameters)}
