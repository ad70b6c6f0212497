"""Splits by patient: no overlap, fair shares, the same for the same seed."""

from collections import Counter

import numpy as np
import pytest

from csglib.data.split import check_no_overlap, split_by_patient


def clips(patients, most, seed=0):
    """The patient of each clip: 1 to `most` clips a patient, in random order."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(patients), rng.integers(1, most + 1, patients))
    return [f"patient-{owner}" for owner in rng.permutation(owners)]


def sizes(patients, groups):
    """Patients of each group."""
    counts = Counter(dict(zip(patients, groups, strict=True)).values())
    return [counts[group] for group in range(max(counts) + 1)]


@pytest.mark.parametrize("count", [3, 17, 169])
def test_no_patient_is_in_two_groups(count):
    for seed in range(5):
        patients = clips(count, 7, seed)
        groups = split_by_patient(patients, (0.69, 0.05, 0.26), seed)
        assert len(groups) == len(patients)
        assert len(set(zip(patients, groups, strict=True))) == count
        check_no_overlap(patients, groups)


def test_a_leak_of_any_clip_names_patient_and_splits():
    patients = clips(11, 4)
    groups = split_by_patient(patients, (0.6, 0.4), 3)
    for place, (patient, group) in enumerate(zip(patients, groups, strict=True)):
        if patients.count(patient) > 1:
            leak = [*groups[:place], 1 - group, *groups[place + 1 :]]
            with pytest.raises(ValueError, match=f"{patient} is in [01] and in [01]$"):
                check_no_overlap(patients, leak)
    splits = ["train", "train", "validation", "test", "test"]
    with pytest.raises(ValueError, match=r"^patient b is in train and in test$"):
        check_no_overlap(["a", "b", "c", "b", "d"], splits)
    with pytest.raises(ValueError, match="shorter"):
        check_no_overlap(["a", "b", "b"], [0, 1])


def by_largest_remainder(count, shares):
    exact = np.array(shares) * count
    whole = np.floor(exact).astype(int)
    cut_off = np.argsort(whole - exact, kind="stable")
    whole[cut_off[: count - whole.sum()]] += 1
    return whole.tolist()


@pytest.mark.parametrize("shares", [(0.7, 0.1, 0.2), (0.693, 0.05, 0.257), (0.25,) * 4, (1.0,)])
def test_shares_are_rounded_by_largest_remainder_and_each_has_a_patient(shares):
    for count in (23, 41, 113, 169):
        patients = clips(count, 3)
        groups = split_by_patient(patients, shares, 1)
        assert sizes(patients, groups) == by_largest_remainder(count, shares)
    seven = clips(7, 2)
    assert sizes(seven, split_by_patient(seven, (0.02, 0.96, 0.02), 1)) == [1, 5, 1]


def test_order_and_number_of_clips_do_not_matter():
    patients = clips(29, 5)
    groups = split_by_patient(patients, (0.5, 0.2, 0.3), 6)
    group_of = dict(zip(patients, groups, strict=True))
    for other in (patients[::-1], sorted(patients), sorted(set(patients)), patients * 2):
        found = split_by_patient(other, (0.5, 0.2, 0.3), 6)
        assert found == [group_of[patient] for patient in other]


def test_a_seed_gives_its_split_in_every_session():
    """A known value: the order of a set, say, differs each time Python starts."""
    names = ["ada", "bo", "cy", "di", "ed", "flo", "gus", "hal"]
    assert split_by_patient(names, (0.5, 0.25, 0.25), 7) == [1, 2, 0, 1, 0, 2, 0, 0]
    splits = {tuple(split_by_patient(names, (0.5, 0.25, 0.25), seed)) for seed in range(40)}
    assert len(splits) > 30
    drawn = np.array([split_by_patient([*"abcde"], (0.6, 0.4), seed) for seed in range(800)])
    np.testing.assert_allclose(drawn.mean(axis=0), 0.4, atol=0.06)  # anyone in any group


def test_shares_out_of_range_and_too_few_patients_are_refused():
    for shares in ((0.7, 0.2), (0.5, 0.6), (), (1.2, -0.2), (1.0, 0.0)):
        with pytest.raises(ValueError, match="shares must be above 0 and sum to 1: got"):
            split_by_patient(clips(9, 2), shares, 0)
    with pytest.raises(ValueError, match="3 groups need a patient each: got 2 patients"):
        split_by_patient(["a", "b", "a", "b"], (0.5, 0.3, 0.2), 0)
