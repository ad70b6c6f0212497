"""Sweeps, scanners and necks: what a phantom of several plaques and a whole picture must keep."""

import numpy as np
import pytest

from csglib.data.stenosis import inside, polygon_area
from csglib.phantom.probe import SCANNERS
from csglib.phantom.recipe import CHOICES, LIMITS, PER_PATIENT, draw
from csglib.phantom.simulate import Video, make_clip, make_video

PLAIN = {"scanner": "smooth", "persistence": 0.0, "calcified": 0.0, "bifurcation": False}


@pytest.fixture(scope="module")
def video() -> Video:
    return make_video(3, plaques=2, size=48, pulsation=0.0, persistence=0.3, length=9.0)


def test_a_frame_is_the_same_in_every_clip_that_holds_it(video):
    early, late = video.clip(4, 3), video.clip(5, 4)
    np.testing.assert_array_equal(early.frames[1:], late.frames[:2])
    again = make_video(3, plaques=2, size=48, pulsation=0.0, persistence=0.3, length=9.0)
    np.testing.assert_array_equal(again.clip(6, 1).frames[0], late.frames[1])


def test_a_clip_takes_its_share_of_the_truth(video):
    clip = video.clip(7, 2)
    for name in ("vessel_outer", "vessel_inner", "lumen", "area_stenosis", "diameter_stenosis"):
        np.testing.assert_array_equal(getattr(clip.truth, name), getattr(video.truth, name)[7:9])
    assert clip.mm_per_px == video.mm_per_px


def test_each_key_frame_shows_its_plaque_exactly(video):
    asked = [lesion.stenosis for lesion in video.lesions]
    shown = video.truth.area_stenosis[list(video.keys)]
    np.testing.assert_allclose(shown, asked, atol=1e-6)
    assert 0 < video.keys[0] < video.keys[1] < len(video) - 1
    ends = video.truth.area_stenosis[[0, -1]]
    assert (ends < 0.05).all()  # from before the first plaque to past the last


def test_a_clip_tells_the_plaque_that_it_shows(video):
    for key, lesion in zip(video.keys, video.lesions, strict=True):
        made_of = video.clip(key, 1).truth.parameters
        assert made_of["stenosis"] == lesion.stenosis
        assert made_of["seed"] == 3


@pytest.mark.parametrize(("first", "frames"), [(-1, 3), (0, 0), (0, 10_000)])
def test_what_a_video_does_not_have_is_refused(video, first, frames):
    with pytest.raises(
        ValueError, match=rf"wanted frames {first} to .* of a video of {len(video)}"
    ):
        video.clip(first, frames)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"plaques": 0}, "plaques >= 1 and size >= 16: got plaques=0, size=256"),
        ({"size": 9}, "plaques >= 1 and size >= 16: got plaques=3, size=9"),
        ({"speed": 0.0}, "a video sweeps along the artery: it needs a speed above 0"),
    ],
)
def test_what_no_video_can_be_is_refused(what, message):
    with pytest.raises(ValueError, match=message):
        make_video(1, **what)


def test_an_occlusion_leaves_no_lumen_and_no_pulse():
    truth = make_clip(5, frames=3, size=32, stenosis=1.0, side="far", speed=0.0, **PLAIN).truth
    np.testing.assert_allclose(truth.area_stenosis, 1, atol=1e-6)
    np.testing.assert_allclose(truth.diameter_stenosis, 1, atol=1e-4)
    area = polygon_area(truth.vessel_inner)
    np.testing.assert_allclose(area, area[0])


@pytest.mark.parametrize("seed", [1, 2])
def test_an_occluded_lumen_stays_within_its_vessel(seed):
    truth = make_video(seed, plaques=1, size=32, stenosis=1.0, side="far").truth
    assert np.isfinite(truth.lumen).all()
    assert truth.area_stenosis.max() == pytest.approx(1, abs=1e-6)


