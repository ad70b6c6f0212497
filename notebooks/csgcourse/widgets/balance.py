"""Balance of notebook 05: guess the gate between two branches, then watch gradient descent find it.

Source: section 2, "Learnable Mechanism for Adaptive Updating"; "Weighted Sum" in Table SI. The two
branches are synthetic (not in the paper): each is right up to noise that the reader sets.
"""

from typing import Literal, get_args

import numpy as np
import torch
import traitlets
from einops import rearrange
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor
from torch.optim import SGD

from csglib.model.build import WEIGHTINGS
from csglib.model.tokens import VideoTokens
from csglib.widgets.base import LiveFigure, front_end

Reading = Literal["sigmoid", "softmax", "raw"]
Clips = Literal["alike", "two kinds"]

CLIPS, HALF = 24, 12
STEPS = 300
LR = 0.4  # of plain gradient descent; with it, a raw gate oscillates and still converges
_COLOURS = {"time": "#b45309", "space": "#1668b8", "mixture": "black"}


def two_estimates() -> Float[Tensor, "2 b"]:
    """Errors of space and time on each clip, at noise 1.

    In each half of the clips they have mean 0, mean square 1 and no correlation, so the best gate
    has a closed form: time_noise ** 2 / (time_noise ** 2 + space_noise ** 2).
    """
    draws = np.random.default_rng(24).normal(size=(2, HALF, 2))
    directions, _ = np.linalg.qr(draws - draws.mean(axis=1, keepdims=True))
    return torch.from_numpy(rearrange(directions, "half b branch -> branch (half b)")) * HALF**0.5


def noisy(space_noise: float, time_noise: float, clips: Clips) -> Float[Tensor, "2 b"]:
    """Errors of space and time; of "two kinds" of clips, the second half exchanges the noise."""
    noise = torch.tensor([[space_noise], [time_noise]]).double().expand(-1, CLIPS).clone()
    if clips == "two kinds":
        noise[:, HALF:] = noise[:, HALF:].flip(0)
    return noise * two_estimates()


@torch.enable_grad()  # a notebook may have turned gradients off for itself
def descend(
    space: Float[Tensor, " b"],
    time: Float[Tensor, " b"],
    reading: Reading,
    start: float,
    decay: float,
) -> Float[Tensor, "3 steps"]:
    """Train the weighting alone on the branches' errors, by autograd and plain gradient descent.

    Returns, before the first step and after each: the gate (at first `start`), the loss, and the
    gradient by the parameter (of two, that of space). Weight decay is as in L2.
    """
    weighting = WEIGHTINGS[reading](start).double()
    optimiser = SGD([weighting.theta], lr=LR, weight_decay=decay)
    branches = _tokens(space), _tokens(time)
    rows = []
    for _ in range(STEPS + 1):
        loss = weighting(*branches).cls.square().mean()
        (weighting.theta.grad,) = torch.autograd.grad(loss, weighting.theta)
        first = weighting.theta.grad.flatten()[0]
        rows.append([weighting.gate().item(), loss.item(), first.item()])
        optimiser.step()
    return torch.tensor(rows, dtype=torch.double).T


def _tokens(errors: Float[Tensor, " b"]) -> VideoTokens:
    """Each clip's error as its class token, of width 1; there are no patch tokens to speak of."""
    return VideoTokens(errors[:, None, None], errors.new_zeros(len(errors), 1, 1, 1))


class Balance(LiveFigure):
    """Set the noise of two branches, guess the gate that training finds, and train.

    The page computes every step; it shows the training only after a guess.
    """

    _esm, _css = front_end(__file__)
    _settings = ("time_noise", "space_noise", "clips", "reading", "start", "weight_decay")

    facts = traitlets.Dict({"steps": STEPS, "lr": LR}).tag(sync=True)
    errors = traitlets.Bytes().tag(sync=True)  # float32, (branch, clip): space, then time
    time_noise = traitlets.Float(0.9, min=0.0, max=1.0).tag(sync=True)  # of a branch's estimates
    space_noise = traitlets.Float(0.3, min=0.0, max=1.0).tag(sync=True)
    clips: traitlets.Enum[Clips] = traitlets.Enum(get_args(Clips), "alike").tag(sync=True)
    reading: traitlets.Enum[Reading] = traitlets.Enum(get_args(Reading), "sigmoid").tag(sync=True)
    start = traitlets.Enum((0.01, 0.5, 0.99), 0.5).tag(sync=True)  # gate before training
    weight_decay = traitlets.Enum((0.0, 0.01, 0.1), 0.0).tag(sync=True)
    guess = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)  # the gate after; 0 is time alone
    step = traitlets.Int(0, min=0, max=STEPS).tag(sync=True)  # at 0 the beam shows the guess
    playing = traitlets.Bool(False).tag(sync=True)  # steps follow by themselves

    def __init__(self) -> None:
        super().__init__(errors=two_estimates().numpy().astype("<f4").tobytes())

    def still(self) -> Figure:
        """Errors of the branches; after training, of their mixture too, and the gate by step."""
        space, time = noisy(self.space_noise, self.time_noise, self.clips)
        rows = {"time": time, "space": space}
        figure = Figure(figsize=(9, 2.8), layout="constrained")
        dots, path = figure.subplots(1, 2)
        path.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
        path.set(xlabel="step", xlim=(0, STEPS), ylim=(-0.05, 1.05), title="gate a: your guess?")
        if self.step:
            gates = descend(space, time, self.reading, self.start, self.weight_decay)[0]
            gate = float(gates[self.step])
            rows["mixture"] = gate * space + (1 - gate) * time
            path.plot(gates[: self.step + 1].numpy(), color=_COLOURS["space"])
            path.set_title(f"{self.reading}, weight decay {self.weight_decay:g}: a = {gate:.2f}")
        for height, (name, errors) in enumerate(rows.items()):
            dots.plot(errors.numpy(), [-height] * CLIPS, "o", color=_COLOURS[name], alpha=0.5)
            size = errors.square().mean().sqrt()
            dots.text(0, 0.25 - height, f"{name}: {size:.2f}", ha="center", fontsize=9)
        dots.axvline(0, color="grey", linewidth=0.8)
        dots.set(xlim=(-2.5, 2.5), ylim=(-2.4, 0.6), yticks=[], title=f"errors on {CLIPS} clips")
        return figure
