import csv
import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from csglib.data.cohort import ClipSet
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.weights import load_weights, read_weights
from csglib.train import fit as training
from csglib.train.config import TrainConfig
from csglib.train.fit import fit, predict


class Mean(nn.Module):
    """The smallest network with norms and a class: its training takes no time."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 5, 1)
        self.norm = nn.BatchNorm3d(5)
        self.classify = nn.Linear(5, 2)

    def forward(self, clip):
        return self.classify(self.norm(self.conv(clip)).relu().mean((2, 3, 4)))


def clips(count=11, who="a", size=16):
    draw = np.random.default_rng(len(who) + ord(who[0]))
    grades = np.arange(count) % 2
    frames = draw.integers(0, 100, (count, 3, size, size)).astype(np.uint8)
    frames[grades == 1] += 90
    return ClipSet(
        frames=frames, grades=grades, patients=tuple(f"{who}{place}" for place in range(count))
    )


def network():
    torch.manual_seed(0)
    return Mean()


def config(folder, **changes):
    return replace(TrainConfig(folder=folder, epochs=4, batch_size=4, lr=0.05), **changes)


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def weights(folder):
    return read_weights(folder / "last.safetensors")[0]


def test_it_learns_and_keeps_everything(tmp_path):
    model = network()
    records = list(fit(model, clips(), clips(who="b"), config(tmp_path / "run", epochs=12)))
    assert [record.epoch for record in records] == list(range(1, 13))
    assert records[-1].train_loss < records[0].train_loss / 2
    assert records[-1].validation_accuracy == 1.0
    rows = table(tmp_path / "run/epochs.csv")
    assert [float(row["train_loss"]) for row in rows] == [r.train_loss for r in records]
    predictions = table(tmp_path / "run/predictions.csv")
    assert [row["patient"] for row in predictions] == list(clips(who="b").patients)
    shares = predict(model, clips(who="b").frames).softmax(1)
    assert float(predictions[3]["p_severe"]) == pytest.approx(shares[3, 1].item(), abs=1e-5)
    assert not list((tmp_path / "run").glob("*.part"))


def test_best_weights_are_those_of_the_lowest_validation_loss(tmp_path):
    contrary = clips(who="b")
    contrary = replace(contrary, grades=1 - contrary.grades)  # the more is learned, the worse
    records = list(fit(network(), clips(), contrary, config(tmp_path)))
    best = min(records, key=lambda record: record.validation_loss)
    assert best is not records[-1]
    assert read_weights(tmp_path / "best.safetensors")[1]["epoch"] == str(best.epoch)
    model = network()
    load_weights(model, tmp_path / "best.safetensors")
    logits = predict(model, contrary.frames)
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(contrary.grades)).item()
    assert loss == pytest.approx(best.validation_loss, rel=1e-5)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    undisturbed = list(fit(network(), clips(), clips(who="b"), config(tmp_path / "whole")))
    broken = config(tmp_path / "broken")
    first = list(islice(fit(network(), clips(), clips(who="b"), broken), 2))
    other_start = nn.init.normal_  # what the model holds before does not matter
    model = network()
    other_start(model.classify.weight)
    again = list(fit(model, clips(), clips(who="b"), broken))
    assert again[:2] == first
    assert [r.train_loss for r in again] == [r.train_loss for r in undisturbed]
    for name, tensor in weights(tmp_path / "whole").items():
        assert torch.equal(tensor, weights(tmp_path / "broken")[name]), name


def test_a_run_can_be_made_longer(tmp_path):
    list(fit(network(), clips(), clips(who="b"), config(tmp_path / "a", epochs=2)))
    list(fit(network(), clips(), clips(who="b"), config(tmp_path / "a", epochs=4)))
    list(fit(network(), clips(), clips(who="b"), config(tmp_path / "b", epochs=4)))
    assert all(
        torch.equal(t, weights(tmp_path / "b")[n]) for n, t in weights(tmp_path / "a").items()
    )


def test_a_rate_that_falls_goes_on_where_it_was(tmp_path):
    falls = config(tmp_path / "whole", schedule="one_cycle")
    list(fit(network(), clips(), clips(who="b"), falls))
    list(islice(fit(network(), clips(), clips(who="b"), replace(falls, folder=tmp_path / "b")), 2))
    list(fit(network(), clips(), clips(who="b"), replace(falls, folder=tmp_path / "b")))
    steady = config(tmp_path / "steady")
    list(fit(network(), clips(), clips(who="b"), steady))
    whole = weights(tmp_path / "whole")
    assert all(torch.equal(t, weights(tmp_path / "b")[n]) for n, t in whole.items())
    assert not torch.equal(whole["conv.weight"], weights(tmp_path / "steady")["conv.weight"])


def test_where_a_rate_comes_to_rest_the_weights_are_best(tmp_path):
    contrary = clips(who="b")
    contrary = replace(contrary, grades=1 - contrary.grades)  # the more is learned, the worse
    list(fit(network(), clips(), contrary, config(tmp_path, schedule="one_cycle")))
    assert read_weights(tmp_path / "best.safetensors")[1]["epoch"] == "4"


def test_a_rate_that_falls_needs_to_know_the_end(tmp_path):
    falls = config(tmp_path, schedule="one_cycle")
    list(fit(network(), clips(), clips(who="b"), falls))
    with pytest.raises(ValueError, match="epochs=4 instead of 6"):
        next(fit(network(), clips(), clips(who="b"), replace(falls, epochs=6)))


@pytest.mark.slow
def test_killed_in_the_middle_of_an_epoch_it_ends_with_the_same_weights(tmp_path):
    """SIGKILL leaves no time to tidy up; what is on the disk must do."""
    program = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import csglib.train.step
from test_training import clips, fit, network, config
given = []
def deadly(frames):
    given.append(frames)
    if len(given) == 8:  # three steps an epoch
        os.kill(os.getpid(), 9)
    return csglib.data.clips.network_input(frames)
csglib.train.step.network_input = deadly
list(fit(network(), clips(), clips(who="b"), config(Path(sys.argv[1]))))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "killed")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert "records" in read_weights(tmp_path / "killed/resume.safetensors")[1]
    for name in ("killed", "undisturbed"):
        list(fit(network(), clips(), clips(who="b"), config(tmp_path / name)))
    for name, tensor in weights(tmp_path / "undisturbed").items():
        assert torch.equal(tensor, weights(tmp_path / "killed")[name]), name


def test_the_order_of_clips_changes_with_the_epoch_and_the_seed(tmp_path):
    seen = []
    for folder, seed in (("a", 0), ("b", 1)):
        model = network()
        model.register_forward_pre_hook(
            lambda module, args: seen.append(args[0].sum().item()) if module.training else None
        )
        list(
            fit(model, clips(8), clips(4, who="b"), config(tmp_path / folder, seed=seed, epochs=2))
        )
    assert len(seen) == 8
    assert len({tuple(seen[start : start + 2]) for start in (0, 2, 4, 6)}) == 4


def test_vectors_do_not_decay(tmp_path):
    """Without a gradient only decay could move a weight; the class token counts as a vector."""

    class Indifferent(CSG3DCT):
        def head_logits(self, clip):
            return sum(p.sum() * 0 for p in self.parameters()) + clip.new_ones(1, 2, 2)

    model = Indifferent(TINY)
    before = {name: value.clone() for name, value in model.named_parameters()}
    list(fit(model, clips(2), clips(2, who="b"), config(tmp_path, weight_decay=0.1, epochs=1)))
    moved = {
        name for name, value in model.named_parameters() if not torch.equal(before[name], value)
    }
    assert "blocks.0.space.proj.weight" in moved
    assert not moved & {"embed.cls", "blocks.0.weigh.theta", "stem.1.weight", "head.classify.bias"}


def test_another_plan_in_the_same_folder_is_refused_and_nothing_is_touched(tmp_path):
    list(fit(network(), clips(), clips(who="b"), config(tmp_path)))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"another run, with lr=0.05 instead of 0.1"):
        next(fit(network(), clips(), clips(who="b"), config(tmp_path, lr=0.1)))
    with pytest.raises(ValueError, match="another run, with training clips="):
        next(fit(network(), clips(7), clips(who="b"), config(tmp_path)))
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_patient_on_both_sides_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="patient a0 is among the training and the validation"):
        next(fit(network(), clips(), clips(), config(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_two_loops_cannot_train_in_one_folder(tmp_path):
    standing = fit(network(), clips(), clips(who="b"), config(tmp_path))
    next(standing)
    with pytest.raises(ValueError, match="an unfinished loop over"):
        next(fit(network(), clips(), clips(who="b"), config(tmp_path)))
    standing.close()
    assert len(list(fit(network(), clips(), clips(who="b"), config(tmp_path)))) == 4


def test_a_lost_loss_stops_with_the_clips_it_was_lost_on(tmp_path):
    model = network()
    with torch.no_grad():
        model.classify.weight[:] = float("nan")
    with pytest.raises(
        FloatingPointError, match=r"step 1 of the epoch: the loss became nan on clips of a\d"
    ):
        next(fit(model, clips(), clips(who="b"), config(tmp_path / "run")))


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}, {"weight_decay": -1.0}]
)
def test_impossible_plans_are_refused(tmp_path, change):
    with pytest.raises(ValueError, match="epochs >= 1"):
        config(tmp_path, **change)


def test_a_damaged_resume_file_is_named(tmp_path):
    list(fit(network(), clips(), clips(who="b"), config(tmp_path, epochs=2)))
    path = tmp_path / "resume.safetensors"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"resume.safetensors is not whole"):
        next(fit(network(), clips(), clips(who="b"), config(tmp_path)))
    assert json.loads((tmp_path / "config.json").read_text())["lr"] == "0.05"


class Sight(nn.Module):
    """Counts the training steps that it takes as it is written, uncompiled.

    Without norms: where they make a gradient nought, Adam makes a step of its rounding.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 5, 1)
        self.classify = nn.Linear(5, 2)
        self.by_hand = 0

    def forward(self, clip):
        if self.training and not torch.compiler.is_compiling():
            self.by_hand += 1
        return self.classify(self.conv(clip).tanh().mean((2, 3, 4)))


