"""Wrong answers to exercises 8.1 and 8.2, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from torch import Tensor

from csgcourse.exercise import Mistake


def _counts(rows: Tensor, columns: Tensor, classes: int) -> Tensor:
    return torch.bincount(rows * classes + columns, minlength=classes**2).view(classes, classes)


def _marks(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    return (_counts(true, predicted, classes) > 0).long()


def _hits(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    return torch.bincount(true[predicted == true], minlength=classes).diag()


def _by_chance(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    return torch.outer(*(torch.bincount(labels, minlength=classes) for labels in (true, predicted)))


def _seen_only(predicted: Tensor, true: Tensor) -> Tensor:
    return _counts(true, predicted, int(torch.cat([predicted, true]).max()) + 1)


def _share_of(predicted: Tensor, true: Tensor, classes: int, axis: int) -> Tensor:
    counts = _counts(true, predicted, classes)
    return counts / counts.sum(dim=axis, keepdim=True).clamp(min=1)


CONFUSION = (
    Mistake(
        _counts,
        "rows and columns are exchanged: a row is a true class, a column a predicted one.",
    ),
    Mistake(
        _marks,
        "each cell counts to one at most. `matrix[true, predicted] += 1` writes a cell that is "
        "named twice only once; count in a loop, or with `torch.bincount`.",
    ),
    Mistake(
        lambda predicted, true, classes: _counts(true, predicted, classes) / len(true),
        "these are shares of all clips; counts are wanted, so do not divide.",
    ),
    Mistake(
        lambda predicted, true, classes: _share_of(predicted, true, classes, 1),
        "each row was divided by its sum: these are recalls. Counts are wanted.",
    ),
    Mistake(
        lambda predicted, true, classes: _share_of(predicted, true, classes, 0),
        "each column was divided by its sum: these are precisions. Counts are wanted.",
    ),
    Mistake(
        _hits,
        "only the right answers were counted, on the diagonal; the wrong ones belong beside it: "
        "which class was taken for which.",
    ),
    Mistake(
        _by_chance,
        "you counted true and predicted classes apart and multiplied: that is what they would "
        "share by chance. Count the pairs, clip by clip.",
    ),
    Mistake(
        lambda predicted, true, classes: _seen_only(predicted, true),
        "the last class is missing where no clip has it: the matrix always has `classes` rows "
        "and columns.",
    ),
    Mistake(
        lambda predicted, true, classes: _counts(true, predicted, classes).flip(0, 1),
        "the classes stand in the reverse order: class 0 comes first.",
    ),
)


def _parts(confusion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Right answers, clips that are of the class, clips that were said to be, for each class."""
    return confusion.diag().double(), confusion.sum(1).double(), confusion.sum(0).double()


def _f1(confusion: Tensor) -> Tensor:
    hits, true, predicted = _parts(confusion)
    return 2 * hits / (true + predicted).clamp(min=1)


def _skipping(confusion: Tensor, keep: Tensor) -> float:
    return float(_f1(confusion)[keep].sum() / keep.sum().clamp(min=1))


def _weighted(confusion: Tensor) -> float:
    true = confusion.sum(1).double()
    return float((_f1(confusion) * true).sum() / true.sum())


def _recall(confusion: Tensor) -> float:
    hits, true, _ = _parts(confusion)
    return float((hits / true.clamp(min=1)).mean())


def _of_means(confusion: Tensor) -> float:
    precision, recall = _recall(confusion.mT), _recall(confusion)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _plain_mean(confusion: Tensor) -> float:
    hits, true, predicted = _parts(confusion)
    return float(((hits / true.clamp(min=1) + hits / predicted.clamp(min=1)) / 2).mean())


def _overlap(confusion: Tensor) -> float:
    hits, true, predicted = _parts(confusion)
    return float((hits / (true + predicted - hits).clamp(min=1)).mean())


F1 = (
    Mistake(
        lambda confusion: float(confusion.diag().sum() / confusion.sum()),
        "this is the share of right answers, which is F1 counted over all clips at once (micro). "
        "Macro: one F1 for each class, then their mean.",
    ),
    Mistake(
        lambda confusion: _skipping(confusion, confusion.sum(0) + confusion.sum(1) > 0),
        "you left out a class that is never predicted and never true; it counts 0, so divide by "
        "the number of all classes.",
    ),
    Mistake(
        lambda confusion: _skipping(confusion, confusion.sum(0) > 0),
        "you left out a class that is never predicted; it counts 0, so divide by the number of "
        "all classes.",
    ),
    Mistake(
        lambda confusion: _skipping(confusion, confusion.diag() > 0),
        "you left out classes without a right answer; they count 0, so divide by the number of "
        "all classes.",
    ),
    Mistake(
        _weighted,
        "classes were weighted by their number of clips; in a macro mean every class counts "
        "the same.",
    ),
    Mistake(
        _recall,
        "this is the mean recall; F1 also asks how many of the clips that were called so are so, "
        "the precision.",
    ),
    Mistake(
        lambda confusion: _recall(confusion.mT),
        "this is the mean precision; F1 also asks how many clips of the class were found, the "
        "recall.",
    ),
    Mistake(
        _of_means,
        "this is the F1 of the mean precision and the mean recall; take F1 of each class first, "
        "then the mean.",
    ),
    Mistake(
        _plain_mean,
        "you took the plain mean of precision and recall; F1 is their harmonic mean, "
        "2 P R / (P + R), which the smaller one pulls down.",
    ),
    Mistake(
        lambda confusion: float(_f1(confusion).sum()),
        "you added the classes' F1 up; divide by the number of classes.",
    ),
    Mistake(
        lambda confusion: float(_f1(confusion)[-1]),
        "this is the F1 of the last class alone; macro is the mean over all classes.",
    ),
    Mistake(
        _overlap,
        "right / (true + predicted - right) is the overlap, also called Jaccard; F1 is "
        "2 right / (true + predicted).",
    ),
)
