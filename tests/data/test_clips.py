"""Clips: resampling carries the truth along, saving is exact and atomic; regions; ground truth."""

from dataclasses import replace
from unittest.mock import Mock
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from scipy import ndimage

from csglib import Clip, resample
from csglib.data import DEFAULT_RULE, GRADES, RULES, Region, Truth, save_clip
from csglib.doctor.labels import Label, write_labels
from csglib.model.weights import write_weights

from ..conftest import circles
from .clip_files import simulated


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    save_clip(simulated(), one)
    save_clip(simulated(), two)
    assert one.read_bytes() == two.read_bytes()
    with ZipFile(one) as archive:  # a second later too: no clock inside
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


WRITERS = {
    "clip": lambda path, number: save_clip(simulated(1 + number), path),
    "weights": lambda path, number: write_weights(path, {"a": torch.tensor(number)}, {}),
    "labels": lambda path, number: write_labels(path, [Label(clip="p/a", grade=f"{number}")]),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_is_replaced_as_a_whole_or_not_at_all(kind, tmp_path, monkeypatch):
    path, write = tmp_path / "file.dat", WRITERS[kind]
    write(path, 0)
    before = path.read_bytes()
    with path.open("rb") as reader:
        write(path, 1)
        assert reader.read() == before
    after = path.read_bytes()
    assert after != before
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        write(path, 0)
    assert path.read_bytes() == after
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("have", "wanted", "kept"),
    [(7, 7, [*range(7)]), (5, 1, [0]), (11, 8, [0, 1, 3, 4, 6, 7, 9, 10])],
)
def test_frames_are_evenly_spaced_from_the_first_to_the_last(have, wanted, kept):
    grey = np.repeat(np.arange(have, dtype=np.uint8), 6 * 6).reshape(have, 6, 6)
    clip = resample(replace(simulated(have), frames=grey), frames=wanted, size=6)
    assert clip.frames[:, 0, 0].tolist() == kept
    np.testing.assert_array_equal(clip.truth.area_stenosis, np.linspace(0.1, 0.7, have)[kept])
    np.testing.assert_array_equal(clip.truth.diameter_stenosis, np.linspace(0.05, 0.55, have)[kept])


def test_a_clip_of_the_right_size_stays_as_it_is():
    clip = replace(simulated(), frames=simulated().frames[:, :, :37], region=Region(1, 2, 3, 4))
    same = resample(clip, frames=5, size=37)
    np.testing.assert_array_equal(same.frames, clip.frames)
    np.testing.assert_array_equal(same.truth.lumen, clip.truth.lumen)
    assert (same.mm_per_px, same.patient) == (clip.mm_per_px, clip.patient)
    assert same.truth.parameters == clip.truth.parameters
    assert same.region is None  # it was of the frames before they were cut
    bare = resample(Clip(frames=clip.frames, patient="p"), frames=2, size=11)
    assert (bare.mm_per_px, bare.truth) == (None, None)


@pytest.mark.parametrize("size", [41, 83, 166])
@pytest.mark.parametrize(("height", "width"), [(83, 131), (127, 83)])
def test_contours_stay_on_what_they_outline(height, width, size):
    """A disc's centre of mass and area, measured in the resized pixels, are its contour's."""
    centre, y, x = (width / 2 + 7.25, height / 2 - 5.5), *np.mgrid[:height, :width]
    disc = (np.hypot(x - centre[0], y - centre[1]) <= 19) * np.uint8(200)
    outer, inner, lumen = (circles([19.0] * 5, centre, 61) for _ in range(3))
    truth = replace(simulated().truth, vessel_outer=outer, vessel_inner=inner, lumen=lumen)
    clip = Clip(frames=disc[None].repeat(5, axis=0), patient="p", mm_per_px=0.1, truth=truth)
    clip = resample(clip, frames=3, size=size)
    scale, polygon = size / 83, clip.truth.lumen[1]
    for border in (clip.truth.vessel_outer, clip.truth.vessel_inner):
        np.testing.assert_array_equal(border[1], polygon)
    row, column = ndimage.center_of_mass(clip.frames[1])
    np.testing.assert_allclose(polygon.mean(axis=0), (column, row), atol=0.1 * max(scale, 1))
    assert clip.frames[1].sum() / 200 == pytest.approx(np.pi * (19 * scale) ** 2, rel=0.02)
    assert clip.mm_per_px * size == pytest.approx(0.1 * 83)  # the square is as many mm as before


