"""A training run on disk, with everything that is needed to resume it exactly.

Not in the paper. resume.safetensors is the checkpoint that counts and is replaced after each epoch.
For readers there are config.json, epochs.csv, last.safetensors, best.safetensors, predictions.csv
of the validation clips by the best weights, and progress.json for those who watch, without a lock.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn
from torch.optim import Optimizer

from csglib.data.atomic import replacing, write_csv
from csglib.data.cohort import ClipSet
from csglib.model.weights import read_weights, write_weights
from csglib.train.config import TrainConfig
from csglib.train.predictions import Predictions

PROGRESS, VALIDATION = "progress.json", "predictions.csv"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # Adam's state of each parameter


@dataclass(frozen=True)
class Epoch:
    """Mean results of one pass over the clips. Losses are cross-entropies, in nats."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    # of each validation clip and grade; runs of older versions have none
    probabilities: list[list[float]] = field(default_factory=list, repr=False, hash=False)

    def metrics(self) -> dict[str, float]:
        """Its numbers by name, as loggers take them: `wandb.log(epoch.metrics())`."""
        return {name: value for name, value in vars(self).items() if isinstance(value, float)}


def fingerprint(
    config: TrainConfig, train: ClipSet, model: nn.Module, processes: int
) -> dict[str, str]:
    """What decides the weights after each epoch; kept in config.json.

    With a constant learning rate the number of epochs does not: such a run can be made longer.
    Compiling does, because it changes rounding and random numbers.
    """
    others = {"folder", "device", "patience", "activation_checkpointing"}
    others |= {"epochs"} if config.schedule == "constant" else set()
    others |= {"micro_batches"} if config.micro_batches == 1 else set()  # as in older runs
    facts = {name: str(value) for name, value in vars(config).items() if name not in others}
    facts |= {"training clips": train.fingerprint, "processes": str(processes)}
    return facts | {"parameters": str(sum(one.numel() for one in model.parameters()))}


def read_config(folder: Path) -> dict[str, str]:
    """The `fingerprint` of a run; a ValueError if there is none."""
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} holds no run: wanted config.json of `csglib train`")
    return dict(json.loads((folder / "config.json").read_text()))


@contextmanager
def run_in(folder: Path, facts: dict[str, str]) -> Iterator[None]:
    """Lock a run's folder for this process; the lock ends with the process, even if killed.

    Raises:
        ValueError: the folder holds a run of another `fingerprint` (the message says what differs),
            or another process or loop is training in it.
    """
    found = read_config(folder) if (folder / "config.json").is_file() else facts
    for name in sorted(found.keys() | facts.keys()):
        if found.get(name) != facts.get(name):
            came = f"{name}={found.get(name)} instead of {facts.get(name)}"
            raise ValueError(f"{folder} holds another run, with {came}: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for unfinished in folder.glob(".*.part"):  # of a process that was killed
                unfinished.unlink()
            with replacing(folder / "config.json") as file:
                file.write(json.dumps(facts, indent=2, sort_keys=True).encode())
            yield
    except Timeout:
        came = "another process, or an unfinished loop over fit() in this one, is training in it"
        raise ValueError(f"{came}: end that one, or name another folder than {folder}") from None


def resume(folder: Path, model: nn.Module, adam: Optimizer) -> list[Epoch]:
    """Load model and optimiser as after the last complete epoch; its records, if any."""
    path = folder / "resume.safetensors"
    if not path.is_file():
        return []
    tensors, notes = read_weights(path)
    try:
        if notes.get("run", own := (folder / "config.json").read_text()) != own:
            raise ValueError("another config.json belongs to it")
        weights = {name: t for name, t in tensors.items() if name.startswith("model.")}
        model.load_state_dict({n.removeprefix("model."): t for n, t in weights.items()})
        for name, parameter in model.named_parameters():
            for moment in _MOMENTS:
                saved = tensors[f"adam.{name}.{moment}"]
                # fused Adam wants the parameter's device and memory format
                like = saved if moment == "step" else parameter.detach()
                adam.state[parameter][moment] = torch.empty_like(like, device=parameter.device)
                adam.state[parameter][moment].copy_(saved)
        return [Epoch(**record) for record in json.loads(notes["records"])]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is of another run, or damaged: delete it ({error})") from error


def best_epoch(config: TrainConfig, records: list[Epoch]) -> int:
    """Of the lowest validation loss; with a schedule that decays to 0 the last; 0 before any."""
    if config.schedule != "constant":
        return len(records)
    return min(records, key=lambda one: (one.validation_loss, -one.epoch)).epoch if records else 0


def last_epoch(config: TrainConfig, records: list[Epoch]) -> int:
    """The epoch to stop after: the newest if the patience is over, else that of the config."""
    waited = len(records) - best_epoch(config, records)
    return len(records) if config.patience and waited >= config.patience else config.epochs


def progress(config: TrainConfig, clips: ClipSet, records: list[Epoch]) -> dict[str, Any]:
    """What a dashboard shows of a run; `best` is the epoch of best.safetensors, 0 before any."""
    return {
        "epochs": last_epoch(config, records),
        "names": list(clips.grade_names),
        "grades": clips.grades.tolist(),
        "patients": list(clips.patients),
        "best": best_epoch(config, records),
        "records": [asdict(record) for record in records],
    }


def save(
    config: TrainConfig, model: nn.Module, adam: Optimizer, clips: ClipSet, records: list[Epoch]
) -> None:
    """Save the epoch that has just ended; `clips` are those of the validation."""
    folder, weights, told = config.folder, model.state_dict(), progress(config, clips, records)
    note = {"epoch": str(len(records))}
    if len(records) == told["best"]:
        write_weights(folder / "best.safetensors", weights, note)
        logits = torch.tensor(records[-1].probabilities, dtype=torch.float64).log()
        Predictions.of(logits, clips).write(folder / VALIDATION)
    state = {f"model.{name}": tensor for name, tensor in weights.items()}
    for name, parameter in model.named_parameters():
        for moment in _MOMENTS:
            state[f"adam.{name}.{moment}"] = adam.state[parameter][moment]
    own = {"records": json.dumps(told["records"]), "run": (folder / "config.json").read_text()}
    write_weights(folder / "resume.safetensors", state, own)
    write_weights(folder / "last.safetensors", weights, note)
    rows = ([record.epoch, *record.metrics().values()] for record in records)
    write_csv(folder / "epochs.csv", ["epoch", *records[0].metrics()], rows)
    with replacing(folder / PROGRESS) as file:
        file.write(json.dumps(told).encode())
