"""A training run on disk, with everything that is needed to resume it exactly.

Not in the paper. resume.safetensors is the checkpoint that counts and is replaced after each epoch.
For readers there are config.json, epochs.csv, last.safetensors, best.safetensors, progress.json for
those who watch, without a lock, and, at the end, predictions.csv of the validation clips.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from csglib.data.atomic import replacing, write_csv
from csglib.data.cohort import ClipSet
from csglib.model.weights import read_weights, write_weights
from csglib.train.config import TrainConfig

PROGRESS = "progress.json"
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


def fingerprint(
    config: TrainConfig, train: ClipSet, model: nn.Module, processes: int
) -> dict[str, str]:
    """What decides the weights after each epoch; kept in config.json.

    With a constant learning rate the number of epochs does not: such a run can be made longer.
    Compiling does, because it changes rounding and random numbers.
    """
    facts = {name: str(value) for name, value in vars(config).items()}
    del facts["folder"], facts["device"]
    if config.schedule == "constant":
        del facts["epochs"]
    parameters = str(sum(parameter.numel() for parameter in model.parameters()))
    facts |= {"training clips": train.fingerprint, "parameters": parameters}
    return facts | {"processes": str(processes)}


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
    new = not (folder / "config.json").is_file()
    if not new:
        _refuse_other_run(folder, read_config(folder), facts)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for unfinished in folder.glob(".*.part"):  # of a process that was killed
                unfinished.unlink()
            if new:
                with replacing(folder / "config.json") as file:
                    file.write(json.dumps(facts, indent=2).encode())
            yield
    except Timeout:
        raise ValueError(
            f"{folder} is in use: another process is training in it, or an unfinished loop over "
            "fit() in this one; end that one, or name another folder"
        ) from None


def resume(folder: Path, model: nn.Module, adam: torch.optim.Optimizer) -> list[Epoch]:
    """Load model and optimiser as after the last complete epoch; records so far, if any."""
    path = folder / "resume.safetensors"
    if not path.is_file():
        return []
    tensors, notes = read_weights(path)
    weights = {name: t for name, t in tensors.items() if name.startswith("model.")}
    model.load_state_dict({n.removeprefix("model."): t for n, t in weights.items()})
    state: dict[int, dict[str, Tensor]] = {}
    for index, (name, parameter) in enumerate(_parameters(model, adam)):
        state[index] = {}
        for moment in _MOMENTS:
            saved = tensors[f"adam.{name}.{moment}"]
            # fused Adam wants the parameter's device and memory format
            like = saved if moment == "step" else parameter
            state[index][moment] = torch.empty_like(like, device=parameter.device).copy_(saved)
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
    return [Epoch(**record) for record in json.loads(notes["records"])]


def progress(config: TrainConfig, clips: ClipSet, records: list[Epoch]) -> dict[str, Any]:
    """What a dashboard shows of a run; `best` is the epoch of best.safetensors, 0 before any."""
    constant = config.schedule == "constant"  # else the newest weights count as the best
    best = sorted(records, key=lambda one: (one.validation_loss if constant else 0, -one.epoch))
    return {
        "epochs": config.epochs,
        "names": list(clips.grade_names),
        "grades": clips.grades.tolist(),
        "patients": list(clips.patients),
        "best": best[0].epoch if best else 0,
        "records": [asdict(record) for record in records],
    }


def save(folder: Path, model: nn.Module, adam: torch.optim.Optimizer, told: dict[str, Any]) -> None:
    """Save the epoch that has just ended, the last of the `progress`."""
    weights, records = model.state_dict(), told["records"]
    note = {"epoch": str(len(records))}
    if len(records) == told["best"]:
        write_weights(folder / "best.safetensors", weights, note)
    state = {f"model.{name}": tensor for name, tensor in weights.items()}
    moments = adam.state_dict()["state"]
    for index, (name, _) in enumerate(_parameters(model, adam)):
        for moment in _MOMENTS:
            state[f"adam.{name}.{moment}"] = moments[index][moment]
    write_weights(folder / "resume.safetensors", state, {"records": json.dumps(records)})
    write_weights(folder / "last.safetensors", weights, note)
    header, *rows = records[0], *(record.values() for record in records)  # probabilities last
    write_csv(folder / "epochs.csv", [*header][:-1], ([*row][:-1] for row in rows))
    with replacing(folder / PROGRESS) as file:
        file.write(json.dumps(told).encode())


def _parameters(
    model: nn.Module, adam: torch.optim.Optimizer
) -> Iterator[tuple[str, nn.Parameter]]:
    """In the order in which the optimiser counts them."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    for group in adam.param_groups:
        yield from ((names[parameter], parameter) for parameter in group["params"])


def _refuse_other_run(folder: Path, found: dict[str, str], wanted: dict[str, str]) -> None:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise ValueError(
                f"{folder} holds another run, with {name}={found.get(name)} instead of "
                f"{wanted.get(name)}: name another folder, or delete that one"
            )
