"""Training: steps, schedules, exact resume, processes, torch.compile, and what is refused."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed.run import main as torchrun

from csglib import CSG3DCT, TINY, TrainConfig, fit, network_input
from csglib.model.weights import load_weights, read_weights, write_weights
from csglib.train import fit as training
from csglib.train import predict
from csglib.train.step import TrainStep, adam

from ..small_training import Small, bright_clips

ROOT = str(Path(__file__).parents[2])


class Plain(nn.Module):
    """No norm over clips: how a batch is cut makes no difference to what is learned."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.classify = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        self.seen, self.eager_steps = [], 0

    def forward(self, clip):
        if not torch.compiler.is_compiling():
            self.eager_steps += self.training
            self.seen.append(len(clip))
        return self.classify(clip.mean((2, 3, 4)))


class Random(Small):
    """Remembers one random number of each forward pass in training."""

    def __init__(self):
        super().__init__()
        self.drawn = []

    def forward(self, clip):
        if self.training:
            self.drawn.append(torch.rand(()).item())
        return super().forward(clip)


class TwoHeads(Plain):
    def head_logits(self, clip):
        logits = self(clip)
        return torch.stack([logits, -2 * logits])


def clips(count=11, who="a"):
    return bright_clips(who, count)


def network():
    torch.manual_seed(0)
    return Small()


def config(folder, **changes):
    return replace(TrainConfig(folder=folder, epochs=4, batch_size=4, lr=0.05), **changes)


def fitted(folder, model=None, validation=None, **changes):
    """Records of a whole run."""
    watched = validation or clips(who="b")
    return list(fit(model or network(), clips(), watched, config(folder, **changes)))


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def weights(folder, name="last"):
    return read_weights(folder / f"{name}.safetensors")[0]


def same_weights(one, other):
    assert weights(one).keys() == weights(other).keys()
    return all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


# --- One step ---


def step(model, micro_batches=1):
    """A step of plain descent: what it changes is the gradient."""
    settings = TrainConfig(folder=Path(), device="cpu")
    fabric = training._fabric(settings)
    module = training._prepared(model, settings, fabric)
    descent = torch.optim.SGD(model.parameters(), lr=1.0)
    return TrainStep(fabric, micro_batches, *fabric.setup(module, descent))


def normed(count, micro_batches):
    """Weights and statistics of batch norms after a step with so many clips."""
    model = network()
    step(model, micro_batches)(clips(count))
    return model.state_dict()


def both(logits, grades):
    return (F.cross_entropy(logits, grades) + F.cross_entropy(-2 * logits, grades)) / 2


@pytest.mark.parametrize(("parts", "sizes"), [(1, [5]), (2, [3, 2]), (9, [1] * 5)])
@pytest.mark.parametrize(
    ("kind", "loss_of", "sign"), [(Plain, F.cross_entropy, 1), (TwoHeads, both, -1)]
)
def test_a_step_follows_the_loss_of_each_head_and_their_sum_decides(
    kind, loss_of, sign, parts, sizes
):
    """However the batch is cut."""
    plain, model, batch = Plain(), kind(), clips(5)
    logits, grades = plain(network_input(batch.frames)), torch.from_numpy(batch.grades)
    loss_of(logits, grades).backward()
    wanted = [value.detach() - value.grad for value in plain.parameters()]
    loss, correct, count = step(model, parts)(batch)
    torch.testing.assert_close([value.detach() for value in model.parameters()], wanted)
    assert loss / count == pytest.approx(loss_of(logits, grades).item())
    assert (correct, count) == (((sign * logits).argmax(1) == grades).sum(), 5)
    assert model.seen == sizes


def test_out_of_memory_says_what_to_change(tmp_path, monkeypatch):
    monkeypatch.setattr(TrainStep, "__call__", Mock(side_effect=torch.OutOfMemoryError))
    with pytest.raises(MemoryError, match=r"raise micro_batches \(3\), or set activation_"):
        fitted(tmp_path, micro_batches=3)


# --- Runs ---


