"""Where each box and arrow of the wiring map stands, and what is said about it.

Source: Fig. 2(a): the CNN above, the tokens below, the coupling unit's two bridges between.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from csglib.model.config import ModelConfig, SingleBranch
from csglib.view.widgets.wiring_map_counts import FRAMES, SIDE, Flow, Part, parts_of

STAGES = ("c1", "c2", "c3", "c4", "c5")
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "stem": {"cnn": ("stem",), "bridge": (), "tokens": ("embedding",)},
    "c1": {"cnn": ("c1",), "bridge": (), "tokens": ("t1",)},
    **{
        f"c{n}": {"cnn": (f"c{n}",), "bridge": (f"down{n}", f"up{n}"), "tokens": (f"t{n}",)}
        for n in range(2, 6)
    },
    "head": {"cnn": ("head",), "bridge": (), "tokens": ()},
}
"""What stands above each bar: boxes of the CNN, bridges, boxes of the tokens."""

WIDTH, HEIGHT = 1000, 310  # of the drawing, in its own units
CNN, BRIDGE, TOKENS = 62, 155, 248  # the three rows
HALF = {"box": (48, 26), "bridge": (21, 19)}  # half widths and heights


@dataclass(frozen=True)
class Spot:
    """Something to point at.

    Attributes:
        name: "c3", "t3", "down3", or "c3>c4" for an arrow.
        kind: "box", "bridge" or "arrow".
        side: "cnn", "bridge" or "tokens", whose colour it has.
        path: middle of a box or a bridge; the corners of an arrow.
    """

    name: str
    kind: str
    side: str
    path: tuple[tuple[int, int], ...]


def _spots() -> dict[str, Spot]:
    column = {"clip": 52, "stem": 170, "embedding": 170, "head": 944}
    column |= {f"{side}{n}": 300 + 129 * (n - 1) for side in "ct" for n in range(1, 6)}
    row = {"embedding": TOKENS, "head": BRIDGE} | {f"t{n}": TOKENS for n in range(1, 6)}
    wide, high = HALF["box"]
    spots = []
    for name, x in column.items():
        y = row.get(name, CNN)
        spots.append(Spot(name, "box", "tokens" if y == TOKENS else "cnn", ((x, y),)))
    for n in range(2, 6):
        for name, step in ((f"down{n}", -25), (f"up{n}", 25)):
            spots.append(Spot(name, "bridge", "bridge", ((column[f"c{n}"] + step, BRIDGE),)))
    chains = (("clip", "stem", *STAGES), ("embedding", "t1", "t2", "t3", "t4", "t5"))
    for chain, side in zip(chains, ("cnn", "tokens"), strict=True):
        for left, right in pairwise(chain):
            y = row.get(left, CNN)
            path = ((column[left] + wide, y), (column[right] - wide, y))
            spots.append(Spot(f"{left}>{right}", "arrow", side, path))
    path = ((column["stem"], CNN + high), (column["stem"], TOKENS - high))
    spots.append(Spot("stem>embedding", "arrow", "cnn", path))
    for left, side, away in (("c5", "cnn", -high), ("t5", "tokens", high)):
        x, y = column[left] + wide, row.get(left, CNN)
        corner = (column["head"], y)
        spots.append(
            Spot(f"{left}>head", "arrow", side, ((x, y), corner, (column["head"], BRIDGE + away)))
        )
    return {spot.name: spot for spot in spots}


SPOTS = _spots()


def title_of(name: str) -> str:
    """What stands above the numbers of a spot."""
    number = name[-1]
    if ">" in name:
        return "Arrow from {} to {}".format(*name.split(">"))
    if name[0] == "t":
        return f"t{number}, the tokens' side of stage c{number}"
    if name.startswith(("down", "up")):
        way = "down, from volume to tokens" if name[0] == "d" else "up, from tokens to volume"
        return f"Bridge of c{number} {way}"
    return f"{name}, the CNN's side" if name in STAGES else f"The {name}"


def says(name: str, config: ModelConfig) -> str:
    """What happens at a box or a bridge, in one sentence."""
    if name in ("clip", "stem", "embedding", "head", "c1"):
        return {
            "clip": f"{FRAMES} frames of {SIDE} x {SIDE} pixels; nothing is learned here.",
            "stem": "One 1 x 7 x 7 convolution and a pooling, each of spatial stride 2.",
            "embedding": "A strided convolution makes one token a patch; the class token joins.",
            "head": "Pooled volume and class token side by side, then one linear layer.",
            "c1": "One bottleneck that meets no tokens: what tokens see first is the stem's.",
        }[name]
    stage = config.stages[int(name[-1]) - 1]
    times = f"{stage.blocks} time{'s' if stage.blocks > 1 else ''}"
    if name[0] == "d":
        return f"{times}: a 1 x 1 convolution, then the mean over each patch, frame by frame."
    if name[0] == "u":
        return f"{times}: a 1 x 1 convolution, then each token is laid over its patch."
    if name[0] == "c":
        return (
            f"{times}: a conv block of two bottlenecks, whose first kernels see {stage.frames} "
            + ("frames." if stage.frames > 1 else "frame.")
        )
    if isinstance(config.encoder, SingleBranch):
        return f"{times}: all tokens of the clip in one attention, then an FFN."
    return f"{times}: an AMDF block: space, time, fusion both ways, weighted sum."


def facts_of(name: str, config: ModelConfig) -> dict[str, Any]:
    """Everything the page shows about a spot."""
    parts = parts_of(config)
    if name == "clip" or ">" in name:
        flows = _carried(name, parts)
        words = "What flows here; nothing is computed." if ">" in name else says(name, config)
        return {"says": words, "flows": [asdict(flow) for flow in flows]}
    part = parts[name]
    return {"says": says(name, config), **asdict(part)}


def _carried(name: str, parts: dict[str, Part]) -> tuple[Flow, ...]:
    """What is on an arrow; the head takes the class token alone."""
    source = name.split(">", maxsplit=1)[0]
    if source == "clip":
        return parts["stem"].enters
    return parts["head"].enters[1:] if name == "t5>head" else parts[source].leaves