class Panel(Sight):
    def head_logits(self, clip):
        logits = self(clip)
        return torch.stack([logits, -2 * logits])


COMPILED = """
import sys
from itertools import islice
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
import test_training
from test_training import clips, fit, config
for kind in ("Sight", "Panel"):
    for compiled in (False, True):
        asked = config(Path(sys.argv[2]) / f"{kind}-{compiled}", epochs=2, compile=compiled)
        torch.manual_seed(0)
        begun, ended = (getattr(test_training, kind)() for _ in range(2))
        list(islice(fit(begun, clips(8), clips(4, "b"), asked), 1))
        list(fit(ended, clips(8), clips(4, "b"), asked))
        print(kind, compiled, begun.by_hand, ended.by_hand)
"""


@pytest.mark.slow
def test_compiled_it_learns_the_same_and_leaves_the_same_files(tmp_path):
    """Two steps, a stop, and two more; in a process without checks of shapes, which do not compile.

    What Python did by hand was not compiled, whatever compiles.
    """
    command = [sys.executable, "-c", COMPILED, str(Path(__file__).parent), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert run.returncode == 0, run.stderr[-2000:]
    by_hand = ["Sight False 2 2", "Sight True 0 0", "Panel False 2 2", "Panel True 0 0"]
    assert run.stdout.splitlines() == by_hand
    for kind in ("Sight", "Panel"):
        usual, compiled = (tmp_path / f"{kind}-{answer}" for answer in (False, True))
        for name in ("last", "best", "resume"):
            both = [read_weights(run / f"{name}.safetensors")[0] for run in (usual, compiled)]
            torch.testing.assert_close(*both, rtol=1e-4, atol=1e-5)
        for one, other in zip(
            *(table(run / "epochs.csv") for run in (usual, compiled)), strict=True
        ):
            for loss in ("train_loss", "validation_loss"):
                assert float(one[loss]) == pytest.approx(float(other[loss]), rel=1e-4)


def test_a_compiled_run_is_another_run(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "compiled", lambda ballot, device: ballot)
    list(fit(network(), clips(), clips(who="b"), config(tmp_path)))
    with pytest.raises(ValueError, match="compile=False instead of True"):
        next(fit(network(), clips(), clips(who="b"), config(tmp_path, compile=True)))


def test_where_nothing_can_be_compiled_nothing_is_written(tmp_path, monkeypatch):
    def compile_nothing(what):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nin a hundred lines")

    monkeypatch.setattr(torch, "compile", compile_nothing)
    with pytest.raises(
        ValueError, match=r"a C\+\+ compiler and.* No working C\+\+ compiler found$"
    ):
        next(fit(network(), clips(), clips(who="b"), config(tmp_path / "run", compile=True)))
    assert not (tmp_path / "run").exists()


class TwoJudges(nn.Module):
    """Of a bright clip one judge thinks 2 for grade 1, the other 1 for grade 0; else nothing."""

    def __init__(self):
        super().__init__()
        self.opinions = nn.Parameter(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
        self.narrow = []  # whether each training step calculated in the config's precision

    def head_logits(self, clip):
        if self.training:
            self.narrow.append(torch.is_autocast_enabled("cpu"))
        mean = clip.mean((1, 2, 3, 4))
        bright = (mean > mean.mean()).float()
        return self.opinions[:, None] * bright[:, None]

    def forward(self, clip):
        return self.head_logits(clip).sum(0)


def test_the_loss_of_several_heads_is_the_mean_of_theirs(tmp_path):
    """By hand, of a dark clip of grade 0 and a bright one of grade 1, in whichever order."""
    train = config(tmp_path, epochs=1, batch_size=2)
    [epoch] = fit(TwoJudges(), clips(2), clips(2, who="b"), train)
    bright = math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))
    assert epoch.train_loss == pytest.approx((2 * math.log(2) + bright) / 4, abs=1e-6)
    assert epoch.train_accuracy == 1.0  # the sum of their logits is right


def test_heads_calculate_in_the_plans_precision(tmp_path):
    heads = TwoJudges()
    train = config(tmp_path, epochs=1, precision="bf16-mixed")
    list(fit(heads, clips(2), clips(2, who="b"), train))
    assert heads.narrow == [True]


def test_a_share_of_the_whole_network_is_saved_and_resumed(tmp_path):
    encoder = replace(TINY.encoder, gate_per="network")
    networks = [CSG3DCT(replace(TINY, encoder=encoder)) for _ in range(2)]
    train, watch = clips(4), clips(2, who="b")
    list(fit(networks[0], train, watch, config(tmp_path, epochs=1)))
    list(fit(networks[1], train, watch, config(tmp_path, epochs=2)))
    for block in networks[1].blocks:
        assert block.weigh is networks[1].blocks[0].weigh
    assert networks[1].blocks[0].weigh.theta.item() != 0
