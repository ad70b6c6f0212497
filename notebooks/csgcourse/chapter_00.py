"""Exercise 0.1, to see how checks and hints work.

Not in the paper. Weights that add up to one return as attention weights and as the gate.
"""

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, sizes


def share(numbers: Tensor) -> Tensor:
    """Each number's share of the sum.

    A share is a part of the whole. What is the whole of a few numbers?

    1. Add the numbers up: numbers.sum()
    2. Divide each number by that; a tensor divided by a number divides all at once.

    Non-negative numbers that add up to 1: so are attention weights, and the weights of the two
    branches of CSG-3DCT.
    """
    return numbers / numbers.sum()


def _numbers(generator: Generator) -> list[Arguments]:
    few, many = sizes(generator, 2)
    return [
        (torch.rand(few, generator=generator) + 0.1,),
        (torch.rand(many, generator=generator, dtype=torch.float64) * 10 + 0.1,),
        (torch.tensor([0.25]),),
    ]


def _mistakes(numbers: Tensor) -> Wrong:
    return {
        "you divided by how many numbers there are; divide by their sum": numbers / len(numbers),
        "you divided by the largest number; divide by the sum": numbers / numbers.max(),
        "this is a softmax, of exponentials; divide by the plain sum": numbers.softmax(dim=0),
        "you returned the sum alone; divide each number by it": numbers.sum(),
        "the division is upside down: number / sum, not sum / number": numbers.sum() / numbers,
        "the numbers came back as they were; divide them by their sum": numbers,
    }


EXERCISES = (Exercise("0.1", share, _numbers, axes="n", mistakes=_mistakes),)
