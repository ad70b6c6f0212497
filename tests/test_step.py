"""One step, whichever way it is taken: in one piece, in several, by one process or by two."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import nn

from csglib.data.clips import network_input
from csglib.data.cohort import ClipSet
from csglib.model.weights import read_weights
from csglib.train.step import HeadLogits, TrainStep, head_logits


class Still(nn.Module):
    """No norm over clips: how a batch is cut makes no difference to what is learned."""

    def __init__(self, room=99):
        super().__init__()
        torch.manual_seed(3)
        self.classify = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        self.room, self.seen = room, []

    def forward(self, clip):
        self.seen.append(len(clip))
        if len(clip) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.classify(clip.mean((2, 3, 4)))


class Jury(Still):
    def head_logits(self, clip):
        logits = self(clip)
        return torch.stack([logits, -2 * logits])


@pytest.fixture
def step():
    """A step of plain descent: what it changes is the gradient."""

    def made(network):
        fabric = Fabric(accelerator="cpu", devices=1)
        descent = torch.optim.SGD(network.parameters(), lr=1.0)
        ours, optimizer = fabric.setup(HeadLogits(network), descent)
        return TrainStep(fabric, ours, optimizer)

    return made


def clips(count, who="a"):
    """Noise, brighter where it is severe."""
    grades = np.arange(count) % 2
    frames = np.random.default_rng(count).integers(0, 100, (count, 2, 8, 8)).astype(np.uint8)
    frames[grades == 1] += 90
    patients = tuple(f"{who}{place}" for place in range(count))
    return ClipSet(frames=frames, grades=grades, patients=patients)


@pytest.fixture
def batch():
    return clips(5)


def learned(network, batch, loss):
    """The same step, by hand."""
    twin = copy.deepcopy(network)
    loss(twin(network_input(batch.frames)), torch.from_numpy(batch.grades)).backward()
    return [value - value.grad for value in twin.parameters()]


def same(network, wanted):
    for value, other in zip(network.parameters(), wanted, strict=True):
        torch.testing.assert_close(value, other)


def test_it_lowers_the_cross_entropy(step, batch):
    network = Still()
    wanted = learned(network, batch, F.cross_entropy)
    sums = step(network)(batch)
    same(network, wanted)
    logits, grades = Still()(network_input(batch.frames)), torch.from_numpy(batch.grades)
    assert sums.loss / sums.clips == pytest.approx(F.cross_entropy(logits, grades).item())
    assert sums.correct == (logits.argmax(1) == grades).sum()
    assert sums.clips == 5


def test_each_judge_learns_by_itself(step, batch):
    network = Jury()

    def both(logits, grades):
        return (F.cross_entropy(logits, grades) + F.cross_entropy(-2 * logits, grades)) / 2

    wanted = learned(network, batch, both)
    step(network)(batch)
    same(network, wanted)


def test_out_of_memory_means_smaller_pieces_of_the_same_step(step, batch, capsys):
    network = Still(room=2)
    wanted = learned(Still(), batch, F.cross_entropy)
    taking = step(network)
    first = taking(batch)
    same(network, wanted)
    assert first.clips == 5
    assert (
        "micro-batches of 2 clips from here on; a step is still one of 5" in capsys.readouterr().out
    )
    network.seen.clear()
    taking(batch)
    assert max(network.seen) <= 2, "it remembers"


def test_no_room_for_one_clip(step, batch):
    with pytest.raises(torch.OutOfMemoryError):
        step(Still(room=0))(batch)


WORLD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_step
from test_step import TrainConfig, clips, fit
config = TrainConfig(folder=Path(sys.argv[2]), epochs=3, batch_size=4, lr=0.05)
network = getattr(test_step, sys.argv[3])()
records = list(fit(network, clips(9), clips(7, "b"), config))
print(json.dumps([[r.epoch, r.train_loss, r.train_accuracy, r.validation_loss,
                   r.validation_accuracy] for r in records]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", ["Still", "Jury"])
def test_two_processes_learn_what_one_does(tmp_path, network):
    """Of 9 clips, 4 a step: in the last there is nothing for the second to do."""
    program = tmp_path / "world.py"
    program.write_text(WORLD)
    here = str(Path(__file__).parent)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    found = []
    for start, folder in (([sys.executable], "one"), (torchrun, "two")):
        command = [*start, str(program), here, str(tmp_path / folder), network]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert run.returncode == 0, run.stderr[-2000:]
        lines = [line for line in run.stdout.splitlines() if line.startswith("[[")]
        found.append([json.loads(line) for line in lines])
    (alone,), (first, second) = found
    assert first == second
    torch.testing.assert_close(torch.tensor(first), torch.tensor(alone))
    weights = [read_weights(tmp_path / name / "last.safetensors")[0] for name in ("one", "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name])


ENDING = """
import gc, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from test_step import TrainConfig, Still, clips, fit
config = TrainConfig(folder=Path(sys.argv[2]), epochs=1)
gc.disable()  # as if no collection came by before the end
list(fit(Still(), clips(4), clips(2, "b"), config))
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


@pytest.mark.slow
def test_a_thread_of_the_group_may_be_the_last_to_end(tmp_path):
    """One that still had a tensor in hand when Python had gone crashed its process."""
    program = tmp_path / "ending.py"
    program.write_text(ENDING)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, str(program), str(Path(__file__).parent), str(tmp_path / "run")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]


@pytest.mark.parametrize("kind", [Still, Jury])
def test_a_ballot_is_all_votes_and_nothing_of_its_own(kind):
    network = kind()
    ballot, pictures = HeadLogits(network), torch.rand(3, 3, 2, 8, 8)
    assert ballot(pictures).shape == (len(ballot(pictures)), 3, 2)
    torch.testing.assert_close(ballot(pictures), head_logits(network, pictures))
    assert list(ballot.parameters()) == list(network.parameters())
