"""Token explorer of notebook 02: every token beside its patch, and whom it can meet in attention.

Source: section 2, "Transformer Encoder", and Fig. 2(c). The wrong order is not in the paper; it is
a mistake that runs without an error.
"""

from itertools import product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import traitlets
from jaxtyping import Int, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from csglib.data.clips import Clip
from csglib.model.tokens import Axis, VideoTokens, fold
from csglib.widgets.base import LiveFigure, es_module, style_sheet

Order = Literal["transposed", "reshaped"]

_HERE = Path(__file__).parent
PATCH = 16  # pixels
MOST = 256  # patches a clip, so that a finger can meet each
CHOSEN, MET = "#d9730d", "#1668b8"


def lineup(axis: Axis, order: Order, frames: int, patches: int) -> Int[ndarray, "g s"]:
    """Which token stands where: 0 is the class token, patches count from 1 as they lie in memory.

    Args:
        axis: what the sequences run along.
        order: "transposed" is `fold`; "reshaped" forgets, along time, to exchange frames and
            patches before axes are joined.
        frames: t.
        patches: n, of one frame.
    """
    numbers = torch.arange(1.0, 1 + frames * patches)
    clip = numbers.reshape(1, frames, patches, 1)
    if axis == "time" and order == "reshaped":
        clip = numbers.reshape(1, patches, frames, 1).transpose(1, 2)
    sequences = fold(VideoTokens(torch.zeros(1, 1, 1), clip), axis)
    return sequences[..., 0].int().numpy()


