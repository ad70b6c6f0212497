"""Who the virtual patients are, on which side of the split, and which clips they give.

Source: section 3, "Dataset and Implementations": 200 videos of 169 patients; 318, 23 and 118 clips
of 8 frames, or 278, 23 and 109 of 16, split "at the patient level with no overlap". How many of
the patients each side has is not in the paper: here it follows the clips of 8 frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from csglib.data.split import split_by_patient
from csglib.data.stenosis import DEFAULT_RULE, RULES
from csglib.phantom.recipe import BODY, draw

PATIENTS, VIDEOS = 169, 200
CLIPS = {  # of so many frames, by side
    8: {"train": 318, "validation": 23, "test": 118},
    16: {"train": 278, "validation": 23, "test": 109},
}
PLAQUES = 3  # along each video; a clip shows one of them, and not each of them gives a clip
_SHARES = [clips / sum(CLIPS[8].values()) for clips in CLIPS[8].values()]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides a cohort, apart from the phantom.

    Attributes:
        frames: of a clip, 8 or 16.
        size: height and width of a frame, 16 to 1024 pixels.
        seed: draws everybody and everything; 0 or more.
        patients: how many, at least one a side.
        rule: name of the rule that grades, see `csglib.data.stenosis`.
        observer: spread of the errors of whoever measures the stenosis, 0 to 0.5; 0 is the truth.

    Raises:
        ValueError: a value that cannot be; says which.
    """

    frames: int = 8
    size: int = 256
    seed: int = 0
    patients: int = PATIENTS
    rule: str = DEFAULT_RULE.name
    observer: float = 0.0

    def __post_init__(self) -> None:
        wanted = {
            "frames": (self.frames in CLIPS, "8 or 16, as in the paper's two cohorts"),
            "size": (16 <= self.size <= 1024, "16 to 1024 pixels"),
            "seed": (self.seed >= 0, "0 or more"),
            "patients": (self.patients >= len(_SHARES), "3 or more, one a side of the split"),
            "rule": (self.rule in RULES, f"one of {', '.join(RULES)}"),
            "observer": (0 <= self.observer <= 0.5, "a spread from 0 to 0.5"),
        }
        for name, (met, what) in wanted.items():
            if not met:
                raise ValueError(f"{name} must be {what}: got {getattr(self, name)}")


class Order(NamedTuple):
    """All that makes a clip, before it is made.

    Attributes:
        name: of the clip.
        patient: whose vessel it shows.
        video: the sweep it is cut from.
        split: the side on which the patient stands: "train", "validation" or "test".
        seed: of the video.
        plaque: which plaque of the video the clip shows, from 0.
        before: how many frames of the clip come before the plaque's worst section.
        body: what `csglib.phantom.simulate.make_video` is told of the patient and the scanner.
    """

    name: str
    patient: str
    video: str
    split: str
    seed: int
    plaque: int
    before: int
    body: dict[str, Any]


def orders(settings: Settings) -> list[Order]:
    """Order the clips of a cohort, patient by patient.

    Sides are dealt to patients first, then videos and clips, so that every total is the paper's; a
    cohort of another number of patients has the same proportions. With one seed the cohorts of 8
    and of 16 frames have the same patients, sides and videos, so a network may go from one to the
    other, as the paper's does, without ever having met a patient it is tested on.
    """
    frames, patients, seed = settings.frames, settings.patients, settings.seed
    names = [f"p{number:03d}" for number in range(1, patients + 1)]
    dealt = np.array(split_by_patient(names, _SHARES, seed))
    rng = np.random.default_rng(seed)
    videos = _evenly(round(VIDEOS * patients / PATIENTS), patients, rng)
    ordered: list[Order] = []
    for side, (split, clips) in enumerate(CLIPS[frames].items()):
        members = np.flatnonzero(dealt == side)
        films = int(videos[members].sum())
        wanted = min(max(round(clips * patients / PATIENTS), films), PLAQUES * films)
        each = iter(_evenly(wanted, films, rng).tolist())
        for member in members.tolist():
            counts = [next(each) for _ in range(videos[member])]
            ordered += [
                order._replace(split=split)
                for order in _of_a_patient(names[member], [seed, member], counts, frames)
            ]
    return sorted(ordered, key=lambda order: (len(order.name), order.name))


def _evenly(total: int, receivers: int, rng: np.random.Generator) -> Int[ndarray, " receivers"]:
    """Deal as evenly as can be; chance says who gets one more. Draws the same for every total."""
    return total // receivers + (rng.permutation(receivers) < total % receivers)


def _of_a_patient(name: str, key: list[int], clips: list[int], frames: int) -> Iterator[Order]:
    """Order so many clips of each video of a patient, who has no side yet."""
    drawn = draw(np.random.default_rng(key), {}).parameters
    body = {parameter: drawn[parameter] for parameter in BODY}
    for video, count in enumerate(clips, start=1):
        rng = np.random.default_rng([*key, video])
        seed, places = int(rng.integers(2**31)), rng.uniform(0.25, 0.75, PLAQUES)
        for plaque in sorted(rng.permutation(PLAQUES)[:count].tolist()):
            yield Order(
                name=f"{name}_v{video}_c{plaque + 1}",
                patient=name,
                video=f"{name}_v{video}",
                split="",
                seed=seed,
                plaque=plaque,
                before=int(places[plaque] * frames),
                body=body,
            )
