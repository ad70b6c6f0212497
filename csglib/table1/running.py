"""Table 1, run by run: cohorts, the 2D parent, and every network times every seed.

Source: Table 1 and section 3. Whatever is done is kept, whatever is not is gone on with.
"""

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from csglib.data.atomic import replacing
from csglib.data.cohort import ClipSet, read_cohort, read_frames
from csglib.model.cost import costs
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CohortSpec
from csglib.table1.budget import BUDGETS, Budget
from csglib.table1.pretrain import forget, pretrain
from csglib.table1.rows import ROWS, Row
from csglib.train.config import Precision, TrainConfig
from csglib.train.experiment import Experiment, trained
from csglib.train.fit import predict

RESULT = "result.json"
_OTHERS = 1_000  # seed of the parent's cohort: other patients than those of the table


@dataclass(frozen=True)
class Table:
    """A folder in which Table 1 grows.

    Args:
        folder: new, or begun with the same budget and start.
        budget: how much of it.
        start: where rows begin that have a 2D parent: "frames" trains one here, "random" does
            without, anything else is a Conformer's checkpoint for `load_conformer`.
    """

    folder: Path
    budget: Budget
    start: str = "frames"

    def check(self, names: Sequence[str], seeds: int) -> None:
        """Refuse what cannot be run.

        Raises:
            ValueError: see `run`.
        """
        unknown = [name for name in names if name not in ROWS]
        if unknown or not names or seeds < 1:
            raise ValueError(
                f"wanted rows of {', '.join(ROWS)}, and one seed or more: got "
                f"{', '.join(names) or 'no row'}, seeds={seeds}"
            )

    def run(self, names: Sequence[str], seeds: int) -> Iterator[tuple[str, int, Path]]:
        """Run rows for seeds 0 to `seeds` - 1; those that are done come at once.

        Args:
            names: keys of `ROWS`.
            seeds: how many of each.

        Yields:
            The row, the seed and the folder of each run that is done.

        Raises:
            ValueError: a name that is no row, no seed, or a folder with another table.
        """
        self.check(names, seeds)
        self._note()
        for seed in range(seeds):
            for name in names:
                yield name, seed, self._done(name, seed)

    def _done(self, name: str, seed: int) -> Path:
        folder, row = self.folder / name / f"seed-{seed}", ROWS[name]
        if (folder / RESULT).is_file():
            return folder
        experiment = Experiment(
            network=row.network,
            frames=row.frames,
            size=self.budget.size,
            init=self._weights(row, seed),
        )
        splits = self._splits(row.frames)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        records = list(experiment.run(splits, self._config(row, folder, seed)))
        found = _measured(experiment, trained(folder), splits["test"])
        found |= {"epochs": len(records), "seconds": sum(record.seconds for record in records)}
        _write(folder / RESULT, found)
        forget(folder)
        return folder

    def _weights(self, row: Row, seed: int) -> str:
        if row.start == "random" or (row.start == "parent" and self.start == "random"):
            return ""
        if row.start == "eight":
            return str(self._done("base", seed) / "best.safetensors")
        return str(self._parent(seed)) if self.start == "frames" else self.start

    def _config(self, row: Row, folder: Path, seed: int) -> TrainConfig:
        config = self.budget.config(folder, seed)
        if row.start != "eight":
            return config
        return replace(config, epochs=self.budget.finetune_epochs, lr=self.budget.finetune_lr)

    def _parent(self, seed: int) -> Path:
        config = self.budget.config(self.folder / "parent" / f"seed-{seed}", seed)
        config = replace(
            config,
            epochs=self.budget.pretrain_epochs,
            batch_size=8 * config.batch_size,
            lr=self.budget.pretrain_lr,
        )
        return pretrain(self._single_frames, config)

    @cached_property
    def _single_frames(self) -> Mapping[str, ClipSet]:
        patients = self.budget.pretrain_patients
        return read_frames(self._cohort("cohort-of-the-parent", 8, patients, seed=_OTHERS))

    def _splits(self, frames: int) -> Mapping[str, ClipSet]:
        if frames not in self._kept:
            folder = self._cohort(f"cohort-{frames}", frames, self.budget.patients, seed=0)
            self._kept[frames] = read_cohort(folder)
        return self._kept[frames]

    @cached_property
    def _kept(self) -> dict[int, Mapping[str, ClipSet]]:
        return {}

    def _cohort(self, name: str, frames: int, patients: int, seed: int) -> Path:
        folder, size = self.folder / name, self.budget.size
        spec = CohortSpec(frames=frames, size=size, seed=seed, patients=patients)
        make_cohort(folder, spec, jobs=os.cpu_count() or 1)
        return folder

    def _note(self) -> None:
        facts = asdict(self.budget) | {"start": self.start}
        path = self.folder / "table.json"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(path, facts)
        elif (found := json.loads(path.read_text())) != facts:
            other = [name for name in facts if found.get(name) != facts[name]]
            raise ValueError(
                f"{self.folder} holds a table of another {other[0]}, {found.get(other[0])}: wanted "
                f"{facts[other[0]]}; name another folder"
            )


def table(folder: Path, budget: str, start: str, precision: Precision | None = None) -> Table:
    """A table by the name of its budget.

    Args:
        folder: see `Table`.
        budget: a name in `BUDGETS`.
        start: see `Table`.
        precision: in place of the budget's.

    Raises:
        ValueError: there is no such budget.
    """
    if budget not in BUDGETS:
        raise ValueError(f"budget must be one of {', '.join(BUDGETS)}: got {budget}")
    chosen = BUDGETS[budget]
    return Table(folder, replace(chosen, precision=precision or chosen.precision), start)


def _measured(experiment: Experiment, network: nn.Module, clips: ClipSet) -> dict[str, object]:
    """What a clip costs: counted, and, of speed and memory, as this machine has it."""
    whole = costs(network, [""], experiment.frames, experiment.size)[""]
    start = time.perf_counter()
    predict(network, clips.frames)
    seconds = time.perf_counter() - start
    cuda = torch.cuda.is_available()
    return {
        "parameters": whole.parameters,
        "macs": whole.macs,
        "kept": whole.saved_bytes,
        "clips_per_second": len(clips) / seconds,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "torch": torch.__version__,
    }


def _write(path: Path, facts: Mapping[str, object]) -> None:
    with replacing(path) as file:
        file.write((json.dumps(facts, indent=2) + "\n").encode())