def test_it_learns_and_keeps_everything(tmp_path):
    model = network()
    records = fitted(tmp_path, model, epochs=12)
    assert [record.epoch for record in records] == list(range(1, 13))
    assert records[-1].train_loss < records[0].train_loss / 2
    assert records[-1].validation_accuracy == 1.0
    rows = table(tmp_path / "epochs.csv")
    assert [float(row["train_loss"]) for row in rows] == [r.train_loss for r in records]
    predictions = table(tmp_path / "predictions.csv")
    assert [row["patient"] for row in predictions] == list(clips(who="b").patients)
    load_weights(model, tmp_path / "best.safetensors")
    probabilities = predict(model, clips(who="b").frames).softmax(1)
    found = float(predictions[3]["p_severe"])
    assert found == pytest.approx(probabilities[3, 1].item(), abs=1e-5)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_best_weights(tmp_path, schedule):
    """Of the lowest validation loss; with a schedule that decays to 0, of the last epoch."""
    contrary = replace(clips(who="b"), grades=1 - clips().grades)  # worse the more is learned
    records = fitted(tmp_path, validation=contrary, schedule=schedule)
    best = min(records, key=lambda record: record.validation_loss)
    assert best is not records[-1]
    best = best if schedule == "constant" else records[-1]
    assert read_weights(tmp_path / "best.safetensors")[1]["epoch"] == str(best.epoch)
    model = network()
    load_weights(model, tmp_path / "best.safetensors")
    logits = predict(model, contrary.frames)
    loss = F.cross_entropy(logits, torch.from_numpy(contrary.grades)).item()
    assert loss == pytest.approx(best.validation_loss, rel=1e-5)


def test_patience_stops_a_run_and_more_of_it_goes_on(tmp_path, monkeypatch):
    losses = iter([0.5, 0.4, 0.9, 0.7, 0.8])
    monkeypatch.setattr(training, "_validate", lambda *_: ((next(losses), 0.5), [[0.5, 0.5]] * 11))
    for _ in range(2):  # the second time it is over
        assert len(fitted(tmp_path, epochs=9, patience=2)) == 4
    assert json.loads((tmp_path / "progress.json").read_bytes())["epochs"] == 4, "for the dashboard"
    assert len(fitted(tmp_path, epochs=9, patience=3)) == 5
    assert read_weights(tmp_path / "best.safetensors")[1]["epoch"] == "2"


@pytest.mark.parametrize("changes", [{}, {"schedule": "one_cycle", "augment": True}])
def test_killed_in_the_middle_of_an_epoch_a_run_resumes_to_the_same_bits(
    tmp_path, monkeypatch, changes
):
    given = []

    def deadly(frames):
        given.append(frames)
        if len(given) == 8:  # in the third epoch, of three steps each
            raise KeyboardInterrupt
        return network_input(frames)

    whole = fitted(tmp_path / "whole", **changes)
    with monkeypatch.context() as patch:
        patch.setattr("csglib.train.step.network_input", deadly)
        with pytest.raises(KeyboardInterrupt):
            fitted(tmp_path / "broken", **changes)
    (tmp_path / "broken/.last.safetensors.1.part").touch()  # SIGKILL would leave it
    model = network()
    nn.init.normal_(model.classify.weight)  # what the model holds before does not matter
    again = fitted(tmp_path / "broken", model, **changes)
    assert [r.train_loss for r in again] == [r.train_loss for r in whole]
    assert same_weights(tmp_path / "whole", tmp_path / "broken")
    assert not list((tmp_path / "broken").glob(".*.part"))


def test_a_constant_run_can_be_made_longer(tmp_path):
    fitted(tmp_path / "a", epochs=2)
    fitted(tmp_path / "a", epochs=4)
    fitted(tmp_path / "b", epochs=4)
    fitted(tmp_path / "c", schedule="one_cycle")
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert not same_weights(tmp_path / "b", tmp_path / "c")
    with pytest.raises(ValueError, match="epochs=4 instead of 6"):
        fitted(tmp_path / "c", schedule="one_cycle", epochs=6)


