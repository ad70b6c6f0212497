import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from csglib import TrainConfig, build_network, read_clip
from csglib.model.weights import load_weights, read_weights
from csglib.train import Experiment, Predictions, experiment, predict, trained

from ..small_training import Small, bright_clips


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(experiment, "build_network", lambda *_: Small())


@pytest.fixture
def splits():
    return {"train": clips("a", 9), "validation": clips("b", 4), "test": clips("c", 6)}


clips = partial(bright_clips, frames=8, size=32)


def config(folder):
    return TrainConfig(folder=folder, epochs=3, lr=0.05, seed=5)


ASKED = Experiment(size=32)


def test_it_leaves_what_the_best_weights_say_of_the_test_clips(tmp_path, splits):
    """Validation grades are the wrong way round, so the first epoch has the best weights."""
    validation = splits["validation"]
    splits["validation"] = replace(validation, grades=1 - validation.grades)
    records = list(ASKED.run(splits, config(tmp_path)))
    assert len(records) == 3
    said = Predictions.read(tmp_path / "test.csv")
    assert said.patients == splits["test"].patients
    network = trained(tmp_path)
    assert not network.training
    wanted = predict(network, splits["test"].frames).softmax(1).numpy()
    np.testing.assert_allclose(said.probabilities, wanted, atol=1e-6)
    best = min(records, key=lambda record: record.validation_loss).epoch
    assert best < 3
    assert read_weights(tmp_path / "best.safetensors")[1]["epoch"] == str(best)
    assert Experiment.load(tmp_path) == ASKED
    assert experiment.test_predictions(tmp_path).patients == said.patients


def test_the_seed_decides_the_first_weights():
    before = torch.get_rng_state()
    one, same, other = (ASKED.build(seed).conv.weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_finished_run_is_not_trained_again(tmp_path, splits):
    first = list(ASKED.run(splits, config(tmp_path)))
    (tmp_path / "test.csv").unlink()  # killed right before it was written
    stamp = (tmp_path / "last.safetensors").stat().st_mtime_ns
    assert list(ASKED.run(splits, config(tmp_path))) == first
    assert (tmp_path / "last.safetensors").stat().st_mtime_ns == stamp
    assert (tmp_path / "test.csv").is_file()


def test_another_experiment_in_the_same_folder_is_refused(tmp_path, splits):
    list(ASKED.run(splits, config(tmp_path)))
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir())
    other = Experiment(network="i3d", size=32)
    with pytest.raises(ValueError, match=r"holds another experiment.*network='csg3dct'"):
        next(other.run(splits, config(tmp_path)))
    assert before == sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir())


