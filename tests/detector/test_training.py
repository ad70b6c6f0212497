import json

import numpy as np
import pytest
import torch

import csglib.detect.frames
import csglib.detect.training
from csglib.detect.frames import Neck, empty_view, vessel_view, whole_view
from csglib.detect.network import SIDE, STRIDE, decode, numbers_of, places
from csglib.detect.spoiling import holed, painted_out, relit, spoilt, strange, veined, ways_aside
from csglib.detect.training import (
    boxes,
    detection_loss,
    fit_detector,
    judge,
    overlap,
    train_detector,
)
from csglib.model.weights import read_weights


def toy_neck(seed, alone=True):
    """A dark disc with a bright rim on grain, as wide as 50 to 110 of 384 pixels."""
    chance = np.random.default_rng(seed)
    radius = chance.uniform(25, 55)
    x, y = chance.uniform(1.2 * radius, 384 - 1.2 * radius, 2)
    rows, columns = np.mgrid[:384, :384] + 0.5
    away = np.hypot(rows - y, columns - x)
    grain = 60 * chance.random((384, 384))
    frame = np.where(away < radius, 8, np.where(away < 1.15 * radius, 200, grain))
    box = np.array([x - radius, y - radius, x + radius, y + radius])
    return Neck(frame.astype(np.uint8), box, alone)


def test_overlap_is_intersection_over_union():
    first = torch.tensor([[0.0, 0, 4, 4], [0, 0, 2, 2], [1, 1, 3, 5]])
    second = torch.tensor([[2.0, 1, 6, 5], [2, 0, 4, 2], [1, 1, 3, 5]])
    torch.testing.assert_close(overlap(first, second), torch.tensor([6 / 26, 0, 1]))


