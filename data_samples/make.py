"""Remake every file of this folder: `python data_samples/make.py`. All clips are simulated."""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import Clip, save_clip
from csglib.phantom.probe import SCANNERS
from csglib.phantom.simulate import make_clip

HERE = Path(__file__).parent

# One clip for each thing that makes grading hard; a borderline clip is close to half the diameter.
SINGLES: dict[str, dict[str, Any]] = {
    "mild_type_I": {"seed": 2, "stenosis": 0.40, "plaque": "I", "side": "far"},
    "mild_borderline_type_III": {"seed": 8, "stenosis": 0.60, "plaque": "III", "side": "far"},
    "severe_borderline_type_II": {
        "seed": 10,
        "stenosis": 0.70,
        "plaque": "II",
        "side": "far",
        **SCANNERS["smooth"],
    },
    "severe_calcified_type_III": {
        "seed": 4,
        "stenosis": 0.86,
        "plaque": "III",
        "side": "far",
        "calcified": 0.2,
    },
    "severe_concentric_type_IV": {
        "seed": 3,
        "stenosis": 0.87,
        "plaque": "IV",
        "side": "concentric",
        **SCANNERS["smooth"],
    },
    "mild_near_wall_type_I": {"seed": 6, "stenosis": 0.45, "plaque": "I", "side": "near"},
}
PATIENTS = {"train": 32, "validation": 8, "test": 16}
GRADES_OF_A_PATIENT = (0, 1)  # one clip of each grade: who it is does not tell how severe it is


class Order(NamedTuple):
    """One clip of the cohort, before it is made."""

    patient: int
    split: str
    grade: int


def orders() -> list[Order]:
    """Every clip of the cohort, patient by patient."""
    splits = np.repeat(list(PATIENTS), list(PATIENTS.values()))
    return [
        Order(patient, str(split), grade)
        for patient, split in enumerate(splits)
        for grade in GRADES_OF_A_PATIENT
    ]


def fill(order: Order) -> Clip:
    """Draw plaques of this patient until one has the grade; only the order decides which."""
    rng = np.random.default_rng([64, order.patient])
    body = {
        "diameter": float(np.clip(rng.normal(6.3, 0.9), 4, 8.5)),
        "wall": rng.uniform(0.6, 0.9),
        "depth": rng.uniform(11, 25),
        # One clear scanner held straight, and plaque that shows: a minute must teach something.
        **SCANNERS["smooth"],
        **{"margin": 1.35, "aside": 0.0, "lower": 0.0, "roll": 0.0, "bifurcation": False},
        "length": rng.uniform(12, 24),
        "plaque": str(rng.choice(["III", "IV"])),
        "calcified": 0.0,
        "patient": f"phantom-{order.patient:03d}",
    }
    first = 1000 * (2 * order.patient + order.grade)
    clips = (make_clip(first + attempt, frames=8, size=64, **body) for attempt in count())
    return next(clip for clip in clips if clip.truth and clip.truth.grade == order.grade)


def save_cohort(clips: list[Clip], path: Path) -> None:
    """Write all clips as one NPZ; at `path` stands the old file or the whole new one."""
    truths = [clip.truth for clip in clips if clip.truth]
    contours = ("vessel_inner", "lumen")
    arrays = {
        "frames": np.stack([clip.frames for clip in clips]),
        "grade": np.array([truth.grade for truth in truths], np.int64),
        "patient": np.array([clip.patient for clip in clips], "<U16"),
        "split": np.array([order.split for order in orders()], "<U10"),
        "mm_per_px": np.array([clip.mm_per_px for clip in clips], np.float32),
        "seed": np.array([truth.parameters["seed"] for truth in truths], np.int64),
        "area_stenosis": np.stack([truth.area_stenosis for truth in truths]).astype(np.float32),
        "diameter_stenosis": np.stack([t.diameter_stenosis for t in truths]).astype(np.float32),
    } | {
        name: np.stack([getattr(truth, name)[:, ::2] for truth in truths]).astype(np.float16)
        for name in contours
    }
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def main() -> None:
    """Make the single clips, then the cohort."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; same bytes")
    parser.add_argument("--into", type=Path, default=HERE, help="folder for the files")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    for name, what in tqdm(SINGLES.items(), desc="single clips"):
        save_clip(make_clip(**{"calcified": 0.0} | what), asked.into / f"{name}.npz")
    with ProcessPoolExecutor(asked.jobs) as pool:
        made = pool.map(fill, orders())
        clips = list(tqdm(made, desc="cohort_64", total=len(orders())))
    save_cohort(clips, asked.into / "cohort_64.npz")


if __name__ == "__main__":
    main()
