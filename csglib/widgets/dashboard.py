"""The training dashboard: a run's curves, and each validation clip's probability by epoch.

Source: not in the paper; section 3, "Dataset and Implementations", says how long is trained.
"""

import asyncio
import json
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import traitlets
from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray
from torch import nn

from csglib.data.cohort import ClipSet
from csglib.train.config import TrainConfig
from csglib.train.fit import fit
from csglib.train.runs import PROGRESS, Epoch, progress
from csglib.widgets.base import LiveFigure, front_end

_PAUSE = 0.05  # seconds after each epoch in which the kernel receives the page's messages
_BLUE, _ORANGE, _GREY = "#1668b8", "#b45309", "#555555"
_CURVES = (("train", "training", _BLUE, "-", "o"), ("validation", "validation", _ORANGE, "--", "D"))


class RunDashboard(LiveFigure):
    """A run as its folder has it, while another notebook or `csglib train` trains it, or later.

    It never trains and takes no lock. While it is shown, the page asks for news.

    Attributes:
        epoch: the one on show, counted from 1; 0 is the newest, whichever that is by now.
        playing: the epoch on show advances by itself.
        best: the epoch of best.safetensors, 0 before any.
        age: seconds since the run last wrote.

    Raises:
        ValueError: no run has begun in the folder, or its clips have more than two grades.
    """

    _esm, _css = front_end(__file__)

    epoch = traitlets.Int(0, min=0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    watching = traitlets.Bool(True).tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)
    stopping = traitlets.Bool(False).tag(sync=True)

    best = traitlets.Int(0).tag(sync=True)
    age = traitlets.Int(0).tag(sync=True)
    facts = traitlets.Dict().tag(sync=True)
    shares = traitlets.Bytes().tag(sync=True)  # f32 (epoch, clip) of the second grade, or NaN
    records: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)  # set after `shares`

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._read()
        self.on_msg(self._on_message)

    def _on_message(self, _widget: object, content: object, _buffers: object) -> None:
        if content == "read":
            self._read()
        elif content == "stop":
            self.stopping = self.running

    def _read(self) -> None:
        path = self._folder / PROGRESS
        if not path.is_file():
            raise ValueError(f"{self._folder} holds no run with an epoch to show: no {PROGRESS}")
        self._show(json.loads(path.read_bytes()))
        self.age = int(time.time() - path.stat().st_mtime)

    def _show(self, told: Mapping[str, Any]) -> None:
        names, grades, records = told["names"], told["grades"], told["records"]
        if len(names) != 2:
            raise ValueError(f"the dashboard shows clips of two grades: got {', '.join(names)}")
        accuracy = max(grades.count(0), grades.count(1)) / len(grades)
        baseline = {"loss": float(np.log(2)), "accuracy": accuracy}
        facts = {name: told[name] for name in ("epochs", "names", "grades", "patients")}
        self.facts = {**facts, "baseline": baseline}
        table = np.full((len(records), len(grades)), np.nan, "<f4")
        for row, record in zip(table, records, strict=True):
            if record["probabilities"]:  # older versions did not keep them
                row[:] = [clip[1] for clip in record["probabilities"]]
        self.shares, self.best = table.tobytes(), told["best"]
        self.records = [{**record, "probabilities": None} for record in records]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.records)} of {self.facts['epochs']} epochs, "
            f"{len(self.facts['grades'])} validation clips)"
        )

    def still(self) -> Figure:
        """Curves of all epochs, and the clips after the one on show."""
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        parts = figure.subplot_mosaic([["loss", "clips"], ["accuracy", "clips"]])
        done, epochs = len(self.records), self.facts["epochs"]
        for name, baseline in self.facts["baseline"].items():
            _draw_curves(parts[name], self.records, name, baseline)
            parts[name].set_xlim(0.5, max(epochs, done) + 0.5)
            if self.best:
                parts[name].axvline(self.best, color=_ORANGE, alpha=0.3, linewidth=6)
        best = f", best weights: epoch {self.best}" if self.best else ""
        parts["loss"].set_title(f"{done} of {epochs} epochs{best}", fontsize=10)
        parts["accuracy"].set(xlabel="epoch", ylim=(0, 1.05))
        clips = parts["clips"]
        if done:
            shown = min(self.epoch or done, done) - 1
            table = np.frombuffer(self.shares, "<f4").reshape(done, -1)
            _draw_clips(clips, table[max(shown - 1, 0) : shown + 1], self.facts["grades"])
            clips.set_title(f"after epoch {shown + 1}: dots right, crosses wrong", fontsize=10)
        mild, severe = self.facts["names"]
        clips.set(xlim=(-0.03, 1.03), ylim=(0, 2.05), xlabel=f"probability of {severe}")
        clips.set_yticks([0.5, 1.5], [f"true {severe}", f"true {mild}"])
        return figure


class TrainingDashboard(RunDashboard):
    """Show it in one cell; `await dashboard.run()` in another, as often as you like.

    `run` is a coroutine so that after each epoch the kernel can receive the page's stop button. An
    interrupted kernel keeps the epochs so far too, but raises an error. For the arguments see
    `csglib.train.fit.fit`; a ValueError if the clips have more than two grades.

    Attributes:
        running: `run` is training.
        stopping: `run` ends after the current epoch.
    """

    def __init__(
        self, model: nn.Module, train: ClipSet, validation: ClipSet, config: TrainConfig
    ) -> None:
        LiveFigure.__init__(self, watching=False)
        self._what = model, train, validation, config
        self._show(progress(config, validation, []))
        self.on_msg(self._on_message)

    async def run(self) -> list[Epoch]:
        """Train to the last epoch or to the page's stop, and show every epoch.

        Called again, it resumes, also in a new kernel. Returns all records so far, and raises what
        `csglib.train.fit.fit` does; the view stays.
        """
        self.stopping, self.running = False, True
        records = list[Epoch]()
        try:
            # closing: the folder is released in any case
            with closing(cast("Generator[Epoch]", fit(*self._what))) as epochs:
                for record in epochs:
                    records.append(record)
                    if len(records) > len(self.records):  # epochs of an earlier run() stay
                        self._show(progress(self._what[-1], self._what[2], records))
                    await asyncio.sleep(_PAUSE)
                    if self.stopping:
                        break
        finally:
            self.running = self.stopping = False
        return records


def _draw_curves(axes: Axes, records: list[dict[str, Any]], name: str, baseline: float) -> None:
    epochs = [record["epoch"] for record in records]
    for part, label, colour, line, marker in _CURVES:
        values = [record[f"{part}_{name}"] for record in records]
        axes.plot(epochs, values, line, marker=marker, color=colour, markersize=4, label=label)
    axes.axhline(baseline, color=_GREY, linestyle=":", label="constant prediction")
    axes.set_ylabel("cross-entropy" if name == "loss" else name)
    if name == "loss":
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8)


def _draw_clips(axes: Axes, shares: Float32[ndarray, "epochs clips"], grades: list[int]) -> None:
    """The last row's places, with trails from the row before."""
    for grade in (0, 1):
        places = [place for place, of in enumerate(grades) if of == grade]
        for rank, place in enumerate(places):
            height = 2 - grade - (rank + 0.5) / len(places) * 0.95
            share = shares[-1, place]
            right = (share > 0.5) == (grade == 1)
            colour = _BLUE if right else _ORANGE
            axes.plot(shares[:, place], [height] * len(shares), color=colour, alpha=0.4)
            axes.plot(share, height, "o" if right else "X", color=colour, markersize=8)
    axes.axvline(0.5, color=_GREY, linestyle="--")
    axes.axhline(1, color=_GREY, linewidth=0.8)
