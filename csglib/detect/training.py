"""Train the network of `csglib.detect` on simulated necks, and judge it on others.

Not in the paper. Finding must not load what only training needs, so this is a file of its own.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce, repeat
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from csglib.detect.frames import (
    Neck,
    View,
    chance_view,
    empty_view,
    simulate_necks,
    vessel_view,
    whole_view,
)
from csglib.detect.network import CONVINCING, Detector, decode, logits, numbers_of, places
from csglib.model.weights import write_weights
from csglib.phantom.simulate import VERSION

_BATCH = 8
_RATE = 3e-3  # the highest; it rises to it and falls to nothing, so that no epoch has to be chosen
_BOX = 3  # weight of an error of the box against one of the place
_HELD_OUT = 1 / 6  # share of the necks that judge


def train_detector(
    out: Path, frames: int = 960, epochs: int = 40, seed: int = 0, jobs: int = 1
) -> dict[str, float]:
    """Simulate necks, train on most of them, judge on the rest, write detector.safetensors.

    A run that was killed finds its necks again and trains anew, to the same weights on the same
    machine. To ship them, copy the file over the one beside `csglib/detect.py`.

    Args:
        out: folder, made when it is not there.
        frames: necks, 12 or more.
        epochs: times that each is seen, another part of it each time; 1 or more.
        seed: of necks, views and weights.
        jobs: processes that simulate.

    Returns:
        The scores of `judge`.

    Raises:
        ValueError: too few frames, epochs or jobs; or the folder cannot be written.
    """
    if frames < 12 or min(epochs, jobs) < 1:
        raise ValueError(
            f"wanted frames >= 12, epochs >= 1, jobs >= 1: got {frames=}, {epochs=}, {jobs=}"
        )
    seeds = range(1_000_000 * (seed + 1), 1_000_000 * (seed + 1) + frames)
    necks = simulate_necks(out / "necks", seeds, jobs)
    kept = frames - round(frames * _HELD_OUT)
    detector = fit_detector(necks[:kept], epochs, seed)
    scores = judge(detector, necks[kept:])
    asked = {"frames": frames, "epochs": epochs, "seed": seed}
    versions = {"phantom": VERSION, "torch": torch.__version__, "numpy": np.__version__}
    notes = {name: json.dumps(value) for name, value in (asked | versions | scores).items()}
    write_weights(out / "detector.safetensors", detector.state_dict(), notes)
    return scores


def fit_detector(necks: Sequence[Neck], epochs: int, seed: int) -> Detector:
    """Train a network on chance views of these necks."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        detector = Detector()
    chance = np.random.default_rng([seed, 1])
    batches = -(-len(necks) // _BATCH)
    adam = torch.optim.AdamW(detector.parameters(), lr=_RATE, weight_decay=1e-3)
    pace = torch.optim.lr_scheduler.OneCycleLR(adam, _RATE, total_steps=epochs * batches)
    with tqdm(total=epochs * batches, desc="training") as bar:
        for _ in range(epochs):
            for part in np.array_split(chance.permutation(len(necks)), batches):
                views = [chance_view(necks[place], chance) for place in part]
                loss = detection_loss(detector(pictures(views)), boxes(views))
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(detector.parameters(), 5)
                adam.step()
                pace.step()
                bar.set_postfix(loss=f"{loss.item():.2f}", refresh=False)
                bar.update()
    return detector


def pictures(views: Sequence[View]) -> Float[Tensor, "b 1 side side"]:
    """Views as the network takes them."""
    return torch.from_numpy(np.stack([view.square for view in views]))[:, None] / 255


def boxes(views: Sequence[View]) -> Float[Tensor, "b 4"]:
    """Edges of their vessels; not a number where there is none."""
    nowhere = np.full(4, np.nan)
    edges = [nowhere if view.box is None else view.box for view in views]
    return torch.from_numpy(np.stack(edges)).float()


def detection_loss(
    answers: Float[Tensor, "b 5 rows columns"], wanted: Float[Tensor, "b 4"]
) -> Float[Tensor, ""]:
    """How surprising the vessel's place is, or "nowhere"; and how wrong the boxes near it are.

    Args:
        answers: of the network.
        wanted: edges of each vessel, pixels; not a number where there is none.
    """
    right = numbers_of(wanted, places(answers))
    far = reduce(right[:, :2].abs(), "b xy y x -> b y x", "max")  # in places
    absent = wanted.isnan().any(dim=1)
    place = torch.where(absent, 0, 1 + far.flatten(1).nan_to_num(torch.inf).argmin(dim=1))
    surprise = F.cross_entropy(logits(answers), place)
    near = repeat(far < 1.5, "b y x -> b four y x", four=4)  # and never where it is not a number
    error = F.smooth_l1_loss(answers[:, 1:][near], right[near], beta=0.1, reduction="sum")
    return surprise + error / near.sum().clamp(min=1) * _BOX


def judge(detector: Detector, necks: Sequence[Neck]) -> dict[str, float]:
    """Judge a network on necks that it has not seen.

    Returns:
        For whole pictures, and for four chance views of each with a vessel: the mean overlap of
        boxes with the truth; and the share found, with an overlap above 0.5 and a convincing
        score. The share of as many views without a vessel in which something convinces.
    """
    chance = np.random.default_rng(0)
    vessel, empty = (
        [view(neck, chance) for neck in necks for _ in range(4)]
        for view in (vessel_view, empty_view)
    )
    whole, whole_found = _hits(detector, [whole_view(neck) for neck in necks])
    spoilt, spoilt_found = _hits(detector, vessel)
    alarms = _answer(detector, empty)[1] >= CONVINCING
    return {
        "whole_overlap": whole,
        "whole_found": whole_found,
        "spoilt_overlap": spoilt,
        "spoilt_found": spoilt_found,
        "false_alarms": alarms.float().mean().item(),
    }


def _hits(detector: Detector, views: Sequence[View]) -> tuple[float, float]:
    """Mean overlap, and the share found."""
    found, score = _answer(detector, views)
    shared = overlap(found, boxes(views))
    return shared.mean().item(), ((shared > 0.5) & (score >= CONVINCING)).float().mean().item()


@torch.no_grad()
def _answer(
    detector: Detector, views: Sequence[View]
) -> tuple[Float[Tensor, "b 4"], Float[Tensor, " b"]]:
    return decode(torch.cat([detector(part) for part in pictures(views).split(_BATCH)]))


def overlap(boxes: Float[Tensor, "b 4"], others: Float[Tensor, "b 4"]) -> Float[Tensor, " b"]:
    """Intersection over union of each box with the other of its row, 0 to 1."""
    low = torch.maximum(boxes[:, :2], others[:, :2])
    high = torch.minimum(boxes[:, 2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    whole = sum((it[:, 2:] - it[:, :2]).prod(dim=1) for it in (boxes, others))
    return shared / (whole - shared)
