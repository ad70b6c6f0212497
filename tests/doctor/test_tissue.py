"""Tissue on a scanner's screen: the text around it is left out, whatever codec was used."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from csglib.data.clips import Region
from csglib.data.readers.video import decode_video
from csglib.doctor.tissue import find_pictures, find_tissue

from ..data.clip_files import video

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
    assert 50 <= found.left < 60
    assert (found.top, found.right, found.bottom) == (0, 290, 250)


def fan(tissue, apex=0.2):
    """A sector, as wide above as `apex` of the width."""
    _, rows, columns = tissue.shape
    y, x = np.mgrid[:rows, :columns]
    inside = np.abs(x - columns / 2) < (apex + (1 - apex) * y / rows) * columns / 2
    return (tissue * inside).astype(np.uint8), inside


@pytest.mark.parametrize("codec", ["as it is", "H.264, poor"])
def test_of_a_sector_all_is_kept_and_nothing_beside_it(tissue, codec):
    shown, inside = fan(tissue)
    pixels = CODECS[codec](screen(shown, clock=(92, 62)))  # in the sector's bounding box
    (picture,) = find_pictures(pixels)
    kept = np.zeros((HEIGHT, WIDTH), bool)
    region = picture.region
    kept[region.top : region.bottom, region.left : region.right] = picture.outline
    wanted = np.zeros_like(kept)
    wanted[TISSUE.top : TISSUE.bottom, TISSUE.left : TISSUE.right] = inside
    assert pixels[:, kept & wanted].sum() >= 0.95 * pixels[:, wanted].sum()
    assert pixels[:, kept & ~ndimage.binary_dilation(wanted, iterations=3)].max(initial=0) < 40


def placed(*images):
    """Images and their places (x, y) on a screen with text, a scale and a clock."""
    shown = screen(images[0][0][:, :1, :1], region=Region(0, 0, 1, 1))
    shown[:, 54:] = 0
    for frames, x, y in images:
        shown[:, y : y + frames.shape[1], x : x + frames.shape[2]] = frames
    return shown


def splits(tissue):
    a, b = tissue[:, :140, :200], tissue[::-1, 60:200, :200]
    wide = tissue[:, :130], tissue[::-1, 120:]
    return {
        "side by side": placed((a, 30, 60), (b, 250, 60)),
        "fans": placed((fan(a)[0], 30, 60), (fan(b)[0], 240, 60)),
        "above": placed((fan(wide[0])[0], 60, 60), (fan(wide[1])[0], 60, 200)),
        "touching": placed((a, 30, 60), (b, 230, 60)),
        "three": placed((a[:, :, :130], 20, 60), (b[..., :130], 160, 60), (a[..., 70:], 300, 60)),
        "one still": placed((a[:1].repeat(24, axis=0), 30, 60), (b, 250, 60)),
    }


@pytest.mark.parametrize("codec", ["as it is", "H.264"])
def test_images_of_a_split_screen_are_told_apart_and_one_is_kept(tissue, codec):
    for name, shown in splits(tissue).items():
        pixels = packed(shown, "libx264", "mp4", crf="23") if codec == "H.264" else shown
        assert len(find_pictures(pixels)) == 2 + (name == "three"), name
        found = find_tissue(pixels)
        gap = shown[:, found.top : found.bottom, found.left : found.right].max(axis=0) == 0
        assert gap.all(axis=0).mean() + gap.all(axis=1).mean() < 0.06, name


@pytest.mark.parametrize("codec", ["as it is", "H.264, poor"])
def test_one_image_is_one_even_with_a_lumen_a_shadow_or_a_trace(tissue, codec):
    x = np.arange(240)
    shadow = tissue * (1 - 0.97 * np.exp(-(((x - 120) / 16) ** 2)))
    across = fan(tissue)[0]
    across[:, 60:74] = 0  # a second lumen
    for frames in (tissue, fan(tissue)[0], shadow, across, tissue[:1].repeat(9, axis=0)):
        shown = screen(frames.astype(np.uint8))
        shown[:, 330:345, 100:300] = tissue[: len(frames), :15, :200]  # an ECG, say
        assert len(find_pictures(CODECS[codec](shown))) == 1


def test_a_still_has_no_tissue_region(tissue):
    shown = screen(tissue)
    frozen = screen(np.repeat(tissue[:1], 12, axis=0))  # but for the clock
    for frames in (shown[:1], np.repeat(shown[:1], 5, axis=0), frozen):
        assert find_tissue(frames) is None
    assert find_tissue(np.repeat(CODECS["H.264, poor"](frozen), 2, axis=0)) is None


def test_images_of_a_few_pixels():
    rng = np.random.default_rng(0)
    for size in ((1, 1), (1, 9), (3, 2), (8, 8)):
        frames = rng.integers(0, 256, (8, *size), dtype=np.uint8)
        whole = Region(0, 0, size[1], size[0])
        assert find_tissue(frames) in (None, whole)
