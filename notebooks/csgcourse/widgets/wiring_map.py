"""Wiring map of notebook 06: the whole network drawn; at each box and arrow, what flows and costs.

Source: Fig. 2(a) for the drawing, Table SI for the sizes. Counted on tensors without content, as in
csglib.model.cost: a stage there is its convolutions, its two bridges and its blocks here.
"""

from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from csglib.model.config import BASE, PAPER, TINY, ModelConfig
from csglib.model.cost import ModuleCost, costs
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import VideoTokens
from csglib.widgets.base import LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
NETWORKS = {"PAPER": PAPER, "BASE": BASE, "TINY": TINY}
FRAMES, SIDE = 8, 256  # of the clip that everything is counted for
MEASURES = {"macs": (1e9, "G"), "parameters": (1e6, "M"), "kept": (2**20, "MiB")}
COLOURS = {"cnn": "#1668b8", "bridge": "#767b80", "tokens": "#b45309"}
COLUMNS = {"stem": ["stem", "embedding"], "c1": ["c1", "t1"]}
COLUMNS |= {f"c{n}": [f"c{n}", f"down{n}", f"up{n}", f"t{n}"] for n in range(2, 6)}
COLUMNS |= {"head": ["head"]}

WIDTH, HEIGHT = 1000, 310  # of the drawing, in its own units
HALF = {"box": (48, 26), "bridge": (21, 19)}  # half widths and heights
ABOVE, BETWEEN, BELOW = 62, 155, 248  # the three rows


@dataclass(frozen=True)
class Part:
    """A box or a bridge, all its blocks together.

    Attributes:
        enters: shapes of what comes in, in the first of its blocks, for one clip.
        leaves: shapes of what goes out of the last.
        blocks: how many there are in a row.
        parameters: numbers to learn.
        macs: multiplications, each with its addition.
        kept: bytes that training keeps for the way back, of a float32 clip.
    """

    enters: list[list[int]]
    leaves: list[list[int]]
    blocks: int
    parameters: int
    macs: int
    kept: int


@cache
def parts_of(config: ModelConfig) -> dict[str, Part]:
    """Every part of a network by its name on the map: "c3", "t3", "down3", "up3"."""
    with torch.device("meta"):
        network = CSG3DCT(config)
    places = _places(config)
    found = costs(network, [place for group in places.values() for place in group], FRAMES, SIDE)
    return {name: _part(name, [found[place] for place in group]) for name, group in places.items()}


def _part(name: str, entries: list[ModuleCost]) -> Part:
    """The sum over the modules of a part; what flows comes first, and into the head flow two."""
    came, left = entries[0].inputs, entries[-1].output
    return Part(
        _shapes(*(came if name == "head" else came[:1])),
        _shapes(left[0] if isinstance(left, tuple) else left),
        len(entries),
        sum(entry.parameters for entry in entries),
        sum(entry.macs for entry in entries),
        sum(entry.saved_bytes for entry in entries),
    )


def _places(config: ModelConfig) -> dict[str, list[str]]:
    """The modules of each part."""
    places = {"stem": ["stem"], "embedding": ["embed"], "c1": ["local"], "t1": ["blocks.0"]}
    stages = [n for n, stage in enumerate(config.stages, start=1) for _ in range(stage.blocks)]
    for n, stage in enumerate(stages[1:]):
        inside = {"t": f"blocks.{n + 1}", "down": f"convs.{n}.down", "up": f"convs.{n}.up"}
        for name, place in (inside | {"c": f"convs.{n}"}).items():
            places.setdefault(f"{name}{stage}", []).append(place)
    return places | {"head": ["head"]}


def _shapes(*things: Tensor | VideoTokens) -> list[list[int]]:
    """Shapes for one clip; tokens are their patches and their class token."""
    both = ((it.patches, it.cls) if isinstance(it, VideoTokens) else (it,) for it in things)
    return [list(tensor.shape[1:]) for pair in both for tensor in pair]


def _spots() -> dict[str, tuple[str, str, list[tuple[int, int]]]]:
    """Kind, side and path of whatever can be pointed at; of a box the path is its middle."""
    middle = {"clip": (52, ABOVE), "stem": (170, ABOVE), "embedding": (170, BELOW)}
    middle |= {f"c{n}": (171 + 129 * n, ABOVE) for n in range(1, 6)}
    middle |= {f"t{n}": (171 + 129 * n, BELOW) for n in range(1, 6)} | {"head": (944, BETWEEN)}
    wide, high = HALF["box"]
    side = {name: "tokens" if y == BELOW else "cnn" for name, (_, y) in middle.items()}
    spots = {name: ("box", side[name], [place]) for name, place in middle.items()}
    for n in range(2, 6):
        for way, step in (("down", -25), ("up", 25)):
            spots[f"{way}{n}"] = ("bridge", "bridge", [(middle[f"c{n}"][0] + step, BETWEEN)])
    chains = ("clip stem c1 c2 c3 c4 c5", "embedding t1 t2 t3 t4 t5")
    for left, right in (pair for chain in chains for pair in pairwise(chain.split())):
        (x, y), (to, _) = middle[left], middle[right]
        spots[f"{left}>{right}"] = ("arrow", side[left], [(x + wide, y), (to - wide, y)])
    spots["stem>embedding"] = ("arrow", "cnn", [(170, ABOVE + high), (170, BELOW - high)])
    for left, end in (("c5", BETWEEN - high), ("t5", BETWEEN + high)):
        x, y = middle[left]
        spots[f"{left}>head"] = ("arrow", side[left], [(x + wide, y), (944, y), (944, end)])
    return spots