def test_the_order_of_clips_changes_with_the_epoch_and_the_seed(tmp_path):
    seen, drawn = [], []
    for folder, seed in (("a", 0), ("b", 1)):
        model = Random()
        model.register_forward_pre_hook(
            lambda module, args: seen.append(args[0].sum().item()) if module.training else None
        )
        changes = {"seed": seed, "epochs": 2}
        list(fit(model, clips(8), clips(4, "b"), config(tmp_path / folder, **changes)))
        drawn += model.drawn
    assert len(seen) == 8
    assert len({tuple(seen[start : start + 2]) for start in (0, 2, 4, 6)}) == 4
    assert len({*drawn}) == 8, "and so does dropout"


def test_augmentation_is_one_draw_a_clip_and_epoch_and_none_in_validation(tmp_path):
    still = clips(4)
    still = replace(still, frames=still.frames[:1, :1].repeat(4, axis=0).repeat(3, axis=1))
    seen, watched = [], []
    model = network()
    model.register_forward_pre_hook(
        lambda module, args: (seen if module.training else watched).append(args[0].clone())
    )
    validation = replace(still, patients=("b",) * 4)
    list(fit(model, still, validation, config(tmp_path, epochs=2, augment=True)))
    one, other = (batch.sort(dim=0).values for batch in seen)
    for batch in seen:
        torch.testing.assert_close(batch, batch[:, :, :1].expand_as(batch))
        assert len(batch.flatten(1).unique(dim=0)) == 4
    assert not torch.allclose(one, other)
    assert all(torch.equal(batch, network_input(still.frames)) for batch in watched)


def test_a_gate_of_the_whole_network_is_saved_and_resumed(tmp_path):
    encoder = replace(TINY.encoder, gate_per="network")
    networks = [CSG3DCT(replace(TINY, encoder=encoder)) for _ in range(2)]
    for model, epochs in zip(networks, (1, 2), strict=True):
        settings = config(tmp_path, epochs=epochs, activation_checkpointing=epochs == 2)
        list(fit(model, clips(4), clips(2, "b"), settings))
    assert [model.activation_checkpointing for model in networks] == [False, True]
    for block in networks[1].blocks:
        assert block.weigh is networks[1].blocks[0].weigh
    assert networks[1].blocks[0].weigh.theta.item() != 0


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_an_epochs_record_is_the_mean_over_clips_in_the_precision_asked_for(tmp_path, precision):
    model, narrow = Plain(), []
    logits, grades = model(network_input(clips().frames)), torch.from_numpy(clips().grades)
    model.register_forward_pre_hook(lambda *_: narrow.append(torch.is_autocast_enabled("cpu")))
    [epoch] = fitted(tmp_path, model, epochs=1, batch_size=11, precision=precision)
    loss, accuracy = F.cross_entropy(logits, grades), (logits.argmax(1) == grades).float().mean()
    assert epoch.train_loss == pytest.approx(loss.item(), rel=0.01)
    assert epoch.train_accuracy == pytest.approx(accuracy.item())
    assert narrow == [precision == "bf16-mixed"] * 2, "in training and validation"


# --- What is refused ---


