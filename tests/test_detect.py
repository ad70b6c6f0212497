from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import csglib.detect
from csglib.data.clips import Clip, Truth
from csglib.data.stenosis import inside
from csglib.detect import (
    CONVINCING,
    SURROUNDINGS,
    Box,
    crop_clip,
    find_vessel,
    into_square,
    likeliest_boxes,
    shown_size,
)
from csglib.detect.network import SIDE, STRIDE, Detector, numbers_of, places
from csglib.model.weights import read_weights
from csglib.phantom.simulate import make_clip

WEIGHTS = Path(csglib.detect.__file__).with_name("detector.safetensors")
REAL = Path(__file__).parents[2] / "shared" / "real" / "momot_cca_ccby4"


def overlap(box, other):
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(wide, 0) * max(high, 0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (box[:4], other[:4])]
    return shared / (sum(areas) - shared)


def extent(mask):
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def finds_what_is_white(pictures):
    """In place of the network: the box of the white pixels of each picture; grey are unsure."""
    boxes = torch.tensor(
        [extent(picture[0].numpy() > 0.25) for picture in pictures], dtype=torch.float
    )
    answers = torch.zeros(len(pictures), 5, SIDE // STRIDE, SIDE // STRIDE)
    answers[:, 1:] = numbers_of(boxes, places(answers))
    answers[:, 0] = -20
    for answer, box, picture in zip(answers, boxes, pictures, strict=True):
        x, y = ((box[:2] + box[2:]) / 2 / STRIDE).int()
        answer[0, y, x] = 30 * (picture.max() - 0.5)
    return answers


@pytest.fixture
def white_is_a_vessel(monkeypatch):
    monkeypatch.setattr(csglib.detect, "_detector", lambda: finds_what_is_white)


def ellipses(middles, half_axes):
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return np.asarray(middles, float)[:, None] + np.asarray(half_axes, float)[:, None] * ring


def moving_vessel(middles, half_axes, height=150, width=210):
    """A white ellipse in each frame, and the truth about it."""
    outer = ellipses(middles, half_axes)
    middle = outer.mean(axis=1, keepdims=True)
    inner, lumen = middle + 0.8 * (outer - middle), middle + 0.5 * (outer - middle)
    closed = np.full(len(outer), 0.6)
    truth = Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=lumen,
        area_stenosis=closed,
        diameter_stenosis=closed,
    )
    frames = np.where(inside(outer, height, width), 255, 0).astype(np.uint8)
    return Clip(frames=frames, patient="nobody", mm_per_px=0.1, truth=truth)


@pytest.mark.parametrize("size", [(37, 64), (300, 200), (256, 256), (749, 709), (32, 1000)])
def test_the_whole_picture_is_in_the_square_and_keeps_its_aspect(size):
    height, width = size
    columns, rows = shown_size(width, height)
    assert max(columns, rows) == SIDE
    assert abs(columns / rows - width / height) <= 0.5 * (1 + width / height) / rows
    square = into_square(Image.fromarray(np.full(size, 200, np.uint8)), (columns, rows))
    assert (square[:rows, :columns] == 200).all()
    assert not square[rows:].any() and not square[:, columns:].any()


@pytest.mark.usefixtures("white_is_a_vessel")
@pytest.mark.parametrize("size", [(40, 90), (300, 200), (256, 256), (749, 709)])
def test_a_box_comes_back_in_pixels_of_its_frame(size):
    height, width = size
    left, top, right, bottom = width // 5, height // 3, width // 2, height // 3 + height // 4
    frame = np.zeros(size, np.uint8)
    frame[top:bottom, left:right] = 255
    box = find_vessel(frame)
    pixel = max(1, max(size) / SIDE)  # of the square, in the frame
    np.testing.assert_allclose(box[:4], (left, top, right, bottom), atol=pixel)
    assert box.score > CONVINCING


