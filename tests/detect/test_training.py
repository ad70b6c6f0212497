"""Training of the detector, benchmarks/detector: its views, loss and resume."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import csglib
from csglib import Clip
from csglib.data.clips import Truth
from csglib.detect.network import SIDE, STRIDE, Detector, cell_centres, decode, encode
from csglib.model.weights import read_weights

from ..conftest import in_this_process
from .test_detect import extent

sys.path.insert(0, str(Path(csglib.__file__).parents[1] / "benchmarks" / "detector"))

import frames
import train


def toy_neck(seed):
    """A dark disc with a bright rim on noise, 50 to 110 of 384 pixels wide."""
    rng = np.random.default_rng(seed)
    radius = rng.uniform(25, 55)
    x, y = rng.uniform(1.2 * radius, 384 - 1.2 * radius, 2)
    rows, columns = np.mgrid[:384, :384] + 0.5
    away = np.hypot(rows - y, columns - x)
    grain = 60 * rng.random((384, 384))
    frame = np.where(away < radius, 8, np.where(away < 1.15 * radius, 200, grain)).astype(np.uint8)
    return frames.Neck(frame, np.array([x - radius, y - radius, x + radius, y + radius]), True)


def test_iou_is_intersection_over_union():
    first = torch.tensor([[0.0, 0, 4, 4], [0, 0, 2, 2], [1, 1, 3, 5]])
    second = torch.tensor([[2.0, 1, 6, 5], [2, 0, 4, 2], [1, 1, 3, 5]])
    torch.testing.assert_close(train.box_iou(first, second), torch.tensor([6 / 26, 0, 1]))


def test_the_truth_has_no_loss_and_anything_else_has_some():
    targets = torch.tensor([[30.0, 40.0, 90.0, 96.0], [torch.nan] * 4])
    right = torch.full((2, 5, SIDE // STRIDE, SIDE // STRIDE), -40.0)
    right[0, 1:] = encode(targets[:1], cell_centres(right))[0]
    right[0, 0, 68 // STRIDE, 60 // STRIDE] = 40
    right.requires_grad_()
    loss = train.detection_loss(right, targets)
    assert loss.item() < 1e-3
    loss.backward()
    assert right.grad.isfinite().all()
    for change in ((0, 0, 3, 3, 80), (1, 0, 8, 8, 40), (0, 3, 8, 7, 1), (0, 1, 9, 8, -1)):
        wrong = right.detach().clone()
        wrong[change[:4]] += change[4]
        assert train.detection_loss(wrong, targets) > 0.01, change
    far = right.detach().clone()
    far[0, 1:, 20:] += 5  # boxes far from the vessel do not count
    assert train.detection_loss(far, targets) == loss


def test_the_box_follows_the_vessel_into_every_view(monkeypatch):
    for name in ("relight", "add_holes", "add_veins"):
        monkeypatch.setattr(frames, name, lambda frame, box, rng: frame)
    monkeypatch.setattr(frames, "degrade", lambda image, rng: image)
    frame = np.full((384, 384), 30, np.uint8)
    frame[140:200, 60:150] = 255
    neck = frames.Neck(frame, np.array([60.0, 140, 150, 200]), True)
    views = [frames.vessel_view(neck, np.random.default_rng(seed)) for seed in range(16)]
    for view in views:
        np.testing.assert_allclose(view.box, extent(view.square > 127), atol=1.5)
        assert view.square.shape == (SIDE, SIDE)
    left, _, right, _ = np.array([view.box for view in views]).T  # they differ in size and place
    assert np.ptp(right - left) > 50 and np.ptp(left + right) > 100
    whole = frames.whole_view(neck)
    np.testing.assert_allclose(whole.box, neck.box * SIDE / 384)
    np.testing.assert_allclose(whole.box, extent(whole.square > 127), atol=1)


def test_the_network_overfits_two_necks(monkeypatch):
    monkeypatch.setattr(train, "random_view", lambda neck, _: frames.whole_view(neck))
    necks = [toy_neck(seed) for seed in range(2)]
    detector = train.fit_detector(necks, epochs=30, seed=0)
    views = [frames.whole_view(neck) for neck in necks]
    with torch.no_grad():
        found, score = decode(detector(train.images(views)))
    assert train.box_iou(found, train.boxes(views)).min() > 0.7
    assert score.min() > 0.9
    assert train.evaluate(detector, necks)["whole_found"] == 1


def simulated_toy(seed, frames, size, field, **preset):
    assert (frames, size, field) == (1, 384, "neck") and preset["persistence"] == 0
    neck = toy_neck(seed)
    left, top, right, bottom = neck.box
    box = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]]) - 0.5
    borders = dict.fromkeys(("vessel_outer", "vessel_inner", "lumen"), box)
    unknown, facts = np.zeros(1), {"bifurcation": seed % 2}
    truth = Truth(**borders, area_stenosis=unknown, diameter_stenosis=unknown, parameters=facts)
    return Clip(frames=neck.frame[None], patient="nobody", truth=truth)


def test_a_killed_training_finds_its_necks_and_ends_in_the_same_weights(
    tmp_path, monkeypatch, capsys
):
    """A neck comes back from its file with its box; of the network only the size is another."""
    monkeypatch.setattr(frames, "make_clip", simulated_toy)
    monkeypatch.setattr(frames, "workers", in_this_process)
    monkeypatch.setattr(train, "Detector", lambda: Detector(4))
    words = ["train.py", str(tmp_path), "--frames", "12", "--epochs", "1", "--seed", "3"]
    monkeypatch.setattr(sys, "argv", [*words, "--jobs", "1"])
    train.main()
    assert capsys.readouterr().out.split()[::2][:2] == ["whole_overlap", "whole_found"]
    weights = tmp_path / "detector.safetensors"
    before, notes = read_weights(weights)
    assert json.loads(notes["frames"]) == 12 and json.loads(notes["whole_overlap"]) >= 0
    necks = sorted((tmp_path / "necks").rglob("*.npz"))
    assert len(necks) == 12
    for neck in frames.simulate_necks(tmp_path / "necks", [int(necks[1].stem)], 1):
        np.testing.assert_allclose(neck.box, toy_neck(int(necks[1].stem)).box)
        assert not neck.alone
    weights.unlink(), necks[4].unlink()
    untouched = necks[5].stat().st_mtime_ns
    train.main()
    again, _ = read_weights(weights)
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], value) for name, value in before.items())
    assert necks[5].stat().st_mtime_ns == untouched
