"""Wiring map of notebook 06: the network as a diagram, with shapes and costs at every place.

Source: Fig. 2(a) for the drawing, Table SI for the sizes. Counted on meta tensors, as in
csglib.model.cost: a stage there is its convolutions, its two bridges and its blocks here.
"""

from collections.abc import Mapping
from functools import cache
from itertools import chain, pairwise
from math import log10, prod
from typing import Any, NamedTuple

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from csglib.model.config import AMDF, BASE, PAPER, TINY, ModelConfig
from csglib.model.cost import ModuleCost, costs
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import VideoTokens
from csglib.widgets.base import LiveFigure, front_end

NETWORKS = {"PAPER": PAPER, "BASE": BASE, "TINY": TINY}
FRAMES, SIDE = 8, 256  # of the clip
MEASURES = {"macs": (1e9, "G"), "parameters": (1e6, "M"), "saved_bytes": (2**20, "MiB")}
COLOURS = {"cnn": "#1668b8", "bridge": "#767b80", "tokens": "#b45309"}
COLUMNS = {"stem": ["stem", "embedding"], "c1": ["c1", "t1"]}
COLUMNS |= {f"c{n}": [f"c{n}", f"down{n}", f"up{n}", f"t{n}"] for n in range(2, 6)}
COLUMNS |= {"head": ["head"]}

WIDTH, HEIGHT = 1000, 226  # of the drawing
HALF = {"box": (48, 22), "bridge": (19, 14)}  # half widths and heights
ABOVE, BETWEEN, BELOW = 46, 113, 180  # the three rows
ORDER = ["clip", "clip>stem", "stem", "stem>embedding", "embedding", "embedding>t1", "t1"]
ORDER += ["stem>c1", "c1", "c1>c2"]
ORDER += [at for n in range(2, 6) for at in (f"c{n}", f"down{n}", f"t{n}", f"up{n}")]
ORDER += ["c5>head", "t5>head", "head"]  # of a forward pass


class Part(NamedTuple):
    """A box or a bridge, all its blocks together, for one clip."""

    enters: list[list[int]]  # shapes of the inputs of the first block
    leaves: list[list[int]]  # shapes of the outputs of the last block
    blocks: int
    macs: int
    parameters: int
    saved_bytes: int  # by autograd for the backward pass, in float32


@cache
def parts_of(config: ModelConfig) -> dict[str, Part]:
    """Every part of a network by its name on the map: "c3", "t3", "down3", "up3"."""
    with torch.device("meta"):
        network = CSG3DCT(config)
    places = _places(config)
    found = costs(network, [*chain.from_iterable(places.values())], FRAMES, SIDE)
    return {name: _part(name, [found[place] for place in group]) for name, group in places.items()}


def _part(name: str, entries: list[ModuleCost]) -> Part:
    """The sum over the modules of a part; the head has two inputs, all others one."""
    came, left = entries[0].inputs, entries[-1].output
    enters = _shapes(*(came if name == "head" else came[:1]))
    leaves = _shapes(left[0] if isinstance(left, tuple) else left)
    sums = (sum(getattr(entry, measure) for entry in entries) for measure in MEASURES)
    return Part(enters, leaves, len(entries), *sums)


def flow(parts: Mapping[str, Part], arrow: str) -> list[list[int]]:
    """Shapes of what an arrow, or "clip", carries; the head takes the class token alone."""
    source, _, target = arrow.partition(">")
    if source == "clip":
        return parts["stem"].enters
    leaves = parts[source].leaves
    return leaves[1:] if target == "head" and source.startswith("t") else leaves


def thickness(shapes: list[list[int]]) -> float:
    """Of an arrow, in pixels: 1 up to 200 numbers, then 1.5 more for each power of ten."""
    return max(1.0, 1.5 * log10(sum(map(prod, shapes))) - 2.5)


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
    """Kind, side and path of everything on the map; the path of a box is its middle."""
    middle = {"clip": (52, ABOVE), "stem": (170, ABOVE), "embedding": (170, BELOW)}
    middle |= {f"c{n}": (171 + 129 * n, ABOVE) for n in range(1, 6)}
    middle |= {f"t{n}": (171 + 129 * n, BELOW) for n in range(1, 6)} | {"head": (944, BETWEEN)}
    wide, high = HALF["box"]
    side = {name: "tokens" if y == BELOW else "cnn" for name, (_, y) in middle.items()}
    spots = {name: ("box", side[name], [place]) for name, place in middle.items()}
    for n in range(2, 6):
        for way, step in (("down", -25), ("up", 25)):
            spots[f"{way}{n}"] = ("bridge", "bridge", [(middle[f"c{n}"][0] + step, BETWEEN)])
    rows = ("clip stem c1 c2 c3 c4 c5", "embedding t1 t2 t3 t4 t5")
    for left, right in (pair for row in rows for pair in pairwise(row.split())):
        (x, y), (to, _) = middle[left], middle[right]
        spots[f"{left}>{right}"] = ("arrow", side[left], [(x + wide, y), (to - wide, y)])
    spots["stem>embedding"] = ("arrow", "cnn", [(170, ABOVE + high), (170, BELOW - high)])
    for left, end in (("c5", BETWEEN - high), ("t5", BETWEEN + high)):
        x, y = middle[left]
        spots[f"{left}>head"] = ("arrow", side[left], [(x + wide, y), (944, y), (944, end)])
    return spots


