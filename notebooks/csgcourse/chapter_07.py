"""Exercises 7.1 to 7.3: what a stenosis grade is, and how clips are dealt out.

Source: section 1 (diameter and area stenosis rate); section 3, "Dataset and Implementations": a
split "at the patient level with no overlap". The formulas are not in the paper: they are the
usual ones, and those of the phantom.
"""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator

from csgcourse import mistakes_07_split, mistakes_07_stenosis
from csgcourse.comparing import compare
from csgcourse.exercise import Arguments, Exercise
from csgcourse.mistakes_07_08_judges import Redrawn, naming


def area_stenosis(vessel_area: Any, lumen_area: Any) -> Any:
    """The share of the vessel's area that is closed."""
    return 1 - lumen_area / vessel_area


def diameter_stenosis(area_stenosis: Any) -> Any:
    """The share of the diameter that is closed when the lumen is a circle in the middle."""
    return 1 - (1 - area_stenosis) ** 0.5


def split(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    """Deal out patients; each clip goes where its patient goes."""
    names = sorted(set(patients))  # a set alone has another order each time Python starts
    random.Random(seed).shuffle(names)
    counts = [1 for _ in shares]
    while sum(counts) < len(names):
        lacks = [share * len(names) - count for share, count in zip(shares, counts, strict=True)]
        counts[lacks.index(max(lacks))] += 1
    groups = [group for group, count in enumerate(counts) for _ in range(count)]
    group_of = dict(zip(names, groups, strict=True))
    return [group_of[patient] for patient in patients]


def _areas(generator: Generator) -> list[Arguments]:
    """Square millimetres."""
    vessel, share = torch.rand(2, generator=generator) * 0.8 + 0.1
    vessel = vessel * 50
    large = torch.tensor(41.5, dtype=torch.float64)
    return [
        (vessel, vessel * share),
        (large, large / 4),
        (large, large),  # nothing is closed
        (vessel, torch.zeros(())),  # everything is
    ]


def _shares(generator: Generator) -> list[Arguments]:
    share = torch.rand((), generator=generator) * 0.3 + 0.2
    values = (0.75, 0.0, 1.0, 0.51)  # of the diameter: half, nothing, all, less than it seems
    return [(share,), *((torch.tensor(value, dtype=torch.float64),) for value in values)]


def _clips(generator: Generator, patients: int, most: int) -> list[str]:
    """Whose each clip is: every patient has 1 to `most` clips, in no order."""
    counts = torch.randint(1, most + 1, (patients,), generator=generator).tolist()
    names = [f"p{place}" for place in torch.randperm(10 * patients, generator=generator).tolist()]
    clips = [name for name, count in zip(names, counts, strict=False) for _ in range(count)]
    return [clips[place] for place in torch.randperm(len(clips), generator=generator).tolist()]


def _rolls(generator: Generator) -> list[Arguments]:
    redrawn, shares = Redrawn(_clips(generator, 41, 5)), (0.7, 0.1, 0.2)
    return [
        (redrawn, shares, 3),
        (redrawn, shares, 3),
        (redrawn, shares, 4),
        (_clips(generator, 7, 1), (0.05, 0.9, 0.05), 1),  # too small for one patient, yet not empty
        (_clips(generator, 211, 3), (0.25, 0.6, 0.15), 8),
        (["b", *["a"] * 11], (0.5, 0.5), 0),  # one patient has nearly all clips
        (_clips(generator, 5, 3), (0.2,) * 5, 2),
        (_clips(generator, 3, 2), (1.0,), 6),
    ]


def _same_number(answer: object, other: Any, _: Arguments) -> str | None:
    return compare(answer, float(other))


def _judge_split(answer: Any, wanted: object, arguments: Any) -> str | None:
    patients, shares, seed = arguments
    if answer is None or answer is ...:
        return compare(answer, wanted)
    wrong = mistakes_07_split.fault(answer, patients, shares)
    if wrong or not isinstance(patients, Redrawn):
        return wrong
    return patients.fault({"seed": seed}, tuple(int(group) for group in answer))


AREA = Exercise(
    number="7.1",
    reference=area_stenosis,
    cases=_areas,
    mistakes=mistakes_07_stenosis.AREA,
    judge=naming(_same_number, mistakes_07_stenosis.AREA),
    nudge="The lumen is what is still open to blood. Which share of the vessel is not lumen?",
    plan="1. lumen_area / vessel_area is the share that is open.\n2. One minus that is closed.",
    insight="0 is a free vessel, 1 a closed one, and no unit is left: the same number in pixels "
    "and in millimetres, so a clip without a scale can be graded too.",
)

DIAMETER = Exercise(
    number="7.2",
    reference=diameter_stenosis,
    cases=_shares,
    mistakes=mistakes_07_stenosis.DIAMETER,
    judge=naming(_same_number, mistakes_07_stenosis.DIAMETER),
    nudge="A circle with a quarter of the area has half the diameter. Which circle is it here, the "
    "closed part or the open one?",
    plan="1. The open share of the area: 1 - area_stenosis.\n2. Its root is the open share of the "
    "diameter.\n3. One minus that is closed.",
    insight="A vessel that has lost three quarters of its area has lost half its diameter: a "
    "percentage of stenosis means nothing until it says of what.",
)

SPLIT = Exercise(
    number="7.3",
    reference=split,
    cases=_rolls,
    mistakes=mistakes_07_split.SPLIT,
    judge=_judge_split,
    nudge="What must not be torn apart: a clip or a patient? Deal those out.",
    plan="1. Each patient once, in an order that is always the same: sorted(set(patients)).\n"
    "2. Shuffle that list with a generator made from `seed`.\n"
    "3. Cut it by the shares, but give each group one patient first.\n"
    "4. For each clip, look up the group of its patient.",
    insight="No neck stands on both sides, so a right answer on the test clips cannot come from "
    "knowing a patient again; and the seed brings the same split back.",
)

EXERCISES = (AREA, DIAMETER, SPLIT)
