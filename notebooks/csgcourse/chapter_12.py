"""Exercise 12.1: which clips of a table leak from one split into another.

Source: section 3, "Dataset and Implementations": a split "at the patient level with no overlap".
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Generator

from csgcourse.exercise import Arguments, Exercise
from csglib.data.split import SPLITS

Row = tuple[str, str, str]  # patient, split, digest


def leaks(rows: Sequence[Row]) -> set[int]:
    """Indices of the rows whose patient, or whose digest, is on two splits."""
    return _several(rows, 0) | _several(rows, 2)


def _several(rows: Sequence[Row], column: int) -> set[int]:
    splits = defaultdict(set)
    for row in rows:
        splits[row[column]].add(row[1])
    return {place for place, row in enumerate(rows) if len(splits[row[column]]) > 1}


def _tables(generator: Generator) -> list[Arguments]:
    def table(*kinds: int) -> list[Row]:
        drawn = (torch.randint(kind, (23,), generator=generator).tolist() for kind in kinds)
        return [(f"p{a}", SPLITS[b], f"{c:03x}") for a, b, c in zip(*drawn, strict=True)]

    alone = [(f"p{k % 6}", SPLITS[k % 3], f"{k % 6:03x}") for k in range(11)]  # each in one split
    return [(it,) for it in (table(17, 3, 31), table(97, 2, 5), table(3, 1, 7), alone, [])]


# fmt: off
_MISTAKES = {
    "a copy leaks too, under another patient's name: compare the digests":
        (" | _several(rows, 2)", ""),
    "a patient leaks with different clips too: compare the patients": ("_several(rows, 0) | ", ""),
    "two clips of a patient in one split are no leak": lambda rows: {
        k for c in (0, 2) for k, row in enumerate(rows) if sum(row[c] == r[c] for r in rows) > 1},
    "the clip that came first leaks as well":
        lambda rows: {k for k in range(len(rows)) if k in leaks(rows[: k + 1])},
}
# fmt: on
EXERCISES = (
    Exercise(
        "12.1",
        leaks,
        _tables,
        mistakes=_MISTAKES,
        read=lambda found: sorted(found) if isinstance(found, set | frozenset) else found,
    ),
)  # fmt: skip
