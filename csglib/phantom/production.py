"""A cohort's folder: made in parallel, and after whatever stopped it, gone on with.

Not in the paper. Each file appears whole or not at all, and is the same whoever makes it and in
whichever order. So what is there is checked and kept, the rest is made, and nothing else needs to
remember how far a run has come. The folder has cohort.json, manifest.csv, contact_sheet.png,
clips/*.npz and, when asked for, videos/*.npz.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from csglib.data.atomic import replacing
from csglib.data.cohort import Row, read_manifest, read_metadata, write_manifest, write_metadata
from csglib.data.parallel import explain_write_errors, lock_folder, workers
from csglib.data.stenosis import RULES
from csglib.phantom.contact_sheet import contact_sheet
from csglib.phantom.patients import Settings, orders
from csglib.phantom.render import Job, clip_file, film, video_file
from csglib.phantom.simulate import VERSION

FORMAT = 1  # changes whenever older files can no longer be read
_SECONDS = 0.1  # of one core a frame, whatever its size
_FRAMES_OF_A_VIDEO = 90  # on average
_PIXEL, _CONTOURS = 0.6, 7000  # bytes of a pixel, and of the contours of a frame, compressed


class Work(NamedTuple):
    """What is still to be made, and what it takes.

    Attributes:
        clips: how many.
        videos: how many.
        seconds: of one core.
        megabytes: on the disk.
    """

    clips: int
    videos: int
    seconds: float
    megabytes: float

    def sentence(self, jobs: int) -> str:
        """Say so, for so many processes."""
        if not self.clips and not self.videos:
            return "nothing to make; what is there is checked"
        minutes = max(1, round(self.seconds / 60 / max(jobs, 1)))
        films = f" and {self.videos} videos" if self.videos else ""
        return (
            f"{self.clips} clips{films} to make: about {minutes} min on {jobs} processes, "
            f"{self.megabytes:.0f} MB"
        )


def work_left(folder: Path, settings: Settings, videos: bool = False) -> Work:
    """Estimate what `make_cohort` would still have to make.

    Raises:
        ValueError: the folder holds something else, or cannot be read.
    """
    ordered = orders(settings)
    with explain_write_errors(folder):
        _check(folder, settings)
        clips = {clip_file(folder, order) for order in ordered}
        films = {video_file(folder, order) for order in ordered if videos}
        clips, films = ({path for path in paths if not path.is_file()} for paths in (clips, films))
    frames = len(clips) * settings.frames + len(films) * _FRAMES_OF_A_VIDEO
    megabytes = frames * (_PIXEL * settings.size**2 + _CONTOURS) / 1e6
    return Work(len(clips), len(films), frames * _SECONDS, megabytes)


def make_cohort(folder: Path, settings: Settings, jobs: int = 1, videos: bool = False) -> None:
    """Make a cohort, or what is missing of it: the same bytes however often it was interrupted.

    Args:
        folder: new, empty, or of this very cohort.
        settings: what decides it.
        jobs: processes, of one thread each; they make no difference to the result.
        videos: keep the whole videos as well.

    Raises:
        ValueError: the folder holds something else or cannot be written, or the disk is or would
            be full, or no jobs. What has been made stays.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more: got {jobs}")
    left = work_left(folder, settings, videos)
    with explain_write_errors(folder):
        _check_room(folder, left.megabytes)
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder):
            _prepare(folder, settings)
            for name in ("clips", "videos")[: 1 + videos]:
                (folder / name).mkdir(exist_ok=True)
            rows = _make(_jobs(folder, settings, videos), jobs)
            with replacing(folder / "contact_sheet.png") as file:
                contact_sheet(folder, rows).save(file, "PNG")
            write_manifest(folder, rows)  # last: whoever finds it finds all


def _facts(settings: Settings) -> dict[str, Any]:
    """What two cohorts must have in common to be the same."""
    return {"format": FORMAT, "phantom": VERSION} | asdict(settings)


def _check(folder: Path, settings: Settings) -> None:
    """Refuse a folder that is not ours to write in."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder")
    if (folder / "cohort.json").exists():
        found = read_metadata(folder)
        others = [
            f"{name} {found.get(name)} where {value} is asked for"
            for name, value in _facts(settings).items()
            if found.get(name) != value
        ]
        if others:
            differ = ", ".join(others)
            raise ValueError(f"{folder} holds another cohort, of {differ}; name another folder")
    elif folder.is_dir():
        strangers = sorted(path.name for path in folder.iterdir() if path.name[0] != ".")
        if strangers:
            named = ", ".join(strangers[:3])
            raise ValueError(f"{folder} holds other files ({named}); name a new folder")


def _check_room(folder: Path, megabytes: float) -> None:
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free / 1e6
    if free < megabytes:
        raise ValueError(
            f"{folder} needs {megabytes:.0f} MB and its disk has {free:.0f} MB free; make room, or "
            "name a folder elsewhere"
        )


def _prepare(folder: Path, settings: Settings) -> None:
    by = f"an observer with errors of {settings.observer}" if settings.observer else "the truth"
    if not (folder / "cohort.json").exists():
        made_with = {name: version(name) for name in ("numpy", "scipy")}
        what = "Simulated clips of carotid plaques; not for diagnosis."
        graded = {"grades": RULES[settings.rule].grades, "graded_by": f"{settings.rule} of {by}"}
        write_metadata(folder, {"what": what, **_facts(settings), **graded, "made_with": made_with})
    for half_written in folder.glob("**/.*.part"):  # by processes that were killed
        half_written.unlink()


def _jobs(folder: Path, settings: Settings, videos: bool) -> list[Job]:
    digests: dict[str, str] = {}
    with suppress(ValueError):  # none yet, or spoiled by some program: it is written anew
        digests = {row["clip"]: row["sha256"] for row in read_manifest(folder)}
    films = groupby(orders(settings), key=lambda order: order.video)
    return [Job(folder, settings, tuple(film), digests, videos) for _, film in films]


def _make(tasks: Sequence[Job], jobs: int) -> list[Row]:
    """Do the jobs; the rows of the manifest, in order."""
    clips = sum(len(task.ordered) for task in tasks)
    with workers(min(jobs, len(tasks)), film, tasks) as futures:
        with tqdm(total=clips, desc="cohort", unit="clip") as bar:
            for future in as_completed(futures):
                bar.update(len(future.result()))
        return [row for future in futures for row in future.result()]
