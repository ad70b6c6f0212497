"""Exercises 8.1 to 8.3: how accurate a network is, and how sure we may be of that.

Source: section 3 names accuracy, F1-score, precision and recall (Table 1). Intervals are not in
the paper: on its 118 test clips one clip is 0.85 points.
"""

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong

_MANY = 20_000  # draws, so that what chance is left is the answer's own
_ENOUGH = 1_000  # draws from which mistakes can be told apart
_TINY, _TAIL = 1e-4, 0.025
Interval = tuple[float, float]


def confusion(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    """Count the pairs (true, predicted)."""
    counts = torch.zeros(classes, classes, dtype=torch.long)
    for row, column in zip(true, predicted, strict=True):
        counts[row, column] += 1
    return counts


def macro_f1(confusion: Tensor) -> float:
    """The mean over the classes of 2 hits / (true + predicted)."""
    true_and_predicted = confusion.sum(dim=1) + confusion.sum(dim=0)
    scores = 2 * confusion.diag() / true_and_predicted.clamp(min=1)
    return scores.mean().item()


def patient_bootstrap(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    """Draw as many patients as there are, again and again, each with all clips."""
    names = sorted(set(patients))
    right, clips = torch.zeros(2, len(names), dtype=torch.float64)
    for mark, patient in zip(correct, patients, strict=True):
        right[names.index(patient)] += mark
        clips[names.index(patient)] += 1
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(names), (draws, len(names)), generator=generator)
    accuracy = right[drawn].sum(dim=1) / clips[drawn].sum(dim=1)
    low, high = torch.quantile(accuracy, accuracy.new_tensor([0.025, 0.975])).tolist()
    return low, high


def _labels(generator: Generator) -> list[Arguments]:
    drawn = partial(torch.randint, generator=generator)
    true, alike = drawn(4, (97,)), drawn(5, (31,))
    mostly_right = (true + (drawn(10, (97,)) < 4)) % 4
    return [
        (mostly_right, true, 5),  # the last class never occurs
        (drawn(2, (43,)) * 2, drawn(3, (43,)), 3),  # class 1 is never predicted
        (alike, alike.clone(), 5),
        (torch.tensor([1]), torch.tensor([0]), 2),
    ]


def _matrices(generator: Generator) -> list[Arguments]:
    drawn = torch.randint(1, 40, (5, 5), generator=generator)
    never_predicted, absent = drawn[:4, :4].clone(), drawn.clone()
    never_predicted[:, 2] = 0
    never_predicted[1, 1] = 0  # predicted and true, but never both
    absent[3], absent[:, 3] = 0, 0
    given = [drawn[:3, 1:4].clone(), torch.tensor([[79, 2], [9, 5]]), never_predicted, absent]
    return [(one,) for one in (*given, torch.tensor([[0, 3], [5, 0]]), torch.tensor([[7]]))]


def _results(generator: Generator) -> list[Arguments]:
    """Patients with many clips are often wrong, and on most of their clips alike."""

    def mixed(sizes: Tensor, right: Tensor) -> tuple[Tensor, list[str]]:
        """Clips in random order: 1 or 0, and the patient, for each."""
        order = torch.randperm(len(right), generator=generator)
        owners = torch.arange(len(sizes)).repeat_interleave(sizes)[order]
        return right[order].float(), [f"p{7 * owner % 97}" for owner in owners.tolist()]

    sizes = torch.randint(1, 8, (19,), generator=generator)
    wrong = torch.rand(19, generator=generator) < 0.12 * sizes - 0.15
    exceptions = torch.rand(int(sizes.sum()), generator=generator) < 0.2
    cohort = mixed(sizes, ~wrong.repeat_interleave(sizes) ^ exceptions)
    few = torch.tensor([*[1] * 16, 2, 4, 6, *[3] * 6])
    nearly_all = mixed(few, (few != 4).repeat_interleave(few))
    alone = mixed(torch.ones(29, dtype=torch.long), torch.rand(29, generator=generator) < 0.7)
    return [
        *((*cohort, draws, seed) for draws, seed in ((2000, 3), (211, 3), (211, 3), (211, 8))),
        (*nearly_all, 2000, 5),
        (*alone, 2000, 1),  # one clip a patient
        (torch.tensor([1.0, 0.0, 1.0, 1.0]), ["p8"] * 4, 37, 2),  # one patient
        (torch.ones(6), ["p1", "p2", "p2", "p1", "p5", "p3"], 37, 6),  # all correct
    ]


def _counts(result: object) -> object:
    """Whole numbers as int64, whatever their type."""
    if isinstance(result, Tensor) and result.is_floating_point():
        return result.long() if torch.equal(result, result.round()) else result
    return result


def _confusion_mistakes(predicted: Tensor, true: Tensor, classes: int) -> Wrong:
    counts = confusion(predicted, true, classes)
    seen = int(torch.cat([predicted, true]).max()) + 1
    once = "each cell counts to one at most: `matrix[true, predicted] += 1` adds once a cell"
    return {
        f"{once}; use a loop or `torch.bincount`": (counts > 0).long(),
        "these are shares of all clips; counts are wanted": counts / len(true),
        "only the correct predictions were counted": counts.diag().diag(),
        "the last class is missing where no clip has it": counts[:seen, :seen],
        "the classes are in reverse order: class 0 comes first": counts.flip(0, 1),
    }


def _f1_mistakes(confusion: Tensor) -> Wrong:
    hits, true, predicted = confusion.diag().double(), confusion.sum(1), confusion.sum(0)
    f1, seen = 2 * hits / (true + predicted).clamp(min=1), true + predicted > 0
    recall, precision = (hits / clips.clamp(min=1) for clips in (true, predicted))
    r, p, kept = recall.mean(), precision.mean(), predicted > 0
    absent = "counts 0: divide by the number of all classes"
    wrong = {
        "this is the accuracy (micro F1); macro is a mean over classes": hits.sum() / true.sum(),
        f"you left out a class, never predicted and never true; it {absent}": f1[seen].mean(),
        f"you left out a class that is never predicted; it {absent}": f1[kept].mean(),
        "classes are weighted by their number of clips": (f1 * true).sum() / true.sum(),
        "this is the mean recall; F1 needs precision too": r,
        "this is the mean precision; F1 needs recall too": p,
        "this is F1 of mean precision and recall": 2 * p * r / (p + r).clamp(min=1e-9),
        "this is the plain mean of precision and recall; F1 is 2 P R / (P + R)": (p + r) / 2,
    }
    return {words: float(value) for words, value in wrong.items()}


def _validate_interval(
    answer: Any, correct: Tensor, patients: Sequence[str], draws: int, _seed: int
) -> str | None:
    """Any generator will do: right is what differs from a known interval by chance only.

    The fewer its draws, the more chance is allowed for.
    """
    try:
        came_low, came_high = (float(end) for end in answer)
    except (TypeError, ValueError, RuntimeError):
        return "two numbers are wanted: (low, high)"
    accuracy, wrong_intervals = _known(tuple(correct.tolist()), tuple(patients))
    # How far the share of draws beyond an end may be off, in standard errors; with few draws
    # intervals cannot be told apart, and tails are longer than normal ones.
    off = (4 if draws >= _ENOUGH else 6) * math.sqrt(_TAIL * (1 - _TAIL) / draws)
    tails = torch.tensor([_TAIL - off, _TAIL + off, 1 - _TAIL - off, 1 - _TAIL + off]).clamp(0, 1)
    lowest, low, high, highest = accuracy.quantile(tails.to(accuracy)).tolist()
    inside = lowest - _TINY <= came_low <= low + _TINY
    if inside and high - _TINY <= came_high <= highest + _TINY:
        return None
    distances = {
        words: max(abs(came_low - a), abs(came_high - b)) - 0.06 * (b - a) - _TINY
        for words, (a, b) in wrong_intervals.items()
    }
    words = min(distances, key=distances.__getitem__)
    if draws >= _ENOUGH and distances[words] <= 0:
        return f"judging by where the interval lies, {words}"
    low, high = _between(accuracy)
    extreme, hint = _between(accuracy, 2e-3), ""
    if came_high - came_low < (high - low) / 5:
        hint = ", far too narrow: divided by the root of `draws`?"
    if came_low < extreme[0] and came_high > extreme[1]:
        hint = ", as wide as all draws: percentiles 2.5 and 97.5 are wanted"
    came = f"({came_low:.3f}, {came_high:.3f})"
    return f"an interval near ({low:.3f}, {high:.3f}) is wanted: got {came}{hint}"


def _between(accuracy: Tensor, tail: float = _TAIL) -> Interval:
    low, high = accuracy.quantile(accuracy.new_tensor([tail, 1 - tail])).tolist()
    return low, high


@lru_cache  # the cases of all checks are the same
def _known(
    correct: tuple[float, ...], patients: tuple[str, ...]
) -> tuple[Tensor, dict[str, Interval]]:
    """Accuracies of many draws of patients, and where common mistakes put the interval."""
    generator = torch.Generator().manual_seed(1)
    names, marks = sorted(set(patients)), torch.tensor(correct, dtype=torch.float64)
    owner = torch.tensor([names.index(patient) for patient in patients])
    right, clips = torch.bincount(owner, marks), torch.bincount(owner).double()

    def draw(weights: Tensor, count: int) -> Tensor:
        """Places of `count` elements, drawn with replacement, `_MANY` times."""
        return weights.expand(_MANY, -1).multinomial(count, replacement=True, generator=generator)

    def pooled(drawn: Tensor) -> Tensor:
        return right[drawn].sum(1) / clips[drawn].sum(1)

    people, everybody = torch.ones_like(clips), len(clips)
    drawn = draw(people, everybody)
    accuracy, share = pooled(drawn), float(marks.mean())
    once = clips.new_zeros(drawn.shape).scatter_(1, drawn, 1.0)
    mean, spread = float(accuracy.mean()), 1.96 * float(accuracy.std())
    all_clips = right[drawn].mean(1) * everybody / clips.sum()
    by_clips = marks[draw(torch.ones_like(marks), len(marks))].mean(1)
    wrong = {
        "you drew clips; draw patients, with all their clips": by_clips,
        "you averaged the patients' accuracies; count clips": (right / clips)[drawn].mean(1),
        "you divided by the number of all clips, not of those drawn": all_clips,
        "a patient who is drawn twice counts once": (once @ right) / (once @ clips),
        "each draw holds as many patients as clips": pooled(draw(people, len(marks))),
        "patients with many clips are drawn more often": pooled(draw(clips, everybody)),
    }
    return accuracy, {
        **{words: _between(one) for words, one in wrong.items()},
        "5 % are cut off at each end, a 90 % interval; cut off 2.5 %": _between(accuracy, 0.05),
        "0.5 % are cut off at each end, a 99 % interval; cut off 2.5 %": _between(accuracy, 0.005),
        "the interval has no width: draw with replacement": (share, share),
        "mean +- 1.96 standard deviations; take percentiles": (mean - spread, mean + spread),
    }


EXERCISES = (
    Exercise("8.1", confusion, _labels, "true predicted", _confusion_mistakes, _counts),
    Exercise("8.2", macro_f1, _matrices, mistakes=_f1_mistakes),
    Exercise("8.3", patient_bootstrap, _results, validate=_validate_interval),
)
