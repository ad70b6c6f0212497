import numpy as np
import pytest
import torch

from csglib.data.cohort import ClipSet
from csglib.model.config import PAPER, TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.pretrained import conformer_state, load_conformer
from csglib.model.weights import read_weights
from csglib.table1.pretrain import conformer_for, pretrain
from csglib.train.config import TrainConfig
from csglib.train.networks import build_network


def frames(who, count):
    grades = np.arange(count) % 2
    pictures = np.random.default_rng(count).integers(0, 100, (count, 1, 32, 32)).astype(np.uint8)
    pictures[grades == 1] += 90
    names = tuple(f"{who}{place}" for place in range(count))
    return ClipSet(frames=pictures, grades=grades, patients=names)


@pytest.mark.slow
def test_what_the_parent_has_learned_csg3dct_takes(tmp_path, monkeypatch):
    splits = {"train": frames("a", 8), "validation": frames("b", 4)}
    config = TrainConfig(folder=tmp_path, epochs=1, batch_size=8)
    path = pretrain(splits, config)
    _, notes = read_weights(path)
    assert notes["epoch"] == "1"
    with torch.device("meta"):
        model = CSG3DCT(PAPER)
    model = model.to_empty(device="cpu")
    report = load_conformer(model, path)
    assert len(report.inflated) == 16
    assert not report.wrong_shape
    best, _ = read_weights(tmp_path / "best.safetensors")
    taken = model.state_dict()["blocks.0.space.qkv.weight"]
    assert torch.equal(taken, best["blocks.0.qkv.weight"])
    monkeypatch.setattr("csglib.table1.pretrain.fit", None)
    assert pretrain(splits, config) == path, "once is enough"


def test_a_small_network_has_a_small_parent(tmp_path):
    splits = {"train": frames("a", 8), "validation": frames("b", 4)}
    config = TrainConfig(folder=tmp_path, epochs=3, batch_size=8, lr=0.01, schedule="one_cycle")
    path = pretrain(splits, config, conformer_for("tiny"))
    assert read_weights(path)[1]["epoch"] == "3", "where the rate has come to rest"
    model = build_network("tiny", size=32)
    report = load_conformer(model, path)
    assert not report.wrong_shape
    best, _ = read_weights(tmp_path / "best.safetensors")
    taken = model.state_dict()["blocks.2.space.qkv.weight"]
    assert torch.equal(taken, best["blocks.2.qkv.weight"])


def test_who_has_no_parent():
    with pytest.raises(ValueError, match="tiny, base, swa, ca, csg3dct: got i3d"):
        conformer_for("i3d")


def test_only_a_network_of_single_frames_is_a_parent():
    with pytest.raises(ValueError, match="expected a network of t = 1"):
        conformer_state(CSG3DCT(TINY))
