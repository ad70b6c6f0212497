"""Training: `fit` is a loop you can look into, one record an epoch, stopped and resumed at will.

Source: section 3, "Dataset and Implementations": Adam, learning rate 1e-4, weight decay 1e-4,
batches of 4, 100 epochs.
"""

import atexit
import gc
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn
from tqdm.auto import tqdm

from csglib.data.augment import draw_augmentation
from csglib.data.clips import network_input
from csglib.data.cohort import ClipSet
from csglib.train.config import SMOKE, TrainConfig
from csglib.train.runs import Epoch, Run, run_in
from csglib.train.step import Ballot, Step, adam_of, compiled, shards

if TYPE_CHECKING:  # four seconds to import: for those who train only
    from lightning.fabric import Fabric


__all__ = ["SMOKE", "TrainConfig", "fit", "leads", "predict"]


def fit(
    model: nn.Module, train: ClipSet, validation: ClipSet, plan: TrainConfig
) -> Iterator[Epoch]:
    """Train, one record an epoch; stop taking records whenever you like, and call again to go on.

    A run that was stopped or killed first yields the records it has, then goes on from its last
    whole epoch, to the same weights as an undisturbed one. See `csglib.train.runs` for what it
    leaves.

    Args:
        model: takes (b, 3, t, y, x), gives (b, classes); trained in place. If it has `votes`, the
            logits of several judges, it lowers the mean of their losses.
        train: clips to learn from.
        validation: clips to watch; no patient of theirs is in `train`.
        plan: how.

    Raises:
        ValueError: a patient on both sides, or a folder with another run in it; raised when the
            first record is asked for, before anything is written. So is a plan to compile where
            that cannot be.
        FloatingPointError: the loss is no number any more; says at which step of the epoch and on
            which clips.
        torch.OutOfMemoryError: memory does not do for a single clip.
    """
    _check(train, validation, plan)
    fabric = _fabric(plan)
    facts = _facts(plan, train, model, fabric.world_size)
    first = fabric.is_global_zero  # the process that writes
    ballot = compiled(Ballot(model), fabric.device) if plan.compiled else Ballot(model)
    in_shards = plan.memory == "shared" and fabric.world_size > 1
    with run_in(plan.folder, facts) if first else nullcontext(Run(plan.folder)) as run:
        fabric.barrier()
        adam = adam_of(model, plan.rate, plan.decay, in_shards)
        network, optimizer = fabric.setup(ballot, adam)
        records = run.resume(model, adam)
        yield from list(records)
        step = Step(fabric, network, optimizer, plan.loss)
        for record in _epochs(step, model, train, validation, plan, len(records)):
            records.append(record)
            if in_shards:
                adam.consolidate_state_dict()  # type: ignore[attr-defined]  # see `adam_of`
            if first:
                run.save(model, adam, records, newest=plan.course != "constant")
            yield record
        logits = _shared_out(fabric, model, validation, plan.batch)
        if first:
            run.finish(logits, validation)


def _epochs(
    step: Step, model: nn.Module, train: ClipSet, validation: ClipSet, plan: TrainConfig, done: int
) -> Iterator[Epoch]:
    """The epochs that are left."""
    fabric, steps = step.fabric, -(-len(train) // plan.batch)
    quiet = not fabric.is_global_zero
    with tqdm(
        total=plan.epochs * steps, initial=done * steps, desc="training", disable=quiet
    ) as bar:
        for epoch in range(done + 1, plan.epochs + 1):
            start = time.perf_counter()
            step.network.train()
            with torch.random.fork_rng():  # so that a resumed run draws the same
                torch.manual_seed(_seed(plan.seed, epoch, fabric.global_rank))
                rates = plan.rates(epoch, steps)
                learned = _epoch(step, _shuffled(train, plan, epoch), rates, bar)
            watched = _watch(fabric, model, validation, plan.batch)
            yield Epoch(epoch, *learned, *watched, time.perf_counter() - start)


def _check(train: ClipSet, validation: ClipSet, plan: TrainConfig) -> None:
    if shared := set(train.patients) & set(validation.patients):
        raise ValueError(f"patient {min(shared)} is among the training and the validation clips")
    if plan.loss.grade_weights and len(plan.loss.grade_weights) != len(train.grade_names):
        raise ValueError(
            f"a weight for each of the grades {', '.join(train.grade_names)} is wanted: got "
            f"{plan.loss.grade_weights}"
        )


def _fabric(plan: TrainConfig) -> "Fabric":
    """One process, or as many as torchrun has started; one device each."""
    from lightning.fabric import Fabric  # noqa: PLC0415  # slow to import, see above

    here, everywhere = (
        int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE")
    )
    fabric = Fabric(
        accelerator="auto", devices=here, num_nodes=everywhere // here, precision=plan.precision
    )
    if plan.memory == "shared":
        shards()  # a group that is there at its import stays for good, as a default in there
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_part)  # not in `fit`: another may follow in the same processes
    return fabric


