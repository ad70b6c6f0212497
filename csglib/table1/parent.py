"""The warm start without ImageNet: a 2D parent that has learned from single frames of ours.

Source: section 2, "Inflation Strategy for 3D CNN Encoder": inflation takes what the parent knows,
whoever taught it. The paper's parent knows ImageNet, whose photographs are not here; ours knows
frames of a cohort of other simulated patients, each with the grade of what it shows.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from csglib.data.cohort import ClipSet
from csglib.model.config import CONFORMER_S
from csglib.model.csg3dct import CSG3DCT
from csglib.model.parent import parent_state
from csglib.plan import Plan
from csglib.training import fit
from csglib.weights import load_weights, write_weights

WEIGHTS = "parent.safetensors"


def train_parent(frames: Mapping[str, ClipSet], plan: Plan) -> Path:
    """Train a Conformer-S on single frames, or what is left of it.

    Args:
        frames: from `csglib.data.cohort.read_frames`.
        plan: how, and where.

    Returns:
        A file that `csglib.model.pretrained.load_conformer` reads.
    """
    path = plan.folder / WEIGHTS
    if path.is_file():
        return path
    parent = _conformer(len(frames["train"].grade_names), plan.seed)
    records = list(fit(parent, frames["train"], frames["validation"], plan))
    load_weights(parent, plan.folder / "best.safetensors")
    best = min(records, key=lambda record: record.validation_loss)
    notes = {"epoch": str(best.epoch), "accuracy": json.dumps(best.validation_accuracy)}
    write_weights(path, parent_state(parent), notes)
    forget(plan.folder)
    return path


def forget(folder: Path) -> None:
    """Of a run that is over, keep the best weights alone: with all, a table would take 20 GB."""
    for name in ("resume.safetensors", "last.safetensors"):
        (folder / name).unlink(missing_ok=True)


def _conformer(classes: int, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CSG3DCT(replace(CONFORMER_S, classes=classes))
