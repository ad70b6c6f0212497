import numpy as np
import pytest
from PIL import Image

from csglib.data.cohort import read_manifest
from csglib.phantom.contact_sheet import contact_sheet, sample

MARK = np.array([0xD9, 0x48, 0x0F])


def row(number, split, closed):
    return {"clip": f"clips/{number:03d}.npz", "split": split, "diameter_stenosis": f"{closed:f}"}


def test_a_sample_shows_each_side_from_open_to_closed():
    rng = np.random.default_rng(1)
    sides = ["train"] * 40 + ["validation"] * 5 + ["test"] * 11
    rows = [row(n, side, rng.random()) for n, side in enumerate(sides)]
    few = sample(rows)
    closed = [float(r["diameter_stenosis"]) for r in few]
    assert sorted(r["split"] for r in few) == ["test"] * 2 + ["train"] * 2 + ["validation"] * 2
    assert closed == sorted(closed)
    assert max(closed) - min(closed) > 0.5
    assert sample(rows[::-1]) == few


@pytest.mark.parametrize("sides", [["test"], ["train"] * 3, ["train", "train", "test"]])
def test_a_sample_of_few_is_all_of_them_once(sides):
    rows = [row(n, side, n / 10) for n, side in enumerate(sides)]
    assert sample(rows) == rows


def test_a_page_marks_the_narrowest_frame_of_each_clip(a_cheap_cohort):
    rows = read_manifest(a_cheap_cohort)
    page = np.asarray(contact_sheet(a_cheap_cohort, rows))
    marked = (page == MARK).all(axis=-1)
    tall = marked.sum(axis=0)
    frames = [marked[:, 248 + n * 116 : 248 + n * 116 + 112].any() for n in range(8)]
    grades = {r["grade"] for r in rows}
    shown = [r for g in grades for r in sample([r for r in rows if r["grade"] == g])]
    assert frames == [any(int(r["narrowest_frame"]) == n for r in shown) for n in range(8)]
    assert tall[:240].sum() == 0, "a mark among the captions"


def test_a_page_shows_the_frames_themselves(a_cheap_cohort):
    rows = read_manifest(a_cheap_cohort)
    page = contact_sheet(a_cheap_cohort, rows)
    with np.load(
        a_cheap_cohort / sample([r for r in rows if r["grade"] == "mild"])[0]["clip"]
    ) as clip:
        frame = Image.fromarray(clip["frames"][7]).resize((112, 112), Image.Resampling.LANCZOS)
    x, y = 248 + 7 * 116, 92 + 52
    np.testing.assert_array_equal(np.asarray(page.crop((x, y, x + 112, y + 112)))[..., 0], frame)


def test_the_same_clips_make_the_same_page(a_cheap_cohort):
    rows = read_manifest(a_cheap_cohort)
    first, second = contact_sheet(a_cheap_cohort, rows), contact_sheet(a_cheap_cohort, rows[::-1])
    assert first.tobytes() == second.tobytes()
