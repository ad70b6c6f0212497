"""Exercises 7.1 to 7.4: what a stenosis grade is, and how clips are split by patient.

Source: section 1 (diameter and area stenosis rate); section 3, "Dataset and Implementations": a
split "at the patient level with no overlap". The formulas are not in the paper: they are the
usual ones, and those of the phantom.
"""

import operator
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from zlib import crc32

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, inputs


def area_stenosis(vessel_area: Any, lumen_area: Any) -> Any:
    """The share of the vessel's area that is closed."""
    return 1 - lumen_area / vessel_area


def diameter_stenosis(area_stenosis: Any) -> Any:
    """The share of the diameter that is closed, for a circular lumen in the middle."""
    return 1 - (1 - area_stenosis) ** 0.5


def split(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    """Split patients; each clip goes where its patient goes."""
    names = sorted(set(patients))  # a set alone has another order each time Python starts
    random.Random(seed).shuffle(names)
    counts = [1 for _ in shares]
    while sum(counts) < len(names):
        lacks = [share * len(names) - count for share, count in zip(shares, counts, strict=True)]
        counts[lacks.index(max(lacks))] += 1
    groups = [group for group, count in enumerate(counts) for _ in range(count)]
    group_of = dict(zip(names, groups, strict=True))
    return [group_of[patient] for patient in patients]


def caliper_stenosis(vessel: Tensor, lumen: Tensor, degrees: Tensor) -> Tensor:
    """The largest share of a width that is closed, over directions."""
    angles = torch.deg2rad(degrees).to(vessel)
    directions = torch.stack([angles.cos(), angles.sin()])
    widths = []
    for contour in (vessel, lumen):
        along = contour @ directions
        widths.append(along.amax(dim=0) - along.amin(dim=0))
    return (1 - widths[1] / widths[0]).max()


def _cohorts(generator: Generator) -> list[Arguments]:
    def clips(patients: int, most: int) -> list[str]:
        """The patient of each clip: every patient has 1 to `most` clips, in no order."""
        counts = torch.randint(1, most + 1, (patients,), generator=generator)
        owners = torch.randperm(10 * patients, generator=generator)[:patients]
        owners = owners.repeat_interleave(counts)
        order = torch.randperm(len(owners), generator=generator)
        return [f"p{owner}" for owner in owners[order].tolist()]

    patients, shares = clips(41, 5), (0.7, 0.1, 0.2)
    return [
        *((patients, shares, seed) for seed in (3, 3, 4)),
        (clips(7, 1), (0.05, 0.9, 0.05), 1),  # too small for one patient
        (clips(211, 3), (0.25, 0.6, 0.15), 8),
        (["b", *["a"] * 11], (0.5, 0.5), 0),  # one patient has nearly all clips
        (clips(5, 3), (0.2,) * 5, 2),
        (clips(3, 2), (1.0,), 6),
    ]


_FEW = 20  # clips
_UNSTABLE = object()  # in place of a split that differs from one Python process to the next


def _stable(function: Callable[..., Any], patients: list[str], *given: Any) -> Any:
    """The answer, or `_UNSTABLE` if it follows the order of a set, which PYTHONHASHSEED changes.

    Names with other hashes stand for another process; they are slow, so few. Whatever goes wrong
    with them alone does not count, and neither does a split that is another one each time.
    """
    result = function(patients, *given)
    with suppress(Exception):
        if len(patients) > _FEW:
            return result
        splits = [
            [*map(int, function([*map(_hashed(salt), patients)], *given))] for salt in "aabcd"
        ]
        return result if splits[0] != splits[1] or splits[1:] == splits[:-1] else _UNSTABLE
    return result


def _hashed(salt: str) -> type[str]:
    """A str that is equal to others and has its own hash, and so its own place in a set."""

    class Name(str):
        def __hash__(self) -> int:
            return crc32(f"{salt}{self}".encode())

        def __str__(self) -> str:
            return self

    return Name


def _validate_split(
    answer: Any, patients: list[str], shares: Sequence[float], _: int
) -> str | None:
    """Many splits are right: a wrong one is known by what it breaks."""
    if answer is _UNSTABLE:
        return (
            "in another Python process the same seed gives another split: the order of a set, and "
            "`hash` of a name, differ from one process to the next. Put the names in order first: "
            "`sorted(set(patients))`"
        )
    groups = _groups(answer, len(patients), len(shares))
    if isinstance(groups, str):
        return groups
    return _torn(groups, patients) or _uneven(groups, patients, shares)


def _groups(answer: Any, clips: int, groups: int) -> list[int] | str:
    """The answer as a list of group numbers, or what is wrong with it."""
    if isinstance(answer, str | dict) or not hasattr(answer, "__getitem__"):
        return "a list is wanted, with the number of its group for each clip"
    count = len(answer) if getattr(answer, "ndim", 1) else 0
    if count != clips:
        return f"{clips} numbers are wanted, one for each clip: got {count}"
    try:
        numbers = [operator.index(one) for one in answer if not isinstance(one, bool)]
    except (TypeError, RuntimeError):  # a text, a fraction, a row
        numbers = []
    if len(numbers) < clips:
        return "the number of a group is a whole one: some here are something else"
    if outside := set(numbers) - set(range(groups)):
        return f"the groups have the numbers 0 to {groups - 1}: got {min(outside)}"
    return numbers


def _torn(groups: Sequence[int], patients: Sequence[str]) -> str | None:
    first: dict[str, int] = {}
    for patient, group in zip(patients, groups, strict=True):
        if first.setdefault(patient, group) != group:
            return (
                f"patient {patient!r} has clips in groups {first[patient]} and {group}: a network "
                "could recognise the patient instead of the stenosis. Split patients, not clips"
            )
    return None


def _uneven(groups: list[int], patients: Sequence[str], shares: Sequence[float]) -> str | None:
    """Rounding moves a patient, and one patient may have many clips; more is too much."""
    if missing := set(range(len(shares))) - set(groups):
        return f"group {min(missing)} is empty: however small its share, it needs one patient"
    people = Counter(dict(zip(patients, groups, strict=True)).values())
    clips, largest, total = Counter(groups), max(Counter(patients).values()), people.total()
    off = [abs(people[group] - share * total) for group, share in enumerate(shares)]
    off_in_clips = [abs(clips[group] - share * len(groups)) for group, share in enumerate(shares)]
    if max(off) < len(shares) or max(off_in_clips) <= max(largest, len(shares)):
        return None
    worst = off.index(max(off))
    due = f"its share of {shares[worst]:g} means about {shares[worst] * total:.0f}"
    return f"group {worst} has {people[worst]} of {total} patients; {due}"


def _contours(generator: Generator) -> list[Arguments]:
    def contour(points: int, radius: float) -> Tensor:
        """Of an artery that is nowhere near the origin, neither round nor symmetric."""
        angles = torch.linspace(0, 2 * torch.pi, points + 1)[:-1]
        radii = radius * (1 + 0.3 * torch.rand(points, generator=generator))
        ring = torch.stack([1.3 * angles.cos(), angles.sin()], dim=1) * radii[:, None]
        return ring + 9 * torch.rand(2, generator=generator)

    every = (torch.arange(180), torch.arange(0, 180, 7.0), torch.tensor([29.0]))
    pairs = [
        (contour(97, 40.0), contour(31, radius), at) for radius in (11.0, 29.0) for at in every
    ]
    same = contour(53, 20.0)
    return [*pairs, (pairs[0][0].double(), pairs[0][1].double(), every[0]), (same, same, every[0])]


_AREAS = inputs(  # square millimetres; in the last two nothing is closed, and everything
    lambda vessel, lumen: (vessel, lumen),
    *({"vessel": 23.5, "lumen": 9.7}, {"vessel": 41.5, "lumen": 10.375}),
    *({"vessel": 41.5, "lumen": 41.5}, {"vessel": 17.3, "lumen": 0.0}),
)
_SHARES = inputs(lambda area: (area,), *({"area": area} for area in (0.37, 0.75, 0.0, 1.0, 0.51)))
# fmt: off
_AREA_MISTAKES = {  # of the vessel's area and the lumen's
    "this is the share that is still open; the closed share is wanted": lambda v, u: u / v,
    "the fraction is upside down: divide by the vessel's area": lambda v, u: 1 - v / u,
    "you divided by the lumen, what is still open; divide by the vessel": lambda v, u: (v - u) / u,
    "this is the diameter stenosis, exercise 7.2: no root here": lambda v, u: 1 - (u / v) ** 0.5,
    "you squared, as if the inputs were diameters; they are areas already":
        lambda v, u: 1 - (u / v) ** 2,
    "this is the closed area; divide it by the vessel's area": lambda v, u: v - u,
}
_DIAMETER_MISTAKES = {
    "this is the share of the diameter that is still open; one minus that":
        lambda area: (1 - area) ** 0.5,
    "you took the root of the closed area; take that of the lumen": lambda area: 1 - area**0.5,
    "you took the root of the closed share; take that of the open one": lambda area: area**0.5,
    "this is the area stenosis; the area goes with the square of the diameter": lambda area: area,
    "half the area is not half the diameter: a root is needed": lambda area: area / 2,
    "this is the other direction, from diameter to area: a root is needed":
        lambda area: 1 - (1 - area) ** 2,
}
_CALIPER_MISTAKES = {
    "`cos` and `sin` take radians, not degrees": ("torch.deg2rad(degrees)", "degrees"),
    "this is the smallest share over the directions; the largest is wanted": (").max()", ").min()"),
    "this is the mean over the directions; the largest is wanted": (").max()", ").mean()"),
    "each is its own largest width: compare both in the same direction, then take the largest":
        ("(1 - widths[1] / widths[0]).max()", "1 - widths[1].max() / widths[0].max()"),
    "a width is the largest position minus the smallest": (" - along.amin(dim=0)", ""),
    "this is the share that is still open; one minus that": ("1 - widths[1]", "widths[1]"),
    "the fraction is upside down: divide by the vessel's width":
        ("widths[1] / widths[0]", "widths[0] / widths[1]"),
    "you divided by the lumen's width; divide by the vessel's":
        ("1 - widths[1] / widths[0]", "widths[0] / widths[1] - 1"),
    "these are the horizontal and the vertical width alone: turn the calipers":
        ("contour @ directions", "contour"),
    "x goes with the cosine, y with the sine":
        ("[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]"),
}
# fmt: on
EXERCISES = (
    Exercise("7.1", area_stenosis, _AREAS, mistakes=_AREA_MISTAKES),
    Exercise("7.2", diameter_stenosis, _SHARES, mistakes=_DIAMETER_MISTAKES),
    Exercise("7.3", split, _cohorts, validate=_validate_split, use=_stable),
    Exercise("7.4", caliper_stenosis, _contours, mistakes=_CALIPER_MISTAKES),
)
