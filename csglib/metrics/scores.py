"""How right a network is about grades.

A confusion matrix has a row for each true class and a column for each predicted one.

Source: section 3 names accuracy, F1-score, precision and recall (Table 1). That accuracy counts
clips and the others are plain means over the classes is not said; it rebuilds every row of the
table. AUC and calibration are not in the paper.
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
    """What a network's probabilities are worth; macro means count every class the same.

    Attributes:
        accuracy: share of clips that are right.
        f1: macro mean of 2 right / (true + predicted).
        precision: macro mean of right / predicted; 0 for a class that is never predicted.
        recall: macro mean of right / true; 0 for a class that no clip has.
        auc: how often a clip of the class gets a higher probability of it than another clip, ties
            counting half: for two classes of the last, for more the macro mean over each against
            the rest. NaN unless every class occurs.
        calibration_error: mean gap between confidence and accuracy, in ten bins of confidence. It
            sees noise as a gap, in a draw more than in the clips as they are: its interval lies
            high, for few clips even above the value.
        brier: mean square of the probabilities' distance from the truth, halved: 0 to 1 for any
            number of classes, and for two the familiar (p - truth)^2.
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
    """Score what a network says; the grade it says is the most probable one.

    A draw is scored as the clips are; for AUC, draws without some class are left out.

    Args:
        probabilities: of each class, adding up to 1.
        grades: the true class of each clip.
        patients: whose each clip is; without it, each clip is of a patient of its own.
        draws: how many each interval comes from.
        seed: the same seed, the same intervals, in whichever order clips come with their patients.

    Raises:
        ValueError: no clip, lengths that differ, a grade that is no column, or rows that are no
            probabilities.

    Source:
        Guo et al. 2017 (calibration error); Brier 1950.
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
    """Count the pairs (true, predicted).

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
        raise ValueError(
            f"probabilities must have a column for each of two classes or more: got shape "
            f"{probabilities.shape}"
        )
    odd = ~((probabilities >= 0).all(1) & (abs(probabilities.sum(1) - 1) <= _ROUNDING))  # NaN too
    if odd.any():
        place = int(odd.argmax())
        raise ValueError(
            "probabilities must be 0 or more and add up to 1 for each clip: got "
            f"{probabilities[place].tolist()} for clip {place}"
        )


def _ratio(
    part: Float[ndarray, "*any"], whole: Float[ndarray, "*any"], otherwise: float
) -> Float[ndarray, "*any"]:
    return np.divide(part, whole, out=np.full_like(part, otherwise), where=whole > 0)


def _rates(
    counts: Float[ndarray, "rows classes classes"],
) -> dict[str, Float[ndarray, " rows"]]:
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
    """The share of pairs, one clip of the class and one not, that are in order; a tie is half."""
    order = np.argsort(scores)
    starts = np.flatnonzero(np.diff(scores[order], prepend=-1))  # of each run of equal scores
    hits, others = (
        np.add.reduceat(weights[:, order] * chosen[order], starts, axis=1)
        for chosen in (of_class, ~of_class)
    )
    lower = others.cumsum(1) - others / 2
    return _ratio((hits * lower).sum(1), hits.sum(1) * others.sum(1), np.nan)


def _gaps(
    probabilities: Float[ndarray, "clips classes"], grades: Int[ndarray, " clips"]
) -> Float[ndarray, "clips bins"]:
    """Right (1 or 0) less confidence, in the column of the confidence's bin."""
    confidence = probabilities.max(1)
    bins = np.digitize(confidence, _INNER_EDGES, right=True)
    gaps = (probabilities.argmax(1) == grades) - confidence
    return gaps[:, None] * (bins[:, None] == np.arange(len(_INNER_EDGES) + 1))
