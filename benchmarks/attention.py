"""Are maps of a trained network evidence: of this clip, of what was learned, of what was used?

    python benchmarks/attention.py COHORT WORK [--network FILE] [--memorised FILE] [--out FOLDER]

COHORT is a folder of `csglib simulate` whose test clips the network has not learned from, with
frames of the size that it was trained on. By default the network is tiny_256 of data_samples, and
results/attention.json and attention.png are written. WORK keeps what is done: stopped at any
moment, the same command goes on. For each kind of map:

- scores against the truth, own map minus each control, paired by patient: another patient's map,
  the mean map, a centre prior, untrained networks, a network that has memorised shuffled grades,
  shuffled frames;
- deletion and insertion curves in the order of the own map, of another patient's and at random, a
  clip of each patient, under the cover that the network takes most nearly for neither grade;
- cascading randomisation: rank correlation with the map before, on a few clips.

118 clips of 256 x 256 pixels take about an hour on two cores; `--device cuda` takes minutes.
"""

import argparse
import datetime
import json
import math
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import Clip
from csglib.data.cohort import digest, read_manifest, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.weights import load_weights, read_weights
from csglib.train.fit import predict
from csglib.view.controls import (
    Comparison,
    class_token_map,
    compare,
    paired,
    random_control,
    shuffled_maps,
)
from csglib.view.deletion import Cover, Curve, Curves, covers, curves, neutrality
from csglib.view.grad_cam import grad_cam, input_gradient
from csglib.view.randomisation import cascading_randomisation
from csglib.view.rollout import rollout
from csglib.view.scores import Method

SAMPLES = Path(__file__).parents[1] / "data_samples"
UNTRAINED = 3
STEPS = 7  # of a deletion curve
RANDOMISED = 12  # clips, one of a patient
TURNS_BACK = 0.05  # change of a probability against its curve's direction that is counted
METHODS: dict[str, Method] = {
    "spatial branch": class_token_map("space"),
    "temporal branch": class_token_map("time"),
    "space queries time": class_token_map("into_space"),
    "time queries space": class_token_map("into_time"),
    "time queries space, last block": class_token_map("into_time", slice(-1, None)),
    "rollout": rollout,
    "Grad-CAM": grad_cam,
    "input gradient": input_gradient,
}
TICKS = (-10, -3, -1, -0.3, 0, 0.3, 1, 3, 10)  # of the picture: linear from -0.1 to 0.1, then log
COLOURS = {"above": "#1668b8", "below": "#b45309"}  # of own maps, against a control

Arrays = dict[str, ndarray]


