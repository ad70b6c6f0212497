"""Token explorer of notebook 02: every token beside its patch, and the tokens it attends to.

Source: section 2, "Transformer Encoder", and Fig. 2(c). The wrong order is not in the paper; it is
a mistake that raises no error.
"""

from itertools import product
from typing import Any, Literal, get_args

import numpy as np
import torch
import traitlets
from jaxtyping import Int
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from csglib.data.clips import Clip
from csglib.model.tokens import Axis, VideoTokens, fold
from csglib.widgets.base import LiveFigure, front_end

Order = Literal["transposed", "reshaped"]

PATCH = 16  # pixels
MOST = 256  # patches a clip, so that a finger can hit each


def lineup(axis: Axis, order: Order, frames: int, patches: int) -> Int[ndarray, "g s"]:
    """The tokens of every sequence: 0 is the class token, patches count from 1 as in memory.

    The order "transposed" is `fold`; "reshaped" omits, along time, the transpose of frames and
    patches (of one frame) before axes are joined.
    """
    numbers = torch.arange(1.0, 1 + frames * patches)
    clip = numbers.reshape(1, frames, patches, 1)
    if axis == "time" and order == "reshaped":
        clip = numbers.reshape(1, patches, frames, 1).transpose(1, 2)
    sequences = fold(VideoTokens(torch.zeros(1, 1, 1), clip), axis)
    return sequences[..., 0].int().numpy()


class TokenExplorer(LiveFigure):
    """Point at a token: its patch, its sequence, and what a forgotten transpose does to both.

    The page asks for a guess before it shows the wrong order.

    Args:
        clip: height and width multiples of 16, at most 256 patches in all.

    Raises:
        ValueError: the clip cannot be cut into patches, or into too many to show.
    """

    _esm, _css = front_end(__file__)
    _settings = ("axis", "order", "token")

    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)
    axis: traitlets.Enum[Axis] = traitlets.Enum(get_args(Axis), "space").tag(sync=True)
    order: traitlets.Enum[Order] = traitlets.Enum(get_args(Order), "transposed").tag(sync=True)
    # 0 is the class token, then patches frame by frame and row by row. In the wrong order it names
    # the slot: where this token should be.
    token = traitlets.Int(1).tag(sync=True)
    # What a sequence of the wrong order holds: one place in all frames ("time"), neighbours in one
    # "frame", or a "mix"; "" hides it.
    guess = traitlets.Enum(("", "time", "frame", "mix"), "").tag(sync=True)

    def __init__(self, clip: Clip) -> None:
        count, height, width = clip.frames.shape
        rows, columns = height // PATCH, width // PATCH
        if height % PATCH or width % PATCH or not 1 <= count * rows * columns <= MOST:
            raise ValueError(
                f"rows and columns are multiples of {PATCH}, and there are at most {MOST} patches: "
                f"got {count} frames of {height} x {width}"
            )
        sizes = (count, rows * columns)
        lineups = {axis: lineup(axis, "transposed", *sizes).tolist() for axis in get_args(Axis)}
        lineups["reshaped"] = lineup("time", "reshaped", *sizes).tolist()
        super().__init__(
            facts={"frames": count, "rows": rows, "columns": columns, "lineups": lineups},
            frames=clip.frames.tobytes(),
            token=1 + (count // 2 * rows + rows // 2) * columns + columns // 2,
        )

    @traitlets.validate("token")
    def _known(self, proposal: traitlets.Bunch) -> int:
        last = self.facts["frames"] * self.facts["rows"] * self.facts["columns"]
        if not 0 <= proposal.value <= last:
            raise traitlets.TraitError(f"token must be 0 to {last}: got {proposal.value}")
        return int(proposal.value)

    def still(self) -> Figure:
        """The frames, with the token in orange and those it attends to in blue."""
        count, rows, columns = (self.facts[name] for name in ("frames", "rows", "columns"))
        actual = lineup(self.axis, self.order, count, rows * columns)
        slots = lineup(self.axis, "transposed", count, rows * columns) == self.token
        held, keys = int(actual[slots][0]), set(actual[slots.any(axis=1)].ravel().tolist())
        clip = np.frombuffer(self.frames, np.uint8).reshape(count, rows * PATCH, columns * PATCH)
        order = ", sequences by reshape alone" if self.order == "reshaped" else ""
        title = f"token {self.token} (orange) and those it attends to (blue): {self.axis}{order}"
        figure = Figure(figsize=(9, 1.9), layout="constrained")
        figure.suptitle(title, fontsize=11)
        dimmed: dict[str, Any] = {"color": "black", "alpha": 0.55, "linewidth": 0}
        for frame, axes in enumerate(figure.subplots(1, count, squeeze=False)[0]):
            axes.imshow(clip[frame], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[], title=f"frame {1 + frame}")
            for row, column in product(range(rows), range(columns)):
                token = 1 + (frame * rows + row) * columns + column
                colour, width = ("#d9730d", 3) if token == held else ("#1668b8", 1)
                outlined: dict[str, Any] = {"fill": False, "edgecolor": colour, "linewidth": width}
                style = outlined if token in keys else dimmed
                corner = (column * PATCH - 0.5, row * PATCH - 0.5)
                axes.add_patch(Rectangle(corner, PATCH, PATCH, **style))
        return figure
