"""What has been run, as one table: a line for each row, the paper's numbers beside ours.

Source: Table 1. Its numbers are of other patients, real ones: they stand in a column of their own,
and nothing is computed across.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from csglib.data.atomic import replacing
from csglib.metrics import Score, Scores
from csglib.table1.results import pair_of
from csglib.table1.rows import ROWS
from csglib.table1.running import RESULT
from csglib.train.experiment import TEST
from csglib.train.predictions import Predictions, pooled

COSTS = ("parameters", "macs", "kept", "clips_per_second", "seconds", "peak_bytes")
_ONE_WITH_ALL = "csg3dct"
_NOTE = """
Simulated clips, {clips} of {patients} patients in the test; one clip is {points:.2f} points. In
brackets: intervals of 95 %, by drawing patients. "Less CSG-3DCT": points of accuracy on the very
same clips; where its interval holds 0, nobody knows which of the two is better. Competitors start
from random weights. Memory is what training keeps of one clip, counted; or, where a GPU was at
work, the most that it held. The last column is printed in the paper, for its own patients, and
cannot be compared with ours. Not for diagnosis.
"""


@dataclass(frozen=True)
class Line:
    """A row, run.

    Attributes:
        name: key of `ROWS`.
        seeds: how many runs are pooled in it.
        scores: of all of them.
        less: accuracy less that of CSG-3DCT; None where that was not run on the same clips.
        costs: of one run, see `csglib.table1.running`; speeds are means.
    """

    name: str
    seeds: int
    scores: Scores
    less: Score | None
    costs: Mapping[str, float]


def lines(runs: Mapping[str, Sequence[Path]]) -> list[Line]:
    """A line for each row that has been run, in the paper's order.

    Args:
        runs: for each row, the folders of its seeds.
    """
    said = {
        name: [Predictions.read(folder / TEST) for folder in folders]
        for name, folders in runs.items()
    }
    best = said.get(_ONE_WITH_ALL)
    return [
        Line(
            name,
            len(said[name]),
            pooled(said[name]).scores(),
            pair_of(said[name], best).difference if best and _same_clips(name) else None,
            _mean_costs(runs[name]),
        )
        for name in ROWS
        if name in said
    ]


def write_table(folder: Path, runs: Mapping[str, Sequence[Path]]) -> str:
    """Write table.csv and table.md, and return the latter's text."""
    found = lines(runs)
    some = Predictions.read(next(iter(runs.values()))[0] / TEST)
    clips, patients = len(some.grades), len(set(some.patients))
    text = _markdown(found) + _NOTE.format(clips=clips, patients=patients, points=100 / clips)
    for name, content in (("table.csv", _comma_separated(found)), ("table.md", text)):
        with replacing(folder / name) as file:
            file.write(content.encode())
    return text


def _same_clips(name: str) -> bool:
    """Whether it is another network, tested on the same clips; those of 16 frames are others."""
    return name != _ONE_WITH_ALL and ROWS[name].frames == ROWS[_ONE_WITH_ALL].frames


def _mean_costs(folders: Sequence[Path]) -> dict[str, float]:
    found = [json.loads((folder / RESULT).read_text()) for folder in folders]
    known = [name for name in COSTS if found[0][name] is not None]
    return {name: mean(each[name] for each in found) for name in known}


def _markdown(found: list[Line]) -> str:
    head = [
        "network", "seeds", "accuracy %", "F1 %", "precision %", "recall %", "AUC",
        "less CSG-3DCT", "M parameters", "GMACs", "clips/s", "memory MiB", "the paper's accuracy %",
    ]  # fmt: skip
    ruled = [head, ["---"] * len(head), *(_cells(line) for line in found)]
    return "\n".join("| " + " | ".join(row) + " |" for row in ruled) + "\n"


def _cells(line: Line) -> list[str]:
    row, scores, costs = ROWS[line.name], line.scores, line.costs
    memory = costs.get("peak_bytes", costs["kept"])  # measured on a GPU, else counted
    return [
        row.title,
        str(line.seeds),
        *(_percent(s) for s in (scores.accuracy, scores.f1, scores.precision, scores.recall)),
        f"{scores.auc.value:.2f} [{scores.auc.low:.2f}, {scores.auc.high:.2f}]",
        _percent(line.less, sign="+") if line.less else "",
        f"{costs['parameters'] / 1e6:.1f}",
        f"{costs['macs'] / 1e9:.1f}",
        f"{costs['clips_per_second']:.2f}",
        f"{memory / 2**20:.0f}",
        str(row.printed.accuracy),
    ]


def _percent(score: Score, sign: str = "") -> str:
    value, low, high = (100 * number for number in (score.value, score.low, score.high))
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def _comma_separated(found: list[Line]) -> str:
    text = io.StringIO(newline="")
    table: csv.DictWriter[str] | None = None
    for line in found:
        row = _numbers(line)
        if table is None:
            table = csv.DictWriter(text, row)
            table.writeheader()
        table.writerow(row)
    return text.getvalue()


def _numbers(line: Line) -> dict[str, object]:
    """Everything, unrounded; the paper's columns say so in their names."""
    row = ROWS[line.name]
    numbers: dict[str, object] = {"row": line.name, "network": row.title, "seeds": line.seeds}
    nothing = Score(float("nan"), float("nan"), float("nan"))
    for name, score in {**vars(line.scores), "less_csg3dct": line.less or nothing}.items():
        numbers |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
    numbers |= {name: line.costs.get(name, "") for name in COSTS}
    return numbers | {f"paper_{name}": value for name, value in row.printed._asdict().items()}
