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
from csglib.model.config import CONFORMER_S, TINY_2D, VARIANTS, ModelConfig
from csglib.model.csg3dct import CSG3DCT
from csglib.model.pretrained import conformer_state
from csglib.model.weights import load_weights, read_weights, write_weights
from csglib.train.config import TrainConfig
from csglib.train.fit import fit

WEIGHTS = "conformer.safetensors"


def conformer_for(network: str) -> ModelConfig:
    """The 2D network that one of the family starts from.

    Raises:
        ValueError: it is none of the family, or there is no such network.
    """
    children = ("tiny", *VARIANTS)
    if network not in children:
        raise ValueError(
            f"networks with a 2D network to start from are {', '.join(children)}: got {network}"
        )
    return TINY_2D if network == "tiny" else CONFORMER_S


def pretrain(
    frames: Mapping[str, ClipSet], config: TrainConfig, model: ModelConfig = CONFORMER_S
) -> Path:
    """Train a parent on single frames, or what is left of it.

    Args:
        frames: from `csglib.data.cohort.read_frames`.
        config: how to train, and where.
        model: of the parent, see `conformer_for`.

    Returns:
        A file that `csglib.model.pretrained.load_conformer` reads.
    """
    path = config.folder / WEIGHTS
    if path.is_file():
        return path
    parent = _untaught(replace(model, classes=len(frames["train"].grade_names)), config.seed)
    records = list(fit(parent, frames["train"], frames["validation"], config))
    load_weights(parent, config.folder / "best.safetensors")
    taken = int(read_weights(config.folder / "best.safetensors")[1]["epoch"])
    accuracy = records[taken - 1].validation_accuracy
    notes = {"epoch": str(taken), "accuracy": json.dumps(accuracy)}
    write_weights(path, conformer_state(parent), notes)
    forget(config.folder)
    return path


def forget(folder: Path) -> None:
    """Of a run that is over, keep the best weights alone: with all, a table would take 20 GB."""
    for name in ("resume.safetensors", "last.safetensors"):
        (folder / name).unlink(missing_ok=True)


def _untaught(config: ModelConfig, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CSG3DCT(config)
