"""Draws the inputs of exercises. Sizes are different primes, so that no swapped axis can pass.

Not in the paper: part of the course.
"""

import torch
from torch import Generator, Tensor

PRIMES = (2, 3, 5, 7, 11)


def sizes(generator: Generator, count: int, *, without: tuple[int, ...] = ()) -> list[int]:
    """Different small primes.

    Args:
        generator: where chance comes from.
        count: how many.
        without: primes that are taken already.

    Raises:
        ValueError: there are not so many.
    """
    free = [prime for prime in PRIMES if prime not in without]
    if count > len(free):
        raise ValueError(f"there are {len(free)} free primes: got count={count}")
    order = torch.randperm(len(free), generator=generator)[:count]
    return [free[place] for place in order]


def normal(generator: Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers around 0, of spread 1."""
    return torch.randn(shape, generator=generator, dtype=dtype)
