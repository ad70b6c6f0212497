"""The detector's network, the boxes it gives, and what `crop_clip` makes of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import csglib.detect
from csglib import Clip, find_vessel, make_clip
from csglib.data import Truth, inside
from csglib.detect import MARGIN, THRESHOLD, Box, best_boxes, crop_clip
from csglib.detect.network import SIDE, STRIDE, Detector, cell_centres, decode, encode, logits
from csglib.model.weights import read_weights

WEIGHTS = Path(csglib.detect.__file__).with_name("detector.safetensors")
REAL = Path(__file__).parents[3] / "shared" / "real" / "momot_cca_ccby4"
BOXES = torch.tensor([[10.0, 22.0, 60.0, 95.0], [118.0, 40.0, 250.0, 130.0]])
MIDDLES, AXES = [(80, 70), (90, 66), (97, 71)], [(30, 24), (31, 25), (29, 26)]


def outputs_for(boxes, evidence, rest=0.0):
    """Outputs of a network that locates these boxes, with such logits at their centres."""
    outputs = torch.zeros(len(boxes), 5, SIDE // STRIDE, SIDE // STRIDE)
    outputs[:, 1:] = encode(boxes, cell_centres(outputs))
    outputs[:, 0] = rest
    for output, box, logit in zip(outputs, boxes, evidence, strict=True):
        x, y = ((box[:2] + box[2:]) / 2 / STRIDE).int()
        output[0, y, x] = logit
    return outputs


def extent(mask):
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def iou(box, other):
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(wide, 0) * max(high, 0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (box[:4], other[:4])]
    return shared / (sum(areas) - shared)


def test_decode_inverts_encode_in_every_cell():
    boxes, scores = decode(outputs_for(BOXES, [12.0, 12.0]))
    torch.testing.assert_close(boxes, BOXES)
    assert scores.min() > 0.99
    for row, column in ((0, 0), (31, 2)):
        outputs = outputs_for(BOXES, [0.0, 0.0])
        outputs[:, 0, row, column] = 20
        torch.testing.assert_close(decode(outputs)[0], BOXES, atol=1e-3, rtol=0)


def test_a_cell_is_decoded_by_hand():
    """Row 1, column 2 of cells of 8 pixels has its centre at (20, 12); sizes are 40 exp(...)."""
    outputs = torch.full((1, 5, 2, 3), -30.0)
    outputs[0, :, 1, 2] = torch.tensor([30.0, 0.25, -0.5, np.log(0.5), np.log(0.25)])
    box, _ = decode(outputs)
    torch.testing.assert_close(box, torch.tensor([[12.0, 3.0, 32.0, 13.0]]))


def test_cells_compete_with_no_vessel():
    """With equal logits e in k cells apart, each has the probability exp(e) / (1 + ...)."""
    outputs = torch.full((1, 5, 4, 6), -30.0)
    outputs[:, 1:] = 0
    outputs[0, 0, 0, 0] = outputs[0, 0, 3, 5] = np.log(2)
    np.testing.assert_allclose(decode(outputs)[1], 2 / (1 + 2 + 2), rtol=1e-5)
    outputs[0, 0, 0, 1] = np.log(0.5)  # a neighbour of the first: the same vessel
    np.testing.assert_allclose(decode(outputs)[1], 2.5 / (1 + 2 + 2 + 0.5), rtol=1e-5)
    assert logits(outputs).shape == (1, 1 + 4 * 6)


def test_the_network_starts_undecided_and_learns_everywhere():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network, images = Detector(4), torch.rand(3, 1, 64, 96)
    outputs = network(images)
    assert outputs.shape == (3, 5, 8, 12)
    assert outputs.abs().max() < 2
    outputs.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def finds_what_is_white(images):
    """Instead of the network: the box of the white pixels; grey ones get a low score."""
    boxes = torch.tensor([extent(image[0].numpy() > 0.25) for image in images]).float()
    return outputs_for(boxes, [30 * (image.max() - 0.5) for image in images], rest=-20)


@pytest.fixture
def white_is_a_vessel(monkeypatch):
    monkeypatch.setattr(csglib.detect, "_detector", lambda: finds_what_is_white)


@pytest.mark.usefixtures("white_is_a_vessel")
@pytest.mark.parametrize("size", [(40, 90), (300, 200), (749, 709)])
def test_a_box_comes_back_in_pixels_of_its_frame_and_a_low_score_is_none(size):
    height, width = size
    left, top, right, bottom = width // 5, height // 3, width // 2, height // 3 + height // 4
    frame = np.zeros(size, np.uint8)
    frame[top:bottom, left:right] = 255
    box, (faint,) = find_vessel(frame), best_boxes(frame[None] // 255 * 100)
    pixel = max(1, max(size) / SIDE)  # of the square, in the frame
    np.testing.assert_allclose((box[:4], faint[:4]), [(left, top, right, bottom)] * 2, atol=pixel)
    assert box.score > THRESHOLD > faint.score
    assert find_vessel(frame // 255 * 100) is None


def test_rounding_of_the_resized_image_is_undone_exactly_and_boxes_end_at_the_edge(monkeypatch):
    """A frame of 33 x 1000 takes 8 columns of the square, not 8.4."""
    outputs = outputs_for(torch.tensor([[-20.0, 30, 300, 90], [2, 30, 6, 90]]), [0.0, 0.0])
    monkeypatch.setattr(csglib.detect, "_detector", lambda: lambda images: outputs)
    wide, narrow = best_boxes(np.zeros((2, 1000, 33), np.uint8))
    top, bottom = 30 * 1000 / 256, 90 * 1000 / 256
    np.testing.assert_allclose(wide[:4], (0, top, 33, bottom), atol=1e-3)
    np.testing.assert_allclose(narrow[:4], (2 * 33 / 8, top, 6 * 33 / 8, bottom), atol=1e-3)


def test_other_arrays_are_refused():
    for frame, message in (
        (np.zeros((64, 64)), r"wanted grey frames, uint8.*got float64, \(1, 64, 64\)"),
        (np.zeros((64, 64, 3), np.uint8), r"got uint8, \(1, 64, 64, 3\)"),
        (np.zeros((64, 31), np.uint8), "32 pixels or more a side: got 31 x 64"),
    ):
        with pytest.raises(ValueError, match=message):
            find_vessel(frame)
    nothing = Clip(frames=np.zeros((0, 64, 64), np.uint8), patient="nobody")
    for size, message in ((8, r"one or more: got uint8, \(0, 64, 64\)"), (0, "more: got size=0")):
        with pytest.raises(ValueError, match=message):
            crop_clip(nothing, size=size)


def moving_vessel(middles, half_axes, height=150, width=210):
    """A white ellipse in each frame on grey, and its truth."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    middle, axes = (np.asarray(it, float)[:, None] for it in (middles, half_axes))
    outer = middle + axes * ring
    closed = np.full(len(outer), 0.6)
    inner, lumen = (middle + part * axes * ring for part in (0.8, 0.5))
    areas = {"area_stenosis": closed, "diameter_stenosis": closed}
    truth = Truth(vessel_outer=outer, vessel_inner=inner, lumen=lumen, **areas)
    frames = np.where(inside(outer, height, width), 255, 60).astype(np.uint8)
    return Clip(frames=frames, patient="nobody", mm_per_px=0.1, truth=truth)


