"""Does anything but the stenosis predict a cohort's grades? The shortcut audit of every clip.

    python benchmarks/shortcuts.py COHORT

COHORT is a folder that `csglib simulate` made. Each nuisance of a clip (brightness,
scanner, position ...) is tested against the grade by itself: a network learns whatever predicts the
label, so if severe clips were brighter, its accuracy would mean nothing. Numbers that measure the
vessel stand apart, for comparison. Writes results/shortcuts.json beside this file. Not in the
paper.
"""

import datetime
import json
import platform
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float
from numpy import ndarray
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import Clip, Truth
from csglib.data.cohort import read_manifest, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.data.stenosis import inside, polygon_area
from csglib.phantom.recipe import CHOICES, LIMITS

LIMIT = 0.60  # AUC that no nuisance of a cohort may reach
SHOWN = 12  # nuisances in the printed table; the file has all
_DRAWN = sorted({*LIMITS, *CHOICES, "first_frame"} - {"stenosis"})
_DARK = 0.5  # of the mean grey around the vessel; most blood is darker
_RESAMPLES = 500  # bootstrap samples of the patients


class Finding(NamedTuple):
    """How well one number separates severe clips from mild ones.

    Attributes:
        name: of the number.
        auc: area under the ROC curve, in the direction that separates better: 0.5 to 1.
        low: lower end of its 95 % interval, in the same direction, and so perhaps below 0.5.
        high: upper end.
    """

    name: str
    auc: float
    low: float
    high: float


def nuisances(clip: Clip) -> dict[str, float]:
    """Numbers of a simulated clip that must not predict its grade, by name.

    First those of the image. Plaque is part of it, so most of them rightly correlate a little: it
    is grey where blood is black (mean, spread, percentiles), fades as the slice moves on (changes),
    has borders (sharpness, bytes), lies on the far wall most often (below than above), and casts a
    shadow (outside). None of them measures a lumen: a network that uses one of them fails where a
    plaque is dark. `spread` is the nearest to a real cue: in a crop that is half vessel, a wide
    black lumen is much of the contrast.

    Then every drawn parameter except the stenosis: artery, sweep, scanner, type of plaque.
    Categories are one-hot.

    Raises:
        ValueError: a clip without truth.
    """
    truth, grey = _truth(clip), clip.frames.astype(float)
    means = reduce(grey, "t y x -> t", "mean")
    upper, _, lower = np.array_split(reduce(grey, "t y x -> y", "mean"), 3)
    down, across = np.gradient(grey, axis=(1, 2))
    image = {
        "mean": grey.mean(),
        "spread": grey.std(),
        "10th percentile": np.percentile(grey, 10),
        "90th percentile": np.percentile(grey, 90),
        "mean outside the vessel": grey[~inside(truth.vessel_outer, *grey.shape[1:])].mean(),
        "change from frame to frame": np.abs(np.diff(grey, axis=0)).mean(),
        "change from first to last": means[-1] - means[0],
        "place of the brightest frame": means.argmax(),
        "place of the narrowest frame": truth.narrowest,
        "sharpness": (down**2 + across**2).mean() / max(grey.var(), 1e-9),
        "brighter below than above": lower.mean() - upper.mean(),
        "bytes when compressed": len(zlib.compress(clip.frames.tobytes())),
        "mm per pixel": clip.mm_per_px or 0,
    }
    drawn: dict[str, float] = {}
    for name in _DRAWN:
        value = truth.parameters.get(name, 0.0)
        drawn |= {f"{name} {value}": 1.0} if isinstance(value, str) else {name: float(value)}
    return {name: float(value) for name, value in image.items()} | drawn


def cues(clip: Clip) -> dict[str, float]:
    """Numbers that rightly predict the grade, since they measure the vessel: a reference.

    Raises:
        ValueError: a clip without truth.
    """
    truth = _truth(clip)
    vessel, wall = (
        inside(border, *clip.frames.shape[1:])
        for border in (truth.vessel_inner, truth.vessel_outer)
    )
    limit = _DARK * clip.frames[~wall].mean()
    dark = [float((f[v] < limit).mean()) for f, v in zip(clip.frames, vessel, strict=True)]
    open_share = polygon_area(truth.lumen) / polygon_area(truth.vessel_inner)
    return {
        "dark share of the vessel": float(np.mean(dark)),
        "dark share in the least dark frame": min(dark),
        "median inside the vessel": float(np.median(clip.frames[vessel])),
        "open share of the vessel": float(open_share.min()),
    }


