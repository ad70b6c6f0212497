"""Exercises 10.1 to 10.4: a score of a map, the control that it has to beat, Grad-CAM, deletion.

Not in the paper, whose Fig. 4 shows Grad-CAM (Selvaraju et al. 2017) of one clip, without a score.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import fmean

import torch
from einops import einsum, reduce
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, inputs

Maps = Sequence[Tensor]
Score = Callable[[Tensor, Tensor], float]


def share_inside(saliency: Tensor, mask: Tensor) -> float:
    """How many times more saliency is inside than if it were uniform."""
    inside = saliency[mask].sum() / saliency.sum()
    return (inside / mask.float().mean()).item()


def swapped_control(
    maps: Maps, masks: Maps, patients: Sequence[str], score: Score
) -> tuple[float, float]:
    """Mean score of each clip's own map, and of every other patient's map on that clip."""
    own, other = [], []
    for place, mask in enumerate(masks):
        scores = [score(saliency, mask) for saliency in maps]
        others = [s for s, name in zip(scores, patients, strict=True) if name != patients[place]]
        own.append(scores[place])
        other.append(fmean(others))
    return fmean(own), fmean(other)


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Channels weighted by the mean of their gradients, summed; what is negative is cut off."""
    weights = reduce(gradients, "c t y x -> c", "mean")
    return einsum(weights, activations, "c, c t y x -> t y x").relu()


def deletion_curve(
    score: Callable[[Tensor], float], frames: Tensor, cover: Tensor, saliency: Tensor, steps: int
) -> Tensor:
    """The score while the most salient patches are covered: from none to all, in equal steps."""
    patch = frames.shape[1] // saliency.shape[1]
    order = saliency.flatten().argsort(descending=True)
    values = []
    for step in range(steps):
        covered = torch.zeros_like(saliency, dtype=torch.bool)
        covered.view(-1)[order[: round(step * len(order) / (steps - 1))]] = True
        pixels = covered.repeat_interleave(patch, dim=1).repeat_interleave(patch, dim=2)
        values.append(score(torch.where(pixels, cover, frames)))
    return torch.tensor(values)


def _scored(generator: Generator) -> list[Arguments]:
    def drawn(*shape: int) -> tuple[Tensor, Tensor]:
        saliency = torch.rand(shape, generator=generator) ** 3 * 7 + 0.5
        return saliency, torch.rand(shape, generator=generator) < 0.3

    saliency, mask = drawn(3, 5, 7)
    saliency[1] *= 5  # frames differ
    saliency[1][mask[1]] *= 3
    wide, other = drawn(5, 3, 11)
    # The third has one frame, in the last nothing is inside.
    return [(saliency, mask), (wide.double(), other), drawn(1, 7, 11), (saliency * ~mask, mask)]


def mean_inside(saliency: Tensor, mask: Tensor) -> float:
    """Another score for the control."""
    return saliency[mask].mean().item()


