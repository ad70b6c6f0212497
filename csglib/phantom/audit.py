"""Does anything but the narrowing give the grade away? One number of a clip against its grade.

Not in the paper. A network takes the cheapest road to the grade: if severe clips were brighter, or
came from one scanner, it would learn brightness or scanners, and its accuracy would mean nothing.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float
from numpy import ndarray

from csglib.data.clips import Clip, Truth
from csglib.data.stenosis import inside, polygon_area
from csglib.phantom.recipe import CHOICES, LIMITS

LIMIT = 0.65  # an area under the curve that no nuisance of a cohort may reach
_DRAWN = sorted({*LIMITS, *CHOICES, "first_frame"} - {"stenosis"})
_DARK = 0.5  # of the grey around the vessel; most blood is darker
_DRAWS = 500  # of the patients, for an interval


class Finding(NamedTuple):
    """How well one number tells severe clips from mild ones.

    Attributes:
        name: of the number.
        auc: area under the ROC curve, in whichever direction tells more: 0.5 nothing, 1 all.
        low: lower end of its 95 % interval, in the same direction, and so perhaps below 0.5.
        high: upper end.
    """

    name: str
    auc: float
    low: float
    high: float


def nuisances(clip: Clip) -> dict[str, float]:
    """Numbers of a clip that must not tell its grade, by name.

    First those of the picture. A plaque is a part of it, and most of them rightly know a little of
    that: it is grey where blood is black (mean, spread, percentiles), fades as the slice moves on
    (changes), has borders (sharpness, bytes), lies on the far wall most often (below than above),
    and throws a shadow (outside). They are nuisances all the same. None of them measures a lumen; a
    network that gets its grades from one of them has learned to look for grey, and fails on a
    vessel whose plaque is dark. `spread` is the nearest to a cue: in a crop that is half vessel,
    a wide black lumen is a good part of the contrast.

    Then all that was drawn for the clip except its stenosis: artery, sweep, scanner, and what kind
    of plaque it is. A word counts as one number a value, 1 where the clip has it.

    Args:
        clip: any that the phantom made.

    Raises:
        ValueError: a clip without truth.
    """
    truth, grey = _known(clip), clip.frames.astype(float)
    means = reduce(grey, "t y x -> t", "mean")
    upper, _, lower = np.array_split(reduce(grey, "t y x -> y", "mean"), 3)
    down, across = np.gradient(grey, axis=(1, 2))
    picture = {
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
    return {name: float(value) for name, value in picture.items()} | _drawn(truth)


def cues(clip: Clip) -> dict[str, float]:
    """Numbers that tell the grade rightly, since they look into the vessel; the audit's yardstick.

    Args:
        clip: any that the phantom made.

    Raises:
        ValueError: a clip without truth.
    """
    truth = _known(clip)
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


def audit(
    numbers: Sequence[Mapping[str, float]],
    severe: Bool[ndarray, " clips"],
    patients: Sequence[str],
    rng: np.random.Generator,
) -> list[Finding]:
    """Set each number against the grade, the most telling first.

    Args:
        numbers: those of each clip, as `nuisances` gives them; a name that a clip lacks is 0.
        severe: which clips are.
        patients: whose each clip is; intervals draw patients, since clips of one are alike.
        rng: draws them.

    Returns:
        A finding for each number that is not the same in all clips.

    Raises:
        ValueError: not one severe and one mild clip.
    """
    if severe.all() or not severe.any():
        raise ValueError(f"an audit needs both grades: got {severe.sum()} severe of {len(severe)}")
    owner = np.unique(np.asarray(patients), return_inverse=True)[1]
    people = owner.max() + 1
    weights = rng.multinomial(people, np.full(people, 1 / people), _DRAWS)[:, owner]
    weights = weights[(weights[:, severe].sum(axis=1) > 0) & (weights[:, ~severe].sum(axis=1) > 0)]
    weights = np.vstack([np.ones(len(severe)), weights])  # first of all, everybody once
    names = dict.fromkeys(name for clip in numbers for name in clip)
    table = {name: np.array([clip.get(name, 0.0) for clip in numbers]) for name in names}
    found = [
        _finding(name, areas_under_curve(values, severe, weights))
        for name, values in table.items()
        if np.ptp(values) > 0
    ]
    return sorted(found, key=lambda finding: -finding.auc)


def areas_under_curve(
    values: Float[ndarray, " clips"],
    severe: Bool[ndarray, " clips"],
    weights: Float[ndarray, "draws clips"],
) -> Float[ndarray, " draws"]:
    """Chance that a severe clip has the larger value than a mild one; ties count half.

    Args:
        values: one of each clip.
        severe: which clips are.
        weights: how often each clip counts, in each draw.
    """
    pairs = rearrange(values[severe], "i -> i 1"), values[~severe]
    above = np.greater(*pairs) + 0.5 * np.equal(*pairs)
    of_severe, of_mild = weights[:, severe], weights[:, ~severe]
    won = einsum(of_severe @ above, of_mild, "d j, d j -> d")
    return np.asarray(won / of_severe.sum(axis=1) / of_mild.sum(axis=1))


def _finding(name: str, areas: Float[ndarray, " draws"]) -> Finding:
    """The first area, in the direction that tells more, with the spread of the others."""
    areas = areas if areas[0] >= 0.5 else 1 - areas
    low, high = np.percentile(areas[1:], [2.5, 97.5])
    return Finding(name, float(areas[0]), float(low), float(high))


def _drawn(truth: Truth) -> dict[str, float]:
    table: dict[str, float] = {}
    for name in _DRAWN:
        value = truth.parameters.get(name, 0.0)
        table |= {f"{name} {value}": 1.0} if isinstance(value, str) else {name: float(value)}
    return table


def _known(clip: Clip) -> Truth:
    if clip.truth is None:
        raise ValueError("only a clip that knows its truth can be audited: got one without")
    return clip.truth