class Work:
    """A folder that keeps arrays by name, so that nothing is measured twice.

    Raises:
        ValueError: the folder has results of other networks or clips.
    """

    def __init__(self, folder: Path, inputs: dict[str, str]) -> None:
        self.folder, note = folder, folder / "inputs.json"
        folder.mkdir(parents=True, exist_ok=True)
        if note.exists() and json.loads(note.read_text()) != inputs:
            raise ValueError(f"{folder} keeps results of other files than {inputs}: use a new one")
        with replacing(note) as file:
            file.write(json.dumps(inputs, indent=1).encode())

    def kept(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """What `make` returned, now or in an earlier run."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            arrays = {key: np.asarray(value) for key, value in make().items()}
            with replacing(path) as file:
                np.savez_compressed(file, **arrays)
        with np.load(path) as file:
            return dict(file)


class Subject(NamedTuple):
    """A trained network, others to compare it with, and clips that none has learned from."""

    own: CSG3DCT
    others: dict[str, CSG3DCT]
    clips: list[Clip]
    grades: list[int]

    @property
    def firsts(self) -> list[int]:
        """The index of each patient's first clip."""
        patients = [clip.patient for clip in self.clips]
        return [patients.index(patient) for patient in dict.fromkeys(patients)]

    def accuracy(self) -> Arrays:
        """Of each network on the clips."""
        frames = np.stack([clip.frames for clip in self.clips])
        found = {}
        for name, network in {"own": self.own, **self.others}.items():
            found[name] = np.mean(predict(network, frames).argmax(1).numpy() == self.grades)
        return found

    def maps(self, method: Method) -> Arrays:
        """By kind, a map of each clip."""
        own = [method(self.own, clip) for clip in tqdm(self.clips, desc="own maps", leave=False)]
        kinds = {"own": own, **shuffled_maps(method, self.own, self.clips)}
        for name, network in self.others.items():
            kinds[name] = [method(network, clip) for clip in self.clips]
        return {kind: np.stack([np.asarray(m) for m in maps]) for kind, maps in kinds.items()}

    def covers(self) -> Arrays:
        """Their names and how neutral they are, the best first."""
        found = neutrality(self.own, self.clips, covers(self.clips))
        return {"names": np.array([*found]), "measured": np.array([*found.values()])}

    def curves(self, places: Sequence[int], maps: ndarray, cover: Cover) -> Arrays:
        """Probabilities of these clips along the order of these maps."""
        found = [
            curves(self.own, self.clips[place], saliency, cover, STEPS, seed=place)
            for place, saliency in zip(tqdm(places, desc="curves", leave=False), maps, strict=True)
        ]
        return {
            "grade": np.array([each.grade for each in found]),
            "changed": np.array([each.deletion.changed for each in found]),
            "deletion": np.array([each.deletion.probability for each in found]),
            "insertion": np.array([each.insertion.probability for each in found]),
        }


def all_curves(
    subject: Subject, maps: Mapping[str, Arrays], cover: Cover, work: Work
) -> dict[str, dict[str, Arrays]]:
    """By method, then by order: curves of one clip of each patient."""
    places, found = subject.firsts, {}
    for name, kinds in maps.items():
        own = kinds["own"][places]
        grid = " x ".join(map(str, own.shape[1:]))
        orders = {
            "own": (name, own),
            "another patient's map": (name, np.roll(own, 1, axis=0)),  # that of the patient before
            "random order": (grid, np.ones_like(own)),
        }
        found[name] = {
            order: work.kept(f"curves, {label}, {order}", partial(subject.curves, places, m, cover))
            for order, (label, m) in orders.items()
        }
    return found


def as_curves(arrays: Arrays) -> list[Curves]:
    """The curves of each clip."""
    columns = (arrays[name] for name in ("grade", "changed", "deletion", "insertion"))
    return [
        Curves(int(grade), Curve(changed, deletion), Curve(changed, insertion))
        for grade, changed, deletion, insertion in zip(*columns, strict=True)
    ]


def by_figure(found: Sequence[Curves]) -> dict[str, ndarray]:
    """Areas, and beside them reversals: a curve that falls and rises again can have any area."""
    return {
        f"{kind} {figure}": np.array([getattr(getattr(each, kind), figure) for each in found])
        for kind in ("deletion", "insertion")
        for figure in ("area", "reversal")
    }


def described(comparison: Comparison) -> dict[str, Any]:
    """Scores as (value, low, high), and what own maps are beside each control."""
    own = comparison.means["own"]
    return {
        "own": {figure: [*asdict(score).values()] for figure, score in own.items()},
        "controls": {
            control: {
                figure: {
                    "mean": comparison.means[control][figure].value,
                    "own minus control": [*asdict(score).values()],
                    "own is": comparison.verdict(control, figure),
                }
                for figure, score in row.items()
            }
            for control, row in comparison.differences.items()
        },
    }


def described_curves(clips: Sequence[Clip], orders: Mapping[str, Arrays]) -> dict[str, Any]:
    """Areas beside both ends, and how many curves turn back: an area does not show that."""
    found = {order: as_curves(arrays) for order, arrays in orders.items()}
    values = {order: by_figure(each) for order, each in found.items()}
    own, kinds = values.pop("own"), ("deletion", "insertion")
    return {
        **described(paired(own, values, [clip.patient for clip in clips])),
        "changed": orders["own"]["changed"][0].tolist(),
        "mean curves": {
            order: {kind: arrays[kind].mean(axis=0).tolist() for kind in kinds}
            for order, arrays in orders.items()
        },
        "clips whose curve turns back": {
            kind: int((own[f"{kind} reversal"] > TURNS_BACK).sum()) for kind in kinds
        },
    }


def curves_in_words(found: dict[str, Any], cover: str) -> str:
    """Mean deletion and insertion curves in the own map's order."""
    lines = [f"own map's order, covered by {cover}, mean probability of the predicted grade:"]
    for kind, back in found["clips whose curve turns back"].items():
        values = " ".join(f"{value:.2f}" for value in found["mean curves"]["own"][kind])
        lines.append(f"  {kind:9}  {values}; {back} clips' curves turn back")
    return "\n".join(lines)


def picture(facts: dict[str, Any]) -> Figure:
    """Own minus control; below it deletion curves, and randomisation."""
    methods = [*facts["maps"]]
    figure = Figure(figsize=(14, 3 + 1.9 * len(methods) + 5), layout="constrained")
    above, middle, below = figure.subfigures(
        3, 1, height_ratios=(0.5 + 1.9 * len(methods), 3, 3.5), squeeze=True
    )
    figures = [*facts["maps"][methods[0]]["own"]]
    grid = above.subplots(len(methods), len(figures), sharex="col", squeeze=False)
    for row, name in zip(grid, methods, strict=True):
        for axes, title in zip(row, figures, strict=True):
            draw_differences(axes, facts["maps"][name], title)
            axes.tick_params(labelleft=axes is row[0])
        row[0].set_ylabel(name.replace(", ", "\n"))
    for axes, title in zip(grid[0], figures, strict=True):
        axes.set_title(title, fontsize=10)
    above.suptitle(
        "own map minus control, 95 % interval: blue above 0, orange below, grey neither "
        "(scale: linear to 0.1, then logarithmic)"
    )
    middle.suptitle(f"deletion: patches covered by {facts['cover']}, in three orders")
    styles = {"own": "o-", "another patient's map": "s--", "random order": "^:"}
    for axes, name in zip(
        middle.subplots(1, len(methods), sharey=True, squeeze=False)[0], methods, strict=True
    ):
        found = facts["curves"][name]
        for order, style in styles.items():
            curve = found["mean curves"][order]["deletion"]
            axes.plot(found["changed"], curve, style, ms=3, label=order)
        axes.set(xlabel="share covered", ylim=(0, 1))
        axes.set_title(name.replace(", ", "\n"), fontsize=9)
    middle.axes[0].set_ylabel("predicted grade")
    middle.axes[0].legend(fontsize=7)
    axes = below.subplots()
    for (name, stages), style in zip(
        facts["randomisation"]["alike"].items(), cycle("os^vDxP*"), strict=False
    ):
        axes.plot([*stages], [*stages.values()], f"{style}-", ms=4, label=name)
    axes.set(ylabel="rank correlation with the map before", ylim=(-1.05, 1.05))
    axes.legend(fontsize=8, ncols=3)
    below.suptitle("cascading randomisation, from the head down")
    return figure


def draw_differences(axes: Axes, found: dict[str, Any], title: str) -> None:
    """One figure of one method: a line for each control."""
    rows = found["controls"]
    for place, row in enumerate(rows.values()):
        value, low, high = row[title]["own minus control"]
        colour = COLOURS.get(row[title]["own is"], "#777777")
        axes.plot([low, high], [place, place], color=colour)
        axes.plot(value, place, "o", color=colour, ms=4)
    axes.axvline(0, color="#555555", ls=":")
    axes.set_xscale("symlog", linthresh=0.1)  # small differences beside those of a centre prior
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS], fontsize=7, minor=False)
    axes.minorticks_off()
    axes.set_xlim(TICKS[0] - 2, TICKS[-1] + 2)
    axes.set_yticks(range(len(rows)), [*rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)


def rounded(value: Any) -> Any:
    """Numbers to four digits; what is no number as null."""
    match value:
        case dict():
            return {str(key): rounded(each) for key, each in value.items()}
        case list():
            return [rounded(each) for each in value]
        case float():
            return round(value, 4) if math.isfinite(value) else None
        case np.floating():
            return rounded(float(value))
    return value


def examine(subject: Subject, work: Work) -> dict[str, Any]:
    """Everything that is measured, for the JSON file."""
    maps = {}
    for name, method in tqdm(METHODS.items(), desc="maps"):
        maps[name] = work.kept(f"maps, {name}", partial(subject.maps, method))
    scores = {}
    for name, kinds in maps.items():
        others = {kind: [*found] for kind, found in kinds.items() if kind != "own"}
        scores[name] = compare(subject.clips, [*kinds["own"]], others)
        print(f"\n{name}\n{scores[name]}")
    known = work.kept("covers", subject.covers)
    cover = str(known["names"][0])
    firsts = [subject.clips[place] for place in subject.firsts]
    followed = all_curves(subject, maps, covers(subject.clips)[cover], work)
    alike = {}
    for name, method in tqdm(METHODS.items(), desc="randomisation"):
        make = partial(cascading_randomisation, method, subject.own, firsts[:RANDOMISED])
        alike[name] = work.kept(f"randomisation, {name}", make)
    return {
        "clips": len(subject.clips),
        "patients": len(firsts),
        "accuracy on these clips": {
            name: float(value) for name, value in work.kept("accuracy", subject.accuracy).items()
        },
        "maps": {name: described(comparison) for name, comparison in scores.items()},
        "cover": cover,
        "covers": {
            name: {"mean probability of the last grade": mean, "mean distance from one half": bias}
            for name, (mean, bias) in zip(known["names"].tolist(), known["measured"], strict=True)
        },
        "curves": {name: described_curves(firsts, orders) for name, orders in followed.items()},
        "randomisation": {
            "clips": len(firsts[:RANDOMISED]),
            "alike": {
                name: {stage: float(values.mean()) for stage, values in stages.items()}
                for name, stages in alike.items()
            },
        },
    }


def network(path: Path, device: str) -> CSG3DCT:
    """`TINY` with the weights of a file."""
    model = CSG3DCT(TINY)
    load_weights(model, path)
    return model.to(device).eval()


def write(facts: dict[str, Any], folder: Path) -> None:
    """The JSON file, with a score's numbers on one line, and the picture."""
    text = json.dumps(rounded(facts), indent=1)
    for innermost in (r"\[[^\[\]{}]+\]", r"\{[^{}]{,160}\}"):
        text = re.sub(innermost, lambda found: re.sub(r"\s+", " ", found[0]), text)
    with replacing(folder / "attention.json") as file:
        file.write(f"{text}\n".encode())
    with replacing(folder / "attention.png") as file:
        picture(facts).savefig(file, format="png", dpi=100, metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what WORK lacks, write, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohort", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--network", type=Path, default=SAMPLES / "tiny_256.safetensors")
    parser.add_argument("--memorised", type=Path, help="one that has memorised shuffled grades")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args(arguments)

    rows = [row for row in read_manifest(given.cohort) if row["split"] == "test"]
    own = network(given.network, given.device)
    others = {f"untrained {seed}": random_control(own, seed) for seed in range(UNTRAINED)}
    clips = [read_npz(given.cohort / row["clip"]) for row in rows]
    subject = Subject(own, others, clips, [int(row["grade_index"]) for row in rows])
    files = {"own": given.network}
    if given.memorised:
        files["memorised"] = given.memorised
        others["memorised"] = network(given.memorised, given.device)
    inputs = {kind: digest(path) for kind, path in files.items()}
    work = Work(given.work, {**inputs, "cohort": digest(given.cohort / "manifest.csv")})
    found = examine(subject, work)
    facts = {
        "question": "are maps of a trained network evidence, beside controls",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {given.device}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "cohort": {n: f for n, f in read_metadata(given.cohort).items() if "columns" not in n},
        "networks": {
            kind: {"file": path.name, **read_weights(path)[1]} for kind, path in files.items()
        },
        **found,
    }
    write(facts, given.out)
    for name, curves_found in found["curves"].items():
        print(f"\n{name}, {curves_in_words(curves_found, found['cover'])}")


if __name__ == "__main__":
    main()