def test_a_run_goes_on_from_the_same_initial_weights_only(tmp_path, splits):
    init, asked = tmp_path / "init.safetensors", replace(ASKED, init=f"{tmp_path}/init.safetensors")
    save_file(ASKED.build(1).state_dict(), init)
    for _ in range(2):  # trained, then resumed
        assert len(list(asked.run(splits, config(tmp_path / "run")))) == 3
    save_file(ASKED.build(2).state_dict(), init)
    with pytest.raises(ValueError, match="holds another experiment"):
        next(asked.run(splits, config(tmp_path / "run")))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            Experiment(size=64),
            "this network takes clips of 8 frames of 64 x 64 pixels: got 8 frames of",
        ),
        (
            Experiment(size=32, frames=16),
            r"16 frames of 32 .*: got 8 frames of .*resample\(clip, fram",
        ),
        (Experiment(size=32, classes=4), "in 4 grades"),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_written(tmp_path, splits, asked, message):
    with pytest.raises(ValueError, match=message):
        next(asked.run(splits, config(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_no_run_no_network_and_no_file_no_start(tmp_path):
    with pytest.raises(ValueError, match="holds no run of `csglib train`"):
        trained(tmp_path)
    with pytest.raises(ValueError, match=r"nothing.pth: no such file"):
        Experiment(init=str(tmp_path / "nothing.pth")).build()
    (tmp_path / "experiment.json").write_text('{"network": "tiny", "start": "0123"}')
    assert Experiment.load(tmp_path) == Experiment(network="tiny", init="0123"), "of version 0.1"


def test_what_started_from_a_file_needs_it_no_more(tmp_path, splits):
    list(ASKED.run(splits, config(tmp_path / "first")))
    start = str(tmp_path / "first/best.safetensors")
    again = Experiment(size=32, init=start)
    for name, tensor in trained(tmp_path / "first").state_dict().items():
        assert torch.equal(again.build(seed=9).state_dict()[name], tensor)
    list(again.run(splits, config(tmp_path / "second")))
    (tmp_path / "first/best.safetensors").unlink()
    assert experiment.test_predictions(tmp_path / "second").names == ("mild", "severe")
    trained(tmp_path / "second")


def test_a_2d_network_is_a_start_where_there_is_one(tmp_path, monkeypatch):
    """Which reader is asked follows from the network."""
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "flat.safetensors")
    start = str(tmp_path / "flat.safetensors")
    with pytest.raises(ValueError, match="wanted a Small's own weights, in "):
        Experiment(init=start).build()
    monkeypatch.setattr(experiment, "build_network", build_network)
    with pytest.raises(ValueError, match="wanted a I3D's own weights"):
        Experiment(network="i3d", init=start).build()
    with pytest.raises(ValueError, match="of a Conformer as deep as this network"):
        Experiment(network="csg3dct", init=start).build()


def test_another_cohort_of_such_clips_is_scored(tmp_path, splits):
    list(ASKED.run(splits, config(tmp_path)))
    other, path = clips("z", 5, size=64), tmp_path / "other.npz"  # larger: it is resized
    columns = {
        "frames": np.concatenate([other.frames, clips("q", 2, size=64).frames]),
        "grade": np.concatenate([other.grades, [0, 1]]),
        "patient": np.array([*other.patients, "q", "r"]),
        "split": np.array(["test"] * 5 + ["train", "validation"]),
    }
    np.savez_compressed(path, **columns)
    assert experiment.test_predictions(tmp_path, path).patients == other.patients
    np.savez_compressed(path, **columns | {"frames": columns["frames"][:, :4]})
    with pytest.raises(ValueError, match=r"takes clips of 8 frames of .*: got 4 frames of"):
        experiment.test_predictions(tmp_path, path)
    assert json.loads((tmp_path / "experiment.json").read_text())["network"] == "csg3dct"


def test_of_several_processes_one_writes(tmp_path, splits, monkeypatch):
    """What the others would write is the same, and late: the first may be reading it."""
    monkeypatch.setattr(experiment, "is_main_process", lambda: False)
    assert len(list(ASKED.run(splits, config(tmp_path)))) == 3
    assert not (tmp_path / "test.csv").exists()
    assert not (tmp_path / "experiment.json").exists()


def test_the_trained_network_that_ships():
    """Six clips of the samples, of patients it has never met; weights in half the bytes."""
    path = Path(__file__).parents[2] / "data_samples" / "tiny_256.safetensors"
    assert path.stat().st_size < 4e6
    network = build_network("tiny")
    load_weights(network, path)
    clips = [read_clip(file) for file in sorted(path.parent.glob("*_type_*.npz"))]
    said = predict(network, np.stack([clip.frames for clip in clips])).argmax(1)
    right = [grade == clip.truth.grade for grade, clip in zip(said.tolist(), clips, strict=True)]
    assert len(right) == 6 and sum(right) >= 4
    _, notes = read_weights(path)
    assert json.loads(notes["test accuracy"])["low"] > 0.75


@pytest.mark.parametrize("text", ['{"a": 1}', "[]", "{", "[" * 100_000])
def test_a_damaged_experiment_is_named(tmp_path, text):
    (tmp_path / "experiment.json").write_text(text)
    with pytest.raises(ValueError, match=r"experiment.json is damaged \(.*\): train in another"):
        Experiment.load(tmp_path)
