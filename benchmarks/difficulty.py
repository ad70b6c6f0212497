"""How hard is a cohort, and does time matter in it? Fixed readers say, before any other network.

    python benchmarks/difficulty.py COHORT

COHORT is what `csglib.data.cohort.read_cohort` reads. An observer of the true contours errs as
people do when they measure; no network can count on being better. A plain three-dimensional network
has nothing of the paper in it. Beside it stands the same network by frame: one with kernels of one
frame, trained on frames that have the grade of their clip, and three that are trained through the
mean, the maximum or the two largest of their frames' scores. The 3D networks are also shown clips
with their frames shuffled, reversed, or one of them repeated. The recipe below was fixed once, on
other clips, and is never tuned, neither for a cohort nor against one. Goes on where it was stopped.
Writes results/difficulty.json.
"""

import datetime
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from jaxtyping import Bool, Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.cohort import ClipSet, digest, read_cohort, read_manifest, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.data.stenosis import DEFAULT_RULE, RULES, Rule
from csglib.metrics.intervals import draw_patients, interval_of
from csglib.phantom.make_cohort import observed

SPREAD = 0.05  # of an observer's diameter stenosis; a quarter of all clips lie as close to the cut
DRAWS = 1000
SEEDS = range(5)
SIZE = 64  # rows and columns that the network sees
WIDTHS = (8, 16, 32, 64, 104)  # channels after each block
EPOCHS, BATCH, RATE = 8, 16, 2e-3  # all training clips known, or nearly, in 26 core-seconds


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What an observer of the true contours can go by.

    Attributes:
        stenoses: of the test clips in their narrowest frame, by the rule's measure, 0 to 1.
        middle: the same in their middle frame.
        narrowest: that frame of each.
        grades: what the cohort says they are.
        rule: that it went by.
    """

    stenoses: Float[ndarray, " clips"]
    middle: Float[ndarray, " clips"]
    narrowest: Int64[ndarray, " clips"]
    grades: Int64[ndarray, " clips"]
    rule: Rule


def measured(cohort: Path) -> Measured:
    """Look the test clips of a cohort up, in its clips or in its only file."""
    if cohort.is_dir():
        rule = RULES[read_metadata(cohort)["rule"]]
        rows = [row for row in read_manifest(cohort) if row["split"] == "test"]
        truths = [truth for row in rows if (truth := read_npz(cohort / row["clip"]).truth)]
        stenoses = np.stack([truth.stenoses(rule) for truth in truths])
        narrowest = np.array([truth.narrowest for truth in truths])
        grades = np.array([int(row["grade_index"]) for row in rows])
    else:
        rule = DEFAULT_RULE
        with np.load(cohort, allow_pickle=False) as file:
            test = file["split"] == "test"
            stenoses = file["diameter_stenosis"][test].astype(float)
            narrowest = file["area_stenosis"][test].argmax(axis=1)
            grades = file["grade"][test]
    each = np.arange(len(stenoses))
    return Measured(
        stenoses=stenoses[each, narrowest],
        middle=stenoses[:, stenoses.shape[1] // 2],
        narrowest=narrowest,
        grades=grades,
        rule=rule,
    )


def oracle_accuracies(clips: Measured, rng: np.random.Generator) -> Float[ndarray, " draws"]:
    """Share of clips that an observer of the true contours grades right, in each of many tries."""
    grade = clips.rule.grade
    tries = [[grade(observed(s, rng, SPREAD)) for s in clips.stenoses] for _ in range(DRAWS)]
    return (np.array(tries) == clips.grades).mean(axis=1)


class Plain(nn.Module):
    """Blocks of convolution, pooling, norm and rectifier, then means and one linear layer.

    `kernel` is the length of all kernels in time: 3, or 1 for a network that sees single frames.
    `pooled` says how the logits of frames become those of the clip, see `POOLED`; their mean is the
    logits of the mean features, what a 3D network has.
    """

    def __init__(self, classes: int, kernel: int = 3, pooled: str = "mean") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((1, *WIDTHS), WIDTHS, strict=False):
            time = 1 if before == 1 or kernel == 1 else 2  # the first block pools space only
            layers += [
                nn.Conv3d(before, after, (kernel, 3, 3), padding=(kernel // 2, 1, 1), bias=False),
                nn.MaxPool3d((time, 2, 2), ceil_mode=True),
                nn.BatchNorm3d(after),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)
        self.head, self.pooled = nn.Linear(WIDTHS[-1], classes), pooled

    def of_frames(self, clips: Float[Tensor, "b 1 t y x"]) -> Float[Tensor, "b frames classes"]:
        """Logits of each frame, or, in a 3D network, of each group of frames that is left."""
        return self.head(reduce(self.body(clips), "b c t y x -> b t c", "mean"))

    def forward(self, clips: Float[Tensor, "b 1 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits of a clip."""
        return POOLED[self.pooled](self.of_frames(clips))


