import hashlib
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from scipy.ndimage import gaussian_filter

from csglib.data.clips import GRADES, Clip, Truth
from csglib.data.readers import read_clip
from csglib.data.stenosis import polygon_area
from csglib.phantom.recipe import CHOICES, LIMITS, draw
from csglib.phantom.simulate import make_clip

SAMPLES = Path(__file__).parents[2] / "data_samples"
STILL = {"speed": 0.0, "tremor": 0.0, "pulsation": 0.0, "persistence": 0.0}
SPLITS = {"train": 64, "validation": 16, "test": 32}
PLAIN = {
    "scanner": "smooth",
    "persistence": 0.0,
    "gain": 0.0,
    "dynamic_range": 60.0,
    "diameter": 6.5,
    "wall": 0.7,
    "flattening": 0.0,
}


def truth_of(clip: Clip) -> Truth:
    assert clip.truth is not None
    return clip.truth


def inside(polygon: np.ndarray, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return Polygon(polygon).contains_points(np.stack([x.ravel(), y.ravel()], -1)).reshape(y.shape)


def digest(clip: Clip) -> str:
    return hashlib.sha256(clip.frames.tobytes() + truth_of(clip).lumen.tobytes()).hexdigest()


def test_same_seed_same_bytes_and_another_seed_others():
    first, again, other = (make_clip(seed, frames=3, size=64) for seed in (11, 11, 12))
    assert digest(first) == digest(again) != digest(other)
    assert truth_of(first).parameters == truth_of(again).parameters
    assert first.patient == "phantom-11"
    assert make_clip(11, frames=1, size=64, patient="anna").patient == "anna"


@pytest.mark.parametrize(
    ("stenosis", "side"), [(0.51, "far"), (0.75, "lateral"), (0.91, "concentric")]
)
def test_an_inner_frame_shows_exactly_the_stenosis_asked_for(stenosis, side):
    made = make_clip(3, frames=5, size=64, stenosis=stenosis, side=side, pulsation=0.0)
    truth = truth_of(made)
    assert truth.area_stenosis.max() == pytest.approx(stenosis, abs=1e-6)
    assert 0 < truth.narrowest < 4
    assert truth.parameters["stenosis"] == stenosis
    assert truth.parameters["seed"] == 3


def test_truth_measures_its_own_contours():
    clip = make_clip(4, frames=3, size=64, stenosis=0.7, diameter=6.5)
    truth = truth_of(clip)
    vessel, lumen = polygon_area(truth.vessel_inner), polygon_area(truth.lumen)
    np.testing.assert_allclose(truth.area_stenosis, 1 - lumen / vessel)
    assert clip.mm_per_px is not None
    assert 2 * np.sqrt(vessel.mean() / np.pi) * clip.mm_per_px == pytest.approx(6.5, rel=0.05)
    same_size = 1 - np.sqrt(lumen / vessel)  # no shape closes less than a diameter of equal area
    assert (truth.diameter_stenosis >= same_size - 1e-3).all()
    assert (polygon_area(truth.vessel_outer) > vessel).all()


def test_contours_lie_where_the_picture_has_them():
    for seed, side in ((1, "far"), (2, "near"), (3, "lateral"), (4, "concentric")):
        what = {"stenosis": 0.6, "plaque": "IV", "side": side, "calcified": 0.0}
        clip = make_clip(seed, frames=1, size=128, **PLAIN, **what)
        truth = truth_of(clip)
        outer, inner, lumen = (
            inside(polygon[0], 128)
            for polygon in (truth.vessel_outer, truth.vessel_inner, truth.lumen)
        )
        blood, plaque = clip.frames[0][lumen], clip.frames[0][inner & ~lumen]
        media = clip.frames[0][outer & ~inner]
        assert np.median(blood) + 40 < np.median(plaque)
        assert np.median(media) + 10 < np.median(plaque)


def test_contours_fit_worse_when_shifted():
    shifts = [(0, 0), (4, 0), (-4, 0), (0, 4), (0, -4)]
    quiet = {"noise": -60.0, "haze": -60.0}
    fits = np.zeros(len(shifts))
    for seed in range(5):  # the edge of one picture is ragged with speckle
        what = {"stenosis": 0.6, "plaque": "IV", "side": "concentric", "calcified": 0.0}
        clip = make_clip(seed, frames=1, size=128, **PLAIN, **quiet, **what)
        lumen = truth_of(clip).lumen[0]
        for number, shift in enumerate(shifts):
            smaller, larger = (
                inside(lumen.mean(axis=0) + (lumen - lumen.mean(axis=0)) * zoom + shift, 128)
                for zoom in (0.93, 1.08)
            )
            frame = clip.frames[0]
            fits[number] += frame[larger & ~smaller].mean() - frame[smaller].mean()
    assert fits[0] > fits[1:].max() + 5


def test_walls_are_bright_only_where_sound_meets_them_squarely():
    clip = make_clip(5, frames=1, size=128, stenosis=0.1, plaque="II", **PLAIN)
    outer = truth_of(clip).vessel_outer[0]
    middle = outer.mean(axis=0)
    just_outside = np.round(middle + (outer - middle) * 1.06).astype(int)
    ring = clip.frames[0][just_outside[:, 1], just_outside[:, 0]].reshape(16, 8).mean(axis=1)
    steep, level = ring[[15, 0, 7, 8]], ring[[3, 4, 11, 12]]
    assert level.mean() > steep.mean() + 40


def test_tissue_keeps_its_speckle_and_blood_does_not():
    quiet = {"noise": -200.0, "haze": -200.0, "gain": 20.0, "stenosis": 0.3, "calcified": 0.0}
    clip = make_clip(6, frames=2, size=96, **STILL, **quiet)
    lumen = truth_of(clip).lumen[0]
    np.testing.assert_array_equal(truth_of(clip).lumen[1], lumen)
    tissue = ~inside(lumen, 96)
    blood = inside(lumen.mean(axis=0) + 0.6 * (lumen - lumen.mean(axis=0)), 96)
    one, other = clip.frames.astype(float)
    assert np.corrcoef(one[tissue], other[tissue])[0, 1] > 0.99
    assert abs(np.corrcoef(one[blood], other[blood])[0, 1]) < 0.35


def test_speckle_changes_as_the_slice_moves_on():
    likeness, quiet = [], {"scanner": "smooth", "noise": -200.0, "haze": -200.0}
    for speed in (0.0, 9.0, 20.0):
        clip = make_clip(7, frames=2, size=160, **STILL | quiet | {"speed": speed})
        grain = clip.frames - gaussian_filter(clip.frames.astype(float), (0, 4, 4))
        likeness.append(np.corrcoef(*grain.reshape(2, -1))[0, 1])
    assert likeness[0] > 0.9
    assert likeness[0] > likeness[1] + 0.05 > likeness[2] + 0.2


def test_calcium_is_bright_and_throws_a_shadow():
    what = {"stenosis": 0.85, "plaque": "III", "side": "far", "speed": 0.0}
    plain, calcified = (
        make_clip(8, frames=1, size=128, calcified=calcified, **PLAIN, **what)
        for calcified in (0.0, 0.25)
    )
    brighter = calcified.frames[0].astype(float) - plain.frames[0]
    vessel = truth_of(plain).vessel_inner[0]
    bottom, middle = np.round([vessel[:, 1].max(), vessel[:, 0].mean()]).astype(int)
    assert np.percentile(brighter[inside(vessel, 128)], 97) > 60
    shadow = np.sort(np.median(brighter[bottom + 2 :], axis=0))
    assert shadow[:8].mean() < -25
    np.testing.assert_allclose(brighter[: middle // 2], 0, atol=6)  # nothing changes above


def test_every_size_shows_the_same_field():
    small, large = make_clip(9, frames=2, size=64), make_clip(9, frames=2, size=160)
    for name in ("vessel_outer", "vessel_inner", "lumen"):
        one, other = getattr(truth_of(small), name), getattr(truth_of(large), name)
        np.testing.assert_allclose((one + 0.5) / 64, (other + 0.5) / 160, atol=1e-9)
    assert small.mm_per_px is not None
    assert large.mm_per_px is not None
    assert small.mm_per_px * 64 == pytest.approx(large.mm_per_px * 160)
    blocks = [
        clip.frames.reshape(2, 32, size, 32, size).mean((2, 4))
        for clip, size in ((small, 2), (large, 5))
    ]
    assert np.abs(blocks[0] - blocks[1]).mean() < 2


def test_longer_clips_see_more_of_the_artery():
    short, long = (
        truth_of(make_clip(10, frames=f, size=64, length=12.0, stenosis=0.8)) for f in (4, 16)
    )
    assert long.lumen.shape == (16, 128, 2)
    assert np.ptp(long.area_stenosis) > np.ptp(short.area_stenosis)


def test_gain_moves_grey_by_as_many_decibels():
    dark, light = (
        make_clip(13, frames=1, size=64, dynamic_range=51.0, gain=g) for g in (-2.0, 2.0)
    )
    grey = (dark.frames > 60) & (light.frames < 200)
    rise = light.frames[grey].astype(float) - dark.frames[grey]
    assert np.median(rise) == pytest.approx(4 * 255 / 51, abs=1)


def test_asking_for_one_parameter_leaves_the_others_as_drawn():
    drawn = draw(np.random.default_rng(1), {}).parameters
    asked = draw(np.random.default_rng(1), {"stenosis": 0.33, "side": "near"}).parameters
    assert asked == drawn | {"stenosis": 0.33, "side": "near"}
    assert set(drawn) == {*LIMITS, *CHOICES}


def test_lateral_means_left_or_right():
    sides = {draw(np.random.default_rng(s), {"side": "lateral"}).lesion.side for s in range(9)}
    assert sides == {"left", "right"}


@pytest.mark.parametrize("seed", range(40))
def test_what_is_drawn_could_also_be_asked_for(seed):
    drawn = draw(np.random.default_rng(seed), {}).parameters
    assert draw(np.random.default_rng(seed + 1), drawn).parameters == drawn


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ({"stenoses": 0.5}, TypeError, "no parameter 'stenoses'; it has .*pulsation.*stenosis"),
        ({"stenosis": 1.2}, ValueError, r"stenosis must be a number from 0 to 1: got 1.2"),
        ({"stenosis": float("nan")}, ValueError, "stenosis must be .* got nan"),
        ({"depth": "deep"}, ValueError, "depth must be a number from 8 to 30: got 'deep'"),
        ({"plaque": "V"}, ValueError, "plaque must be one of 'I', 'II', 'III', 'IV': got 'V'"),
        ({"side": "top"}, ValueError, "side must be one of 'far', 'near', .*: got 'top'"),
        ({"calcified": True}, ValueError, "calcified must be a number from 0 to 1: got True"),
        ({"beams": 2}, ValueError, "beams must be one of 1, 3, .*: got 2"),
        ({"frames": 0}, ValueError, "frames >= 1 and size >= 16: got frames=0, size=256"),
        ({"size": 8}, ValueError, "frames >= 1 and size >= 16: got frames=8, size=8"),
    ],
)
def test_what_no_phantom_has_is_refused_by_name(what, error, message):
    with pytest.raises(error, match=message):
        make_clip(1, **what)


def test_most_plaques_close_about_half_the_artery():
    stenosis = [draw(np.random.default_rng(s), {}).lesion.stenosis for s in range(400)]
    assert np.percentile(stenosis, [5, 50, 95]) == pytest.approx([0.26, 0.63, 0.91], abs=0.05)


def test_the_cohort_keeps_patients_apart_and_grades_balanced():
    cohort = np.load(SAMPLES / "cohort_64.npz", allow_pickle=False)
    assert cohort["frames"].shape == (112, 8, 64, 64)
    patients = {split: set(cohort["patient"][cohort["split"] == split]) for split in SPLITS}
    for split, clips in SPLITS.items():
        grades = cohort["grade"][cohort["split"] == split]
        assert len(grades) == clips
        assert grades.mean() == 0.5
    assert len(set.union(*patients.values())) == sum(map(len, patients.values())) == 56
    worst = cohort["area_stenosis"].argmax(axis=1)
    diameter = cohort["diameter_stenosis"][np.arange(112), worst]
    np.testing.assert_array_equal(cohort["grade"], diameter >= 0.5)


def test_the_cohort_contours_measure_its_stenosis():
    cohort = np.load(SAMPLES / "cohort_64.npz", allow_pickle=False)
    lumen, vessel = (cohort[name].astype(float) for name in ("lumen", "vessel_inner"))
    area = 1 - polygon_area(lumen) / polygon_area(vessel)
    np.testing.assert_allclose(area, cohort["area_stenosis"], atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*type*.npz")), ids=lambda path: path.stem)
def test_a_sample_is_what_its_parameters_make(path):
    clip = read_clip(path)
    parameters = dict(truth_of(clip).parameters)
    parameters.pop("phantom")
    made = make_clip(**parameters)
    assert np.abs(made.frames.astype(int) - clip.frames).max() <= 1  # FFTs differ in the last bit
    np.testing.assert_allclose(truth_of(made).lumen, truth_of(clip).lumen, atol=1e-6)
    assert GRADES[truth_of(clip).grade] == path.stem.split("_")[0]
    diameter = truth_of(clip).diameter_stenosis[truth_of(clip).narrowest]
    assert ("borderline" in path.stem) == (abs(diameter - 0.5) < 0.05)


def test_samples_stay_small():
    files = [path for path in SAMPLES.iterdir() if path.is_file()]
    networks = [path for path in files if path.suffix == ".safetensors"]
    assert sum(path.stat().st_size for path in files if path not in networks) <= 6_000_000
    assert sum(path.stat().st_size for path in networks) < 4_000_000
    assert {"README.md", "make.py", "cohort_64.npz"} <= {path.name for path in files}