SPOTS = _spots()


class WiringMap(LiveFigure):
    """Walk through the network by mouse, touch or arrow keys, and read what each place costs.

    The page asks where most multiplications happen before it shows them. Every number is for one
    clip of 8 x 256 x 256, was counted here, and is sent once.

    Attributes:
        network: "PAPER", "BASE" or "TINY".
        spot: the box, bridge or arrow that is looked at, for instance "c3", "down3" or "c3>c4".
        measure: what the bars show, "macs", "parameters" or "kept".
        guess: the column that multiplies most, "stem", "c1" to "c5", "head"; "" while hidden.
    """

    _esm = es_module(_HERE, "wiring_map_words.js", "wiring_map.js")
    _css = style_sheet(_HERE / "wiring_map.css")

    facts = traitlets.Dict().tag(sync=True)
    network = traitlets.Enum(tuple(NETWORKS), "PAPER").tag(sync=True)
    spot = traitlets.Enum(tuple(SPOTS), "clip").tag(sync=True)
    measure = traitlets.Enum(tuple(MEASURES), "macs").tag(sync=True)
    guess = traitlets.Enum(("", *COLUMNS), "").tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        plan = {"size": [WIDTH, HEIGHT], "half": HALF, "spots": SPOTS, "columns": COLUMNS}
        found = {name: parts_of(config) for name, config in NETWORKS.items()}
        plain = {
            name: {k: asdict(part) for k, part in parts.items()} for name, parts in found.items()
        }
        self.facts = plan | {"networks": plain}

    def __repr__(self) -> str:
        return f"WiringMap(network={self.network!r}, spot={self.spot!r}, measure={self.measure!r})"

    def still(self) -> Figure:
        """The drawing and the bars of the present measure; a picture cannot ask for a guess."""
        figure = Figure(figsize=(10, 5), layout="constrained")
        figure.suptitle(f"{self.network}, one clip of 8 x 256 x 256", fontsize=11)
        drawing, bars = figure.subplots(2, 1, height_ratios=[HEIGHT, 170])
        for name in SPOTS:
            _draw(drawing, name, line=3.5 if name == self.spot else 1.4)
        drawing.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        drawing.axis("off")
        _bars(bars, self.network, self.measure)
        return figure


def _draw(axes: Axes, name: str, line: float) -> None:
    kind, side, path = SPOTS[name]
    colour, (x, y) = COLOURS[side], path[0]
    if kind == "arrow":
        axes.plot(*zip(*path, strict=True), color=colour, lw=line)
        axes.annotate("", path[-1], path[-2], arrowprops={"color": colour, "width": 0.1})
        return
    wide, high = HALF[kind]
    if kind == "bridge":
        axes.plot((x, x), (ABOVE + 26, BELOW - 26), color=colour, lw=1.4, zorder=0)
    style = f"round,pad=0,rounding_size={14 if side == 'tokens' else 3}"
    box = ((x - wide, y - high), 2 * wide, 2 * high, style)
    axes.add_patch(FancyBboxPatch(*box, fc="white", ec=colour, lw=line))
    axes.text(x, y, {"down": "↓", "up": "↑"}.get(name[:-1], name), ha="center", va="center")


def _bars(axes: Axes, network: str, measure: str) -> None:
    parts, (unit, letter) = parts_of(NETWORKS[network]), MEASURES[measure]
    middles = {name: SPOTS[name][2][0][0] for name in COLUMNS}
    for column, names in COLUMNS.items():
        below = 0.0
        for name in names:
            high, colour = getattr(parts[name], measure) / unit, COLOURS[SPOTS[name][1]]
            axes.bar(middles[column], high, width=70, bottom=below, color=colour)
            below += high
        axes.text(middles[column], below, f"{below:,.1f} {letter}", ha="center", va="bottom")
    axes.set(xlim=(0, WIDTH), yticks=[], title=f"{measure}: CNN blue, bridges grey, tokens orange")
    axes.margins(y=0.15)
    axes.set_xticks(list(middles.values()), list(middles))
    axes.spines[["top", "left", "right"]].set_visible(False)
