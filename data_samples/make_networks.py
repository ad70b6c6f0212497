"""Remake the trained networks of this folder: `python data_samples/make_networks.py WORK`.

About two hours and a half on two cores. WORK keeps cohorts and runs; stopped at any moment, the
same command goes on. Each network is trained on small images first and then on larger ones, each
time from the weights before: most steps then cost a sixteenth of those at full size. One is
trained on the true grades of clips. The other has memorised grades in random order: what its maps
show, no grade has taught it.

Trained with one cross-entropy on its joined head, TINY grades clips by the CNN's features alone:
with the mean class token of all clips in place of each clip's own, it is right on as many test
clips. In later stages the class token therefore has to grade clips by itself as well.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from csglib import CSG3DCT, TINY, network_input
from csglib.data.cohort import ClipSet, read_cohort
from csglib.model.weights import load_weights, write_weights
from csglib.phantom.make_cohort import make_cohort
from csglib.phantom.patients import CLIPS, CohortSpec
from csglib.train.config import TrainConfig
from csglib.train.fit import fit, predict
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


class ClassTokenToo(CSG3DCT):
    """The same network and weights, with a second loss: of the class token alone.

    Source: the 2D Conformer, whose class token and CNN features have a loss each.
    """

    def head_logits(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "heads b classes"]:
        """Of all features, and of the class token with zeros in place of the CNN's features."""
        volume, tokens = self.forward_features(clip)
        parts = (volume, torch.zeros_like(volume))
        return torch.cat([self.head(part, tokens.cls) for part in parts])

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits of all features, as `CSG3DCT`."""
        return self.head_logits(clip)[0]


class Stage(NamedTuple):
    """Training at one size of frames, from the weights of the stage before."""

    size: int  # rows and columns
    batch_size: int
    epochs: int
    network: type[CSG3DCT] = CSG3DCT


class Recipe(NamedTuple):
    """All that decides one of the networks."""

    config: TrainConfig
    labels: str  # "true" or "shuffled"
    stages: tuple[Stage, ...]


RECIPES = {
    "tiny_256": Recipe(
        TRAIN,
        "true",
        (
            Stage(64, 16, 20),
            Stage(64, 16, 8, ClassTokenToo),
            Stage(128, 8, 5, ClassTokenToo),
            Stage(256, 4, 2, ClassTokenToo),
        ),
    ),
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


def train(work: Path, name: str, recipe: Recipe) -> CSG3DCT:
    """`TINY` after all stages, with the weights of the lowest validation loss of the last."""
    torch.manual_seed(0)
    weights = CSG3DCT(TINY).state_dict()
    for number, stage in enumerate(recipe.stages, start=1):
        folder = work / f"{name}_{number}"
        network = stage.network(TINY)
        network.load_state_dict(weights)
        config = replace(
            recipe.config, folder=folder, batch_size=stage.batch_size, epochs=stage.epochs
        )
        splits = read_splits(work, stage.size, recipe.labels)
        for epoch in fit(network, splits["train"], splits["validation"], config):
            print(f"{folder.name}, {stage.size} pixels: {epoch}", flush=True)
        load_weights(network, folder / "best.safetensors")
        weights = network.state_dict()
    trained = CSG3DCT(TINY)
    trained.load_state_dict(weights)
    return trained.eval()


@torch.no_grad()
def by_features(network: CSG3DCT, clips: ClipSet) -> dict[str, float]:
    """Accuracy with the features of each clip, and with one kind's mean over clips in its place."""
    batches = (network_input(clips.frames[i : i + 4]) for i in range(0, len(clips), 4))
    parts = [network.forward_features(batch) for batch in batches]
    pooled = torch.cat([volume.mean((2, 3, 4), keepdim=True) for volume, _ in parts])
    cls = torch.cat([tokens.cls for _, tokens in parts])
    given = {
        "each clip's own": (pooled, cls),
        "mean class token": (pooled, cls.mean(0, keepdim=True).expand_as(cls)),
        "mean CNN features": (pooled.mean(0, keepdim=True).expand_as(pooled), cls),
    }
    grades = torch.from_numpy(clips.grades)
    right = {
        name: network.head(*features)[0].argmax(1) == grades for name, features in given.items()
    }
    return {name: float(each.float().mean()) for name, each in right.items()}


def keep(network: CSG3DCT, path: Path, splits: Mapping[str, ClipSet], labels: str) -> None:
    """Write the weights in half the bytes, and what they reached, into a file of their own."""
    tensors = network.state_dict()
    halves = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    network.load_state_dict(halves)
    own = splits["train"].choose(np.arange(CLIPS[COHORT.frames]["train"]))  # they come first
    test = splits["test"]
    scores = Predictions.of(predict(network, test.frames, batch_size=4), test).scores()
    notes = {
        "what": "TINY of csglib, trained on simulated clips; not for diagnosis",
        "labels": labels,
        "test accuracy": json.dumps(asdict(scores.accuracy)),
        "test accuracy by features": json.dumps(by_features(network, test)),
        "training accuracy by features": json.dumps(by_features(network, own)),
        "made with": f"torch {torch.__version__}",
    }
    write_weights(path, halves, notes)
    print(f"{path.name}: {notes}")


def main(work: Path) -> None:
    """Make whatever of it is not there yet."""
    for name, spec in COHORTS.items():
        make_cohort(work / name, spec, os.cpu_count() or 1)
    for name, recipe in RECIPES.items():
        network = train(work, name, recipe)
        splits = read_splits(work, recipe.stages[-1].size, recipe.labels)
        keep(network, HERE / f"{name}.safetensors", splits, recipe.labels)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