@pytest.mark.parametrize(
    ("square", "frame"),
    [
        ((-20, 30, 300, 90), (0, 30 * 1000 / 256, 33, 90 * 1000 / 256)),  # keeps to its frame
        ((2, 30, 6, 90), (2 * 33 / 8, 30 * 1000 / 256, 6 * 33 / 8, 90 * 1000 / 256)),
    ],
)
def test_what_the_resizing_rounds_is_undone_exactly(monkeypatch, square, frame):
    """A frame of 33 x 1000 takes 8 columns of the square, not 8.4."""

    def the_same_everywhere(pictures):
        answers = torch.zeros(len(pictures), 5, SIDE // STRIDE, SIDE // STRIDE)
        answers[:, 1:] = numbers_of(torch.tensor([square]).float(), places(answers))
        return answers

    monkeypatch.setattr(csglib.detect, "_detector", lambda: the_same_everywhere)
    (box,) = likeliest_boxes(np.zeros((1, 1000, 33), np.uint8))
    np.testing.assert_allclose(box[:4], frame, atol=1e-3)


@pytest.mark.usefixtures("white_is_a_vessel")
def test_what_does_not_convince_is_none():
    frame = np.zeros((64, 64), np.uint8)
    frame[20:40, 10:30] = 100
    assert find_vessel(frame) is None
    (box,) = likeliest_boxes(frame[None])
    assert box.score < CONVINCING
    np.testing.assert_allclose(box[:4], (10, 20, 30, 40), atol=0.5)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((64, 64)), r"wanted grey frames, uint8.*got float64, \(1, 64, 64\)"),
        (np.zeros((64, 64, 3), np.uint8), r"got uint8, \(1, 64, 64, 3\)"),
        (np.zeros((0, 64), np.uint8), "needs 32 pixels or more a side: got 64 x 0"),
        (np.zeros((64, 31), np.uint8), "needs 32 pixels or more a side: got 31 x 64"),
    ],
)
def test_what_is_no_frame_is_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        find_vessel(frame)


def test_a_clip_without_frames_or_a_crop_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"one or more: got uint8, \(0, 64, 64\)"):
        crop_clip(Clip(frames=np.zeros((0, 64, 64), np.uint8), patient="nobody"))
    with pytest.raises(ValueError, match="1 or more: got size=0"):
        crop_clip(moving_vessel([(100, 70)], [(30, 24)]), size=0)


@pytest.mark.usefixtures("white_is_a_vessel")
@pytest.mark.parametrize("window", ["fixed", "tight"])
def test_the_truth_follows_into_the_crop(window):
    """The contour, moved, is still around the white pixels, resized."""
    clip = moving_vessel([(80, 70), (90, 66), (97, 71)], [(30, 24), (31, 25), (29, 26)])
    crop = crop_clip(clip, window, size=120)
    white = crop.frames > 127
    again = inside(crop.truth.vessel_outer, 120, 120)
    assert (white & again).sum() / (white | again).sum() > 0.97
    for name in ("vessel_outer", "vessel_inner", "lumen"):
        contour = getattr(crop.truth, name)
        assert contour.min() > -1.5 and contour.max() < 121.5
    np.testing.assert_array_equal(crop.truth.area_stenosis, clip.truth.area_stenosis)
    assert crop.frames.shape == (3, 120, 120)


@pytest.mark.usefixtures("white_is_a_vessel")
def test_a_fixed_window_keeps_scale_and_motion():
    middles, axes = [(80, 70), (90, 66), (97, 71)], [(30, 24), (31, 25), (29, 26)]
    clip = moving_vessel(middles, axes)
    crop = crop_clip(clip, "fixed", size=120)
    side = (1 + 2 * SURROUNDINGS) * 60  # of the square, pixels of the clip
    assert crop.mm_per_px == pytest.approx(0.1 * side / 120, rel=0.05)
    steps, before = (
        np.diff(it.truth.vessel_outer.mean(axis=1), axis=0) * it.mm_per_px for it in (crop, clip)
    )
    np.testing.assert_allclose(steps, before, atol=1e-6)


@pytest.mark.usefixtures("white_is_a_vessel")
def test_a_tight_window_is_the_box_alone_on_black():
    clip = moving_vessel([(80, 70), (97, 71)], [(40, 24), (20, 30)])
    clip = replace(clip, frames=np.maximum(clip.frames, 60))
    crop = crop_clip(clip, "tight", size=100)
    assert crop.mm_per_px is None  # the two are not on one scale
    for frame, wide, high in zip(crop.frames, (1, 20 / 30), (24 / 40, 1), strict=True):
        assert extent(frame > 30) == pytest.approx(
            (50 - 50 * wide, 50 - 50 * high, 50 + 50 * wide, 50 + 50 * high), abs=3
        )