def _part() -> None:
    """End the group of processes while Python still runs.

    Gloo's threads let go of the last tensors when it suits them. If Python is on its way out by
    then, it ends them on the spot, and C++ takes that for a crash. For NCCL, Lightning does this.
    """
    gc.collect()  # the threads end with the last reference; compiled code leaves some in rings
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def leads() -> bool:
    """Whether this process, of those that torchrun has started, is the one that writes."""
    return os.environ.get("RANK", "0") == "0"


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


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _epoch(
    step: Step, batches: Iterator[ClipSet], rates: list[float], bar: "tqdm[None]"
) -> tuple[float, float]:
    """One pass; mean loss and accuracy as the network was when it saw each clip."""
    tally = np.zeros(3)
    for number, (batch, rate) in enumerate(zip(batches, rates, strict=True), start=1):
        for group in step.optimizer.param_groups:
            group["lr"] = rate
        try:
            tally += step(batch)
        except FloatingPointError as error:
            raise FloatingPointError(
                f"step {number} of the epoch: {error}; a lower rate than the plan's may help"
            ) from error
        loss, hits, clips = tally / tally[2]
        bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{hits:.0%}", refresh=False)
        bar.update()
    loss, hits, clips = _summed(step.fabric, torch.from_numpy(tally)).tolist()
    return loss / clips, hits / clips


def _watch(fabric: "Fabric", model: nn.Module, clips: ClipSet, batch: int) -> tuple[float, float]:
    """Loss and accuracy on clips that are not learned from."""
    logits, grades = _shared_out(fabric, model, clips, batch), torch.from_numpy(clips.grades)
    hits = logits.argmax(1) == grades
    return F.cross_entropy(logits, grades).item(), hits.float().mean().item()


def _shared_out(
    fabric: "Fabric", model: nn.Module, clips: ClipSet, batch: int
) -> Float[Tensor, "clips classes"]:
    """`predict`, each process a share; all of them get all logits."""
    for statistic in model.buffers():  # of norms: each process has taken those of its own clips
        statistic.copy_(fabric.broadcast(statistic))
    mine = slice(fabric.global_rank, None, fabric.world_size)
    with fabric.autocast():
        part = predict(model, clips.frames[mine], batch)
    logits = torch.zeros(len(clips), part.shape[1])
    logits[mine] = part
    return _summed(fabric, logits)


def _summed(fabric: "Fabric", mine: Tensor) -> Tensor:
    """Over all processes."""
    summed = fabric.all_reduce(mine, reduce_op="sum")
    assert isinstance(summed, Tensor), "as one came"
    return summed.cpu()


def _shuffled(train: ClipSet, plan: TrainConfig, epoch: int) -> Iterator[ClipSet]:
    """The clips in an order that seed and epoch decide alone: a resumed run sees the same."""
    chance = np.random.default_rng([plan.seed, epoch])
    order = chance.permutation(len(train))
    for first in range(0, len(train), plan.batch):
        batch = train.choose(order[first : first + plan.batch])
        if plan.augmented:
            changed = [draw_augmentation(chance).apply(frames) for frames in batch.frames]
            batch = replace(batch, frames=np.stack(changed))
        yield batch


def _facts(plan: TrainConfig, train: ClipSet, model: nn.Module, processes: int) -> dict[str, str]:
    """What decides the weights after each epoch.

    How many epochs there will be does not, as long as the rate takes no heed of the end. Compiling
    does: it rounds otherwise and draws other numbers, so a run that went on without it would not
    end as an undisturbed one. It is told with the precision, of which older runs tell too.
    """
    facts = {name: str(value) for name, value in asdict(plan).items()}
    del facts["folder"], facts["memory"], facts["compiled"]
    if plan.compiled:
        facts["precision"] += ", compiled"
    if plan.course == "constant":
        del facts["epochs"]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return facts | {
        "training clips": train.fingerprint,
        "parameters": str(parameters),
        "processes": str(processes),
    }
