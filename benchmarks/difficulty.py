"""How hard is a cohort? Two fixed readers say, before any network of the paper sees it.

    python benchmarks/difficulty.py COHORT

COHORT is what `csglib.data.cohort.read_cohort` reads. The first reader has the true contours and
errs as people do when they measure; no network can count on being better. The second is a plain
three-dimensional network with nothing of the paper in it. Its recipe below was fixed once, on other
clips, and is never tuned, neither for a cohort nor against one. Writes results/difficulty.json.
"""

import datetime
import json
import platform
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops.layers.torch import Reduce
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.cohort import ClipSet, read_cohort, read_manifest, read_metadata
from csglib.data.stenosis import DEFAULT_RULE, RULES, Rule, observed

SPREAD = 0.05  # of an observer's diameter stenosis; a quarter of all clips lie as close to the cut
DRAWS = 1000
SEEDS = range(5)
SIZE = 64  # rows and columns that the network sees
WIDTHS = (8, 16, 32, 64, 104)  # channels after each block
EPOCHS, BATCH, RATE = 8, 16, 2e-3  # all training clips known, or nearly, in 26 core-seconds


class Measured(NamedTuple):
    """What an observer of the true contours can go by.

    Attributes:
        stenoses: of the test clips, by the rule's measure, 0 to 1.
        grades: what the cohort says they are.
        rule: that it went by.
    """

    stenoses: Float[ndarray, " clips"]
    grades: Int64[ndarray, " clips"]
    rule: Rule


def measured(cohort: Path) -> Measured:
    """Look the test clips of a cohort up, in its manifest or in its only file."""
    if cohort.is_dir():
        rule = RULES[read_metadata(cohort)["rule"]]
        rows = [row for row in read_manifest(cohort) if row["split"] == "test"]
        stenoses = np.array([float(row[f"{rule.measure}_stenosis"]) for row in rows])
        return Measured(stenoses, np.array([int(row["grade_index"]) for row in rows]), rule)
    with np.load(cohort, allow_pickle=False) as file:
        test = file["split"] == "test"
        narrowest = file["area_stenosis"][test].argmax(axis=1)
        stenoses = file["diameter_stenosis"][test][np.arange(len(narrowest)), narrowest]
        return Measured(stenoses.astype(float), file["grade"][test], DEFAULT_RULE)


def oracle_accuracies(clips: Measured, rng: np.random.Generator) -> Float[ndarray, " draws"]:
    """Share of clips that an observer of the true contours grades right, in each of many tries."""
    grade = clips.rule.grade
    tries = [[grade(observed(s, rng, SPREAD)) for s in clips.stenoses] for _ in range(DRAWS)]
    return (np.array(tries) == clips.grades).mean(axis=1)


def plain_cnn(classes: int) -> nn.Sequential:
    """Blocks of convolution, pooling, norm and rectifier, then the mean of all and one layer.

    Takes (b, 1, t, y, x) and gives (b, classes); 0.25 million parameters.
    """
    layers: list[nn.Module] = []
    for before, after in zip((1, *WIDTHS), WIDTHS, strict=False):
        layers += [
            nn.Conv3d(before, after, 3, padding=1, bias=False),
            nn.MaxPool3d((1, 2, 2) if before == 1 else 2, ceil_mode=True),  # early: less to do
            nn.BatchNorm3d(after),
            nn.ReLU(),
        ]
    layers += [Reduce("b c t y x -> b c", "mean"), nn.Linear(WIDTHS[-1], classes)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)


def trained(train: ClipSet, seed: int) -> nn.Sequential:
    """Train the plain network: Adam, its rate falling to zero, clips mirrored left to right."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = plain_cnn(len(train.grade_names))
    steps = [order for _ in range(EPOCHS) for order in _batches(len(train), rng)]
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=len(steps))
    for chosen in steps:
        mirrored = rng.random((len(chosen), 1, 1, 1)) < 0.5
        frames = np.where(mirrored, train.frames[chosen][..., ::-1], train.frames[chosen])
        loss = F.cross_entropy(model(_input(frames)), torch.from_numpy(train.grades[chosen]))
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    return model.eval()


def _batches(clips: int, rng: np.random.Generator) -> list[Int64[ndarray, " chosen"]]:
    """An epoch's batches, all nearly of one size, so that no norm sees a clip alone."""
    return np.array_split(rng.permutation(clips), -(-clips // BATCH))


def _input(frames: UInt8[ndarray, "b t y x"]) -> Float[Tensor, "b 1 t y x"]:
    grey = torch.from_numpy(np.ascontiguousarray(frames)).float().div(64).sub(1).unsqueeze(1)
    return grey.contiguous(memory_format=torch.channels_last_3d)


@torch.no_grad()
def accuracy(model: nn.Module, clips: ClipSet) -> float:
    """Share of clips that a network grades right."""
    batches = np.array_split(clips.frames, -(-len(clips) // BATCH))
    said = torch.cat([model(_input(batch)).argmax(dim=1) for batch in batches])
    return float((said.numpy() == clips.grades).mean())


def examine(cohort: Path) -> dict[str, Any]:
    """Let both readers grade the test clips of a cohort."""
    sides, clips = read_cohort(cohort, SIZE), measured(cohort)
    right = oracle_accuracies(clips, np.random.default_rng(0))
    models = [trained(sides["train"], seed) for seed in tqdm(SEEDS, desc="plain network")]
    tested = [accuracy(model, sides["test"]) for model in models]
    return {
        "question": "how many test clips two fixed readers grade right",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, threads: {torch.get_num_threads()}",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "cohort": _facts(cohort),
        "clips": {side: len(clips) for side, clips in sides.items()},
        "majority": float(np.bincount(clips.grades).max() / len(clips.grades)),
        "oracle": {
            "spread": SPREAD,
            "draws": DRAWS,
            "mean": float(right.mean()),
            "range": np.percentile(right, [2.5, 97.5]).tolist(),
        },
        "plain_cnn": {
            "parameters": sum(weights.numel() for weights in models[0].parameters()),
            "recipe": {"epochs": EPOCHS, "batch": BATCH, "rate": RATE},
            "seeds": list(SEEDS),
            "test": tested,
            "mean": float(np.mean(tested)),
            "train": [accuracy(model, sides["train"]) for model in models],
        },
    }


def _facts(cohort: Path) -> dict[str, Any]:
    if not cohort.is_dir():
        return {"file": cohort.name}
    return {name: fact for name, fact in read_metadata(cohort).items() if "columns" not in name}


def main(cohort: Path, folder: Path) -> None:
    """Examine, write, and print a small table."""
    found = examine(cohort)
    with replacing(folder / "difficulty.json") as file:
        file.write((json.dumps(found, indent=2) + "\n").encode())
    oracle, plain = found["oracle"], found["plain_cnn"]
    low, high = oracle["range"]
    print(f"{found['clips']['test']} test clips             right")
    print(f"majority class             {found['majority']:6.1%}")
    print(f"plain 3D network            {plain['mean']:6.1%}  {_listed(plain['test'])}")
    print(f"the same, training clips    {np.mean(plain['train']):6.1%}  {_listed(plain['train'])}")
    print(
        f"observer of true contours   {oracle['mean']:6.1%}  {low:.1%} to {high:.1%} in 95 of 100"
    )


def _listed(shares: list[float]) -> str:
    return " ".join(f"{share:.1%}" for share in shares)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).parent / "results")
