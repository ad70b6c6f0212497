"""How long a table will take on this machine, before it begins."""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from csglib.model.config import CONFORMER_S
from csglib.model.cost import costs
from csglib.model.csg3dct import CSG3DCT
from csglib.phantom.patients import CLIPS, PATIENTS
from csglib.table1.budget import Budget
from csglib.table1.rows import ROWS
from csglib.train.config import Precision
from csglib.train.networks import build_network

_WAY_BACK = 3  # a training step costs as much as three answers
_SHARE = 0.3  # of its matrix rate that a machine reaches, roughly, in training
_SIDE = 1024  # of the matrices that are multiplied to see
_TRIES = 5  # the machine may be busy for a moment


def minutes(names: Sequence[str], budget: Budget, seeds: int, start: str) -> float:
    """Of arithmetic in training; the making of clips comes on top.

    Args:
        names: keys of `ROWS`, each counted as many times as it is there.
        budget: how much of it.
        seeds: runs of each.
        start: of rows with a 2D parent; "frames" trains one for each seed.
    """
    work = sum(_multiplications(name, budget) for name in names)
    if start == "frames" and any(ROWS[name].start != "random" for name in names):
        work += _of_the_parent(budget)
    return seeds * work / (_SHARE * _rate(budget.precision)) / 60


def _multiplications(name: str, budget: Budget) -> float:
    row = ROWS[name]
    with torch.device("meta"):
        network = build_network(row.network, frames=row.frames, size=budget.size)
    clips = CLIPS[row.frames]["train"] * budget.patients / PATIENTS
    epochs = budget.finetune_epochs if row.start == "eight" else budget.epochs
    return clips * epochs * _of_a_step(network, row.frames, budget.size)


def _of_the_parent(budget: Budget) -> float:
    with torch.device("meta"):
        parent = CSG3DCT(replace(CONFORMER_S, classes=2))
    frames = 8 * CLIPS[8]["train"] * budget.pretrain_patients / PATIENTS
    return frames * budget.pretrain_epochs * _of_a_step(parent, 1, budget.size)


def _of_a_step(network: nn.Module, frames: int, size: int) -> int:
    """A clip's share of it."""
    return _WAY_BACK * costs(network, [""], frames, size)[""].macs


def _rate(precision: Precision) -> float:
    """Multiplications a second, of large matrices."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    matrix = torch.randn(_SIDE, _SIDE, device=device, dtype=kind)
    return _SIDE**3 / min(_seconds(matrix) for _ in range(_TRIES))


def _seconds(matrix: torch.Tensor) -> float:
    start = time.perf_counter()
    torch.linalg.norm((matrix @ matrix).float()).item()  # waited for
    return time.perf_counter() - start
