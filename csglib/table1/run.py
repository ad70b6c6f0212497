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
from csglib.data.cohort import ClipSet, read_cohort
from csglib.model.cost import costs
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CohortSpec
from csglib.table1.budget import Budget
from csglib.table1.pretrain import conformer_for, frames_of, keep_best_only, pretrain
from csglib.table1.rows import ALL_ROWS, TableRow
from csglib.train.experiment import Experiment, trained
from csglib.train.fit import predict

RESULT = "result.json"
_FIRST_COHORT = 10_000  # of seed 0; what was chosen by looking at results was chosen on others


@dataclass(frozen=True)
class Table1:
    """A folder in which Table 1 grows.

    `init` says where 2D weights of rows that want some come from. "clips" trains a Conformer on
    single frames of the table's training clips, each with the grade of its clip: it learns from no
    label that the other networks lack. "random" does without, anything else is a Conformer's
    checkpoint for `load_conformer`.
    """

    folder: Path  # new, or begun with the same budget and init
    budget: Budget
    init: str = "clips"

    def run(self, names: Sequence[str], seeds: int) -> Iterator[tuple[str, int, Path]]:
        """Run rows with seeds 0, 1, ...; yields row, seed and folder of each when it is finished.

        Raises:
            ValueError: unknown rows, none, or no seed; or the folder holds another table.
        """
        unknown = [name for name in names if name not in ALL_ROWS]
        if unknown or not names or seeds < 1:
            got, known = ", ".join(names) or "no row", ", ".join(ALL_ROWS)
            raise ValueError(f"wanted rows of {known}, one seed or more: got {got}, {seeds=}")
        for seed in range(seeds):
            for name in names:
                yield name, seed, self.finished(name, seed)

    def finished(self, name: str, seed: int) -> Path:
        """The folder of one run, which is trained first if need be."""
        self._write_or_compare()
        folder, row = self.folder / name / f"seed-{seed}", ALL_ROWS[name]
        if (folder / RESULT).is_file():
            return folder
        weights = self._weights(row, seed)
        size, frames = self.budget.size, row.frames
        network = f"{row.network}_narrow" if self.budget.narrow else row.network
        experiment = Experiment(network=network, frames=frames, size=size, init=weights)
        splits = self.clips(frames, seed)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        config = self.budget.config(folder, seed)
        if row.init == "base":
            budget = self.budget
            config = replace(config, epochs=budget.finetune_epochs, lr=budget.finetune_lr)
        records = list(experiment.run(splits, config))
        result = _measured(trained(folder), splits["test"])
        result |= {"epochs": len(records), "seconds": sum(record.seconds for record in records)}
        _write(folder / RESULT, result)
        keep_best_only(folder)
        return folder

    def _weights(self, row: TableRow, seed: int) -> str:
        """Path of the initial weights, or "" for random ones."""
        if row.init == "random" or (row.init == "pretrained" and self.init == "random"):
            return ""
        if row.init == "base":
            return str(self.finished("base", seed) / "best.safetensors")
        return str(self.parent(seed)) if self.init == "clips" else self.init

    def parent(self, seed: int) -> Path:
        """Weights of the 2D Conformer, trained on single frames if need be."""
        budget = self.budget
        config = budget.config(self.folder / "pretrained" / f"seed-{seed}", seed)
        epochs, batch_size = budget.pretrain_epochs, 8 * budget.batch_size  # frames, not clips
        config = replace(config, epochs=epochs, batch_size=batch_size, lr=budget.pretrain_lr)
        model = conformer_for("tiny" if budget.narrow else "csg3dct")
        frames = {name: frames_of(clips) for name, clips in self.clips(8, seed).items()}
        return pretrain(frames, config, model)

    def clips(self, frames: int, seed: int) -> dict[str, ClipSet]:
        """Each seed has a cohort of its own, so that its runs tell of other patients too."""
        budget, own = self.budget, _FIRST_COHORT + seed
        spec = CohortSpec(frames=frames, size=budget.size, patients=budget.patients, seed=own)
        return made_cohort(self.folder / f"cohort-{frames}-{seed}", spec)

    def _write_or_compare(self) -> None:
        facts, path = asdict(self.budget) | {"init": self.init}, self.folder / "table.json"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(path, facts)
            return
        found = asdict(Budget()) | json.loads(path.read_text())  # older tables have fewer fields
        for name, wanted in facts.items():
            if found.get(name) != wanted:
                came = f"{name}={found.get(name)} instead of {wanted}"
                raise ValueError(f"{self.folder} holds a table with {came}: name another folder")


@cache
def made_cohort(folder: Path, spec: CohortSpec) -> dict[str, ClipSet]:
    """Clips of a cohort, simulated if needed; read once per process."""
    make_cohort(folder, spec, os.cpu_count() or 1)
    return read_cohort(folder)


def _measured(network: nn.Module, clips: ClipSet) -> dict[str, object]:
    """Cost of one clip: counted, and, of speed and memory, as on this machine."""
    cost, cuda = costs(network, [""], *clips.frames.shape[1:3])[""], torch.cuda.is_available()
    start = time.perf_counter()
    predict(network, clips.frames)
    seconds = time.perf_counter() - start
    counted = {name: getattr(cost, name) for name in ("parameters", "macs", "saved_bytes")}
    return counted | {
        "clips_per_second": len(clips) / seconds,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "torch": torch.__version__,
    }


def _write(path: Path, facts: Mapping[str, object]) -> None:
    with replacing(path) as file:
        file.write((json.dumps(facts, indent=2) + "\n").encode())