def _swapped(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    # A letter a clip: patients differ in their number of clips, and maps in their size.
    for clips, score in (("abaccc", share_inside), ("abcde", share_inside), ("abbb", mean_inside)):
        masks = torch.rand((len(clips), 2, 5, 7), generator=generator) < 0.4
        sizes = 1 + torch.arange(len(clips)).view(-1, 1, 1, 1)
        maps = sizes * (torch.rand(masks.shape, generator=generator) + 2 * masks)
        cases.append(([*maps], [*masks], [f"patient {name}" for name in clips], score))
    return cases


def edges_and_time(frames: Tensor) -> float:
    """A score that every pixel changes, each by another amount."""
    return float((frames * torch.arange(frames.numel()).view_as(frames).sin()).sum())


def squared(frames: Tensor) -> float:
    """Another score for the curve."""
    return float((frames**2).mean())


def _covered(generator: Generator) -> list[Arguments]:
    def case(
        score: Callable[[Tensor], float], grid: tuple[int, int, int], patch: int, steps: int
    ) -> Arguments:
        t, rows, columns = grid
        frames, cover = torch.rand(2, t, rows * patch, columns * patch, generator=generator)
        order = torch.randperm(t * rows * columns, generator=generator).view(grid)
        return score, frames, cover, order / 7.0, steps

    return [
        case(edges_and_time, (3, 4, 5), 2, 6),
        case(squared, (2, 5, 3), 3, 4),
        case(edges_and_time, (2, 2, 3), 1, 2),
    ]


_TENSORS = inputs(lambda c, t, y, x: ((c, t, y, x), (c, t, y, x)), {}, {}, {"t": 1}, {"c": 1})


def _as_tensor(answer: object) -> object:
    """A list of numbers is as good as a tensor."""
    if isinstance(answer, Tensor):
        return answer.float() if answer.is_floating_point() else answer
    with suppress(TypeError, ValueError, RuntimeError):  # an answer may be anything
        return torch.tensor(answer, dtype=torch.float32) if isinstance(answer, list) else answer
    return answer


# fmt: off
_INSIDE = "inside / mask.float().mean()"
_SHARE_MISTAKES = {
    "this is the share of saliency inside; divide by the mask's share": (_INSIDE, "inside"),
    "this is the mean inside; divide by the mean of all": lambda s, mask: s[mask].mean(),
    "this is the sum inside; divide by the sum of all, then by the mask's share":
        lambda saliency, mask: saliency[mask].sum(),
    "you compare inside with outside, not with all":
        lambda saliency, mask: saliency[mask].mean() / saliency[~mask].mean(),
    "you divided by the sum outside; divide by that of all":
        lambda saliency, mask: saliency[mask].sum() / saliency[~mask].sum(),
    "you multiplied by the mask's share of the volume; divide by it": ("inside /", "inside *"),
    "you divided by the mask's voxels, not by their share": ("float().mean", "float().sum"),
    "you subtracted the mask's share of the volume; divide by it": ("inside /", "inside -"),
    "you scored each frame and took the mean":
        lambda saliency, mask: fmean(map(share_inside, saliency, mask)),
}
_OTHERS = "name != patients[place]"
_SWAPPED_MISTAKES = {
    "a patient's other clips are not another patient's":
        ("zip(scores, patients, strict=True)", "zip(scores, range(len(maps)))",
         _OTHERS, "name != place"),
    "own maps are among the others: leave out the clip's own patient": (f" if {_OTHERS}", ""),
    "one other map is too few; take the mean over all of them":
        ("other.append(fmean(others))", "other += scores[place + 1 : place + 2]"),
    "you scored the mean of all maps; score each map, then take the mean":
        ("fmean(others)", "score(sum(maps) / len(maps), mask)"),
    "you took one mean over all pairs; take each clip's first":
        ("other.append(fmean(others))", "other += others"),
    "wrong way round: score others' maps on this clip's mask":
        ("score(saliency, mask) for saliency in maps", "score(maps[place], one) for one in masks"),
    "you scored the mean of others' maps; score each, then take the mean":
        ("[s for s,", "[m for m,", "zip(scores,", "zip(maps,",
         "fmean(others)", "score(sum(others) / len(others), mask)"),
    "the first number is of own maps alone: one map a clip":
        ("scores[place])", "fmean(s for s, n in zip(scores, patients) if n == patients[place]))"),
    "own and other are exchanged": ("fmean(own), fmean(other)", "fmean(other), fmean(own)"),
    "these are sums; means are wanted": ("fmean(own), fmean(other)", "sum(own), sum(other)"),
}
_CAM_MISTAKES = {
    "the ReLU is missing": (".relu()", ""),
    "you took the absolute value; ReLU sets what is negative to 0": ("relu()", "abs()"),
    "ReLU comes after the sum over channels":
        ('-> t y x").relu()', '-> c t y x").relu().sum(dim=0)'),
    "you took the mean over channels; Grad-CAM sums them": ("relu()", "relu() / len(weights)"),
    "each frame has weights of its own; take the mean over t too":
        ('-> c"', '-> c t"', '"c, c', '"c t, c'),
    "you multiplied each by its own gradient; take the mean of a channel first":
        lambda activations, gradients: (activations * gradients).sum(dim=0).relu(),
    "you summed the gradients of a channel; the mean is wanted": ('"mean"', '"sum"'),
    "the weights are missing: all channels count alike": lambda maps, _: maps.sum(dim=0).relu(),
}
_COUNT = "round(step * len(order) / (steps - 1))"
_PIXELS = ".repeat_interleave(patch, dim=1).repeat_interleave(patch, dim=2)"
_CURVE_MISTAKES = {
    "the least salient patches are covered first": ("descending=True", ""),
    "the curve is backwards: it begins with no patch covered":
        ("range(steps)", "reversed(range(steps))"),
    "this is insertion: the salient patches are shown, the others covered":
        ("(pixels, cover, frames)", "(pixels, frames, cover)"),
    "each step covers its own patches alone; those of the steps before stay covered":
        (f"order[: {_COUNT}]", f"order[round((step - 1) * len(order) / (steps - 1)) : {_COUNT}]"
         " if step else order[:0]"),
    "the last step has to cover all patches: `steps` points, both ends included":
        ("(steps - 1)", "steps"),
    "the first point has no patch covered": ("range(steps)", "range(1, steps + 1)",
                                             "(steps - 1)", "steps"),
    "a patch is a square of pixels: `repeat_interleave`, not tiles":
        (_PIXELS, ".tile(1, patch, patch)"),
    "the patches are covered with 0; put `cover` there": ("pixels, cover", "pixels, 0.0 * cover"),
    "each frame has its own order; one order for all frames is wanted":
        ("covered.view(-1)[order[: round(step * len(order) / (steps - 1))]] = True",
         "n = saliency[0].numel(); rank = saliency.flatten(1).argsort(1).argsort(1)\n"
         "        covered = (rank >= n - round(step * n / (steps - 1))).view_as(saliency)"),
    "all frames are covered at the places of the mean map":
        ("order = saliency.flatten()",
         "saliency = saliency.mean(dim=0, keepdim=True).expand_as(saliency)\n"
         "    order = saliency.flatten()"),
    "these are drops; the scores themselves are wanted":
        ("torch.tensor(values)", "torch.tensor(values) - values[0]"),
}
# fmt: on
EXERCISES = (
    Exercise("10.1", share_inside, _scored, mistakes=_SHARE_MISTAKES),
    Exercise("10.2", swapped_control, _swapped, mistakes=_SWAPPED_MISTAKES),
    Exercise("10.3", grad_cam, _TENSORS, axes="t y x", mistakes=_CAM_MISTAKES),
    Exercise("10.4", deletion_curve, _covered, "steps", _CURVE_MISTAKES, _as_tensor),
)
