"""Exercises 10.1 to 10.3: a score of a map, the control that it has to beat, and Grad-CAM.

Not in the paper, whose Fig. 4 shows Grad-CAM (Selvaraju et al. 2017) of one clip, without a score.
"""

from collections.abc import Callable, Sequence
from statistics import fmean

import torch
from einops import einsum, reduce
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, inputs

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


_TENSORS = inputs(lambda c, t, y, x: ((c, t, y, x), (c, t, y, x)), {}, {}, {"t": 1}, {"c": 1})


def _share_mistakes(saliency: Tensor, mask: Tensor) -> Wrong:
    total, share = saliency[mask].sum(), mask.double().mean()
    inside, outside = total / saliency.sum(), saliency[~mask]
    frames = [share_inside(*pair) for pair in zip(saliency, mask, strict=True)]
    return {
        "this is the share of saliency inside; divide by the mask's share": total / saliency.sum(),
        "this is the mean inside; divide by the mean of all": saliency[mask].mean(),
        "this is the sum inside; divide by the sum of all, then by the mask's share": total,
        "you compare inside with outside, not with all": saliency[mask].mean() / outside.mean(),
        "you divided by the sum outside; divide by that of all": total / outside.sum(),
        "you multiplied by the mask's share of the volume; divide by it": inside * share,
        "you divided by the mask's voxels, not by their share": inside / mask.sum(),
        "you subtracted the mask's share of the volume; divide by it": inside - share,
        "you scored each frame and took the mean": fmean(frames),
    }


def _swapped_mistakes(maps: Maps, masks: Maps, patients: Sequence[str], score: Score) -> Wrong:
    scores = torch.tensor([[score(saliency, mask) for saliency in maps] for mask in masks])
    same = torch.tensor([[one == other for other in patients] for one in patients])
    (own, other), not_own = swapped_control(maps, masks, patients, score), 1 - torch.eye(len(maps))
    means = [torch.stack(list(maps))[~row].mean(dim=0) for row in same]
    of_others = fmean(map(score, means, masks))
    of_mean = fmean(score(torch.stack(list(maps)).mean(dim=0), mask) for mask in masks)

    def by_clip(scores: Tensor, which: Tensor) -> Tensor:
        return ((scores * which).sum(dim=1) / which.sum(dim=1)).mean()

    return {
        "a patient's other clips are not another patient's": (own, by_clip(scores, not_own)),
        "own maps are among the others: leave out the clip's own patient": (own, scores.mean()),
        "one other map is too few; take the mean over all of them": (own, scores.diag(1).mean()),
        "you scored the mean of all maps; score each map, then take the mean": (own, of_mean),
        "you took one mean over all pairs; take each clip's first": (own, scores[~same].mean()),
        "wrong way round: score others' maps on this clip's mask": (own, by_clip(scores.T, ~same)),
        "you scored the mean of others' maps; score each, then take the mean": (own, of_others),
        "the first number is of own maps alone: one map a clip": (by_clip(scores, same), other),
        "own and other are exchanged": (other, own),
        "these are sums; means are wanted": (own * len(maps), other * len(maps)),
    }


def _cam_mistakes(activations: Tensor, gradients: Tensor) -> Wrong:
    weighted = reduce(gradients, "c t y x -> c 1 1 1", "mean") * activations
    weights = {
        "each frame has weights of its own; take the mean over t too": gradients.mean((2, 3), True),
        "you multiplied each by its own gradient; take the mean of a channel first": gradients,
        "you summed the gradients of a channel; the mean is wanted": gradients.sum((1, 2, 3), True),
        "the weights are missing: all channels count alike": torch.ones_like(gradients),
    }
    return {
        "the ReLU is missing": weighted.sum(0),
        "you took the absolute value; ReLU sets what is negative to 0": weighted.sum(0).abs(),
        "ReLU comes after the sum over channels": weighted.relu().sum(0),
        "you took the mean over channels; Grad-CAM sums them": weighted.mean(0).relu(),
        "activations and gradients are exchanged": grad_cam(gradients, activations),
        **{words: (by * activations).sum(0).relu() for words, by in weights.items()},
    }


EXERCISES = (
    Exercise("10.1", share_inside, _scored, mistakes=_share_mistakes),
    Exercise("10.2", swapped_control, _swapped, mistakes=_swapped_mistakes),
    Exercise("10.3", grad_cam, _TENSORS, axes="t y x", mistakes=_cam_mistakes),
)
