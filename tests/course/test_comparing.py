"""Answers of every kind that an exercise may want."""

import pytest
import torch

from csgcourse.comparing import compare


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (3, 3),
        (0.5, 0.5),
        (torch.tensor(0.5), 0.5),
        (1, 1.0),
        ((8, 4, 4), (8, 4, 4)),
        ([8, 4, 4], (8, 4, 4)),
        ((0.1, 0.9), [0.1, 0.9]),
        (torch.ones(2, 3, dtype=torch.int32), torch.ones(2, 3, dtype=torch.int64)),
        (torch.ones(2, requires_grad=True), torch.ones(2)),
        (torch.tensor(2.0), torch.tensor(2.0)),
        (torch.tensor([True]), torch.tensor([True])),
        ("space", "space"),
    ],
)
def test_right_answers_of_every_kind(answer, wanted):
    assert compare(answer, wanted) is None


@pytest.mark.parametrize(
    ("answer", "wanted", "says"),
    [
        (4, 3, "3 is wanted: got 4"),
        (3.0, 3, "a whole number is wanted: got 3.0 (float)"),
        (True, 1, "1 (int) is wanted: got True (bool)"),
        (0.25, 0.5, "0.5 is wanted: got 0.25"),
        (float("nan"), 0.5, "0.5 is wanted: got nan"),
        ("0.5", 0.5, "a number is wanted: got a str"),
        (torch.ones(2), 0.5, "a number is wanted: got a tensor of shape (2,)"),
        ((8, 4), (8, 4, 4), "a tuple of 3 is wanted: got 2"),
        ((8, 4, 5), (8, 4, 4), "at place 2: 4 is wanted: got 5"),
        (range(0), [1], "a list of 1 is wanted: got 0"),
        ((n for n in [1]), [1], "a list is wanted: got a generator"),
        (torch.ones(3), torch.ones(3, dtype=torch.bool), "numbers of type bool are wanted"),
        (torch.ones(3), torch.ones(3, dtype=torch.int64), "numbers of type int64 are wanted"),
        (torch.ones(0), torch.ones(2), "the shape should be (2,): got (0,)"),
        (torch.tensor([2.0, 1.0]), torch.tensor([1.0, 2.0]), "stand in the wrong places"),
        (torch.tensor([1.0, 5]), torch.tensor([1.0, 2]), "50% of the values are wrong; at (1,)"),
        (torch.zeros(2), torch.ones(2), "100% of the values are wrong"),
        (torch.ones(2) / 0, torch.ones(2), "every value is inf times"),
        ("time", "space", "'space' is wanted: got 'time'"),
    ],
)
def test_wrong_answers_are_told_in_words(answer, wanted, says):
    assert says in compare(answer, wanted)
