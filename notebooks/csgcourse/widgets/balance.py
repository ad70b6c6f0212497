"""Balance of notebook 05: guess where the share of two branches settles, then watch it learned.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI. The two
branches are made up (not in the paper): each is right up to noise that the reader sets.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.optim import SGD

from csglib.model.tokens import VideoTokens
from csglib.model.weighting import (
    LearnableWeighting,
    RawWeighting,
    SoftmaxWeighting,
    UniformWeighting,
)
from csglib.widgets.base import LiveFigure, es_module, style_sheet

Reading = Literal["sigmoid", "softmax", "raw", "even"]

_HERE = Path(__file__).parent
CLIPS = 24
STEPS = 300
RATE = 0.4  # of plain gradient descent; raw shares swing to and fro with it, and still settle
STARTS = (0.01, 0.5, 0.99)
DECAYS = (0.0, 0.01, 0.1)
_BLUE, _ORANGE = "#1668b8", "#b45309"
_LEARNABLE: dict[str, type[LearnableWeighting]] = {
    "sigmoid": LearnableWeighting,
    "softmax": SoftmaxWeighting,
    "raw": RawWeighting,
}


@dataclass(frozen=True)
class Descent:
    """What training does, before the first step and after each: `STEPS` + 1 numbers each.

    Attributes:
        share: of space, a.
        loss: mean square of the mixture's errors.
        gradient: of the loss, by the number learned (of two, space's); 0 where none is.
    """

    share: Float[Tensor, " steps"]
    loss: Float[Tensor, " steps"]
    gradient: Float[Tensor, " steps"]


def two_estimates() -> Float[Tensor, "2 b"]:
    """By how much space and time miss the known answer of each clip, at noise 1.

    The two make unlike mistakes: mean 0, mean square 1, and no correlation. So the best share is
    known too: each branch counts as the other one's noise, squared.
    """
    draws = np.random.default_rng(24).normal(size=(CLIPS, 2))
    directions, _ = np.linalg.qr(draws - draws.mean(axis=0))
    return torch.from_numpy(directions.T * CLIPS**0.5)


@torch.enable_grad()  # a notebook may have turned gradients off for itself
def descend(
    space: Float[Tensor, " b"],
    time: Float[Tensor, " b"],
    reading: Reading,
    start: float,
    decay: float,
) -> Descent:
    """Train the weighting alone, by autograd and plain gradient descent.

    Args:
        space: errors of the spatial branch.
        time: errors of the temporal branch.
        reading: what makes a share of what is learned; "even" learns nothing.
        start: share of space before training; "even" has its own.
        decay: of what is learned, as in L2.
    """
    weigh = (UniformWeighting() if reading == "even" else _LEARNABLE[reading](start)).double()
    learned = list(weigh.parameters())
    optimiser = SGD(learned, lr=RATE, weight_decay=decay) if learned else None
    branches = _tokens(space), _tokens(time)
    rows = []
    for _ in range(STEPS + 1):
        loss = weigh(*branches).cls.square().mean()
        rows.append([weigh.gate().item(), loss.item(), 0.0])
        if optimiser is not None:
            gradients = torch.autograd.grad(loss, learned)
            rows[-1][2] = gradients[0].flatten()[0].item()
            for theta, gradient in zip(learned, gradients, strict=True):
                theta.grad = gradient
            optimiser.step()
    return Descent(*torch.tensor(rows, dtype=torch.double).unbind(dim=1))


def _tokens(errors: Float[Tensor, " b"]) -> VideoTokens:
    """Each clip's error as its class token, of width 1; patches play no part."""
    return VideoTokens(errors[:, None, None], errors.new_zeros(len(errors), 1, 1, 1))


class Balance(LiveFigure):
    """Say how noisy two branches are, guess their shares, and train.

    The page computes every step itself. What training does is shown from the first step on; at
    step 0 the beam is the reader's guess.

    Attributes:
        time_noise: of the temporal branch's estimates, 0 to 1.
        space_noise: of the spatial branch's estimates, 0 to 1.
        reading: "sigmoid", "softmax", "raw" or "even".
        start: share of space before training: 0.01, 0.5 or 0.99; "even" stays at 0.5.
        decay: weight decay, 0, 0.01 or 0.1.
        guess: where the share will settle, 0 (time alone) to 1 (space alone).
        step: of training, 0 to 300.
        playing: whether steps follow by themselves.
    """

    _esm = es_module(_HERE, "balance_descent.js", "balance_pictures.js", "balance.js")
    _css = style_sheet(_HERE / "balance.css")

    facts = traitlets.Dict().tag(sync=True)
    errors = traitlets.Bytes().tag(sync=True)  # float32; space's, then time's
    time_noise = traitlets.Float(0.9, min=0.0, max=1.0).tag(sync=True)
    space_noise = traitlets.Float(0.3, min=0.0, max=1.0).tag(sync=True)
    reading: traitlets.Enum[Reading] = traitlets.Enum(get_args(Reading), "sigmoid").tag(sync=True)
    start = traitlets.Enum(STARTS, 0.5).tag(sync=True)
    decay = traitlets.Enum(DECAYS, 0.0).tag(sync=True)
    guess = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    step = traitlets.Int(0, min=0, max=STEPS).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)

    def __init__(self) -> None:
        errors = two_estimates().numpy().astype("<f4")
        super().__init__(facts={"steps": STEPS, "rate": RATE}, errors=errors.tobytes())

    def __repr__(self) -> str:
        return (
            f"Balance(time_noise={self.time_noise:g}, space_noise={self.space_noise:g}, "
            f"reading={self.reading!r}, start={self.start:g}, decay={self.decay:g})"
        )

    def still(self) -> Figure:
        """The whole descent at these settings; a picture cannot ask for a guess."""
        space, time = two_estimates() * torch.tensor([[self.space_noise], [self.time_noise]])
        found = descend(space, time, self.reading, self.start, self.decay)
        share = float(found.share[-1])
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        figure.suptitle(
            f"{self.reading}, weight decay {self.decay:g}: a = {share:.2f} after {STEPS} steps",
            fontsize=11,
        )
        seesaw, dots, path = figure.subplots(1, 3, width_ratios=[1, 1, 1.2])
        _draw_seesaw(seesaw, share)
        mixture = share * space + (1 - share) * time
        _draw_errors(dots, {"time": time, "space": space, "mixture": mixture})
        path.plot(found.share.numpy(), color=_BLUE)
        path.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
        path.set(xlabel="step", title="share of space, a", ylim=(-0.05, 1.05))
        return figure


