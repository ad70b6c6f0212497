"""Exercises 7.1 to 7.3: right answers in several styles pass; wrong ones are told what they did."""

import math
import random
from collections import Counter

import numpy as np
import pytest
import torch

from csgcourse import check
from csgcourse.chapter_07 import area_stenosis, diameter_stenosis, split
from csglib.data import stenosis as measure
from csglib.data.split import split_by_patient


def test_the_references_agree_with_a_measured_lumen(simulated_clip):
    truth = simulated_clip.truth
    radii, areas = [], []
    for polygon in (truth.vessel_inner[1], truth.lumen[1]):
        x, y = polygon.T
        areas.append(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)
        radii.append(np.hypot(x - x.mean(), y - y.mean()).mean())
    closed = area_stenosis(*(torch.tensor(area) for area in areas))
    assert float(closed) == pytest.approx(truth.area_stenosis[1])
    assert float(diameter_stenosis(closed)) == pytest.approx(1 - radii[1] / radii[0])


def test_the_references_are_the_library_in_fewer_words(simulated_clip):
    """A solution is read by who has tried; csglib's own also says what it cannot do."""
    vessel, lumen = simulated_clip.truth.vessel_inner, simulated_clip.truth.lumen
    areas = (torch.tensor(measure.polygon_area(border)) for border in (vessel, lumen))
    area = measure.area_stenosis(vessel, lumen)
    np.testing.assert_allclose(area_stenosis(*areas), area)
    diameter = diameter_stenosis(torch.tensor(area))
    np.testing.assert_allclose(diameter, measure.equal_area_diameter(area))
    patients = [f"p{place * place % 31}" for place in range(100)]
    for seed in range(5):
        shares = (0.69, 0.01, 0.3)
        assert split(patients, shares, seed) == split_by_patient(patients, shares, seed)


def test_the_reference_split_keeps_its_promises():
    patients = [f"p{place % 17}" for place in range(100)]
    groups = split(patients, (0.6, 0.1, 0.3), 9)
    pairs = set(zip(patients, groups, strict=True))
    assert len(pairs) == 17  # each patient in one group
    assert Counter(group for _, group in pairs) == {0: 10, 1: 2, 2: 5}
    assert groups == split(patients, (0.6, 0.1, 0.3), 9) != split(patients, (0.6, 0.1, 0.3), 8)
    assert sorted(set(split(["b", "a", "c"], (0.98, 0.01, 0.01), 1))) == [0, 1, 2]


def in_order(patients):
    return list(dict.fromkeys(patients))


