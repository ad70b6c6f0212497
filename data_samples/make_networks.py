"""Remake the trained networks of this folder: `python data_samples/make_networks.py WORK`.

About two hours on two cores. WORK keeps cohorts and runs; stopped at any moment, the same command
goes on. Each network is trained on small images first and then on larger ones, each time from the
weights before: most steps then cost a sixteenth of those at full size. One is trained on the true
grades of clips. The other has memorised grades in random order: what its maps show, no grade has
taught it.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from csglib.data.cohort import ClipSet, read_cohort
from csglib.model.weights import load_weights, read_weights, write_weights
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CLIPS, CohortSpec
from csglib.train.config import TrainConfig
from csglib.train.experiment import TEST, Experiment
from csglib.train.fit import predict
from csglib.train.networks import build_network
from csglib.train.predictions import Predictions

HERE = Path(__file__).parent
COHORT = CohortSpec()
COHORTS = {
    "cohort": COHORT,
    "others": CohortSpec(seed=2000, patients=300),  # more training clips, of other patients
    "walls": CohortSpec(seed=3000, phantom=2),  # and of walls and plaques that can be seen
}
# Without weight decay: Adam divides the decay's gradient too, so that weights with small gradients
# of the loss, such as those of queries and keys, shrink to zero, and attention becomes uniform.
TRAIN = TrainConfig(
    folder=Path("run"), lr=1e-3, weight_decay=0.0, schedule="one_cycle", augment=True
)


class Stage(NamedTuple):
    """Training at one size of frames, from the weights of the stage before."""

    size: int  # rows and columns
    batch_size: int
    epochs: int


class Recipe(NamedTuple):
    """All that decides one of the networks."""

    config: TrainConfig
    labels: str  # "true" or "shuffled"
    stages: tuple[Stage, ...]


RECIPES = {
    "tiny_256": Recipe(TRAIN, "true", (Stage(64, 16, 20), Stage(128, 8, 5), Stage(256, 4, 2))),
    "tiny_256_memorised": Recipe(
        replace(TRAIN, augment=False),
        "shuffled",
        (Stage(64, 16, 60), Stage(128, 8, 8), Stage(256, 4, 10)),
    ),
}


def joined(parts: Sequence[tuple[str, ClipSet]]) -> ClipSet:
    """One set of clips of several cohorts, whose patients differ even under the same name."""
    sets = [clips for _, clips in parts]
    return replace(
        sets[0],
        frames=np.concatenate([clips.frames for clips in sets]),
        grades=np.concatenate([clips.grades for clips in sets]),
        patients=tuple(f"{name} {patient}" for name, c in parts for patient in c.patients),
    )


def read_splits(work: Path, size: int, labels: str) -> dict[str, ClipSet]:
    """What a network is trained, validated and tested on; only the first cohort's test is kept."""
    own = read_cohort(work / "cohort", size)
    if labels == "shuffled":
        grades = np.random.default_rng(0).permutation(own["train"].grades)
        train = replace(own["train"], grades=grades)
        # Validated on some of the same clips: the weights kept are those that fit them best.
        sixth = train.choose(np.arange(0, len(train), 6))
        sixth = replace(sixth, patients=tuple(f"again {name}" for name in sixth.patients))
        return {**own, "train": train, "validation": sixth}
    more = {name: read_cohort(work / name, size) for name in COHORTS if name != "cohort"}
    also = [(name, cohort["test"]) for name, cohort in more.items()]
    cohorts = {"cohort": own, **more}
    return {
        "train": joined([*((name, each["train"]) for name, each in cohorts.items()), *also]),
        "validation": joined([(name, each["validation"]) for name, each in cohorts.items()]),
        "test": own["test"],
    }


def train(work: Path, name: str, recipe: Recipe) -> Path:
    """Train `TINY` stage by stage; the folder of the last run."""
    init = ""
    for stage in recipe.stages:
        folder = work / f"{name}_{stage.size}"
        config = replace(
            recipe.config, folder=folder, batch_size=stage.batch_size, epochs=stage.epochs
        )
        splits = read_splits(work, stage.size, recipe.labels)
        for epoch in Experiment(network="tiny", size=stage.size, init=init).run(splits, config):
            print(f"{folder.name}: {epoch}", flush=True)
        init = str(folder / "best.safetensors")
    return folder


def keep(run: Path, path: Path, train: ClipSet, labels: str) -> None:
    """Write the weights in half the bytes, and what they reached, into a file of their own."""
    tensors, _ = read_weights(run / "best.safetensors")
    halves = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    network = build_network("tiny")
    load_weights(network, run / "best.safetensors")
    fitted = predict(network, train.frames, batch_size=4).argmax(dim=1).numpy() == train.grades
    notes = {
        "what": "TINY of csglib, trained on simulated clips; not for diagnosis",
        "labels": labels,
        "test accuracy": json.dumps(asdict(Predictions.read(run / TEST).scores().accuracy)),
        "training accuracy": json.dumps(float(fitted.mean())),
        "made with": f"torch {torch.__version__}",
    }
    write_weights(path, halves, notes)
    print(f"{path.name}: {notes}")


def main(work: Path) -> None:
    """Make whatever of it is not there yet."""
    for name, spec in COHORTS.items():
        make_cohort(work / name, spec, os.cpu_count() or 1)
    for name, recipe in RECIPES.items():
        run = train(work, name, recipe)
        train_clips = read_splits(work, recipe.stages[-1].size, recipe.labels)["train"]
        own = train_clips.choose(np.arange(CLIPS[COHORT.frames]["train"]))  # they come first
        keep(run, HERE / f"{name}.safetensors", own, recipe.labels)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
