"""Cohorts: their patients and splits, their files, resume to the same bytes, the contact sheet."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import groupby

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from csglib import read_clip
from csglib.data import RULES, check_no_overlap, save_clip
from csglib.data.cohort import read_cohort, read_manifest, read_metadata
from csglib.phantom import make_cohort as making
from csglib.phantom.contact_sheet import contact_sheet, sample
from csglib.phantom.make_cohort import clip_file, make_cohort, work_left
from csglib.phantom.patients import PLAQUES, CohortSpec, clip_specs
from csglib.phantom.recipe import PER_PATIENT, check_parameters

from ..conftest import contents, in_this_process

THIRD = {"margin", "lower", "aside", "side", "stenosis", "length", "sharpness", "calcified"}
THIRD |= {"speed", "cluttered", "shadowed"}
SMALL = CohortSpec(patients=5, size=16, seed=1)
PAPER = {
    8: {"train": 318, "validation": 23, "test": 118},
    16: {"train": 278, "validation": 23, "test": 109},
}
MARK = np.array([0xD9, 0x48, 0x0F])


@cache
def specs(**what):
    return clip_specs(CohortSpec(**what))


@pytest.mark.parametrize(("phantom", "seed"), [(3, 0), (3, 2023), (2, 0)])
@pytest.mark.parametrize("frames", [8, 16])
def test_the_paper_s_cohort_has_the_paper_s_totals_and_one_clip_a_plaque(frames, phantom, seed):
    clips = specs(frames=frames, seed=seed, phantom=phantom)
    assert Counter(spec.split for spec in clips) == PAPER[frames]
    assert len({spec.patient for spec in clips}) == 169
    assert len({spec.video for spec in clips}) == len({spec.seed for spec in clips}) == 200
    assert len({spec.name for spec in clips}) == len(clips)
    assert len({(spec.video, spec.plaque) for spec in clips}) == len(clips)
    plaques = Counter(spec.plaque for spec in clips)
    assert len(plaques) == PLAQUES
    assert max(plaques.values()) < 1.3 * min(plaques.values()), "not always the first ones"
    edge = 0 if phantom == 3 else frames // 4
    assert {spec.before for spec in clips} == set(range(edge, frames - edge))


@pytest.mark.parametrize("frames", PAPER)
@pytest.mark.parametrize("patients", [3, 5, 40])
def test_other_numbers_of_patients_keep_the_proportions_and_never_overlap(patients, frames):
    clips = specs(frames=frames, patients=patients, seed=1)
    check_no_overlap([spec.patient for spec in clips], [spec.split for spec in clips])
    assert len({spec.patient for spec in clips}) == patients
    assert len({spec.video for spec in clips}) == round(200 * patients / 169)
    for split, count in PAPER[frames].items():
        own = [spec for spec in clips if spec.split == split]
        videos = len({spec.video for spec in own})
        wanted = round(count * patients / 169)
        assert len(own) == min(max(wanted, videos), PLAQUES * videos) > 0


def test_a_seed_decides_everything_and_another_decides_otherwise():
    short, long = (  # 16 frames start from a network for 8, which must not have seen their test
        {(s.patient, s.split, s.video, s.seed): s.parameters for s in specs(frames=f)}
        for f in (8, 16)
    )
    assert short == long
    one, again, other = (clip_specs(CohortSpec(seed=seed, patients=50)) for seed in (4, 4, 5))
    assert one == again
    assert {s.patient: s.split for s in one} != {s.patient: s.split for s in other}
    second = [{s.patient for s in clips if "_v2" in s.name} for clips in (one, other)]
    assert second[0] != second[1]
    assert not {s.seed for s in one} & {s.seed for s in other}


@pytest.mark.parametrize("phantom", [2, 3])
def test_a_patient_has_the_same_parameters_in_all_videos_and_splits_are_alike(phantom):
    patients = {}
    for spec in specs(phantom=phantom):
        own = {name: spec.parameters[name] for name in PER_PATIENT if name != "isoechoic"}
        assert patients.setdefault(spec.patient, own) == own
        of_video = {n: v for n, v in spec.parameters.items() if n not in PER_PATIENT}
        assert of_video.keys() == (THIRD if phantom == 3 else set())
        for plaque in range(PLAQUES):
            each = {n: v[plaque] if isinstance(v, list) else v for n, v in of_video.items()}
            check_parameters(own | each)
    assert {"diameter", "scanner", "gain", "heart_rate"} < set(PER_PATIENT)
    of_lesion, of_sweep = "stenosis plaque side length calcified", "roll speed margin aside lower"
    assert not {*of_lesion.split(), *of_sweep.split(), "field"} & set(PER_PATIENT)
    assert len({values["depth"] for values in patients.values()}) == 169
    assert len({values["scanner"] for values in patients.values()}) > 2
    train, test = (
        np.mean([s.parameters["diameter"] for s in specs(phantom=phantom) if s.split == split])
        for split in ("train", "test")
    )
    assert train == pytest.approx(test, rel=0.08)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frames", 9, "8 or 16, .*"),
        ("size", 15, "16 to 1024 pixels"),
        ("seed", -1, "0 or more"),
        ("patients", 2, "3 or more, .*"),
        ("phantom", 1, "2 or 3"),
        ("rule", "nascet", f"one of {', '.join(RULES)}"),
        ("observer", float("nan"), ".* from 0 to 0.5"),
    ],
)
def test_values_out_of_range_are_refused(name, value, message):
    with pytest.raises(ValueError, match=f"^{name} must be {message}: got {value}$"):
        CohortSpec(**{name: value})


def refused(message, folder, spec=SMALL, **options):
    with pytest.raises(ValueError, match=message):
        make_cohort(folder, spec, **options)


@pytest.fixture
def folder(a_cheap_cohort, tmp_path, cheap_videos):
    """A copy of a whole cohort; `cheap_videos` lists only what is made again."""
    return shutil.copytree(a_cheap_cohort, tmp_path / "cohort")


def test_folder_manifest_and_clips_agree(folder):
    rows, clips = read_manifest(folder), clip_specs(SMALL)
    assert [row["clip"] for row in rows] == [f"clips/{spec.name}.npz" for spec in clips]
    others = {"cohort.json", "manifest.csv", "contact_sheet.png"}
    assert set(contents(folder)) == others | {row["clip"] for row in rows}
    facts = read_metadata(folder)
    assert (facts["patients"], facts["size"], facts["seed"]) == (5, 16, 1)
    assert facts["grades"] == ("mild", "severe")
    for row, spec in zip(rows, clips, strict=True):
        clip = read_clip(folder / row["clip"])
        narrowest = int(clip.truth.area_stenosis.argmax())
        closed = clip.truth.diameter_stenosis[narrowest]
        wanted = {
            "sha256": hashlib.sha256((folder / row["clip"]).read_bytes()).hexdigest(),
            "patient": spec.patient, "split": spec.split, "video": spec.video,
            "narrowest_frame": str(narrowest), "grade_index": str(int(closed >= 0.5)),
            "grade": ("mild", "severe")[int(closed >= 0.5)], "observed_stenosis": "",
            "plaque": "III", "side": "near", "calcified": "0.125",
            "scanner": spec.parameters["scanner"],
            "depth_mm": f"{spec.parameters['depth']:.1f}",
        }  # fmt: skip
        assert wanted.items() <= row.items()
        assert clip.patient == spec.patient
        assert float(row["diameter_stenosis"]) == pytest.approx(closed, abs=1e-6)
        assert float(row["diameter_mm"]) == pytest.approx(spec.parameters["diameter"], abs=0.01)


def test_a_clip_is_a_window_of_its_video_and_a_video_is_made_once(tmp_path, cheap_videos):
    make_cohort(tmp_path / "c", SMALL)
    assert sorted(cheap_videos) == sorted({spec.seed for spec in clip_specs(SMALL)})
    clamped = 0
    for row, spec in zip(read_manifest(tmp_path / "c"), clip_specs(SMALL), strict=True):
        clip = read_clip(tmp_path / "c" / row["clip"])
        video = making.make_video(spec.seed, PLAQUES, SMALL.size, **spec.parameters)
        first, key = int(row["first_frame"]), (2, 20, 37)[spec.plaque]
        np.testing.assert_array_equal(clip.frames, video.clip(first, 8).frames)
        assert (row["video"], clip.patient) == (spec.video, spec.patient)
        assert int(row["narrowest_frame"]) == key - first
        clamped += key - first != spec.before
        assert key - first == spec.before or first in (0, 41 - 8)
    assert 0 < clamped < len(clip_specs(SMALL)), "plaques near the ends, and others, were wanted"


@pytest.mark.parametrize("manifest", [True, False])
def test_whole_files_are_kept_and_damaged_ones_made_again(folder, cheap_videos, manifest):
    """Files are known by their checksums or, without a manifest, by what is in them."""
    before = contents(folder)
    make_cohort(folder, SMALL)
    assert (contents(folder), cheap_videos) == (before, [])
    files = sorted((folder / "clips").iterdir())
    by_video = groupby(files, lambda path: path.stem[:-1])
    swapped, other, *_ = next(clips for _, (*clips,) in by_video if len(clips) > 1)
    gone, cut, darkened = [path for path in files if path not in (swapped, other)][:3]
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-40])
    swapped.write_bytes(other.read_bytes())
    (folder / "clips" / ".p001_v1_c1.npz.77.part").write_bytes(b"half")
    if manifest:
        clip = read_clip(darkened)
        save_clip(replace(clip, frames=clip.frames // 2), darkened)
    else:
        (folder / "manifest.csv").write_text("")
    assert work_left(folder, SMALL).clips == 1
    make_cohort(folder, SMALL)
    assert contents(folder) == before
    assert cheap_videos


@pytest.mark.usefixtures("cheap_videos")
def test_an_observer_grades_what_it_sees_and_four_grades_keep_their_names(tmp_path):
    make_cohort(tmp_path / "four", CohortSpec(patients=5, size=16, rule="four_grades"))
    sets = read_cohort(tmp_path / "four")
    names = ("mild", "moderate", "severe", "occlusion")
    assert {clips.grade_names for clips in sets.values()} == {names}
    assert set(sets["train"].grades.tolist()) >= {0, 1, 2}
    make_cohort(tmp_path / "c", CohortSpec(patients=9, size=16, rule="area_75", observer=0.2))
    graded = read_metadata(tmp_path / "c")["graded_by"]
    assert graded == "area_75 of an observer with errors of 0.2"
    rows = read_manifest(tmp_path / "c")
    seen, truth = (
        np.array([float(row[f"{name}_stenosis"]) for row in rows]) for name in ("observed", "area")
    )
    error = (seen - truth)[(seen > 0) & (seen < 0.99)]
    assert 0.1 < error.std() < 0.3
    assert len(set(error.tolist())) == len(error) > 9
    grades = [RULES["area_75"].grade(stenosis) for stenosis in seen]
    assert [int(row["grade_index"]) for row in rows] == grades
    assert np.any(grades != (truth >= 0.75)), "no error ever mattered"


def test_an_estimate_shrinks_as_clips_are_made(tmp_path, folder):
    new = work_left(tmp_path / "new", CohortSpec())
    short, long = (work_left(tmp_path / "new", CohortSpec(frames=frames)) for frames in PAPER)
    assert long.seconds / short.seconds == pytest.approx(410 * 16 / (459 * 8)), "by frames"
    assert new.sentence(2).startswith("459 clips to make: about ")
    assert work_left(folder, SMALL) == (0, 0, 0)
    assert work_left(folder, SMALL).sentence(1).startswith("nothing to make")


@pytest.mark.usefixtures("cheap_videos")
def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    refused("file is a file; name a folder", tmp_path / "file")
    refused("file/inside cannot be written: .*Not a directory", tmp_path / "file" / "inside")
    refused(r"holds other files \(file\); name a new folder", tmp_path)
    assert contents(tmp_path) == {"file": b"mine"}
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".cohort.json.5.part").write_text("{")  # killed while it began
    make_cohort(tmp_path / "new", SMALL)
    assert len(read_manifest(tmp_path / "new")) == len(clip_specs(SMALL))


def test_another_a_locked_or_a_damaged_cohort_is_left_as_it_is(folder, monkeypatch):
    before = contents(folder)
    refused("jobs must be 1 or more: got 0", folder, jobs=0)
    with FileLock(folder / ".lock"):
        refused("is being written by another process", folder)
    differ = "patients 5 where 6 is wanted, phantom 3 where 2 is wanted"
    other = CohortSpec(patients=6, size=16, seed=1, phantom=2)
    refused(f"another cohort, of {differ}; name another folder$", folder, other)
    assert contents(folder) == before
    (folder / "cohort.json").write_text("{")
    refused(r"cohort.json is damaged \(.*\)", folder)


@pytest.mark.usefixtures("cheap_videos")
def test_a_disk_error_on_the_way_loses_nothing(a_cheap_cohort, tmp_path, monkeypatch):
    save, saved = making.save_clip, []

    def fails_at_the_fifth(clip, path):
        if len(saved) == 4:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        saved.append(path)
        save(clip, path)

    monkeypatch.setattr(making, "save_clip", fails_at_the_fifth)
    refused("cannot be written: .*Permission denied", tmp_path / "c")
    assert sorted((tmp_path / "c" / "clips").iterdir()) == sorted(saved)
    with pytest.raises(ValueError, match=r"without manifest\.csv"):
        read_cohort(tmp_path / "c")
    monkeypatch.setattr(making, "save_clip", save)
    make_cohort(tmp_path / "c", SMALL)
    assert contents(tmp_path / "c") == contents(a_cheap_cohort)


def test_killed_and_in_other_processes_the_bytes_are_the_same(tmp_path, monkeypatch):
    """From the command line, killed after a clip or two; these and another are made here."""
    killed, calm, cohort = tmp_path / "killed", tmp_path / "calm", CohortSpec(patients=3, size=16)
    words = [sys.executable, "-m", "csglib", "simulate", str(killed), "--workers", "2"]
    words += ["--patients", "3", "--image-size", "16"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not [*killed.glob("clips/p*.npz")] and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    left = [spec for spec in clip_specs(cohort) if not clip_file(killed, spec).exists()]
    made = [spec for spec in clip_specs(cohort) if spec not in left]
    assert made and left, "killed too late to show anything"
    assert not (killed / "manifest.csv").exists()
    monkeypatch.setattr(making, "workers", in_this_process)
    monkeypatch.setattr(making, "clip_specs", lambda _: [*made, left[0]])
    for folder in (killed, calm):
        make_cohort(folder, cohort)
    assert contents(calm).items() <= contents(killed).items()  # a worker may end a clip later


def test_a_sample_goes_evenly_from_open_to_closed():
    rng = np.random.default_rng(1)
    rows = [
        {"clip": f"{number:03d}", "diameter_stenosis": str(rng.random())} for number in range(56)
    ]
    few = sample(rows)
    closed = [float(r["diameter_stenosis"]) for r in few]
    assert len(few) == 6
    assert closed == sorted(closed)
    assert max(closed) - min(closed) > 0.5
    assert sample(rows[::-1]) == few
    assert sample(rows[:1]) == rows[:1]


def test_a_contact_sheet_shows_frames_and_marks_the_narrowest(a_cheap_cohort):
    rows = read_manifest(a_cheap_cohort)
    page = contact_sheet(a_cheap_cohort, rows)
    assert page.tobytes() == contact_sheet(a_cheap_cohort, rows[::-1]).tobytes()
    marked = (np.asarray(page) == MARK).all(axis=-1)
    frames = [marked[:, 248 + n * 116 : 248 + n * 116 + 112].any() for n in range(8)]
    mild, severe = (
        sample([r for r in rows if r["grade"] == grade]) for grade in ("mild", "severe")
    )
    narrowest = {int(r["narrowest_frame"]) for r in mild + severe}
    assert frames == [n in narrowest for n in range(8)]
    assert marked[:, :240].sum() == 0, "a mark among the captions"
    clip = read_clip(a_cheap_cohort / mild[0]["clip"])
    frame = Image.fromarray(clip.frames[7]).resize((112, 112), Image.Resampling.LANCZOS)
    x, y = 248 + 7 * 116, 92 + 52
    np.testing.assert_array_equal(np.asarray(page.crop((x, y, x + 112, y + 112)))[..., 0], frame)