SPOTS = _spots()


class WiringMap(LiveFigure):
    """Explore the network by mouse, touch or arrow keys, and read shapes and costs at each place.

    The page asks for the column with the most MACs before it shows them. What differs from PAPER is
    filled; the thickness of an arrow is the logarithm of how many numbers it carries. Numbers are
    for one clip of 8 x 256 x 256; `networks` are PAPER, BASE and TINY, or others under these names.
    """

    _esm, _css = front_end(__file__)
    _settings = ("network", "spot", "measure")

    facts = traitlets.Dict().tag(sync=True)
    network = traitlets.Enum(tuple(NETWORKS), "PAPER").tag(sync=True)
    spot = traitlets.Enum(tuple(SPOTS), "clip").tag(sync=True)  # or "c3", "down3", "c3>c4", ...
    measure = traitlets.Enum(tuple(MEASURES), "macs").tag(sync=True)  # of the bars
    guess = traitlets.Enum(("", *COLUMNS), "").tag(sync=True)  # most MACs; "" hides them
    playing = traitlets.Bool(False).tag(sync=True)  # `spot` follows a clip through the network

    def __init__(self, networks: Mapping[str, ModelConfig] = NETWORKS) -> None:
        facts: dict[str, Any] = {"size": [WIDTH, HEIGHT], "half": HALF, "spots": SPOTS}
        facts |= {"columns": COLUMNS, "order": ORDER, "reach": BETWEEN - ABOVE - HALF["box"][1]}
        facts |= {"networks": {}, "flows": {}, "blocks": {}}
        arrows = ["clip", *(name for name in SPOTS if ">" in name)]
        for name, config in networks.items():
            parts = parts_of(config)
            flows = {arrow: flow(parts, arrow) for arrow in arrows}
            facts["networks"][name] = {part: cost._asdict() for part, cost in parts.items()}
            facts["flows"][name] = {arrow: [it, thickness(it)] for arrow, it in flows.items()}
            facts["blocks"][name] = "AMDF" if isinstance(config.encoder, AMDF) else "joint"
        super().__init__(facts=facts)

    def still(self) -> Figure:
        """The map, and the bars of the present measure once a guess is made."""
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        figure.suptitle(f"{self.network}, one clip of 8 x 256 x 256", fontsize=11)
        drawn, bars = figure.subplots(2, 1, height_ratios=[HEIGHT, 150])
        for name, (kind, side, path) in SPOTS.items():
            style = {"color": COLOURS[side], "lw": 3.5 if name == self.spot else 1.4}
            if kind == "arrow":
                start, end = (SPOTS[box][2][0] for box in name.split(">"))  # boxes cover the ends
                style["lw"] = self.facts["flows"][self.network][name][1]
                drawn.plot(*zip(start, *path[1:-1], end, strict=True), **style, zorder=0)
                continue
            (x, y), label = path[0], {"down": "↓", "up": "↑"}.get(name[:-1], name)
            if kind == "bridge":
                drawn.plot((x, x), (ABOVE, BELOW), color=COLOURS[side], lw=1.4, zorder=0)
            box = {"boxstyle": "round", "fc": "white", "ec": COLOURS[side], "lw": style["lw"]}
            drawn.text(x, y, label, ha="center", va="center", bbox=box)
        drawn.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        drawn.axis("off")
        if not self.guess:
            bars.remove()
            return figure
        parts, (unit, letter) = self.facts["networks"][self.network], MEASURES[self.measure]
        for column, names in COLUMNS.items():
            (x, _), top = SPOTS[column][2][0], 0.0
            for name in names:
                size = parts[name][self.measure] / unit
                bars.bar(x, size, width=70, bottom=top, color=COLOURS[SPOTS[name][1]])
                top += size
            bars.text(x, top, f"{top:,.1f} {letter}", ha="center", va="bottom")
        bars.set(xlim=(0, WIDTH), yticks=[])
        bars.set_title(f"{self.measure}: CNN blue, bridges grey, tokens orange", fontsize=10)
        bars.margins(y=0.15)
        bars.set_xticks([SPOTS[name][2][0][0] for name in COLUMNS], list(COLUMNS))
        bars.spines[["top", "left", "right"]].set_visible(False)
        return figure
