"""What a Table 1 folder holds: one line per row, pairs of rows on the same clips, as text.

Source: Table 1. Its numbers are of other patients, real ones: they have a column of their own, and
nothing is computed across. Comparing rows clip by clip is not in the paper.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from statistics import mean

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from csglib.data.atomic import replacing
from csglib.metrics import Score, Scores
from csglib.table1.pairs import mcnemar, over_seeds, paired_difference
from csglib.table1.rows import ALL_ROWS, CLAIMS
from csglib.table1.run import RESULT
from csglib.train.experiment import TEST
from csglib.train.predictions import Predictions

COSTS = ("parameters", "macs", "saved_bytes", "clips_per_second", "seconds", "peak_bytes")
_REFERENCE = "csg3dct"
_HEAD = (
    "network", "seeds", "accuracy %", "F1 %", "precision %", "recall %", "AUC", "minus CSG-3DCT",
    "M parameters", "GMACs", "clips/s", "memory MiB", "the paper's accuracy %",
)  # fmt: skip
_NOTE = """
Simulated clips, {clips} of {patients} patients in the test; one clip is {points:.2f} points. In
brackets: 95 % intervals, by resampling patients. "minus CSG-3DCT": paired difference in accuracy on
the same clips, in points, of several seeds with an interval by seed (Student's t); where it
contains 0, neither network is shown to be better.
Competitors start from random weights. Memory: bytes saved for the backward pass of one clip or, on
a GPU, peak memory. The last column is printed in the paper, for its own patients, and cannot be
compared with ours; it is empty for networks that the paper only cites. Not for diagnosis.
"""


@dataclass(frozen=True)
class SplitSummary:
    """Size of a test set; `majority` is the accuracy of always predicting `grade`."""

    clips: int
    patients: int
    majority: float
    grade: str  # name of the majority class


@dataclass(frozen=True)
class Pair:
    """Two rows on the same clips, over the seeds that both have.

    `both`, `first_alone`, `second_alone` and `neither` count clips that they got right, each once a
    seed; predictions of several seeds are not independent.
    """

    seeds: int  # how many
    # Accuracy of the first minus that of the second; by patient, or by seed if there are several.
    difference: Score
    chances: tuple[float, ...]  # McNemar's p value of each seed
    both: int
    first_alone: int
    second_alone: int
    neither: int


@dataclass(frozen=True)
class Line:
    """A row with results."""

    name: str  # key of `ALL_ROWS`
    seeds: int  # number of runs pooled in it
    scores: Scores  # of all of them
    difference: Score | None  # accuracy minus CSG-3DCT's, if that has been tested on these clips
    costs: Mapping[str, int | float]  # of one run, averaged over runs: see `csglib.table1.run`


def runs_in(folder: Path) -> dict[str, list[Path]]:
    """Folders of the finished runs of each row, by seed; a ValueError if no run is finished.

    `folder` is that of `csglib table1`; of each run test.csv and result.json are enough.
    """
    found = {}
    for name in ALL_ROWS:
        runs = [path.parent for path in (folder / name).glob(f"seed-*/{RESULT}")]
        if runs:
            found[name] = sorted(runs, key=lambda run: int(run.name.removeprefix("seed-")))
    if not found:
        wanted = f"<row>/seed-<number>/{RESULT}, of rows such as {next(iter(ALL_ROWS))}"
        raise ValueError(f"{folder} holds no finished run of Table 1: wanted {wanted}")
    return found


def test_set(runs: Sequence[Path]) -> SplitSummary:
    """The test clips of a row's runs, all together."""
    read = pooled([Predictions.read(run / TEST) for run in runs])
    counts, clips = np.bincount(read.grades), len(read.grades)
    majority, grade = float(counts.max() / clips), read.names[counts.argmax()]
    return SplitSummary(clips, len(set(read.patients)), majority, grade)


def pairs_in(runs: Mapping[str, Sequence[Path]]) -> dict[tuple[str, str], Pair]:
    """Every two rows with clips of the same length and a seed that both have, in both orders.

    Raises:
        ValueError: the test clips of two rows differ.
    """
    read = {name: _read(runs[name]) for name in runs}
    return {
        (first, second): pair_of(read[first], read[second])
        for first, second in permutations(runs, 2)
        if ALL_ROWS[first].frames == ALL_ROWS[second].frames
        and read[first].keys() & read[second].keys()
    }


def pair_of(first: Mapping[str, Predictions], second: Mapping[str, Predictions]) -> Pair:
    """Two rows by their predictions, by seed; a ValueError for different clips."""
    seeds = [(first[seed], second[seed]) for seed in first if seed in second]
    one, other = (pooled(list(runs)) for runs in zip(*seeds, strict=True))
    if one.patients != other.patients or not np.array_equal(one.grades, other.grades):
        raise ValueError("two rows need the same test clips in the same order")
    if len(seeds) == 1:
        difference = paired_difference(right(one), right(other), one.patients)
    else:
        each = [right(a).mean() - right(b).mean() for a, b in seeds]
        difference, _ = over_seeds(np.array(each))
    cells = np.bincount(2 * right(one) + right(other), minlength=4).tolist()
    neither, second_alone, first_alone, both = cells
    chances = tuple(mcnemar(right(a), right(b)) for a, b in seeds)
    return Pair(len(seeds), difference, chances, both, first_alone, second_alone, neither)


def lines(runs: Mapping[str, Sequence[Path]]) -> list[Line]:
    """One line for each row with finished runs, ordered as `ALL_ROWS`; `runs` as from `runs_in`."""
    found = []
    for name in (row for row in ALL_ROWS if row in runs):
        both = {row: runs[row] for row in (name, _REFERENCE) if row in runs}
        pair = pairs_in(both).get((name, _REFERENCE))
        predictions = _read(runs[name])
        results = [json.loads((folder / RESULT).read_text()) for folder in runs[name]]
        known = [cost for cost in COSTS if results[0][cost] is not None]
        costs = {cost: mean(result[cost] for result in results) for cost in known}
        scores = pooled(list(predictions.values())).scores()
        found.append(Line(name, len(predictions), scores, pair.difference if pair else None, costs))
    return found


def _read(runs: Sequence[Path]) -> dict[str, Predictions]:
    """By the name of a run's folder, which is its seed."""
    return {run.name: Predictions.read(run / TEST) for run in runs}


def claims_in(folder: Path) -> dict[str, dict[str, float]]:
    """For each of `CLAIMS` the first row's accuracy minus the second's, by finished seed."""
    found = {}
    for claim, rows in CLAIMS.items():
        first, second = (accuracies_in(folder / name) for name in rows)
        found[claim] = {seed: first[seed] - second[seed] for seed in first if seed in second}
    return found


def accuracies_in(folder: Path) -> dict[str, float]:
    """Of each finished run of a row, by the name of its folder; none if there is no such folder."""
    read = _read([path.parent for path in sorted(folder.glob(f"seed-*/{TEST}"))])
    return {seed: float(right(said).mean()) for seed, said in read.items()}


def write_table(folder: Path, runs: Mapping[str, Sequence[Path]]) -> str:
    """Write table.md; returns its text."""
    found = lines(runs)
    size = test_set(next(iter(runs.values())))
    rows = [_HEAD, ["---"] * len(_HEAD), *(_cells(line) for line in found)]
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
    text += _NOTE.format(clips=size.clips, patients=size.patients, points=100 / size.clips)
    with replacing(folder / "table.md") as file:
        file.write(text.encode())
    return text


def _cells(line: Line) -> list[str]:
    row, scores, costs = ALL_ROWS[line.name], line.scores, line.costs
    memory = costs.get("peak_bytes", costs["saved_bytes"])
    return [
        row.title, str(line.seeds),
        *(_percent(s) for s in (scores.accuracy, scores.f1, scores.precision, scores.recall)),
        f"{scores.auc.value:.2f} [{scores.auc.low:.2f}, {scores.auc.high:.2f}]",
        _percent(line.difference, sign="+") if line.difference else "",
        f"{costs['parameters'] / 1e6:.1f}", f"{costs['macs'] / 1e9:.1f}",
        f"{costs['clips_per_second']:.2f}", f"{memory / 2**20:.0f}",
        str(row.printed.accuracy) if row.printed else "",
    ]  # fmt: skip


def _percent(score: Score, sign: str = "") -> str:
    value, low, high = (100 * number for number in (score.value, score.low, score.high))
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def pooled(runs: list[Predictions]) -> Predictions:
    """Predictions of several seeds, concatenated; each has patients of its own."""
    named = [f"{seed} {patient}" for seed, run in enumerate(runs) for patient in run.patients]
    return replace(
        runs[0],
        probabilities=np.concatenate([run.probabilities for run in runs]),
        grades=np.concatenate([run.grades for run in runs]),
        patients=tuple(named),
    )


def right(said: Predictions) -> Bool[ndarray, " clips"]:
    """Which clips are predicted correctly."""
    return said.probabilities.argmax(1) == said.grades