class TokenExplorer(LiveFigure):
    """Point at a token: its patch, its sequence, and what a forgotten transpose does to both.

    The page computes everything itself, and asks for a guess before it shows the wrong order.

    Args:
        clip: height and width multiples of 16, at most 256 patches in all.

    Attributes:
        axis: what attention runs along, "space", "time" or "joint".
        order: "transposed" or "reshaped", see `lineup`.
        token: 0 for the class token, else a patch, frame by frame and row by row. In the wrong
            order it names the slot: where this token should stand.
        guess: what a sequence of the wrong order holds: one place through "time", neighbours in
            one "frame", a "mix", or "" while hidden.

    Raises:
        ValueError: the clip cannot be cut into patches, or into too many to show.
    """

    _esm = es_module(
        _HERE, "token_explorer_lineup.js", "token_explorer_pictures.js", "token_explorer.js"
    )
    _css = style_sheet(_HERE / "token_explorer.css")

    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)
    axis: traitlets.Enum[Axis] = traitlets.Enum(get_args(Axis), "space").tag(sync=True)
    order: traitlets.Enum[Order] = traitlets.Enum(get_args(Order), "transposed").tag(sync=True)
    token = traitlets.Int(1).tag(sync=True)
    guess = traitlets.Enum(("", "time", "frame", "mix"), "").tag(sync=True)

    def __init__(self, clip: Clip) -> None:
        count, height, width = clip.frames.shape
        rows, columns = height // PATCH, width // PATCH
        if height % PATCH or width % PATCH or not 1 <= count * rows * columns <= MOST:
            raise ValueError(
                f"a clip to explore has rows and columns that are multiples of {PATCH}, and at "
                f"most {MOST} patches in all: got {count} frames of {height} x {width}"
            )
        super().__init__(
            facts={"frames": count, "rows": rows, "columns": columns},
            frames=clip.frames.tobytes(),
            token=1 + (count // 2 * rows + rows // 2) * columns + columns // 2,
        )

    @traitlets.validate("token")
    def _known(self, proposal: traitlets.Bunch) -> int:
        last = self.facts["frames"] * self.facts["rows"] * self.facts["columns"]
        if not 0 <= proposal.value <= last:
            raise traitlets.TraitError(f"token must be 0 to {last}: got {proposal.value}")
        return int(proposal.value)

    def __repr__(self) -> str:
        sizes = " x ".join(str(self.facts[name]) for name in ("frames", "rows", "columns"))
        return (
            f"TokenExplorer({sizes} patches, axis={self.axis!r}, order={self.order!r}, "
            f"token={self.token})"
        )

    @property
    def _patches(self) -> UInt8[ndarray, "tokens 16 16"]:
        """Every token's pixels; the class token has none and is dark."""
        count, rows, columns = self.facts.values()
        clip = np.frombuffer(self.frames, np.uint8)
        cut = clip.reshape(count, rows, PATCH, columns, PATCH).swapaxes(2, 3)
        dark = np.full((1, PATCH, PATCH), 24, np.uint8)
        return np.concatenate([dark, cut.reshape(-1, PATCH, PATCH)])

    def still(self) -> Figure:
        """Frames above, sequences below; a picture cannot ask for a guess."""
        count, rows, columns = self.facts.values()
        sizes = (count, rows * columns)
        stands = lineup(self.axis, self.order, *sizes)
        slots = lineup(self.axis, "transposed", *sizes) == self.token
        held = int(stands[slots][0])
        met = set(stands[slots.any(axis=1)].ravel().tolist())
        figure = Figure(figsize=(9, 1.7 + (4.8 if self.axis == "time" else 2.6)))
        figure.set_layout_engine("constrained")
        folded = ", sequences by reshape alone" if self.order == "reshaped" else ""
        figure.suptitle(
            f"token {self.token} (orange) and those it meets (blue): {self.axis}{folded}",
            fontsize=11,
        )
        above, below = figure.subfigures(
            2, 1, squeeze=False, height_ratios=[1, 3 if self.axis == "time" else 2]
        )[:, 0]
        for frame, axes in enumerate(above.subplots(1, count, squeeze=False)[0]):
            self._draw_frame(axes, frame, held, met)
        self._draw_sequences(below.subplots(), stands, slots)
        return figure

    def _draw_frame(self, axes: Axes, frame: int, held: int, met: set[int]) -> None:
        count, rows, columns = self.facts.values()
        clip = np.frombuffer(self.frames, np.uint8).reshape(count, rows * PATCH, columns * PATCH)
        axes.imshow(clip[frame], cmap="gray", vmin=0, vmax=255)
        axes.set(title=f"frame {1 + frame}", xticks=[], yticks=[])
        for row, column in product(range(rows), range(columns)):
            token = 1 + (frame * rows + row) * columns + column
            corner = (column * PATCH - 0.5, row * PATCH - 0.5)
            if token in met:
                _outline(axes, corner, CHOSEN if token == held else MET, 3 if token == held else 1)
            else:
                veil = Rectangle(corner, PATCH, PATCH, color="black", alpha=0.55, linewidth=0)
                axes.add_patch(veil)

    def _draw_sequences(self, axes: Axes, stands: Int[ndarray, "g s"], slots: ndarray) -> None:
        cells = self._patches[stands]
        if self.axis == "joint":  # one sequence: wrapped, a frame a line
            lead, members = cells[:, :1], cells[0, 1:]
            lines = members.reshape(self.facts["frames"], -1, PATCH, PATCH)
            blank = np.full((len(lines) - 1, 1, PATCH, PATCH), 255, np.uint8)
            cells = np.concatenate([np.concatenate([lead, blank]), lines], axis=1)
        lines, length = cells.shape[:2]
        picture = cells.swapaxes(1, 2).reshape(lines * PATCH, length * PATCH)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[], ylabel="sequences" if len(stands) > 1 else "one sequence")
        for line in range(1 if self.axis == "joint" else lines):
            axes.text(7.5, line * PATCH + 7.5, "C", color="white", ha="center", va="center")
        for group, place in np.argwhere(slots):
            line, column = group, place
            if self.axis == "joint" and place:
                line, column = divmod(place - 1, length - 1)
                column += 1
            _outline(axes, (column * PATCH - 0.5, line * PATCH - 0.5), CHOSEN, 3)


def _outline(axes: Axes, corner: tuple[float, float], colour: str, width: int) -> None:
    axes.add_patch(Rectangle(corner, PATCH, PATCH, fill=False, edgecolor=colour, linewidth=width))
