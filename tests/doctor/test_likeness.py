"""The same moments are found however they were saved, and like ones are not taken for them."""

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from csglib.data.readers import read_clip
from csglib.doctor import near_duplicates as likeness
from csglib.doctor.moving_region import moving_region
from csglib.doctor.near_duplicates import LIKE, alike, prints
from csglib.doctor.overlays import lively
from csglib.phantom.simulate import make_video

from .conftest import SAMPLES, encoded

FOUND, ASKED = "found", "asked"


@pytest.fixture(scope="session")
def large():
    """Six clips of 256 x 256."""
    return [read_clip(path).frames for path in sorted(SAMPLES.glob("*_type_*.npz"))]


@pytest.fixture(scope="session")
def sweep():
    """Forty frames along an artery."""
    return make_video(11, 3, 128).clip(0, 40).frames


def shares(*clips):
    found = alike([prints(clip) for clip in clips])
    return {(pair.first, pair.second): pair.share for pair in found}


def h264(frames, tmp_path, quality):
    encoded(frames, tmp_path / "clip.mp4", quality)
    with av.open(tmp_path / "clip.mp4") as file:
        return np.stack([frame.to_ndarray(format="gray") for frame in file.decode(video=0)])


def resized(frames, side):
    return np.stack([np.asarray(Image.fromarray(frame).resize((side, side))) for frame in frames])


def grey(levels):
    return np.rint(levels).clip(0, 255).astype(np.uint8)


SAVED_ANEW = {
    "encoded": lambda frames, tmp_path: h264(frames, tmp_path, 28),
    "encoded badly": lambda frames, tmp_path: h264(frames, tmp_path, 35),
    "brighter": lambda frames, _: grey(frames * 1.3 + 10),
    "darker": lambda frames, _: grey(frames * 0.6),
    "another curve": lambda frames, _: grey(255 * (frames / 255) ** 0.7),
    "smoothed": lambda frames, _: grey(gaussian_filter(frames.astype(float), (0, 0.7, 0.7))),
    "smaller": lambda frames, _: resized(frames, 48),
    "cut all around": lambda frames, _: frames[:, 1:-1, 1:-1],
    "cut at a corner": lambda frames, _: frames[:, 2:, 2:],
    "cut at one side": lambda frames, _: frames[:, :, :-3],
    "every other frame": lambda frames, _: frames[::2],
    "a frame alone": lambda frames, _: frames[5:6],
    "all at once": lambda frames, tmp_path: grey(h264(frames[:, 2:, 2:], tmp_path, 28) * 1.2),
}
MIRRORED = {
    "left and right": lambda frames, _: frames[..., ::-1],
    "top and bottom": lambda frames, _: frames[:, ::-1],
    "both": lambda frames, _: frames[:, ::-1, ::-1],
    "and all at once": lambda frames, tmp_path: SAVED_ANEW["all at once"](
        np.ascontiguousarray(frames[..., ::-1]), tmp_path
    ),
}


@pytest.mark.parametrize("how", SAVED_ANEW)
def test_a_clip_saved_anew_is_the_same(cohort, large, tmp_path, how):
    for frames in (*cohort[5:112:36], resized(large[0], 128)):
        again = SAVED_ANEW[how](frames, tmp_path)
        (pair,) = alike([prints(frames), prints(again)])
        assert pair == (0, 1, pytest.approx(1, abs=0.13), False)


@pytest.mark.parametrize("how", MIRRORED)
def test_so_is_a_mirrored_one(cohort, large, tmp_path, how):
    for frames in (*cohort[5:112:36], resized(large[0], 128)):
        again = MIRRORED[how](frames, tmp_path)
        (pair,) = alike([prints(cohort[0]), prints(again), prints(frames)])
        assert pair == (1, 2, pytest.approx(1, abs=0.13), True)


def test_what_is_like_its_own_mirror_is_one_clip(cohort):
    whole = np.concatenate([cohort[0], cohort[0][..., ::-1]], axis=2)
    assert shares(whole) == {}
    (pair,) = alike([prints(whole)] * 2)
    assert pair == (0, 1, 1, False)


def test_no_two_clips_of_the_phantom_are_the_same(cohort, large):
    assert shares(*cohort) == {}
    assert shares(*large) == {}


def test_between_the_same_and_the_like_there_is_room(cohort, monkeypatch, tmp_path):
    """The most alike of 6216 pairs, mirrored too, are further off than a bad encoding."""
    monkeypatch.setattr(likeness, "LIKE", 0.8)
    assert shares(*cohort) == {}
    monkeypatch.setattr(likeness, "LIKE", 0.9)
    assert all(shares(clip, h264(clip, tmp_path, 35)) for clip in cohort[::16])
    assert 0.8 < LIKE < 0.9


def test_parts_of_one_video_are_found_when_they_overlap(sweep):
    assert shares(sweep[:8], sweep[4:12]) == {(0, 1): pytest.approx(0.5, abs=0.15)}
    assert shares(sweep, sweep[17:25]) == {(0, 1): 1}
    assert shares(sweep[:24], sweep[16:]).keys() == {(0, 1)}
    assert shares(*(sweep[first : first + 8] for first in range(0, 40, 8))) == {}


def test_a_black_clip_is_like_nothing(cohort):
    black = np.zeros((8, 64, 64), np.uint8)
    assert shares(black, black, cohort[0], black + 255) == {}


def test_few_or_no_clips_are_no_trouble(cohort):
    assert shares() == {}
    assert shares(cohort[0]) == {}


def test_the_order_makes_no_difference(cohort, sweep):
    one, other = grey(cohort[3] * 1.2), cohort[3]
    assert shares(one, sweep[:8], other) == shares(other, sweep[:8], one)
    assert [*shares(one, sweep[:8], other)] == [(0, 2)]


def test_a_screen_around_the_tissue_is_the_same_in_all_clips_and_counts_for_nothing(large):
    on_screens = [on_a_screen(frames) for frames in large[:2]]
    tissue = [lively(frames).crop(frames) for frames in on_screens]
    assert shares(*tissue) == {}
    assert shares(tissue[0], large[0]) == {(0, 1): 1}
    cut = moving_region(on_screens[0]).crop(on_screens[0])  # as a file might state it
    assert shares(cut, large[0]).keys() == {(0, 1)}


def on_a_screen(frames, name="DOE JOHN  1901-01-01"):
    """As machines export it: tissue in the middle, and who it is above."""
    screen = Image.new("L", (480, 360))
    draw = ImageDraw.Draw(screen)
    draw.text((10, 10), name, 255, ImageFont.load_default(20))
    draw.rectangle((99, 49, 356, 306), outline=200)
    for number in range(12):
        draw.line((360, 50 + 20 * number, 368, 50 + 20 * number), 180)
    shown = np.stack([np.asarray(screen)] * len(frames))
    shown[:, 50:306, 100:356] = frames
    return shown
