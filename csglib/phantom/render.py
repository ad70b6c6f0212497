"""One virtual video: the clips cut from it, their files, and their rows in the manifest.

Source: section 3, "Dataset and Implementations": "key plaque video clips instead of original long
videos", chosen by sonographers; here a clip is a window around the worst section of a plaque.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from csglib.data.clips import Clip, Truth, save_clip
from csglib.data.cohort import Row, digest
from csglib.data.readers.limits import ClipError
from csglib.data.readers.npz import read_npz
from csglib.data.stenosis import RULES, observed
from csglib.phantom.patients import PLAQUES, Order, Settings
from csglib.phantom.simulate import VERSION, Video, make_video


class Job(NamedTuple):
    """The clips of one video, for one process, so that its vessel is solved once.

    Attributes:
        folder: of the cohort.
        settings: of the cohort.
        ordered: the clips, all of one video.
        digests: of the files that a manifest knows, by what it calls them.
        whole: whether the video itself is kept too.
    """

    folder: Path
    settings: Settings
    ordered: tuple[Order, ...]
    digests: dict[str, str]
    whole: bool


def clip_file(folder: Path, order: Order) -> Path:
    """Where a clip lies in a cohort."""
    return folder / "clips" / f"{order.name}.npz"


def video_file(folder: Path, order: Order) -> Path:
    """Where the video of a clip lies in a cohort that keeps them."""
    return folder / "videos" / f"{order.video}.npz"


def film(job: Job) -> list[Row]:
    """Make the files of one video that are missing or damaged; describe all of its clips."""
    first, frames = job.ordered[0], job.settings.frames

    @cache
    def video() -> Video:
        return make_video(first.seed, PLAQUES, job.settings.size, **first.body)

    if job.whole and _kept(video_file(job.folder, first), first.video, job) is None:
        whole = _cut(video(), 0, len(video()), first._replace(name=first.video))
        save_clip(whole, video_file(job.folder, first))
    rows = []
    for order in job.ordered:
        path = clip_file(job.folder, order)
        clip = _kept(path, order.name, job)
        if clip is None:
            last = len(video()) - frames
            start = min(max(video().keys[order.plaque] - order.before, 0), last)
            clip = _cut(video(), start, frames, order)
            save_clip(clip, path)
        rows.append(_describe(clip, order, path, job.settings))
    return rows


def _cut(video: Video, first: int, frames: int, order: Order) -> Clip:
    clip = video.clip(first, frames)
    truth = _truth(clip)
    parameters = truth.parameters | {"name": order.name, "first_frame": first}
    return replace(clip, patient=order.patient, truth=replace(truth, parameters=parameters))


def _truth(clip: Clip) -> Truth:
    assert clip.truth is not None, "the phantom's clips know their truth"
    return clip.truth


def _kept(path: Path, name: str, job: Job) -> Clip | None:
    """The clip in a file that needs no making: it is whole, and it is the one."""
    known = job.digests.get(f"{path.parent.name}/{path.name}")
    if not path.is_file() or known not in (None, digest(path)):
        return None
    try:
        clip = read_npz(path)
    except ClipError:
        return None
    parameters = clip.truth.parameters if clip.truth else {}
    wanted = {"name": name, "seed": job.ordered[0].seed, "phantom": VERSION}
    return clip if wanted.items() <= parameters.items() else None


def _describe(clip: Clip, order: Order, file: Path, settings: Settings) -> Row:
    truth, rule, seen = _truth(clip), RULES[settings.rule], ""
    stenosis, made_of = truth.stenosis(rule), truth.parameters
    if settings.observer:
        rng = np.random.default_rng([order.seed, 3, order.plaque])  # 0 to 2 are the phantom's
        stenosis = observed(stenosis, rng, settings.observer)
        seen = f"{stenosis:.6f}"
    grade = rule.grade(stenosis)
    values: dict[str, Any] = {
        "clip": f"{file.parent.name}/{file.name}",
        "patient": clip.patient,
        "video": order.video,
        "first_frame": made_of["first_frame"],
        "split": order.split,
        "grade": rule.grades[grade],
        "grade_index": grade,
        "observed_stenosis": seen,
        "area_stenosis": f"{truth.area_stenosis[truth.narrowest]:.6f}",
        "diameter_stenosis": f"{truth.diameter_stenosis[truth.narrowest]:.6f}",
        "narrowest_frame": truth.narrowest,
        "plaque": made_of["plaque"],
        "side": made_of["side"],
        "calcified": f"{made_of['calcified']:.3f}",
        "diameter_mm": f"{made_of['diameter']:.2f}",
        "depth_mm": f"{made_of['depth']:.1f}",
        "scanner": made_of["scanner"],
        "mm_per_px": f"{clip.mm_per_px:.5f}",
        "seed": order.seed,
        "sha256": digest(file),
    }
    return {name: str(value) for name, value in values.items()}
