"""Table 1 read backwards: which clips a network must have got right for a row to be printed so.

Source: Table 1 prints four numbers a row, and section 3 says how many clips they are of: 118 in the
test of 8 frames, 109 in that of 16. How many of them are severe is not printed, nor how scores are
averaged. Trying every matrix is our idea, not the paper's: each row leaves one, and all rows of 8
frames agree on a test of 50 clips of one grade and 68 of the other; that of 16 has 42 and 67. Which
of the two grades is severe stays unknown.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from csglib.table1.rows import Printed

_HALF_A_DIGIT = 0.05 + 1e-9  # whichever way a number in the middle was rounded


def matrices(printed: Printed, clips: int) -> Int[ndarray, "found 2 2"]:
    """Every confusion matrix of two grades that rounds to a row.

    Accuracy is taken as the share of clips that are right, the other scores as plain means over
    the grades, as in `csglib.metrics.Scores`. Such means do not ask which grade is which, so that
    of a matrix and its mirror, with the grades exchanged, one alone is given: the one whose first
    grade has fewer clips, or as many and not more of them right.

    Args:
        printed: in per cent, to one decimal.
        clips: of the test, one or more.

    Returns:
        A row for each true grade and a column for each predicted one, in the order of their counts;
        empty where no matrix gives these numbers: then they are of other clips, or averaged
        otherwise, or misprinted.

    Raises:
        ValueError: no clip, or a number that is no percentage.
    """
    if clips < 1 or not all(0 <= number <= 100 for number in printed):
        raise ValueError(
            f"a row's numbers are per cent, 0 to 100, of one clip or more: got {tuple(printed)} of "
            f"{clips} clips"
        )
    tried = _matrices_of(_rights(printed.accuracy, clips), clips)
    gaps = abs(100 * _macro_means(tried) - [[printed.f1], [printed.precision], [printed.recall]])
    return tried[(gaps <= _HALF_A_DIGIT).all(0)]


def _rights(accuracy: float, clips: int) -> Int[ndarray, " rights"]:
    """How many clips may be right; accuracy alone leaves few answers, and spares most tries."""
    rights = np.arange(clips + 1)
    return rights[abs(100 * rights / clips - accuracy) <= _HALF_A_DIGIT]


def _matrices_of(rights: Int[ndarray, " rights"], clips: int) -> Int[ndarray, "tried 2 2"]:
    """All with so many right, of two mirrored ones the one that counts as first."""
    each = np.arange(clips + 1)
    axes = np.meshgrid(each, each, rights[::-1], indexing="ij")  # so that they come in order
    right, wrong, all_right = (axis.ravel() for axis in axes)
    right_too, wrong_too = all_right - right, clips - all_right - wrong
    possible = (right_too >= 0) & (wrong_too >= 0)
    found = np.stack([right, wrong, wrong_too, right_too], axis=1)[possible].reshape(-1, 2, 2)
    return found[_is_first(found)]


def _is_first(found: Int[ndarray, "tried 2 2"]) -> Bool[ndarray, " tried"]:
    (first, second), right = found.sum(2).T, found.diagonal(axis1=1, axis2=2).T
    return (first < second) | ((first == second) & (right[0] <= right[1]))


def _macro_means(found: Int[ndarray, "tried 2 2"]) -> Float[ndarray, "3 tried"]:
    """F1, precision and recall; a grade that never occurs counts 0."""
    right, true, predicted = found.diagonal(axis1=1, axis2=2), found.sum(2), found.sum(1)
    shares = ((2 * right, true + predicted), (right, predicted), (right, true))
    return np.stack([(part / np.maximum(whole, 1)).mean(1) for part, whole in shares])
