"""Scores of predicted grades. Confusion matrices: rows true, columns predicted.

Source: section 3 names accuracy, F1-score, precision and recall (Table 1). It does not say that the
last three are macro means; that reproduces every row of the table. AUC and calibration are not in
the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths

_ROUNDING = 1e-4
_INNER_EDGES = np.arange(1, 10) / 10  # of ten bins; a confidence on an edge is of the lower one


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores with intervals; F1, precision and recall are macro means over classes.

    Attributes:
        accuracy: fraction of correct clips.
        f1, precision, recall: 0 for a class that never occurs.
        auc: area under the ROC curve: of the last class for two, else the macro mean, one against
            the rest. NaN unless every class occurs.
        calibration_error: expected calibration error in ten bins of confidence. Noise counts as
            error, in a draw more than in the data: for few clips the interval may lie above it.
        brier: half the mean squared distance of the probabilities from the one-hot truth, 0 to 1.
    """

    accuracy: Score
    f1: Score
    precision: Score
    recall: Score
    auc: Score
    calibration_error: Score
    brier: Score


def grade_scores(
    probabilities: Float[ndarray, "clips classes"],
    grades: Int[ndarray, " clips"],
    patients: Sequence[str] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Scores:
    """Score predictions, the most probable grade of each clip.

    Source: Guo et al. 2017 (calibration error); Brier 1950.

    Args:
        probabilities: of each class, adding up to 1.
        grades: the true class of each clip.
        patients: of each clip; by default one per clip.
        draws: bootstrap draws per interval; for AUC, those without some class are left out.
        seed: of the draws; the order of the clips does not matter.

    Raises:
        ValueError: no clip, lengths that differ, a grade without a column, or rows that are no
            probabilities.
    """
    owners = range(len(grades)) if patients is None else patients
    same_lengths(probabilities=probabilities, grades=grades, patients=owners)
    _check_probabilities(probabilities)
    count = probabilities.shape[1]
    _check_classes("grades", grades, count)
    weights = draw_patients(owners, draws, seed)
    clips = weights.sum(1)
    true = np.eye(count)[grades]
    said = np.eye(count)[probabilities.argmax(1)]
    rates = _rates(np.einsum("rk,kt,ks->rts", weights, true, said, optimize=True))
    auc = [_auc(probabilities[:, c], grades == c, weights) for c in range(count)]
    distances = ((probabilities - true) ** 2).sum(1) / 2
    return Scores(
        **{name: interval_of(rate) for name, rate in rates.items()},
        auc=interval_of(auc[-1] if count == 2 else np.mean(auc, axis=0)),
        calibration_error=interval_of(abs(weights @ _gaps(probabilities, grades)).sum(1) / clips),
        brier=interval_of(weights @ distances / clips),
    )


def confusion(
    predicted: Int[ndarray, " clips"], grades: Int[ndarray, " clips"], classes: int
) -> Int[ndarray, "classes classes"]:
    """Count of each pair (true, predicted).

    Raises:
        ValueError: no clip, lengths that differ, or a class that is not 0 to classes - 1.
    """
    same_lengths(predicted=predicted, grades=grades)
    _check_classes("predicted grades", predicted, classes)
    _check_classes("grades", grades, classes)
    cells = np.ravel_multi_index((grades, predicted), (classes, classes))
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def scores_of(confusion: Int[ndarray, "classes classes"]) -> tuple[float, float, float, float]:
    """Accuracy, and macro F1, precision and recall, as `Scores` has them.

    Raises:
        ValueError: a matrix without a clip.
    """
    if not confusion.sum():
        raise ValueError("scores need at least one clip: got a confusion matrix of zeros")
    accuracy, f1, precision, recall = (float(r[0]) for r in _rates(confusion[None] * 1.0).values())
    return accuracy, f1, precision, recall


def _check_classes(what: str, found: Int[ndarray, " clips"], classes: int) -> None:
    strange = sorted(set(found.tolist()) - set(range(classes)))
    if strange:
        raise ValueError(f"{what} must be 0 to {classes - 1}: got {strange}")


def _check_probabilities(probabilities: Float[ndarray, "clips classes"]) -> None:
    if probabilities.shape[1] < 2:
        raise ValueError(f"probabilities need two columns or more: got {probabilities.shape}")
    odd = ~((probabilities >= 0).all(1) & (abs(probabilities.sum(1) - 1) <= _ROUNDING))  # NaN too
    if odd.any():
        place = int(odd.argmax())
        got = f"{probabilities[place].tolist()} for clip {place}"
        raise ValueError(f"probabilities must be 0 or more and add up to 1: got {got}")


def _ratio(
    part: Float[ndarray, "*any"], whole: Float[ndarray, "*any"], otherwise: float
) -> Float[ndarray, "*any"]:
    return np.divide(part, whole, out=np.full_like(part, otherwise), where=whole > 0)


def _rates(counts: Float[ndarray, "rows classes classes"]) -> dict[str, Float[ndarray, " rows"]]:
    right = counts.diagonal(axis1=1, axis2=2)
    true, predicted = counts.sum(2), counts.sum(1)
    return {
        "accuracy": right.sum(1) / true.sum(1),
        "f1": _ratio(2 * right, true + predicted, 0.0).mean(1),
        "precision": _ratio(right, predicted, 0.0).mean(1),
        "recall": _ratio(right, true, 0.0).mean(1),
    }


def _auc(
    scores: Float[ndarray, " clips"],
    of_class: Bool[ndarray, " clips"],
    weights: Float[ndarray, "rows clips"],
) -> Float[ndarray, " rows"]:
    """Fraction of pairs, one clip of the class and one not, in the right order; ties count half."""
    order = np.argsort(scores)
    starts = np.flatnonzero(np.diff(scores[order], prepend=-1))  # of each group of equal scores
    hits, others = (
        np.add.reduceat(weights[:, order] * chosen[order], starts, axis=1)
        for chosen in (of_class, ~of_class)
    )
    lower = others.cumsum(1) - others / 2
    return _ratio((hits * lower).sum(1), hits.sum(1) * others.sum(1), np.nan)


def _gaps(
    probabilities: Float[ndarray, "clips classes"], grades: Int[ndarray, " clips"]
) -> Float[ndarray, "clips bins"]:
    """Correct (1 or 0) minus confidence, in the column of the confidence's bin."""
    confidence = probabilities.max(1)
    bins = np.digitize(confidence, _INNER_EDGES, right=True)
    gaps = (probabilities.argmax(1) == grades) - confidence
    return gaps[:, None] * (bins[:, None] == np.arange(len(_INNER_EDGES) + 1))
