"""Make a cohort's folder in parallel, and resume it after any interruption.

Each file is written atomically, and its bytes depend on the spec alone, not on the number of
workers or their order. So existing files are verified and kept, the others made; no further state
is needed. The folder has cohort.json, manifest.csv, contact_sheet.png and clips/*.npz.

Source: section 3, "Dataset and Implementations": "key plaque video clips instead of original long
videos", chosen by sonographers; here a clip is a window around a plaque's narrowest section.
"""

from collections.abc import Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import Clip, Truth, save_clip
from csglib.data.cohort import Row, digest, read_manifest
from csglib.data.readers.limits import ClipError
from csglib.data.readers.npz import read_npz
from csglib.data.stenosis import OCCLUDED, RULES
from csglib.phantom.contact_sheet import contact_sheet
from csglib.phantom.parallel import (
    begin_cohort,
    check_same_cohort,
    explain_write_errors,
    lock_folder,
    workers,
    write_manifest,
)
from csglib.phantom.patients import PLAQUES, ClipSpec, CohortSpec, clip_specs
from csglib.phantom.simulate import VERSION, Video, make_video

FORMAT = 1  # changes whenever older files can no longer be read
_SECONDS = 0.1  # of one core a frame, whatever its size
_PIXEL, _CONTOURS = 0.6, 7000  # bytes of a pixel, and of the contours of a frame, compressed
_MAX_OPEN = 0.99  # the most that an observer reads in a vessel that is not occluded


class Job(NamedTuple):
    """The clips of one video, for one worker, so that its vessel is solved once."""

    folder: Path  # of the cohort
    cohort: CohortSpec  # its spec
    specs: tuple[ClipSpec, ...]  # the clips, all of one video
    digests: dict[str, str]  # SHA-256 of the files in the manifest, by relative path


class Work(NamedTuple):
    """What is still to be made."""

    clips: int  # how many
    seconds: float  # of one core
    megabytes: float  # on the disk

    def sentence(self, jobs: int) -> str:
        """Summary for so many processes."""
        if not self.clips:
            return "nothing to make; existing files are verified"
        minutes = max(1, round(self.seconds / 60 / max(jobs, 1)))
        size = f"{self.megabytes:.0f} MB"
        return f"{self.clips} clips to make: about {minutes} min on {jobs} processes, {size}"


def clip_file(folder: Path, spec: ClipSpec) -> Path:
    """File of a clip in a cohort."""
    return folder / "clips" / f"{spec.name}.npz"


def work_left(folder: Path, cohort: CohortSpec) -> Work:
    """Estimate what `make_cohort` would still have to make.

    Raises:
        ValueError: the folder holds something else, or cannot be read.
    """
    specs = clip_specs(cohort)
    with explain_write_errors(folder):
        check_same_cohort(folder, _identity(cohort))
        clips = sum(not clip_file(folder, spec).is_file() for spec in specs)
    frames = clips * cohort.frames
    megabytes = frames * (_PIXEL * cohort.size**2 + _CONTOURS) / 1e6
    return Work(clips, frames * _SECONDS, megabytes)


