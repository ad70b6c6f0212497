"""Simulated clips and videos: exact truth, images that agree with it, effects of parameters."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from csglib import make_clip, read_clip
from csglib.data import GRADES, inside, polygon_area
from csglib.phantom.anatomy import Anatomy
from csglib.phantom.probe import SCANNERS
from csglib.phantom.recipe import CHOICES, LIMITS, draw
from csglib.phantom.simulate import make_video
from csglib.phantom.vessel import Vessel

SAMPLES = Path(__file__).parents[2] / "data_samples"
CONTOURS = ("vessel_outer", "vessel_inner", "lumen")
STILL = {"speed": 0.0, "tremor": 0.0, "pulsation": 0.0, "persistence": 0.0}
SMOOTH = {"scanner": "smooth", "persistence": 0.0, "calcified": 0.0, "bifurcation": False}
ROUND = {"gain": 0.0, "dynamic_range": 60.0, "diameter": 6.5, "wall": 0.7, "flattening": 0.0}
PLAIN = SMOOTH | ROUND
QUIET = {"noise": -200.0, "haze": -200.0}


def mask(clip, name, frame=0):
    return inside(getattr(clip.truth, name), *clip.frames.shape[1:])[frame]


def grey(clip, frame=0):
    return clip.frames[frame].astype(float)


def parameters(seed, **overrides):
    return draw(np.random.default_rng(seed), overrides).parameters


def test_same_seed_same_bytes_and_another_seed_others():
    one, again, other = (make_clip(seed, frames=2, size=40) for seed in (11, 11, 12))
    first, same, differs = (
        c.frames.tobytes() + c.truth.lumen.tobytes() for c in (one, again, other)
    )
    assert first == same != differs
    assert one.truth.parameters == again.truth.parameters
    assert one.patient == "phantom-11"
    assert make_clip(11, frames=1, size=16, patient="anna").patient == "anna"


@pytest.mark.parametrize(
    ("stenosis", "side"), [(0.51, "far"), (0.75, "lateral"), (0.91, "concentric")]
)
def test_an_inner_frame_has_exactly_the_given_stenosis(stenosis, side):
    truth = make_clip(3, frames=4, size=16, stenosis=stenosis, side=side, pulsation=0.0).truth
    assert truth.area_stenosis.max() == pytest.approx(stenosis, abs=1e-6)
    assert 0 < truth.narrowest < 3
    assert truth.lumen.shape == (4, 128, 2)
    assert np.ptp(truth.area_stenosis) > 0.05  # frames of one sweep, not of one place
    assert (truth.parameters["stenosis"], truth.parameters["seed"]) == (stenosis, 3)


def test_truth_measures_its_own_contours():
    clip = make_clip(4, frames=3, size=64, stenosis=0.7, diameter=6.5)
    truth = clip.truth
    outer, vessel, lumen = (polygon_area(getattr(truth, name)) for name in CONTOURS)
    np.testing.assert_allclose(truth.area_stenosis, 1 - lumen / vessel)
    assert 2 * np.sqrt(vessel.mean() / np.pi) * clip.mm_per_px == pytest.approx(6.5, rel=0.05)
    same_size = 1 - np.sqrt(lumen / vessel)  # no shape closes less than a diameter of equal area
    assert (truth.diameter_stenosis >= same_size - 1e-3).all()
    assert (outer > vessel).all()


def test_contours_fit_worse_when_shifted():
    shifts = [(0, 0), (4, 0), (-4, 0), (0, 4), (0, -4)]
    what = {"noise": -60.0, "haze": -60.0, "stenosis": 0.6, "plaque": "IV", "side": "concentric"}
    fits = np.zeros(len(shifts))
    for seed in range(5):  # speckle makes the edge of one image ragged
        clip = make_clip(seed, frames=1, size=128, **PLAIN, **what)
        lumen = clip.truth.lumen[0]
        middle, frame = lumen.mean(axis=0), clip.frames[0]
        for number, shift in enumerate(shifts):
            zoomed = [middle + (lumen - middle) * zoom + shift for zoom in (0.93, 1.08)]
            smaller, larger = inside(np.stack(zoomed), 128, 128)
            fits[number] += frame[larger & ~smaller].mean() - frame[smaller].mean()
    assert fits[0] > fits[1:].max() + 5


def test_walls_are_bright_only_at_perpendicular_incidence():
    clip = make_clip(5, frames=1, size=128, stenosis=0.1, plaque="II", **ROUND, scanner="smooth")
    outer = clip.truth.vessel_outer[0]
    middle = outer.mean(axis=0)
    just_outside = np.round(middle + (outer - middle) * 1.06).astype(int)
    ring = clip.frames[0][just_outside[:, 1], just_outside[:, 0]].reshape(16, 8).mean(axis=1)
    assert ring[[3, 4, 11, 12]].mean() > ring[[15, 0, 7, 8]].mean() + 40


def test_tissue_keeps_its_speckle_and_blood_does_not():
    what = {"gain": 20.0, "stenosis": 0.3, "calcified": 0.0}
    clip = make_clip(6, frames=2, size=96, **STILL, **QUIET, **what)
    lumen = clip.truth.lumen[0]
    np.testing.assert_array_equal(clip.truth.lumen[1], lumen)
    tissue = ~mask(clip, "lumen")
    blood = inside((lumen.mean(axis=0) + 0.6 * (lumen - lumen.mean(axis=0)))[None], 96, 96)[0]
    one, other = clip.frames.astype(float)
    assert np.corrcoef(one[tissue], other[tissue])[0, 1] > 0.99
    assert abs(np.corrcoef(one[blood], other[blood])[0, 1]) < 0.35


def test_speckle_decorrelates_as_the_slice_moves_on():
    correlation = []
    for speed in (0.0, 9.0, 20.0):
        what = STILL | QUIET | {"scanner": "smooth", "speed": speed}
        frames = make_clip(7, frames=2, size=160, **what).frames
        grain = frames - gaussian_filter(frames.astype(float), (0, 4, 4))
        correlation.append(np.corrcoef(*grain.reshape(2, -1))[0, 1])
    assert correlation[0] > 0.9
    assert correlation[0] > correlation[1] + 0.05 > correlation[2] + 0.2


def test_calcium_is_bright_and_casts_a_shadow():
    what = PLAIN | {"stenosis": 0.85, "plaque": "III", "side": "far", "speed": 0.0}
    plain, some, much = (
        make_clip(8, frames=1, size=128, **what | {"calcified": part}) for part in (0.0, 0.08, 0.25)
    )
    brighter = grey(much) - grey(plain)
    vessel = plain.truth.vessel_inner[0]
    bottom, middle = np.round([vessel[:, 1].max(), vessel[:, 0].mean()]).astype(int)
    assert np.percentile(brighter[mask(plain, "vessel_inner")], 97) > 60
    shadow = np.sort(np.median(brighter[bottom + 2 :], axis=0))
    assert shadow[:8].mean() < -25
    np.testing.assert_allclose(brighter[: middle // 2], 0, atol=6)  # nothing changes above
    dark = [float((c.frames[0, bottom + 2 :] < 25).mean()) for c in (plain, some, much)]
    assert dark[0] + 0.01 < dark[1] < dark[2] - 0.03


def test_every_size_shows_the_same_field():
    small, large = make_clip(9, frames=1, size=64), make_clip(9, frames=1, size=160)
    for name in CONTOURS:
        one, other = getattr(small.truth, name), getattr(large.truth, name)
        np.testing.assert_allclose((one + 0.5) / 64, (other + 0.5) / 160, atol=1e-9)
    assert small.mm_per_px * 64 == pytest.approx(large.mm_per_px * 160)
    one, other = (c.frames.reshape(32, n, 32, n).mean((1, 3)) for c, n in ((small, 2), (large, 5)))
    assert np.abs(one - other).mean() < 2
    assert np.abs(grey(make_clip(9, frames=1, size=32)) - other).mean() < 3  # it does not alias


def test_gain_and_gamma_change_grey_levels_as_their_formulas_say():
    what = {"smoothing": 0.0, "margin": 1.3, **SMOOTH, "dynamic_range": 51.0}
    dark, light = (make_clip(13, frames=1, size=64, gain=g, **what).frames for g in (-2.0, 2.0))
    unclipped = (dark > 60) & (light < 200)
    rise = light[unclipped].astype(float) - dark[unclipped]
    assert np.median(rise) == pytest.approx(4 * 255 / 51, abs=1)
    straight, bent = (make_clip(7, frames=1, size=64, gamma=g, **what).frames for g in (1.0, 1.6))
    even = np.abs(np.gradient(straight.astype(float), axis=(1, 2))).max(axis=0) < 3
    assert np.abs(bent[even] - 255 * (straight[even] / 255) ** 1.6).mean() < 1


def test_persistence_damps_the_speckle_of_blood():
    what = SMOOTH | STILL | {"stenosis": 0.05, "noise": -30.0}
    rough, held = (
        make_clip(8, frames=3, size=48, **what | {"persistence": weight}) for weight in (0.0, 0.5)
    )
    lumen = mask(rough, "lumen")
    change = [np.diff(c.frames[:, lumen].astype(float), axis=0).std() for c in (rough, held)]
    assert change[1] < 0.8 * change[0]


def test_roll_turns_the_contours_and_keeps_their_areas():
    still = {"tremor": 0.0, "speed": 0.0, "drift": 0.0, "aside": 0.0, "lower": 0.0}
    level, rolled = (
        make_clip(6, frames=1, size=40, roll=roll, **still, **SMOOTH).truth for roll in (0.0, 9.0)
    )
    cos, sin = np.cos(np.deg2rad(9.0)), np.sin(np.deg2rad(9.0))
    middle = 19.5  # of 40 pixels: the artery's axis
    for name in ("vessel_outer", "lumen"):
        expected = middle + (getattr(level, name)[0] - middle) @ [[cos, sin], [-sin, cos]]
        np.testing.assert_allclose(getattr(rolled, name)[0], expected, atol=1e-9)


def test_plaque_types_differ_in_brightness():
    greys = []
    for kind in ("I", "II", "III", "IV"):
        clip = make_clip(9, frames=1, size=96, plaque=kind, stenosis=0.7, **SMOOTH)
        greys.append(float(np.median(clip.frames[0][clip.truth.plaque(96, 96)[0]])))
    assert greys == sorted(greys)
    assert greys[-1] - greys[0] > 40


def test_an_occlusion_has_no_lumen_and_no_pulse():
    truth = make_clip(5, frames=3, size=16, stenosis=1.0, side="far", speed=0.0, **SMOOTH).truth
    np.testing.assert_allclose(truth.area_stenosis, 1, atol=1e-6)
    np.testing.assert_allclose(truth.diameter_stenosis, 1, atol=1e-4)
    np.testing.assert_allclose(np.ptp(polygon_area(truth.vessel_inner)), 0, atol=1e-9)
    truth = make_video(1, plaques=1, size=32, stenosis=1.0, side="far").truth
    assert np.isfinite(truth.lumen).all()
    assert truth.area_stenosis.max() == pytest.approx(1, abs=1e-6)


def test_a_neck_shows_skin_above_and_the_artery_at_its_depth():
    clip = make_clip(13, frames=1, size=160, field="neck", depth=16.0, **SMOOTH)
    frame, outer = grey(clip), clip.truth.vessel_outer[0]
    middle = (outer.min(axis=0) + outer.max(axis=0)) / 2 + 0.5
    assert middle[1] * clip.mm_per_px == pytest.approx(16, abs=0.6)
    aside = clip.truth.parameters["aside"]
    assert middle[0] / 160 == pytest.approx(0.5 + aside, abs=0.03)
    assert 28 <= 160 * clip.mm_per_px <= 44
    assert frame[: int(0.8 / clip.mm_per_px)].mean() > 3 * frame[-40:].mean()
    assert clip.truth.parameters["roll"] == 0


def test_a_second_artery_lies_beside_the_first():
    alone, forked = (
        make_clip(21, frames=1, size=96, field="neck", **SMOOTH | {"bifurcation": fork})
        for fork in (False, True)
    )
    np.testing.assert_array_equal(alone.truth.lumen, forked.truth.lumen)
    changed = np.abs(grey(alone) - grey(forked)) > 40
    assert changed.any()
    assert not changed[mask(alone, "lumen")].any()


def sweep():
    return make_video(3, plaques=2, size=48, pulsation=0.0, persistence=0.3, length=9.0)


def test_overlapping_clips_of_a_video_share_frames_and_truth():
    video = sweep()
    early, late = video.clip(4, 2), video.clip(5, 2)
    np.testing.assert_array_equal(early.frames[1], late.frames[0])
    np.testing.assert_array_equal(sweep().clip(6, 1).frames[0], late.frames[1])
    for name in (*CONTOURS, "area_stenosis", "diameter_stenosis"):
        np.testing.assert_array_equal(getattr(late.truth, name), getattr(video.truth, name)[5:7])
    for first, frames in ((-1, 3), (0, 0), (0, 10_000)):
        with pytest.raises(ValueError, match=rf"frames {first} to .* of a video of {len(video)}"):
            video.clip(first, frames)


def test_each_key_frame_shows_its_plaque_exactly():
    video = sweep()
    keys, stenosis = video.keys, video.truth.area_stenosis
    for key, lesion in zip(keys, video.lesions, strict=True):
        assert stenosis[key] == pytest.approx(lesion.stenosis, abs=1e-6)
        made_of = video.clip(key, 1).truth.parameters
        assert (made_of["stenosis"], made_of["seed"]) == (lesion.stenosis, 3)
    assert 0 < keys[0] < keys[1] < len(video) - 1
    shifts = [moment.shift for moment in video.moments]
    np.testing.assert_allclose(np.mean(shifts, axis=0), 0, atol=1e-9)  # the hand comes back
    assert (stenosis[[0, -1]] < 0.05).all()  # from before to past all plaques


@pytest.mark.parametrize(
    ("make", "what", "error", "message"),
    [
        (make_clip, {"stenoses": 0.5}, TypeError, "no parameter 'stenoses'; it has .*pulsation"),
        (make_clip, {"stenosis": 1.2}, ValueError, "stenosis must be .* from 0 to 1: got 1.2"),
        (make_clip, {"stenosis": float("nan")}, ValueError, "stenosis must be .* got nan"),
        (make_clip, {"plaque": "V"}, ValueError, "one of 'I', 'II', 'III', 'IV': got 'V'"),
        (make_clip, {"calcified": True}, ValueError, "calcified must be .* got True"),
        (make_clip, {"frames": 0}, ValueError, "frames >= 1 .* got frames=0, size=256"),
        (make_clip, {"size": 8}, ValueError, "size >= 16: got frames=8, size=8"),
        (make_video, {"plaques": 0}, ValueError, "plaques >= 1 .* got plaques=0, size=256"),
        (make_video, {"speed": 0.0}, ValueError, "needs a speed above 0"),
    ],
)
def test_wrong_parameters_are_refused_by_name(make, what, error, message):
    with pytest.raises(error, match=message):
        make(1, **what)


def test_overrides_leave_the_other_parameters_as_drawn():
    drawn = parameters(1)
    assert parameters(1, stenosis=0.33, side="near") == drawn | {"stenosis": 0.33, "side": "near"}
    assert set(drawn) == {*LIMITS, *CHOICES}
    assert {parameters(s, side="lateral")["side"] for s in range(9)} == {"left", "right"}
    one, other = parameters(2, scanner="hard"), parameters(2, scanner="smooth")
    differ = {name for name in one if one[name] != other[name]}
    assert {"scanner", "gamma", "dynamic_range"} <= differ
    assert differ <= {"scanner", "haze", *SCANNERS["hard"]}


def test_drawn_parameters_are_within_limits_and_distributed_as_meant():
    drawn = [parameters(seed) for seed in range(400)]
    for seed, values in enumerate(drawn[:20]):
        assert parameters(seed + 1, **values) == values
    forked = np.array([values["bifurcation"] for values in drawn])  # mostly internal carotids
    diameters = np.array([values["diameter"] for values in drawn])
    assert diameters[forked].mean() < diameters[~forked].mean() - 0.5
    assert {parameters(seed, field="neck")["roll"] for seed in range(5)} == {0}
    stenosis = [values["stenosis"] for values in drawn]
    assert np.percentile(stenosis, [5, 50, 95]) == pytest.approx([0.26, 0.63, 0.91], abs=0.05)


def lumen_grey(clip):
    return [grey(clip, t)[mask(clip, "lumen", t)].mean() for t in range(len(clip.frames))]


def test_clutter_fills_the_lumen_in_a_frame_of_each_heartbeat_and_leaves_the_truth():
    what = PLAIN | STILL | {"frames": 18, "size": 64, "stenosis": 0.3, "heart_rate": 120.0}
    clean, often = (make_clip(12, **what, cluttered=p) for p in (0.0, 1.0))
    assert max(lumen_grey(clean)) < 12
    filled = np.flatnonzero(np.array(lumen_grey(often)) > 20)
    assert np.diff(filled).tolist() == [6, 6], "two beats a second, twelve frames"
    np.testing.assert_array_equal(clean.truth.lumen, often.truth.lumen)
    change = np.abs(often.frames.astype(float) - clean.frames)
    assert change[:, ~mask(clean, "vessel_outer")].mean() < 3


def test_a_shadow_dims_columns_of_the_artery_and_brightens_nothing():
    what = PLAIN | {"frames": 2, "size": 64, "bifurcation": False}
    clean, dark = (make_clip(14, **what, shadowed=p) for p in (0.0, 1.0))
    change = dark.frames.astype(float) - clean.frames
    assert change.max() <= 1
    assert change[:, mask(clean, "vessel_outer").any(axis=0)].min() < -40


def test_a_sharper_narrowing_is_shorter_and_as_deep():
    what = {"seed": 3, "frames": 9, "size": 16, "stenosis": 0.8, "pulsation": 0.0}
    wide, sharp = (make_clip(**what, sharpness=s).truth.area_stenosis for s in (1.0, 2.5))
    assert wide.max() == pytest.approx(sharp.max(), abs=1e-6)
    assert (sharp > 0.6).sum() < (wide > 0.6).sum()


def test_an_isoechoic_artery_shows_its_remnant_vessel_and_not_how_wide_it_was():
    def anatomy(diameter, isoechoic):
        recipe = draw(np.random.default_rng(5), {"diameter": diameter, "isoechoic": isoechoic})
        vessel = Vessel(recipe.artery, [recipe.lesion], np.random.default_rng(6))
        return Anatomy(vessel, np.random.default_rng(7))

    depth = draw(np.random.default_rng(5), {}).artery.depth
    points = np.random.default_rng(8).uniform([-9, depth - 9, -1], [9, depth + 9, 1], (4000, 3)).T
    for isoechoic in (True, False):
        slim, wide = (anatomy(diameter, isoechoic) for diameter in (4.0, 8.0))
        beyond = np.min([a.vessel.place(points).past for a in (slim, wide)], axis=0) > 0
        levels = [a.echo(points[:, beyond])[0] for a in (slim, wide)]
        assert np.array_equal(*levels) == isoechoic
        blood = [(a.vessel.place(points).past < 0) <= a.echo(points)[1] for a in (slim, wide)]
        assert np.all(blood)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_clip_of_every_scanner_can_be_made_again_from_its_parameters(scanner):
    clip = make_clip(31, frames=1, size=32, scanner=scanner)
    again = dict(clip.truth.parameters)
    assert (again.pop("phantom"), again["scanner"]) == (2, scanner)
    assert clip.frames.std() > 10
    np.testing.assert_array_equal(make_clip(frames=1, size=32, **again).frames, clip.frames)


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("*type*.npz"))[::2], ids=lambda path: path.stem
)
def test_a_sample_is_what_its_parameters_make(path):
    clip = read_clip(path)
    given = dict(clip.truth.parameters)
    given.pop("phantom")
    made = make_clip(**given)
    assert np.abs(made.frames.astype(int) - clip.frames).max() <= 1  # FFTs differ in the last bit
    np.testing.assert_allclose(made.truth.lumen, clip.truth.lumen, atol=1e-6)
    assert GRADES[clip.truth.grade] == path.stem.split("_")[0]
    diameter = clip.truth.diameter_stenosis[clip.truth.narrowest]
    assert ("borderline" in path.stem) == (abs(diameter - 0.5) < 0.05)


def test_the_sample_cohort_is_split_by_patient_balanced_and_measured_by_its_contours():
    cohort = np.load(SAMPLES / "cohort_64.npz", allow_pickle=False)
    assert cohort["frames"].shape == (112, 8, 64, 64)
    splits = {"train": 64, "validation": 16, "test": 32}
    patients = {split: set(cohort["patient"][cohort["split"] == split]) for split in splits}
    for split, clips in splits.items():
        grades = cohort["grade"][cohort["split"] == split]
        assert (len(grades), grades.mean()) == (clips, 0.5)
    assert len(set.union(*patients.values())) == sum(map(len, patients.values())) == 56
    narrowest = cohort["area_stenosis"].argmax(axis=1)
    diameter = cohort["diameter_stenosis"][np.arange(112), narrowest]
    np.testing.assert_array_equal(cohort["grade"], diameter >= 0.5)
    lumen, vessel = (polygon_area(cohort[n].astype(float)) for n in ("lumen", "vessel_inner"))
    np.testing.assert_allclose(1 - lumen / vessel, cohort["area_stenosis"], atol=0.01)


def test_samples_stay_small():
    files = [path for path in SAMPLES.iterdir() if path.is_file()]
    networks = [path for path in files if path.suffix == ".safetensors"]
    assert sum(path.stat().st_size for path in files if path not in networks) <= 6_000_000
    assert sum(path.stat().st_size for path in networks) < 4_000_000
