"""Virtual patients of a simulated cohort, their split, and the clips that each gives.

Source: section 3, "Dataset and Implementations": 200 videos of 169 patients; 318, 23 and 118 clips
of 8 frames, or 278, 23 and 109 of 16, split "at the patient level with no overlap". The number of
patients in each split is not in the paper: here it is proportional to the clips of 8 frames.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from csglib.data.split import split_by_patient
from csglib.data.stenosis import DEFAULT_RULE, RULES
from csglib.phantom.recipe import PER_PATIENT, draw

PATIENTS, VIDEOS = 169, 200
CLIPS = {  # of so many frames, by split
    8: {"train": 318, "validation": 23, "test": 118},
    16: {"train": 278, "validation": 23, "test": 109},
}
PLAQUES = 3  # in each video; each clip shows one, and some give no clip
_SHARES = [clips / sum(CLIPS[8].values()) for clips in CLIPS[8].values()]


@dataclass(frozen=True, kw_only=True)
class CohortSpec:
    """All that decides a cohort.

    A value out of range raises a ValueError that names it.
    """

    frames: int = 8  # of a clip, 8 or 16
    size: int = 256  # height and width of a frame, 16 to 1024 pixels
    seed: int = 0  # of everything random; 0 or more
    patients: int = PATIENTS  # how many, 3 or more
    phantom: int = 3  # version of the distributions, 2 or 3; see `_third`
    rule: str = DEFAULT_RULE.name  # of grading, see `csglib.data.stenosis`
    # Standard deviation of the error of whoever measures the stenosis, 0 to 0.5; 0: none.
    observer: float = 0.0

    def __post_init__(self) -> None:
        wanted = {
            "frames": (self.frames in CLIPS, "8 or 16, as in the paper's two cohorts"),
            "size": (16 <= self.size <= 1024, "16 to 1024 pixels"),
            "seed": (self.seed >= 0, "0 or more"),
            "patients": (self.patients >= len(_SHARES), "3 or more, one for each split"),
            "phantom": (self.phantom in (2, 3), "2 or 3"),
            "rule": (self.rule in RULES, f"one of {', '.join(RULES)}"),
            "observer": (0 <= self.observer <= 0.5, "a standard deviation from 0 to 0.5"),
        }
        for name, (valid, what) in wanted.items():
            if not valid:
                raise ValueError(f"{name} must be {what}: got {getattr(self, name)}")


class ClipSpec(NamedTuple):
    """All that decides one clip of a cohort."""

    name: str  # of the clip
    patient: str  # identifier
    video: str  # the sweep it is cut from
    split: str  # of the patient: "train", "validation" or "test"
    seed: int  # of the video
    plaque: int  # which plaque of the video it shows, from 0
    before: int  # frames of the clip before the plaque's narrowest section
    parameters: dict[str, Any]  # those of `PER_PATIENT`, as overrides of `make_video`


def clip_specs(cohort: CohortSpec) -> list[ClipSpec]:
    """The clips of a cohort, patient by patient.

    Patients are split first, then videos and clips distributed, so that every total is the paper's;
    a cohort of another number of patients has the same proportions. With one seed the cohorts of 8
    and of 16 frames have the same patients, splits and videos: a network may be moved from one to
    the other, as the paper's is, without having seen a test patient.
    """
    frames, patients, seed = cohort.frames, cohort.patients, cohort.seed
    names = [f"p{number:03d}" for number in range(1, patients + 1)]
    splits = np.array(split_by_patient(names, _SHARES, seed))
    rng = np.random.default_rng(seed)
    videos = _evenly(round(VIDEOS * patients / PATIENTS), patients, rng)
    specs: list[ClipSpec] = []
    for index, (split, clips) in enumerate(CLIPS[frames].items()):
        members = np.flatnonzero(splits == index)
        total = int(videos[members].sum())
        wanted = min(max(round(clips * patients / PATIENTS), total), PLAQUES * total)
        each = iter(_evenly(wanted, total, rng).tolist())
        for member in members.tolist():
            counts = [next(each) for _ in range(videos[member])]
            of_patient = _clips_of(names[member], [seed, member], counts, cohort)
            specs += [spec._replace(split=split) for spec in of_patient]
    return sorted(specs, key=lambda spec: (len(spec.name), spec.name))


def _evenly(total: int, parts: int, rng: np.random.Generator) -> Int[ndarray, " parts"]:
    """Random partition into nearly equal parts; uses the same random numbers for every total."""
    return total // parts + (rng.permutation(parts) < total % parts)


def _clips_of(
    name: str, key: list[int], counts: list[int], cohort: CohortSpec
) -> Iterator[ClipSpec]:
    """That many clips of each video of a patient, whose split is filled in later."""
    rng = np.random.default_rng(key)
    drawn = draw(rng, {}).parameters
    if cohort.phantom == 3:
        drawn["diameter"] = float(np.exp(rng.uniform(*np.log([3.2, 10.0]))))
    parameters = {parameter: drawn[parameter] for parameter in PER_PATIENT}
    for video, count in enumerate(counts, start=1):
        rng = np.random.default_rng([*key, video])
        seed, places = int(rng.integers(2**31)), rng.uniform(0.25, 0.75, PLAQUES)
        shown = sorted(rng.permutation(PLAQUES)[:count].tolist())
        more = {}
        if cohort.phantom == 3:
            places, more = rng.random(PLAQUES), _third(rng, parameters)
        for plaque in shown:
            yield ClipSpec(
                name=f"{name}_v{video}_c{plaque + 1}",
                patient=name,
                video=f"{name}_v{video}",
                split="",
                seed=seed,
                plaque=plaque,
                before=int(places[plaque] * cohort.frames),
                parameters=parameters | more,
            )


def _third(rng: np.random.Generator, patient: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a video in the third version, in which it takes several frames to read a grade.

    Wall and plaque echo like the tissue around: a frame shows how wide the remnant vessel is, not
    how wide the vessel was. The reference is a healthy section, as in NASCET (1991). Vessels are of
    any width, and lie anywhere; no arc of the wall or steep narrowing tells more in one frame.
    """
    margin = rng.uniform(13.5, 15.0) / (patient["diameter"] + 2 * patient["wall"])
    lower, aside = rng.uniform(-0.25, 0.25, 2) * min(1, 2 - 2 / margin)  # within the picture
    mild, severe = rng.uniform([[0.42], [0.73]], [[0.62], [0.85]], (2, PLAQUES))
    return {
        "isoechoic": True,
        "side": "concentric",
        "calcified": 0.0,
        "margin": margin,
        "lower": float(lower),
        "aside": float(aside),
        "stenosis": np.where(rng.random(PLAQUES) < 0.5, mild, severe).tolist(),
        "length": rng.uniform(9.0, 16.0, PLAQUES).tolist(),
        "sharpness": 1.2,
        "speed": rng.uniform(11.0, 14.0),
        "cluttered": 0.5,
        "shadowed": 0.03,
    }
