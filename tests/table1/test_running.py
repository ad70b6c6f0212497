"""Tables of small networks: what is done is kept, and what was killed goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from csglib.data.cohort import digest
from csglib.model.weights import read_weights
from csglib.table1 import running
from csglib.table1.budget import BUDGETS, Budget
from csglib.table1.rows import ROWS
from csglib.table1.running import RESULT, Table, table
from csglib.train import experiment
from csglib.train.predictions import Predictions

SMALL = Budget(
    patients=3,
    pretrain_patients=4,
    size=32,
    epochs=2,
    finetune_epochs=1,
    pretrain_epochs=1,
    pretrain_lr=0.007,
)


class Small(nn.Module):
    """Takes clips of any length."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 1)
        self.classify = nn.Linear(4, 2)

    def forward(self, clip):
        return self.classify(self.conv(clip).relu().mean((2, 3, 4)))


@pytest.fixture
def built(monkeypatch):
    """Every network is a small one; what was asked for is remembered."""
    asked = []

    def build(name, classes, frames, size):
        asked.append((name, classes, frames, size))
        return Small()

    monkeypatch.setattr(experiment, "build_network", build)
    return asked


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """Made once; each test's table finds copies."""
    folder = tmp_path_factory.mktemp("cohorts")
    whole = Table(folder, SMALL, "random")
    for frames in (8, 16):
        whole._splits(frames)
    return folder


@pytest.fixture
def folder(cohorts, tmp_path):
    for name in ("cohort-8", "cohort-16"):
        (tmp_path / name).symlink_to(cohorts / name)
    return tmp_path


@pytest.mark.slow
def test_each_row_is_run_for_each_seed_and_kept(folder, built):
    asked = Table(folder, SMALL, "random")
    done = list(asked.run(["i3d", "base_random"], seeds=2))
    assert [(name, seed) for name, seed, _ in done] == [
        ("i3d", 0), ("base_random", 0), ("i3d", 1), ("base_random", 1)
    ]  # fmt: skip
    assert built[0] == ("i3d", 2, 8, 32)
    for _, _, run in done:
        said = Predictions.read(run / "test.csv")
        assert len(said.grades) == len(asked._splits(8)["test"])
        found = json.loads((run / RESULT).read_text())
        assert found["parameters"] == sum(value.numel() for value in Small().parameters())
        assert found["macs"] == 8 * 32 * 32 * 3 * 4 + 4 * 2
        assert (found["epochs"], found["peak_bytes"]) == (2, None)
    first, second = (read_weights(run / "best.safetensors")[0] for _, _, run in done[::2])
    assert not torch.equal(first["conv.weight"], second["conv.weight"]), "seeds differ"
    built.clear()
    again = list(Table(folder, SMALL, "random").run(["i3d", "base_random"], seeds=2))
    assert again == done
    assert built == []


@pytest.mark.slow
def test_what_was_killed_goes_on(folder, built, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running, "_measured", killed)
        with pytest.raises(KeyboardInterrupt):
            list(Table(folder, SMALL, "random").run(["i3d"], seeds=1))
    stamp = (folder / "i3d/seed-0/best.safetensors").stat().st_mtime_ns
    list(Table(folder, SMALL, "random").run(["i3d"], seeds=1))
    assert (folder / "i3d/seed-0" / RESULT).is_file()
    assert (folder / "i3d/seed-0/best.safetensors").stat().st_mtime_ns == stamp, "not trained again"
    assert not (folder / "i3d/seed-0/resume.safetensors").exists(), "no gigabytes are left"


@pytest.mark.slow
def test_sixteen_frames_start_from_eight(folder, built):
    ((_, _, run),) = Table(folder, SMALL, "random").run(["base_16"], seeds=1)
    kept = json.loads((run / "experiment.json").read_text())
    assert kept["init"] == digest(folder / "base/seed-0/best.safetensors")[:16]
    assert kept["frames"] == 16
    config = json.loads((run / "config.json").read_text())
    assert config["lr"] == str(SMALL.finetune_lr)
    assert json.loads((run / RESULT).read_text())["epochs"] == SMALL.finetune_epochs


@pytest.mark.slow
def test_a_table_may_be_moved(folder, built, tmp_path):
    Table(folder, SMALL, "random")._done("base_16", 0)
    (folder / "base_16/seed-0" / RESULT).unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("base", "base_16", "cohort-8", "cohort-16", "table.json"):
        if (folder / name).exists():
            (folder / name).rename(elsewhere / name)
    run = Table(elsewhere, SMALL, "random")._done("base_16", 0)
    assert (run / RESULT).is_file()


@pytest.mark.slow
def test_the_parent_learns_single_frames_with_their_own_grades(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(running, "pretrain", lambda *what: asked.append(what) or Path("w"))
    monkeypatch.setattr(running, "_OTHERS", 7)
    whole = Table(folder, SMALL, "frames")
    assert whole._weights(ROWS["csg3dct"], 3) == "w"
    ((splits, config),) = asked
    assert splits["train"].frames.shape[1:] == (1, 32, 32)
    assert (config.seed, config.epochs) == (3, SMALL.pretrain_epochs)
    assert config.lr == SMALL.pretrain_lr
    clips = whole._splits(8)
    assert not np.array_equal(splits["test"].frames[0, 0], clips["test"].frames[0, 0])
    assert whole._weights(ROWS["base_random"], 3) == ""
    assert Table(folder, SMALL, "some.pth")._weights(ROWS["base"], 0) == "some.pth"


def test_another_table_in_the_same_folder(tmp_path, built):
    Table(tmp_path, SMALL, "random")._note()
    with pytest.raises(ValueError, match="a table of another start, random: wanted frames"):
        next(Table(tmp_path, SMALL, "frames").run(["i3d"], seeds=1))


@pytest.mark.parametrize(
    ("names", "seeds", "message"),
    [
        (["i3d", "c3d"], 1, "got i3d, c3d, seeds=1"),
        ([], 1, "got no row"),
        (["i3d"], 0, "one seed or more: got i3d, seeds=0"),
    ],
)
def test_what_cannot_be_run(tmp_path, names, seeds, message):
    with pytest.raises(ValueError, match=message):
        next(Table(tmp_path, SMALL, "random").run(names, seeds))
    assert list(tmp_path.iterdir()) == []


def test_budgets_by_name(tmp_path):
    assert table(tmp_path, "paper", "frames").budget == BUDGETS["paper"]
    config = BUDGETS["paper"].config(tmp_path, seed=1)
    assert (config.epochs, config.batch_size, config.lr, config.weight_decay) == (
        100,
        4,
        1e-4,
        1e-4,
    )
    with pytest.raises(ValueError, match="one of smoke, laptop, gpu, paper: got huge"):
        table(tmp_path, "huge", "frames")
