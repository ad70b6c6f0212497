"""Deletion and insertion curves: hide the most salient patches and run the network again.

Source: not in the paper; Petsiuk et al. 2018 (RISE). The curves need no truth, and say what the
network used, not whether it should have.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter
from torch import nn

from csglib.data.clips import Clip
from csglib.train.fit import predict
from csglib.view.scores import Map, shares_of

Frames = UInt8[ndarray, "t y x"]
Cover = Callable[[Frames], Frames]
"""From a clip to what replaces its hidden patches."""

_BLUR = 1 / 8  # standard deviation, in widths of the picture


def mean_grey(frames: Frames) -> Frames:
    """The clip's mean grey everywhere: no content, but patches get new edges.

    In a black lumen grey looks like plaque; compare with `blurred`.
    """
    return np.full_like(frames, round(frames.mean()))


def blurred(frames: Frames) -> Frames:
    """Each frame out of focus: no new edges, but a wide lumen stays visible."""
    spread = _BLUR * frames.shape[2]
    soft = gaussian_filter(frames.astype(np.float32), (0, spread, spread), mode="nearest")
    return np.rint(soft).astype(np.uint8)


class Curve(NamedTuple):
    """A grade's probability as more and more patches change."""

    changed: Float[ndarray, " steps"]  # fraction of the patches, from 0 to 1
    probability: Float[ndarray, " steps"]

    @property
    def area(self) -> float:
        """Under the curve, 0 to 1: the mean probability."""
        middles = (self.probability[1:] + self.probability[:-1]) / 2
        return float(np.diff(self.changed) @ middles)


class Curves(NamedTuple):
    """Patches hidden and shown in the order of a map, and in a random one as the control."""

    grade: int  # predicted for the whole clip; its probability is plotted
    deletion: Curve  # most salient patches hidden first; a small area speaks for the map
    insertion: Curve  # most salient patches shown first, in a hidden clip; a large area does
    random_deletion: Curve
    random_insertion: Curve


def curves(
    network: nn.Module,
    clip: Clip,
    saliency: Map,
    cover: Cover = mean_grey,
    steps: int = 9,
    seed: int = 0,
) -> Curves:
    """Hide and show a clip's patches step by step, and record the predicted grade's probability.

    Patches with equal values come in random order, so that a uniform map is a second control.

    Args:
        network: gives logits; left in evaluation mode, as `predict` leaves it.
        clip: with or without truth.
        saliency: a map of it, on any grid that spans the frames.
        cover: makes what replaces hidden patches.
        steps: points of a curve, both ends among them; four times as many passes are made.
        seed: of the random order.

    Raises:
        ValueError: a curve without both its ends, or a map that `shares_of` refuses.
    """
    if steps < 2:
        raise ValueError(f"a curve has both its ends: 2 steps or more: got {steps}")
    shares, rng = shares_of(saliency, clip), np.random.default_rng(seed)
    chance = rng.permutation(shares.size)
    most_salient = np.lexsort((rng.random(shares.size), -shares.ravel()))
    hidden = cover(clip.frames)
    grade = int(predict(network, clip.frames[None]).argmax())
    counts = np.rint(np.linspace(0, shares.size, steps)).astype(int)

    def followed(start: Frames, end: Frames, order: Int64[ndarray, " n"]) -> Curve:
        changed = (_pixels(order[:count], shares.shape, clip) for count in counts)
        pictures = np.stack([np.where(pixels, end, start) for pixels in changed])
        probabilities = predict(network, pictures).double().softmax(dim=1)[:, grade]
        return Curve(counts / shares.size, probabilities.numpy())

    return Curves(
        grade,
        followed(clip.frames, hidden, most_salient),
        followed(hidden, clip.frames, most_salient),
        followed(clip.frames, hidden, chance),
        followed(hidden, clip.frames, chance),
    )


def _pixels(
    patches: Int64[ndarray, " some"], grid: tuple[int, ...], clip: Clip
) -> Bool[ndarray, "t y x"]:
    """Pixels whose centre lies in one of these patches."""
    chosen = np.zeros(grid, bool)
    chosen.flat[patches] = True
    (_, height, width), (_, rows, columns) = clip.frames.shape, grid
    row = (np.arange(height) * 2 + 1) * rows // (2 * height)
    column = (np.arange(width) * 2 + 1) * columns // (2 * width)
    return chosen[:, row][:, :, column]