def by_numpy(patients, shares, seed):
    names, owner = np.unique(patients, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    ends = np.clip(np.rint(np.cumsum(shares) * len(names)), 1, None)
    for place in range(1, len(ends)):
        ends[place] = max(ends[place], ends[place - 1] + 1)
    for place in reversed(range(len(ends) - 1)):
        ends[place] = min(ends[place], len(names) - len(ends) + place + 1)
    group = np.searchsorted(ends, np.argsort(order), side="right")
    return group.clip(max=len(shares) - 1)[owner]


def by_torch(patients, shares, seed):
    """Each group gets one patient, then patients go to the group that lacks most clips."""
    names, clips = in_order(patients), Counter(patients)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    held, group_of = [0] * len(shares), {}
    for turn, name in enumerate(names[place] for place in order):
        lacks = [share - clips / len(patients) for share, clips in zip(shares, held, strict=True)]
        group = turn if turn < len(shares) else lacks.index(max(lacks))
        held[group] += clips[name]
        group_of[name] = group
    return torch.tensor([group_of[patient] for patient in patients])


def by_the_largest_first(patients, shares, seed):
    """The seed settles who comes first among patients of one size."""
    clips, chance = Counter(patients), random.Random(seed)
    names = sorted(clips, key=lambda name: (-clips[name], chance.random()))
    people, group_of = [0] * len(shares), {}
    for name in names:
        full = [count / share for count, share in zip(people, shares, strict=True)]
        group_of[name] = full.index(min(full))
        people[group_of[name]] += 1
    return tuple(group_of[patient] for patient in patients)


def by_slices(patients, shares, seed):
    random.seed(seed)
    names = random.sample(sorted(set(patients)), k=len(set(patients)))
    groups = [[name] for name in names[: len(shares)]]
    for place, share in enumerate(shares):
        wanted = max(0, round(share * len(names)) - 1)
        used = sum(map(len, groups))
        groups[place] += names[used : used + wanted]
    groups[0] += names[sum(map(len, groups)) :]
    return [next(g for g, group in enumerate(groups) if name in group) for name in patients]


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("7.1", lambda vessel, lumen: (vessel - lumen) / vessel),
        ("7.1", lambda vessel, lumen: 1 - float(lumen) / float(vessel)),
        ("7.1", lambda vessel, lumen: np.float32(1) - lumen.numpy() / vessel.numpy()),
        ("7.1", lambda vessel, lumen: torch.sub(1, torch.div(lumen, vessel)).clamp(0, 1)),
        ("7.2", lambda area: 1 - math.sqrt(1 - area)),
        ("7.2", lambda area: 1 - torch.sqrt(1 - area)),
        ("7.2", lambda area: 1 - np.sqrt(1 - area.numpy())),
        ("7.2", lambda area: -math.expm1(math.log1p(-area) / 2) if area < 1 else 1),
        ("7.3", split_by_patient),
        ("7.3", by_numpy),
        ("7.3", by_torch),
        ("7.3", by_the_largest_first),
        ("7.3", by_slices),
    ],
)
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


@pytest.mark.parametrize("right", [split, by_numpy, by_torch, by_the_largest_first, by_slices])
def test_right_splits_pass_whatever_they_draw(right):
    for turn in range(1000, 1010):
        assert check("7.3", lambda p, shares, seed, turn=turn: right(p, shares, seed + turn)).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda vessel, lumen: lumen / vessel, "still open"),
        (lambda vessel, lumen: float(lumen / vessel), "still open"),
        (lambda vessel, lumen: 1 - vessel / lumen, "upside down"),
        (lambda vessel, lumen: (vessel - lumen) / lumen, "you compare with what is still open"),
        (lambda vessel, lumen: 1 - (lumen / vessel).sqrt(), "exercise 7.2"),
        (lambda vessel, lumen: 1 - math.sqrt(lumen / vessel), "exercise 7.2"),
        (lambda vessel, lumen: 100 - 100 * lumen / vessel, "in percent"),
        (lambda vessel, lumen: vessel - lumen, "this is the closed area"),
        (lambda vessel, lumen: 1 - (lumen / vessel) ** 2, "they are areas already"),
        # from here on nobody has told the exercise
        (lambda vessel, lumen: 1 - lumen, "is wanted: got"),
        (lambda vessel, lumen: round(float(1 - lumen / vessel), 2), "is wanted: got"),
        (lambda vessel, lumen: f"{1 - lumen / vessel:.0%}", "a number is wanted: got a str"),
        (lambda vessel, lumen: int(1 - lumen / vessel), "is wanted: got 0"),
        (lambda vessel, lumen: vessel // lumen, "is wanted: got"),
        (lambda vessel, lumen: (1 - lumen / vessel).expand(2), "a number is wanted"),
        (lambda vessel, lumen: float(vessel) / float(lumen), "is wanted: got"),
    ],
)
def test_wrong_area_stenoses_are_told_what_they_did(wrong, says):
    rejected("7.1", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda area: math.sqrt(1 - area), "the diameter that is still open"),
        (lambda area: 1 - torch.sqrt(area), "the root of the closed area"),
        (lambda area: area**0.5, "the root of the closed share"),
        (lambda area: area, "diameter and area are not closed by the same share"),
        (lambda area: area.item() / 2, "half the area"),
        (lambda area: 2 * area - area**2, "the way back"),
        (lambda area: 100 * (1 - math.sqrt(1 - area)), "in percent"),
        # from here on nobody has told the exercise
        (lambda area: 1 - (1 - area) ** (1 / 3), "is wanted: got"),
        (lambda area: (1 - area) / 2, "is wanted: got"),
        (lambda area: 1 - math.sqrt((1 - area) / math.pi), "is wanted: got"),
        (lambda area: 1 - math.exp(-area / 2), "is wanted: got"),
        (lambda area: abs(1 - math.sqrt(1 + area)), "is wanted: got"),
        (lambda area: area / (1 + (1 - area)) ** 0.5, "is wanted: got"),
        (lambda area: math.log(0), "raised ValueError"),
    ],
)
def test_wrong_diameter_stenoses_are_told_what_they_did(wrong, says):
    rejected("7.2", wrong, says)