def test_shrinking_averages_instead_of_picking_pixels():
    """Noise of one pixel has a deviation of 74; the mean of 8 x 8 such has about an eighth."""
    noise = np.random.default_rng(1).integers(0, 256, (2, 344, 344), dtype=np.uint8)
    small = resample(Clip(frames=noise, patient="p"), frames=2, size=43)
    assert small.frames.std() < 74 / 6
    assert small.frames.mean() == pytest.approx(127.5, abs=1)


def test_what_a_clip_cannot_give_is_refused():
    with pytest.raises(ValueError, match="asked for 6 frames of a clip that has 5"):
        resample(simulated(), frames=6, size=16)
    for frames, size in ((0, 16), (3, -1), (3, 0)):
        with pytest.raises(ValueError, match=f"one frame of one pixel: got {frames=}, {size=}"):
            resample(simulated(), frames=frames, size=size)


def rings(radii):
    borders = (circles(border, (40.0, 33.0), 128) for border in zip(*radii, strict=True))
    names, unknown = ("vessel_outer", "vessel_inner", "lumen"), np.zeros(len(radii))
    borders = dict(zip(names, borders, strict=True))
    return Truth(**borders, area_stenosis=unknown, diameter_stenosis=unknown)


def test_a_clip_is_graded_in_the_frame_with_the_largest_area_stenosis():
    """Frame 3 has lost more of one diameter; frame 1 has lost more of its area."""
    truth = replace(
        simulated().truth,
        area_stenosis=np.array([0.1, 0.74, 0.5, 0.6, 0.2]),
        diameter_stenosis=np.array([0.1, 0.49, 0.4, 0.58, 0.1]),
    )
    assert truth.narrowest == 1
    assert truth.stenosis(DEFAULT_RULE) == 0.49
    assert truth.stenosis(RULES["area_75"]) == 0.74
    assert (truth.grade, GRADES[truth.grade]) == (0, "mild")
    severe = {name for name, rule in RULES.items() if rule.grade(truth.stenosis(rule))}
    assert severe == {"area_50", "area_70"}
    for diameter, grade in ((0.499, "mild"), (0.5, "severe")):
        half = replace(truth, diameter_stenosis=np.full(5, diameter))
        assert GRADES[half.grade] == grade


def test_a_healthy_artery_reads_29_to_39_percent_against_its_outer_border():
    """Published walls of 0.6, 0.75 and 0.9 mm about a lumen of 3.25 mm radius, 9 pixels a mm."""
    lumen = 3.25 * 9
    healthy = rings([(lumen + wall * 9, lumen, lumen) for wall in (0.6, 0.75, 0.9)])
    np.testing.assert_array_equal((100 * healthy.outer_stenosis).round(), [29, 34, 39])


def test_plaque_lies_between_the_original_and_the_open_lumen():
    truth = rings([(33.0, 27.2, 27.2), (33.0, 27.2, 13.4), (33.0, 27.2, 0.0)])
    free, partly, closed = truth.plaque(71, 83)
    y, x = np.mgrid[:71, :83]
    away = np.hypot(x - 40, y - 33)
    assert not free.any()
    np.testing.assert_array_equal(partly, (away < 27.2) & (away > 13.4))
    np.testing.assert_array_equal(closed, away < 27.2)


def test_a_region_crops_intersects_and_refuses_the_impossible():
    frames = np.arange(2 * 5 * 7, dtype=np.uint8).reshape(2, 5, 7)
    np.testing.assert_array_equal(Region(1, 2, 4, 5).crop(frames), frames[:, 2:5, 1:4])
    with pytest.raises(ValueError, match="columns 1 to 7, rows 0 to 4 does not lie within"):
        Region(1, 0, 8, 5).crop(frames)
    for edges in ((3, 0, 3, 5), (0, 4, 2, 3), (-1, 0, 2, 2)):
        with pytest.raises(ValueError, match="a region needs 0 <= left < right"):
            Region(*edges)
    assert Region(0, 0, 10, 20).intersection(Region(4, 5, 30, 9)) == Region(4, 5, 10, 9)
    assert Region(0, 0, 10, 20).intersection(Region(10, 0, 12, 20)) is None
