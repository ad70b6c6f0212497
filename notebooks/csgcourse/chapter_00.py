"""Exercise 0.1, a first one, to see how checks and hints work.

Not in the paper. Shares that add up to one return as attention weights and as branch weights.
"""

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Mistake
from csgcourse.inputs import sizes


def share(numbers: Tensor) -> Tensor:
    """Each number's share of the whole."""
    return numbers / numbers.sum()


def _number_rows(generator: Generator) -> list[Arguments]:
    few, many = sizes(generator, 2)
    return [
        (torch.rand(few, generator=generator) + 0.1,),
        (torch.rand(many, generator=generator, dtype=torch.float64) * 10 + 0.1,),
        (torch.tensor([0.25]),),  # a number alone is the whole
    ]


SHARE = Exercise(
    number="0.1",
    reference=share,
    cases=_number_rows,
    mistakes=(
        Mistake(
            lambda numbers: numbers / len(numbers),
            "you divided by how many numbers there are; divide by their sum.",
        ),
        Mistake(
            lambda numbers: numbers / numbers.max(),
            "you divided by the largest number: now that one is 1, but the shares together "
            "are more than 1. Divide by the sum.",
        ),
        Mistake(
            lambda numbers: numbers.softmax(dim=0),
            "these add up to 1, but they are a softmax: it compares exponentials. The plain "
            "share of the sum is wanted here; softmax comes with attention.",
        ),
        Mistake(
            lambda numbers: numbers.sum(),
            "you returned the sum alone; each number divided by it is wanted.",
        ),
        Mistake(
            lambda numbers: numbers.sum() / numbers,
            "the division is upside down: number / sum, not sum / number.",
        ),
        Mistake(
            lambda numbers: numbers,
            "the numbers came back as they were; divide them by their sum.",
        ),
    ),
    nudge="A share is a part of the whole. What is the whole of a few numbers?",
    plan="1. Add the numbers up: numbers.sum()\n2. Divide each number by that; a tensor divided "
    "by a number divides all at once.",
    insight="Non-negative numbers that add up to 1: so are attention weights, and in the end the "
    "two branches of CSG-3DCT are weighed so.",
)

EXERCISES = (SHARE,)
