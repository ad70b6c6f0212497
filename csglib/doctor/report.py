"""The data doctor: examines a folder of exports and reports what to fix before training.

Not in the paper. A network trained on files that nobody has checked may learn who made them.
"""

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import groupby
from pathlib import Path
from textwrap import TextWrapper

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES
from csglib.doctor.checks import ALL, KINDS, Finding, find_all
from csglib.doctor.examination import ClipRecord, Examination, read_record
from csglib.doctor.labels import LABELS, PAGE, Label, find_labels, list_exports
from csglib.doctor.near_duplicates import find_near_duplicates
from csglib.phantom.parallel import run_tasks

_MOST_PRINTED = 6  # findings of a kind in the text; the page has all
_MOST_OPEN = 12  # findings of a kind, or clips, that the page shows without a click
_MOST_VALUES = 4  # different values of a fact; more are summarised
_MIN_WIDTH = 72  # columns of the text
_STYLE, _PAGE_STYLE = (
    (Path(__file__).parent / name).read_text("utf-8") for name in ("report.css", "page.css")
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings in a folder; shows itself as text or, in a notebook, as HTML.

    It names files, and so perhaps patients: it is for their owner, not for publication.
    """

    folder: Path
    examined: Examination = field(repr=False)
    findings: tuple[Finding, ...]  # those that stop training come first

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Findings that stop training; the others are warnings."""
        return tuple(finding for finding in self.findings if finding.stops)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Rows of labels.csv."""
        return self.examined.labels

    @property
    def verdict(self) -> str:
        """The outcome in a sentence or two."""
        stops = len(self.stops)
        warnings = _count(len(self.findings) - stops, "warning")
        if stops:
            rest = f" {warnings}." if len(self.findings) > stops else ""
            return f"Training should not start: {_count(stops, 'finding')} to fix first.{rest}"
        return f"Nothing stops training. {warnings}." if self.findings else "Nothing was found."

    @property
    def facts(self) -> dict[str, str]:
        """What is in the folder, by name: to compare with what should be there."""
        records, rows = self.examined.records.values(), self.examined.labels
        names = set().union(*map(self.examined.patients, self.examined.records))
        patients = _count(len(names), "patient")
        bad = len(self.examined.unreadable)
        facts = {"read": f"{_count(len(records), 'clip')} of {patients}"}
        facts["read"] += f"; {bad} more cannot be read" if bad else ""
        if records:
            scales = [float(f"{it.mm_per_px:.3g}") for it in records if it.mm_per_px]
            facts["frames"] = _range([it.shape[0] for it in records])
            facts["image size"] = _counts([f"{it.shape[2]} x {it.shape[1]}" for it in records])
            facts["mm per pixel"] = _range(scales) or "unknown"
        if rows:
            facts["rows"] = f"{len(rows)} in {LABELS}"
            facts["grades"] = _counts([row.grade or "none yet" for row in rows])
            facts["split"] = _counts([row.split or "none yet" for row in rows])
        return facts

    @property
    def groups(self) -> list[tuple[str, bool, list[Finding]]]:
        """Kind, whether it stops training, and its findings; those that stop come first."""
        order = [*KINDS]
        ordered = sorted(self.findings, key=lambda it: (not it.stops, order.index(it.kind)))
        return [
            (kind, stops, [*found])
            for (stops, kind), found in groupby(ordered, lambda it: (it.stops, it.kind))
        ]

    def write_page(self, path: Path | None = None) -> Path:
        """Write the report as one self-contained HTML file, without scripts.

        By default doctor.html in the folder; a ValueError says why it cannot be written.
        """
        path = path or self.folder / PAGE
        title = f"Data report: {escape(self.folder.resolve().name)}"
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        text = (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>{_PAGE_STYLE}</style>\n</head>\n<body>\n<main>\n"
            f"<h1>{title}</h1>\n<p>Confidential: it names your files. Not for diagnosis.</p>\n"
            f"{self._repr_html_()}\n</main>\n</body>\n</html>\n"
        )
        try:
            with replacing(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise ValueError(f"{path} cannot be written ({error}); name another file") from error
        return path

    def __repr__(self) -> str:
        """The same as the page, without pictures and with few findings of a kind."""
        width, gap = max(shutil.get_terminal_size().columns, _MIN_WIDTH), " " * 6
        wrap = TextWrapper(width, gap[:2], subsequent_indent=gap, break_long_words=False)
        blocks = ["\n".join(f"{name:14}{value}" for name, value in self.facts.items())]
        for kind, stops, found in self.groups:
            lines = [f"{it.where}: {it.what}" for it in found[:_MOST_PRINTED]]
            if len(found) > _MOST_PRINTED:
                lines.append(f"and {len(found) - _MOST_PRINTED} more")
            lines += [f"Why: {KINDS[kind].why}. Do: {KINDS[kind].advice}."]
            wrapped = [wrap.fill(line) for line in lines]
            blocks.append("\n".join([f"{'STOPS' if stops else 'warning'}: {kind}", *wrapped]))
        return "\n\n".join([*blocks, self.verdict])

    def _repr_html_(self) -> str:
        facts = "".join(
            f'<tr><th scope="row" class="kind">{escape(name)}</th><td>{escape(value)}</td></tr>'
            for name, value in self.facts.items()
        )
        rows = "".join(_row(kind, stops, found) for kind, stops, found in self.groups)
        heads = "".join(f'<th scope="col">{head}</th>' for head in ("severity", "kind", "findings"))
        table = f"<table><caption>Findings</caption><thead><tr>{heads}</tr></thead><tbody>{rows}"
        return (
            f'<style>{_STYLE}</style><div class="doctor">'
            f'<p class="verdict">{escape(self.verdict)}</p>'
            f"<table><caption>Contents</caption><tbody>{facts}</tbody></table>"
            f"{f'{table}</tbody></table>' if rows else ''}{self._thumbnails()}</div>"
        )

    def _thumbnails(self) -> str:
        """Of every clip or row what a file shows and what cleaning keeps; least kept first."""
        records = self.examined.records
        kinds: dict[str, dict[str, None]] = {clip: {} for clip in records}
        for finding in self.findings:
            kinds.setdefault(finding.where, {})[finding.kind] = None
        shown = [(clip, it) for clip, record in records.items() for it in record.previews]
        items = "".join(
            f'<li><img src="{it.whole}" alt="first frame of {escape(clip)}, a box around what is '
            f'kept"><img src="{it.kept}" alt="what is kept of it"><p>keeps {it.share:.0%}: <code>'
            f"{escape(clip)}</code><br>{escape(', '.join(kinds[clip]))}</p></li>"
            for clip, it in sorted(shown, key=lambda item: item[1].share)
        )
        title = "Whole frames, and what cleaning keeps: its share of the brightness that moves"
        return _folded(f'<ul class="clips">{items}</ul>', title, len(shown)) if items else ""


def examine(
    folder: str | Path,
    frames: int = 8,
    size: int = 256,
    grades: Sequence[str] = GRADES,
    workers: int | None = None,
    pad: bool = False,
) -> Report:
    """Examine a folder of exports: `FOLDER/patient/clip.*` and `FOLDER/labels.csv`.

    Without labels.csv, one is written that lists all clips with empty grades. Nothing else is
    written or changed, and no link is followed. The network will see `frames` of a clip, `size`
    pixels high and wide; labels.csv may use the names in `grades`, from mild to severe; `workers`
    processes read (None: one per core); `pad`: see `DeidentifySettings`.

    Raises:
        ValueError: not a folder, invalid arguments, or a worker was killed.
    """
    folder, workers = Path(folder), (os.cpu_count() or 1) if workers is None else workers
    _check_arguments(frames, size, workers, grades)
    exports = list_exports(folder)
    labels, error = find_labels(folder) if (folder / LABELS).exists() else ([], None)
    read = _read(folder, exports.clips, labels, workers, pad)
    found = dict(zip(exports.clips, read, strict=True))
    records = {clip: record for clip, record in found.items() if isinstance(record, ClipRecord)}
    prints = [record.fingerprints for record in records.values()]
    ids = {clip: record.patient_id for clip, record in records.items()}
    if not (labels or error):
        labels, error = find_labels(folder, grades, ids)
    examined = Examination(
        exports=exports,
        unreadable={clip: why for clip, why in found.items() if isinstance(why, str)},
        records=records,
        near_duplicates=tuple(find_near_duplicates(prints)),
        labels=tuple(labels),
        label_error=error,
        frames=frames,
        size=size,
        grades=tuple(grades),
    )
    return Report(folder=folder, examined=examined, findings=tuple(find_all(examined)))


def _read(
    folder: Path, clips: Sequence[str], labels: Sequence[Label], workers: int, pad: bool
) -> list[ClipRecord | str]:
    rows: dict[str, list[Label]] = defaultdict(list)
    for row in labels:
        rows[row.clip].append(row)
    tasks = [(clip, rows[clip]) for clip in clips]
    try:
        return run_tasks(partial(read_record, folder, pad), tasks, workers, "doctor")
    except BrokenProcessPool:
        raise ValueError("a worker was killed, perhaps out of memory; try fewer workers") from None


def _check_arguments(frames: int, size: int, workers: int, grades: Sequence[str]) -> None:
    if min(frames, size, workers) < 1:
        raise ValueError(f"wanted 1 or more: got {frames=}, {size=}, {workers=}")
    if len({*grades}) != len(grades) or len(grades) < 2 or not all(grades):
        raise ValueError(f"wanted two or more names of grades: got {', '.join(grades)}")


def _row(kind: str, stops: bool, found: Sequence[Finding]) -> str:
    places = "".join(
        f"<li>{escape(it.where) if it.where == ALL else f'<code>{escape(it.where)}</code>'}: "
        f"{escape(it.what)}</li>"
        for it in found
    )
    mark = "\N{BLACK SQUARE} stops" if stops else "\N{WHITE CIRCLE} warning"
    listed, count = f"<ul>{places}</ul>", len(found)
    listed = _folded(listed, f"{count} findings", count) if count > _MOST_OPEN else listed
    return (
        f'<tr><td class="severity {"stops" * stops}">{mark}</td>'
        f'<th scope="row" class="kind">{escape(kind)}</th><td>{listed}'
        f'<p class="soft">Why: {escape(KINDS[kind].why)}.</p>'
        f"<p>Do: {escape(KINDS[kind].advice)}.</p></td></tr>"
    )


def _folded(content: str, title: str, count: int) -> str:
    opened = " open" if count <= _MOST_OPEN else ""
    return f"<details{opened}><summary>{title}</summary>{content}</details>"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _range(values: Sequence[int | float]) -> str:
    if len({*values}) > _MOST_VALUES:
        return f"{min(values):g} to {max(values):g}"
    return _counts([f"{value:g}" for value in sorted(values)])


def _counts(values: Sequence[str]) -> str:
    """Such as: mild (12), severe (10)."""
    counts = Counter(values).most_common()
    rest = f" and {len(counts) - _MOST_VALUES} others" if len(counts) > _MOST_VALUES else ""
    return ", ".join(f"{value} ({count})" for value, count in counts[:_MOST_VALUES]) + rest
