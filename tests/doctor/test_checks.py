"""Every kind of fault is planted: the doctor finds each one, and nothing else."""

import io
import shutil
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from csglib import Clip
from csglib.data.clips import Region
from csglib.doctor import CohortSettings, Label, cache, examine, read_labels
from csglib.doctor.checks import ALL, KINDS
from csglib.doctor.examination import record_of
from csglib.doctor.labels import KEY
from csglib.doctor.near_duplicates import fingerprints

from .conftest import SPLITS, Exports, encoded, side_by_side, with_cross

STOPS, WARNING = True, False
SMALL = CohortSettings(frames=4, size=64)


@pytest.fixture(scope="module")
def examined(tmp_path_factory, cohort):
    folder = Exports(tmp_path_factory.mktemp("examined") / "exports", cohort).write()
    examine(folder, SMALL, workers=1)
    return folder


@pytest.fixture
def exports(exports, examined):
    """With what an examination keeps of it, so that only clips with faults take time."""
    shutil.copy(examined / KEY, exports.folder)
    shutil.copytree(examined / cache.FOLDER, exports.folder / cache.FOLDER)
    return exports


def found_in(folder, workers=1):
    report = examine(folder, SMALL, workers)
    return [(finding.kind, finding.where, finding.stops) for finding in report.findings]


def plant_files(exports):
    folder, cohort = exports.folder, exports.cohort
    cut = exports.save("cut/a.npz", cohort[20])
    cut.write_bytes(cut.read_bytes()[:-500])
    exports.label("cut/a.npz")
    (folder / "p0/broken.mp4").write_text("no video")
    (folder / "p0/notes.txt").write_text("of no use")
    exports.save("loose.npz", cohort[22])
    exports.save("../elsewhere.npz", cohort[24])
    (folder / "p0/link.npz").symlink_to(folder.parent / "elsewhere.npz")
    (folder / "p0/all").symlink_to(folder.parent, target_is_directory=True)
    exports.save("p0/two\nlines.npz", cohort[26])
    return {
        ("unreadable", "cut/a.npz", STOPS),
        ("unreadable", "p0/broken.mp4", WARNING),
        ("not a clip", "p0/notes.txt", WARNING),
        ("no patient folder", "loose.npz", WARNING),
        ("link", "p0/link.npz", WARNING),
        ("link", "p0/all", WARNING),
        ("invalid name", "p0/two\N{REPLACEMENT CHARACTER}lines.npz", WARNING),
    }


def plant_labels(exports):
    rows = {
        "none": [{"grade": ""}],
        "odd": [{"grade": "sever"}],
        "over": [{"first_frame": 3, "frames": 6}],
        "box": [{"box": Region(10, 10, 60, 65)}],
        "again": [{}, {"frames": 8}],
        "partly": [{"frames": 5}, {"first_frame": 4}],
        "short": [{"first_frame": 5, "frames": 3}],
        "unlabelled": [],
    }
    for number, (name, given) in enumerate(rows.items()):
        exports.save(f"{name}/a.npz", exports.cohort[30 + 2 * number])
        for row in given:
            exports.label(f"{name}/a.npz", **row)
    exports.label("p0/gone.npz")
    return {
        ("no grade", "none/a.npz", STOPS),
        ("unknown grade", "odd/a.npz", STOPS),
        ("no such clip", "p0/gone.npz", STOPS),
        ("unusable", "over/a.npz", STOPS),
        ("unusable", "box/a.npz", STOPS),
        ("duplicate row", "again/a.npz", STOPS),
        ("overlapping rows", "partly/a.npz", WARNING),
        ("unusable", "short/a.npz", STOPS),
        ("no label", "unlabelled/a.npz", WARNING),
    }


