"""The paper's Fig. 4 once more: Grad-CAM of three networks on one severe clip, with a control.

    python benchmarks/figure_4.py COHORT RUN RUN RUN

Each RUN is a folder of a finished `csglib train`, or a row of `table1`, all at one size; the paper
shows TimeSformer, SlowFast (its fast pathway) and CSG-3DCT. COHORT is a folder of `csglib simulate`
with test clips of that size that none of them has learned from. Every map, for the grade severe, is
scored beside another patient's map and the mean map of the same network (`csglib.view.controls`).
The picture shows the narrowest test clip, each network's map of it, and below that the same
network's map of another patient's narrowest clip, laid over the same frames. Writes
results/figure_4.json and .png.
"""

import datetime
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES, Clip
from csglib.data.cohort import read_manifest, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.metrics.intervals import Score
from csglib.train.experiment import Experiment, test_predictions, trained
from csglib.train.fit import predict
from csglib.view.controls import Comparison, compare
from csglib.view.grad_cam import grad_cam

SEVERE = GRADES.index("severe")
CONTROLS = ("another patient's map", "mean map", "centre prior")


class Seen(NamedTuple):
    """What a network makes of the test clips.

    Attributes:
        network: its name.
        maps: Grad-CAM for the grade severe, of each clip.
        scores: of the maps, beside their controls.
        severe: the probability that it gives to that grade in the clip of the picture.
        accuracy: on the test clips.
    """

    network: str
    maps: list[Float[Tensor, "t rows columns"]]
    scores: Comparison
    severe: float
    accuracy: Score


def look(run: Path, clips: Sequence[Clip], first: int, cohort: Path) -> Seen:
    """Run the network of a run on the clips; a ValueError for clips that do not fit it."""
    name, network = Experiment.load(run).network, trained(run)
    accuracy = test_predictions(run, cohort).scores().accuracy
    maps = [grad_cam(network, clip, SEVERE) for clip in tqdm(clips, desc=name, leave=False)]
    severe = float(predict(network, clips[first].frames[None]).softmax(dim=1)[0, SEVERE])
    return Seen(name, maps, compare(clips, maps, {}), severe, accuracy)


def picture(seen: Sequence[Seen], clips: Sequence[Clip], first: int, other: int) -> Figure:
    """The plain frames on top, then two rows for each network."""
    clip = clips[first]
    rows = [("the clip", None)]
    for one in seen:
        rows += [(one.network, one.maps[first]), ("another patient's", one.maps[other])]
    frames, height, width = clip.frames.shape
    figure = Figure(figsize=(10, 1.15 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), frames, squeeze=False)
    for line, (label, heat) in zip(grid, rows, strict=True):
        line[0].set_ylabel(label, fontsize=8)
        for number, axes in enumerate(line):
            axes.imshow(clip.frames[number], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            if heat is not None:
                box = (-0.5, width - 0.5, height - 0.5, -0.5)
                axes.imshow(
                    heat[number].numpy(), cmap="cividis", vmin=0, vmax=1, alpha=0.55, extent=box
                )
    return figure


def described(one: Seen) -> dict[str, Any]:
    """A network's accuracy, and its maps' scores beside the controls, as (value, low, high)."""
    return {
        "test accuracy": asdict(one.accuracy),
        "severe": one.severe,
        "own": {f: [*asdict(score).values()] for f, score in one.scores.means["own"].items()},
        "own minus control": {
            control: {
                figure: {
                    "difference": [*asdict(score).values()],
                    "own is": one.scores.verdict(control, figure),
                }
                for figure, score in one.scores.differences[control].items()
            }
            for control in CONTROLS
        },
    }


def main(cohort: Path, runs: Sequence[Path], folder: Path) -> None:
    """Look, write, and say how each network's maps stand beside the controls."""
    sizes = {(found.frames, found.size) for found in map(Experiment.load, runs)}
    if len(sizes) > 1:
        raise ValueError(f"maps are compared at one number of frames and size: got {sizes}")
    rows = [row for row in read_manifest(cohort) if row["split"] == "test"]
    clips = [read_npz(cohort / row["clip"]) for row in rows]
    closed = [max(clip.truth.diameter_stenosis) if clip.truth else 0.0 for clip in clips]
    first, *others = sorted(range(len(clips)), key=closed.__getitem__, reverse=True)
    other = next(place for place in others if clips[place].patient != clips[first].patient)
    seen = [look(run, clips, first, cohort) for run in runs]
    grades = [int(row["grade_index"]) for row in rows]
    facts = {
        "question": "where does Grad-CAM of three networks look, and is it of this clip",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "cohort": {n: f for n, f in read_metadata(cohort).items() if "columns" not in n},
        "frames, size": [*sizes.pop()],
        "clips": len(clips),
        "patients": len({clip.patient for clip in clips}),
        "majority": max(map(grades.count, set(grades))) / len(grades),
        "clip": {"name": rows[first]["clip"], "closed": closed[first]},
        "networks": {one.network: described(one) for one in seen},
    }
    with replacing(folder / "figure_4.json") as file:
        file.write((json.dumps(facts, indent=1) + "\n").encode())
    with replacing(folder / "figure_4.png") as file:
        drawn = picture(seen, clips, first, other)
        drawn.savefig(file, format="png", dpi=90, metadata={"Software": None})
    for one in seen:
        print(f"\n{one.network}, right on {one.accuracy.value:.1%}")
        for figure in one.scores.means["own"]:
            verdicts = ", ".join(f"{name}: {one.scores.verdict(name, figure)}" for name in CONTROLS)
            print(f"  {figure:<22}{one.scores.means['own'][figure].value:.2f}  {verdicts}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    given, results = [Path(name) for name in sys.argv[1:]], Path(__file__).parent / "results"
    main(given[0], given[1:], results)