def test_a_probe_that_rolls_turns_the_contours_and_keeps_their_areas():
    still = {"tremor": 0.0, "speed": 0.0, "drift": 0.0, "aside": 0.0, "lower": 0.0}
    level, rolled = (
        make_clip(6, frames=1, size=40, roll=roll, **still, **PLAIN).truth for roll in (0.0, 9.0)
    )
    turn = np.deg2rad(9.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = 19.5  # of 40 pixels: there is the artery's axis
    for name in ("vessel_outer", "lumen"):
        expected = middle + (getattr(level, name)[0] - middle) @ rotation.T
        np.testing.assert_allclose(getattr(rolled, name)[0], expected, atol=1e-9)


def test_gamma_bends_the_grey_levels():
    straight, bent = (
        make_clip(7, frames=1, size=64, gamma=gamma, smoothing=0.0, margin=1.3, **PLAIN).frames
        for gamma in (1.0, 1.6)
    )
    even = np.abs(np.gradient(straight.astype(float), axis=(1, 2))).max(axis=0) < 3
    expected = 255 * (straight[even] / 255) ** 1.6
    assert np.abs(bent[even] - expected).mean() < 1


def test_persistence_holds_back_the_boiling_of_blood():
    still = {"speed": 0.0, "tremor": 0.0, "pulsation": 0.0, "stenosis": 0.05, "noise": -30.0}
    rough, held = (
        make_clip(8, frames=4, size=48, **PLAIN | still | {"persistence": p}) for p in (0.0, 0.5)
    )
    lumen = inside(rough.truth.lumen, 48, 48)[0]
    boiling = [np.diff(c.frames[:, lumen].astype(float), axis=0).std() for c in (rough, held)]
    assert boiling[1] < 0.8 * boiling[0]


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_neck_shows_skin_above_and_the_artery_at_its_depth(seed):
    clip = make_clip(seed, frames=1, size=160, field="neck", depth=16.0, **PLAIN)
    frame, outer = clip.frames[0].astype(float), clip.truth.vessel_outer[0]
    middle = (outer.min(axis=0) + outer.max(axis=0)) / 2 + 0.5
    assert middle[1] * clip.mm_per_px == pytest.approx(16, abs=0.6)
    aside = clip.truth.parameters["aside"]
    assert middle[0] / 160 == pytest.approx(0.5 + aside, abs=0.03)
    assert 28 <= 160 * clip.mm_per_px <= 44
    skin = frame[: int(0.8 / clip.mm_per_px)]
    assert skin.mean() > 3 * frame[-40:].mean()
    assert clip.truth.parameters["roll"] == 0


def test_a_second_artery_lies_beside_the_first():
    alone, forked = (
        make_clip(21, frames=1, size=160, field="neck", **PLAIN | {"bifurcation": fork})
        for fork in (False, True)
    )
    np.testing.assert_array_equal(alone.truth.lumen, forked.truth.lumen)
    changed = np.abs(alone.frames[0].astype(float) - forked.frames[0]) > 40
    assert changed.any()
    assert not changed[inside(alone.truth.lumen, 160, 160)[0]].any()


@pytest.mark.parametrize("scanner", SCANNERS)
def test_every_scanner_makes_a_clip_of_settings_that_could_be_asked_for(scanner):
    assert {*SCANNERS[scanner]} <= {*LIMITS, *CHOICES}
    clip = make_clip(31, frames=1, size=32, scanner=scanner)
    assert clip.truth.parameters["scanner"] == scanner
    assert clip.frames.std() > 10
    again = dict(clip.truth.parameters)
    again.pop("phantom")
    np.testing.assert_array_equal(make_clip(frames=1, size=32, **again).frames, clip.frames)


def test_a_scanner_leaves_everything_but_its_settings_as_drawn():
    one, other = (
        draw(np.random.default_rng(2), {"scanner": name}).parameters for name in ("hard", "smooth")
    )
    differ = {name for name in one if one[name] != other[name]}
    settings = {"scanner", "gain", "dynamic_range", "frequency", "haze", *SCANNERS["hard"]}
    assert differ <= settings | set(SCANNERS["smooth"])
    assert {"scanner", "gamma", "dynamic_range"} <= differ


def test_what_belongs_to_a_patient_is_no_matter_of_a_plaque_or_a_sweep():
    assert {"diameter", "scanner", "gain", "heart_rate"} <= set(PER_PATIENT)
    assert not {"stenosis", "plaque", "side", "calcified", "roll", "field"} & set(PER_PATIENT)


def test_plaque_types_are_told_apart_by_their_brightness():
    greys = []
    for kind in ("I", "II", "III", "IV"):
        clip = make_clip(9, frames=1, size=96, plaque=kind, stenosis=0.7, **PLAIN)
        plaque = inside(clip.truth.vessel_inner, 96, 96) & ~inside(clip.truth.lumen, 96, 96)
        greys.append(float(np.median(clip.frames[plaque])))
    assert greys == sorted(greys)
    assert greys[-1] - greys[0] > 40


def test_more_calcium_shadows_more_of_the_picture():
    dark = []
    for share in (0.0, 0.08, 0.3):
        what = PLAIN | {"calcified": share, "stenosis": 0.85, "side": "far", "speed": 0.0}
        clip = make_clip(15, frames=1, size=96, plaque="III", **what)
        bottom = int(clip.truth.vessel_inner[0, :, 1].max()) + 2
        dark.append(float((clip.frames[0, bottom:] < 25).mean()))
    assert dark[0] + 0.1 < dark[2] > dark[1] + 0.05
