"""A training run on disk: everything it needs to go on as if nothing had happened.

Not in the paper. resume.safetensors is the truth of a run and is replaced once an epoch. There are
for readers plan.json, epochs.csv, last.safetensors, best.safetensors and, at the end,
predictions.csv of the validation clips.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.atomic import replacing
from csglib.data.cohort import ClipSet
from csglib.model.weights import read_weights, write_weights
from csglib.train.predictions import Predictions

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what Adam remembers of each parameter


@dataclass(frozen=True)
class Epoch:
    """What one pass over the clips came to. Losses are cross-entropies, in nats."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@contextmanager
def run_in(folder: Path, facts: dict[str, str]) -> Iterator["Run"]:
    """Hold a run's folder for this process alone; a killed process holds it no longer.

    Args:
        folder: made when it is not there.
        facts: what decides the result; written to plan.json and compared when the run goes on.

    Raises:
        ValueError: the folder holds a run of other facts, and says which differ; or another
            process, or a loop that was left standing in this one, is training in it.
    """
    if (folder / "plan.json").is_file():
        _compare(folder, json.loads((folder / "plan.json").read_text()), facts)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            if not (folder / "plan.json").is_file():
                with replacing(folder / "plan.json") as file:
                    file.write(json.dumps(facts, indent=2).encode())
            yield Run(folder)
    except Timeout:
        raise ValueError(
            f"{folder} is being trained in by another process, or by a loop of this one that was "
            "left standing: end that one, or name another folder"
        ) from None


class Run:
    """The folder of one run; whoever writes to it holds it by `run_in`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resume(self, model: nn.Module, adam: torch.optim.Optimizer) -> list[Epoch]:
        """Bring model and optimiser to the last whole epoch; its records, none for a new run."""
        path = self.folder / "resume.safetensors"
        if not path.is_file():
            return []
        tensors, notes = read_weights(path)
        model.load_state_dict(_part(tensors, "model."))
        state: dict[int, dict[str, Tensor]] = {}
        for place, (name, parameter) in enumerate(_named(model, adam)):
            state[place] = {}
            for moment, value in _part(tensors, f"adam.{name}.").items():
                like = value if moment == "step" else parameter  # fused, all are on one device
                kept = torch.empty_like(like, device=parameter.device)
                state[place][moment] = kept.copy_(value)
        adam.load_state_dict({"state": state, "param_groups": _groups(adam)})
        return [Epoch(**record) for record in json.loads(notes["records"])]

    def save(
        self, model: nn.Module, adam: torch.optim.Optimizer, records: list[Epoch], newest: bool
    ) -> None:
        """Keep the epoch that has just ended.

        Args:
            model: as it is now.
            adam: likewise; if processes share it, it has been put together in this one.
            records: of all epochs.
            newest: whether the newest weights are the best, whatever the validation loss.
        """
        weights = model.state_dict()
        last = records[-1]
        if newest or last.validation_loss <= min(record.validation_loss for record in records):
            write_weights(self.folder / "best.safetensors", weights, {"epoch": str(last.epoch)})
        state = {f"model.{name}": tensor for name, tensor in weights.items()}
        moments = adam.state_dict()["state"]
        for place, (name, _) in enumerate(_named(model, adam)):
            for moment in _MOMENTS:
                state[f"adam.{name}.{moment}"] = moments[place][moment]
        notes = {"records": json.dumps([asdict(record) for record in records])}
        write_weights(self.folder / "resume.safetensors", state, notes)
        write_weights(self.folder / "last.safetensors", weights, {"epoch": str(last.epoch)})
        self._table("epochs.csv", [asdict(record) for record in records])

    def finish(self, logits: Float[Tensor, "clips classes"], clips: ClipSet) -> None:
        """Keep what the network says about each clip, and whose it is."""
        Predictions.of(logits, clips).write(self.folder / "predictions.csv")

    def _table(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, rows[0])
        table.writeheader()
        table.writerows(rows)
        with replacing(self.folder / name) as file:
            file.write(text.getvalue().encode())


def _named(model: nn.Module, adam: torch.optim.Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """In the order in which the optimiser counts them."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    for group in adam.param_groups:
        yield from ((names[parameter], parameter) for parameter in group["params"])


def _groups(adam: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """As `state_dict` has them, which an optimiser in shards cannot be asked for at first."""
    counted = count()
    return [
        {**group, "params": [next(counted) for _ in group["params"]]} for group in adam.param_groups
    ]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _compare(folder: Path, found: dict[str, str], wanted: dict[str, str]) -> None:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise ValueError(
                f"{folder} holds another run, of {name}={found.get(name)} where {wanted.get(name)} "
                "is asked for: name another folder, or delete that one"
            )