def _truth(clip: Clip) -> Truth:
    if clip.truth is None:
        raise ValueError("only a simulated clip, with its truth, can be audited: got one without")
    return clip.truth


def audit(
    numbers: Sequence[Mapping[str, float]],
    severe: Bool[ndarray, " clips"],
    patients: Sequence[str],
    rng: np.random.Generator,
) -> list[Finding]:
    """Test each number against the grade, highest AUC first.

    Args:
        numbers: of each clip, as from `nuisances`; a missing name counts as 0.
        severe: which clips are severe.
        patients: of each clip; the bootstrap resamples patients, since clips of one are alike.
        rng: of the bootstrap.

    Returns:
        A finding for each number that is not constant.

    Raises:
        ValueError: all clips have one grade.
    """
    if severe.all() or not severe.any():
        raise ValueError(f"an audit needs both grades: got {severe.sum()} severe of {len(severe)}")
    owner = np.unique(np.asarray(patients), return_inverse=True)[1]
    people = owner.max() + 1
    weights = rng.multinomial(people, np.full(people, 1 / people), _RESAMPLES)[:, owner]
    weights = weights[(weights[:, severe].sum(axis=1) > 0) & (weights[:, ~severe].sum(axis=1) > 0)]
    weights = np.vstack([np.ones(len(severe)), weights])  # first row: the sample itself
    names = dict.fromkeys(name for clip in numbers for name in clip)
    table = {name: np.array([clip.get(name, 0.0) for clip in numbers]) for name in names}
    found = [
        _finding(name, weighted_auc(values, severe, weights))
        for name, values in table.items()
        if np.ptp(values) > 0
    ]
    return sorted(found, key=lambda finding: -finding.auc)


def weighted_auc(
    values: Float[ndarray, " clips"],
    severe: Bool[ndarray, " clips"],
    weights: Float[ndarray, "draws clips"],
) -> Float[ndarray, " draws"]:
    """Probability that a severe clip has the larger value than a mild one; ties count half.

    Args:
        values: one of each clip.
        severe: which clips are severe.
        weights: of each clip in each bootstrap sample.
    """
    pairs = rearrange(values[severe], "i -> i 1"), values[~severe]
    above = np.greater(*pairs) + 0.5 * np.equal(*pairs)
    of_severe, of_mild = weights[:, severe], weights[:, ~severe]
    won = einsum(of_severe @ above, of_mild, "d j, d j -> d")
    return np.asarray(won / of_severe.sum(axis=1) / of_mild.sum(axis=1))


def _finding(name: str, areas: Float[ndarray, " draws"]) -> Finding:
    areas = areas if areas[0] >= 0.5 else 1 - areas
    low, high = np.percentile(areas[1:], [2.5, 97.5])
    return Finding(name, float(areas[0]), float(low), float(high))


def examine(cohort: Path) -> dict[str, Any]:
    """Audit all clips of a cohort, of all splits."""
    facts, rows = read_metadata(cohort), read_manifest(cohort)
    clips = (read_npz(cohort / row["clip"]) for row in rows)
    numbers = [(nuisances(c), cues(c)) for c in tqdm(clips, total=len(rows), desc="clips")]
    severe = np.array([int(row["grade_index"]) > 0 for row in rows])
    patients = [row["patient"] for row in rows]
    kinds = zip(("nuisances", "cues"), zip(*numbers, strict=True), strict=True)
    return {
        "question": "how well one number of a clip tells severe from mild",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}; measured, not timed",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "cohort": {name: fact for name, fact in facts.items() if "columns" not in name},
        "clips": len(rows),
        "severe": int(severe.sum()),
        "limit": LIMIT,
    } | {
        kind: [found._asdict() for found in audit(each, severe, patients, np.random.default_rng(0))]
        for kind, each in kinds
    }


def main(cohort: Path, folder: Path) -> None:
    """Audit, write, and print the numbers of the highest AUC."""
    found = examine(cohort)
    with replacing(folder / "shortcuts.json") as file:
        file.write((json.dumps(found, indent=2) + "\n").encode())
    print(f"{found['clips']} clips, {found['severe']} severe{'':>23}AUC   95 % interval")
    for finding in found["cues"] + found["nuisances"][:SHOWN]:
        name, area, low, high = Finding(**finding)
        print(f"{name:<44}{area:>6.3f}   {low:.2f} to {high:.2f}")
    below = found["nuisances"][0]["auc"] < LIMIT
    verdict = "stay below" if below else "do NOT all stay below"
    print(f"the {len(found['nuisances'])} nuisances {verdict} {LIMIT}; the first {SHOWN} are shown")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).parent / "results")