def plant_duplicates(exports):
    """One for each verdict; test_near_duplicates.py says what counts as a copy."""
    cohort = exports.cohort
    exports.add("p0/same.npz", cohort[0])
    exports.add("copy/a.npz", cohort[4], split="test")
    encoded(cohort[2], exports.folder / "p1/again.mp4")
    exports.label("p1/again.mp4")
    exports.add("cropped/a.npz", cohort[8][:, 1:, 2:])
    exports.add("late/a.npz", cohort[10][3:], split="test")
    exports.add("twin/a.npz", cohort[46], patient="one")
    exports.add("twin_too/a.npz", cohort[48], patient="one", split="test")
    for number in range(2):  # one view, other speckle
        noise = np.random.default_rng(number).integers(-30, 31, (8, 64, 64))
        view = np.clip(cohort[94][:1] + noise, 0, 255).astype(np.uint8)
        exports.add(f"view_{number}/a.npz", view, split=("train", "test")[number])
    exports.add("moved/a.npz", cohort[50])
    exports.add("moved/b.npz", cohort[52], split="test")
    return {
        ("duplicate", "p0/same.npz", WARNING),
        ("split leak", "p2/4.npz", STOPS),
        ("near-duplicate", "p1/again.mp4", WARNING),
        ("no pixel size", "p1/again.mp4", WARNING),
        ("split leak", "p4/8.npz", STOPS),
        ("near-duplicate", "p5/10.npz", WARNING),
        ("similar view", "view_1/a.npz", WARNING),
        ("same patient id", "twin_too/a.npz", STOPS),
        ("split leak", "moved", STOPS),
        ("image sizes differ", ALL, WARNING),
    }


def plant_images(exports):
    folder, cohort = exports.folder, exports.cohort
    (folder / "doppler/a").mkdir(parents=True)
    for number, frame in enumerate(cohort[60]):
        colours = np.stack([frame] * 3, axis=-1)
        colours[20:30, 20:30] = 200, 30, 10
        Image.fromarray(colours).save(folder / f"doppler/a/{number}.png")
    exports.label("doppler/a")
    left = Region(0, 0, 40, 40)
    exports.add("split/a.npz", side_by_side(cohort[62], cohort[65]), frames=4)
    exports.label("split/a.npz", first_frame=4, box=left)  # one row's box is not enough
    exports.add("boxed/a.npz", side_by_side(cohort[82], cohort[84]), box=left)  # no fault
    exports.add("marked/a.npz", with_cross(cohort[66], 50, 50), frames=4, box=left)
    exports.label("marked/a.npz", first_frame=4, box=Region(20, 20, 60, 60))
    exports.add("beside/a.npz", with_cross(cohort[76], 50, 50), box=left)  # no fault
    exports.add("frozen/a.npz", np.repeat(cohort[68][:1], 8, axis=0))
    long = np.concatenate([cohort[80], cohort[80][-1:].repeat(6, axis=0)])
    exports.add("freezes/a.npz", long, frames=8)
    exports.label("freezes/a.npz", first_frame=8)
    exports.add(
        "starts/a.npz",
        np.concatenate([cohort[86][:1].repeat(4, axis=0), cohort[86][1:5]]),
        frames=4,
    )
    white = np.random.default_rng(0).integers(235, 250, (8, 64, 64), np.uint8)
    exports.add("white/a.npz", white, split="train")
    exports.add("tall/a.npz", cohort[92].repeat(2, axis=1))
    exports.add("unknown/a.npz", cohort[70], mm_per_px=None)
    (folder / "squeezed").mkdir()
    step = np.diag([0.1, 0.11, 1, 1])
    nibabel.save(nibabel.Nifti1Image(cohort[88].T, step), folder / "squeezed/a.nii")
    exports.label("squeezed/a.nii")
    exports.add("deep/a.npz", cohort[72], mm_per_px=0.25)
    exports.add("small/a.npz", cohort[74], box=Region(20, 20, 35, 60))
    return {
        ("colour", "doppler/a", WARNING),
        ("no pixel size", "doppler/a", WARNING),
        ("several images", "split/a.npz", WARNING),
        ("blank", "white/a.npz", STOPS),
        ("tissue lost", "tall/a.npz", WARNING),
        ("overlay", "marked/a.npz", WARNING),
        ("no motion", "frozen/a.npz", STOPS),
        ("no motion", "freezes/a.npz", STOPS),
        ("no motion", "starts/a.npz", STOPS),
        ("no pixel size", "unknown/a.npz", WARNING),
        ("no pixel size", "squeezed/a.nii", WARNING),
        ("read with changes", "squeezed/a.nii", WARNING),
        ("pixel sizes differ", ALL, WARNING),
        ("image sizes differ", ALL, WARNING),
        ("small tissue region", "small/a.npz", WARNING),
    }


def test_a_folder_without_faults_has_no_findings(exports):
    report = examine(exports.write(), SMALL, workers=1)
    assert report.findings == report.stops == ()
    files = [path.name for path in exports.folder.iterdir() if path.is_file()]
    assert sorted(files) == ["csglib.key", "labels.csv"]


