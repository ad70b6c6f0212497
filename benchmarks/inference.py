"""Which interval and which test hold, of a difference between two networks over a few seeds?

    python benchmarks/inference.py

Answers are simulated with a true difference that is known. A seed is an experiment of its own: its
networks have their own weights, and their test clips come from patients of its own, who have
several clips each. Patients and clips differ in how hard they are, each network has patients that
suit it, and from seed to seed one is luckier than the other by `spread` (standard deviation).
Counted: how often an interval of 95 % holds the true difference (coverage), how often a test finds
one at 5 % that is not there (size) or is there (power), and how many test clips a seed needs for a
power of 80 %.
Writes results/inference.json.
"""

import datetime
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy import stats

from csglib.data.atomic import replacing
from csglib.table1.pairs import holm, mcnemar, over_seeds, paired_difference

ALPHA = 0.05
CLIPS_A_PATIENT = 3
ACCURACY = 0.75
WORLDS = 1000  # simulated studies for each number
CLAIMS = 6  # of the protocol
SPREADS = (0.0, 0.04)  # of the difference from seed to seed
Right = Bool[ndarray, "seeds clips"]


def study(
    rng: np.random.Generator, seeds: int, patients: int, difference: float, spread: float
) -> tuple[Right, Right]:
    """Which clips two networks get right, seed by seed; clips of a patient stand side by side."""
    of_patient, of_clip = (seeds, patients, 1), (seeds, patients, CLIPS_A_PATIENT)
    hard = rng.normal(0, 0.6, of_patient) + rng.normal(0, 0.6, of_clip)
    deviation = (3 * 0.6**2 + 1) ** 0.5  # of all that decides a clip
    lucky = rng.normal(0, spread, (seeds, 1, 1))
    answers = []
    for sign in (0.5, -0.5):
        level = np.clip(ACCURACY + sign * (difference + lucky), 0.01, 0.99)
        decides = hard + rng.normal(0, 0.6, of_patient) + rng.normal(0, 1, of_clip)
        answers.append((decides / deviation < stats.norm.ppf(level)).reshape(seeds, -1))
    return answers[0], answers[1]


def owners(seeds: int, clips: int) -> list[str]:
    """Patient of each clip of all seeds."""
    each = np.arange(seeds * clips) // CLIPS_A_PATIENT
    return [f"p{patient}" for patient in each]


def pooled_patients(first: Right, second: Right) -> tuple[float, float]:
    """All seeds together, resampling patients: takes no notice of seeds."""
    names = owners(*first.shape)
    found = paired_difference(first.ravel(), second.ravel(), names, draws=200)
    return found.low, found.high


def hierarchical(
    first: Right, second: Right, rng: np.random.Generator, draws: int = 200
) -> tuple[float, float]:
    """Percentile bootstrap of seeds and, within each drawn seed, of its patients."""
    seeds = len(first)
    gain = (first.astype(float) - second).reshape(seeds, -1, CLIPS_A_PATIENT).mean(2)
    drawn = rng.integers(seeds, size=(draws, seeds))
    people = rng.integers(gain.shape[1], size=(draws, seeds, gain.shape[1]))
    means = gain[drawn[..., None], people].mean((1, 2))
    low, high = np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def by_seed(first: Right, second: Right) -> tuple[float, float]:
    """Student's t over the seeds' differences: `csglib.table1.pairs.over_seeds`."""
    found, _ = over_seeds(first.mean(1) - second.mean(1))
    return found.low, found.high


def sign_flips(
    first: Bool[ndarray, " clips"], second: Bool[ndarray, " clips"], patients: list[str]
) -> float:
    """Two-sided p value of one seed: a patient's clips keep or swap the two networks, together."""
    who = np.unique(np.array(patients), return_inverse=True)[1]
    sums = np.bincount(who, weights=first.astype(float) - second)
    sums = sums[sums != 0]
    if len(sums) < 2:
        return 1.0
    flips = stats.permutation_test(
        (sums,), lambda x, axis: x.sum(axis), permutation_type="samples", n_resamples=999,
        vectorized=True, random_state=0,
    )  # fmt: skip
    return float(flips.pvalue)


TESTS: dict[str, Callable[..., float]] = {
    "McNemar, exact": lambda a, b, _: mcnemar(a, b),
    "McNemar, mid-p": lambda a, b, _: mcnemar(a, b, mid_p=True),
    "sign flips by patient": sign_flips,
}


