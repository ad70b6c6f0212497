import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from csglib import CONFORMER_S, TrainConfig, build_network, load_conformer, read_clip
from csglib.data.cohort import ClipSet, read_cohort, read_manifest, read_metadata
from csglib.data.stenosis import RULES
from csglib.model import TINY_2D, read_weights
from csglib.phantom.parallel import write_metadata
from csglib.table1.pretrain import conformer_for, pretrain, read_frames


def frames(who, count):
    grades = np.arange(count) % 2
    pictures = np.random.default_rng(count).integers(0, 100, (count, 1, 32, 32)).astype(np.uint8)
    pictures[grades == 1] += 90
    names = tuple(f"{who}{place}" for place in range(count))
    return ClipSet(frames=pictures, grades=grades, patients=names)


def test_what_it_has_learned_is_inflated(tmp_path, monkeypatch):
    validation = frames("b", 4)  # its grades turned around: the first epoch's loss is the best
    splits = {
        "train": frames("a", 8),
        "validation": replace(validation, grades=1 - validation.grades),
    }
    config = TrainConfig(folder=tmp_path, epochs=2, batch_size=8, lr=0.01)
    path = pretrain(splits, config, replace(conformer_for("tiny"), classes=1000))
    _, notes = read_weights(path)
    best, best_notes = read_weights(tmp_path / "best.safetensors")
    assert {len(tensor) for name, tensor in best.items() if "classify" in name} == {2}
    assert notes["epoch"] == best_notes["epoch"] == "1"
    first, second = csv.DictReader((tmp_path / "epochs.csv").read_text().splitlines())
    assert notes["accuracy"] == first["validation_accuracy"] != second["validation_accuracy"]
    model = build_network("tiny", size=32)
    report = load_conformer(model, path)
    assert report.inflated
    assert not report.wrong_shape
    taken = model.state_dict()["blocks.2.space.qkv.weight"]
    assert torch.equal(taken, best["blocks.2.qkv.weight"])
    assert not (tmp_path / "resume.safetensors").exists()
    monkeypatch.setattr("csglib.table1.pretrain.fit", None)
    assert pretrain(splits, config) == path, "once is enough"


def test_the_seed_decides_the_first_weights(tmp_path, monkeypatch):
    begun = []

    def interrupted(network, *_):
        begun.append(next(network.parameters()))
        raise KeyboardInterrupt

    monkeypatch.setattr("csglib.table1.pretrain.fit", interrupted)
    splits = {"train": frames("a", 2), "validation": frames("b", 2)}
    for seed in (1, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            pretrain(splits, TrainConfig(folder=tmp_path, seed=seed), TINY_2D)
    one, again, other = begun
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_each_network_of_ours_has_its_2d_one():
    assert conformer_for("tiny") == TINY_2D
    assert conformer_for("csg3dct") == conformer_for("base") == CONFORMER_S
    with pytest.raises(ValueError, match="tiny, base, swa, ca, csg3dct: got i3d"):
        conformer_for("i3d")


def test_each_frame_by_itself_has_the_grade_of_what_it_shows(a_cheap_cohort, tmp_path):
    clips, frames = read_cohort(a_cheap_cohort), read_frames(a_cheap_cohort)
    assert frames.keys() == clips.keys()
    for split, found in frames.items():
        whole = clips[split]
        count, length = whole.frames.shape[:2]
        assert found.frames.shape == (count * length, 1, *whole.frames.shape[2:])
        np.testing.assert_array_equal(found.frames[:, 0].reshape(whole.frames.shape), whole.frames)
        assert found.patients == tuple(name for name in whole.patients for _ in range(length))
    rows = [row for row in read_manifest(a_cheap_cohort) if row["split"] == "train"]
    shares = np.stack(
        [read_clip(a_cheap_cohort / row["clip"]).truth.diameter_stenosis for row in rows]
    )
    np.testing.assert_array_equal(frames["train"].grades, (shares >= 0.5).ravel())
    worst = frames["train"].grades.reshape(shares.shape).max(axis=1)
    np.testing.assert_array_equal(worst, clips["train"].grades)
    four = shutil.copytree(a_cheap_cohort, tmp_path / "four")
    write_metadata(four, read_metadata(four) | {"rule": "four_grades"})
    assert read_frames(four)["train"].grade_names == RULES["four_grades"].grades
