"""A model card: what a trained network is, what it has seen, how right it was, and its limits.

Not in the paper; after Mitchell et al. 2019. Whatever files tell is taken from them, so that it
cannot be prettier than they are. What only people know is asked, and stays "not stated" until they
say it. Nothing in it names a patient.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from csglib.data.cohort import ClipSet, Row, digest, read_cohort, read_manifest, read_metadata
from csglib.metrics import Scores, confusion
from csglib.train.experiment import TEST, Experiment, test_predictions
from csglib.train.predictions import Predictions
from csglib.train.runs import read_config

QUESTIONS = {
    "purpose": "What is it for, and who may use it?",
    "people": "Whose clips are these, and how were they chosen?",
    "machines": "Which machines and settings made them?",
    "grading": "Who graded, by which rule, and did two people agree?",
    "consent": "Who allowed this use of the clips?",
    "contact": "Whom does one ask?",
}
_NOBODY: Mapping[str, str] = MappingProxyType({})
_NEEDED = ("experiment.json", "epochs.csv", "best.safetensors", TEST)
_FEW = 10  # patients, from whom nothing can be chosen
_SCALES = 1.5  # of the largest to the smallest


def model_card(run: Path, cohort: Path, answers: Mapping[str, str] = _NOBODY) -> str:
    """Write the card of a finished run.

    Args:
        run: folder that `csglib train` left.
        cohort: folder of the clips that it was trained on.
        answers: to some of `QUESTIONS`, by their names.

    Returns:
        Markdown.

    Raises:
        ValueError: no finished run, another cohort than it was trained on, or a question that is
            not asked.
    """
    if unknown := [name for name in answers if name not in QUESTIONS]:
        raise ValueError(f"{', '.join(unknown)} is not asked: wanted {', '.join(QUESTIONS)}")
    known = _Known(run, cohort)
    known.check()
    parts = [
        f"# Model card: {known.experiment.network}, {' or '.join(known.names)}",
        known.facts["what"],
        "## What it is\n\n" + _table(["", ""], _what(known)),
        "## What only people can say\n\n" + "\n\n".join(_said(answers)),
        "## What it has learned from\n\n" + _table(*_clips(known)),
        "## How right it is\n\n" + _table(*_scores(known)) + "\n\n" + _table(*_answers(known)),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(known)),
    ]
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class _Known:
    """All that the files tell."""

    run: Path
    cohort: Path

    def check(self) -> None:
        """Refuse half a run, and a cohort of other clips."""
        if missing := [name for name in _NEEDED if not (self.run / name).is_file()]:
            raise ValueError(f"{self.run} holds no finished run: it lacks {', '.join(missing)}")
        if self.sides["train"].fingerprint != self.config["training clips"]:
            raise ValueError(
                f"{self.run} was trained on other clips than {self.cohort} has; wanted its own"
            )

    @cached_property
    def experiment(self) -> Experiment:
        return Experiment.load(self.run)

    @cached_property
    def config(self) -> dict[str, str]:
        return read_config(self.run)

    @property
    def epochs(self) -> int:
        _, *records = (self.run / "epochs.csv").read_text().splitlines()  # the first names columns
        return len(records)

    @cached_property
    def facts(self) -> dict[str, Any]:
        return read_metadata(self.cohort)

    @cached_property
    def rows(self) -> list[Row]:
        return read_manifest(self.cohort)

    @cached_property
    def sides(self) -> dict[str, ClipSet]:
        return read_cohort(self.cohort, self.experiment.size)

    @cached_property
    def said(self) -> Predictions:
        return test_predictions(self.run)

    @cached_property
    def scores(self) -> Scores:
        return self.said.scores()

    @property
    def names(self) -> tuple[str, ...]:
        return self.said.names

    @property
    def scales(self) -> list[float]:
        """Of the clips whose files state one, mm a pixel."""
        return [float(row["mm_per_px"]) for row in self.rows if row["mm_per_px"]]


def _what(known: _Known) -> Iterator[list[str]]:
    experiment, config = known.experiment, known.config
    size = experiment.size
    started = f"weights `{experiment.init}`" if experiment.init else "random weights"
    yield ["network", f"{experiment.network}, {int(config['parameters']):,} parameters"]
    yield ["sees", f"{experiment.frames} grey frames of {size} x {size} pixels"]
    yield ["says", f"a probability of {' and '.join(known.names)}, which add up to one"]
    yield ["started from", started]
    yield [
        "trained",
        f"{known.epochs} times over its clips, {config['batch_size']} a step, "
        f"learning rate {config['lr']}, "
        f"{config['schedule'].replace('_', ' ')}, seed {config['seed']}",
    ]
    yield ["weights", f"`best.safetensors`, SHA-256 `{digest(known.run / 'best.safetensors')}`"]
    yield ["made with", f"csglib {version('csglib')}, torch {version('torch')}"]


def _said(answers: Mapping[str, str]) -> Iterator[str]:
    for name, question in QUESTIONS.items():
        yield f"**{question}** {answers.get(name) or '*Not stated.*'}"


def _clips(known: _Known) -> tuple[list[str], Iterator[list[str]]]:
    head = ["", "clips", "patients", *known.names]
    rows = (
        [name, str(len(clips)), str(len({*clips.patients})), *map(str, _counts(clips, known))]
        for name, clips in known.sides.items()
    )
    return head, rows


def _counts(clips: ClipSet, known: _Known) -> list[int]:
    return np.bincount(clips.grades, minlength=len(known.names)).tolist()


def _scores(known: _Known) -> tuple[list[str], list[list[str]]]:
    rows = [
        [name.replace("_", " "), f"{score.value:.3f}", f"{score.low:.3f} to {score.high:.3f}"]
        for name, score in vars(known.scores).items()
    ]
    return ["on the test's clips", "value", "95 %, by drawing patients"], rows


def _answers(known: _Known) -> tuple[list[str], list[list[str]]]:
    said, names = known.said, known.names
    counts = confusion(said.probabilities.argmax(1), said.grades, len(names)).tolist()
    rows = [[f"are {name}", *map(str, row)] for name, row in zip(names, counts, strict=True)]
    return ["clips that", *(f"are called {name}" for name in names)], rows


def _limits(known: _Known) -> Iterator[str]:
    """In sentences; the first is the one that counts."""
    said, accuracy = known.said, known.scores.accuracy
    yield (
        f"Its test has {len(said.grades)} clips of {len({*said.patients})} patients. Others might "
        f"well have given an accuracy between {accuracy.low:.0%} and {accuracy.high:.0%}."
    )
    grade, count = Counter(said.grades.tolist()).most_common(1)[0]
    always = f"always saying {known.names[grade]}, which is right on {count / len(said.grades):.0%}"
    if accuracy.low > count / len(said.grades):
        yield f"It is better than {always}; that is all that the interval shows."
    else:
        yield f"**It is not shown to be better than {always}.**"
    yield (
        "The test's patients come from where the training's come from. On clips of another house, "
        "machine or hand it is likely to be worse, and nobody has tried."
    )
    yield (
        f"It knows no answer but {' and '.join(known.names)}: a heart, a hand or noise is graded "
        "too, and it may sound sure."
    )
    gap = known.scores.calibration_error.value
    yield f"Its confidence is off by {100 * gap:.0f} points on average: 90 % need not be 9 of 10."
    yield from _limits_of_clips(known)


def _limits_of_clips(known: _Known) -> Iterator[str]:
    watched = len({*known.sides["validation"].patients})
    if watched < _FEW:
        yield f"It was watched on {watched} patients, too few to have chosen anything by them."
    if known.facts.get("graded_by") == "people":
        yield "Its grades are what people said, and no better than they were."
    else:
        yield "**All its clips are simulated.** They say nothing about patients."
    scales, clips = known.scales, len(known.rows)
    if len(scales) < clips:
        yield f"{clips - len(scales)} of {clips} clips do not say how large a pixel is."
    if scales and max(scales) > _SCALES * min(scales):
        yield (
            f"A pixel is {min(scales):.2g} to {max(scales):.2g} mm wide: the same vessel looks "
            "large in one clip and small in another."
        )
    if known.experiment.init:
        yield "It did not start from nothing: what its first weights had seen is in it too."


def _table(head: list[str], rows: "Iterator[list[str]] | list[list[str]]") -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
