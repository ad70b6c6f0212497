"""Table reader of notebook 11: rows with their intervals, any two compared clip by clip.

Source: Table 1 has one number a row, of 118 clips. Intervals and pairs are not in the paper; its
own numbers are of other patients; they are shown apart and nothing is computed with them.
"""

from dataclasses import asdict
from math import ceil, floor
from pathlib import Path
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csglib.table1.report import Line, Pair, lines, pairs_in, runs_in, test_set
from csglib.table1.rows import ALL_ROWS
from csglib.widgets.base import LiveFigure, front_end

COLUMNS = ("order", "accuracy", "f1", "parameters", "printed_accuracy", "printed_f1")
_STEP = 0.05  # both axes end on a multiple of it


class TableReader(LiveFigure):
    """Choose two rows of a table, and see what their intervals allow to be said of them.

    Every pair of the table in a folder, see `csglib.table1.report.runs_in`, is computed here, once;
    the page then needs no kernel.

    Raises:
        ValueError: no run there has finished, or rows that should share their test clips do not.
    """

    _esm, _css = front_end(__file__)

    facts = traitlets.Dict().tag(sync=True)
    first = traitlets.Unicode().tag(sync=True)  # the row that is A, a key of `ALL_ROWS`
    second = traitlets.Unicode().tag(sync=True)  # the row that is B
    sort = traitlets.Enum(COLUMNS, "order").tag(sync=True)  # "order" is the paper's
    reversed = traitlets.Bool(False).tag(sync=True)  # lowest number first

    def __init__(self, folder: Path) -> None:
        runs = runs_in(folder)
        rows = [_row(place, line, runs[line.name]) for place, line in enumerate(lines(runs))]
        found = pairs_in(runs)
        pairs = {f"{a}>{b}": _plain(pair) for (a, b), pair in found.items()}
        apart = [pair.difference.low > 0 for pair in found.values()]  # of each two, one way round
        facts = {"rows": rows, "pairs": pairs, "apart": sum(apart), **_axes_of(rows, pairs)}
        facts["grades"] = " or ".join(sorted({row["grade"] for row in rows}))  # most frequent ones
        *others, first = runs  # the last row is the paper's own network
        super().__init__(facts=facts, first=first, second=next(iter(others), first))

    @traitlets.validate("first", "second")
    def _there(self, proposal: dict[str, Any]) -> Any:
        names = [row["name"] for row in self.facts["rows"]]
        if proposal["value"] not in names:
            name = proposal["trait"].name
            raise traitlets.TraitError(f"{name} must be one of {names}: got {proposal['value']!r}")
        return proposal["value"]

    def __repr__(self) -> str:
        pair = self.facts["pairs"].get(f"{self.first}>{self.second}")  # None without shared clips
        points = f", {100 * pair['difference'][0]:+.1f} points" if pair else ""
        rows = len(self.facts["rows"])
        return f"TableReader({rows} rows, first={self.first!r}, second={self.second!r}{points})"

    def still(self) -> Figure:
        """The rows in their present order; the difference of the two that are chosen."""
        up = (self.sort == "order") != self.reversed
        rows = sorted(self.facts["rows"], key=lambda row: row[self.sort] or 0, reverse=not up)
        figure = Figure(figsize=(9.6, 0.27 * len(rows) + 2.4), layout="constrained")
        table, below = figure.subplots(2, 1, height_ratios=[len(rows) + 2, 2])
        marks = {self.second: ("#b45309", "D"), self.first: ("#1668b8", "o")}
        beside = {"transform": table.get_yaxis_transform(), "color": "#7a3e9d", "fontsize": 9}
        for height, row in enumerate(rows):
            colour, marker = marks.get(row["name"], ("#222222", "o"))
            _draw_interval(table, height, [row["accuracy"], *row["interval"]], colour, marker)
            table.plot([100 * row["majority"]] * 2, [height - 0.5, height + 0.5], ":", color="grey")
            printed = f"{row['printed_accuracy']:.1f}" if row["printed_accuracy"] else ""
            table.text(1.01, height, printed, va="center", **beside)
        table.text(1.01, -1, "the paper's,\nother patients", va="center", **beside)
        table.set(ylim=(len(rows) - 0.4, -1.4), xlim=[100 * end for end in self.facts["axis"]])
        table.set_yticks(range(len(rows)), [row["title"] for row in rows])
        table.set_xlabel(f"accuracy %, 95 % interval; dotted: always {self.facts['grades']}")
        if pair := self.facts["pairs"].get(f"{self.first}>{self.second}"):
            _draw_interval(below, 0, pair["difference"], "#222222", "o")
        below.axvline(0, color="grey", linestyle="--")
        reach = 100 * self.facts["reach"]
        below.set(xlim=(-reach, reach), ylim=(-1, 1), yticks=[], xlabel="points of accuracy")
        titles = [ALL_ROWS[name].title for name in (self.first, self.second)]
        below.set_title("{} (blue) minus {} (orange), same clips".format(*titles), fontsize=10)
        return figure


def _row(place: int, line: Line, runs: list[Path]) -> dict[str, Any]:
    """Our scores as fractions, the paper's as printed, in percent; None where it printed none."""
    row, accuracy = ALL_ROWS[line.name], line.scores.accuracy
    return {
        "name": line.name,
        "title": row.title,
        "order": place,
        "seeds": line.seeds,
        "frames": row.frames,
        "accuracy": accuracy.value,
        "interval": [accuracy.low, accuracy.high],
        "f1": line.scores.f1.value,
        "parameters": line.costs["parameters"],
        "printed_accuracy": row.printed.accuracy if row.printed else None,
        "printed_f1": row.printed.f1 if row.printed else None,
        **asdict(test_set(runs)),
    }


def _plain(pair: Pair) -> dict[str, Any]:
    score = pair.difference
    return {
        "seeds": pair.seeds,
        "difference": [score.value, score.low, score.high],
        "pvalues": list(pair.chances),
        "answers": [pair.both, pair.first_alone, pair.second_alone, pair.neither],
    }


def _axes_of(rows: list[dict[str, Any]], pairs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The ends of the accuracy axis, and the reach of the difference axis either way."""
    lowest = floor(min(min(row["interval"][0], row["majority"]) for row in rows) / _STEP)
    highest = max(lowest + 1, ceil(max(row["interval"][1] for row in rows) / _STEP))
    widest = max((end for pair in pairs.values() for end in pair["difference"]), default=0)
    axis = [round(_STEP * end, 2) for end in (lowest, highest)]
    return {"axis": axis, "reach": round(_STEP * max(1, ceil(widest / _STEP)), 2)}


def _draw_interval(axes: Axes, height: int, numbers: list[float], colour: str, marker: str) -> None:
    value, *ends = (100 * number for number in numbers)
    axes.plot(ends, [height] * 2, color=colour)
    axes.plot(value, height, marker, color=colour)
