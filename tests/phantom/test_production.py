import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from csglib.data.clips import save_clip
from csglib.data.cohort import COLUMNS, read_cohort, read_manifest, read_metadata
from csglib.data.readers import read_clip
from csglib.data.stenosis import RULES
from csglib.phantom import make_cohort as making
from csglib.phantom.make_cohort import make_cohort, work_left
from csglib.phantom.patients import CohortSpec, clip_specs

TINY = CohortSpec(patients=5, size=16, seed=1)


def contents(folder: Path) -> dict[str, str]:
    """What would be copied: every file but the lock, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture
def folder(a_cheap_cohort, tmp_path, cheap_videos):
    """A whole cohort of the test's own; `cheap_videos` knows only what is made again."""
    return shutil.copytree(a_cheap_cohort, tmp_path / "cohort")


def test_a_folder_has_all_its_clips_and_says_what_they_are(folder):
    ordered, rows = clip_specs(TINY), read_manifest(folder)
    assert [row["clip"] for row in rows] == [f"clips/{order.name}.npz" for order in ordered]
    assert set(contents(folder)) == {"cohort.json", "manifest.csv", "contact_sheet.png"} | {
        row["clip"] for row in rows
    }
    facts = read_metadata(folder)
    assert facts["what"] == "Simulated clips of carotid plaques; not for diagnosis."
    assert (facts["patients"], facts["size"], facts["seed"]) == (5, 16, 1)
    assert facts["grades"] == ("mild", "severe")
    assert facts["columns_of_the_manifest"] == COLUMNS
    with Image.open(folder / "contact_sheet.png") as page:
        assert page.width > 8 * 100


def test_a_row_says_what_is_in_its_file(folder):
    for row, order in zip(read_manifest(folder), clip_specs(TINY), strict=True):
        path = folder / row["clip"]
        clip = read_clip(path)
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row["patient"] == clip.patient == order.patient
        worst = int(row["narrowest_frame"])
        assert worst == clip.truth.area_stenosis.argmax()
        closed = clip.truth.diameter_stenosis[worst]
        assert float(row["diameter_stenosis"]) == pytest.approx(closed, abs=1e-6)
        assert row["grade_index"] == str(int(closed >= 0.5))
        assert row["grade"] == ("mild", "severe")[int(row["grade_index"])]
        assert row["observed_stenosis"] == ""
        assert (row["plaque"], row["side"], row["calcified"]) == ("III", "near", "0.125")
        assert row["scanner"] == order.parameters["scanner"]
        assert float(row["diameter_mm"]) == pytest.approx(order.parameters["diameter"], abs=0.01)


def test_a_clip_is_a_window_of_its_video_with_the_plaque_inside(tmp_path, cheap_videos):
    make_cohort(tmp_path / "c", TINY, videos=True)
    clamped = 0
    for row, order in zip(read_manifest(tmp_path / "c"), clip_specs(TINY), strict=True):
        clip = read_clip(tmp_path / "c" / row["clip"])
        video = read_clip(tmp_path / "c" / "videos" / f"{row['video']}.npz")
        first, key = int(row["first_frame"]), (2, 20, 37)[order.plaque]
        np.testing.assert_array_equal(clip.frames, video.frames[first : first + 8])
        assert (len(video.frames), video.patient) == (41, order.patient)
        assert int(row["narrowest_frame"]) == key - first
        clamped += key - first != order.before
        assert key - first == order.before or first in (0, 41 - 8)
    assert 0 < clamped < len(clip_specs(TINY)), "plaques near the ends, and others, were wanted"


def test_each_video_is_made_once(tmp_path, cheap_videos):
    make_cohort(tmp_path / "c", TINY)
    assert sorted(cheap_videos) == sorted({order.seed for order in clip_specs(TINY)})


