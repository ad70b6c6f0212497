"""Exercise 0.1, to see how checks and hints work.

Not in the paper. Weights that add up to one return as attention weights and as the gate.
"""

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Exercise


def share(numbers: Tensor) -> Tensor:
    """Each number's share of the sum."""
    return numbers / numbers.sum()


# fmt: off
_MISTAKES = {
    "you divided by how many numbers there are; divide by their sum": (".sum()", ".numel()"),
    "you divided by the largest number; divide by the sum": (".sum()", ".max()"),
    "this is a softmax, of exponentials; divide by the plain sum": lambda x: x.softmax(dim=0),
    "you returned the sum alone; divide each number by it": ("numbers / ", ""),
    "the division is upside down: number / sum, not sum / number":
        lambda numbers: numbers.sum() / numbers,
}
# fmt: on


def _numbers(generator: Generator) -> list[tuple[Tensor]]:
    drawn = [torch.rand(count, generator=generator) + 0.1 for count in (7, 3, 1)]
    return [(drawn[0],), (drawn[1].double(),), (drawn[2],)]


EXERCISES = (Exercise("0.1", share, _numbers, axes="n", mistakes=_MISTAKES),)
