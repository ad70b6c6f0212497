from collections import Counter
from functools import cache

import pytest

from csglib.data.split import check_no_overlap
from csglib.data.stenosis import RULES
from csglib.phantom.patients import PLAQUES, CohortSpec, clip_specs
from csglib.phantom.recipe import CHOICES, LIMITS, PER_PATIENT, check_parameters

PAPER = {
    8: {"train": 318, "validation": 23, "test": 118},
    16: {"train": 278, "validation": 23, "test": 109},
}


@cache
def ordered(**what):
    return clip_specs(CohortSpec(**what))


@pytest.mark.parametrize("seed", [0, 3, 2023])
@pytest.mark.parametrize("frames", [8, 16])
def test_the_paper_s_cohort_has_the_paper_s_totals(frames, seed):
    clips = ordered(frames=frames, seed=seed)
    assert Counter(order.split for order in clips) == PAPER[frames]
    assert len({order.patient for order in clips}) == 169
    assert len({order.video for order in clips}) == 200
    assert len({order.name for order in clips}) == len(clips)
    assert len({order.seed for order in clips}) == 200


@pytest.mark.parametrize("patients", [3, 4, 5, 12, 40, 170])
def test_other_numbers_of_patients_keep_the_proportions(patients):
    for frames, paper in PAPER.items():
        clips = ordered(frames=frames, patients=patients, seed=1)
        assert len({order.patient for order in clips}) == patients
        assert len({order.video for order in clips}) == round(200 * patients / 169)
        for split, count in paper.items():
            own = [order for order in clips if order.split == split]
            films = len({order.video for order in own})
            wanted = round(count * patients / 169)
            assert len(own) == min(max(wanted, films), PLAQUES * films)


@pytest.mark.parametrize("patients", [3, 11, 169])
def test_no_patient_stands_on_two_sides(patients):
    clips = ordered(patients=patients, seed=5)
    check_no_overlap([order.patient for order in clips], [order.split for order in clips])
    assert {order.split for order in clips} == set(PAPER[8])


def test_long_clips_show_the_same_patients_on_the_same_sides():
    """The network for 16 frames starts from that for 8, which must not have seen its test."""
    short, long = (
        {(o.patient, o.split, o.video, o.seed): o.parameters for o in ordered(frames=f)}
        for f in (8, 16)
    )
    assert short == long


def test_a_seed_decides_everything_and_another_decides_otherwise():
    one, again, other = (clip_specs(CohortSpec(seed=seed, patients=50)) for seed in (4, 4, 5))
    assert one == again
    assert {o.patient: o.split for o in one} != {o.patient: o.split for o in other}
    assert {o.patient for o in one if "_v2" in o.name} != {
        o.patient for o in other if "_v2" in o.name
    }
    assert not {o.seed for o in one} & {o.seed for o in other}


def test_a_body_is_one_of_the_phantom_s_and_the_same_in_all_videos():
    bodies = {}
    for order in ordered(seed=2):
        assert bodies.setdefault(order.patient, order.parameters) == order.parameters
        assert set(order.parameters) == set(PER_PATIENT)
        check_parameters(order.parameters)
    assert set(PER_PATIENT) < {*LIMITS, *CHOICES}
    assert not {"stenosis", "plaque", "side", "length", "calcified"} & set(PER_PATIENT)
    assert len({body["depth"] for body in bodies.values()}) == 169
    assert len({body["scanner"] for body in bodies.values()}) > 2


def test_a_plaque_gives_one_clip_and_stands_in_its_inner_half():
    for frames, first, last in ((8, 2, 5), (16, 4, 11)):
        clips = ordered(frames=frames)
        assert len({(order.video, order.plaque) for order in clips}) == len(clips)
        assert {order.plaque for order in clips} == set(range(PLAQUES))
        places = Counter(order.before for order in clips)
        assert set(places) == set(range(first, last + 1))


def test_who_a_patient_is_does_not_tell_the_side():
    """Diameters of the two large sides are alike: sides are dealt, not sorted."""
    clips = ordered()
    means = [
        sum(o.parameters["diameter"] for o in own) / len(own)
        for own in ([o for o in clips if o.split == split] for split in ("train", "test"))
    ]
    assert means[0] == pytest.approx(means[1], rel=0.08)


@pytest.mark.slow
def test_patients_stand_in_the_order_of_their_numbers():
    numbers = [int(order.patient[1:]) for order in ordered(patients=1002)]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"frames": 9}, "frames must be 8 or 16, as in the paper's two cohorts: got 9"),
        ({"size": 15}, "size must be 16 to 1024 pixels: got 15"),
        ({"size": 1025}, "size must be 16 to 1024 pixels: got 1025"),
        ({"seed": -1}, "seed must be 0 or more: got -1"),
        ({"patients": 2}, "patients must be 3 or more, one for each split: got 2"),
        ({"rule": "nascet"}, f"rule must be one of {', '.join(RULES)}: got nascet"),
        ({"observer": 0.6}, "observer must be a standard deviation from 0 to 0.5: got 0.6"),
        (
            {"observer": float("nan")},
            "observer must be a standard deviation from 0 to 0.5: got nan",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(what, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        CohortSpec(**what)
