"""Deletion and insertion curves: hide the most salient patches and run the network again.

Source: not in the paper; Petsiuk et al. 2018 (RISE). The curves need no truth, and say what the
network used, not whether it should have. What covers a hidden patch is a picture too: a network may
take it for a grade, and then a curve shows how alike clip and cover are. So measure covers first.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
_GREYS = range(0, 256, 8)


def blurred(frames: Frames) -> Frames:
    """Each frame out of focus: no new edges, but a wide lumen stays visible."""
    spread = _BLUR * frames.shape[2]
    soft = gaussian_filter(frames.astype(np.float32), (0, spread, spread), mode="nearest")
    return np.rint(soft).astype(np.uint8)


def covers(clips: Sequence[Clip]) -> dict[str, Cover]:
    """Candidates for `neutrality` by name: some made of the clip, some the same for all clips."""
    frames = np.concatenate([clip.frames for clip in clips])
    fixed = {"mean frame": frames.mean(axis=0), "median frame": np.median(frames, axis=0)}
    fixed |= {f"grey {level}": level for level in _GREYS}
    return {
        "mean grey": lambda frames: np.full_like(frames, round(frames.mean())),
        "blurred": blurred,
        "shuffled pixels": lambda frames: np.random.default_rng(0).permuted(frames),
        **{name: partial(np.full_like, fill_value=np.rint(each)) for name, each in fixed.items()},
    }


def neutrality(
    network: nn.Module, clips: Sequence[Clip], candidates: Mapping[str, Cover]
) -> dict[str, tuple[float, float]]:
    """How nearly a network takes clips that are wholly covered for neither grade, best cover first.

    Returns:
        By cover, the last grade's mean probability, and its mean distance from one half: a cover
        under which half of the clips are surely mild and half surely severe hides nothing.
    """
    found = {}
    for name, cover in candidates.items():
        hidden = [cover(clip.frames) for clip in clips]
        once = {picture.tobytes(): picture for picture in hidden}  # a grey is only one
        chances = predict(network, np.stack([*once.values()])).softmax(dim=1)[:, -1]
        last = chances[[[*once].index(picture.tobytes()) for picture in hidden]]
        found[name] = float(last.mean()), float((last - 0.5).abs().mean())
    return dict(sorted(found.items(), key=lambda item: item[1][1]))


class Curve(NamedTuple):
    """A grade's probability as more and more patches change."""

    changed: Float[ndarray, " steps"]  # fraction of the patches, from 0 to 1
    probability: Float[ndarray, " steps"]

    @property
    def area(self) -> float:
        """Under the curve, 0 to 1: the mean probability."""
        middles = (self.probability[1:] + self.probability[:-1]) / 2
        return float(np.diff(self.changed) @ middles)

    @property
    def reversal(self) -> float:
        """The largest change against the direction from first to last point; 0 if monotone."""
        upwards = self.probability * (1 if self.probability[-1] >= self.probability[0] else -1)
        return float((np.maximum.accumulate(upwards) - upwards).max())


class Curves(NamedTuple):
    """Patches hidden and shown in the order of a map. Both curves have the same ends, exchanged."""

    grade: int  # predicted for the whole clip; its probability is plotted
    deletion: Curve  # most salient patches hidden first; a small area speaks for the map
    insertion: Curve  # most salient patches shown first, in a hidden clip; a large area does


def curves(
    network: nn.Module, clip: Clip, saliency: Map, cover: Cover, steps: int = 9, seed: int = 0
) -> Curves:
    """Hide and show a clip's patches step by step, and record the predicted grade's probability.

    Patches with equal values come in random order, so a uniform map gives the random control.

    Args:
        network: gives logits; left in evaluation mode, as `predict` leaves it.
        clip: with or without truth.
        saliency: a map of it, or of another clip, on any grid that spans the frames.
        cover: makes what replaces hidden patches; see `neutrality`.
        steps: points of a curve, both ends among them; twice as many passes are made.
        seed: of the order of equal values.

    Raises:
        ValueError: a curve without both its ends, or a map that `shares_of` refuses.
    """
    if steps < 2:
        raise ValueError(f"a curve has both its ends: 2 steps or more: got {steps}")
    shares, rng = shares_of(saliency, clip), np.random.default_rng(seed)
    order = np.lexsort((rng.random(shares.size), -shares.ravel()))
    counts = np.rint(np.linspace(0, shares.size, steps)).astype(int)
    changed = [_pixels(order[:count], shares.shape, clip) for count in counts]
    hidden = cover(clip.frames)
    grade = int(predict(network, clip.frames[None]).argmax())

    def followed(start: Frames, end: Frames) -> Curve:
        pictures = np.stack([np.where(pixels, end, start) for pixels in changed])
        probabilities = predict(network, pictures).double().softmax(dim=1)[:, grade]
        return Curve(counts / shares.size, probabilities.numpy())

    return Curves(grade, followed(clip.frames, hidden), followed(hidden, clip.frames))


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
