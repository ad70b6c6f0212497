"""Tissue on a scanner's screen: all text around it falls away, whatever packed the file."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from csglib.data.clips import Clip, Region, resample
from csglib.data.readers.video import read_video
from csglib.doctor.moving_region import moving_part, moving_region

SAMPLES = Path(__file__).parents[2] / "data_samples"
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
    with av.open(file, "w", container) as output:
        stream = output.add_stream(codec, rate=25, options=how)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = pixels
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray")))
        output.mux(stream.encode())
    file.seek(0)
    return read_video(file, container, "film").frames


CODECS = {
    "as it is": lambda frames: frames,
    "H.264": lambda frames: packed(frames, "libx264", "mp4", crf="30"),
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
@pytest.mark.parametrize("brightness", [1, 0.35])
def test_what_moves_is_the_tissue_and_no_line_of_text(tissue, codec, brightness):
    dark = (tissue * brightness).astype(np.uint8)
    assert_just_inside(moving_part(CODECS[codec](screen(dark))), loss=0.15)


@pytest.mark.parametrize("codec", CODECS)
def test_a_clock_beside_a_name_that_touches_the_tissue_brings_it_not_in(tissue, codec):
    shown = screen(tissue, clock=(250, 40), above=0)
    assert_just_inside(moving_part(CODECS[codec](shown)))


def test_motion_jpeg_that_must_keep_to_a_rate_lets_no_letter_in():
    """Its quantisers change from frame to frame, and letters with them, as much as tissue does."""
    with np.load(SAMPLES / "cohort_64.npz") as file:
        clips = file["frames"][:6]
    for clip in clips:
        small = clip.repeat(2, axis=1).repeat(2, axis=2)
        shown = screen(small, region=Region(90, 60, 218, 188))[:, :240, :280]
        found = moving_part(packed(shown, "mjpeg", "avi", "yuvj420p"))
        assert_just_inside(found, Region(90, 60, 218, 188), loss=0.2)


def test_few_frames_are_enough_and_frames_that_came_twice_do_no_harm(tissue):
    assert_just_inside(moving_part(screen(tissue[:3])), loss=0.15)
    assert_just_inside(moving_part(screen(np.repeat(tissue[:6], 3, axis=0))))


def test_where_all_moves_nothing_is_cut_off(tissue):
    assert moving_part(tissue) == Region(0, 0, 240, 250)
    padded = np.pad(tissue, ((0, 0), (0, 0), (50, 0)))
    found = moving_part(padded)
    assert 50 < found.left < 60
    assert (found.top, found.right, found.bottom) == (0, 290, 250)


def test_two_pictures_side_by_side_are_one_part_and_a_trace_is_none(tissue):
    gap = np.zeros((24, 250, 40), np.uint8)
    half = tissue[:, :, :200]
    both = np.pad(np.concatenate([half, gap, half], axis=2), ((0, 0), (30, 80), (20, 20)))
    both[:, 340:350, 100:200] = tissue[:, :10, :100]
    assert_just_inside(moving_part(both), Region(20, 30, 460, 280))


def test_corners_beside_a_fan_are_cut_off_as_far_as_most_of_a_line_is_black(tissue):
    y, x = np.mgrid[:250, :240]
    fan = tissue * (np.abs(x - 120) < 20 + 0.6 * y)
    found = moving_part(screen(fan.astype(np.uint8)))
    assert found.intersection(TISSUE) == found
    assert (found.right - found.left) * (found.bottom - found.top) > 0.7 * 240 * 250


def test_of_what_does_not_move_the_whole_comes_back(tissue):
    shown = screen(tissue)
    frozen = screen(np.repeat(tissue[:1], 12, axis=0))  # but for the clock
    for frames in (shown[:1], np.repeat(shown[:1], 5, axis=0), frozen):
        assert moving_part(frames) is None
        assert moving_region(frames) == Region(0, 0, WIDTH, HEIGHT)
    assert moving_part(np.repeat(CODECS["H.264, poor"](frozen), 2, axis=0)) is None


def test_what_moves_and_is_no_rectangle_is_no_tissue():
    y, x = np.mgrid[:360, :480]
    noise = np.random.default_rng(1).integers(0, 200, (8, 360, 480))
    assert moving_part((noise * (np.abs(x - y) < 20)).astype(np.uint8)) is None


def test_pictures_of_a_few_pixels_are_no_trouble():
    rng = np.random.default_rng(0)
    for size in ((1, 1), (1, 9), (3, 2), (8, 8)):
        frames = rng.integers(0, 256, (8, *size), dtype=np.uint8)
        assert moving_region(frames) == Region(0, 0, size[1], size[0])


def test_a_region_cuts_out_what_it_says_and_refuses_the_rest():
    frames = np.arange(2 * 5 * 7, dtype=np.uint8).reshape(2, 5, 7)
    np.testing.assert_array_equal(Region(1, 2, 4, 5).crop(frames), frames[:, 2:5, 1:4])
    with pytest.raises(ValueError, match="columns 1 to 7, rows 0 to 4 does not lie within"):
        Region(1, 0, 8, 5).crop(frames)
    for edges in ((3, 0, 3, 5), (0, 4, 2, 3), (-1, 0, 2, 2)):
        with pytest.raises(ValueError, match="a region needs 0 <= left < right"):
            Region(*edges)


def test_what_two_regions_share():
    assert Region(0, 0, 10, 20).intersection(Region(4, 5, 30, 9)) == Region(4, 5, 10, 9)
    assert Region(0, 0, 10, 20).intersection(Region(10, 0, 12, 20)) is None


def test_a_region_is_not_kept_once_frames_are_cut(tissue):
    clip = Clip(frames=tissue, patient="", region=Region(3, 4, 100, 90))
    assert resample(clip, frames=8, size=32).region is None
