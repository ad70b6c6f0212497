"""The paper's Fig. 4 once more: Grad-CAM of three networks, on every frame of one severe clip.

    python benchmarks/figure_4.py RUN RUN RUN

Each RUN is a folder of a finished `csglib train`, or a row of `table1`; the paper shows
TimeSformer, SlowFast (its fast pathway) and CSG-3DCT. The networks see data_samples' concentric
plaque, at the size that each was trained on. One scale serves the frames of a row; rows cannot be
compared, for each map is in the unit of its own logit. Writes results/figure_4.json and .png.
"""

import datetime
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES, Clip, resample
from csglib.data.readers import read_clip
from csglib.metrics.intervals import Score
from csglib.train.experiment import Experiment, test_predictions, trained
from csglib.train.fit import predict
from csglib.view.grad_cam import grad_cam
from csglib.view.scores import score_map

CLIP = Path(__file__).parents[1] / "data_samples" / "severe_concentric_type_IV.npz"
SEVERE = GRADES.index("severe")


class Seen(NamedTuple):
    """What a network makes of the clip.

    Attributes:
        network: its name, and the size of its frames.
        clip: at that size.
        heat: Grad-CAM for the grade severe.
        severe: the probability that it gives to that grade.
        accuracy: on its own test clips.
    """

    network: str
    clip: Clip
    heat: Float[Tensor, "t rows columns"]
    severe: float
    accuracy: Score


def look(run: Path) -> Seen:
    """Run the network of a run on the clip."""
    experiment, network = Experiment.load(run), trained(run)
    clip = resample(read_clip(CLIP), experiment.frames, experiment.size)
    severe = float(predict(network, clip.frames[None]).softmax(dim=1)[0, SEVERE])
    name = f"{experiment.network}, {experiment.size} px"
    return Seen(
        name, clip, grad_cam(network, clip, SEVERE), severe, test_predictions(run).scores().accuracy
    )


def picture(seen: Sequence[Seen]) -> Figure:
    """A row for each network, a column for each frame; the plain frames on top."""
    frames = len(seen[-1].clip.frames)
    figure = Figure(figsize=(10, 1.3 * (1 + len(seen))), layout="constrained")
    rows = figure.subplots(1 + len(seen), frames, squeeze=False)
    for number in range(frames):
        for place, axes in enumerate(rows[:, number]):
            shown = seen[place - 1]
            height, width = shown.clip.frames.shape[1:]
            axes.imshow(shown.clip.frames[number], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            if place:
                box, heat = (-0.5, width - 0.5, height - 0.5, -0.5), shown.heat[number].numpy()
                axes.imshow(heat, cmap="cividis", vmin=0, vmax=1, alpha=0.55, extent=box)
            else:
                closed = shown.clip.truth.diameter_stenosis[number] if shown.clip.truth else 0
                axes.set_title(f"{closed:.0%} closed", fontsize=8)
    rows[0, 0].set_ylabel("the clip", fontsize=8)
    for axes, one in zip(rows[1:, 0], seen, strict=True):
        label = f"{one.network}\nsevere {one.severe:.0%}\n(right on {one.accuracy.value:.0%})"
        axes.set_ylabel(label, fontsize=8)
    return figure


def main(runs: Sequence[Path], folder: Path) -> None:
    """Look, write, and say what each network predicts."""
    seen = [look(run) for run in runs]
    facts = {
        "question": "where does Grad-CAM of three networks look in the same severe clip",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "clip": CLIP.name,
        "networks": {
            one.network: {
                "severe": one.severe,
                "test accuracy": asdict(one.accuracy),
                "scores": score_map(one.heat, one.clip),
            }
            for one in seen
        },
    }
    with replacing(folder / "figure_4.json") as file:
        file.write((json.dumps(facts, indent=1) + "\n").encode())
    with replacing(folder / "figure_4.png") as file:
        picture(seen).savefig(file, format="png", dpi=90, metadata={"Software": None})
    for one in seen:
        print(f"{one.network:<22}severe {one.severe:.0%}, right on {one.accuracy.value:.1%}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main([Path(name) for name in sys.argv[1:]], Path(__file__).parent / "results")
