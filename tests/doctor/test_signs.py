"""Marks, two pictures in one, and stillness; and what must not be taken for them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from csglib.data.clips import Region
from csglib.data.readers import read_clip
from csglib.doctor.moving_region import moving_region
from csglib.doctor.overlays import beside, changes, lively, marks

from .conftest import SAMPLES, side_by_side, with_cross
from .test_likeness import h264, on_a_screen


@pytest.fixture(scope="session")
def large():
    return [read_clip(path).frames for path in sorted(SAMPLES.glob("*_type_*.npz"))]


def lettered(frames, words, level=220):
    picture = Image.new("L", frames.shape[:0:-1])
    ImageDraw.Draw(picture).text((100, 120), words, level, ImageFont.load_default(16))
    ink = np.asarray(picture)
    return np.where(ink > 100, ink, frames)


def test_tissue_has_no_marks(cohort, large):
    assert [clip for clip in (*cohort, *large) if marks(clip)] == []


@pytest.mark.parametrize("quality", [23, 32])
def test_nor_has_it_any_once_encoded(cohort, large, tmp_path, quality):
    clips = [*cohort[::4], *large]
    assert [clip for clip in clips if marks(h264(clip, tmp_path, quality))] == []


def test_a_caliper_is_found_to_the_pixel(large):
    for frames in large:
        assert marks(with_cross(frames, 128, 100)) == (Region(95, 123, 106, 134),)
        assert marks(with_cross(frames, 60, 180, reach=4)) == (Region(176, 56, 185, 65),)


def test_calipers_and_letters_are_found_once_encoded(large, tmp_path):
    for frames in large:
        thick = with_cross(with_cross(frames, 128, 100, 7), 129, 101, 7)
        assert marks(h264(thick, tmp_path, 23))
        assert marks(lettered(frames, "DOE 7.2 mm"))


def test_a_wall_that_is_bright_in_every_frame_is_no_mark(large):
    """Saturated and still, but it fades into what is around it."""
    frames = large[0].astype(float)
    y, x = np.mgrid[:256, :256]
    wall = 400 * np.exp(-(((y - 140 - 0.1 * (x - 128)) / 6.0) ** 2))
    assert marks(np.maximum(frames, wall).clip(0, 255).astype(np.uint8)) == ()


def test_letters_in_black_may_tremble_a_little():
    """A codec's doing: nothing else moves there, so that they are not calmer than the rest."""
    black = np.zeros((8, 64, 64), np.uint8)
    named = lettered(np.zeros((8, 256, 256), np.uint8), "DOE JOHN")
    trembling = named - (named // 28) * (np.arange(8) % 2)[:, None, None].astype(np.uint8)
    assert len(marks(trembling)) > 4
    assert marks(black) == ()


def test_of_few_frames_nothing_is_said(large):
    assert marks(with_cross(large[0], 128, 100)[:3]) == ()
    assert marks(with_cross(large[0], 128, 100)[:4])


def test_what_a_screen_shows_around_its_tissue_is_not_in_it(large):
    screen = on_a_screen(large[0])
    region = moving_region(screen)
    assert marks(region.crop(screen)) == ()
    letters = marks(screen)
    assert len(letters) > 10
    assert [mark for mark in letters if region.intersection(mark) == mark] == []
    assert not beside(screen)


def test_two_pictures_side_by_side_are_seen(cohort, tmp_path):
    for one, other in zip(cohort[:40:4], cohort[41:80:4], strict=True):
        assert beside(side_by_side(one, other))
        assert beside(h264(side_by_side(one, other, gap=16), tmp_path, 23))
        assert beside(np.pad(side_by_side(one, other), ((0, 0), (40, 9), (20, 60))))
        assert not beside(side_by_side(one, other[:, :, :10]))


def test_a_single_picture_is_not_two(cohort, large):
    assert [clip for clip in (*cohort, *large) if beside(clip)] == []
    assert not beside(cohort[0][:1])
    assert not beside(np.zeros((8, 64, 64), np.uint8))


def test_what_moves_is_the_same_place_in_every_copy(cohort, large, tmp_path):
    for frames in (*cohort[::8], *large):
        side = frames.shape[1]
        places = [
            lively(copy)
            for copy in (
                frames,
                frames[3:],
                (frames * 0.6).astype(np.uint8),
                h264(frames, tmp_path, 35),
            )
        ]
        edges = np.array([(one.left, one.top, one.right, one.bottom) for one in places]) / side
        assert np.ptp(edges, axis=0).max() < 0.07
        assert np.abs(edges - (0, 0, 1, 1)).max() < 0.12
    assert lively(np.zeros((8, 64, 48), np.uint8)) == Region(0, 0, 48, 64)


def test_a_screen_is_not_what_moves_on_it(large, tmp_path):
    for frames in large:
        for quality in (23, 35):
            place = lively(h264(on_a_screen(frames), tmp_path, quality))
            edges = np.subtract(
                (place.left, place.top, place.right, place.bottom), (100, 50, 356, 306)
            )
            assert np.abs(edges).max() <= 14


def test_changes_are_shares_of_the_pixels(cohort):
    still = cohort[0][:1].repeat(4, axis=0)
    assert changes(still) == (0, 0, 0)
    still[2, :16] ^= 128
    assert changes(still) == (0, 0.25, 0.25)
    assert changes(still[:1]) == ()
    assert min(change for clip in cohort for change in changes(clip)) > 0.2


def test_an_encoder_s_noise_is_no_change(large, tmp_path):
    still = large[0][:1].repeat(8, axis=0)
    assert max(changes(h264(still, tmp_path, 28))) < 0.001