def test_every_fault_is_found_and_nothing_else(exports, no_processes):
    plants = (plant_files, plant_labels, plant_duplicates, plant_images)
    planted = set().union(*(plant(exports) for plant in plants))
    found = found_in(exports.write(), workers=2)
    assert {*found} == planted | {("class imbalance", ALL, WARNING)}
    assert len(found) == len({*found})
    assert [stops for *_, stops in found] == sorted((stops for *_, stops in found), reverse=True)


VALIDATION = ("p2/4.npz", "p2/5.npz", "p3/6.npz", "p3/7.npz")
ANY = tuple(f"p{number // 2}/{number}.npz" for number in range(12))


@pytest.mark.parametrize(
    ("names", "change", "planted"),
    [
        (ANY, {"grade": "mild"}, {("missing grade", STOPS), ("missing grade", WARNING)}),
        (VALIDATION, {"grade": "mild"}, {("missing grade", WARNING)}),
        (ANY[:8] + ANY[9:11], {"grade": "mild", "split": ""}, {
            ("class imbalance", WARNING), ("split", STOPS)}),
        (VALIDATION, {"split": "train"}, {("split", STOPS)}),
    ],
)  # fmt: skip
def test_a_split_or_a_grade_that_is_missing_is_found(exports, names, change, planted):
    relabel(exports, names, **change)
    assert {*found_in(exports.write())} == {(kind, ALL, stops) for kind, stops in planted}


def relabel(exports, names=ANY, **change):
    for name in names:
        exports.labels[name] = [replace(row, **change) for row in exports.labels[name]]


def two_patients(exports):
    exports.labels = {name: rows for name, rows in exports.labels.items() if name < "p2"}
    relabel(exports, ANY[:4], split="")
    for patient in ("p2", "p3", "p4", "p5"):
        shutil.rmtree(exports.folder / patient)
    return {("split", ALL, STOPS)}


def copied_between_patients(exports):
    relabel(exports, split="")
    exports.add("p5/9.npz", exports.cohort[9], split="", grade="severe")
    return {("duplicate", "p5/9.npz", STOPS)}


def contradiction(exports):
    exports.add("p5/same.npz", exports.cohort[11], split="test", grade="mild")
    return {("duplicate", "p5/same.npz", STOPS)}


def near_between_patients(exports):
    relabel(exports, split="")
    exports.add("p5/9.npz", exports.cohort[9][:, ::-1], split="", grade="severe")
    return {("near-duplicate", "p5/9.npz", STOPS)}


def judged_different(exports):
    """The same two, and a person says that they are not the same."""
    near_between_patients(exports)
    (exports.folder / "different.csv").write_text("p5/9.npz;p4/9.npz\n", "utf-8-sig")
    return set()


def half_are_anonymous(exports):
    for number in (0, 1, 4, 5, 8, 9):
        exports.save(f"p{number // 2}/{number}.npz", exports.cohort[number], patient="ANONYMOUS")
    return {("same patient id", name, WARNING) for name in ("p2/4.npz", "p4/8.npz")}


def nothing_can_be_read(exports):
    for name in [*exports.labels]:
        (exports.folder / name).write_bytes(b"")
    unreadable = {("unreadable", name, STOPS) for name in exports.labels}
    return unreadable | {("no clips", ALL, STOPS)}


def files_with_the_same_name(exports):
    """Their names are not ids."""
    for patient, number in ((0, 90), (4, 92)):
        encoded(exports.cohort[number], exports.folder / f"p{patient}/film.mp4")
        exports.label(f"p{patient}/film.mp4", split=SPLITS[patient])
    return {("no pixel size", f"p{patient}/film.mp4", WARNING) for patient in (0, 4)}


def a_test_of_one_patient(exports):
    """The other five are trained on and selected by."""
    relabel(exports, ANY[8:10], split="train")
    return {("split", ALL, STOPS)}


def grades_for_patients(exports, deeper=""):
    """The folders of a classifier: GRADE/clip."""
    exports.labels = {}
    shutil.rmtree(exports.folder)
    for number in range(12):
        grade = ("mild", "Severe")[number % 2]
        name = f"{grade}/{deeper and f'p{number}/'}{number}.npz"
        exports.add(name, exports.cohort[number], f"p{number}", grade=grade.lower(), split="")
    return {("no patient", grade, STOPS) for grade in ("mild", "Severe")} | {("split", ALL, STOPS)}


def grades_above_patients(exports):
    return grades_for_patients(exports, "deeper")


