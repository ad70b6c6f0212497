"""Confusion matrices that are consistent with a printed row of scores.

Source: Table 1 prints four numbers a row, and section 3 says how many clips they are of: 118 in the
8-frame test, 109 in the 16-frame test. How many are severe is not printed, nor how scores are
averaged. Trying every matrix is our idea: each row leaves one, and all 8-frame rows agree on a test
of 50 clips of one grade and 68 of the other; that of 16 frames has 42 and 67. Which grade is the
severe one stays unknown.
"""

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from csglib.table1.rows import Printed

_HALF_A_DIGIT = 0.05 + 1e-9  # however a number in the middle was rounded


def matrices(printed: Printed, clips: int) -> Int[ndarray, "found 2 2"]:
    """Every 2 x 2 confusion matrix that rounds to a row, in order of its counts.

    Scores are those of `csglib.metrics`, which do not depend on the order of the grades: of a
    matrix and its mirror image only the one whose first grade has fewer clips or, if equal, not
    more of them correct is given. Rows are true grades, columns predicted ones.
    """
    if clips < 1 or not all(0 <= number <= 100 for number in printed):
        got = f"{tuple(printed)} of {clips} clips"
        raise ValueError(f"a row's numbers are per cent, 0 to 100, of one clip or more: got {got}")
    # accuracy alone leaves few totals of correct clips: start from those
    each = np.arange(clips + 1)
    totals = each[abs(100 * each / clips - printed.accuracy) <= _HALF_A_DIGIT]
    axes = np.meshgrid(each, each, totals[::-1], indexing="ij")  # reversed: sorted in the end
    right, wrong, total = (axis.ravel() for axis in axes)
    found = np.stack([right, wrong, clips - total - wrong, total - right], axis=1)
    found = found[(found >= 0).all(1)].reshape(-1, 2, 2)
    diagonal, true, predicted = found.diagonal(axis1=1, axis2=2), found.sum(2), found.sum(1)
    fewer, equal = true[:, 0] < true[:, 1], true[:, 0] == true[:, 1]
    fits = fewer | (equal & (diagonal[:, 0] <= diagonal[:, 1]))
    for score, part, whole in (
        (printed.f1, 2 * diagonal, true + predicted),
        (printed.precision, diagonal, predicted),
        (printed.recall, diagonal, true),
    ):
        mean = (part / np.maximum(whole, 1)).mean(1)  # a grade that never occurs counts 0
        fits = fits & (abs(100 * mean - score) <= _HALF_A_DIGIT)
    return found[fits]
