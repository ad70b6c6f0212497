"""The command line: help, options, one-line mistakes, exit codes, and Ctrl-C."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from csglib import TrainConfig
from csglib.__main__ import main
from csglib.data.cohort import digest
from csglib.phantom import make_cohort as making
from csglib.phantom.make_cohort import work_left
from csglib.phantom.patients import CohortSpec
from csglib.table1 import BUDGETS, ROWS, pretrain, report
from csglib.table1 import run as table1_run
from csglib.train import experiment, fit

from .small_training import Small

SAMPLES = str(Path(__file__).parents[1] / "data_samples" / "cohort_64.npz")


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["csglib", *map(str, words)])
    main()


def exits(monkeypatch, *words):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words)
    return ended.value.code


@pytest.fixture
def configs(monkeypatch):
    """Training is cut short: what arrives at `fit` is kept instead."""
    seen = []

    def cut(model, train, validation, config):
        seen.append((train, config))
        raise ValueError("cut short")

    monkeypatch.setattr(experiment, "fit", cut)
    monkeypatch.setattr(pretrain, "fit", cut)
    return seen


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_lists_the_commands(monkeypatch, capsys, words):
    run(monkeypatch, *words)
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.strip().splitlines()] == [
        "simulate", "train", "evaluate", "pretrain", "table1", "doctor", "model-card"
    ]  # fmt: skip


def test_the_version(monkeypatch, capsys):
    run(monkeypatch, "--version")
    assert capsys.readouterr().out == f"csglib {version('csglib')}\n"


def test_help_needs_no_heavy_imports():
    code = "import csglib.__main__, sys; print({'torch', 'numpy', 'scipy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_every_option_reaches_the_training(monkeypatch, tmp_path, configs):
    words = ["--epochs", 3, "--batch-size", 2, "--lr", 0.5, "--weight-decay", 0.25, "--seed", 7]
    words += ["--precision", "bf16-mixed", "--schedule", "one_cycle", "--augment", "--compile"]
    words += ["--device", "cpu", "--image-size", 32, "--network", "tiny"]
    words += ["--micro-batches", 2, "--activation-checkpointing"]
    assert exits(monkeypatch, "train", SAMPLES, tmp_path / "run", *words) == 2
    [(clips, config)] = configs
    assert config == TrainConfig(
        folder=tmp_path / "run", epochs=3, batch_size=2, lr=0.5, weight_decay=0.25, seed=7,
        precision="bf16-mixed", schedule="one_cycle", augment=True, compile=True, device="cpu",
        micro_batches=2, activation_checkpointing=True,
    )  # fmt: skip
    assert clips.frames.shape[1:] == (8, 32, 32)


def test_a_preset_sets_what_is_not_given(monkeypatch, tmp_path, configs):
    words = ["--network", "tiny", "--preset", "laptop", "--epochs", 3]
    exits(monkeypatch, "train", SAMPLES, tmp_path / "run", *words)
    [(clips, config)] = configs
    assert clips.frames.shape[-1] == BUDGETS["laptop"].size == 64
    assert (config.epochs, config.batch_size, config.augment) == (3, 8, True)
    assert config.schedule == "one_cycle"


@pytest.mark.parametrize("preset", [[], ["--preset", "paper"]])
def test_what_is_not_given_is_the_papers(monkeypatch, tmp_path, configs, preset):
    """Section 3: Adam, 1e-4, weight decay of 1e-4, 100 epochs, batches of 4, 256 x 256."""
    exits(monkeypatch, "train", SAMPLES, tmp_path, "--network", "tiny", *preset)
    paper = {"epochs": 100, "batch_size": 4, "lr": 1e-4, "weight_decay": 1e-4}
    [(clips, config)] = configs
    assert config == TrainConfig(folder=tmp_path, precision=config.precision, **paper)
    assert clips.frames.shape[1:] == (8, 256, 256)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("--network csg3dct", ["conformer-small-p16"]),
        ("--network base --preset gpu", ["conformer-small-p16"]),
        ("--network base --init mine.pth", ["mine.pth"]),
        ("--network base --init random", []),
        ("--network i3d", []),
    ],
)
def test_initial_weights_are_the_papers_unless_given(monkeypatch, tmp_path, configs, words, wanted):
    loaded = []
    monkeypatch.setattr(experiment, "build_network", lambda *_: Small())
    monkeypatch.setattr(experiment, "load_initial_weights", lambda _, init: loaded.append(init))
    exits(monkeypatch, "train", SAMPLES, tmp_path, "--image-size", 32, *words.split())
    assert loaded == wanted


def test_without_a_connection_it_says_what_else_there_is(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("torch.hub.download_url_to_file", Mock(side_effect=URLError("offline")))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert exits(monkeypatch, "train", SAMPLES, tmp_path / "run", "--image-size", 32) == 2
    assert capsys.readouterr().err.endswith("or choose other weights, for instance --init random\n")


def test_every_option_reaches_the_cohort(monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr(making, "make_cohort", lambda *what: made.append(what))
    run(monkeypatch, "simulate", tmp_path / "a")
    words = ["--frames", 16, "--seed", 3, "--patients", 9, "--image-size", 64]
    words += ["--grading-rule", "area_70", "--observer", 0.1, "--workers", 5, "--phantom", 2]
    run(monkeypatch, "simulate", tmp_path / "b", *words)
    given = {"frames": 16, "seed": 3, "patients": 9, "size": 64, "phantom": 2}
    wanted = CohortSpec(**given, rule="area_70", observer=0.1)
    assert made[0] == (tmp_path / "a", CohortSpec(), os.cpu_count())
    assert made[1] == (tmp_path / "b", wanted, 5)
    *_, estimated, done = capsys.readouterr().out.splitlines()
    assert estimated == work_left(tmp_path / "b", wanted).sentence(5)
    assert done.startswith(f"{tmp_path / 'b'} is complete")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian a b", "No such command 'trian'. Did you mean 'train'"),
        ("simulate", "Missing argument 'OUT'; see csglib simulate --help"),
        ("simulate c --frames eight", "integer: got eight; see csglib simulate"),
        ("simulate c --frames 9", "frames must be 8 or 16"),
        ("simulate c --patients 2", "patients must be 3 or more"),
        ("simulate c --workers 0", "Invalid value for '--workers'"),
        ("simulate c --grading-rule nascet", "rule must be one of diameter_50, area_50"),
        (f"simulate {__file__}", "test_main.py is a file; name a folder"),
        ("train SAMPLES run --image-size 64 --network c3d", "no network is called 'c3d'"),
        ("train SAMPLES run --image-size 63", "multiple of 32"),
        ("train SAMPLES run --lr 0", "lr >= 1e-09"),
        ("train SAMPLES run --preset huge", "'huge' is not one of 'smoke', 'narrow'"),
        ("train SAMPLES run --image-size 64 --init lost.pth", "lost.pth: no such file"),
        ("train nowhere run", "nowhere"),
        ("train run SAMPLES", "holds clips, and the folder of a run is wanted there; the order is: "
         "csglib train COHORT OUT"),
        ("pretrain run SAMPLES", "the order is: csglib pretrain COHORT OUT"),
        ("pretrain SAMPLES run --network i3d", "with a 2D network to start from are tiny, base"),
        ("evaluate run", "run/test.csv: there is no such file"),
        ("model-card SAMPLES run", "the order is: csglib model-card RUN COHORT"),
        ("doctor nowhere", "nowhere is not a folder"),
        ("doctor . --grades mild", "two or more names"),
        ("table1 out --rows i3d,c3d", "got i3d, c3d"),
        ("table1 out --seeds 0", "seeds=0"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_writes_nothing(monkeypatch, capsys, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    assert exits(monkeypatch, *words.replace("SAMPLES", SAMPLES).split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("csglib: ")
    assert said.err.count("\n") == 1
    assert message in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "where", "message"),
    [
        ("simulate c", "csglib.phantom.make_cohort.make_cohort", "459 clips to go"),
        ("train SAMPLES run --image-size 32 --network tiny", "csglib.train.experiment.fit", ""),
        ("pretrain SAMPLES run --network tiny", "csglib.table1.pretrain.pretrain", ""),
        ("table1 out", "csglib.table1.run.Table1.run", ""),
    ],
)
def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys, tmp_path, words, where, message):
    def stop(*what):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("csglib.table1.pretrain.read_frames", lambda folder: None)
    monkeypatch.setattr(where, stop)
    assert exits(monkeypatch, *words.replace("SAMPLES", SAMPLES).split()) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("csglib: stopped")
    assert "run the same command again to resume" in said
    assert message in said


def test_ctrl_c_is_answered_once_and_soon(tmp_path, request):
    """A terminal sends it to every process; here while the workers are at work."""
    # A job in a shell's background ignores Ctrl-C, and its children would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(partial(signal.signal, signal.SIGINT, before))
    words = [sys.executable, "-m", "csglib", "simulate", str(tmp_path / "c"), "--workers", "2"]
    with subprocess.Popen(
        [*words, "--image-size", "32"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline().startswith("459 clips to make")
        while len([*tmp_path.glob("c/clips/p*.npz")]) < 2:
            time.sleep(0.05)
        start = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert time.monotonic() - start < 20
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("csglib: stopped with 4")
    assert not [*tmp_path.glob("c/*.csv")]


def test_train_evaluate_and_start_from_a_run(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(experiment, "build_network", lambda *_: Small())
    monkeypatch.setattr(fit, "compiled", lambda network, device: network)  # takes minutes
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["--image-size", 64, "--epochs", 1, "--lr", 0.01, "--augment", "--compile"]
    run(monkeypatch, "train", SAMPLES, first, "--init", "random", *words)
    said = capsys.readouterr().out
    assert said.startswith("16 validation clips of 8 patients; 95 % intervals\naccuracy")
    assert said.endswith(f"to score the test clips, once: csglib evaluate {first}\n")
    assert json.loads((first / "experiment.json").read_text())["size"] == 64
    config = json.loads((first / "config.json").read_text())
    assert (config["augment"], config["compile"], config["lr"]) == ("True", "True", "0.01")
    said = []
    for again in (["evaluate", first], ["evaluate", first, SAMPLES]):
        run(monkeypatch, *again)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].startswith("32 test clips of 16 patients; 95 % intervals\naccuracy")
    weights = first / "best.safetensors"
    words = ["--image-size", 64, "--epochs", 1, "--init", weights]
    run(monkeypatch, "train", SAMPLES, second, *words)
    assert json.loads((second / "experiment.json").read_text())["init"] == digest(weights)[:16]


def test_lightning_logs_every_epoch_and_all_of_them_when_resumed(monkeypatch, tmp_path):
    monkeypatch.setattr(experiment, "build_network", lambda *_: Small())
    words = ["train", SAMPLES, tmp_path, "--image-size", 64, "--init", "random"]
    for epochs, log in ((1, "csv"), (2, "csv"), (3, "tensorboard")):
        run(monkeypatch, *words, "--epochs", epochs, "--log", log)
    files = (tmp_path / name for name in ("epochs.csv", "csv/version_1/metrics.csv"))
    tables = [csv.DictReader(file.read_text().splitlines()) for file in files]
    wanted, logged = ([float(row["validation_loss"]) for row in table] for table in tables)
    assert logged == wanted[:2]
    shown = EventAccumulator(str(tmp_path / "tensorboard/version_0")).Reload()
    events = [(event.step, event.value) for event in shown.Scalars("validation_loss")]
    assert events == [*enumerate(map(pytest.approx, wanted), start=1)]


def test_pretraining_says_how_to_start_from_it(monkeypatch, capsys, tmp_path):
    ran = []
    monkeypatch.setattr("csglib.table1.pretrain.read_frames", lambda folder: folder)
    monkeypatch.setattr(pretrain, "pretrain", lambda *what: ran.append(what) or Path("w"))
    run(monkeypatch, "pretrain", "cohort", tmp_path, "--network", "tiny", "--epochs", 3)
    assert capsys.readouterr().out.endswith("csglib train COHORT OUT --network tiny --init w\n")
    [(frames, config, model)] = ran
    assert (frames, model) == (Path("cohort"), pretrain.conformer_for("tiny"))
    assert config == TrainConfig(folder=tmp_path, epochs=3, batch_size=32)


def test_table1_runs_and_prints(monkeypatch, capsys, tmp_path):
    ran, done = [], [("i3d", 0, tmp_path)]
    monkeypatch.setattr(table1_run.Table1, "run", lambda *what: ran.append(what) or iter(done))
    monkeypatch.setattr(report, "write_table", lambda folder, runs: f"{folder}: {runs}")
    words = ["--rows", "i3d,tpn", "--seeds", 2, "--preset", "laptop", "--micro-batches", 2]
    run(monkeypatch, "table1", tmp_path, *words)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "1 of 4 runs: I3D, seed 0, is done"
    assert second == f"{tmp_path}: {{'i3d': [{tmp_path!r}]}}"
    run(monkeypatch, "table1", tmp_path)
    halves = replace(BUDGETS["laptop"], micro_batches=2)
    assert ran == [
        (table1_run.Table1(tmp_path, halves), ["i3d", "tpn"], 2),
        (table1_run.Table1(tmp_path, BUDGETS["smoke"]), list(ROWS), 1),
    ]
