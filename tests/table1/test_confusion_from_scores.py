"""Confusion matrices from printed numbers: none is missed, none is made up."""

import itertools

import numpy as np
import pytest

from csglib.metrics import scores_of
from csglib.phantom.patients import CLIPS
from csglib.table1.confusion_from_scores import matrices
from csglib.table1.rows import ROWS, Printed


def printed_as(matrix):
    """The row that a network with these answers gets."""
    return Printed(*(round(100 * score, 1) for score in scores_of(np.array(matrix))))


def all_matrices(clips):
    """Of two grades, the mirrored ones too."""
    for right, wrong, wrong_too in itertools.product(range(clips + 1), repeat=3):
        if (right_too := clips - right - wrong - wrong_too) >= 0:
            yield ((right, wrong), (wrong_too, right_too))


def mirrored(matrix):
    return tuple(tuple(row[::-1]) for row in matrix[::-1])


def as_tuples(found):
    return [tuple(map(tuple, matrix)) for matrix in found.tolist()]


@pytest.mark.parametrize("name", ROWS)
def test_each_row_of_the_paper_leaves_one_matrix(name):
    found = matrices(ROWS[name].printed, CLIPS[ROWS[name].frames]["test"])
    assert len(found) == 1
    assert found[0].sum(1).tolist() == ([50, 68] if ROWS[name].frames == 8 else [42, 67])
    for matrix in (found[0], found[0][::-1, ::-1]):  # macro means do not depend on the order
        scores = 100 * np.array(scores_of(matrix))
        assert np.abs(scores - ROWS[name].printed).max() <= 0.05 + 1e-9


def test_nothing_is_missed_and_nothing_made_up():
    """Against trying them one by one, with the scores that a network would get."""
    clips, rows = 10, {}
    for matrix in all_matrices(clips):
        rows.setdefault(printed_as(matrix), set()).add(matrix)
    assert max(map(len, rows.values())) > 2, "some rows leave more than one"
    for row, expected in rows.items():
        found = as_tuples(matrices(row, clips))
        assert found == sorted(found)
        assert expected == {*found, *map(mirrored, found)}, row
        for (right, wrong), (wrong_too, right_too) in found:  # of two mirrored ones, the rarer's
            assert (right + wrong, right) <= (right_too + wrong_too, right_too)


def test_of_a_thousand_clips_accuracy_leaves_more_than_one_number_of_right_ones():
    found = matrices(Printed(50.0, 50.0, 50.0, 50.0), 1001)
    assert set(np.trace(found, axis1=1, axis2=2)) == {500, 501}


def test_no_matrix_is_an_answer_too():
    row = ROWS["csg3dct"].printed
    assert matrices(row, 118).shape == (1, 2, 2)
    for other in (row._replace(recall=82.8), row._replace(accuracy=83.4)):
        found = matrices(other, 118)
        assert found.shape == (0, 2, 2)
        assert np.issubdtype(found.dtype, np.integer)
    assert len(matrices(row, 109)) == 0, "a row of another test"


@pytest.mark.parametrize("accuracy", [18.7, 18.8])
@pytest.mark.parametrize("recall", [18.7, 18.8])
def test_a_number_in_the_middle_may_have_been_rounded_either_way(accuracy, recall):
    wanted = ((0, 8), (5, 3))  # both numbers are 18.75
    row = printed_as(wanted)._replace(accuracy=accuracy, recall=recall)
    assert wanted in as_tuples(matrices(row, 16))


@pytest.mark.parametrize(
    ("printed", "clips"), [(ROWS["i3d"].printed, 0), (Printed(101.0, 78.8, 81.0, 80.8), 118)]
)
def test_what_is_no_row_is_refused(printed, clips):
    with pytest.raises(ValueError, match=f"0 to 100, of one clip or more: got .* of {clips} clips"):
        matrices(printed, clips)
