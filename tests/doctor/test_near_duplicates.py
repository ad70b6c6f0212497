"""Copies are found however they were saved; similar clips are not taken for copies."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from csglib.doctor import near_duplicates
from csglib.doctor.near_duplicates import MIN_CORRELATION, find_near_duplicates, fingerprints
from csglib.doctor.tissue import find_tissue
from csglib.phantom.simulate import make_video

from .conftest import h264, on_screen


@pytest.fixture(scope="module")
def sweep():
    """Frames along an artery."""
    return make_video(11, 3, 128).clip(0, 24).frames


def fractions(*clips):
    found = find_near_duplicates([fingerprints(clip) for clip in clips])
    return {(pair.first, pair.second): pair.fraction for pair in found}


def resized(frames, side):
    return np.stack([np.asarray(Image.fromarray(frame).resize((side, side))) for frame in frames])


def grey(levels):
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def mangled(frames, folder):
    return grey(h264(frames[:, 2:, 2:], folder, 28) * 1.2)


COPIES = {
    "encoded badly": lambda frames, folder: h264(frames, folder, 35),
    "darker": lambda frames, _: grey(frames * 0.6),
    "another gamma": lambda frames, _: grey(255 * (frames / 255) ** 0.7),
    "smoothed": lambda frames, _: grey(gaussian_filter(frames.astype(float), (0, 0.7, 0.7))),
    "smaller": lambda frames, _: resized(frames, 48),
    "cropped at one side": lambda frames, _: frames[:, :, :-3],
    "a single frame": lambda frames, _: frames[5:6],
    "all at once": mangled,
    "mirrored left and right": lambda frames, _: frames[..., ::-1],
    "mirrored top and bottom": lambda frames, _: frames[:, ::-1],
    "mirrored both ways, all at once": lambda frames, folder: mangled(
        np.ascontiguousarray(frames[:, ::-1, ::-1]), folder
    ),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_found_and_only_the_copy(cohort, large, tmp_path, copy):
    other = fingerprints(cohort[0])
    for frames in (*cohort[5:112:36], resized(large[0], 128)):
        again = COPIES[copy](frames, tmp_path)
        (pair,) = find_near_duplicates([other, fingerprints(frames), fingerprints(again)])
        assert pair == (1, 2, pytest.approx(1, abs=0.13), copy.startswith("mirrored"), True)


def test_where_an_image_is_flat_its_pattern_fades_out():
    flat = np.random.default_rng(0).integers(99, 102, (2, 32, 32)).astype(np.uint8)
    assert np.abs(near_duplicates._patterns(flat, (1.0, 3.0))).mean() < 0.1


def test_a_clip_that_is_symmetric_is_one_clip(cohort):
    whole = np.concatenate([cohort[0], cohort[0][..., ::-1]], axis=2)
    assert fractions(whole) == {}
    (pair,) = find_near_duplicates([fingerprints(whole)] * 2)
    assert pair == (0, 1, 1, False, True)


def test_no_two_clips_of_the_phantom_are_near_duplicates_with_a_margin(
    cohort, large, monkeypatch, tmp_path
):
    """The most similar of 6216 pairs, mirrored too, differ more than a bad encoding does."""
    assert fractions(*large) == {}
    monkeypatch.setattr(near_duplicates, "MIN_CORRELATION", 0.8)
    assert fractions(*cohort) == {}
    monkeypatch.setattr(near_duplicates, "MIN_CORRELATION", 0.9)
    assert all(fractions(clip, h264(clip, tmp_path, 35)) for clip in cohort[::16])
    assert 0.8 < MIN_CORRELATION < 0.9


def test_a_shadow_that_moves_alike_is_a_similar_view(sweep):
    """Clips of one probe with a rib in the same place: no frame of one is in the other."""
    places, clips = np.mgrid[:128, :128][1], []
    for start in (0.0, 1.0):
        frames = sweep[:12] if start else sweep[12:24]
        rib = [np.exp(-(((places - 60 - 3 * np.sin(start + k / 5)) / 5) ** 2)) for k in range(12)]
        clips.append(grey(110 * (1 - 0.8 * np.stack(rib)) + 0.1 * frames))
    (pair,) = find_near_duplicates([fingerprints(clip) for clip in clips])
    assert not pair.same_frames


def test_parts_of_one_video_are_found_if_they_overlap(sweep):
    assert fractions(sweep[:8], sweep[4:12]) == {(0, 1): pytest.approx(0.5, abs=0.15)}
    assert fractions(sweep, sweep[9:17]) == {(0, 1): 1}
    assert fractions(sweep[:16], sweep[8:]).keys() == {(0, 1)}
    assert fractions(sweep[:8], sweep[8:16], sweep[16:]) == {}


def test_black_clips_and_few_clips_have_no_duplicates_and_order_does_not_count(cohort, sweep):
    black = np.zeros((8, 64, 64), np.uint8)
    assert fractions(black, black, cohort[0], black + 255) == {}
    assert fractions() == fractions(cohort[0]) == {}
    one, other = grey(cohort[3] * 1.2), cohort[3]
    found = fractions(one, sweep[:8], other)
    assert found == fractions(other, sweep[:8], one)
    assert [*found] == [(0, 2)]


def test_the_screen_around_the_tissue_does_not_count(large):
    screens = [on_screen(frames) for frames in large[:2]]
    tissue = [find_tissue(frames).crop(frames) for frames in screens]
    assert fractions(*tissue) == {}
    assert fractions(tissue[0], large[0]) == {(0, 1): 1}