def test_what_is_whole_is_kept_and_what_is_damaged_is_made_again(folder, cheap_videos):
    before = contents(folder)
    make_cohort(folder, TINY)
    assert (contents(folder), cheap_videos) == (before, [])
    gone, cut, swapped, other, darkened = sorted((folder / "clips").iterdir())[:5]
    clip = read_clip(darkened)
    save_clip(replace(clip, frames=clip.frames // 2), darkened)
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-40])
    swapped.write_bytes(other.read_bytes())
    assert work_left(folder, TINY).clips == 1
    (folder / "clips" / ".p001_v1_c1.npz.77.part").write_bytes(b"half")
    make_cohort(folder, TINY)
    assert contents(folder) == before
    assert cheap_videos


@pytest.mark.parametrize("spoil", [lambda text: "", lambda text: text.replace(",", ";")])
def test_without_its_manifest_a_clip_still_knows_which_it_is(folder, spoil):
    before = contents(folder)
    by_video = groupby(sorted((folder / "clips").iterdir()), lambda path: path.stem[:-1])
    one, other = next(clips for _, (*clips,) in by_video if len(clips) == 2)
    one.write_bytes(other.read_bytes())
    path = folder / "manifest.csv"
    path.write_text(spoil(path.read_text()))
    make_cohort(folder, TINY)
    assert contents(folder) == before


def test_videos_can_be_asked_for_later(folder, tmp_path, cheap_videos):
    clips = contents(folder)
    assert work_left(folder, TINY, videos=True)[:2] == (0, 6)
    make_cohort(folder, TINY, videos=True)
    make_cohort(tmp_path / "at_once", TINY, videos=True)
    assert contents(folder) == contents(tmp_path / "at_once") != clips
    assert clips.items() <= contents(folder).items()


def test_an_observer_grades_what_it_sees(tmp_path, cheap_videos):
    make_cohort(tmp_path / "c", CohortSpec(patients=9, size=16, rule="area_75", observer=0.2))
    rows = read_manifest(tmp_path / "c")
    seen = np.array([float(row["observed_stenosis"]) for row in rows])
    truth = np.array([float(row["area_stenosis"]) for row in rows])
    error = (seen - truth)[(seen > 0) & (seen < 0.99)]
    assert 0.1 < error.std() < 0.3
    assert len(set(error.tolist())) == len(error) > 9
    grades = [RULES["area_75"].grade(stenosis) for stenosis in seen]
    assert [int(row["grade_index"]) for row in rows] == grades
    assert np.any(grades != (truth >= 0.75)), "no error ever mattered"


def test_four_grades_travel_with_their_names(tmp_path, cheap_videos):
    make_cohort(tmp_path / "c", CohortSpec(patients=5, size=16, rule="four_grades"))
    sets = read_cohort(tmp_path / "c")
    names = ("mild", "moderate", "severe", "occlusion")
    assert {clips.grade_names for clips in sets.values()} == {names}
    assert set(sets["train"].grades.tolist()) >= {0, 1, 2}


def test_an_estimate_shrinks_as_clips_are_made(tmp_path, folder):
    new = work_left(tmp_path / "new", CohortSpec())
    assert new[:2] == (459, 0)
    assert new.sentence(2).startswith("459 clips to make: about 3 min on 2 processes, 170")
    assert work_left(folder, TINY) == (0, 0, 0, 0)
    assert work_left(folder, TINY).sentence(1).startswith("nothing to make")
    assert "and 200 videos" in work_left(tmp_path / "new", CohortSpec(), videos=True).sentence(2)


def test_nothing_is_written_into_what_is_no_cohort(tmp_path, cheap_videos):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="file is a file; name a folder"):
        make_cohort(tmp_path / "file", TINY)
    with pytest.raises(ValueError, match=r"file/inside cannot be written: .*Not a directory"):
        make_cohort(tmp_path / "file" / "inside", TINY)
    with pytest.raises(ValueError, match=r"holds other files \(file\); name a new folder"):
        make_cohort(tmp_path, TINY)
    assert contents(tmp_path) == {"file": hashlib.sha256(b"mine").hexdigest()}
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".cohort.json.5.part").write_text("{")  # killed while it began
    make_cohort(tmp_path / "new", TINY)
    assert len(read_manifest(tmp_path / "new")) == len(clip_specs(TINY))


