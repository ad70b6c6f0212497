"""Table 1 at an eighth of its width, seed by seed; protocol.md says what is run and what counts.

    python benchmarks/narrow.py WORK SEED ...
    python benchmarks/narrow.py WORK --learn

WORK keeps cohorts and runs; stopped at any moment, the same command goes on. With `--learn` each
network is trained on two other cohorts, to show that it learns at all. Copies the answers of
finished runs, clip by clip, to results/narrow and writes results/narrow.json.
"""

import datetime
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

from csglib.data.atomic import replacing
from csglib.data.cohort import ClipSet
from csglib.model.config import TINY_2D
from csglib.model.csg3dct import CSG3DCT
from csglib.model.weights import load_weights
from csglib.table1.budget import BUDGETS
from csglib.table1.pairs import holm, over_seeds
from csglib.table1.pretrain import frames_of
from csglib.table1.report import accuracies_in, claims_in
from csglib.table1.rows import CLAIMS, ROWS
from csglib.table1.run import RESULT, Table1
from csglib.train.experiment import TEST
from csglib.train.fit import predict
from csglib.train.predictions import Predictions

SEEDS = range(10)
LEARN = (10_000, 10_001)  # their cohorts are in no comparison
FROM_RANDOM = [n for n, row in ROWS.items() if row.init == "random"] + ["csg3dct_random"]
BESIDE = ("parent_mean", "parent_max", "plain_3d")


def run(work: Path, seeds: Sequence[int], rows: Sequence[str], kept: Path) -> None:
    """Train what is missing, and keep the answers; a ValueError for a WORK of another plan."""
    table = Table1(work, BUDGETS["narrow"], "clips")
    for seed in seeds:
        for name in rows:
            folder = kept / name / f"seed-{seed}"
            if name in BESIDE:
                said = beside(table, seed, name, folder)
            else:
                done = table.finished(name, seed)
                folder.mkdir(parents=True, exist_ok=True)
                for file in (TEST, RESULT):
                    shutil.copy(done / file, folder)
                said = Predictions.read(folder / TEST)
            accuracy = (said.probabilities.argmax(1) == said.grades).mean()
            print(f"seed {seed}, {name}: {accuracy:.1%}", flush=True)


def beside(table: Table1, seed: int, name: str, folder: Path) -> Predictions:
    """Answers of the 2D network alone, pooled over frames, or of the plain 3D network."""
    if not (folder / TEST).is_file():
        clips = table.clips(8, seed)
        make = plain_3d if name == "plain_3d" else of_parent
        folder.mkdir(parents=True, exist_ok=True)
        make(table, seed, clips, name).write(folder / TEST)
    return Predictions.read(folder / TEST)


def of_parent(table: Table1, seed: int, clips: dict[str, ClipSet], name: str) -> Predictions:
    """Mean probabilities of a clip's frames, or those of its most severe frame."""
    test, path = clips["test"], table.parent(seed)
    network = CSG3DCT(replace(TINY_2D, classes=len(test.grade_names)))
    load_weights(network, path.with_name("best.safetensors"))
    each = predict(network, frames_of(test).frames, 64).double().softmax(1).numpy()
    frames = rearrange(each, "(clips t) k -> clips t k", clips=len(test))
    worst = frames[np.arange(len(test)), frames[..., -1].argmax(1)]
    pooled = frames.mean(1) if name == "parent_mean" else worst
    return Predictions(
        probabilities=pooled, grades=test.grades, patients=test.patients, names=test.grade_names
    )


def plain_3d(table: Table1, seed: int, clips: dict[str, ClipSet], name: str) -> Predictions:
    """The network and the recipe of difficulty.py."""
    from difficulty import _input, trained  # noqa: PLC0415  # beside this file

    test, model = clips["test"], trained(clips["train"], seed)
    with torch.no_grad():
        batches = np.array_split(test.frames, -(-len(test) // 16))
        logits = torch.cat([model(_input(batch)) for batch in batches])
    return Predictions.of(logits, test)


def summary(kept: Path) -> dict[str, Any]:
    """What the finished seeds say so far; verdicts wait for all of them."""
    rows = {name: accuracies_in(kept / name) for name in (*ROWS, "csg3dct_random", *BESIDE)}
    claims: dict[str, Any] = {}
    for claim, differences in claims_in(kept).items():
        claims[claim] = {"rows": CLAIMS[claim], "differences": differences}
        if len(differences) > 1:
            score, chance = over_seeds(np.array([*differences.values()]))
            claims[claim] |= asdict(score) | {"p": chance}
    if all(len(claim["differences"]) == len(SEEDS) for claim in claims.values()):
        adjusted = holm([claim["p"] for claim in claims.values()])
        for claim, chance in zip(claims.values(), adjusted, strict=True):
            claim["p, Holm"] = chance
    seconds = [json.loads(p.read_text())["seconds"] for p in kept.glob(f"**/{RESULT}")]
    return {
        "question": "which of the paper's claims hold, by the protocol",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "plan": asdict(BUDGETS["narrow"]),
        "hours of training": round(sum(seconds) / 3600, 2),
        "claims": claims,
        "accuracy": {name: found for name, found in rows.items() if found},
        "shown to learn": {
            n: found for n in FROM_RANDOM if (found := accuracies_in(kept / "learn" / n))
        },
    }


def main(words: Sequence[str], results: Path) -> None:
    """Run, keep, and write the summary."""
    work, *seeds = words
    kept = results / "narrow"
    if seeds == ["--learn"]:
        run(Path(work), LEARN, FROM_RANDOM, kept / "learn")
    else:
        run(Path(work), [int(n) for n in seeds], [*ROWS, "csg3dct_random", *BESIDE], kept)
    with replacing(results / "narrow.json") as file:
        file.write((json.dumps(summary(kept), indent=2) + "\n").encode())


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1:], Path(__file__).parent / "results")
