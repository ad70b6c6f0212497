"""Self-test of notebook 00: are a slider, arrow keys and the kernel connected?

Source: not in the paper. Every other widget needs these three, and each fails without a message.
"""

import traitlets
from matplotlib.figure import Figure

from csglib.widgets.base import LiveFigure, front_end

LAMPS = ("slider moved", "arrow key arrived", "kernel replied")


class SelfTest(LiveFigure):
    """Three lamps that light up in a working notebook."""

    _esm, _css = front_end(__file__)

    # All but the echo, the kernel's, are set by the page.
    value = traitlets.Int(3, min=0, max=10).tag(sync=True)
    echo = traitlets.Int(-1, min=-1, max=10).tag(sync=True)  # the value sent back; -1 before
    moved = traitlets.Bool(False).tag(sync=True)
    key_arrived = traitlets.Bool(False).tag(sync=True)  # an arrow key moved the slider

    @property
    def lamps(self) -> tuple[bool, bool, bool]:
        """Which lamps are on, in the order of `LAMPS`."""
        return self.moved, self.key_arrived, self.echo == self.value

    @traitlets.observe("value")
    def _answer(self, change: dict[str, object]) -> None:
        self.echo = self.value

    def __repr__(self) -> str:
        states = ("yes" if on else "not yet" for on in self.lamps)
        return f"SelfTest({', '.join(map(': '.join, zip(LAMPS, states, strict=True)))})"

    def still(self) -> Figure:
        """Three lamps, on or off."""
        figure = Figure(figsize=(7, 0.8))
        for place, (lamp, on) in enumerate(zip(LAMPS, self.lamps, strict=True)):
            axes = figure.add_subplot(1, 3, 1 + place, xlim=(-0.4, 3))
            axes.plot(0, 0, "o", ms=20, mec="#1668b8", mfc="#1668b8" if on else "none")
            axes.text(0.5, 0, f"{lamp}\n{'works' if on else 'run this cell'}", va="center")
            axes.axis("off")
        return figure
