"""Does attention fall on the plaque, and on the narrowest frame, more than it must?

    python benchmarks/attention.py COHORT

COHORT is a folder of `csglib simulate` with frames of 128 x 128 pixels that the networks of
data_samples have not learned from, such as that of data_samples/make_networks.py. Maps of six kinds
are scored against the truth of its test clips, beside those of control networks: three
with random weights, and one trained on shuffled grades. Then patches are deleted in the order of
each map, and in random order: which of them does the prediction depend on? Writes
results/attention.json and attention.png.
"""

import datetime
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import Clip
from csglib.data.cohort import read_manifest, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.metrics.intervals import Score, draw_patients, interval_of
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.weights import load_weights
from csglib.view.controls import Comparison, class_token_map, compare, random_control, with_controls
from csglib.view.deletion import blurred, curves
from csglib.view.grad_cam import grad_cam
from csglib.view.rollout import rollout
from csglib.view.scores import Method

SAMPLES = Path(__file__).parents[1] / "data_samples"
TWINS = 3
DRAWS = 2000
METHODS: dict[str, Method] = {
    "spatial branch": class_token_map("space"),
    "temporal branch": class_token_map("time"),
    "space queries time": class_token_map("into_space"),
    "time queries space": class_token_map("into_time"),
    "rollout": rollout,
    "Grad-CAM": grad_cam,
}
FIGURES = {  # what is shown, and what a uniform map has there; None: it depends on the clips
    "plaque ratio": 1.0,
    "rank percentile": 0.5,
    "pointing": None,
}


def network(name: str) -> CSG3DCT:
    """A trained network of data_samples."""
    model = CSG3DCT(TINY)
    load_weights(model, SAMPLES / f"{name}.safetensors")
    return model.eval()


def test_clips(cohort: Path) -> list[Clip]:
    """With their truth."""
    rows = [row for row in read_manifest(cohort) if row["split"] == "test"]
    return [read_npz(cohort / row["clip"]) for row in rows]


def examine(trained: CSG3DCT, clips: Sequence[Clip]) -> dict[str, Comparison]:
    """Each kind of map, compared with its controls."""
    untrained = {f"random weights {seed}": random_control(trained, seed) for seed in range(TWINS)}
    untrained |= {"shuffled grades": network("tiny_128_shuffled")}
    return {
        name: compare(clips, with_controls(method, trained, clips, untrained), DRAWS)
        for name, method in tqdm(METHODS.items(), desc="maps")
    }


def needed(trained: CSG3DCT, clips: Sequence[Clip]) -> dict[str, Score]:
    """How much sooner the probability falls if patches are deleted by a map than at random.

    Area under the deletion curve: that of the random order minus that of the map's order.
    """
    weights = draw_patients([clip.patient for clip in clips], DRAWS, seed=0)
    found = {}
    for name, method in METHODS.items():
        gains = []
        for clip in tqdm(clips, desc=f"deletion, {name}"):
            curve = curves(trained, clip, method(trained, clip), blurred)
            gains.append(curve.random_deletion.area - curve.deletion.area)
        found[name] = interval_of(weights @ np.array(gains) / weights.sum(axis=1))
    return found


def picture(found: dict[str, Comparison]) -> Figure:
    """A column for each figure, a block for each kind of map; the trained network on top."""
    figure = Figure(figsize=(11, 1.3 + 1.6 * len(found)), layout="constrained")
    for row, (name, comparison) in zip(
        figure.subplots(len(found), len(FIGURES), sharex="col", squeeze=False),
        found.items(),
        strict=True,
    ):
        for axes, (title, uniform) in zip(row, FIGURES.items(), strict=True):
            _draw(axes, comparison, title)
            if uniform is not None:
                axes.axvline(uniform, color="#555555", ls=":")
            axes.tick_params(labelleft=axes is row[0])
        row[0].set_ylabel(name)
    for axes, title in zip(figure.axes, FIGURES, strict=False):
        axes.set_title(title, fontsize=10)
    return figure


def _draw(axes: Axes, comparison: Comparison, title: str) -> None:
    for place, (name, row) in enumerate(comparison.scores.items()):
        score, colour = row[title], "#555555" if place else "#1668b8"
        axes.plot([score.low, score.high], [place, place], color=colour)
        axes.plot(score.value, place, "s" if place else "o", color=colour, ms=4, label=name)
    axes.set_yticks(range(len(comparison.scores)), [*comparison.scores], fontsize=7)
    axes.set_ylim(len(comparison.scores) - 0.5, -0.5)


def main(cohort: Path, folder: Path) -> None:
    """Examine, write, and print the table."""
    trained, clips = network("tiny_128"), test_clips(cohort)
    found, hidden = examine(trained, clips), needed(trained, clips)
    facts: dict[str, Any] = {
        "question": "do maps of a trained network fit the truth better than those of controls",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "cohort": {n: f for n, f in read_metadata(cohort).items() if "columns" not in n},
        "clips": len(clips),
        "patients": len({clip.patient for clip in clips}),
        "maps": {name: asdict(comparison)["scores"] for name, comparison in found.items()},
        "needed": {name: asdict(score) for name, score in hidden.items()},
    }
    with replacing(folder / "attention.json") as file:
        file.write((json.dumps(facts, indent=1) + "\n").encode())
    with replacing(folder / "attention.png") as file:
        picture(found).savefig(file, format="png", dpi=110, metadata={"Software": None})
    for name, comparison in found.items():
        print(name, comparison, f"needed {hidden[name]}", sep="\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).parent / "results")
