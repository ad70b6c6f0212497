"""Remake the trained networks of this folder: `python data_samples/make_networks.py WORK`.

About two hours on two cores. WORK keeps cohorts and runs; stopped at any moment, the same command
goes on. Two networks come of it. One was trained on true grades, first on small images and then on
larger ones, each time from the weights before: most steps cost a sixteenth of those at full size.
The other has memorised grades that were shuffled: it knows its training clips and nothing else, so
what its maps show is not the grade's doing.
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
from csglib.model.weights import load_weights, read_weights, write_weights
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CohortSpec
from csglib.train.config import TrainConfig
from csglib.train.experiment import TEST, Experiment
from csglib.train.fit import predict
from csglib.train.predictions import Predictions

HERE = Path(__file__).parent
COHORT = CohortSpec()
OTHERS = CohortSpec(seed=2000, patients=300)  # more training clips, of other patients
WALLS = CohortSpec(seed=3000, phantom=2)  # and of arteries whose walls and plaques can be seen
TRAIN = TrainConfig(folder=Path("run"), lr=1e-3, schedule="one_cycle", augment=True)
MEMORISE = replace(TRAIN, augment=False)
# Rows and columns of a frame, clips a step, epochs.
STAGES = ((64, 16, 20), (128, 8, 5), (256, 4, 3))
MEMORISING = ((64, 16, 60), (128, 8, 8), (256, 4, 4))
RUNS = (
    ("tiny_256", TRAIN, STAGES, "true"),
    ("tiny_256_memorised", MEMORISE, MEMORISING, "shuffled"),
)


def joined(own: ClipSet, *more: ClipSet) -> ClipSet:
    """One set of the clips of several, whose patients are others even under the same name."""
    sets = [own, *more]
    return replace(
        own,
        frames=np.concatenate([clips.frames for clips in sets]),
        grades=np.concatenate([clips.grades for clips in sets]),
        patients=tuple(f"{k} {name}" for k, clips in enumerate(sets) for name in clips.patients),
    )


def shuffled(clips: ClipSet) -> ClipSet:
    """The same clips and as many of each grade, but the grades are dealt out at random."""
    return replace(clips, grades=np.random.default_rng(0).permutation(clips.grades))


def sides(work: Path, size: int, config: TrainConfig) -> dict[str, ClipSet]:
    """What a network is trained, validated and tested on, at a size."""
    own = read_cohort(work / "cohort", size)
    if config is MEMORISE:
        return {**own, "train": shuffled(own["train"])}
    more = [read_cohort(work / name, size) for name in ("others", "walls")]
    train = [own["train"], *(clips[side] for clips in more for side in ("train", "test"))]
    validation = [clips["validation"] for clips in (own, *more)]
    return {"train": joined(*train), "validation": joined(*validation), "test": own["test"]}


def train(
    work: Path, name: str, config: TrainConfig, stages: tuple[tuple[int, int, int], ...]
) -> Path:
    """Train `TINY` at each size from the weights before; the folder of the last run."""
    init = ""
    for size, batch, epochs in stages:
        folder = work / f"{name}_{size}"
        stage = replace(config, folder=folder, batch_size=batch, epochs=epochs)
        clips = sides(work, size, config)
        for epoch in Experiment(network="tiny", size=size, init=init).run(clips, stage):
            print(f"{folder.name}: {epoch}", flush=True)
        init = str(folder / "best.safetensors")
    return folder


def keep(run: Path, path: Path, clips: Mapping[str, ClipSet], told: str) -> None:
    """Write the weights in half the bytes, and what they reached, into a file of their own."""
    tensors, _ = read_weights(run / "best.safetensors")
    halves = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    reached = {"test": Predictions.read(run / TEST).scores().accuracy}
    notes = {
        "what": "TINY of csglib, trained on simulated clips; not for diagnosis",
        "labels": told,
        "test accuracy": json.dumps(asdict(reached["test"])),
        "training accuracy": json.dumps(training_accuracy(run, clips["train"])),
        "made with": f"torch {torch.__version__}",
    }
    write_weights(path, halves, notes)
    print(f"{path.name}: {notes}")


def training_accuracy(run: Path, clips: ClipSet) -> float:
    """Share of its training clips, as they are, that a network grades as it was told."""
    network = Experiment.load(run).build()
    load_weights(network, run / "best.safetensors")
    logits = predict(network, clips.frames, 4)
    return float((logits.argmax(axis=1) == clips.grades).mean())


def main(work: Path) -> None:
    """Make whatever of it is not there yet."""
    for name, spec in (("cohort", COHORT), ("others", OTHERS), ("walls", WALLS)):
        make_cohort(work / name, spec, os.cpu_count() or 1)
    for name, config, stages, told in RUNS:
        run = train(work, name, config, stages)
        keep(run, HERE / f"{name}.safetensors", sides(work, stages[-1][0], config), told)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
