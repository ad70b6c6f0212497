"""Exercises 8.1 to 8.3: how accurate a network is, and how sure we may be of that.

Source: section 3 names accuracy, F1-score, precision and recall (Table 1). Intervals are not in
the paper: on its 118 test clips one clip is 0.85 points.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong

_MANY = 20_000  # draws, so that what chance is left is the answer's own
_ENOUGH = 1_000  # draws from which mistakes can be told apart
_TINY, _TAIL = 1e-4, 0.025
Interval = tuple[float, float]


def confusion(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    """Count the pairs (true, predicted).

    Each clip adds one to one cell. Which row, which column?

    1. Zeros, classes x classes, of whole numbers: torch.zeros(..., dtype=torch.long).
    2. For each clip, one more in [true class, predicted class].

    Correct predictions are on the diagonal; a row shows what the clips of a class were predicted
    as; accuracy, precision, recall and F1 all follow from these counts.
    """
    counts = torch.zeros(classes, classes, dtype=torch.long)
    for row, column in zip(true, predicted, strict=True):
        counts[row, column] += 1
    return counts


def macro_f1(confusion: Tensor) -> float:
    """The mean over the classes of 2 hits / (true + predicted).

    What is F1 of one class, from its cell on the diagonal, its row and its column? And what does
    a class get that never occurs?

    1. For each class: hits = confusion.diag(); true and predicted are the sums of its row and of
       its column.
    2. F1 = 2 hits / (true + predicted); 0 where that divides by 0.
    3. The mean over all classes.

    In the macro mean a rare class counts as much as a common one: a classifier that always
    predicts the majority class may be right on nine clips of ten, with a macro F1 below one half.
    """
    true_and_predicted = confusion.sum(dim=1) + confusion.sum(dim=0)
    scores = 2 * confusion.diag() / true_and_predicted.clamp(min=1)
    return scores.mean().item()


def patient_bootstrap(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    """Draw as many patients as there are, again and again, each with all clips.

    Another study would have other patients, not the same ones with other clips. What has to be
    drawn anew?

    1. For each patient: how many clips are correct, and how many there are.
    2. `draws` times: draw as many patients as there are, with replacement, from a generator made
       from `seed`. Accuracy = their correct clips / their clips.
    3. The interval lies between the percentiles 2.5 and 97.5 of these accuracies.

    Clips of one patient tend to be right or wrong together, so they hold less information than
    independent ones: the interval by patient is wider than by clip.
    """
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
    def drawn(count: int, classes: int) -> Tensor:
        return torch.randint(classes, (count,), generator=generator)

    mostly_right = torch.where(torch.rand(97, generator=generator) < 0.6, 0, 1)
    true, alike = drawn(97, 4), drawn(31, 5)
    return [
        ((true + mostly_right) % 4, true, 5),  # the last class never occurs
        (drawn(43, 2) * 2, drawn(43, 3), 3),  # class 1 is never predicted
        (alike, alike.clone(), 5),
        (torch.tensor([1]), torch.tensor([0]), 2),
    ]


def _matrices(generator: Generator) -> list[Arguments]:
    drawn = torch.randint(1, 40, (5, 5), generator=generator)
    never_predicted, absent = drawn[:4, :4].clone(), drawn.clone()
    never_predicted[:, 2] = 0
    never_predicted[1, 1] = 0  # predicted and true, but never both
    absent[3], absent[:, 3] = 0, 0
    return [
        (drawn[:3, 1:4].clone(),),
        (torch.tensor([[79, 2], [9, 5]]),),
        (never_predicted,),
        (absent,),
        (torch.tensor([[0, 3], [5, 0]]),),  # no hit
        (torch.tensor([[7]]),),
    ]


def _results(generator: Generator) -> list[Arguments]:
    """Patients with many clips are often wrong, and on most of their clips alike."""
    sizes = torch.randint(1, 8, (19,), generator=generator)
    wrong = torch.rand(19, generator=generator) < 0.12 * sizes - 0.15
    exceptions = torch.rand(int(sizes.sum()), generator=generator) < 0.2
    cohort = _mixed(generator, sizes, ~wrong.repeat_interleave(sizes) ^ exceptions)
    few = torch.tensor([*[1] * 16, 2, 4, 6, *[3] * 6])
    nearly_all = _mixed(generator, few, (few != 4).repeat_interleave(few))
    single = torch.ones(29, dtype=torch.long)
    alone = _mixed(generator, single, torch.rand(29, generator=generator) < 0.7)
    return [
        (*cohort, 2000, 3),
        (*cohort, 211, 3),
        (*cohort, 211, 3),
        (*cohort, 211, 8),
        (*nearly_all, 2000, 5),
        (*alone, 2000, 1),  # one clip a patient
        (torch.tensor([1.0, 0.0, 1.0, 1.0]), ["p8"] * 4, 37, 2),  # one patient
        (torch.ones(6), ["p1", "p2", "p2", "p1", "p5", "p3"], 37, 6),  # all correct
    ]


def _mixed(generator: Generator, sizes: Tensor, right: Tensor) -> tuple[Tensor, list[str]]:
    """Clips in random order, given patient by patient: 1 or 0, and the patient, for each."""
    order = torch.randperm(len(right), generator=generator)
    names = torch.randperm(10 * len(sizes), generator=generator)[: len(sizes)]
    owners = names.repeat_interleave(sizes)[order].tolist()
    return right[order].float(), [f"p{owner}" for owner in owners]


def _counts(result: object) -> object:
    """Whole numbers as int64, whatever their type."""
    if isinstance(result, Tensor) and result.is_floating_point():
        return result.long() if torch.equal(result, result.round()) else result
    return result


def _confusion_mistakes(predicted: Tensor, true: Tensor, classes: int) -> Wrong:
    counts = confusion(predicted, true, classes)
    rows, columns = (counts.sum(dim=axis, keepdim=True) for axis in (1, 0))
    seen = int(torch.cat([predicted, true]).max()) + 1
    return {
        "each cell counts to one at most: `matrix[true, predicted] += 1` adds once a cell; use "
        "a loop or `torch.bincount`": (counts > 0).long(),
        "these are shares of all clips; counts are wanted": counts / len(true),
        "each row is divided by its sum (recall)": counts / rows.clamp(min=1),
        "each column is divided by its sum (precision)": counts / columns.clamp(min=1),
        "only the correct predictions were counted": counts.diag().diag(),
        "true and predicted are counted apart; count the pairs": rows * columns,
        "the last class is missing where no clip has it": counts[:seen, :seen],
        "the classes are in reverse order: class 0 comes first": counts.flip(0, 1),
    }


def _f1_mistakes(confusion: Tensor) -> Wrong:
    hits, true, predicted = confusion.diag().double(), confusion.sum(1), confusion.sum(0)
    f1 = 2 * hits / (true + predicted).clamp(min=1)
    recall, precision = hits / true.clamp(min=1), hits / predicted.clamp(min=1)
    r, p = recall.mean(), precision.mean()
    absent = "counts 0: divide by the number of all classes"
    kept = {
        f"you left out a class that is never predicted and never true; it {absent}": true
        + predicted
        > 0,
        f"you left out a class that is never predicted; it {absent}": predicted > 0,
        f"you left out classes without a correct prediction; each {absent}": hits > 0,
    }
    wrong = {
        "this is the accuracy (micro F1); macro is a mean over classes": hits.sum()
        / confusion.sum(),
        **{words: f1[keep].sum() / keep.sum().clamp(min=1) for words, keep in kept.items()},
        "classes are weighted by their number of clips": (f1 * true).sum() / true.sum(),
        "this is the mean recall; F1 needs precision too": r,
        "this is the mean precision; F1 needs recall too": p,
        "this is F1 of mean precision and recall": 2 * p * r / (p + r).clamp(min=1e-9),
        "this is the plain mean of precision and recall; F1 is 2 P R / (P + R)": (p + r) / 2,
        "you added the classes' F1; divide by the number of classes": f1.sum(),
        "this is F1 of the last class alone; macro is the mean over all classes": f1[-1],
        "this is the Jaccard index": (hits / (true + predicted - hits).clamp(min=1)).mean(),
    }
    return {words: float(value) for words, value in wrong.items()}


def _judge_intervals(answers: Sequence[tuple[Any, Any]]) -> str | None:
    """Any generator will do: right is what differs from a known interval by chance only."""
    seen: list[tuple[Any, Interval]] = []
    for given, answer in answers:
        correct, patients, draws, seed = given
        try:
            low, high = (float(end) for end in answer)
        except (TypeError, ValueError, RuntimeError):
            return "two numbers are wanted: (low, high)"
        if wrong := _fault((low, high), tuple(correct.tolist()), tuple(patients), draws):
            return wrong
        for other, interval in [(o, i) for o, i in seen if o[1] is patients]:
            if other[2:] != (draws, seed) and interval == (low, high):
                name = "draws" if other[2] != draws else "seed"
                return f"another `{name}` changes nothing: the interval does not depend on it"
            if other[2:] == (draws, seed) and interval != (low, high):
                return "the same seed gives another interval: make a generator from `seed`, inside"
        seen.append((given, (low, high)))
    return None


def _fault(
    interval: Interval, correct: tuple[float, ...], patients: tuple[str, ...], draws: int
) -> str | None:
    """What is wrong with an interval; the fewer its draws, the more chance is allowed for."""
    accuracy = _accuracies(correct, patients)
    # How far the share of draws beyond an end may be off, in standard errors; with few draws
    # intervals cannot be told apart, and tails are longer than normal ones.
    off = (4 if draws >= _ENOUGH else 6) * math.sqrt(_TAIL * (1 - _TAIL) / draws)
    tails = torch.tensor([_TAIL - off, _TAIL + off, 1 - _TAIL - off, 1 - _TAIL + off]).clamp(0, 1)
    lowest, low, high, highest = accuracy.quantile(tails.to(accuracy)).tolist()
    inside = lowest - _TINY <= interval[0] <= low + _TINY
    if inside and high - _TINY <= interval[1] <= highest + _TINY:
        return None
    if draws >= _ENOUGH:
        distances = {
            words: max(abs(interval[0] - a), abs(interval[1] - b)) - 0.06 * (b - a) - _TINY
            for words, (a, b) in _wrong_intervals(correct, patients).items()
        }
        words = min(distances, key=distances.__getitem__)
        if distances[words] <= 0:
            return f"judging by where the interval lies, {words}"
    low, high = _between(accuracy)
    came, width = f"({interval[0]:.3f}, {interval[1]:.3f})", interval[1] - interval[0]
    extreme = accuracy.quantile(accuracy.new_tensor([2e-3, 1 - 2e-3])).tolist()
    hint = ", far too narrow: divided by the root of `draws`?" if width < (high - low) / 5 else ""
    if interval[0] < extreme[0] and interval[1] > extreme[1]:
        hint = ", as wide as all draws: percentiles 2.5 and 97.5 are wanted"
    return f"an interval near ({low:.3f}, {high:.3f}) is wanted: got {came}{hint}"


def _draw(count: int, seed: int, size: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(count, (_MANY, size or count), generator=generator)


def _between(accuracy: Tensor, tail: float = _TAIL) -> Interval:
    low, high = accuracy.quantile(accuracy.new_tensor([tail, 1 - tail])).tolist()
    return low, high


def _by_patient(correct: tuple[float, ...], patients: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Correct clips and all clips of each patient."""
    names = sorted(set(patients))
    owner = torch.tensor([names.index(patient) for patient in patients])
    marks = torch.tensor(correct, dtype=torch.float64)
    return torch.bincount(owner, marks), torch.bincount(owner).double()


