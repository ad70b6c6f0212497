"""Table 1, run by run: cohorts, the 2D Conformer, and every network times every seed.

Source: Table 1 and section 3. Finished runs are kept, unfinished ones are resumed.
"""

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import nn

from csglib.data.atomic import replacing
from csglib.data.cohort import ClipSet, read_cohort, read_frames
from csglib.model.cost import costs
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CohortSpec
from csglib.table1.budget import Budget
from csglib.table1.pretrain import keep_best_only, pretrain
from csglib.table1.rows import ROWS, TableRow
from csglib.train.config import TrainConfig
from csglib.train.experiment import Experiment, trained
from csglib.train.fit import predict

RESULT = "result.json"
_PRETRAIN_SEED = 1_000  # of the pre-training cohort: other patients than the table's


@dataclass(frozen=True)
class Table1:
    """A folder in which Table 1 grows.

    Args:
        folder: new, or begun with the same budget and init.
        budget: how much of it.
        init: 2D weights for the rows that want some: "frames" pre-trains a Conformer here, "random"
            does without, anything else is a Conformer's checkpoint for `load_conformer`.
    """

    folder: Path
    budget: Budget
    init: str = "frames"

    def check(self, names: Sequence[str], seeds: int) -> None:
        """Refuse unknown rows, none, or no seed, by a ValueError."""
        unknown = [name for name in names if name not in ROWS]
        if unknown or not names or seeds < 1:
            raise ValueError(
                f"wanted rows of {', '.join(ROWS)}, and one seed or more: got "
                f"{', '.join(names) or 'no row'}, seeds={seeds}"
            )

    def run(self, names: Sequence[str], seeds: int) -> Iterator[tuple[str, int, Path]]:
        """Run rows, keys of `ROWS`, with seeds 0 to `seeds` - 1; finished runs come at once.

        Yields:
            Row, seed and folder of each finished run.

        Raises:
            ValueError: see `check`; or the folder holds another table.
        """
        self.check(names, seeds)
        self._write_or_compare()
        for seed in range(seeds):
            for name in names:
                yield name, seed, self._finished(name, seed)

    def _finished(self, name: str, seed: int) -> Path:
        folder, row = self.folder / name / f"seed-{seed}", ROWS[name]
        if (folder / RESULT).is_file():
            return folder
        weights = self._weights(row, seed)
        experiment = Experiment(
            network=row.network, frames=row.frames, size=self.budget.size, init=weights
        )
        splits = made_cohort(self.folder / f"cohort-{row.frames}", self._spec(row.frames))
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        records = list(experiment.run(splits, self._config(row, folder, seed)))
        result = _measured(experiment, trained(folder), splits["test"])
        result |= {"epochs": len(records), "seconds": sum(record.seconds for record in records)}
        _write(folder / RESULT, result)
        keep_best_only(folder)
        return folder

    def _weights(self, row: TableRow, seed: int) -> str:
        """Path of the initial weights, or "" for random ones."""
        if row.init == "random" or (row.init == "pretrained" and self.init == "random"):
            return ""
        if row.init == "base":
            return str(self._finished("base", seed) / "best.safetensors")
        if self.init != "frames":
            return self.init
        config = self.budget.config(self.folder / "pretrained" / f"seed-{seed}", seed)
        config = replace(
            config,
            epochs=self.budget.pretrain_epochs,
            batch_size=8 * config.batch_size,
            lr=self.budget.pretrain_lr,
        )
        spec = replace(self._spec(8), seed=_PRETRAIN_SEED, patients=self.budget.pretrain_patients)
        frames = made_cohort(self.folder / "cohort-pretraining", spec, single_frames=True)
        return str(pretrain(frames, config))

    def _config(self, row: TableRow, folder: Path, seed: int) -> TrainConfig:
        config = self.budget.config(folder, seed)
        if row.init != "base":
            return config
        return replace(config, epochs=self.budget.finetune_epochs, lr=self.budget.finetune_lr)

    def _spec(self, frames: int) -> CohortSpec:
        return CohortSpec(frames=frames, size=self.budget.size, patients=self.budget.patients)

    def _write_or_compare(self) -> None:
        facts, path = asdict(self.budget) | {"init": self.init}, self.folder / "table.json"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(path, facts)
            return
        found = json.loads(path.read_text())
        for name, wanted in facts.items():
            if found.get(name) != wanted:
                raise ValueError(
                    f"{self.folder} holds a table with {name}={found.get(name)} instead of "
                    f"{wanted}: name another folder"
                )


@cache
def made_cohort(folder: Path, spec: CohortSpec, single_frames: bool = False) -> dict[str, ClipSet]:
    """Clips or single frames of a cohort, simulated if needed; read once per process."""
    make_cohort(folder, spec, os.cpu_count() or 1)
    return read_frames(folder) if single_frames else read_cohort(folder)


def _measured(experiment: Experiment, network: nn.Module, clips: ClipSet) -> dict[str, object]:
    """Cost of one clip: counted, and, of speed and memory, as on this machine."""
    cost = costs(network, [""], experiment.frames, experiment.size)[""]
    start = time.perf_counter()
    predict(network, clips.frames)
    seconds = time.perf_counter() - start
    cuda = torch.cuda.is_available()
    return {
        "parameters": cost.parameters,
        "macs": cost.macs,
        "saved_bytes": cost.saved_bytes,
        "clips_per_second": len(clips) / seconds,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "torch": torch.__version__,
    }


def _write(path: Path, facts: Mapping[str, object]) -> None:
    with replacing(path) as file:
        file.write((json.dumps(facts, indent=2) + "\n").encode())
