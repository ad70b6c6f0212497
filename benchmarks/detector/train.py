"""Train the vessel detector of `csglib.detect` on simulated necks, and score it on held-out ones.

    python benchmarks/detector/train.py OUT [--frames 960] [--epochs 40] [--seed 0] [--jobs CORES]

Writes OUT/detector.safetensors; to ship it, copy it over csglib/detect/detector.safetensors. A
killed run finds its necks in OUT/necks and trains again, to the same weights on the same machine.
Not in the paper.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce, repeat
from frames import Neck, View, empty_view, random_view, simulate_necks, vessel_view, whole_view
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from csglib.detect.network import THRESHOLD, Detector, cell_centres, decode, encode, logits
from csglib.model.weights import write_weights
from csglib.phantom.simulate import VERSION

BATCH_SIZE = 8
MAX_LR = 3e-3  # of the one-cycle schedule
BOX_WEIGHT = 3  # of the box regression loss against the classification loss
HELD_OUT = 1 / 6  # fraction of the necks that are only scored on


def train_detector(
    out: Path, frames: int = 960, epochs: int = 40, seed: int = 0, jobs: int = 1
) -> dict[str, float]:
    """Simulate necks, train on most of them, score on the rest, write detector.safetensors.

    Args:
        out: folder, created if missing.
        frames: necks, 12 or more.
        epochs: passes over them, each with other random views; 1 or more.
        seed: of necks, views and weights.
        jobs: processes that simulate.

    Returns:
        The result of `evaluate`.

    Raises:
        ValueError: too few frames, epochs or jobs; or the folder cannot be written.
    """
    if frames < 12 or min(epochs, jobs) < 1:
        raise ValueError(
            f"wanted frames >= 12, epochs >= 1, jobs >= 1: got {frames=}, {epochs=}, {jobs=}"
        )
    seeds = range(1_000_000 * (seed + 1), 1_000_000 * (seed + 1) + frames)
    necks = simulate_necks(out / "necks", seeds, jobs)
    kept = frames - round(frames * HELD_OUT)
    detector = fit_detector(necks[:kept], epochs, seed)
    scores = evaluate(detector, necks[kept:])
    options = {"frames": frames, "epochs": epochs, "seed": seed}
    versions = {"phantom": VERSION, "torch": torch.__version__, "numpy": np.__version__}
    notes = {name: json.dumps(value) for name, value in (options | versions | scores).items()}
    write_weights(out / "detector.safetensors", detector.state_dict(), notes)
    return scores


def fit_detector(necks: Sequence[Neck], epochs: int, seed: int) -> Detector:
    """Train a network on random views of these necks."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        detector = Detector()
    rng = np.random.default_rng([seed, 1])
    batches = -(-len(necks) // BATCH_SIZE)
    adam = torch.optim.AdamW(detector.parameters(), lr=MAX_LR, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, MAX_LR, total_steps=epochs * batches)
    with tqdm(total=epochs * batches, desc="training") as bar:
        for _ in range(epochs):
            for batch in np.array_split(rng.permutation(len(necks)), batches):
                views = [random_view(necks[index], rng) for index in batch]
                loss = detection_loss(detector(images(views)), boxes(views))
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(detector.parameters(), 5)
                adam.step()
                schedule.step()
                bar.set_postfix(loss=f"{loss.item():.2f}", refresh=False)
                bar.update()
    return detector


def images(views: Sequence[View]) -> Float[Tensor, "b 1 side side"]:
    """Views as a batch of network inputs, 0 to 1."""
    return torch.from_numpy(np.stack([view.square for view in views]))[:, None] / 255


def boxes(views: Sequence[View]) -> Float[Tensor, "b 4"]:
    """Boxes of their vessels; NaN where there is none."""
    none = np.full(4, np.nan)
    edges = [none if view.box is None else view.box for view in views]
    return torch.from_numpy(np.stack(edges)).float()


def detection_loss(
    outputs: Float[Tensor, "b 5 rows columns"], targets: Float[Tensor, "b 4"]
) -> Float[Tensor, ""]:
    """Cross-entropy of the cell with the vessel's centre, plus smooth L1 of the boxes around it.

    Args:
        outputs: of the network.
        targets: box of each vessel, pixels; NaN where there is none.
    """
    wanted = encode(targets, cell_centres(outputs))
    distance = reduce(wanted[:, :2].abs(), "b xy y x -> b y x", "max")  # in cells
    absent = targets.isnan().any(dim=1)
    cell = torch.where(absent, 0, 1 + distance.flatten(1).nan_to_num(torch.inf).argmin(dim=1))
    classification = F.cross_entropy(logits(outputs), cell)
    near = repeat(distance < 1.5, "b y x -> b four y x", four=4)  # False where it is NaN
    error = F.smooth_l1_loss(outputs[:, 1:][near], wanted[near], beta=0.1, reduction="sum")
    return classification + error / near.sum().clamp(min=1) * BOX_WEIGHT


def evaluate(detector: Detector, necks: Sequence[Neck]) -> dict[str, float]:
    """Score a network on held-out necks.

    Returns:
        For whole images and for four random views of each neck: the mean intersection over union
        with the true box, and the fraction found, which needs an IoU above 0.5 and a score of
        `THRESHOLD`. `false_alarms`: the fraction of as many empty views with such a score.
    """
    rng = np.random.default_rng(0)
    vessel, empty = (
        [view(neck, rng) for neck in necks for _ in range(4)] for view in (vessel_view, empty_view)
    )
    whole, whole_found = _hits(detector, [whole_view(neck) for neck in necks])
    degraded, degraded_found = _hits(detector, vessel)
    alarms = _predict(detector, empty)[1] >= THRESHOLD
    return {
        "whole_overlap": whole,
        "whole_found": whole_found,
        "spoilt_overlap": degraded,  # names of the notes in the shipped weights
        "spoilt_found": degraded_found,
        "false_alarms": alarms.float().mean().item(),
    }


def _hits(detector: Detector, views: Sequence[View]) -> tuple[float, float]:
    """Mean IoU, and the fraction found."""
    predicted, score = _predict(detector, views)
    overlap = box_iou(predicted, boxes(views))
    return overlap.mean().item(), ((overlap > 0.5) & (score >= THRESHOLD)).float().mean().item()


@torch.no_grad()
def _predict(
    detector: Detector, views: Sequence[View]
) -> tuple[Float[Tensor, "b 4"], Float[Tensor, " b"]]:
    return decode(torch.cat([detector(part) for part in images(views).split(BATCH_SIZE)]))


def box_iou(boxes: Float[Tensor, "b 4"], others: Float[Tensor, "b 4"]) -> Float[Tensor, " b"]:
    """Intersection over union of each box with the other of its row, 0 to 1."""
    low = torch.maximum(boxes[:, :2], others[:, :2])
    high = torch.minimum(boxes[:, 2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    whole = sum((it[:, 2:] - it[:, :2]).prod(dim=1) for it in (boxes, others))
    return shared / (whole - shared)


def main() -> None:
    """Train, and print the scores on held-out necks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the necks and of detector.safetensors")
    parser.add_argument("--frames", type=int, default=960, help="necks, 12 or more")
    parser.add_argument("--epochs", type=int, default=40, help="passes over them")
    parser.add_argument("--seed", type=int, default=0, help="of necks, views and weights")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes that simulate")
    for name, score in train_detector(**vars(parser.parse_args())).items():
        print(f"{name:16}{score:.3f}")


if __name__ == "__main__":
    main()
