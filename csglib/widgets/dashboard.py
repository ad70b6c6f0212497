"""The training dashboard: a run's curves, and each validation clip's probability by epoch.

Source: not in the paper; section 3, "Dataset and Implementations", says how long is trained.
"""

import asyncio
import json
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import traitlets
from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray
from safetensors import safe_open
from torch import nn

from csglib.data.cohort import ClipSet
from csglib.train.config import TrainConfig
from csglib.train.fit import fit, predict
from csglib.train.runs import Epoch
from csglib.widgets.base import LiveFigure, front_end

Shares = Float32[ndarray, " clips"]

_PAUSE = 0.05  # seconds after each epoch in which the kernel receives the page's messages
_BLUE, _ORANGE, _GREY = "#1668b8", "#b45309", "#555555"
_CURVES = (("train", "training", _BLUE, "-", "o"), ("validation", "validation", _ORANGE, "--", "D"))


class TrainingDashboard(LiveFigure):
    """Show it in one cell; `await dashboard.run()` in another, as often as you like.

    `run` is a coroutine so that after each epoch the kernel can receive the page's stop button. An
    interrupted kernel keeps the epochs so far too, but raises an error.

    Args:
        model: see `csglib.train.fit.fit`, for all four.
        train: clips to learn from.
        validation: clips of two grades.
        config: how to train.

    Attributes:
        epoch: the one on show, counted from 1; 0 is the newest, whichever that is by now.
        playing: the epoch on show advances by itself.
        running: `run` is training.
        stopping: `run` ends after the current epoch.

    Raises:
        ValueError: the clips have more than two grades.
    """

    _esm, _css = front_end(__file__)

    epoch = traitlets.Int(0, min=0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)
    stopping = traitlets.Bool(False).tag(sync=True)

    facts = traitlets.Dict().tag(sync=True)
    shares = traitlets.Bytes().tag(sync=True)  # f32 (epoch, clip) of the second grade, or NaN
    records: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)  # set after `shares`

    def __init__(
        self, model: nn.Module, train: ClipSet, validation: ClipSet, config: TrainConfig
    ) -> None:
        names = validation.grade_names
        if len(names) != 2:
            raise ValueError(f"the dashboard shows clips of two grades: got {', '.join(names)}")
        grades = validation.grades.tolist()
        facts = {
            "epochs": config.epochs,
            "names": list(names),
            "grades": grades,
            "patients": list(validation.patients),
            "baseline": {
                "loss": float(np.log(2)),
                "accuracy": max(grades.count(0), grades.count(1)) / len(grades),
            },
        }
        super().__init__(facts=facts)
        self._model, self._train, self._validation, self._config = model, train, validation, config
        self._seen: dict[Epoch, Shares] = {}
        self.on_msg(self._on_message)

    def _on_message(self, _widget: object, content: object, _buffers: object) -> None:
        if content == "stop":
            self.stopping = self.running

    async def run(self) -> list[Epoch]:
        """Train to the last epoch or to the page's stop, and show every epoch.

        Called again, it resumes, also in a new kernel; only the clips' probabilities in the epochs
        of an old kernel are not known any more.

        Returns:
            All records so far.

        Raises:
            See `csglib.train.fit.fit`. The view stays.
        """
        self.stopping, self.running = False, True
        unknown = np.full(len(self._validation), np.nan, np.float32)
        seen, found = self._seen, dict[Epoch, Shares]()
        try:
            kept = _epochs_kept(self._config)
            epochs = fit(self._model, self._train, self._validation, self._config)
            with closing(cast("Generator[Epoch]", epochs)):  # releases the folder in any case
                for record in epochs:
                    found[record] = seen.get(record, unknown)
                    if record.epoch < kept:
                        continue  # old ones come first, with the weights of the last in place
                    if record not in seen:
                        found[record] = self._now()
                    self._seen = found
                    self.shares = self._table().astype("<f4").tobytes()
                    self.records = [asdict(each) for each in found]
                    await asyncio.sleep(_PAUSE)
                    if self.stopping and record.epoch < self._config.epochs:
                        break  # after the last epoch the run still writes its predictions
        finally:
            self.running = self.stopping = False
        return list(self._seen)

    def _now(self) -> Shares:
        """Probability of the second grade, of each clip."""
        logits = predict(self._model, self._validation.frames, self._config.batch_size)
        return logits.softmax(1)[:, 1].numpy()

    def _table(self) -> Float32[ndarray, "epochs clips"]:
        return np.stack(list(self._seen.values()))

    def __repr__(self) -> str:
        return (
            f"TrainingDashboard({len(self._seen)} of {self._config.epochs} epochs, "
            f"{len(self._train)} training clips, {len(self._validation)} validation clips)"
        )

    def still(self) -> Figure:
        """Curves of all epochs, and the clips after the one on show."""
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        parts = figure.subplot_mosaic([["loss", "clips"], ["accuracy", "clips"]])
        for name, baseline in self.facts["baseline"].items():
            _draw_curves(parts[name], self.records, name, baseline)
            parts[name].set_xlim(0.5, max(self._config.epochs, len(self._seen)) + 0.5)
        parts["loss"].set_title(f"{len(self._seen)} of {self._config.epochs} epochs", fontsize=10)
        parts["accuracy"].set(xlabel="epoch", ylim=(0, 1.05))
        clips = parts["clips"]
        if self._seen:
            shown = min(self.epoch or len(self._seen), len(self._seen)) - 1
            _draw_clips(clips, self._table()[max(shown - 1, 0) : shown + 1], self.facts["grades"])
            clips.set_title(f"after epoch {shown + 1}: dots right, crosses wrong", fontsize=10)
        mild, severe = self.facts["names"]
        clips.set(xlim=(-0.03, 1.03), ylim=(0, 2.05), xlabel=f"probability of {severe}")
        clips.set_yticks([0.5, 1.5], [f"true {severe}", f"true {mild}"])
        return figure


def _epochs_kept(config: TrainConfig) -> int:
    """How many epochs the run's folder holds."""
    path = config.folder / "resume.safetensors"
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as file:  # the notes alone: weights may be large
        return len(json.loads(file.metadata()["records"]))


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
