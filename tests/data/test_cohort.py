import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from csglib import read_clip, resample
from csglib.data.cohort import COLUMNS, ClipSet, read_cohort, read_manifest

ARRAYS = {
    "frames": np.arange(6 * 2 * 3 * 5, dtype=np.uint8).reshape(6, 2, 3, 5),
    "grade": np.array([0, 1, 1, 0, 1, 0]),
    "patient": np.array(["a", "a", "b", "c", "d", "d"]),
    "split": np.array(["train", "train", "train", "validation", "test", "test"]),
}


def write(path, **changes):
    np.savez_compressed(path, **ARRAYS | changes)
    return path


def test_a_cohort_comes_apart_by_split(tmp_path):
    sets = read_cohort(write(tmp_path / "c.npz"))
    assert [(name, len(clips)) for name, clips in sets.items()] == [
        ("train", 3), ("validation", 1), ("test", 2)
    ]  # fmt: skip
    assert sets["test"].patients == ("d", "d")
    np.testing.assert_array_equal(sets["validation"].frames, ARRAYS["frames"][3:4])
    assert sets["train"].grades.tolist() == [0, 1, 1]
    write(tmp_path / "c.npz", frames=np.full((6, 2, 8, 8), 77, np.uint8))
    small = read_cohort(tmp_path / "c.npz", size=4)["test"].frames
    np.testing.assert_array_equal(small, np.full((2, 2, 4, 4), 77))


def test_another_file_or_a_patient_in_two_splits_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    with pytest.raises(ValueError, match="there is no such file or folder"):
        read_cohort(path)
    for content in (b"hello", b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a cohort"):
            read_cohort(path)
    np.savez_compressed(path, frames=ARRAYS["frames"])
    with pytest.raises(ValueError, match="it lacks grade, patient, split"):
        read_cohort(path)
    with pytest.raises(ValueError, match="is not a cohort"):  # pickled objects
        read_cohort(write(path, patient=ARRAYS["patient"].astype(object)))
    leak = np.array(["a", "a", "b", "c", "b", "d"])
    with pytest.raises(ValueError, match=r"c.npz: patient b is in train and in test"):
        read_cohort(write(path, patient=leak))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frames", ARRAYS["frames"] / 255, r"frames is float64 \(6, 2, 3, 5\)"),
        ("frames", ARRAYS["frames"].astype(np.uint16), "frames is uint16"),
        ("grade", np.array(1), r"grade is int64 \(\)"),
        ("patient", ARRAYS["patient"][:, None], r"patient is <U1 \(6, 1\)"),
        ("split", ARRAYS["split"].astype("S"), r"split is \|S10 \(6,\)"),
        ("split", np.char.title(ARRAYS["split"]), "split 'Test' is none of train, validation"),
    ],
)
def test_arrays_of_another_kind_are_named(tmp_path, name, value, message):
    with pytest.raises(ValueError, match=f"c.npz is not a cohort: {message}"):
        read_cohort(write(tmp_path / "c.npz", **{name: value}))


def test_a_fingerprint_tells_clips_apart(tmp_path):
    train = read_cohort(write(tmp_path / "c.npz"))["train"]
    same = replace(train, frames=train.frames.copy())
    assert train.fingerprint == same.fingerprint
    assert train.fingerprint != replace(train, grades=1 - train.grades).fingerprint
    same.frames[2, 1, 2, 4] += 1
    assert train.fingerprint != same.fingerprint
    assert train.fingerprint != train.choose(np.array([1, 0, 2])).fingerprint


def test_sets_have_a_known_grade_and_a_patient_for_each_clip():
    frames, names = np.zeros((2, 1, 3, 5), np.uint8), ("mild", "moderate", "severe")
    clips = ClipSet(frames=frames, grades=np.array([2, 0]), patients=("a", "b"), grade_names=names)
    assert clips.choose(np.array([0])).grade_names == names
    with pytest.raises(ValueError, match=r"grades are 0 to 2: got \[3\]"):
        replace(clips, grades=np.array([3, 0]))
    with pytest.raises(ValueError, match=r"grades are 0 to 1: got \[2\]"):
        ClipSet(frames=frames, grades=np.array([0, 2]), patients=("a", "b"))
    with pytest.raises(ValueError, match=r"one: got \[2, 2, 1\]"):
        replace(clips, patients=("a",))
    with pytest.raises(ValueError, match=r"one: got \[0, 0, 0\]"):
        clips.choose(np.array([], int))


@pytest.fixture
def folder(a_cheap_cohort, tmp_path):
    return shutil.copytree(a_cheap_cohort, tmp_path / "cohort")


def test_a_folder_comes_apart_by_split(folder):
    rows, sets = read_manifest(folder), read_cohort(folder)
    assert [*sets] == ["train", "validation", "test"]
    for split, clips in sets.items():
        own = [row for row in rows if row["split"] == split]
        assert clips.patients == tuple(row["patient"] for row in own)
        assert clips.grades.tolist() == [int(row["grade_index"]) for row in own]
        for frames, row in zip(clips.frames, own, strict=True):
            np.testing.assert_array_equal(frames, read_clip(folder / row["clip"]).frames)
    small = read_cohort(folder, size=8)["validation"].frames
    row = next(row for row in rows if row["split"] == "validation")
    wanted = resample(read_clip(folder / row["clip"]), frames=8, size=8).frames
    np.testing.assert_array_equal(small[0], wanted)


def test_a_changed_clip_is_named(folder):
    path = sorted((folder / "clips").iterdir())[2]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name} has changed since it was made"):
        read_cohort(folder)
    path.unlink()
    with pytest.raises(ValueError, match=f"{path.name} is missing, or .*: the command that made"):
        read_cohort(folder)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("cohort.json", None, "is not a cohort: it has no cohort.json"),
        ("cohort.json", "[1]", r"cohort.json is damaged \(.*\)"),
        ("cohort.json", "[" * 100_000, r"cohort.json is damaged \(.*\)"),
        ("cohort.json", json.dumps({"what": "else"}), "cohort.json is damaged .*grades"),
        ("manifest.csv", None, "is half a cohort, without manifest.csv: the command that made"),
        ("manifest.csv", "clip\n" + "x" * 200_000, "manifest.csv is damaged .*field larger"),
        ("manifest.csv", f"{','.join(COLUMNS)}\n../x{',1' * 19}", "x is missing, or in another"),
        ("manifest.csv", "clip;patient\n1;2\n", "manifest.csv lacks clip, patient, video"),
    ],
)
def test_what_a_folder_lacks_is_named(folder, file, text, message):
    (folder / file).unlink()
    (folder.parent / "x").write_text("of another folder")
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_cohort(folder)
