import hashlib
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from scipy import ndimage

from csglib.data.clips import GRADES, Clip, Truth, hash_patient, resample, save_clip
from csglib.data.stenosis import DEFAULT_RULE, RULES, polygon_area


def simulated(frames: int = 5, height: int = 37, width: int = 41) -> Clip:
    rng = np.random.default_rng(3)
    polygons = rng.uniform(0, width, (3, frames, 7, 2))
    truth = Truth(
        vessel_outer=polygons[0],
        vessel_inner=polygons[1],
        lumen=polygons[2],
        area_stenosis=np.linspace(0.1, 0.7, frames),
        diameter_stenosis=np.linspace(0.05, 0.55, frames),
        parameters={"seed": 11, "depth_mm": 14.5, "plaque": "type III, échogène"},
    )
    grey = rng.integers(0, 256, (frames, height, width), dtype=np.uint8)
    return Clip(frames=grey, patient="patient-7", mm_per_px=0.0679, truth=truth)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    save_clip(simulated(), tmp_path / "one.npz")
    save_clip(simulated(), tmp_path / "two.npz")
    assert digest(tmp_path / "one.npz") == digest(tmp_path / "two.npz")
    with ZipFile(tmp_path / "one.npz") as archive:  # a second later too: no clock inside
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_file_keeps_its_name_and_has_no_neighbours(tmp_path):
    save_clip(simulated(), tmp_path / "clip.dat")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.dat"]


def test_who_reads_while_a_clip_is_replaced_reads_the_old_one_whole(tmp_path):
    path = tmp_path / "clip.npz"
    save_clip(simulated(), path)
    before = path.read_bytes()
    with path.open("rb") as reader:
        save_clip(simulated(frames=6), path)
        assert reader.read() == before


def test_nothing_needs_pickle(tmp_path):
    save_clip(simulated(), tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as arrays:
        assert {name for name in arrays if arrays[name].dtype == object} == set()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "clip.npz"
    save_clip(simulated(), path)
    before = digest(path)

    def full_disk(file, **arrays):
        file.write(b"half a ")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_clip(simulated(frames=6), path)
    assert digest(path) == before
    assert list(tmp_path.iterdir()) == [path]


def disc(frames: int, height: int, width: int, centre: tuple[float, float], radius: float) -> Clip:
    """A bright disc that the contours of its truth follow exactly."""
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - centre[0], y - centre[1]) <= radius
    angle = np.linspace(0, 2 * np.pi, 61, endpoint=False)
    circle = np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], -1)
    polygons = np.repeat(circle[None], frames, axis=0)
    truth = Truth(
        vessel_outer=polygons * 1.0,
        vessel_inner=polygons * 1.0,
        lumen=polygons * 1.0,
        area_stenosis=np.arange(frames) / frames,
        diameter_stenosis=np.arange(frames) / frames / 2,
        parameters={"seed": 2},
    )
    grey = np.repeat((inside * 200).astype(np.uint8)[None], frames, axis=0)
    return Clip(frames=grey, patient="p", mm_per_px=0.1, truth=truth)


@pytest.mark.parametrize(
    ("have", "wanted", "kept"),
    [
        (7, 7, [0, 1, 2, 3, 4, 5, 6]),
        (13, 5, [0, 3, 6, 9, 12]),
        (5, 2, [0, 4]),
        (5, 1, [0]),
        (11, 8, [0, 1, 3, 4, 6, 7, 9, 10]),
    ],
)
def test_frames_are_evenly_spread_from_the_first_to_the_last(have, wanted, kept):
    grey = np.repeat(np.arange(have, dtype=np.uint8), 6 * 6).reshape(have, 6, 6)
    clip = resample(replace(simulated(have), frames=grey), frames=wanted, size=6)
    assert clip.frames[:, 0, 0].tolist() == kept
    np.testing.assert_array_equal(clip.truth.area_stenosis, np.linspace(0.1, 0.7, have)[kept])
    np.testing.assert_array_equal(clip.truth.diameter_stenosis, np.linspace(0.05, 0.55, have)[kept])


def test_a_clip_of_the_right_size_stays_exactly_as_it_is():
    clip = replace(simulated(), frames=simulated().frames[:, :, :37])
    same = resample(clip, frames=5, size=37)
    np.testing.assert_array_equal(same.frames, clip.frames)
    np.testing.assert_array_equal(same.truth.lumen, clip.truth.lumen)
    assert (same.mm_per_px, same.patient) == (clip.mm_per_px, clip.patient)
    assert same.truth.parameters == clip.truth.parameters


