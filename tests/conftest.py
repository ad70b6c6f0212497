"""A small clip that knows its truth, a network whose class token has opinions, a made-up table."""

import json

import numpy as np
import pytest
import torch

from csglib.data.clips import Clip, Truth
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.table1.report import COSTS
from csglib.table1.rows import ROWS
from csglib.table1.running import RESULT
from csglib.train.experiment import TEST
from csglib.train.predictions import Predictions


def circles(radii, height, width):
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return np.array([width / 2, height / 2]) + np.asarray(radii)[:, None, None] * ring


@pytest.fixture
def simulated_clip():
    """Three frames of 96 x 128: small enough to be sent pixel by pixel."""
    closed = np.array([0.2, 0.75, 0.4])
    outer, inner = (circles([radius] * 3, 96, 128) for radius in (36, 30))
    truth = Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=circles(30 * np.sqrt(1 - closed), 96, 128),
        area_stenosis=closed,
        diameter_stenosis=1 - np.sqrt(1 - closed),
    )
    grey = np.random.default_rng(7).integers(0, 256, (3, 96, 128), dtype=np.uint8)
    return Clip(frames=grey, patient="nobody", truth=truth)


@pytest.fixture
def opinionated_network():
    """Random weights with strong questions, so that the maps are far from even."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = CSG3DCT(TINY)
        for name, weights in network.named_parameters():
            if weights.ndim == 2 and ("to_query" in name or "to_key" in name):
                weights.data.normal_(0, 0.3)
    return network


@pytest.fixture(scope="session")
def write_runs():
    """Writes finished runs of a row of a table, a seed each: which of its clips they got right.

    Every third clip is severe; two clips in a row are of one patient.
    """

    def write(folder, name, *rights):
        for seed, right in enumerate(np.array(rights, dtype=bool)):
            run = folder / name / f"seed-{seed}"
            run.mkdir(parents=True)
            grades = (np.arange(len(right)) % 3 == 0).astype(int)
            severe = np.where(right, grades, 1 - grades) * 0.6 + 0.2
            Predictions(
                probabilities=np.stack([1 - severe, severe], axis=1),
                grades=grades,
                patients=tuple(f"p{clip // 2}" for clip in range(len(right))),
                names=("mild", "severe"),
            ).write(run / TEST)
            costs = dict.fromkeys(COSTS, 1.0) | {"parameters": 1e6 * (1 + list(ROWS).index(name))}
            (run / RESULT).write_text(json.dumps(costs))

    return write
