"""The self-test of notebook 00: do sliders, keys and the kernel's answers reach one another here?

Source: not in the paper. Every other widget needs these three, and each fails in silence.
"""

from pathlib import Path

import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from csglib.widgets.base import LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
LAMPS = ("slider moved", "arrow key arrived", "kernel answered")


class SelfTest(LiveFigure):
    """Three lamps that a working notebook lights.

    Attributes:
        value: where the slider stands, 0 to 10; set by the page.
        echo: the same, sent back from here; -1 before the first.
        moved: the slider was moved; set by the page.
        key_arrived: an arrow key moved it; set by the page.
    """

    _esm = es_module(_HERE, "self_test.js")
    _css = style_sheet(_HERE / "self_test.css")

    value = traitlets.Int(3, min=0, max=10).tag(sync=True)
    echo = traitlets.Int(-1, min=-1, max=10).tag(sync=True)
    moved = traitlets.Bool(False).tag(sync=True)
    key_arrived = traitlets.Bool(False).tag(sync=True)

    @property
    def lamps(self) -> tuple[bool, bool, bool]:
        """Which lamps are on, in the order of `LAMPS`."""
        return self.moved, self.key_arrived, self.echo == self.value

    @traitlets.observe("value")
    def _answer(self, change: dict[str, object]) -> None:
        self.echo = self.value

    def __repr__(self) -> str:
        words = ", ".join(
            f"{lamp}: {'yes' if on else 'not yet'}"
            for lamp, on in zip(LAMPS, self.lamps, strict=True)
        )
        return f"SelfTest({words})"

    def still(self) -> Figure:
        """Three lamps, on or off."""
        figure = Figure(figsize=(7, 1.5), layout="constrained")
        for place, (lamp, on) in enumerate(zip(LAMPS, self.lamps, strict=True)):
            axes = figure.add_subplot(1, 3, 1 + place)
            axes.set(xlim=(-1, 7), ylim=(-1.5, 1.5), aspect="equal")
            axes.axis("off")
            style = {"fc": "#1668b8", "ls": "-"} if on else {"fc": "none", "ls": "--"}
            axes.add_patch(Circle((0, 0), 0.8, ec="#1668b8", lw=2, **style))
            axes.text(1.3, 0.1, lamp, va="bottom", weight="bold")
            axes.text(1.3, -0.1, "works" if on else "run this cell", va="top", color="#555555")
        return figure