def _draw_seesaw(axes: Axes, share: float) -> None:
    tilt = np.radians(16) * (2 * share - 1)  # as in the page
    across, down = np.cos(tilt), -np.sin(tilt)
    axes.plot([-across, across], [-down, down], color="black", linewidth=3)
    axes.plot(0, -0.13, marker="^", markersize=18, color="grey")
    sides = (("time", -1, 1 - share, _ORANGE, "D"), ("space", 1, share, _BLUE, "s"))
    for name, side, weight, colour, marker in sides:
        size = 30 * max(weight, 0.0) ** 0.5
        place = (0.8 * side * across, 0.8 * side * down + 0.14)
        axes.plot(*place, marker=marker, markersize=size, color=colour)
        axes.text(0.8 * side, -0.62, f"{name}\n{weight:.2f}", ha="center", va="center")
    axes.set(xlim=(-1.15, 1.15), ylim=(-0.8, 0.8), title="who counts")
    axes.axis("off")


def _draw_errors(axes: Axes, rows: dict[str, Float[Tensor, " b"]]) -> None:
    colours = {"time": _ORANGE, "space": _BLUE, "mixture": "black"}
    for height, (name, errors) in enumerate(rows.items()):
        axes.plot(errors.numpy(), [-height] * CLIPS, "o", color=colours[name], alpha=0.5)
        size = errors.square().mean().sqrt()
        axes.text(0, 0.25 - height, f"{name}: {size:.2f}", ha="center", fontsize=9)
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set(xlim=(-2.5, 2.5), ylim=(-2.4, 0.6), yticks=[], title="misses of 24 clips")
