import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from csglib.__main__ import main
from csglib.commands.clips import Cohort
from csglib.data.cohort import digest
from csglib.phantom import production
from csglib.phantom.patients import Settings
from csglib.phantom.production import work_left
from csglib.table1 import estimate, report, running
from csglib.table1.budget import BUDGETS
from csglib.train import experiment
from csglib.train import fit as training

SAMPLES = str(Path(__file__).parents[1] / "data_samples" / "cohort_64.npz")
OPTIONS = ("frames", "seed", "patients", "size", "rule", "observer")


def asked(monkeypatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["csglib", *map(str, words)])
    main()


def refused(monkeypatch, capsys, *words: object) -> str:
    """What is said to who asked for something that cannot be: one line."""
    with pytest.raises(SystemExit) as ended:
        asked(monkeypatch, *words)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err.startswith("csglib: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_alone_it_lists_its_commands(monkeypatch, capsys, words):
    asked(monkeypatch, *words)
    said = capsys.readouterr().out
    assert "Usage: python -m csglib" in said
    assert "cohort    Make a cohort of simulated clips, or what is missing of it." in said
    assert "detector  Train the vessel detector on simulated necks." in said
    assert "doctor    Look for what is wrong in a folder of your own clips." in said
    assert "parent    Train a 2D network on a cohort's single frames" in said
    assert "train     Train one network on a cohort; again, go on." in said
    assert "evaluate  Score a run's test clips, or those of another cohort." in said
    assert "table1    Run the paper's Table 1 on simulated clips." in said


def test_the_list_comes_without_heavy_imports():
    code = "import csglib.__main__, sys; print({'torch', 'numpy', 'scipy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_what_is_not_said_is_the_paper_s():
    usual = Cohort(out=Path("there"))
    settings = Settings(**{name: getattr(usual, name) for name in OPTIONS})
    assert settings == Settings()
    assert (usual.jobs, usual.videos) == (os.cpu_count(), False)


def test_every_option_reaches_the_cohort(monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr(production, "make_cohort", lambda *what: made.append(what))
    words = ["--frames", 16, "--seed", 3, "--patients", 9, "--size", 64, "--rule", "area_70"]
    words += ["--observer", 0.1, "--jobs", 5, "--videos"]
    asked(monkeypatch, "cohort", tmp_path / "c", *words)
    wanted = Settings(frames=16, seed=3, patients=9, size=64, rule="area_70", observer=0.1)
    assert made == [(tmp_path / "c", wanted, 5, True)]
    estimate, done = capsys.readouterr().out.splitlines()
    assert estimate == work_left(tmp_path / "c", wanted, videos=True).sentence(5)
    assert "min on 5 processes" in estimate
    assert done.startswith(f"{tmp_path / 'c'} is complete: manifest.csv lists it")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["choort"], "No such command 'choort'"),
        (["cohort"], "Missing argument"),
        (["cohort", "c", "--frames", "eight"], "Invalid value for '--frames'"),
        (["cohort", "c", "--frame", "8"], "No such option: --frame"),
        (["cohort", "c", "--frames", "9"], "frames must be 8 or 16"),
        (["cohort", "c", "--patients", "2"], "patients must be 3 or more"),
        (["cohort", "c", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["cohort", "c", "--rule", "nascet"], "rule must be one of diameter_50, area_50"),
        (["cohort", __file__], "test_main.py is a file; name a folder"),
        (
            ["train", "run", SAMPLES, "--size", "64", "--network", "c3d"],
            "no network is called 'c3d'",
        ),
        (["train", "run", SAMPLES, "--size", "63"], "multiple of 32"),
        (["train", "run", SAMPLES, "--precision", "half"], "Invalid value for '--precision'"),
        (["train", "run", "nowhere"], "nowhere"),
        (["train", "run", SAMPLES, "--lr", "0"], "lr > 0"),
        (["parent", "run", "nowhere"], "nowhere"),
        (["parent", "run", SAMPLES, "--network", "i3d"], "those with a 2D parent are tiny, base"),
        (["train", "run", SAMPLES, "--size", "64", "--init", "lost.pth"], "there is no such file"),
        (["doctor"], "Missing argument"),
        (["doctor", "nowhere"], "nowhere is no folder; wanted one with a folder for each patient"),
        (["doctor", ".", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["doctor", ".", "--grades", "mild"], "grades must be two or more names: got ('mild',)"),
        (["evaluate", "run"], "run/test.csv: there is no such file"),
        (["table1", "out", "--budget", "huge"], "budget must be one of smoke, laptop, gpu, paper"),
        (["table1", "out", "--rows", "i3d,c3d"], "got i3d, c3d"),
        (["table1", "out", "--seeds", "0"], "seeds=0"),
    ],
)
def test_a_mistake_is_answered_in_a_line(monkeypatch, capsys, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(monkeypatch, capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def stop(*what: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(production, "make_cohort", stop)
    with pytest.raises(SystemExit) as ended:
        asked(monkeypatch, "cohort", tmp_path / "c")
    assert ended.value.code == 130
    said = "csglib: stopped with 459 clips to go; the same command makes them\n"
    assert capsys.readouterr().err == said


@pytest.mark.slow
@pytest.mark.parametrize("enough", [0, 2])
def test_ctrl_c_is_answered_once_and_soon(tmp_path, enough):
    """A terminal sends it to every process: before the workers are ready, and while they work."""
    words = [sys.executable, "-m", "csglib", "cohort", str(tmp_path / "c"), "--jobs", "2"]
    with subprocess.Popen(
        [*words, "--size", "32"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("459 clips to make")
        while len([*tmp_path.glob("c/clips/p*.npz")]) < enough:
            time.sleep(0.05)
        time.sleep(0.5)
        start = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert time.monotonic() - start < 20
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith("csglib: stopped with 4")
    assert not [*tmp_path.glob("c/*.csv")]


def test_a_detector_needs_necks_to_learn_from(monkeypatch, capsys, tmp_path):
    said = refused(monkeypatch, capsys, "detector", tmp_path / "d", "--frames", 3)
    assert "wanted frames >= 12" in said
    assert not (tmp_path / "d").exists()


@pytest.mark.slow
def test_train_and_evaluate(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(
        experiment, "build_network", lambda *_: nn.Sequential(Mean(), nn.Linear(3, 2))
    )
    monkeypatch.setattr(training, "compiled", lambda ballot, device: ballot)  # minutes
    run = tmp_path / "run"
    words = ["--size", 64, "--epochs", 1, "--augment", "--compile"]
    asked(monkeypatch, "train", run, SAMPLES, *words)
    said = capsys.readouterr().out
    assert said.startswith("32 clips of 16 patients; 95 % intervals\naccuracy")
    assert json.loads((run / "experiment.json").read_text())["size"] == 64
    config = json.loads((run / "config.json").read_text())
    assert (config["augment"], config["precision"]) == ("True", "32-true, compiled")
    asked(monkeypatch, "evaluate", run)
    assert capsys.readouterr().out == said
    asked(monkeypatch, "evaluate", run, "--cohort", SAMPLES)
    assert capsys.readouterr().out == said


class Mean(nn.Module):
    def forward(self, clip):
        return clip.mean((2, 3, 4))


@pytest.mark.slow
def test_a_small_network_begins_with_what_its_parent_learned(monkeypatch, capsys, tmp_path):
    cohort, parent, run = (tmp_path / name for name in ("cohort", "parent", "run"))
    asked(monkeypatch, "cohort", cohort, "--patients", 3, "--size", 32, "--jobs", 1)
    asked(monkeypatch, "parent", parent, cohort, "--network", "tiny", "--epochs", 1)
    weights = parent / "conformer.safetensors"
    said = capsys.readouterr().out
    assert f"train --network tiny --init {weights} begins with what it knows" in said
    words = ["--network", "tiny", "--size", 32, "--epochs", 1, "--init", weights]
    words += ["--schedule", "one_cycle"]
    asked(monkeypatch, "train", run, cohort, *words)
    assert json.loads((run / "experiment.json").read_text())["init"] == digest(weights)[:16]
    assert json.loads((run / "config.json").read_text())["schedule"] == "one_cycle"
    assert (tmp_path / "frames/train.npy").is_file()
    assert "accuracy" in capsys.readouterr().out


def test_table1_says_how_long_and_what_came_of_it(monkeypatch, capsys, tmp_path):
    ran = []
    monkeypatch.setattr(estimate, "minutes", lambda *what: ran.append(what) or 12.3)
    monkeypatch.setattr(running.Table, "run", lambda *what: iter([("i3d", 0, tmp_path)]))
    monkeypatch.setattr(report, "write_table", lambda folder, runs: f"{folder}: {runs}")
    asked(monkeypatch, "table1", tmp_path, "--rows", "i3d,tpn", "--seeds", 2, "--budget", "laptop")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "4 runs: about 12 min here, less what is done"
    assert second == "1: I3D, seed 0, is done"
    assert third == f"{tmp_path}: {{'i3d': [{tmp_path!r}]}}"
    assert ran == [(["i3d", "tpn"], BUDGETS["laptop"], 2, "frames")]


def test_an_interrupted_table_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def stop(*what):
        raise KeyboardInterrupt

    monkeypatch.setattr(estimate, "minutes", lambda *what: 1.0)
    monkeypatch.setattr(running.Table, "run", stop)
    with pytest.raises(SystemExit) as ended:
        asked(monkeypatch, "table1", tmp_path)
    assert ended.value.code == 130
    assert "the same command goes on where it was" in capsys.readouterr().err


def test_an_estimate_grows_with_what_is_asked(monkeypatch):
    monkeypatch.setattr(estimate, "_rate", lambda precision: 1e12)
    small, large = BUDGETS["smoke"], BUDGETS["laptop"]
    one = estimate.minutes(["i3d"], small, 1, "frames")
    assert estimate.minutes(["i3d", "i3d"], small, 3, "frames") == pytest.approx(6 * one)
    clips = 318 * 12 / 169  # of 64 x 64: a sixteenth of 37.1 GMACs, and three times for a step
    assert one == pytest.approx(3 * 37.1e9 / 16 * clips / (0.3 * 1e12) / 60, rel=0.01)
    eight, sixteen = (estimate.minutes([row], large, 1, "random") for row in ("base", "base_16"))
    assert sixteen < eight


def test_an_estimate_counts_the_parent(monkeypatch):
    monkeypatch.setattr(estimate, "_rate", lambda precision: 1e12)
    budget = replace(BUDGETS["laptop"], size=224)
    without, whole = (
        estimate.minutes(["base", "csg3dct"], budget, 2, start) for start in ("random", "frames")
    )
    frames = 8 * 318 * 4 * 6  # Conformer-S is published with 10.6 GMACs at 224 x 224
    assert whole - without == pytest.approx(2 * 3 * 10.6e9 * frames / 0.3e12 / 60, rel=0.02)
