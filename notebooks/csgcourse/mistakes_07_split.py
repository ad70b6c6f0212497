"""Wrong answers to exercise 7.3, each with what to say about it, and what makes a split wrong.

Not in the paper: part of the course. Many splits are right; a wrong one is known by what it breaks.
"""

import operator
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from numpy import ndarray
from torch import Tensor

from csgcourse.exercise import Mistake


def fault(answer: object, patients: Sequence[str], shares: Sequence[float]) -> str | None:
    """What is wrong with a split, in a clause; None when it is as good as any.

    Args:
        answer: anything; a list, tuple, array or tensor of group numbers is wanted.
        patients: whose each clip is.
        shares: of each group, of the patients or of the clips, whichever was aimed at.
    """
    if not isinstance(answer, Sequence | ndarray | Tensor) or isinstance(answer, str):
        return "a list is wanted, with the number of its group for each clip"
    count = len(answer) if getattr(answer, "ndim", 1) else 0
    if count != len(patients):
        return f"{len(patients)} numbers are wanted, one for each clip: got {count}"
    groups = _whole_numbers(answer)
    if groups is None:
        return "the number of a group is a whole one: some here are something else"
    outside = set(groups) - set(range(len(shares)))
    if outside:
        return f"the groups have the numbers 0 to {len(shares) - 1}: got {min(outside)}"
    return _torn(groups, patients) or _empty(groups, shares) or _uneven(groups, patients, shares)


def _whole_numbers(answer: Iterable[object]) -> list[int] | None:
    try:
        if any(isinstance(one, bool) for one in answer):
            return None
        return [operator.index(one) for one in answer]  # type: ignore[arg-type]  # that is asked
    except (TypeError, RuntimeError):  # a text, a fraction, a row
        return None


def _torn(groups: Sequence[int], patients: Sequence[str]) -> str | None:
    first: dict[str, int] = {}
    for patient, group in zip(patients, groups, strict=True):
        if first.setdefault(patient, group) != group:
            both = f"{first[patient]} and {group}"
            return (
                f"patient {patient!r} has clips in groups {both}, so that a network could know a "
                "neck again instead of seeing a stenosis. Deal out patients, not clips"
            )
    return None


def _empty(groups: Sequence[int], shares: Sequence[float]) -> str | None:
    missing = set(range(len(shares))) - set(groups)
    if not missing:
        return None
    return (
        f"group {min(missing)} is empty: however small its share, each group needs at least one "
        "patient"
    )


def _uneven(groups: list[int], patients: Sequence[str], shares: Sequence[float]) -> str | None:
    """Rounding moves a patient, and one patient may have many clips; more than that is too much."""
    people = Counter(dict(zip(patients, groups, strict=True)).values())
    clips, largest = Counter(groups), max(Counter(patients).values())
    total = people.total()
    off = [abs(people[group] - share * total) for group, share in enumerate(shares)]
    off_in_clips = [abs(clips[group] - share * len(groups)) for group, share in enumerate(shares)]
    if max(off) < len(shares) or max(off_in_clips) <= max(largest, len(shares)):
        return None
    worst = off.index(max(off))
    return (
        f"group {worst} has {people[worst]} of {total} patients; its share of {shares[worst]:g} "
        f"means about {shares[worst] * total:.0f}"
    )


def _cut(count: int, shares: Sequence[float]) -> list[int]:
    """Group numbers for things in a row, each group as long as rounding makes it."""
    ends = [round(sum(shares[: place + 1]) * count) for place in range(len(shares) - 1)]
    return [sum(place >= end for end in ends) for place in range(count)]


def _shuffled(patients: Sequence[str], seed: int) -> list[str]:
    names = sorted(set(patients))
    random.Random(seed).shuffle(names)
    return names


def _look_up(patients: Sequence[str], names: Sequence[str], groups: Sequence[int]) -> list[int]:
    of = dict(zip(names, groups, strict=True))
    return [of[patient] for patient in patients]


def _by_clip(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(patients), generator=generator).tolist()
    groups = _cut(len(patients), shares)
    return [groups[place] for place in order]


def _each_alone(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    names = sorted(set(patients))
    groups = random.Random(seed).choices(range(len(shares)), shares, k=len(names))
    return _look_up(patients, names, groups)


def _rounded(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    names = _shuffled(patients, seed)
    return _look_up(patients, names, _cut(len(names), shares))


def _equal(patients: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    names = _shuffled(patients, seed)
    return _look_up(patients, names, [place % len(shares) for place in range(len(names))])


def _unshuffled(patients: Sequence[str], shares: Sequence[float]) -> list[int]:
    names = list(dict.fromkeys(patients))
    return _look_up(patients, names, _cut(len(names), shares))


SPLIT = (
    Mistake(
        _by_clip,
        "you dealt out clips, so that patients have clips in two groups: a network could know a "
        "neck again instead of seeing a stenosis. Deal out patients; a clip goes with its patient.",
    ),
    Mistake(
        lambda patients, shares, seed: _cut(len(patients), shares),
        "you cut the list of clips where it happens to end: patients have clips on both sides of "
        "the cut, and nothing is drawn. Shuffle the patients, and cut their list.",
    ),
    Mistake(
        lambda patients, shares, seed: _unshuffled(patients, shares),
        "patients are dealt out in the order in which they come, so `seed` changes nothing, and a "
        "hospital that comes first stands in one group only. Shuffle them by the seed.",
    ),
    Mistake(
        lambda patients, shares, seed: _rounded(patients, shares, 0),
        "the seed is always the same one inside; use `seed`, so that another split can be drawn.",
    ),
    Mistake(
        _rounded,
        "nearly: a small share of few patients is rounded to none, and a group is empty. Give "
        "each group one patient first.",
    ),
    Mistake(
        _each_alone,
        "each patient draws a group of its own. The shares are then met on average only, and a "
        "small group may stay empty: shuffle all patients, and cut their list.",
    ),
    Mistake(
        _equal,
        "all groups are equally large: `shares` was not used.",
    ),
    Mistake(
        lambda patients, shares, seed: [group + 1 for group in _rounded(patients, shares, seed)],
        "the groups are counted from 1; count from 0, like the places in `shares`.",
    ),
    Mistake(
        lambda patients, shares, seed: _cut(len(set(patients)), shares),
        "this is one number for each patient; one for each clip is wanted: look up each clip's "
        "patient.",
    ),
)