def test_another_run_in_the_same_folder_is_refused_and_nothing_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "compiled", lambda network, device: network)
    fitted(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for changes, said in (
        ({"lr": 0.1}, "another run, with lr=0.05 instead of 0.1"),
        ({"seed": 1}, "seed=0 instead of 1"),
        ({"compile": True}, "compile=False instead of True"),
        ({"micro_batches": 2}, "micro_batches=None instead of 2"),
    ):
        with pytest.raises(ValueError, match=said):
            fitted(tmp_path, **changes)
    with pytest.raises(ValueError, match="another run, with training clips="):
        next(fit(network(), clips(7), clips(who="b"), config(tmp_path)))
    with pytest.raises(ValueError, match="another run, with parameters="):
        fitted(tmp_path, Plain())
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    facts = json.loads(before["config.json"])
    (tmp_path / "config.json").write_text(json.dumps(facts | {"processes": "2"}))
    with pytest.raises(ValueError, match="processes=2 instead of 1"):
        fitted(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "patient a0 is among the training and the validation clips"),
        ({"device": "cuda"}, "torch finds no GPU here"),
        ({"activation_checkpointing": True}, "is for CSG-3DCT: got Small"),
        ({"compile": True}, r"a C\+\+ compiler, .*No working C\+\+ compiler found$"),
    ],
)
def test_what_cannot_be_leaves_nothing_behind(tmp_path, monkeypatch, changes, message):
    def compile_nothing(what):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nin a hundred lines")

    monkeypatch.setattr(torch, "compile", compile_nothing)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    watched = clips(who="b" if changes else "a")
    with pytest.raises(ValueError, match=message):
        next(fit(network(), clips(), watched, config(tmp_path / "run", **changes)))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_run_or_network_is_refused(tmp_path):
    for seed, name in enumerate(("run", "other")):
        fitted(tmp_path / name, epochs=2, seed=seed)
    path = tmp_path / "run/resume.safetensors"
    tensors, notes = read_weights(path)
    write_weights(path, tensors, {"records": notes["records"]})  # of a version without the name
    assert len(fitted(tmp_path / "run", epochs=2)) == 2
    (tmp_path / "other/resume.safetensors").replace(path)
    with pytest.raises(ValueError, match=r"is of another run, or damaged: .*another config.json"):
        fitted(tmp_path / "run", epochs=2)
    write_weights(path, {"model.a": torch.ones(2)}, {"records": "[]"})
    with pytest.raises(ValueError, match=r"damaged: .*Error\(s\) in loading"):
        fitted(tmp_path / "run", epochs=2)


def test_two_loops_cannot_train_in_one_folder(tmp_path):
    standing = fit(network(), clips(), clips(who="b"), config(tmp_path))
    next(standing)
    with pytest.raises(ValueError, match="an unfinished loop over"):
        fitted(tmp_path)
    standing.close()
    assert len(fitted(tmp_path)) == 4


def test_a_lost_loss_stops_with_the_clips_it_was_lost_on(tmp_path):
    model = network()
    with torch.no_grad():
        model.classify.weight[:] = float("nan")
    message = r"the loss became nan on clips of a\d"
    with pytest.raises(FloatingPointError, match=message):
        fitted(tmp_path, model)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"lr": 0.0}, {"weight_decay": -1.0}, {"patience": 2}]
)
def test_impossible_settings(tmp_path, wrong):
    with pytest.raises(ValueError, match=f"wanted {next(iter(wrong))} >= .*: got"):
        config(tmp_path, schedule="one_cycle", **wrong)


# --- Schedules ---


def learning_rates(settings, steps):
    epochs = range(1, settings.epochs + 1)
    return np.array([lr for epoch in epochs for lr in settings.learning_rates(epoch, steps)])


def test_the_papers_learning_rate_is_constant_and_one_cycle_torchs(tmp_path):
    assert set(learning_rates(TrainConfig(folder=tmp_path), 80)) == {1e-4}
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.OneCycleLR(adam, 0.3, total_steps=2000, final_div_factor=1e9)
    wanted = []
    for _ in range(2000):
        wanted.append(theirs.get_last_lr()[0])
        adam.step()
        theirs.step()
    found = learning_rates(config(tmp_path, epochs=10, lr=0.3, schedule="one_cycle"), 200)
    assert np.abs(found - wanted).max() < 0.002 * 0.3
    assert (found.argmax(), found.max()) == (600, 0.3)


