"""From a folder of exports to a cohort that names nobody: pixels of tissue, grades, pseudonyms.

Not in the paper, whose clips are not public. Nothing is taken over but what is listed: pixels in
`csglib.doctor.cutting.Cut`, columns in `csglib.doctor.pseudonymise`, the rest in `_facts`.

As in `csglib.phantom.production` each file appears whole or not at all, what an interrupted run has
written is kept, and the same exports, labels, settings and key give the same bytes.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from tqdm.auto import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES
from csglib.data.cohort import read_metadata, write_manifest, write_metadata
from csglib.data.parallel import explain_write_errors, lock_folder
from csglib.data.parallel import workers as processes
from csglib.data.split import SPLITS, check_no_overlap
from csglib.doctor.cutting import Order
from csglib.doctor.exports import SHEET, list_exports
from csglib.doctor.labels import Label
from csglib.doctor.pseudonymise import numbered, write
from csglib.doctor.pseudonyms import Pseudonyms, key_of
from csglib.doctor.sheet import sheet, stamp

FORMAT = 1  # changes whenever older files can no longer be read
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class DeidentifySettings:
    """All that decides a cleaned cohort, apart from clips, labels and key.

    Attributes:
        frames: of a clip, evenly spread over the labelled ones.
        size: height and width of a frame, pixels.
        seed: deals patients to the sides where labels.csv does not; 0 or more.
        grades: their names, from open to closed.

    Raises:
        ValueError: a value that cannot be; says which.
    """

    frames: int = 8
    size: int = 256
    seed: int = 0
    grades: tuple[str, ...] = GRADES

    def __post_init__(self) -> None:
        wanted = {
            "frames": (self.frames >= 1, "1 or more"),
            "size": (16 <= self.size <= 1024, "16 to 1024 pixels"),
            "seed": (self.seed >= 0, "0 or more"),
            "grades": (len({*self.grades} - {""}) == len(self.grades) > 1, "two or more names"),
        }
        for name, (met, what) in wanted.items():
            if not met:
                raise ValueError(f"{name} must be {what}: got {getattr(self, name)}")


def write_review_sheet(
    folder: Path, labels: Sequence[Label], out: Path, settings: DeidentifySettings, workers: int = 1
) -> Path:
    """Draw all clips as `deidentify` would write them, to be looked at first; write nothing else.

    Args:
        folder: of exports. The page stays there, for it names files.
        labels: see `csglib.doctor.labels.read_labels`.
        out: where the cohort shall go.
        settings: see there.
        workers: processes that read.

    Returns:
        The page, a PNG.

    Raises:
        ValueError: whatever `deidentify` would refuse.
    """
    _check(folder, labels, settings, workers)
    _check_place(folder, out)
    with explain_write_errors(folder):
        stamps = _each(stamp, _orders(folder, labels, settings), workers, "sheet")
        with replacing(folder / SHEET) as file:
            sheet(stamps).save(file, "PNG")
    return folder / SHEET


def deidentify(
    folder: Path, labels: Sequence[Label], out: Path, settings: DeidentifySettings, workers: int = 1
) -> None:
    """Write the cohort, or what is missing of it; `csglib.data.cohort.read_cohort` reads it.

    Review the sheet of `write_review_sheet` first: text burned into the tissue is not removed.

    Args:
        folder: of exports; a key for pseudonyms is made in it, if there is none.
        labels: a row a clip, each with a grade.
        out: new, empty, or begun with the same exports, labels, settings and key; not in `folder`.
        settings: what decides it.
        workers: processes that read; they make no difference to the result.

    Raises:
        ValueError: labels that do not fit each other, the settings or the clips, a clip that
            cannot be read or cut, a damaged key, or a folder that holds something else or cannot
            be written. What has been made stays.
    """
    _check(folder, labels, settings, workers)
    _check_place(folder, out)
    key = key_of(folder)
    facts = _facts(folder, labels, settings, key)
    with explain_write_errors(out):
        _check_empty(out, facts)
        out.mkdir(parents=True, exist_ok=True)
        with lock_folder(out):
            _prepare(out, facts)
            _write(_orders(folder, labels, settings), out, settings, Pseudonyms(key), workers)


def _check(
    folder: Path, labels: Sequence[Label], settings: DeidentifySettings, workers: int
) -> None:
    if workers < 1:
        raise ValueError(f"workers must be 1 or more: got {workers}")
    if not labels:
        raise ValueError("labels.csv has no rows: there is nothing to clean")
    there = {*list_exports(folder).clips}
    for label in labels:
        if label.clip not in there:
            raise ValueError(f"{label.clip} is in labels.csv, but is no clip in {folder}")
        if label.grade not in settings.grades:
            known = ", ".join(settings.grades)
            raise ValueError(f"{label.clip} has the grade {label.grade!r}: wanted one of {known}")
    _check_sides(labels)


def _check_sides(labels: Sequence[Label]) -> None:
    given = {label.split for label in labels}
    if given not in ({""}, {*SPLITS}):
        named = ", ".join(sorted(given - {""}))
        raise ValueError(
            f"labels.csv names the sides {named}{' and none' * ('' in given)}: wanted all of "
            f"{', '.join(SPLITS)} and no empty cell, or the whole column empty"
        )
    if given == {""} and len(patients := {label.patient for label in labels}) < len(SPLITS):
        raise ValueError(f"{', '.join(SPLITS)} need a patient each: got {len(patients)}")
    if "" not in given:
        check_no_overlap([label.patient for label in labels], [label.split for label in labels])


def _check_place(folder: Path, out: Path) -> None:
    private, public = folder.resolve(), out.resolve()
    if public.is_relative_to(private) or private.is_relative_to(public):
        raise ValueError(f"{out} and {folder} lie in one another: name a folder somewhere else")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; name a folder")


def _check_empty(out: Path, facts: dict[str, Any]) -> None:
    """Refuse a folder that is not ours to write in."""
    if (out / "cohort.json").exists():
        found = read_metadata(out)
        if differ := [name for name, value in facts.items() if found.get(name) != value]:
            raise ValueError(
                f"{out} holds another cohort, of other {', '.join(differ)}; delete it, or name a "
                "new folder"
            )
    elif strangers := sorted(path.name for path in out.glob("*") if path.name[0] != "."):
        raise ValueError(f"{out} holds other files ({', '.join(strangers[:3])}); name a new folder")


def _facts(
    folder: Path, labels: Sequence[Label], settings: DeidentifySettings, key: bytes
) -> dict[str, Any]:
    """What two cohorts must have in common to be the same; without the key it tells nothing."""
    told = [[asdict(label), _size(folder / label.clip)] for label in labels]
    made_from = hmac.digest(key, json.dumps(told, sort_keys=True).encode(), "sha256").hex()[:16]
    what = "Clips of people without their names, cleaned by csglib.doctor; not for diagnosis."
    facts = {"what": what, "format": FORMAT, **asdict(settings)}
    return facts | {"graded_by": "people", "made_from": made_from}


def _prepare(out: Path, facts: dict[str, Any]) -> None:
    if not (out / "cohort.json").exists():  # before all else: by it the folder is known as ours
        made_with = {name: version(name) for name in ("numpy", "pillow")}
        write_metadata(out, facts | {"made_with": made_with})
    (out / "clips").mkdir(exist_ok=True)
    for half_written in out.glob("**/.*.part"):  # by processes that were killed
        half_written.unlink()


def _size(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    return sum(file.stat().st_size for file in path.glob("*")) or path.stat().st_size


def _orders(folder: Path, labels: Sequence[Label], settings: DeidentifySettings) -> list[Order]:
    return [Order(folder, label, settings.frames, settings.size) for label in labels]


def _write(
    orders: Sequence[Order],
    out: Path,
    settings: DeidentifySettings,
    pseudonyms: Pseudonyms,
    workers: int,
) -> None:
    tasks = [*numbered(orders, pseudonyms, out / "clips", settings.seed, settings.grades)]
    write_manifest(out, _each(write, tasks, workers, "cohort"))  # whoever finds it finds all
    for task in tasks:
        task.note.unlink(missing_ok=True)


def _each(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int, title: str
) -> list[Result]:
    """Do the tasks; what comes of them, in order."""
    with tqdm(total=len(tasks), desc=title, unit="clip") as bar:
        if min(workers, len(tasks)) < 2:
            found = []
            for task in tasks:
                found.append(work(task))
                bar.update()
            return found
        with processes(min(workers, len(tasks)), work, tasks) as futures:
            for future in as_completed(futures):
                future.result()  # the first that fails ends it
                bar.update()
            return [future.result() for future in futures]