def splits_for_patients(exports):
    """SPLIT/clip: four folders, each with both grades."""
    shutil.rmtree(exports.folder)
    exports.labels, folders = {}, ("train", "val", "test_1", "test_2")
    for number in range(12):
        name = f"{folders[number // 3]}/{number}.npz"
        grade = ("mild", "severe")[number % 2]
        exports.add(name, exports.cohort[number], split="", grade=grade)
    return {("no patient", folder, STOPS) for folder in folders}


def one_grade_is_cropped(exports):
    """Of three patients all clips are severe, and one row shorter than the others'."""
    for number, name in enumerate(ANY):
        severe = number // 2 in (0, 2, 4)
        relabel(exports, [name], grade=("mild", "severe")[severe])
        exports.save(name, exports.cohort[number][:, : 63 if severe else 64])
    return {("shortcut", ALL, WARNING), ("image sizes differ", ALL, WARNING)}


def severe_clips_that_cannot_be_read(exports):
    for name in ANY[1::2]:
        (exports.folder / name).write_bytes(b"")
    missing = {("missing grade", ALL, STOPS), ("missing grade", ALL, WARNING)}
    return missing | {("unreadable", name, STOPS) for name in ANY[1::2]}


def what_has_no_label(exports):
    """It is left out, so it may have the id of another, other sizes, another scale."""
    exports.save("spare/a.npz", exports.cohort[54][:, :60], "id of p1", mm_per_px=0.4)
    return {("no label", "spare/a.npz", WARNING)}


WHOLE = (
    two_patients, copied_between_patients, contradiction, near_between_patients, judged_different,
    half_are_anonymous, nothing_can_be_read, files_with_the_same_name,
    severe_clips_that_cannot_be_read, what_has_no_label, a_test_of_one_patient, grades_for_patients,
    grades_above_patients, splits_for_patients, one_grade_is_cropped,
)  # fmt: skip


@pytest.mark.parametrize("plant", WHOLE)
def test_a_fault_of_the_whole_folder(exports, plant):
    planted = plant(exports)
    assert {*found_in(exports.write())} == planted


def test_without_labels_it_writes_a_table_to_fill_in(exports):
    assert found_in(exports.folder) == [("no label file", "labels.csv", STOPS)]
    rows = read_labels(exports.folder / "labels.csv")
    assert [row.clip for row in rows] == sorted(exports.labels)
    assert {row.grade for row in rows} == {""}
    assert found_in(exports.folder) == [("no grade", row.clip, STOPS) for row in rows]


def test_existing_labels_are_never_overwritten(exports):
    labels = exports.folder / "labels.csv"
    labels.write_text("clip,garde\np0/0.npz,mild\n")
    assert found_in(exports.folder) == [("invalid label file", "labels.csv", STOPS)]
    assert labels.read_text() == "clip,garde\np0/0.npz,mild\n"
    (exports.folder.parent / "other.csv").write_text("clip,grade\n")
    for target in (exports.folder.parent / "other.csv", exports.folder / "nowhere.csv"):
        labels.unlink()
        labels.symlink_to(target)
        assert found_in(exports.folder) == [("invalid label file", "labels.csv", STOPS)]


def test_every_kind_is_planted_somewhere():
    text = Path(__file__).read_text("utf-8")
    assert [kind for kind in KINDS if f'("{kind}", ' not in text] == []


def test_only_a_stated_region_is_compared_with_other_clips(cohort):
    region = Region(0, 0, 64, 64)
    both = side_by_side(cohort[62], cohort[66])
    clip = Clip(frames=both, patient="one", region=region)
    record = record_of(clip, [Label(clip="p0/a.dcm", grade="")], CohortSettings(size=64))
    assert (record.tissue, record.images) == (region, 1)
    (preview,) = record.previews
    with Image.open(io.BytesIO(b64decode(preview.pictures[0].partition(",")[2]))) as whole:
        assert whole.size == (136, 64)
    assert preview.share == 1  # of the stated region
    np.testing.assert_array_equal(record.fingerprints, fingerprints(cohort[62]))


def test_only_a_folder_is_examined_and_a_row_of_different_clips_names_two(tmp_path):
    (tmp_path / "different.csv").write_text("p/a.npz,p/a.npz\n")
    with pytest.raises(
        ValueError, match=r"different\.csv: wanted two clips in each row: got \['p/a"
    ):
        examine(tmp_path)
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        examine(tmp_path / "nowhere")