def make_cohort(folder: Path, cohort: CohortSpec, jobs: int = 1) -> None:
    """Make a cohort, or what is missing of it: the same bytes however often it was interrupted.

    The folder is new, empty, or of this very cohort. `jobs` processes, of one thread each, do not
    change the result.

    Raises:
        ValueError: the folder holds something else or cannot be written, the disk is full, or
            jobs < 1. Finished files stay.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more: got {jobs}")
    work_left(folder, cohort)  # refuses another cohort
    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder):
            begin_cohort(folder, _metadata(cohort), ("numpy", "scipy"))
            rows = _run(_jobs(folder, cohort), jobs)
            with replacing(folder / "contact_sheet.png") as file:
                contact_sheet(folder, rows).save(file, "PNG")
            write_manifest(folder, rows)  # last: a folder with a manifest is complete


def _identity(cohort: CohortSpec) -> dict[str, Any]:
    """What two cohorts must have in common to be the same."""
    return {"format": FORMAT} | asdict(cohort)


def _metadata(cohort: CohortSpec) -> dict[str, Any]:
    by = f"an observer with errors of {cohort.observer}" if cohort.observer else "the truth"
    what = "Simulated clips of carotid plaques; not for diagnosis."
    graded = {"grades": RULES[cohort.rule].grades, "graded_by": f"{cohort.rule} of {by}"}
    return {"what": what, **_identity(cohort), **graded}


def _jobs(folder: Path, cohort: CohortSpec) -> list[Job]:
    digests: dict[str, str] = {}
    with suppress(ValueError):  # no manifest yet, or a damaged one: it is written again
        digests = {row["clip"]: row["sha256"] for row in read_manifest(folder)}
    by_video = groupby(clip_specs(cohort), key=lambda spec: spec.video)
    return [Job(folder, cohort, tuple(specs), digests) for _, specs in by_video]


def _run(tasks: Sequence[Job], jobs: int) -> list[Row]:
    """Run the jobs in worker processes; returns the rows of the manifest, in order."""
    clips = sum(len(task.specs) for task in tasks)
    with workers(min(jobs, len(tasks)), render, tasks) as futures:
        with tqdm(total=clips, desc="cohort", unit="clip") as bar:
            for future in as_completed(futures):
                bar.update(len(future.result()))
        return [row for future in futures for row in future.result()]


def render(job: Job) -> list[Row]:
    """Make the missing or damaged files of one video; returns the rows of all its clips."""
    first, frames = job.specs[0], job.cohort.frames

    @cache
    def video() -> Video:
        return make_video(first.seed, PLAQUES, job.cohort.size, **first.parameters)

    rows = []
    for spec in job.specs:
        path = clip_file(job.folder, spec)
        clip = _existing(path, spec.name, job)
        if clip is None:
            last = len(video()) - frames
            start = min(max(video().keys[spec.plaque] - spec.before, 0), last)
            clip = video().clip(start, frames)
            truth = _truth(clip)
            named = truth.parameters | {"name": spec.name, "first_frame": start}
            clip = replace(clip, patient=spec.patient, truth=replace(truth, parameters=named))
            save_clip(clip, path)
        rows.append(_row(clip, spec, path, job.cohort))
    return rows


def _truth(clip: Clip) -> Truth:
    assert clip.truth is not None, "simulated clips have a truth"
    return clip.truth


def _existing(path: Path, name: str, job: Job) -> Clip | None:
    """The clip in a file, if it is undamaged and the right one."""
    known = job.digests.get(f"{path.parent.name}/{path.name}")
    if not path.is_file() or known not in (None, digest(path)):
        return None
    try:
        clip = read_npz(path)
    except ClipError:
        return None
    parameters = clip.truth.parameters if clip.truth else {}
    wanted = {"name": name, "seed": job.specs[0].seed, "phantom": VERSION}
    return clip if wanted.items() <= parameters.items() else None


def _row(clip: Clip, spec: ClipSpec, file: Path, cohort: CohortSpec) -> Row:
    """A clip's row of the manifest."""
    truth, rule, seen = _truth(clip), RULES[cohort.rule], ""
    stenosis, made_of = truth.stenosis(rule), truth.parameters
    if cohort.observer:
        rng = np.random.default_rng([spec.seed, 3, spec.plaque])  # 0 to 2 are the phantom's
        stenosis = observed(stenosis, rng, cohort.observer)
        seen = f"{stenosis:.6f}"
    grade = rule.grade(stenosis)
    values: dict[str, Any] = {
        "clip": f"{file.parent.name}/{file.name}",
        "patient": clip.patient,
        "video": spec.video,
        "first_frame": made_of["first_frame"],
        "split": spec.split,
        "grade": rule.grades[grade],
        "grade_index": grade,
        "observed_stenosis": seen,
        "area_stenosis": f"{truth.area_stenosis[truth.narrowest]:.6f}",
        "diameter_stenosis": f"{truth.diameter_stenosis[truth.narrowest]:.6f}",
        "narrowest_frame": truth.narrowest,
        "plaque": "isoechoic" if made_of.get("isoechoic") else made_of["plaque"],
        "side": made_of["side"],
        "calcified": f"{made_of['calcified']:.3f}",
        "diameter_mm": f"{made_of['diameter']:.2f}",
        "depth_mm": f"{made_of['depth']:.1f}",
        "scanner": made_of["scanner"],
        "mm_per_px": f"{clip.mm_per_px:.5f}",
        "seed": spec.seed,
        "sha256": digest(file),
    }
    return {name: str(value) for name, value in values.items()}


def observed(stenosis: float, rng: np.random.Generator, spread: float = 0.05) -> float:
    """A stenosis as an observer reads it: the truth plus a normal error, `spread` its deviation.

    Whether there is a lumen at all is visible: an occlusion stays one, and an open vessel reads
    99 % at most.

    Source:
        Section 1: results "heavily rely on operator experience". The size is our choice; published
        agreement runs from an ICC of 0.36 (PMC5207436) to one of 0.93 (CANet, Vascular 2024).
    """
    error = rng.normal(0, spread)
    return 1.0 if stenosis >= OCCLUDED else float(np.clip(stenosis + error, 0, _MAX_OPEN))