def clips_dealt_out(patients, shares, seed):
    chance = np.random.default_rng(seed)
    return chance.choice(len(shares), size=len(patients), p=shares).tolist()


def drawn_one_by_one(patients, shares, seed):
    chance = np.random.default_rng(seed)
    group_of = {name: chance.choice(len(shares), p=shares) for name in in_order(patients)}
    return [int(group_of[patient]) for patient in patients]


def without_a_seed(patients, shares, seed):
    return split(patients, shares, random.randrange(10**9))


def rounded_down(patients, shares, seed):
    names = sorted(set(patients))
    random.Random(seed).shuffle(names)
    cuts = [int(sum(shares[:place]) * len(names)) for place in range(len(shares))]
    group_of = {name: sum(place >= cut for cut in cuts) - 1 for place, name in enumerate(names)}
    return [group_of[patient] for patient in patients]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (clips_dealt_out, "has clips in groups"),
        (drawn_one_by_one, "group"),
        (rounded_down, "is empty: however small its share"),
        (without_a_seed, "called again with the same seed, it answered differently"),
        (lambda p, s, seed: split(p, s, 42), "another `seed` changes nothing"),
        (lambda p, s, seed: split(p, s[::-1], seed), "patients; its share of"),
        (lambda p, s, seed: split(p, [1 / len(s)] * len(s), seed), "patients; its share of"),
        (lambda p, s, seed: [group + 1 for group in split(p, s, seed)], "0 to 2: got 3"),
        (lambda p, s, seed: [0] * len(p), "is empty"),
        (lambda p, s, seed: split(sorted(set(p)), s, seed), "one for each clip"),
        (lambda p, s, seed: dict(zip(p, split(p, s, seed), strict=True)), "a list is wanted"),
        (lambda p, s, seed: torch.tensor(0), "one for each clip: got 0"),
        (
            lambda p, s, seed: torch.zeros(1).expand(10**15),
            "one for each clip: got 1000000000000000",
        ),
        (lambda p, s, seed: torch.eye(len(p)), "the number of a group is a whole one"),
        (lambda p, s, seed: [group == 1 for group in split(p, s, seed)], "is a whole one"),
        (lambda p, s, seed: [str(group) for group in split(p, s, seed)], "is a whole one"),
        (lambda p, s, seed: [group / 1 for group in split(p, s, seed)], "is a whole one"),
        (lambda p, s, seed: [p[:5], p[5:9], p[9:]], "one for each clip: got 3"),
        (lambda p, s, seed: split(sorted(p), s, seed)[::-1], "has clips in groups"),
        (lambda p, s, seed: [-group for group in split(p, s, seed)], "0 to 2: got -2"),
        (lambda p, s, seed: ["train" for _ in p], "is a whole one"),
        (lambda p, s, seed: [hash(name) % len(s) for name in p], "not yet"),
    ],
)
def test_wrong_splits_are_told_what_they_broke(wrong, says):
    rejected("7.3", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