def test_another_cohort_is_left_as_it_is(folder, monkeypatch):
    before = contents(folder)
    other = CohortSpec(patients=6, size=16, seed=1, rule="area_50")
    differ = "patients 5 where 6 is wanted, rule diameter_50 where area_50 is wanted"
    with pytest.raises(
        ValueError, match=f"holds another cohort, of {differ}; name another folder$"
    ):
        make_cohort(folder, other)
    monkeypatch.setattr(making, "VERSION", 99)
    with pytest.raises(ValueError, match=r"cohort, of phantom \d+ where 99 is wanted; name"):
        make_cohort(folder, TINY)
    assert contents(folder) == before


def test_a_damaged_cohort_json_is_named(folder):
    (folder / "cohort.json").write_text("{")
    with pytest.raises(ValueError, match=r"cohort.json is damaged \(.*\)"):
        make_cohort(folder, TINY)


def test_a_disk_that_is_too_small_is_seen_before_the_start(tmp_path, monkeypatch, cheap_videos):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(ValueError, match="needs 170 MB and its disk has 100 MB free; make room"):
        make_cohort(tmp_path / "deep" / "c", CohortSpec())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full; make room: what is made is kept, and the same command"),
        (errno.EACCES, "cannot be written: .*Permission denied"),
    ],
)
def test_a_disk_that_fails_on_the_way_costs_nothing(
    a_cheap_cohort, tmp_path, monkeypatch, cheap_videos, number, message
):
    save, saved = making.save_clip, []

    def fails_at_the_fifth(clip, path):
        if len(saved) == 4:
            raise OSError(number, os.strerror(number))
        saved.append(path)
        save(clip, path)

    monkeypatch.setattr(making, "save_clip", fails_at_the_fifth)
    with pytest.raises(ValueError, match=message):
        make_cohort(tmp_path / "c", TINY)
    assert sorted((tmp_path / "c" / "clips").iterdir()) == sorted(saved)
    with pytest.raises(ValueError, match=r"is half a cohort, without manifest\.csv"):
        read_cohort(tmp_path / "c")
    monkeypatch.setattr(making, "save_clip", save)
    make_cohort(tmp_path / "c", TINY)
    assert contents(tmp_path / "c") == contents(a_cheap_cohort)


def test_a_folder_that_may_not_be_made_is_named(tmp_path, monkeypatch, cheap_videos):
    def refuse(path, **how):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ValueError, match=r"c cannot be written: .*Permission denied: '.*/c'"):
        make_cohort(tmp_path / "c", TINY)


def test_only_one_process_writes(folder):
    with (
        FileLock(folder / ".lock"),
        pytest.raises(ValueError, match="is being written by another process"),
    ):
        make_cohort(folder, TINY)


def test_no_jobs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="jobs must be 1 or more: got 0"):
        make_cohort(tmp_path / "c", TINY, jobs=0)


def clips_in(folder: Path) -> int:
    return len([*folder.glob("clips/p*.npz")])


@pytest.mark.slow
def test_killed_twice_and_with_more_processes_the_bytes_are_the_same(tmp_path):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    settings = CohortSpec(patients=3, size=32, seed=2)
    make_cohort(calm, settings, jobs=1)
    words = [sys.executable, "-m", "csglib", "cohort", str(killed), "--jobs", "2"]
    words += ["--patients", "3", "--size", "32", "--seed", "2"]
    for enough in (1, 3):
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
            while clips_in(killed) < enough and process.poll() is None:
                time.sleep(0.02)
            process.kill()
        assert enough <= clips_in(killed) < clips_in(calm), "killed too late to show anything"
        assert not (killed / "manifest.csv").exists()
    make_cohort(killed, settings, jobs=2)
    assert contents(killed) == contents(calm)
