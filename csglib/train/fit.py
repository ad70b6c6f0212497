"""The training loop: `fit` is a generator, one record per epoch, stopped and resumed at will.

Source: section 3, "Dataset and Implementations".
"""

import atexit
import gc
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm.auto import tqdm

from csglib.data.augment import draw_augmentation
from csglib.data.cohort import ClipSet
from csglib.data.normalise import network_input
from csglib.model.csg3dct import CSG3DCT
from csglib.train.batch_norm import SyncBatchNorm
from csglib.train.config import TrainConfig
from csglib.train.runs import Epoch, fingerprint, last_epoch, resume, run_in, save
from csglib.train.step import HeadLogits, TrainStep, adam, compiled

if TYPE_CHECKING:  # seconds to import, and needed for training only
    from lightning_fabric import Fabric


def fit(
    model: nn.Module, train: ClipSet, validation: ClipSet, config: TrainConfig
) -> Iterator[Epoch]:
    """Train, yielding one record per epoch; stop iterating at any time, call again to resume.

    A run that was stopped or killed first yields the records it has, then continues after its last
    complete epoch, to weights that are bit-identical to those of an uninterrupted run. The model is
    trained in place; if it has a method `head_logits`, the loss is the mean of the heads'
    cross-entropies. `csglib.train.runs` says which files are written.

    Raises:
        ValueError: a patient in both sets, a folder that holds another run, a device or compiler
            that is not there, or `activation_checkpointing` of another network than CSG-3DCT;
            raised before anything is written.
        FloatingPointError: the loss is NaN or infinite; names the patients.
        MemoryError: a step needs more memory than the GPU has.
    """
    if shared := set(train.patients) & set(validation.patients):
        raise ValueError(f"patient {min(shared)} is among the training and the validation clips")
    fabric = _fabric(config)
    main = fabric.is_global_zero  # it writes
    module = _prepared(model, config, fabric)
    facts = fingerprint(config, train, model, fabric.world_size)
    with run_in(config.folder, facts) if main else nullcontext():
        fabric.barrier()
        optimizer = adam(model, config.lr, config.weight_decay)
        step = TrainStep(fabric, config.micro_batches, *fabric.setup(module, optimizer))
        records = resume(config.folder, model, optimizer)
        yield from list(records)
        steps, done = -(-len(train) // config.batch_size), len(records)
        total = config.epochs * steps
        with tqdm(total=total, initial=done * steps, desc="training", disable=not main) as bar:
            while (epoch := len(records) + 1) <= last_epoch(config, records):
                start = time.perf_counter()
                with torch.random.fork_rng():  # a resumed run draws the same random numbers
                    seeds = np.random.SeedSequence([config.seed, epoch, fabric.global_rank])
                    torch.manual_seed(int(seeds.generate_state(1)[0]))
                    trained = _train(step, _batches(train, config, epoch), config, epoch, bar)
                scores, rows = _validate(fabric, model, validation, config.batch_size)
                records.append(Epoch(epoch, *trained, *scores, time.perf_counter() - start, rows))
                if main:
                    save(config, model, optimizer, validation, records)
                yield records[-1]


@torch.no_grad()
def predict(
    network: nn.Module, frames: UInt8[ndarray, "clips t y x"], batch_size: int = 8
) -> Float[Tensor, "clips classes"]:
    """Logits of each clip, on the CPU; leaves the network in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device
    parts = [
        network(network_input(frames[first : first + batch_size]).to(device)).float().cpu()
        for first in range(0, len(frames), batch_size)
    ]
    return torch.cat(parts)


def is_main_process() -> bool:
    """Whether this process is the one that writes, of those that torchrun has started."""
    return os.environ.get("RANK", "0") == "0"


def _fabric(config: TrainConfig) -> "Fabric":
    """One process, or as many as torchrun has started; one device each."""
    from lightning_fabric import Fabric  # noqa: PLC0415  # slow to import, see above

    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, and torch finds no GPU here: use cpu or auto")
    local, total = (int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    nodes, kind = total // local, config.device
    fabric = Fabric(accelerator=kind, devices=local, num_nodes=nodes, precision=config.precision)
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_destroy_process_group)  # not in `fit`, which may be called again
    return fabric


def _prepared(model: nn.Module, config: TrainConfig, fabric: "Fabric") -> nn.Module:
    """The module that takes training steps; it changes the model, but no weight of it."""
    if isinstance(model, CSG3DCT):
        model.activation_checkpointing = config.activation_checkpointing
    elif config.activation_checkpointing:
        raise ValueError(f"activation_checkpointing is for CSG-3DCT: got {type(model).__name__}")
    for module in model.modules() if fabric.world_size > 1 else ():
        if isinstance(module, _BatchNorm):
            module.__class__ = SyncBatchNorm  # weights and statistics stay
    return compiled(HeadLogits(model), fabric.device) if config.compile else HeadLogits(model)


def _destroy_process_group() -> None:
    """Before Python exits: threads of gloo release their last tensors late, and would abort."""
    gc.collect()  # the threads end with the last reference; compiled code leaves some in cycles
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _train(
    step: TrainStep, batches: Iterator[ClipSet], config: TrainConfig, epoch: int, bar: "tqdm[None]"
) -> tuple[float, float]:
    """One epoch; mean loss and accuracy, of the weights as they were at each step."""
    step.network.train()
    sums = np.zeros(3)
    rates = config.learning_rates(epoch, bar.total // config.epochs)
    for batch, lr in zip(batches, rates, strict=True):
        for group in step.optimizer.param_groups:
            group["lr"] = lr
        try:
            sums += step(batch)
        except torch.OutOfMemoryError as error:
            said = f"raise micro_batches ({config.micro_batches}), or set activation_checkpointing"
            raise MemoryError(f"a step does not fit into memory: {said}") from error
        loss, correct, clips = sums / max(sums[2], 1)
        bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{correct:.0%}", refresh=False)
        bar.update()
    total: Any = step.fabric.all_reduce(torch.from_numpy(sums), reduce_op="sum")
    loss, correct, clips = total.tolist()
    return loss / clips, correct / clips


def _validate(
    fabric: "Fabric", model: nn.Module, clips: ClipSet, batch_size: int
) -> tuple[tuple[float, float], list[list[float]]]:
    """Loss, accuracy, and the probabilities of each clip, to six digits; processes share clips."""
    mine = slice(fabric.global_rank, None, fabric.world_size)
    with fabric.autocast():
        part = predict(model, clips.frames[mine], batch_size)
    shared = torch.zeros(len(clips), part.shape[1])
    shared[mine] = part
    total: Any = fabric.all_reduce(shared, reduce_op="sum")
    logits, grades = total.cpu(), torch.from_numpy(clips.grades)
    accuracy = (logits.argmax(1) == grades).float().mean().item()
    rows = [[round(p, 6) for p in row] for row in logits.double().softmax(1).tolist()]
    return (F.cross_entropy(logits, grades).item(), accuracy), rows


def _batches(train: ClipSet, config: TrainConfig, epoch: int) -> Iterator[ClipSet]:
    """The epoch's batches; seed and epoch alone decide their order and their augmentation."""
    rng = np.random.default_rng([config.seed, epoch])
    order = rng.permutation(len(train))
    for first in range(0, len(train), config.batch_size):
        batch = train.choose(order[first : first + config.batch_size])
        if config.augment:
            frames = [draw_augmentation(rng).apply(frames) for frames in batch.frames]
            batch = replace(batch, frames=np.stack(frames))
        yield batch
