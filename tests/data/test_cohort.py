from dataclasses import replace

import numpy as np
import pytest

from csglib.data.cohort import ClipSet, read_cohort


def arrays(**changes):
    return {
        "frames": np.arange(6 * 2 * 3 * 5, dtype=np.uint8).reshape(6, 2, 3, 5),
        "grade": np.array([0, 1, 1, 0, 1, 0]),
        "patient": np.array(["a", "a", "b", "c", "d", "d"]),
        "split": np.array(["train", "train", "train", "validation", "test", "test"]),
    } | changes


def write(path, **changes):
    np.savez_compressed(path, **arrays(**changes))
    return path


def test_a_cohort_comes_apart_by_split(tmp_path):
    sets = read_cohort(write(tmp_path / "c.npz"))
    assert {name: len(clips) for name, clips in sets.items()} == {
        "train": 3,
        "validation": 1,
        "test": 2,
    }
    assert sets["test"].patients == ("d", "d")
    np.testing.assert_array_equal(sets["validation"].frames, arrays()["frames"][3:4])
    assert sets["train"].grades.tolist() == [0, 1, 1]


def test_a_patient_on_both_sides_is_refused(tmp_path):
    leak = np.array(["a", "a", "b", "c", "b", "d"])
    with pytest.raises(ValueError, match="patient b is in train and in test"):
        read_cohort(write(tmp_path / "c.npz", patient=leak))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"hello", "c.npz is not a cohort"), (b"", "c.npz is not a cohort")],
)
def test_another_file_is_refused(tmp_path, content, message):
    (tmp_path / "c.npz").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_cohort(tmp_path / "c.npz")


def test_what_is_missing_is_named(tmp_path):
    np.savez_compressed(tmp_path / "c.npz", frames=arrays()["frames"])
    with pytest.raises(ValueError, match="it lacks grade, patient, split"):
        read_cohort(tmp_path / "c.npz")


def test_pickled_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a cohort"):
        read_cohort(write(tmp_path / "c.npz", patient=arrays()["patient"].astype(object)))


def test_a_fingerprint_tells_clips_apart(tmp_path):
    train = read_cohort(write(tmp_path / "c.npz"))["train"]
    same = replace(train, frames=train.frames.copy())
    assert train.fingerprint == same.fingerprint
    same.frames[2, 1, 2, 4] += 1
    assert train.fingerprint != same.fingerprint
    assert train.fingerprint != train.choose(np.array([1, 0, 2])).fingerprint


@pytest.mark.parametrize(
    ("grades", "patients", "message"),
    [
        (np.array([0, 1]), ("a",), "got clips, grades, patients 2, 2, 1"),
        (np.array([0, 2]), ("a", "b"), r"grades are 0 to 1: got \[2\]"),
    ],
)
def test_sets_that_cannot_be_are_refused(grades, patients, message):
    with pytest.raises(ValueError, match=message):
        ClipSet(frames=np.zeros((2, 1, 1, 1), np.uint8), grades=grades, patients=patients)