@pytest.mark.parametrize("size", [41, 83, 166])
@pytest.mark.parametrize(("height", "width"), [(83, 131), (127, 83)])
def test_contours_stay_on_what_they_outline(height, width, size):
    """The disc's centre of mass and area, measured in the resized pixels, are its contour's."""
    centre = (width / 2 + 7.25, height / 2 - 5.5)
    clip = resample(disc(5, height, width, centre, radius=19.0), frames=3, size=size)
    scale = size / 83
    polygon = clip.truth.lumen[1]
    for border in (clip.truth.vessel_outer, clip.truth.vessel_inner):
        np.testing.assert_array_equal(border[1], polygon)
    row, column = ndimage.center_of_mass(clip.frames[1])
    np.testing.assert_allclose(polygon.mean(axis=0), (column, row), atol=0.1 * max(scale, 1))
    measured = clip.frames[1].sum() / 200
    assert measured == pytest.approx(np.pi * (19 * scale) ** 2, rel=0.02)
    assert clip.mm_per_px * size == pytest.approx(0.1 * 83)  # the square is as many mm as before


def test_shrinking_averages_instead_of_picking_pixels():
    """Speckle of one pixel has a spread of 74; the mean of 8 x 8 such has about an eighth of it."""
    noise = np.random.default_rng(1).integers(0, 256, (2, 344, 344), dtype=np.uint8)
    small = resample(Clip(frames=noise, patient="p"), frames=2, size=43)
    assert small.frames.std() < 74 / 6
    assert small.frames.mean() == pytest.approx(127.5, abs=1)


def test_a_clip_without_scale_or_truth_gets_none():
    clip = resample(Clip(frames=simulated().frames, patient="p"), frames=2, size=11)
    assert (clip.mm_per_px, clip.truth) == (None, None)


@pytest.mark.parametrize(
    ("frames", "size", "message"),
    [
        (6, 16, "asked for 6 frames of a clip that has 5"),
        (0, 16, "at least one frame of one pixel: got frames=0, size=16"),
        (3, -1, "at least one frame of one pixel: got frames=3, size=-1"),
    ],
)
def test_what_a_clip_cannot_give_is_refused(frames, size, message):
    with pytest.raises(ValueError, match=message):
        resample(simulated(), frames=frames, size=size)


def test_an_anonymous_name_depends_on_who_it_is_and_hides_it():
    assert hash_patient("Jane Doe") == hash_patient("Jane Doe") != hash_patient("John Doe")
    assert "Jane" not in hash_patient("Jane Doe")


def rings(radii: list[tuple[float, float, float]]) -> Truth:
    """Round borders about (40, 33): outer wall, original lumen, open lumen of each frame."""
    turn = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    outer, inner, lumen = (
        np.array([40.0, 33.0]) + np.array(border)[:, None, None] * circle
        for border in zip(*radii, strict=True)
    )
    return Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=lumen,
        area_stenosis=1 - polygon_area(lumen) / polygon_area(inner),
        diameter_stenosis=1 - np.ptp(lumen[..., 0], axis=-1) / np.ptp(inner[..., 0], axis=-1),
    )


def test_a_clip_is_graded_where_most_of_its_area_is_closed():
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


@pytest.mark.parametrize(("diameter", "grade"), [(0.499, "mild"), (0.5, "severe")])
def test_half_the_diameter_is_severe(diameter, grade):
    truth = replace(simulated().truth, diameter_stenosis=np.full(5, diameter))
    assert GRADES[truth.grade] == grade


def test_a_healthy_artery_reads_29_to_39_percent_against_its_outer_border():
    """Published walls of 0.6, 0.75 and 0.9 mm about a lumen of 3.25 mm radius, 9 pixels a mm."""
    lumen = 3.25 * 9
    healthy = rings([(lumen + wall * 9, lumen, lumen) for wall in (0.6, 0.75, 0.9)])
    np.testing.assert_allclose(healthy.area_stenosis, 0, atol=1e-12)
    np.testing.assert_array_equal((100 * healthy.outer_stenosis).round(), [29, 34, 39])


def test_plaque_is_what_lies_between_the_original_and_the_open_lumen():
    truth = rings([(33.0, 27.2, 27.2), (33.0, 27.2, 13.4), (33.0, 27.2, 0.0)])
    free, partly, closed = truth.plaque(71, 83)
    y, x = np.mgrid[:71, :83]
    away = np.hypot(x - 40, y - 33)
    assert not free.any()
    np.testing.assert_array_equal(partly, (away < 27.2) & (away > 13.4))
    np.testing.assert_array_equal(closed, away < 27.2)