@lru_cache  # the cases of all checks are the same
def _accuracies(correct: tuple[float, ...], patients: tuple[str, ...]) -> Tensor:
    right, clips = _by_patient(correct, patients)
    drawn = _draw(len(clips), 1)
    return right[drawn].sum(1) / clips[drawn].sum(1)


@lru_cache
def _wrong_intervals(correct: tuple[float, ...], patients: tuple[str, ...]) -> dict[str, Interval]:
    """Where common mistakes put the interval."""
    right, clips = _by_patient(correct, patients)
    marks = torch.tensor(correct, dtype=torch.float64)
    drawn, too_many = _draw(len(clips), 2), _draw(len(clips), 2, len(marks))
    accuracy, share = _accuracies(correct, patients), float(marks.mean())
    mean, spread = float(accuracy.mean()), 1.96 * float(accuracy.std())
    once = clips.new_zeros(drawn.shape).scatter_(1, drawn, 1.0)
    generator = torch.Generator().manual_seed(2)
    often = torch.multinomial(clips, drawn.numel(), replacement=True, generator=generator)
    often = often.view_as(drawn)
    one_clip = torch.bernoulli((right / clips)[drawn], generator=generator)
    accuracies = {
        "you drew clips; draw patients, with all their clips": marks[_draw(len(marks), 2)],
        "you averaged the patients' accuracies; count clips": (right / clips)[drawn],
        "you took one clip of each drawn patient; take all": one_clip,
        "you divided by the number of all clips, not of those drawn": (
            right[drawn] * len(clips) / clips.sum()
        ),
    }
    ratios = {
        "a patient who is drawn twice counts once": (once * right, once * clips),
        "each draw holds as many patients as clips": (right[too_many], clips[too_many]),
        "patients with many clips are drawn more often": (right[often], clips[often]),
    }
    return {
        **{words: _between(one.mean(1)) for words, one in accuracies.items()},
        **{words: _between(r.sum(1) / c.sum(1)) for words, (r, c) in ratios.items()},
        "5 % are cut off at each end, a 90 % interval; cut off 2.5 %": _between(accuracy, 0.05),
        "0.5 % are cut off at each end, a 99 % interval; cut off 2.5 %": _between(accuracy, 0.005),
        "the interval has no width: draw with replacement": (share, share),
        "mean +- 1.96 standard deviations; take percentiles": (mean - spread, mean + spread),
    }


EXERCISES = (
    Exercise(
        "8.1", confusion, _labels, axes="true predicted", mistakes=_confusion_mistakes, read=_counts
    ),
    Exercise("8.2", macro_f1, _matrices, mistakes=_f1_mistakes),
    Exercise("8.3", patient_bootstrap, _results, judge=_judge_intervals),
)