@pytest.mark.usefixtures("white_is_a_vessel")
@pytest.mark.parametrize("window", ["fixed", "tight"])
def test_the_truth_follows_into_the_crop_and_a_fixed_window_keeps_scale_and_motion(window):
    """The contour, transformed, still surrounds the white pixels, resized."""
    clip = moving_vessel(MIDDLES, AXES)
    crop = crop_clip(clip, window, size=120)
    white = crop.frames > 157
    again = inside(crop.truth.vessel_outer, 120, 120)
    assert (white & again).sum() / (white | again).sum() > 0.97
    for name in ("vessel_outer", "vessel_inner", "lumen"):
        contour = getattr(crop.truth, name)
        assert contour.min() > -1.5 and contour.max() < 121.5
    assert crop.frames.shape == (3, 120, 120)
    if window == "tight":
        return
    side = (1 + 2 * MARGIN) * 60  # of the square, pixels of the clip
    assert crop.mm_per_px == pytest.approx(0.1 * side / 120, rel=0.05)
    steps, before = (
        np.diff(it.truth.vessel_outer.mean(axis=1), axis=0) * it.mm_per_px for it in (crop, clip)
    )
    np.testing.assert_allclose(steps, before, atol=1e-6)


@pytest.mark.usefixtures("white_is_a_vessel")
def test_a_tight_window_is_the_box_alone_on_black_as_is_all_beyond_the_frame():
    crop = crop_clip(moving_vessel([(80, 70), (97, 71)], [(40, 24), (20, 30)]), "tight", size=100)
    assert crop.mm_per_px is None  # the two frames differ in scale
    for frame, wide, high in zip(crop.frames, (1, 20 / 30), (24 / 40, 1), strict=True):
        half = np.array([wide, high]) * 50
        assert extent(frame > 30) == pytest.approx([*(50 - half), *(50 + half)], abs=3)
    clip = moving_vessel([(20, 30)], [(22, 24)], height=64, width=90)
    crop = crop_clip(clip, "fixed", size=64)
    assert not crop.frames[0, 20:40, :3].any()
    assert crop.frames[0, 20:40, 20:].min() >= 59


