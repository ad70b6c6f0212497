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
from csglib.model.config import CONFORMER_S
from csglib.model.cost import costs
from csglib.model.csg3dct import CSG3DCT
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CLIPS, PATIENTS, CohortSpec
from csglib.table1.budget import Budget
from csglib.table1.pretrain import keep_best_only, pretrain, read_frames
from csglib.table1.rows import ALL_ROWS, TableRow
from csglib.train.config import Precision
from csglib.train.experiment import Experiment, trained
from csglib.train.fit import predict
from csglib.train.networks import build_network

RESULT = "result.json"
_PRETRAIN_SEED = 1_000  # of the pre-training cohort: other patients than the table's
_FORWARD_PASSES = 3  # cost of a training step, in forward passes
_UTILISATION = 0.3  # of the matrix multiplication rate, roughly, in training
_SIDE = 1024  # of the matrices that are timed


@dataclass(frozen=True)
class Table1:
    """A folder in which Table 1 grows.

    `init` says where 2D weights of rows that want some come from: "frames" pre-trains a Conformer,
    "random" does without, anything else is a Conformer's checkpoint for `load_conformer`.
    """

    folder: Path  # new, or begun with the same budget and init
    budget: Budget
    init: str = "frames"

    def check(self, names: Sequence[str], seeds: int) -> None:
        """Refuse unknown rows, none, or no seed, by a ValueError."""
        unknown = [name for name in names if name not in ALL_ROWS]
        if unknown or not names or seeds < 1:
            got, known = ", ".join(names) or "no row", ", ".join(ALL_ROWS)
            raise ValueError(f"wanted rows of {known}, one seed or more: got {got}, {seeds=}")

    def run(self, names: Sequence[str], seeds: int) -> Iterator[tuple[str, int, Path]]:
        """Run rows with seeds 0, 1, ...; yields row, seed and folder of each when it is finished.

        Raises:
            ValueError: see `check`; or the folder holds another table.
        """
        self.check(names, seeds)
        self._write_or_compare()
        for seed in range(seeds):
            for name in names:
                yield name, seed, self._finished(name, seed)

    def _finished(self, name: str, seed: int) -> Path:
        folder, row = self.folder / name / f"seed-{seed}", ALL_ROWS[name]
        if (folder / RESULT).is_file():
            return folder
        weights = self._weights(row, seed)
        size, frames = self.budget.size, row.frames
        experiment = Experiment(network=row.network, frames=frames, size=size, init=weights)
        splits = made_cohort(self.folder / f"cohort-{frames}", self._spec(frames))
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
            return str(self._finished("base", seed) / "best.safetensors")
        if self.init != "frames":
            return self.init
        budget = self.budget
        config = budget.config(self.folder / "pretrained" / f"seed-{seed}", seed)
        epochs, batch_size = budget.pretrain_epochs, 8 * budget.batch_size  # frames, not clips
        config = replace(config, epochs=epochs, batch_size=batch_size, lr=budget.pretrain_lr)
        spec = replace(self._spec(8), seed=_PRETRAIN_SEED, patients=budget.pretrain_patients)
        frames = made_cohort(self.folder / "cohort-pretraining", spec, single_frames=True)
        return str(pretrain(frames, config))

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
                came = f"{name}={found.get(name)} instead of {wanted}"
                raise ValueError(f"{self.folder} holds a table with {came}: name another folder")


@cache
def made_cohort(folder: Path, spec: CohortSpec, single_frames: bool = False) -> dict[str, ClipSet]:
    """Clips or single frames of a cohort, simulated if needed; read once per process."""
    make_cohort(folder, spec, os.cpu_count() or 1)
    return read_frames(folder) if single_frames else read_cohort(folder)


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


def minutes(names: Sequence[str], budget: Budget, seeds: int, init: str) -> float:
    """Estimated minutes of training on this machine; simulating the clips comes on top."""
    work = 0.0
    each = {frames: CLIPS[frames]["train"] / PATIENTS for frames in (8, 16)}  # clips a patient
    with torch.device("meta"):
        for row in (ALL_ROWS[name] for name in names):
            network = build_network(row.network, frames=row.frames, size=budget.size)
            epochs = budget.finetune_epochs if row.init == "base" else budget.epochs
            macs = costs(network, [""], row.frames, budget.size)[""].macs
            work += budget.patients * each[row.frames] * epochs * macs
        if init == "frames" and any(ALL_ROWS[name].init != "random" for name in names):
            network = CSG3DCT(replace(CONFORMER_S, classes=2))
            macs = costs(network, [""], 1, budget.size)[""].macs
            work += budget.pretrain_patients * each[8] * 8 * budget.pretrain_epochs * macs
    return seeds * _FORWARD_PASSES * work / (_UTILISATION * _rate(budget.precision)) / 60


def _rate(precision: Precision) -> float:
    """Multiply-accumulates per second, of large matrices: the best of five tries."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    matrix = torch.randn(_SIDE, _SIDE, device=device, dtype=dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        (matrix @ matrix).float().norm().item()  # item() waits for the device
        seconds.append(time.perf_counter() - start)
    return _SIDE**3 / min(seconds)
