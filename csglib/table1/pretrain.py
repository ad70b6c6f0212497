"""The warm start without ImageNet: a 2D Conformer trained on single simulated frames.

Source: section 2, "Inflation Strategy for 3D CNN Encoder". The paper's 2D network is pre-trained on
ImageNet, which is not here; ours on frames of clips, each with the grade of its clip, or, if they
are simulated, with a grade of its own, which says more than the labels of a real cohort.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from csglib.data.cohort import ClipSet, read_cohort, read_manifest, read_metadata, read_unchanged
from csglib.data.stenosis import RULES
from csglib.model.config import CONFORMER_S, TINY_2D, VARIANTS, ModelConfig
from csglib.model.csg3dct import CSG3DCT
from csglib.model.pretrained import conformer_tensors
from csglib.model.weights import load_weights, read_weights, write_weights
from csglib.train.config import TrainConfig
from csglib.train.fit import fit

WEIGHTS = "conformer.safetensors"


def read_frames(folder: Path) -> dict[str, ClipSet]:
    """Read every frame of a simulated cohort as a clip of its own, by split.

    Each is graded by the stenosis in this very frame: frames beside the plaque are mild.
    """
    metadata, rows = read_metadata(folder), read_manifest(folder)
    if metadata.get("rule") not in RULES:
        by = metadata.get("graded_by", "an unknown rule")
        came = f"has no grades of single frames: its clips are graded by {by}"
        raise ValueError(f"{folder} {came}; wanted a simulated cohort")
    rule, grades = RULES[metadata["rule"]], defaultdict[str, list[int]](list)
    for row in rows:
        truth = read_unchanged(folder, row).truth
        assert truth is not None, "a cohort with a rule is simulated"
        own = [rule.grade(stenosis) for stenosis in truth.stenoses(rule).tolist()]
        grades[row["split"]] += own
    found = read_cohort(folder)
    return {
        name: replace(frames_of(found[name]), grades=np.array(own), grade_names=rule.grades)
        for name, own in grades.items()
    }


def frames_of(clips: ClipSet) -> ClipSet:
    """Every frame as a clip of its own, with the grade of its clip."""
    count = clips.frames.shape[1]
    return replace(
        clips,
        frames=rearrange(clips.frames, "clips t y x -> (clips t) 1 y x"),
        grades=clips.grades.repeat(count),
        patients=tuple(np.repeat(clips.patients, count).tolist()),
    )


def conformer_for(network: str) -> ModelConfig:
    """The 2D network that a variant of CSG-3DCT is inflated from; a ValueError for any other."""
    if network not in (variants := ("tiny", *VARIANTS)):
        wanted = f"networks with a 2D network to start from are {', '.join(variants)}"
        raise ValueError(f"{wanted}: got {network}")
    return TINY_2D if network == "tiny" else CONFORMER_S


def pretrain(
    frames: Mapping[str, ClipSet], config: TrainConfig, model: ModelConfig = CONFORMER_S
) -> Path:
    """Train a 2D network on single frames; returns a file for `load_conformer`."""
    path = config.folder / WEIGHTS
    if path.is_file():
        return path
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = CSG3DCT(replace(model, classes=len(frames["train"].grade_names)))
    records = list(fit(network, frames["train"], frames["validation"], config))
    load_weights(network, config.folder / "best.safetensors")
    epoch = int(read_weights(config.folder / "best.safetensors")[1]["epoch"])
    notes = {"epoch": str(epoch), "accuracy": json.dumps(records[epoch - 1].validation_accuracy)}
    write_weights(path, _conformer_state(network), notes)
    keep_best_only(config.folder)
    return path


def _conformer_state(network: nn.Module) -> dict[str, Tensor]:
    """State dict of a 2D network of ours under the Conformer's names, with 2D kernels."""
    state = network.state_dict()
    names = {name: ours for name, ours in conformer_tensors(state).items() if ours in state}
    return {
        name: state[ours].squeeze(2) if state[ours].ndim == 5 else state[ours]
        for name, ours in names.items()
    }


def keep_best_only(folder: Path) -> None:
    """Delete all but the best weights of a finished run: with all, a table would take 20 GB."""
    for name in ("resume.safetensors", "last.safetensors"):
        (folder / name).unlink(missing_ok=True)