def highest(logits: Float[Tensor, "b frames classes"], count: int) -> Float[Tensor, "b classes"]:
    """Mean logits of the frames in which the last grade leads most."""
    lead = logits[..., -1] - logits[..., :-1].logsumexp(dim=-1)
    first = lead.topk(min(count, logits.shape[1]), dim=1).indices
    return logits.take_along_dim(first[..., None], dim=1).mean(dim=1)


POOLED: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda logits: logits.mean(dim=1),
    "max": lambda logits: highest(logits, 1),
    "top two": lambda logits: highest(logits, 2),
}
READERS = {  # length of the kernels, what the loss is taken of, and how the frames are pooled
    "3D": (3, "clip", ("mean",)),
    "by frame": (1, "frame", ("mean", "max", "top two")),
    "by frame, trained through mean": (1, "clip", ("mean",)),
    "by frame, trained through max": (1, "clip", ("max",)),
    "by frame, trained through top two": (1, "clip", ("top two",)),
}


def trained(train: ClipSet, seed: int, reader: str = "3D") -> Plain:
    """Train a reader: Adam, its rate falling to zero, clips mirrored left to right."""
    kernel, loss_of, (pooled, *_) = READERS[reader]
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Plain(len(train.grade_names), kernel, pooled)
    steps = [order for _ in range(EPOCHS) for order in _batches(len(train), rng)]
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=len(steps))
    for chosen in steps:
        mirrored = rng.random((len(chosen), 1, 1, 1)) < 0.5
        frames = np.where(mirrored, train.frames[chosen][..., ::-1], train.frames[chosen])
        clips, grades = _input(frames), torch.from_numpy(train.grades[chosen])
        if loss_of == "frame":
            each = model.of_frames(clips)
            grades = repeat(grades, "b -> (b frames)", frames=each.shape[1])
            loss = F.cross_entropy(rearrange(each, "b frames k -> (b frames) k"), grades)
        else:
            loss = F.cross_entropy(model(clips), grades)
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
def right(model: Plain, clips: ClipSet) -> Bool[ndarray, " clips"]:
    """Which clips a network grades right."""
    batches = np.array_split(clips.frames, -(-len(clips) // BATCH))
    said = torch.cat([model(_input(batch)).argmax(dim=1) for batch in batches])
    return np.asarray(said.numpy() == clips.grades)


def shown(clips: ClipSet, narrowest: Int64[ndarray, " clips"]) -> dict[str, ClipSet]:
    """The clips as they are, and with their frames in other orders."""
    rng, frames = np.random.default_rng(0), clips.frames
    each, length = np.arange(len(frames)), frames.shape[1]

    def still(chosen: Int64[ndarray, " clips"]) -> UInt8[ndarray, "clips t y x"]:
        return repeat(frames[each, chosen], "clips y x -> clips t y x", t=length)

    orders = rng.permuted(np.tile(np.arange(length), (len(frames), 1)), axis=1)
    ways = {
        "as they are": frames,
        "frames shuffled": np.take_along_axis(frames, orders[..., None, None], axis=1),
        "frames reversed": frames[:, ::-1],
        "the middle frame repeated": still(np.full(len(frames), length // 2)),
        "the narrowest frame repeated": still(narrowest),
    }
    return {name: replace(clips, frames=np.ascontiguousarray(way)) for name, way in ways.items()}


def graded(cohort: Path, reader: str, seed: int, kept: Path) -> dict[str, list[bool]]:
    """Which clips a trained reader grades right: of training, and of the test in all its ways.

    What is known already is read from `kept`, a folder for one cohort and recipe, so that a stopped
    run goes on.
    """
    file = kept / f"{reader.replace(' ', '_').replace(',', '')}_{seed}.json"
    if file.exists():
        return json.loads(file.read_text())
    sides = read_cohort(cohort, SIZE)
    model = trained(sides["train"], seed, reader)
    found = {}
    for pooled in READERS[reader][2]:
        model.pooled = pooled
        name = "" if reader == "3D" or len(READERS[reader][2]) == 1 else f", {pooled}"
        found[f"train{name}"] = right(model, sides["train"]).tolist()
        ways = shown(sides["test"], measured(cohort).narrowest) if reader == "3D" else {}
        for way, clips in (ways or {"as they are": sides["test"]}).items():
            found[f"{way}{name}"] = right(model, clips).tolist()
    kept.mkdir(parents=True, exist_ok=True)
    with replacing(file) as out:
        out.write(json.dumps(found).encode())
    return found


def examine(cohort: Path, kept: Path) -> dict[str, Any]:
    """Let all readers grade the test clips of a cohort."""
    sides, clips = read_cohort(cohort, SIZE), measured(cohort)
    observer = oracle_accuracies(clips, np.random.default_rng(0))
    work = [(reader, seed) for reader in READERS for seed in SEEDS]
    answers = {
        key: graded(cohort, *key, kept) for key in tqdm(work, desc="plain networks", unit="network")
    }
    tables = {
        f"{reader}{name.removeprefix('as they are')}": np.array(
            [answers[reader, seed][name] for seed in SEEDS]
        )
        for reader in READERS
        for name in answers[reader, SEEDS[0]]
        if name.startswith("as they are")
    }
    weights = draw_patients(sides["test"].patients, DRAWS, seed=0)
    solid = tables["3D"].mean(axis=0)
    gaps = {
        name: asdict(interval_of(weights @ (solid - table.mean(axis=0)) / weights.sum(axis=1)))
        for name, table in tables.items()
        if name != "3D"
    }
    return {
        "question": "how many test clips fixed readers grade right, and whether they need time",
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
            "mean": float(observer.mean()),
            "range": np.percentile(observer, [2.5, 97.5]).tolist(),
            "of the middle frame": float(
                oracle_accuracies(
                    replace(clips, stenoses=clips.middle), np.random.default_rng(0)
                ).mean()
            ),
        },
        "recipe": {"epochs": EPOCHS, "batch": BATCH, "rate": RATE},
        "seeds": list(SEEDS),
        "plain_cnn": {
            "parameters": sum(w.numel() for w in Plain(len(clips.rule.grades)).parameters()),
            "test": tables["3D"].mean(axis=1).tolist(),
            "mean": float(tables["3D"].mean()),
            "train": [float(np.mean(answers["3D", seed]["train"])) for seed in SEEDS],
        },
        "by_frame": {
            name: {
                "test": table.mean(axis=1).tolist(),
                "mean": float(table.mean()),
                "3D minus this, paired by patient": gaps[name],
            }
            for name, table in tables.items()
            if name != "3D"
        },
        "shown": {
            way: float(np.mean([answers["3D", seed][way] for seed in SEEDS]))
            for way in answers["3D", SEEDS[0]]
            if way != "train"
        },
    }


def _facts(cohort: Path) -> dict[str, Any]:
    if not cohort.is_dir():
        return {"file": cohort.name}
    return {name: fact for name, fact in read_metadata(cohort).items() if "columns" not in name}


def main(cohort: Path, folder: Path, runs: Path) -> None:
    """Examine, write, and print a small table."""
    name = digest(cohort if cohort.is_file() else cohort / "manifest.csv")[:12]
    recipe = f"{SIZE}px-{EPOCHS}x{BATCH}-{RATE}"
    found = examine(cohort, runs / f"difficulty-{name}-{recipe}")
    with replacing(folder / "difficulty.json") as file:
        file.write((json.dumps(found, indent=2) + "\n").encode())
    oracle, plain = found["oracle"], found["plain_cnn"]
    print(f"{found['clips']['test']} test clips{'':22}right")
    print(f"majority class                     {found['majority']:6.1%}")
    print(f"observer of true contours          {oracle['mean']:6.1%}")
    print(f"the same, of the middle frame      {oracle['of the middle frame']:6.1%}")
    print(f"plain 3D network, training clips   {np.mean(plain['train']):6.1%}")
    print(f"plain 3D network                   {plain['mean']:6.1%}  {_listed(plain['test'])}")
    for name, row in found["by_frame"].items():
        gap = row["3D minus this, paired by patient"]
        print(f"{name:35}{row['mean']:6.1%}  {_listed(row['test'])}")
        print(f"{'':35}3D ahead by {gap['value']:.1%} ({gap['low']:.1%} to {gap['high']:.1%})")
    for way, share in found["shown"].items():
        print(f"3D, {way:31}{share:6.1%}")


def _listed(shares: list[float]) -> str:
    return " ".join(f"{share:.1%}" for share in shares)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    here = Path(__file__).parent
    main(Path(sys.argv[1]), here / "results", here.parent / "runs")
