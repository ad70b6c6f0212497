"""Tissue on a scanner's screen: the text around it is left out, whatever codec was used."""

import io
from dataclasses import astuple

import numpy as np
import pytest
from clip_files import video
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from csglib.data.clips import Region
from csglib.data.readers.video import decode_video
from csglib.doctor.tissue import find_tissue, moving_extent

from .conftest import ON_SCREEN, h264, on_screen

WIDTH, HEIGHT = 480, 360
TISSUE = Region(90, 60, 330, 310)  # where it lies on the screen


@pytest.fixture(scope="module")
def tissue():
    """24 frames of speckle that drifts and decays, with a dark lumen from side to side."""
    rng = np.random.default_rng(3)
    rows, columns = TISSUE.bottom - TISSUE.top, TISSUE.right - TISSUE.left
    field = ndimage.gaussian_filter(rng.normal(size=(24, rows, columns, 2)), (1.5, 1.2, 2.5, 0))
    speckle = np.hypot(*np.moveaxis(field / field.std(), -1, 0))
    y = np.arange(rows)[:, None]
    lumen = 1 - 0.97 * (np.abs(y - 120) < 25)
    return (60 * speckle * lumen * (1 - y / rows / 2)).clip(0, 255).astype(np.uint8)


def screen(tissue, clock=(330, 340), above=2, region=TISSUE):
    """A name at the top and another line right above the tissue, scales at the sides, a clock."""
    drawn = Image.new("L", (WIDTH, HEIGHT))
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(14)
    pen.text((8, 6), "DOE^JANE  4711  1961-02-03  ST. ELSEWHERE", 255, font)
    pen.text((region.left, region.top - above), "DOE JANE  Carotid R", 230, font, anchor="ld")
    pen.text((4, 120), "FR 34\n2D 62 %\nC 55", 200, font)
    for number in range(12):
        pen.line((region.right + 4, 60 + 20 * number, region.right + 10, 60 + 20 * number), 180)
    for level in range(200):
        pen.line((20, 150 + level // 2, 35, 150 + level // 2), 255 - level)
    frames = np.repeat(np.array(drawn)[None], len(tissue), axis=0)
    frames[:, region.top : region.bottom, region.left : region.right] = tissue
    for number, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        ImageDraw.Draw(picture).text(clock, f"12:00:{number:02d}", 255, font)
        frames[number] = picture
    return frames


def packed(frames, codec, container, pixels="yuv420p", **how):
    """Encoded, and read again."""
    file = io.BytesIO()
    video(frames, file, codec, pixels, container=container, **how)
    file.seek(0)
    return decode_video(file, container, "film").clip("film").frames


CODECS = {
    "as it is": lambda frames: frames,
    "H.264, poor": lambda frames: packed(frames, "libx264", "mp4", crf="38", g="6"),
    "MPEG-4, poor": lambda frames: packed(frames, "mpeg4", "avi"),
    "JPEG, poor": lambda frames: packed(frames, "mjpeg", "avi", "yuvj420p"),
}


def assert_just_inside(found, wanted=TISSUE, loss=0.1):
    assert found is not None
    assert found.intersection(wanted) == found, "something around the tissue is in it"
    for low, high in (("left", "right"), ("top", "bottom")):
        size = getattr(wanted, high) - getattr(wanted, low)
        assert getattr(found, high) - getattr(found, low) >= (1 - loss) * size


@pytest.mark.parametrize("codec", CODECS)
def test_tissue_moves_and_text_does_not_even_between_a_clock_and_dark_tissue(tissue, codec):
    dark = (tissue * 0.35).astype(np.uint8)
    for shown in (screen(dark), screen(tissue, clock=(250, 40), above=0)):
        assert_just_inside(find_tissue(CODECS[codec](shown)), loss=0.15)


def test_motion_jpeg_of_constant_rate_lets_no_letter_in(cohort):
    """Its quantisers change from frame to frame, and letters with them, as much as tissue does."""
    for clip in cohort[:4]:
        small = clip.repeat(2, axis=1).repeat(2, axis=2)
        shown = screen(small, region=Region(90, 60, 218, 188))[:, :240, :280]
        found = find_tissue(packed(shown, "mjpeg", "avi", "yuvj420p"))
        assert_just_inside(found, Region(90, 60, 218, 188), loss=0.2)


def test_few_frames_are_enough_and_where_everything_moves_all_is_kept(tissue):
    assert_just_inside(find_tissue(screen(tissue[:3])), loss=0.15)
    assert_just_inside(find_tissue(screen(np.repeat(tissue[:6], 3, axis=0))))
    assert find_tissue(tissue) == Region(0, 0, 240, 250)
    padded = np.pad(tissue, ((0, 0), (0, 0), (50, 0)))
    found = find_tissue(padded)
    assert 50 < found.left < 60
    assert (found.top, found.right, found.bottom) == (0, 290, 250)


def test_two_images_are_one_region_a_trace_is_not_part_of_it_and_a_fan_is_cropped(tissue):
    gap = np.zeros((24, 250, 40), np.uint8)
    half = tissue[:, :, :200]
    both = np.pad(np.concatenate([half, gap, half], axis=2), ((0, 0), (30, 80), (20, 20)))
    both[:, 340:350, 100:200] = tissue[:, :10, :100]
    assert_just_inside(find_tissue(both), Region(20, 30, 460, 280))
    y, x = np.mgrid[:250, :240]
    fan = tissue * (np.abs(x - 120) < 20 + 0.6 * y)
    found = find_tissue(screen(fan.astype(np.uint8)))
    assert found.intersection(TISSUE) == found
    assert (found.right - found.left) * (found.bottom - found.top) > 0.7 * 240 * 250


def test_a_still_has_no_tissue_region(tissue):
    shown = screen(tissue)
    frozen = screen(np.repeat(tissue[:1], 12, axis=0))  # but for the clock
    for frames in (shown[:1], np.repeat(shown[:1], 5, axis=0), frozen):
        assert find_tissue(frames) is None
    assert find_tissue(np.repeat(CODECS["H.264, poor"](frozen), 2, axis=0)) is None
    y, x = np.mgrid[:360, :480]
    noise = np.random.default_rng(1).integers(0, 200, (8, 360, 480))
    assert find_tissue((noise * (np.abs(x - y) < 20)).astype(np.uint8)) is None  # a diagonal


def test_images_of_a_few_pixels():
    rng = np.random.default_rng(0)
    for size in ((1, 1), (1, 9), (3, 2), (8, 8)):
        frames = rng.integers(0, 256, (8, *size), dtype=np.uint8)
        whole = Region(0, 0, size[1], size[0])
        assert find_tissue(frames) in (None, whole)
        assert moving_extent(frames) == whole


def test_the_moving_extent_is_the_same_in_every_copy(cohort, large, tmp_path):
    for frames in (*cohort[::16], large[0]):
        copies = (frames, frames[3:], (frames * 0.6).astype(np.uint8), h264(frames, tmp_path, 35))
        edges = np.array([astuple(moving_extent(copy)) for copy in copies]) / frames.shape[1]
        assert np.ptp(edges, axis=0).max() < 0.07
        assert np.abs(edges - (0, 0, 1, 1)).max() < 0.12
    assert moving_extent(np.zeros((8, 64, 48), np.uint8)) == Region(0, 0, 48, 64)


def test_the_moving_extent_of_a_screen_is_its_tissue(large, tmp_path):
    for frames, quality in zip(large[:4], (23, 35, 23, 35), strict=True):
        found = moving_extent(h264(on_screen(frames), tmp_path, quality))
        assert np.abs(np.subtract(astuple(found), astuple(ON_SCREEN))).max() <= 14