def coverage(seeds: int, patients: int, spread: float, worlds: int) -> dict[str, float]:
    """How often each interval holds a true difference of 5 points."""
    rng, true = np.random.default_rng(seeds), 0.05
    held = dict.fromkeys(("patients, seeds pooled", "hierarchical bootstrap", "t over seeds"), 0)
    for _ in range(worlds):
        first, second = study(rng, seeds, patients, true, spread)
        intervals = (
            pooled_patients(first, second), hierarchical(first, second, rng), by_seed(first, second)
        )  # fmt: skip
        for name, (low, high) in zip(held, intervals, strict=True):
            held[name] += low <= true <= high
    return {name: count / worlds for name, count in held.items()}


def rejected(difference: float, patients: int, worlds: int) -> dict[str, float]:
    """How often the tests of a single seed find a difference at 5 %."""
    rng, found = np.random.default_rng(patients), dict.fromkeys(TESTS, 0)
    names = owners(1, patients * CLIPS_A_PATIENT)
    for _ in range(worlds):
        first, second = study(rng, 1, patients, difference, spread=0.0)
        for name, test in TESTS.items():
            found[name] += test(first[0], second[0], names) < ALPHA
    return {name: count / worlds for name, count in found.items()}


def by_seeds_rejected(
    seeds: int, patients: int, difference: float, spread: float, worlds: int
) -> float:
    """The same of the t test over seeds."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(worlds):
        first, second = study(rng, seeds, patients, difference, spread)
        found += over_seeds(first.mean(1) - second.mean(1))[1] < ALPHA
    return found / worlds


def family_size(seeds: int, patients: int, spread: float, worlds: int) -> dict[str, float]:
    """How often at least one of several claims is found where none is true."""
    rng, plain, corrected = np.random.default_rng(1), 0, 0
    for _ in range(worlds):
        runs = [study(rng, seeds, patients, 0.0, spread) for _ in range(CLAIMS)]
        chances = [over_seeds(a.mean(1) - b.mean(1))[1] for a, b in runs]
        plain += min(chances) < ALPHA
        corrected += min(holm(chances)) < ALPHA
    return {"uncorrected": plain / worlds, "Holm": corrected / worlds}


def clips_wanted(seeds: int, difference: float, spread: float, worlds: int) -> int | None:
    """Test clips a seed for a power of 80 %; None where seeds alone vary too much."""
    for clips in (30, 60, 120, 240, 480, 960, 1920):
        patients = clips // CLIPS_A_PATIENT
        if by_seeds_rejected(seeds, patients, difference, spread, worlds) >= 0.8:
            return clips
    return None


def measure(worlds: int) -> dict[str, Any]:
    """All numbers."""
    return {
        "question": "which interval and test of a difference over seeds hold what they promise",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}; simulated answers",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "worlds": worlds,
        "clips a patient": CLIPS_A_PATIENT,
        "coverage": {
            f"{seeds} seeds, spread {spread}": coverage(seeds, 80, spread, worlds)
            for seeds in (5, 10)
            for spread in SPREADS
        },
        "size of one seed": rejected(0.0, 80, worlds),
        "power of one seed, 5 points": rejected(0.05, 80, worlds),
        "t over seeds": {
            f"{seeds} seeds, spread {spread}": {
                "size": by_seeds_rejected(seeds, 80, 0.0, spread, 10 * worlds),
                "power at 5 points": by_seeds_rejected(seeds, 80, 0.05, spread, worlds),
            }
            for seeds in (5, 10)
            for spread in SPREADS
        },
        "family of six claims, 10 seeds": family_size(10, 80, SPREADS[1], worlds),
        "test clips a seed for a power of 80 %, 5 points": {
            f"{seeds} seeds, spread {spread}": clips_wanted(seeds, 0.05, spread, worlds // 4)
            for seeds in (5, 10)
            for spread in SPREADS
        },
    }


def main(folder: Path, worlds: int = WORLDS) -> None:
    """Simulate, write, and print."""
    text = json.dumps(measure(worlds), indent=2)
    with replacing(folder / "inference.json") as file:
        file.write(f"{text}\n".encode())
    print(text)


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main(Path(__file__).parent / "results")
