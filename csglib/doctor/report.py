"""The doctor: reads a folder of exports in several processes, and says what to see to.

Not in the paper. Whoever trains on files that nobody has looked at learns who made them.
"""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES
from csglib.data.parallel import workers as processes
from csglib.data.readers.limits import check_link
from csglib.doctor.checks import findings_of
from csglib.doctor.exports import LABELS, list_exports
from csglib.doctor.findings import Examined, Finding, Wanted
from csglib.doctor.labels import Label, read_labels, template, write_labels
from csglib.doctor.near_duplicates import alike
from csglib.doctor.page import page, part
from csglib.doctor.record import Record, Task, look
from csglib.doctor.table import table

Looked = dict[str, Record | str]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the doctor says. A notebook shows it when it is the last value of a cell.

    It names files, and so perhaps patients: it is for whoever owns them, not for a paper.

    Attributes:
        folder: that was examined.
        examined: what is in it; see `csglib.doctor.findings`.
        findings: what to see to; what stops comes first.
    """

    folder: Path
    examined: Examined = field(repr=False)
    findings: tuple[Finding, ...]

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Findings that training should not start with; none is good."""
        return tuple(finding for finding in self.findings if finding.stops)

    def write_page(self, path: Path) -> None:
        """Write one HTML file that needs nothing else.

        Args:
            path: the file; its folder exists.

        Raises:
            ValueError: it cannot be written.
        """
        text = page(self.folder.resolve().name, self.examined, self.findings)
        try:
            with replacing(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise ValueError(f"{path} cannot be written ({error}); name another page") from error

    def __repr__(self) -> str:
        return table(self.examined, self.findings, shutil.get_terminal_size().columns)

    def _repr_html_(self) -> str:
        return part(self.examined, self.findings)


def examine(
    folder: str | Path,
    frames: int = 8,
    size: int = 256,
    grades: Sequence[str] = GRADES,
    workers: int | None = None,
) -> Report:
    """Examine a folder of exports: `FOLDER/patient/clip.*` and `FOLDER/labels.csv`.

    Without labels.csv, one is written that lists all clips and waits for their grades. Nothing else
    is written, nothing is changed, and no link is followed.

    Args:
        folder: see `csglib.doctor.exports`.
        frames: of a clip that the network will see.
        size: rows and columns that it will see, pixels.
        grades: names that labels.csv may use, from open to closed.
        workers: processes that read; None is one for each core, and 1 reads here.

    Returns:
        The findings, which show themselves.

    Raises:
        ValueError: no such folder, nothing asked for, or a reading process was killed.
    """
    folder, workers = Path(folder), (os.cpu_count() or 1) if workers is None else workers
    if min(frames, size, workers) < 1:
        raise ValueError(f"wanted 1 or more: got {frames=}, {size=}, {workers=}")
    if len({*grades}) != len(grades) or len(grades) < 2 or not all(grades):
        raise ValueError(f"wanted two or more names of grades: got {', '.join(grades)}")
    exports = list_exports(folder)
    looked = _look([Task(folder, clip) for clip in exports.clips], workers)
    records = {clip: found for clip, found in looked.items() if isinstance(found, Record)}
    labels, trouble = _labels(folder)
    examined = Examined(
        exports=exports,
        unreadable={clip: why for clip, why in looked.items() if isinstance(why, str)},
        records=records,
        likenesses=tuple(alike([record.prints for record in records.values()])),
        labels=tuple(labels),
        trouble=trouble,
        wanted=Wanted(frames=frames, size=size, grades=tuple(grades)),
    )
    return Report(folder=folder, examined=examined, findings=tuple(findings_of(examined)))


def _look(tasks: Sequence[Task], workers: int) -> Looked:
    """What each clip shows, in the order of the tasks."""
    bar = tqdm(total=len(tasks), desc="doctor", unit="clip", disable=not tasks)
    with bar:
        if min(workers, len(tasks)) < 2:
            found = []
            for task in tasks:
                found.append(look(task))
                bar.update()
            return dict(zip((task.clip for task in tasks), found, strict=True))
        try:
            with processes(min(workers, len(tasks)), look, tasks) as futures:
                for _ in as_completed(futures):
                    bar.update()
                found = [future.result() for future in futures]
        except BrokenProcessPool:
            why = "a reading process was killed, perhaps for lack of memory; try fewer workers"
            raise ValueError(why) from None
    return dict(zip((task.clip for task in tasks), found, strict=True))


def _labels(folder: Path) -> tuple[list[Label], tuple[str, str] | None]:
    """What labels.csv says, or else of which kind its trouble is, and what."""
    path = folder / LABELS
    try:
        check_link(path, folder, LABELS)
        if path.exists():
            return read_labels(path), None
    except ValueError as error:
        return [], ("labels unreadable", str(error))
    if not (rows := template(folder)):
        return [], ("no labels", "there is none, and no clip to list in it")
    try:
        write_labels(path, rows)
    except OSError as error:
        return [], ("no labels", f"there is none, and it cannot be written ({error})")
    return [], ("no labels", f"there was none; now there is one, with {len(rows)} empty grades")