def test_the_truth_has_no_loss_and_anything_else_has_some():
    wanted = torch.tensor([[30.0, 40.0, 90.0, 96.0], [torch.nan] * 4])
    right = torch.full((2, 5, SIDE // STRIDE, SIDE // STRIDE), -40.0)
    right[0, 1:] = numbers_of(wanted[:1], places(right))[0]
    right[0, 0, 68 // STRIDE, 60 // STRIDE] = 40
    right.requires_grad_()
    loss = detection_loss(right, wanted)
    assert loss.item() < 1e-3
    loss.backward()
    assert right.grad.isfinite().all()
    for change in ((0, 0, 3, 3, 80), (1, 0, 8, 8, 40), (0, 3, 8, 7, 1), (0, 1, 9, 8, -1)):
        wrong = right.detach().clone()
        wrong[change[:4]] += change[4]
        assert detection_loss(wrong, wanted) > 0.01, change


def test_far_from_the_vessel_the_box_is_nobodys_business():
    wanted = torch.tensor([[30.0, 40.0, 90.0, 96.0]])
    answers = torch.randn(1, 5, 32, 32, generator=torch.Generator().manual_seed(2))
    other = answers.clone()
    other[0, 1:, 20:] += 5
    assert detection_loss(answers, wanted) == detection_loss(other, wanted)


def white_extent(picture):
    rows, columns = np.nonzero(picture > 127)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("seed", range(6))
def test_the_box_follows_the_vessel_into_every_view(monkeypatch, seed):
    monkeypatch.setattr(csglib.detect.frames, "relit", lambda frame, box, chance: frame)
    monkeypatch.setattr(csglib.detect.frames, "holed", lambda frame, box, chance: frame)
    monkeypatch.setattr(csglib.detect.frames, "veined", lambda frame, box, chance: frame)
    monkeypatch.setattr(csglib.detect.frames, "spoilt", lambda picture, chance: picture)
    frame = np.full((384, 384), 30, np.uint8)
    frame[140:200, 60:150] = 255
    neck = Neck(frame, np.array([60.0, 140, 150, 200]), True)
    view = vessel_view(neck, np.random.default_rng(seed))
    np.testing.assert_allclose(view.box, white_extent(view.square), atol=1.5)
    assert view.square.shape == (SIDE, SIDE)
    whole = whole_view(neck)
    np.testing.assert_allclose(whole.box, neck.box * SIDE / 384)
    np.testing.assert_allclose(whole.box, white_extent(whole.square), atol=1)


def test_views_differ_in_size_place_and_hand():
    neck = toy_neck(1)._replace(box=np.array([40.0, 150, 110, 220]))
    chance = np.random.default_rng(0)
    found = np.stack([vessel_view(neck, chance).box for _ in range(30)])
    wide = found[:, 2] - found[:, 0]
    assert wide.max() > 2.2 * wide.min()
    middle = (found[:, 0] + found[:, 2]) / 2
    assert (middle < 100).mean() > 0.2 and (middle > 156).mean() > 0.2


def test_what_lies_aside_takes_the_place_of_the_vessel():
    for seed in range(5):
        neck = toy_neck(seed)
        left, top, right, bottom = neck.box.astype(int)
        for way in ways_aside(neck.box, 384):
            gone = painted_out(neck.frame, neck.box, way)
            inside = slice(top + 15, bottom - 15), slice(left + 15, right - 15)
            aside = neck.frame[:, np.arange(384) + way - 384 * (way > 0)]
            np.testing.assert_array_equal(gone[inside], aside[inside])
            assert gone.max() < 130 < neck.frame.max()
            assert gone[inside].mean() > 20  # grain again, not blood


@pytest.mark.parametrize(
    ("left", "right", "ways"),
    [(10, 60, [85]), (150, 200, [-85, 85]), (330, 380, [-85]), (100, 300, [])],
)
def test_only_pieces_within_the_picture_are_taken(left, right, ways):
    assert ways_aside(np.array([left, 40.0, right, 90.0]), 384) == ways


def test_beside_a_second_artery_the_first_is_never_painted_out(monkeypatch):
    monkeypatch.delattr(csglib.detect.frames, "painted_out")
    chance = np.random.default_rng(2)
    assert all(empty_view(toy_neck(3, alone=False), chance).box is None for _ in range(9))
    with pytest.raises(NameError, match="painted_out"):
        [empty_view(toy_neck(3), chance) for _ in range(9)]


def test_spoiling_changes_the_picture_and_not_its_shape():
    neck = toy_neck(3)
    chance = np.random.default_rng(4)
    for _ in range(12):
        picture = spoilt(neck.frame[:90, :130] / 255, chance)
        assert picture.shape == (90, 130) and np.isfinite(picture).all()
        assert strange(33, chance).shape == (33, 33)


def test_light_changes_around_the_vessel_and_reaches_it():
    frame, box = np.full((384, 384), 200, np.uint8), np.array([160.0, 100, 240, 170])
    lit = np.stack([relit(frame, box, np.random.default_rng(seed)) for seed in range(12)])
    assert (lit[:, 135, 200] > 35).all() and (lit[:, 135, 200] == 200).any()
    assert (lit[:, 90, 200] < 100).any(), "a ring that is not bright"
    assert (lit[:, 190, 200] < 150).any() and (lit[:, 190, 200] > 210).any()  # right under it
    assert (lit[:, 370, 200] < 20).any() and (lit[:, 370, 200] == 200).any()
    assert (lit[:, 135, 370] < 20).any() and (lit[:, 135, 370] == 200).any()


def test_holes_are_dark_and_spare_the_vessel():
    frame, box = np.full((384, 384), 200, np.uint8), np.array([160.0, 100, 240, 170])
    made = [holed(frame, box, np.random.default_rng(seed)) for seed in range(20)]
    dark = np.array([(picture < 90).sum() for picture in made])
    assert (dark == 0).any()
    assert (dark > 700).sum() >= 8
    assert all((picture[105:165, 165:235] > 190).all() for picture in made)


def test_veins_are_flat_dark_and_walled_and_lie_against_the_vessel():
    frame, box = np.full((384, 384), 60, np.uint8), np.array([160.0, 100, 240, 170])
    made = np.stack([veined(frame, box, np.random.default_rng(seed)) for seed in range(20)])
    dark, bright = made < 24, made > 90
    assert (made == 60).all(axis=(1, 2)).any(), "some necks have none"
    assert (dark.sum(axis=(1, 2)) > 200).sum() >= 8
    assert (bright.sum(axis=(1, 2)) > 50).sum() >= 5
    assert (made[:, 112:158, 180:220] > 57).all(), "the vessel is spared"
    rows, columns = np.nonzero(dark.any(axis=0))
    assert rows.max() < 190, "above or beside, not under it"
    assert columns.min() > 0 and columns.max() < 383
    assert np.hypot(columns - 200, rows - 135).max() < 3.5 * 80


@pytest.mark.parametrize(
    "asked", [{"frames": 11}, {"epochs": 0}, {"jobs": 0}], ids=lambda asked: next(iter(asked))
)
def test_too_little_is_refused_before_anything_is_written(tmp_path, asked):
    with pytest.raises(ValueError, match="wanted frames >= 12, epochs >= 1, jobs >= 1: got"):
        train_detector(tmp_path / "out", **asked)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_network_learns_eight_necks_by_heart(monkeypatch):
    monkeypatch.setattr(csglib.detect.training, "chance_view", lambda neck, _: whole_view(neck))
    necks = [toy_neck(seed) for seed in range(8)]
    detector = fit_detector(necks, epochs=60, seed=0)
    views = [whole_view(neck) for neck in necks]
    with torch.no_grad():
        found, score = decode(detector(csglib.detect.training.pictures(views)))
    assert overlap(found, boxes(views)).min() > 0.7
    assert score.min() > 0.9
    assert judge(detector, necks)["whole_found"] == 1


@pytest.mark.slow
def test_a_training_that_was_killed_ends_in_the_same_weights(tmp_path):
    asked = {"frames": 12, "epochs": 1, "seed": 3, "jobs": 2}
    scores = train_detector(tmp_path, **asked)
    assert scores.keys() >= {"whole_overlap", "spoilt_found", "false_alarms"}
    weights = tmp_path / "detector.safetensors"
    before, notes = read_weights(weights)
    assert json.loads(notes["frames"]) == 12 and json.loads(notes["whole_overlap"]) >= 0
    weights.unlink()
    necks = sorted((tmp_path / "necks").rglob("*.npz"))
    assert len(necks) == 12
    necks[4].unlink()
    untouched = necks[5].stat().st_mtime_ns
    train_detector(tmp_path, **asked)
    again, _ = read_weights(weights)
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], value) for name, value in before.items())
    assert necks[5].stat().st_mtime_ns == untouched
