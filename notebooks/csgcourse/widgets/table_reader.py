"""Table reader of notebook 10: rows with their intervals, and any two of them clip by clip.

Source: Table 1 has one number a row, of 118 clips. Intervals and pairs are not in the paper; its
own numbers are of other patients, stand apart, and nothing is computed with them.
"""

from dataclasses import asdict
from math import ceil, floor
from pathlib import Path
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csglib.table1.report import Line, lines
from csglib.table1.results import Pair, pairs_in, runs_in, test_set
from csglib.table1.rows import ROWS
from csglib.widgets.base import LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
COLUMNS = ("order", "accuracy", "f1", "parameters", "printed_accuracy", "printed_f1")
_STEP = 0.05  # both axes end on a multiple of it
_BLUE, _ORANGE, _GREY, _VIOLET, _INK = "#1668b8", "#b45309", "#555555", "#7a3e9d", "#222222"


class TableReader(LiveFigure):
    """Read a table as its intervals allow: pick two rows, and see what may be said of them.

    Everything is computed here, once, for every two rows; the page then needs no kernel.

    Args:
        folder: a table, see `csglib.table1.results.runs_in`.

    Attributes:
        first: the row that is A, a key of `csglib.table1.rows.ROWS`.
        second: the row that is B.
        sort: the column that decides the order, one of `COLUMNS`; "order" is the paper's.
        turned: the other way round; without it, numbers begin with the highest.

    Raises:
        ValueError: no run there is done, or rows that should have the same test clips have not.
    """

    _esm = es_module(_HERE, "table_reader_words.js", "table_reader_pictures.js", "table_reader.js")
    _css = style_sheet(_HERE / "table_reader.css")

    facts = traitlets.Dict().tag(sync=True)
    first = traitlets.Unicode().tag(sync=True)
    second = traitlets.Unicode().tag(sync=True)
    sort = traitlets.Enum(COLUMNS, "order").tag(sync=True)
    turned = traitlets.Bool(False).tag(sync=True)

    def __init__(self, folder: Path) -> None:
        runs = runs_in(folder)
        rows = [_row(place, line, runs[line.name]) for place, line in enumerate(lines(runs))]
        clips = {row["name"]: row["clips"] for row in rows}
        found = pairs_in(runs)
        pairs = {f"{a}>{b}": _plain(pair, clips[a]) for (a, b), pair in found.items()}
        apart = [pair.difference.low > 0 for pair in found.values()]  # of each two, one way round
        facts = {"rows": rows, "pairs": pairs, "apart": sum(apart), **_axes_of(rows, pairs)}
        *others, first = clips  # the last row is the paper's own network
        super().__init__(facts=facts, first=first, second=next(iter(others), first))

    @traitlets.validate("first", "second")
    def _known(self, proposal: dict[str, Any]) -> Any:
        names = [row["name"] for row in self.facts["rows"]]
        if proposal["value"] not in names:
            name = proposal["trait"].name
            raise traitlets.TraitError(f"{name} must be one of {names}: got {proposal['value']!r}")
        return proposal["value"]

    def __repr__(self) -> str:
        pair = self._pair()
        told = f", {100 * pair['difference'][0]:+.1f} points" if pair else ""
        rows = len(self.facts["rows"])
        return f"TableReader({rows} rows, first={self.first!r}, second={self.second!r}{told})"

    def _pair(self) -> dict[str, Any] | None:
        """None where the two rows have no clips in common, or are one."""
        found: dict[str, Any] | None = self.facts["pairs"].get(f"{self.first}>{self.second}")
        return found

    def still(self) -> Figure:
        """The rows in their present order, and the difference of the two that are picked."""
        way = 1 if (self.sort == "order") != self.turned else -1
        rows = sorted(self.facts["rows"], key=lambda row: way * row[self.sort])
        figure = Figure(figsize=(9.6, 0.27 * len(rows) + 2.4), layout="constrained")
        table, below = figure.subplots(2, 1, height_ratios=[len(rows) + 2, 2])
        marks = {self.second: (_ORANGE, "D"), self.first: (_BLUE, "o")}
        for height, row in enumerate(rows):
            _draw_row(table, height, row, *marks.get(row["name"], (_INK, "o")))
        _write_beside(table, -1, "the paper's,\nother patients")
        table.set(ylim=(len(rows) - 0.4, -1.4), xlim=[100 * end for end in self.facts["axis"]])
        table.set_yticks(range(len(rows)), [row["title"] for row in rows])
        table.set_xlabel("accuracy %, interval of 95 %; ticks: always the commoner grade")
        if pair := self._pair():
            _draw_interval(below, 0, pair["difference"], _INK, "o")
        below.axvline(0, color=_GREY, linestyle="--")
        reach = 100 * self.facts["reach"]
        below.set(xlim=(-reach, reach), ylim=(-1, 1), yticks=[], xlabel="points of accuracy")
        titles = [ROWS[name].title for name in (self.first, self.second)]
        below.set_title("{} (blue) less {} (orange), same clips".format(*titles), fontsize=10)
        return figure


def _row(place: int, line: Line, runs: list[Path]) -> dict[str, Any]:
    """Ours as shares, the paper's as printed, per cent."""
    row, accuracy = ROWS[line.name], line.scores.accuracy
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
        "printed_accuracy": row.printed.accuracy,
        "printed_f1": row.printed.f1,
        **asdict(test_set(runs)),
    }


def _plain(pair: Pair, clips: int) -> dict[str, Any]:
    score = pair.difference
    return {
        "seeds": pair.seeds,
        "difference": [score.value, score.low, score.high],
        "chances": list(pair.chances),
        "answers": [pair.both, pair.first_alone, pair.second_alone, pair.neither],
        "wanted": pair.clips_wanted(clips),
    }


def _axes_of(rows: list[dict[str, Any]], pairs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Where the axes end: that of accuracy, and, either way, that of differences."""
    lowest = floor(min(min(row["interval"][0], row["majority"]) for row in rows) / _STEP)
    highest = max(lowest + 1, ceil(max(row["interval"][1] for row in rows) / _STEP))
    widest = max((end for pair in pairs.values() for end in pair["difference"]), default=0)
    axis = [round(_STEP * end, 2) for end in (lowest, highest)]
    return {"axis": axis, "reach": round(_STEP * max(1, ceil(widest / _STEP)), 2)}


def _draw_row(axes: Axes, height: int, row: dict[str, Any], colour: str, marker: str) -> None:
    numbers = [row["accuracy"], *row["interval"]]
    _draw_interval(axes, height, numbers, colour, marker)
    axes.plot([100 * row["majority"]] * 2, [height - 0.5, height + 0.5], ":", color=_GREY)
    _write_beside(axes, height, f"{row['printed_accuracy']:.1f}")


def _draw_interval(axes: Axes, height: int, numbers: list[float], colour: str, marker: str) -> None:
    value, *ends = (100 * number for number in numbers)
    axes.plot(ends, [height] * 2, color=colour)
    axes.plot(value, height, marker, color=colour)


def _write_beside(axes: Axes, height: int, text: str) -> None:
    """The paper's numbers, outside of our axis."""
    axes.text(
        1.01,
        height,
        text,
        transform=axes.get_yaxis_transform(),
        color=_VIOLET,
        style="italic",
        verticalalignment="center",
        fontsize=9,
    )
