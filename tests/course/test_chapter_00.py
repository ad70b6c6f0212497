"""Exercise 0.1: right answers in several styles pass; wrong ones are told what they did."""

import pytest
import torch

from csgcourse import check


def in_a_loop(numbers):
    whole = 0.0
    for number in numbers:
        whole += number
    return torch.stack([number / whole for number in numbers])


def test_right_answers_in_several_styles_pass():
    assert check("0.1", in_a_loop).passed
    assert check("0.1", lambda numbers: numbers / torch.sum(numbers)).passed
    assert check("0.1", lambda numbers: torch.nn.functional.normalize(numbers, 1, 0)).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda numbers: numbers / numbers.shape[0], "how many numbers there are"),
        (lambda numbers: numbers / max(numbers), "divided by the largest"),
        (lambda numbers: numbers.exp() / numbers.exp().sum(), "softmax"),
        (lambda numbers: numbers.sum() / numbers, "upside down"),
        (sum, "the sum alone"),
        (
            lambda numbers: (numbers / numbers.sum()).tolist(),
            "a torch tensor is wanted: got a list",
        ),
        (lambda numbers: numbers / numbers.norm(), "every value is 1.4 times"),
    ],
)
def test_wrong_answers_are_told_what_they_did(wrong, says):
    verdict = check("0.1", wrong)
    assert not verdict.passed
    assert says in verdict.message
