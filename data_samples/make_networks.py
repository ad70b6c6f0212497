"""Remake the trained networks of this folder: `python data_samples/make_networks.py WORK`.

About an hour on two cores. WORK keeps cohorts and runs; stopped at any moment, the same command
goes on. Two networks come of it, by the same recipe: one was told the truth, the other had all
labels of training dealt out at random, so that whatever it shows is not the grade's doing.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from csglib.data.cohort import ClipSet, read_cohort
from csglib.model.weights import read_weights, write_weights
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CohortSpec
from csglib.table1.pretrain import conformer_for, pretrain, read_frames
from csglib.train.config import TrainConfig
from csglib.train.experiment import TEST, Experiment
from csglib.train.predictions import Predictions

HERE = Path(__file__).parent
SIZE = 128  # rows and columns of a frame: 8 x 8 patches
COHORT = CohortSpec(size=SIZE, phantom=2)
OTHERS = replace(COHORT, seed=2000, patients=676)  # whose single frames the parent sees
PARENT = TrainConfig(
    folder=Path("parent"), epochs=8, batch_size=64, lr=2e-3, schedule="one_cycle", augment=True
)
CHILD = TrainConfig(
    folder=Path("run"), epochs=12, batch_size=16, lr=1e-3, schedule="one_cycle", augment=True
)


def shuffled(sides: Mapping[str, ClipSet]) -> dict[str, ClipSet]:
    """The same clips and as many of each grade, but nobody's grade is his own; the test stays."""
    chance = np.random.default_rng(0)
    dealt = {
        side: replace(sides[side], grades=chance.permutation(sides[side].grades))
        for side in ("train", "validation")
    }
    return {**sides, **dealt}


def train(work: Path, frames: Mapping[str, ClipSet], clips: Mapping[str, ClipSet]) -> Path:
    """Train the parent on frames, then `TINY` on clips; the folder of its run."""
    parent = pretrain(frames, replace(PARENT, folder=work / "parent"), conformer_for("tiny"))
    experiment = Experiment(network="tiny", size=SIZE, init=str(parent))
    config = replace(CHILD, folder=work / "run")
    for _ in experiment.run(clips, config):
        pass
    return config.folder


def keep(run: Path, path: Path, told: str) -> None:
    """Write the weights in half the bytes, and what they reached, into a file of their own."""
    tensors, _ = read_weights(run / "best.safetensors")
    halves = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    accuracy = Predictions.read(run / TEST).scores().accuracy
    notes = {
        "what": "TINY of csglib, trained on simulated clips; not for diagnosis",
        "labels": told,
        "test accuracy": json.dumps(asdict(accuracy)),
        "made with": f"torch {torch.__version__}",
    }
    write_weights(path, halves, notes)
    print(f"{path.name}: test accuracy {accuracy.value:.3f}")


def main(work: Path) -> None:
    """Make whatever of it is not there yet."""
    jobs = os.cpu_count() or 1
    for name, spec in (("others", OTHERS), ("cohort", COHORT)):
        make_cohort(work / name, spec, jobs)
    frames, clips = read_frames(work / "others"), read_cohort(work / "cohort")
    keep(train(work / "told", frames, clips), HERE / "tiny_128.safetensors", "true")
    run = train(work / "misled", shuffled(frames), shuffled(clips))
    keep(run, HERE / "tiny_128_shuffled.safetensors", "dealt out at random")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