def test_every_pixel_that_a_box_touches_is_in_its_crop():
    touched = csglib.detect._touched(np.array([[10.2, 20.7, 40.1, 60.0], [5.0, 5.0, 5.0, 5.0]]))
    assert touched.tolist() == [[10, 20, 41, 60], [5, 5, 6, 6]]


def test_a_frame_of_low_score_lies_between_its_neighbours(monkeypatch):
    clip = moving_vessel([(40, 40), (60, 46), (80, 52), (90, 55)], [(20, 20)] * 4)
    first, last = (Box(x - 20, y - 20, x + 20, y + 20, 0.9) for x, y in ((40, 40), (80, 52)))
    found = [first, Box(0, 0, 9, 9, 0.1), last, last]
    monkeypatch.setattr(csglib.detect, "best_boxes", lambda frames: found)
    middles = crop_clip(clip, "tight", size=80).truth.vessel_outer.mean(axis=1)
    np.testing.assert_allclose(middles[:3], 39.5, atol=1.1)
    np.testing.assert_allclose(middles[3], (39.5 + 20, 39.5 + 6), atol=1.1)


def test_one_wrong_box_does_not_move_a_fixed_window(monkeypatch):
    clip, right = moving_vessel([(40, 40)] * 5, [(20, 20)] * 5), Box(20, 20, 60, 60, 0.9)
    found = [right] * 4 + [Box(90, 70, 200, 140, 0.9)]
    monkeypatch.setattr(csglib.detect, "best_boxes", lambda frames: found)
    middles = crop_clip(clip, size=80).truth.vessel_outer.mean(axis=1)
    np.testing.assert_allclose(middles, 39.5, atol=1.5)


def test_a_vessel_in_half_of_the_frames_is_refused(monkeypatch):
    for scores, message in (
        ([0.9, 0.125] * 2, r"in 2 of 4 frames.*more than half.*frame 1: 0\.12, frame 3: 0\.12$"),
        ([0.125] * 12, r"in 0 of 12 frames.*frame 7: 0\.12, \.\.\.$"),
    ):
        found = [Box(20, 20, 60, 60, score) for score in scores]
        monkeypatch.setattr(csglib.detect, "best_boxes", lambda frames, found=found: found)
        with pytest.raises(ValueError, match=message):
            crop_clip(moving_vessel([(40, 40)], [(20, 20)]))


def test_the_shipped_weights_are_small_and_say_where_they_come_from():
    assert WEIGHTS.stat().st_size < 4_000_000
    tensors, notes = read_weights(WEIGHTS)
    assert tensors.keys() == Detector().state_dict().keys()
    assert {"seed", "frames", "epochs", "phantom", "torch", "whole_found"} <= notes.keys()


def test_the_same_frame_gives_the_same_box_alone_and_in_a_clip():
    frames = np.random.default_rng(3).integers(0, 256, (3, 96, 70), dtype=np.uint8)
    for frame, box in zip(frames, best_boxes(frames), strict=True):
        np.testing.assert_allclose(best_boxes(frame[None])[0], box, atol=1e-3)


def test_an_image_of_nothing_has_no_vessel():
    noise = np.random.default_rng(5).normal(90, 20, (200, 300)).clip(0, 255).astype(np.uint8)
    assert find_vessel(noise) is find_vessel(noise * 0) is None


def test_the_vessel_is_found_in_new_simulated_necks():
    hits = 0
    for seed in range(4):
        clip = make_clip(seed, frames=1, size=320, field="neck", persistence=0.0)
        border = clip.truth.vessel_outer[0] + 0.5
        box = find_vessel(clip.frames[0])
        hits += box is not None and iou(box, [*border.min(axis=0), *border.max(axis=0)]) > 0.5
    assert hits >= 3


@pytest.mark.skipif(not REAL.is_dir(), reason="the real frames are not here")
def test_the_vessel_is_found_in_real_frames():
    """Eleven frames of Momot 2022 (CC BY 4.0), healthy arteries, masks by experts."""
    overlaps = {}
    for path in sorted(REAL.glob("*_img.png")):
        mask = np.asarray(Image.open(str(path).replace("_img", "_mask")).convert("L")) > 127
        box = find_vessel(np.asarray(Image.open(path).convert("L")))
        overlaps[path.stem] = 0.0 if box is None else iou(box, extent(mask))
    assert len(overlaps) == 11
    assert sum(value > 0.5 for value in overlaps.values()) >= 10, overlaps
