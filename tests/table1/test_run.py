"""Tables of small networks: what is finished is kept, and what was killed is resumed."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from csglib.data.cohort import digest
from csglib.model import TINY_2D
from csglib.model.config import CONFORMER_S
from csglib.model.weights import read_weights
from csglib.phantom.patients import clip_specs
from csglib.table1 import run
from csglib.table1.budget import BUDGETS, Budget
from csglib.table1.rows import ALL_ROWS, ROWS
from csglib.table1.run import RESULT, Table1
from csglib.train import Predictions, experiment

from ..small_training import Small

SMALL = Budget(
    patients=3, size=32, epochs=2, finetune_epochs=1, pretrain_epochs=1, pretrain_lr=0.007
)


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
def cohorts():
    """Each cohort is made once for all tests."""
    made = {}
    real = run.made_cohort.__wrapped__

    def once(folder, spec):
        if spec not in made:
            made[spec] = real(folder, spec)
        return made[spec]

    return once


@pytest.fixture(autouse=True)
def shared(cohorts, monkeypatch, cheap_videos):
    monkeypatch.setattr(run, "made_cohort", cohorts)


def test_each_row_is_run_for_each_seed_and_kept(tmp_path, built):
    rows = ["i3d", "base_random"]
    done = list(Table1(tmp_path, SMALL, "random").run(rows, seeds=2))
    assert [row[:2] for row in done] == [(name, seed) for seed in (0, 1) for name in rows]
    assert built[0] == ("i3d", 2, 8, 32)
    for _, _, folder in done:
        assert len(Predictions.read(folder / "test.csv").grades) > 0
        found = json.loads((folder / RESULT).read_text())
        assert found["parameters"] == sum(value.numel() for value in Small().parameters())
        assert found["macs"] == 8 * 32 * 32 * 3 * 5 + 5 * 2
        assert (found["epochs"], found["peak_bytes"]) == (2, None)
        epochs = csv.DictReader((folder / "epochs.csv").read_text().splitlines())
        assert found["seconds"] == pytest.approx(sum(float(row["seconds"]) for row in epochs))
        assert [path.name for path in folder.glob("*.safetensors")] == ["best.safetensors"]
    first, second = (read_weights(f / "best.safetensors")[0] for _, _, f in done[::2])
    assert not torch.equal(first["conv.weight"], second["conv.weight"]), "seeds differ"
    built.clear()
    assert list(Table1(tmp_path, SMALL, "random").run(rows, seeds=2)) == done
    assert built == []


def test_what_was_killed_is_resumed(tmp_path, built, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "_measured", killed)
        with pytest.raises(KeyboardInterrupt):
            list(Table1(tmp_path, SMALL, "random").run(["i3d"], seeds=1))
    best = tmp_path / "i3d/seed-0/best.safetensors"
    stamp = best.stat().st_mtime_ns
    list(Table1(tmp_path, SMALL, "random").run(["i3d"], seeds=1))
    assert (best.parent / RESULT).is_file()
    assert best.stat().st_mtime_ns == stamp, "not trained again"


def test_sixteen_frames_start_from_eight_and_a_table_may_be_moved(tmp_path, built):
    before, after = tmp_path / "before", tmp_path / "after"
    ((_, _, folder),) = Table1(before, SMALL, "random").run(["base_16"], seeds=1)
    kept = json.loads((folder / "experiment.json").read_text())
    assert kept["init"] == digest(before / "base/seed-0/best.safetensors")[:16]
    assert kept["frames"] == 16
    config = json.loads((folder / "config.json").read_text())
    assert config["lr"] == str(SMALL.finetune_lr)
    found = json.loads((folder / RESULT).read_text())
    assert found["epochs"] == SMALL.finetune_epochs
    assert found["macs"] == 16 * 32 * 32 * 3 * 5 + 5 * 2
    (folder / RESULT).unlink()
    before.rename(after)
    ((_, _, again),) = Table1(after, SMALL, "random").run(["base_16"], seeds=1)
    assert again == after / "base_16/seed-0"


def test_pretraining_sees_single_frames_of_its_own_training_clips_and_their_grades(
    tmp_path, cohorts, monkeypatch
):
    asked = []
    monkeypatch.setattr(run, "pretrain", lambda *what: asked.append(what) or Path("w"))
    table = Table1(tmp_path, SMALL)
    assert table._weights(ROWS["csg3dct"], 3) == "w"
    ((frames, config, model),) = asked
    clips = table.clips(8, 3)
    assert model == CONFORMER_S
    for name, split in clips.items():
        assert frames[name].frames.shape == (8 * len(split), 1, 32, 32)
        np.testing.assert_array_equal(frames[name].frames[-8:, 0], split.frames[-1])
        assert frames[name].grades.reshape(-1, 8).tolist() == [[g] * 8 for g in split.grades]
        assert frames[name].patients[-8:] == (split.patients[-1],) * 8
    assert (config.seed, config.epochs, config.batch_size) == (3, SMALL.pretrain_epochs, 32)
    assert config.lr == SMALL.pretrain_lr
    assert config.folder == tmp_path / "pretrained/seed-3"
    assert table._weights(ROWS["base_random"], 3) == ""
    assert Table1(tmp_path, SMALL, "some.pth")._weights(ROWS["base"], 0) == "some.pth"
    monkeypatch.setattr(Table1, "finished", lambda _, name, seed: Path(name) / str(seed))
    assert table._weights(ROWS["base_16"], 3) == "base/3/best.safetensors"
    others = {"base_random": "base", "base_16": "base", "csg3dct_random": "csg3dct"}
    assert all(row.network == others.get(name, name) for name, row in ALL_ROWS.items())
    pretrained = {name for name, row in ROWS.items() if row.init == "pretrained"}
    assert pretrained == {"base", "swa", "ca", "csg3dct"}


def test_each_seed_has_patients_of_its_own_the_same_at_both_lengths(tmp_path, monkeypatch):
    made = {}
    monkeypatch.setattr(
        run, "made_cohort", lambda folder, spec: made.setdefault(folder, spec) and {}
    )
    for frames, seed in ((8, 0), (16, 0), (8, 1)):
        Table1(tmp_path, BUDGETS["narrow"]).clips(frames, seed)
    eight, sixteen, other = (
        {(spec.seed, spec.patient): spec.split for spec in clip_specs(cohort)}
        for cohort in made.values()
    )
    assert eight == sixteen
    assert not {seed for seed, _ in eight} & {seed for seed, _ in other}


def test_a_narrow_table_has_narrow_networks(tmp_path, built, monkeypatch):
    asked = []
    monkeypatch.setattr(run, "pretrain", lambda *what: asked.append(what[2]) or Path())
    monkeypatch.setattr(experiment, "load_initial_weights", lambda *what: [])
    table = Table1(tmp_path, replace(SMALL, narrow=True))
    for name in ("vivit", "csg3dct"):
        table.finished(name, 0)
    assert [name for name, *_ in built[::2]] == ["vivit_narrow", "csg3dct_narrow"]
    assert asked == [TINY_2D]


def test_another_table_in_the_same_folder(tmp_path):
    Table1(tmp_path, SMALL, "random")._write_or_compare()
    with pytest.raises(ValueError, match="a table with init=random instead of clips"):
        next(Table1(tmp_path, SMALL).run(["i3d"], seeds=1))
    path = tmp_path / "table.json"  # of a version without such a field:
    path.write_text(path.read_text().replace('"micro_batches": 1,', ""))
    Table1(tmp_path, SMALL, "random")._write_or_compare()
    with pytest.raises(ValueError, match="got no row"):
        next(Table1(tmp_path, SMALL, "random").run([], seeds=1))


def test_budgets(tmp_path):
    paper = BUDGETS["paper"]
    assert (paper.patients, paper.size, paper.epochs, paper.batch_size) == (169, 256, 100, 4)
    assert (paper.lr, paper.schedule, paper.augment) == (1e-4, "constant", False)
    assert (paper.finetune_lr, paper.finetune_epochs) == (2.5e-3, 40)
    budget = BUDGETS["laptop"]
    config = budget.config(tmp_path, seed=3)
    shared = vars(config).keys() & vars(budget).keys()
    assert {"epochs", "batch_size", "lr", "weight_decay", "schedule", "augment"} < shared
    assert all(getattr(config, name) == getattr(budget, name) for name in shared)
    assert (config.folder, config.seed) == (tmp_path, 3)
