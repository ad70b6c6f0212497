"""Overlays and lack of motion; and what must not be taken for them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from csglib.data.clips import Region
from csglib.doctor.examination import frame_changes
from csglib.doctor.tissue import find_overlays, find_tissue

from .conftest import h264, on_screen, with_cross


def lettered(frames, words, level=220):
    image = Image.new("L", frames.shape[:0:-1])
    ImageDraw.Draw(image).text((100, 120), words, level, ImageFont.load_default(16))
    ink = np.asarray(image)
    return np.where(ink > 100, ink, frames)


@pytest.mark.parametrize("quality", [None, 23, 32])
def test_tissue_has_no_overlays_encoded_or_not(cohort, large, tmp_path, quality):
    clips = [*cohort, *large]
    if quality:
        clips = [h264(clip, tmp_path, quality) for clip in clips[::6]]
    assert [clip for clip in clips if find_overlays(clip)] == []


def test_a_caliper_is_found_to_the_pixel(large):
    for frames in large[:3]:
        assert find_overlays(with_cross(frames, 128, 100)) == (Region(95, 123, 106, 134),)
    assert find_overlays(with_cross(large[0], 60, 180, reach=4)) == (Region(176, 56, 185, 65),)
    assert find_overlays(with_cross(large[0], 128, 100)[:3]) == ()  # too few frames
    assert find_overlays(with_cross(large[0], 128, 100)[:4])


def test_calipers_and_letters_are_found_once_encoded(large, tmp_path):
    for frames in large[:3]:
        thick = with_cross(with_cross(frames, 128, 100, 7), 129, 101, 7)
        assert find_overlays(h264(thick, tmp_path, 23))
        assert find_overlays(lettered(frames, "DOE 7.2 mm"))


def test_a_wall_that_is_bright_in_every_frame_is_no_overlay(large):
    """Saturated and still, but it fades into its surroundings."""
    y, x = np.mgrid[:256, :256]
    wall = 400 * np.exp(-(((y - 140 - 0.1 * (x - 128)) / 6.0) ** 2))
    assert find_overlays(np.maximum(large[0], wall).clip(0, 255).astype(np.uint8)) == ()


def test_letters_on_black_may_flicker_a_little():
    """As codecs make them: nothing else moves there, so they are not calmer than the rest."""
    named = lettered(np.zeros((8, 256, 256), np.uint8), "DOE JOHN")
    flickering = named - (named // 28) * (np.arange(8) % 2)[:, None, None].astype(np.uint8)
    assert len(find_overlays(flickering)) > 4
    assert find_overlays(np.zeros((8, 64, 64), np.uint8)) == ()


def test_what_a_screen_shows_around_the_tissue_is_not_in_it(large):
    screen = on_screen(large[0])
    tissue = find_tissue(screen)
    assert find_overlays(tissue.crop(screen)) == ()
    letters = find_overlays(screen)
    assert len(letters) > 10
    assert [it for it in letters if tissue.intersection(it) == it] == []


def test_changes_are_fractions_of_the_pixels_and_encoder_noise_is_none(cohort, large, tmp_path):
    still = cohort[0][:1].repeat(4, axis=0)
    assert frame_changes(still) == (0, 0, 0)
    still[2, :16] ^= 128
    assert frame_changes(still) == (0, 0.25, 0.25)
    assert frame_changes(still[:1]) == ()
    assert frame_changes(np.array([[[9]], [[3]], [[9]], [[2]]], np.uint8)) == (0, 0, 1)
    assert min(change for clip in cohort for change in frame_changes(clip)) > 0.2
    frozen = large[0][:1].repeat(8, axis=0)
    assert max(frame_changes(h264(frozen, tmp_path, 28))) < 0.001
