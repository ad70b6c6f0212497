"""Cost dial of notebook 03: what joint, spatial and temporal attention cost, by length of clip.

Source: section 2: the cost of joint attention is part of the first limitation that it starts from.
"""

import traitlets
from matplotlib.figure import Figure

from csgcourse.chapter_03 import attention_cost
from csglib.model.config import PAPER
from csglib.widgets.base import LiveFigure, front_end

KINDS = {"joint": "joint", "space": "space", "time": "time", "both": "space + time"}
GUESSES = (2, 8, 50, 500)  # times cheaper


def macs(frames: int, side: int, kind: str) -> int:
    """MACs of both products in one block of the paper, with `side` x `side` patches a frame."""
    axes = ("space", "time") if kind == "both" else (kind,)
    return sum(attention_cost(frames, side**2, PAPER.dim, axis) for axis in axes)


class CostDial(LiveFigure):
    """Set a clip's length and resolution, see the cost; two guesses come first."""

    _esm, _css = front_end(__file__)
    _settings = ("frames", "side")

    frames = traitlets.Int(8, min=1, max=64).tag(sync=True)
    side = traitlets.Int(16, min=2, max=32).tag(sync=True)  # patches along a side; the paper has 16
    # How many times cheaper space and time are in a clip of 8 or 64 frames; 0 is no guess yet.
    guess_8 = traitlets.Enum((0, *GUESSES), 0).tag(sync=True)
    guess_64 = traitlets.Enum((0, *GUESSES), 0).tag(sync=True)
    revealed = traitlets.Bool(False).tag(sync=True)  # costs are shown
    dim = traitlets.Int(PAPER.dim).tag(sync=True)

    def still(self) -> Figure:
        """The question, or MACs by kind once they are revealed."""
        figure = Figure(figsize=(7, 2.2), layout="constrained")
        bars = figure.subplots()
        if not self.revealed:
            bars.set_axis_off()
            words = "Run this cell. How many times cheaper than\njoint attention is space + time?"
            bars.text(0.5, 0.5, words, ha="center", va="center", fontsize=13)
            return figure
        costs = [macs(self.frames, self.side, kind) / 1e6 for kind in KINDS]
        drawn = bars.barh(list(KINDS.values()), costs, color=["#b45309"] + 3 * ["#1668b8"])
        bars.bar_label(drawn, [f"{cost:,.1f}" for cost in costs], padding=3)
        bars.invert_yaxis()
        bars.margins(x=0.2)
        bars.set(title=f"million MACs: {self.frames} frames, {self.side} x {self.side}", xticks=[])
        return figure