@pytest.mark.usefixtures("white_is_a_vessel")
def test_beyond_the_frame_a_crop_is_black():
    clip = moving_vessel([(20, 30)], [(22, 24)], height=64, width=90)
    clip = replace(clip, frames=np.maximum(clip.frames, 60))
    crop = crop_clip(clip, "fixed", size=64)
    assert not crop.frames[0, 20:40, :3].any()
    assert crop.frames[0, 20:40, 20:].min() >= 59


def found(monkeypatch, boxes):
    monkeypatch.setattr(csglib.detect, "likeliest_boxes", lambda frames: boxes)


def test_a_frame_in_doubt_lies_between_its_neighbours(monkeypatch):
    clip = moving_vessel([(40, 40), (60, 46), (80, 52), (90, 55)], [(20, 20)] * 4)
    sure = [Box(x - 20, y - 20, x + 20, y + 20, 0.9) for x, y in ((40, 40), (80, 52))]
    lost = Box(0, 0, 9, 9, 0.1)
    found(monkeypatch, [sure[0], lost, sure[1], sure[1]])
    crop = crop_clip(clip, "tight", size=80)
    middles = crop.truth.vessel_outer.mean(axis=1)
    np.testing.assert_allclose(middles[:3], 39.5, atol=1.1)
    np.testing.assert_allclose(middles[3], (39.5 + 20, 39.5 + 6), atol=1.1)


def test_a_vessel_in_half_of_the_frames_is_a_guess_and_refused(monkeypatch):
    clip = moving_vessel([(40, 40)] * 4, [(20, 20)] * 4)
    sure, lost = Box(20, 20, 60, 60, 0.9), Box(0, 0, 9, 9, 0.125)
    found(monkeypatch, [sure, lost, sure, lost])
    with pytest.raises(ValueError, match=r"in 2 of 4 frames.*frame 1: 0\.12, frame 3: 0\.12$"):
        crop_clip(clip)
    found(monkeypatch, [lost] * 4)
    with pytest.raises(ValueError, match="in 0 of 4 frames, wanted more than half"):
        crop_clip(clip, "tight")
    found(monkeypatch, [lost] * 12)
    with pytest.raises(ValueError, match=r"frame 7: 0\.12, \.\.\.$"):
        crop_clip(clip)


def test_the_shipped_weights_are_small_and_say_where_they_come_from():
    assert WEIGHTS.stat().st_size < 4_000_000
    tensors, notes = read_weights(WEIGHTS)
    assert tensors.keys() == Detector().state_dict().keys()
    assert {"seed", "frames", "epochs", "phantom", "torch", "whole_found"} <= notes.keys()


def test_the_same_frame_gives_the_same_box_alone_and_in_a_clip():
    frames = np.random.default_rng(3).integers(0, 256, (3, 96, 70), dtype=np.uint8)
    assert likeliest_boxes(frames) == likeliest_boxes(frames)
    for frame, box in zip(frames, likeliest_boxes(frames), strict=True):
        np.testing.assert_allclose(likeliest_boxes(frame[None])[0], box, atol=1e-3)


@pytest.mark.parametrize("grey", [0, 90])
def test_a_picture_of_nothing_has_no_vessel(grey):
    assert find_vessel(np.full((200, 300), grey, np.uint8)) is None
    noise = np.random.default_rng(5).normal(grey, 20, (200, 300)).clip(0, 255).astype(np.uint8)
    assert find_vessel(noise) is None


@pytest.mark.slow
def test_the_vessel_is_found_in_necks_that_nobody_has_seen():
    hits = 0
    for seed in range(8):
        clip = make_clip(seed, frames=1, size=320, field="neck", persistence=0.0)
        border = clip.truth.vessel_outer[0] + 0.5
        box = find_vessel(clip.frames[0])
        hits += box is not None and overlap(box, [*border.min(axis=0), *border.max(axis=0)]) > 0.5
    assert hits >= 6


@pytest.mark.skipif(not REAL.is_dir(), reason="the real frames are not here")
def test_the_vessel_is_found_in_real_frames():
    """Eleven frames of Momot 2022 (CC BY 4.0), healthy arteries, masks by experts."""
    overlaps = {}
    for path in sorted(REAL.glob("*_img.png")):
        mask = np.asarray(Image.open(str(path).replace("_img", "_mask")).convert("L")) > 127
        box = find_vessel(np.asarray(Image.open(path).convert("L")))
        overlaps[path.stem] = 0.0 if box is None else overlap(box, extent(mask))
    assert len(overlaps) == 11
    assert sum(value > 0.5 for value in overlaps.values()) >= 10, overlaps