def test_norms_and_biases_follow_the_schedule_too(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(training, "adam", lambda *what: made.append(adam(*what)) or made[0])
    fitted(tmp_path, epochs=1, schedule="one_cycle")
    decaying, others = made[0].param_groups
    assert decaying["lr"] == others["lr"] < 0.05


# --- Several processes, torch.compile ---

SHARES = ((4, 1), (3, 1), (1, 1), (3, 2))  # clips and micro-batches: equal, unequal, none
WORLD = """
import gc, json, os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from tests.train.test_fit import SHARES, Random, TwoHeads, clips, config, fit, normed
torch.set_num_threads(1)
random = Random()
records = list(fit(random, clips(8), clips(7, "b"), config(Path(sys.argv[2]) / "random")))
own = Path(sys.argv[2]) / f"rank-{os.environ['RANK']}"
own.write_text(json.dumps([random.drawn, records[-1].validation_loss]))
torch.save([normed(*share) for share in SHARES], f"{own}.pt")
for name in ("first", "second"):
    settings = config(Path(sys.argv[2]) / name, epochs=3)
    records = list(fit(TwoHeads(), clips(9), clips(7, "b"), settings))
    line = json.dumps([[r.epoch, r.train_loss, r.train_accuracy, r.validation_loss,
                        r.validation_accuracy] for r in records])
    os.write(1, f"{line}\\n".encode())  # at once: the other process writes here too
gc.disable()  # as if no collection came by before the end
ring = [torch.distributed.group.WORLD]
ring.append(ring)  # as compiled code leaves some
del ring
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(2)
slow = Slow()  # to be deleted: Python is on its way out for two seconds
last = torch.distributed.all_reduce(torch.ones(1), async_op=True)
last.get_future().then(lambda _: time.sleep(1))  # in a thread of the group
"""


def test_two_processes_learn_what_one_does_and_end_in_peace(tmp_path, capfd):
    """Of 9 clips, 4 a step: in the last there is nothing for the second to do.

    In the end a thread of the group still has a tensor in hand when Python goes.
    """
    program = tmp_path / "world.py"
    program.write_text(WORLD)
    torchrun(["--standalone", "--nproc-per-node=2", str(program), ROOT, str(tmp_path)])
    said = capfd.readouterr().out
    alone = list(fit(TwoHeads(), clips(9), clips(7, "b"), config(tmp_path / "alone", epochs=3)))
    wanted = torch.tensor([list(vars(record).values())[:5] for record in alone])
    printed = [json.loads(line) for line in said.splitlines() if line.startswith("[[")]
    assert len(printed) == 2 * 2, "both processes print both runs"
    for found in printed:
        torch.testing.assert_close(torch.tensor(found), wanted)
    torch.testing.assert_close(weights(tmp_path / "second"), weights(tmp_path / "alone"))
    (first, loss), (second, same_loss) = (
        json.loads((tmp_path / f"rank-{rank}").read_text()) for rank in (0, 1)
    )
    assert len({*first, *second}) == 2 * 4 * 2, "each step of each process draws anew"
    assert loss == same_loss
    for rank in (0, 1):  # batch norms: two processes of half a batch have one's statistics
        found = torch.load(tmp_path / f"rank-{rank}.pt")
        torch.testing.assert_close(found, [normed(*share) for share in SHARES])


COMPILED = """
import functools, itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from tests.train.test_fit import TwoHeads, clips, config, fit
torch.compile = functools.partial(torch.compile, backend=sys.argv[3])
settings = config(Path(sys.argv[2]), epochs=2, compile=True)
first, second = TwoHeads(), TwoHeads()
list(itertools.islice(fit(first, clips(8), clips(4, "b"), settings), 1))
list(fit(second, clips(8), clips(4, "b"), settings))
print(first.eager_steps, second.eager_steps)
"""


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.long)])
def test_compiled_it_learns_the_same_and_leaves_the_same_files(tmp_path, backend):
    """In a process without checks of shapes, which do not compile; stopped once and resumed."""
    compiled, usual = tmp_path / "compiled", tmp_path / "usual"
    command = [sys.executable, "-c", COMPILED, ROOT, str(compiled), backend]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout == "0 0\n", "no training step ran uncompiled"
    model = TwoHeads()
    records = list(fit(model, clips(8), clips(4, "b"), config(usual, epochs=2)))
    assert model.eager_steps == 4
    for name in ("last", "best", "resume"):
        torch.testing.assert_close(
            weights(usual, name), weights(compiled, name), rtol=1e-4, atol=1e-5
        )
    for row, record in zip(table(compiled / "epochs.csv"), records, strict=True):
        assert float(row["train_loss"]) == pytest.approx(record.train_loss, rel=1e-4)
        assert float(row["validation_loss"]) == pytest.approx(record.validation_loss, rel=1e-4)
