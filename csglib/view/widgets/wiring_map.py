"""Wiring map of notebook 06: the whole network drawn; at each box and arrow, what flows and costs.

Source: Fig. 2(a) for the drawing, Table SI for the sizes.
"""

from dataclasses import asdict

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from csglib.model.config import BASE, PAPER, TINY
from csglib.view.widgets.base import LiveFigure, es_module, style_sheet
from csglib.view.widgets.wiring_map_counts import parts_of
from csglib.view.widgets.wiring_map_plan import (
    COLUMNS,
    HALF,
    HEIGHT,
    SPOTS,
    WIDTH,
    Spot,
    facts_of,
    title_of,
)

NETWORKS = {"PAPER": PAPER, "BASE": BASE, "TINY": TINY}
MEASURES = {"macs": "multiplications", "parameters": "parameters", "kept": "memory kept"}
UNITS = {"macs": (1e9, "G"), "parameters": (1e6, "M"), "kept": (2**20, "MiB")}
COLOURS = {"cnn": "#1668b8", "bridge": "#767b80", "tokens": "#b45309"}


class WiringMap(LiveFigure):
    """Walk through the network by mouse, touch or arrow keys, and read what each place costs.

    The page asks where most multiplications happen before it shows them. Every number is for one
    clip of 8 x 256 x 256, was counted here, and is sent once.

    Attributes:
        network: "PAPER", "BASE" or "TINY".
        spot: the box, bridge or arrow that is looked at, for instance "c3", "down3" or "c3>c4".
        measure: what the bars show, "macs", "parameters" or "kept".
        guess: the column with most multiplications, "stem", "c1" to "c5" or "head"; "" while
            hidden.
    """

    _esm = es_module("wiring_map.js")
    _css = style_sheet("wiring_map.css")

    facts = traitlets.Dict().tag(sync=True)
    network = traitlets.Enum(tuple(NETWORKS), "PAPER").tag(sync=True)
    spot = traitlets.Enum(tuple(SPOTS), "clip").tag(sync=True)
    measure = traitlets.Enum(tuple(MEASURES), "macs").tag(sync=True)
    guess = traitlets.Enum(("", *COLUMNS), "").tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.facts = {
            "size": [WIDTH, HEIGHT],
            "half": HALF,
            "spots": [
                asdict(spot) | {"title": title_of(spot.name), "label": label_of(spot)}
                for spot in SPOTS.values()
            ],
            "columns": COLUMNS,
            "networks": {
                name: {spot: facts_of(spot, config) for spot in SPOTS}
                for name, config in NETWORKS.items()
            },
        }

    def __repr__(self) -> str:
        return f"WiringMap(network={self.network!r}, spot={self.spot!r}, measure={self.measure!r})"

    def still(self) -> Figure:
        """The drawing and the bars of the present measure; a picture cannot ask for a guess."""
        figure = Figure(figsize=(10, 5), layout="constrained")
        figure.suptitle(f"{self.network}, one clip of 8 x 256 x 256", fontsize=11)
        drawing, bars = figure.subplots(2, 1, height_ratios=[HEIGHT, 170])
        for spot in SPOTS.values():
            _draw(drawing, spot, current=spot.name == self.spot)
        drawing.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        drawing.axis("off")
        _bars(bars, self.network, self.measure)
        return figure


def label_of(spot: Spot) -> str:
    """What stands in a box."""
    return {"down": "↓", "up": "↑"}.get(spot.name[:-1], spot.name)


def _draw(axes: Axes, spot: Spot, *, current: bool) -> None:
    colour, width = COLOURS[spot.side], 3.5 if current else 1.4
    if spot.kind == "arrow":
        axes.plot(*zip(*spot.path, strict=True), color=colour, lw=width)
        axes.annotate("", spot.path[-1], spot.path[-2], arrowprops={"color": colour, "width": 0.1})
        return
    (x, y), (wide, high) = spot.path[0], HALF[spot.kind]
    style = f"round,pad=0,rounding_size={14 if spot.side == 'tokens' else 3}"
    corner = (x - wide, y - high)
    box = FancyBboxPatch(corner, 2 * wide, 2 * high, style, fc="white", ec=colour, lw=width)
    axes.add_patch(box)
    axes.text(x, y, label_of(spot), ha="center", va="center")
    if spot.kind == "bridge":
        for way in (-1, 1):
            ends = (y + way * high, y + way * (93 - HALF["box"][1]))
            axes.plot((x, x), ends, color=colour, lw=1.4)


def _bars(axes: Axes, network: str, measure: str) -> None:
    parts, (unit, letter) = parts_of(NETWORKS[network]), UNITS[measure]
    for column, sides in COLUMNS.items():
        x, below = SPOTS[column].path[0][0], 0.0
        for side, names in sides.items():
            height = sum(getattr(parts[name], measure) for name in names) / unit
            axes.bar([x], [height], width=70, bottom=below, color=COLOURS[side])
            below += height
        words = f"{below:.3g}" if below >= 0.01 else "under 0.01"
        axes.text(x, below, f"{words} {letter}", ha="center", va="bottom", fontsize=9)
    axes.set(
        xlim=(0, WIDTH),
        yticks=[],
        title=f"{MEASURES[measure]}: CNN blue, bridges grey, tokens orange",
    )
    axes.margins(y=0.15)
    axes.set_xticks([SPOTS[column].path[0][0] for column in COLUMNS], list(COLUMNS))
    axes.spines[["top", "left", "right"]].set_visible(False)
