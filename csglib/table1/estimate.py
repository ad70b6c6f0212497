"""How long a table will take on this machine, before it begins."""

import time
from collections.abc import Sequence

import torch

from csglib.data.patients import CLIPS, PATIENTS
from csglib.model.ledger import costs
from csglib.networks import build_network
from csglib.plan import Budget
from csglib.table1.rows import ROWS

_WAY_BACK = 3  # a training step costs as much as three answers
_SHARE = 0.3  # of its matrix rate that a machine reaches, roughly, in training
_SIDE = 1024  # of the matrices that are multiplied to see


def minutes(names: Sequence[str], budget: Budget, seeds: int) -> float:
    """Of arithmetic in training; the making of clips comes on top.

    Args:
        names: keys of `ROWS`, each counted as many times as it is there.
        budget: how much of it.
        seeds: runs of each.
    """
    work = sum(_multiplications(name, budget) for name in names) * seeds
    return work / (_SHARE * _rate()) / 60


def _multiplications(name: str, budget: Budget) -> float:
    row = ROWS[name]
    with torch.device("meta"):
        network = build_network(row.network, frames=row.frames, size=budget.size)
    clip = costs(network, [""], row.frames, budget.size)[""].macs
    clips = CLIPS[row.frames]["train"] * budget.patients / PATIENTS
    epochs = budget.fine_epochs if row.start == "eight" else budget.epochs
    return _WAY_BACK * clip * clips * epochs


def _rate() -> float:
    """Multiplications a second, of large matrices."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    matrix = torch.randn(_SIDE, _SIDE, device=device)
    torch.linalg.norm(matrix @ matrix).item()  # the first is slow, and waited for
    start = time.perf_counter()
    torch.linalg.norm(matrix @ matrix).item()
    return _SIDE**3 / (time.perf_counter() - start)
