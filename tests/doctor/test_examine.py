"""A folder with each fault planted once: the doctor finds every one, and nothing else."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csglib.data.clips import Region
from csglib.doctor import examine
from csglib.doctor.findings import ALL, KINDS
from csglib.doctor.labels import read_labels

from .conftest import SIDES, encoded, side_by_side, with_cross

STOPS, LOOK = True, False


def found_in(folder, **how):
    report = examine(folder, **{"frames": 4, "size": 64, "workers": 1} | how)
    return [(finding.kind, finding.where, finding.stops) for finding in report.findings]


def plant_files(exports):
    folder, cohort = exports.folder, exports.cohort
    cut = exports.save("cut/a.npz", cohort[20])
    cut.write_bytes(cut.read_bytes()[:-500])
    exports.say("cut/a.npz")
    (folder / "p0/broken.mp4").write_text("no video")
    (folder / "p0/notes.txt").write_text("of no use")
    exports.save("loose.npz", cohort[22])
    exports.save("../elsewhere.npz", cohort[24])
    (folder / "p0/link.npz").symlink_to(folder.parent / "elsewhere.npz")
    (folder / "p0/all").symlink_to(folder.parent, target_is_directory=True)
    exports.save("p0/two\nlines.npz", cohort[26])
    return {
        ("unreadable", "cut/a.npz", STOPS),
        ("unreadable", "p0/broken.mp4", LOOK),
        ("not a clip", "p0/notes.txt", LOOK),
        ("no patient", "loose.npz", LOOK),
        ("link", "p0/link.npz", LOOK),
        ("link", "p0/all", LOOK),
        ("odd name", "p0/two\N{REPLACEMENT CHARACTER}lines.npz", LOOK),
    }


def plant_labels(exports):
    for number, name in enumerate(["none", "odd", "over", "box", "again", "partly", "short"]):
        exports.save(f"{name}/a.npz", exports.cohort[30 + 2 * number])
    exports.save("unsaid/a.npz", exports.cohort[44])
    exports.say("none/a.npz", grade="")
    exports.say("odd/a.npz", grade="sever")
    exports.say("p0/gone.npz")
    exports.say("over/a.npz", first_frame=3, frames=6)
    exports.say("box/a.npz", box=Region(10, 10, 60, 65))
    exports.say("again/a.npz")
    exports.say("again/a.npz", frames=8)
    exports.say("partly/a.npz", frames=5)
    exports.say("partly/a.npz", first_frame=4)
    exports.say("short/a.npz", first_frame=5, frames=3)
    return {
        ("no grade", "none/a.npz", STOPS),
        ("unknown grade", "odd/a.npz", STOPS),
        ("no such clip", "p0/gone.npz", STOPS),
        ("beyond the clip", "over/a.npz", STOPS),
        ("beyond the clip", "box/a.npz", STOPS),
        ("row twice", "again/a.npz", STOPS),
        ("rows overlap", "partly/a.npz", LOOK),
        ("few frames", "short/a.npz", STOPS),
        ("no row", "unsaid/a.npz", LOOK),
    }


def plant_twins(exports):
    folder, cohort = exports.folder, exports.cohort
    exports.save("p0/same.npz", cohort[0], person="person 0")
    exports.save("copy/a.npz", cohort[4])
    encoded(cohort[2], folder / "p1/again.mp4")
    exports.save("bright/a.npz", np.clip(cohort[6] * 1.2 + 8, 0, 255).astype(np.uint8))
    exports.save("cropped/a.npz", cohort[8][:, 1:, 2:])
    exports.save("late/a.npz", cohort[10][3:])
    exports.save("mirrored/a.npz", cohort[1][..., ::-1])
    exports.save("twin/a.npz", cohort[46], person="one")
    exports.save("twin_too/a.npz", cohort[48], person="one")
    exports.say("p0/same.npz")
    exports.say("copy/a.npz", split="test")
    exports.say("p1/again.mp4")
    exports.say("bright/a.npz", split="validation")
    exports.say("cropped/a.npz")
    exports.say("late/a.npz", split="test")
    exports.say("mirrored/a.npz")
    exports.say("twin/a.npz")
    exports.say("twin_too/a.npz", split="test")
    exports.save("moved/a.npz", cohort[50], person="moved")
    exports.save("moved/b.npz", cohort[52], person="moved")
    exports.say("moved/a.npz")
    exports.say("moved/b.npz", split="test")
    return {
        ("duplicate", "p0/same.npz", LOOK),
        ("both sides", "p2/4.npz", STOPS),
        ("near-duplicate", "p1/again.mp4", LOOK),
        ("no scale", "p1/again.mp4", LOOK),
        ("near-duplicate", "p3/6.npz", LOOK),
        ("both sides", "p4/8.npz", STOPS),
        ("near-duplicate", "p5/10.npz", LOOK),
        ("near-duplicate", "p0/1.npz", LOOK),
        ("one person", "twin_too/a.npz", STOPS),
        ("both sides", "moved", STOPS),
        ("sizes differ", ALL, LOOK),
    }


def plant_pictures(exports):
    folder, cohort = exports.folder, exports.cohort
    (folder / "doppler/a").mkdir(parents=True)
    for number, frame in enumerate(cohort[60]):
        colours = np.stack([frame] * 3, axis=-1)
        colours[20:30, 20:30] = 200, 30, 10
        Image.fromarray(colours).save(folder / f"doppler/a/{number}.png")
    exports.save("split/a.npz", side_by_side(cohort[62], cohort[65]))
    exports.save("marked/a.npz", with_cross(cohort[66], 32, 20))
    exports.save("frozen/a.npz", np.repeat(cohort[68][:1], 8, axis=0))
    exports.save("unknown/a.npz", cohort[70], mm_per_px=None)
    exports.save("deep/a.npz", cohort[72], mm_per_px=0.25)
    exports.save("small/a.npz", cohort[74])
    for name in ("doppler/a", "split/a", "marked/a", "frozen/a", "unknown/a", "deep/a"):
        exports.say(name if name == "doppler/a" else f"{name}.npz")
    exports.say("small/a.npz", box=Region(20, 20, 35, 60))
    return {
        ("colour", "doppler/a", LOOK),
        ("no scale", "doppler/a", LOOK),
        ("two pictures", "split/a.npz", LOOK),
        ("marks", "marked/a.npz", LOOK),
        ("frozen", "frozen/a.npz", STOPS),
        ("no scale", "unknown/a.npz", LOOK),
        ("scales differ", ALL, LOOK),
        ("sizes differ", ALL, LOOK),
        ("small tissue", "small/a.npz", LOOK),
    }


PLANTS = (plant_files, plant_labels, plant_twins, plant_pictures)


def test_a_folder_in_order_has_no_findings(exports):
    report = examine(exports.write(), frames=4, size=64, workers=1)
    assert report.findings == report.stops == ()
    assert sorted(path.name for path in exports.folder.iterdir() if path.is_file()) == [
        "labels.csv"
    ]


def test_every_fault_is_found_and_nothing_else(exports):
    planted = set().union(*(plant(exports) for plant in PLANTS))
    found = found_in(exports.write())
    assert set(found) == planted | {("unbalanced", ALL, LOOK)}
    assert len(found) == len({*found})
    assert [stops for *_, stops in found] == sorted((stops for *_, stops in found), reverse=True)


@pytest.mark.parametrize("plant", PLANTS)
def test_faults_of_one_sort_do_not_need_the_others(exports, plant):
    planted = plant(exports)
    assert set(found_in(exports.write())) - {("unbalanced", ALL, LOOK)} == planted


def relabelled(exports, **change):
    for name, rows in exports.labels.items():
        exports.labels[name] = [replace(row, **change) for row in rows]


def one_grade(exports):
    relabelled(exports, grade="mild")
    return {("grade missing", ALL, STOPS)} | {("grade missing", ALL, LOOK)}


def one_side_of_one_grade(exports):
    for name in ("p2/4.npz", "p2/5.npz", "p3/6.npz", "p3/7.npz"):
        exports.labels[name] = [replace(exports.labels[name][0], grade="mild")]
    return {("grade missing", ALL, LOOK)}


def few_severe(exports):
    rows = [*exports.labels]
    for name in (*rows[:8], *rows[9:11]):
        exports.labels[name] = [replace(exports.labels[name][0], grade="mild", split="")]
    relabelled(exports, split="")
    return {("unbalanced", ALL, LOOK)}


def two_patients(exports):
    exports.labels = {name: rows for name, rows in exports.labels.items() if name < "p2"}
    relabelled(exports, split="")
    for patient in ("p2", "p3", "p4", "p5"):
        shutil.rmtree(exports.folder / patient)
    return {("few patients", ALL, STOPS)}


def no_validation(exports):
    for name in ("p2/4.npz", "p2/5.npz", "p3/6.npz", "p3/7.npz"):
        exports.labels[name] = [replace(exports.labels[name][0], split="train")]
    return {("side empty", ALL, STOPS)}


def half_a_split(exports):
    for name in ("p4/8.npz", "p4/9.npz"):
        exports.labels[name] = [replace(exports.labels[name][0], split="")]
    return {("split missing", ALL, STOPS)}


def copied_between_patients(exports):
    relabelled(exports, split="")
    exports.save("p5/9.npz", exports.cohort[9], person="person 5")
    exports.say("p5/9.npz", split="", grade="severe")
    return {("duplicate", "p5/9.npz", STOPS)}


def contradiction(exports):
    exports.save("p5/same.npz", exports.cohort[11], person="person 5")
    exports.say("p5/same.npz", split="test", grade="mild")
    return {("duplicate", "p5/same.npz", STOPS)}


def near_between_patients(exports):
    relabelled(exports, split="")
    encoded(exports.cohort[9], exports.folder / "p5/9.mp4", quality=23)
    exports.say("p5/9.mp4", split="", grade="severe")
    return {("near-duplicate", "p5/9.mp4", STOPS), ("no scale", "p5/9.mp4", LOOK)}


def mirrored_between_patients(exports):
    relabelled(exports, split="")
    exports.save("p5/9.npz", exports.cohort[9][:, ::-1], person="person 5")
    exports.say("p5/9.npz", split="", grade="severe")
    return {("near-duplicate", "p5/9.npz", STOPS)}


def everybody_is_anonymous(exports):
    for number in range(12):
        exports.save(f"p{number // 2}/{number}.npz", exports.cohort[number], person="ANONYMOUS")
    return {
        ("one person", f"p{patient}/{2 * patient}.npz", LOOK) for patient in (2, 3, 4, 5)
    }  # p1 is in train, as p0


def nothing_can_be_read(exports):
    for name in [*exports.labels]:
        (exports.folder / name).write_bytes(b"")
    spoiled = {("unreadable", name, STOPS) for name in exports.labels}
    return spoiled | {("no clips", ALL, STOPS)}


@pytest.mark.parametrize(
    "plant",
    [
        one_grade,
        one_side_of_one_grade,
        few_severe,
        two_patients,
        no_validation,
        half_a_split,
        copied_between_patients,
        contradiction,
        near_between_patients,
        mirrored_between_patients,
        everybody_is_anonymous,
        nothing_can_be_read,
    ],
)
def test_a_fault_of_the_whole_folder(exports, plant):
    planted = plant(exports)
    assert set(found_in(exports.write())) == planted


def test_without_labels_it_writes_a_table_to_fill_in(exports):
    assert found_in(exports.folder) == [("no labels", "labels.csv", STOPS)]
    rows = read_labels(exports.folder / "labels.csv")
    assert [row.clip for row in rows] == sorted(exports.labels)
    assert {row.grade for row in rows} == {""}
    assert found_in(exports.folder) == [("no grade", row.clip, STOPS) for row in rows]


def test_labels_that_are_there_are_never_written_over(exports):
    labels = exports.folder / "labels.csv"
    labels.write_text("clip,garde\np0/0.npz,mild\n")
    assert found_in(exports.folder) == [("labels unreadable", "labels.csv", STOPS)]
    assert labels.read_text() == "clip,garde\np0/0.npz,mild\n"
    labels.unlink()
    (exports.folder.parent / "other.csv").write_text("clip,grade\n")
    labels.symlink_to(exports.folder.parent / "other.csv")
    assert found_in(exports.folder) == [("labels unreadable", "labels.csv", STOPS)]
    labels.unlink()
    labels.symlink_to(exports.folder / "nowhere.csv")
    assert found_in(exports.folder) == [("labels unreadable", "labels.csv", STOPS)]


def test_every_kind_is_planted_somewhere():
    text = Path(__file__).read_text("utf-8")
    assert [kind for kind in KINDS if f'("{kind}", ' not in text] == []


def test_of_a_mirrored_copy_it_is_said_that_it_is_one(exports):
    exports.save("p0/copy.npz", exports.cohort[0], person="person 0", mm_per_px=0.1)
    for name, frames in (("mirror", exports.cohort[2][..., ::-1]), ("part", exports.cohort[4][2:])):
        exports.save(f"p0/{name}.npz", frames, person="person 0")
    report = examine(exports.folder, frames=4, size=64, workers=1)
    said = [finding.what for finding in report.findings if finding.kind == "near-duplicate"]
    assert said == [
        "shares all of its frames with " + name
        for name in ("p0/mirror.npz, mirrored", "p0/part.npz")
    ]


def test_a_box_says_which_of_two_pictures_is_meant(exports):
    pictures = side_by_side(exports.cohort[62], exports.cohort[66])
    exports.save("p0/two.npz", pictures, person="person 0")
    exports.say("p0/two.npz", box=Region(0, 0, 64, 64))
    assert found_in(exports.write()) == [("sizes differ", ALL, LOOK)]
    exports.labels["p0/two.npz"] = [replace(exports.labels["p0/two.npz"][0], box=None)]
    both = {("two pictures", "p0/two.npz", LOOK), ("sizes differ", ALL, LOOK)}
    assert set(found_in(exports.write())) == both


def test_marks_count_where_the_box_is_and_nowhere_else(exports):
    exports.save("p0/marked.npz", with_cross(exports.cohort[66], 50, 50), person="person 0")
    exports.say("p0/marked.npz", box=Region(0, 0, 40, 40))
    assert found_in(exports.write()) == []
    exports.say("p0/marked.npz", box=Region(20, 20, 60, 60), first_frame=4)
    exports.labels["p0/marked.npz"][0] = replace(exports.labels["p0/marked.npz"][0], frames=4)
    assert found_in(exports.write()) == [("marks", "p0/marked.npz", LOOK)]


def test_a_loop_that_freezes_is_found_where_it_is_frozen(exports):
    clip = exports.cohort[80]
    exports.save("p0/long.npz", np.concatenate([clip, clip[-1:].repeat(6, axis=0)]), "person 0")
    exports.say("p0/long.npz", frames=8)
    assert found_in(exports.write()) == []
    exports.say("p0/long.npz", first_frame=8)
    assert found_in(exports.write()) == [("frozen", "p0/long.npz", STOPS)]


def test_files_that_are_called_alike_are_not_one_person(exports):
    for patient, number in ((0, 90), (4, 92)):
        encoded(exports.cohort[number], exports.folder / f"p{patient}/film.mp4")
        exports.say(f"p{patient}/film.mp4", split=SIDES[patient])
    found = [("no scale", f"p{patient}/film.mp4", LOOK) for patient in (0, 4)]
    assert found_in(exports.write()) == found


@pytest.mark.slow
def test_processes_make_no_difference(exports):
    for plant in PLANTS:
        plant(exports)
    alone = examine(exports.write(), frames=4, size=64, workers=1)
    together = examine(exports.folder, frames=4, size=64, workers=2)
    assert together.findings == alone.findings
    assert repr(together) == repr(alone)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"frames": 0}, "wanted 1 or more: got frames=0"),
        ({"workers": 0}, "workers=0"),
        ({"grades": ["mild"]}, "two or more names of grades: got mild"),
        ({"grades": ["mild", "mild"]}, "got mild, mild"),
    ],
)
def test_what_cannot_be_asked_for(exports, how, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        examine(exports.folder, **{"workers": 1} | how)


def test_there_must_be_a_folder(tmp_path):
    with pytest.raises(ValueError, match="nowhere is no folder"):
        examine(tmp_path / "nowhere", workers=1)
