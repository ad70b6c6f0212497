"""A model card: what a trained network is, its data, its scores and its limits, in Markdown.

Not in the paper; after Mitchell et al. 2019. What the files of a run and a cohort state is taken
from them; what only people know is "not stated" unless they state it. It names no patient.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from csglib.data.cohort import ClipSet, digest, read_cohort, read_manifest, read_metadata
from csglib.doctor.checks import MAX_SCALE_RATIO
from csglib.metrics import Scores, confusion
from csglib.train.experiment import TEST, Experiment, test_predictions
from csglib.train.predictions import Predictions
from csglib.train.runs import read_config

QUESTIONS = {
    "purpose": "What is it for, and who may use it?",
    "people": "Whose clips are these, and how were they chosen?",
    "machines": "Which scanners and settings made them?",
    "grading": "Who graded, by which rule, and did two people agree?",
    "consent": "Who allowed this use of the clips?",
    "contact": "Who answers questions about it?",
}
_REQUIRED = ("experiment.json", "epochs.csv", "best.safetensors", TEST)
_MIN_PATIENTS = 10  # of a validation set that can select anything


def model_card(run: Path, cohort: Path, answers: Mapping[str, str] | None = None) -> str:
    """The card of a finished run, as Markdown; `answers` are those to some of `QUESTIONS`, by name.

    Raises:
        ValueError: the run is not finished or has another cohort, or an answer has no question.
    """
    answers = answers or {}
    if unknown := [name for name in answers if name not in QUESTIONS]:
        raise ValueError(f"{', '.join(unknown)} is no question: wanted {', '.join(QUESTIONS)}")
    if missing := [name for name in _REQUIRED if not (run / name).is_file()]:
        raise ValueError(f"{run} holds no finished run: it lacks {', '.join(missing)}")
    experiment = Experiment.load(run)
    splits = read_cohort(cohort, experiment.size)
    if splits["train"].fingerprint != read_config(run)["training clips"]:
        raise ValueError(f"{run} was trained on other clips than {cohort} has; wanted its own")
    predictions = test_predictions(run)
    scores, names = predictions.scores(), predictions.names
    limits = [*_limits_of_scores(predictions, scores), *_limits_of_clips(cohort, splits)]
    if experiment.init:
        limits.append("It was not trained from scratch: its initial weights' data is in it too.")
    stated = (
        f"**{question}** {answers.get(name) or '*Not stated.*'}"
        for name, question in QUESTIONS.items()
    )
    sections = [
        f"# Model card: {experiment.network}, {' or '.join(names)}",
        read_metadata(cohort)["what"],
        "## Network\n\n" + _table(["", ""], _network(run, experiment, names)),
        "## What only people can state\n\n" + "\n\n".join(stated),
        "## Data\n\n" + _table(["", "clips", "patients", *names], _clips(splits, len(names))),
        "## Scores\n\n"
        + _table(["on the test set", "value", "95 %, by resampling patients"], _scores(scores)),
        _table(["true grade", *(f"predicted {name}" for name in names)], _confusion(predictions)),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits),
    ]
    return "\n\n".join(sections) + "\n"


def _network(run: Path, experiment: Experiment, names: Sequence[str]) -> Iterator[list[str]]:
    config, size = read_config(run), experiment.size
    _, *epochs = (run / "epochs.csv").read_text().splitlines()  # the first line names columns
    yield ["network", f"{experiment.network}, {int(config['parameters']):,} parameters"]
    yield ["input", f"{experiment.frames} grey frames of {size} x {size} pixels"]
    yield ["output", f"probabilities of {' and '.join(names)}, which sum to one"]
    yield ["initial weights", f"`{experiment.init}`" if experiment.init else "random"]
    training = f"{len(epochs)} epochs, batch size {config['batch_size']}, learning rate "
    training += f"{config['lr']}, schedule {config['schedule'].replace('_', ' ')}"
    yield ["training", f"{training}, seed {config['seed']}"]
    yield ["weights", f"`best.safetensors`, SHA-256 `{digest(run / 'best.safetensors')}`"]
    yield ["made with", f"csglib {version('csglib')}, torch {version('torch')}"]


def _clips(splits: Mapping[str, ClipSet], classes: int) -> Iterator[list[str]]:
    for name, clips in splits.items():
        counts = np.bincount(clips.grades, minlength=classes)
        yield [name, *map(str, (len(clips), len({*clips.patients}), *counts))]


def _scores(scores: Scores) -> Iterator[list[str]]:
    for name, it in vars(scores).items():
        yield [name.replace("_", " "), f"{it.value:.3f}", f"{it.low:.3f} to {it.high:.3f}"]


def _confusion(predictions: Predictions) -> Iterator[list[str]]:
    names, predicted = predictions.names, predictions.probabilities.argmax(1)
    counts = confusion(predicted, predictions.grades, len(names)).tolist()
    return ([name, *map(str, row)] for name, row in zip(names, counts, strict=True))


def _limits_of_scores(predictions: Predictions, scores: Scores) -> Iterator[str]:
    clips, accuracy = len(predictions.grades), scores.accuracy
    yield (
        f"Its test set has {clips} clips of {len({*predictions.patients})} patients. Another of "
        f"that size could give any accuracy between {accuracy.low:.0%} and {accuracy.high:.0%}."
    )
    grade, count = Counter(predictions.grades.tolist()).most_common(1)[0]
    majority = (
        f"always predicting the majority class, {predictions.names[grade]}, which has an accuracy "
        f"of {count / clips:.0%}"
    )
    if accuracy.low > count / clips:
        yield f"It is better than {majority}; the interval shows nothing more."
    else:
        yield f"**It is not shown to be better than {majority}.**"
    yield (
        "Test and training patients come from the same source. On clips of another hospital, "
        "scanner or sonographer it is likely to be worse, and this has not been tested."
    )
    yield (
        f"It only predicts {' or '.join(predictions.names)}: a heart, a hand or noise is graded "
        "too, possibly with high confidence."
    )
    gap = 100 * scores.calibration_error.value
    yield f"Its confidence is off by {gap:.0f} points on average: 90 % need not mean 9 of 10."


def _limits_of_clips(cohort: Path, splits: Mapping[str, ClipSet]) -> Iterator[str]:
    if (patients := len({*splits["validation"].patients})) < _MIN_PATIENTS:
        yield f"Its validation set has {patients} patients, too few to select anything by it."
    if read_metadata(cohort).get("graded_by") == "people":
        yield "Its labels are the grades that people gave, with their errors."
    else:
        yield "**All its clips are simulated.** They say nothing about patients."
    rows = read_manifest(cohort)
    scales = [float(row["mm_per_px"]) for row in rows if row["mm_per_px"]]
    if len(scales) < len(rows):
        yield f"{len(rows) - len(scales)} of {len(rows)} clips have no pixel size."
    if scales and max(scales) > MAX_SCALE_RATIO * min(scales):
        yield (
            f"A pixel is {min(scales):.2g} to {max(scales):.2g} mm wide: the same vessel looks "
            "large in one clip and small in another."
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
