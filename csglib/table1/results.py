"""What a folder of Table 1 holds: the runs that are done, and every two rows on the same clips.

Not in the paper, which trained each network once and set accuracies side by side. Two networks
that saw the same clips can be compared clip by clip, and that tells more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from csglib.metrics import Answers, Score, mcnemar, paired_difference
from csglib.table1.rows import ROWS
from csglib.table1.running import RESULT
from csglib.train.experiment import TEST
from csglib.train.predictions import Predictions, pooled


@dataclass(frozen=True)
class SplitSummary:
    """What a row was tested on.

    Attributes:
        clips: how many.
        patients: whose they are.
        majority: accuracy of whoever always says the commoner grade.
    """

    clips: int
    patients: int
    majority: float


@dataclass(frozen=True)
class Pair:
    """Two rows, over the seeds that both have; counts are answers, one a clip and seed.

    Attributes:
        seeds: how many.
        difference: accuracy of the first less that of the second.
        chances: McNemar's, of each seed: answers to one clip by several seeds are not independent.
        both: right in both.
        first_alone: right in the first alone.
        second_alone: right in the second alone.
        neither: wrong in both.
    """

    seeds: int
    difference: Score
    chances: tuple[float, ...]
    both: int
    first_alone: int
    second_alone: int
    neither: int

    def clips_wanted(self, clips: int) -> int | None:
        """About how many test clips would tell, if the difference found is the true one.

        An interval narrows with the square root of the clips; with so many its nearer end would
        reach 0 and no further, as often as not. None where there is no difference.

        Args:
            clips: how many it comes from.
        """
        if not self.difference.value:
            return None
        half = (self.difference.high - self.difference.low) / 2
        return round(clips * (half / self.difference.value) ** 2)


def runs_in(folder: Path) -> dict[str, list[Path]]:
    """The runs that are done, for each row the folders of its seeds, as `lines` takes them.

    Args:
        folder: made by `csglib table1`; of each run test.csv and result.json are enough.

    Raises:
        ValueError: no run of it is done.
    """
    found = {
        name: sorted(
            (path.parent for path in (folder / name).glob(f"seed-*/{RESULT}")),
            key=lambda run: int(run.name.removeprefix("seed-")),
        )
        for name in ROWS
    }
    if not any(found.values()):
        raise ValueError(
            f"{folder} holds no finished run of Table 1: wanted <row>/seed-<number>/{RESULT}, of "
            f"rows such as {next(iter(ROWS))}"
        )
    return {name: runs for name, runs in found.items() if runs}


def test_set(runs: Sequence[Path]) -> SplitSummary:
    """What the runs of a row were tested on; all were on the same."""
    said = Predictions.read(runs[0] / TEST)
    clips, commoner = len(said.grades), np.bincount(said.grades).max()
    return SplitSummary(clips, len(set(said.patients)), float(commoner / clips))


def pairs_in(runs: Mapping[str, Sequence[Path]]) -> dict[tuple[str, str], Pair]:
    """Every two rows that were tested on the same clips, each way round.

    Rows of 8 frames and of 16 are no pair: their clips are others.

    Raises:
        ValueError: rows of as many frames were tested on other clips all the same.
    """
    said = {name: [Predictions.read(run / TEST) for run in runs[name]] for name in runs}
    return {
        (first, second): pair_of(said[first], said[second])
        for first, second in permutations(runs, 2)
        if ROWS[first].frames == ROWS[second].frames
    }


def pair_of(first: Sequence[Predictions], second: Sequence[Predictions]) -> Pair:
    """Two rows by what they said, one a seed; over the seeds that both have.

    Raises:
        ValueError: they were tested on other clips.
    """
    seeds = list(zip(first, second, strict=False))
    one, other = (pooled([seed[side] for seed in seeds]).answers() for side in (0, 1))
    each = [[run.answers() for run in seed] for seed in seeds]
    return Pair(
        len(seeds),
        paired_difference(one, other),
        tuple(mcnemar(this.right, that.right) for this, that in each),
        *_counts(one, other),
    )


def _counts(one: Answers, other: Answers) -> tuple[int, int, int, int]:
    def count(where: Bool[ndarray, " answers"]) -> int:
        return int(where.sum())

    return (
        count(one.right & other.right),
        count(one.right & ~other.right),
        count(other.right & ~one.right),
        count(~one.right & ~other.right),
    )
