"""Estimated training time of a table on this machine."""

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

_FORWARD_PASSES = 3  # cost of a training step, in forward passes
_UTILISATION = 0.3  # of the matrix multiplication rate, roughly, in training
_SIDE = 1024  # of the matrices that are timed


def minutes(names: Sequence[str], budget: Budget, seeds: int, init: str) -> float:
    """Minutes of training; simulating the clips comes on top. Arguments as for `Table1.run`."""
    work = 0.0
    clips = CLIPS[8]["train"] / PATIENTS  # of each patient
    with torch.device("meta"):
        for row in (ROWS[name] for name in names):
            network = build_network(row.network, frames=row.frames, size=budget.size)
            epochs = budget.finetune_epochs if row.init == "base" else budget.epochs
            share = CLIPS[row.frames]["train"] / PATIENTS
            work += budget.patients * share * epochs * _macs(network, row.frames, budget.size)
        if init == "frames" and any(ROWS[name].init != "random" for name in names):
            network = CSG3DCT(replace(CONFORMER_S, classes=2))
            frames = 8 * clips * budget.pretrain_patients
            work += frames * budget.pretrain_epochs * _macs(network, 1, budget.size)
    return seeds * _FORWARD_PASSES * work / (_UTILISATION * _rate(budget.precision)) / 60


def _macs(network: nn.Module, frames: int, size: int) -> int:
    return costs(network, [""], frames, size)[""].macs


def _rate(precision: Precision) -> float:
    """Multiply-accumulates per second, of large matrices: the best of five tries."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    matrix = torch.randn(_SIDE, _SIDE, device=device, dtype=dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        (matrix @ matrix).float().norm().item()  # item() waits for the device
        seconds.append(time.perf_counter() - start)
    return _SIDE**3 / min(seconds)
