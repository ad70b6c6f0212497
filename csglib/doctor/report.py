"""The data doctor: examines a folder of exports and reports what to fix before training.

Not in the paper. A network trained on files that nobody has checked may learn who made them.
"""

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from textwrap import TextWrapper

from csglib.data.atomic import replacing
from csglib.doctor.checks import ALL, KINDS, Finding, find_all
from csglib.doctor.cropping import CohortSettings
from csglib.doctor.examination import ClipRecord, Examination, read_all
from csglib.doctor.labels import (
    DIFFERENT,
    LABELS,
    PAGE,
    Label,
    by_clip,
    find_labels,
    list_exports,
    read_pairs,
    template,
    write_labels,
)
from csglib.phantom.parallel import explain_write_errors

_MOST_PRINTED = 6  # findings of a kind in the text; the page has all
_MOST_OPEN = 12  # findings of a kind that the page shows without a click
_MOST_VALUES = 4  # different values of a fact; more are summarised
_MIN_WIDTH = 72  # columns of the text
_STYLE, _PAGE = (
    (Path(__file__).parent / name).read_text("utf-8") for name in ("report.css", "page.html")
)
_REVIEW = (
    "Is there a name, a date or a number in any of these? Of each row of labels.csv: the first "
    "frame, with a box around what is kept; of that the middle frame; the darkest over time, where "
    "what stands still stays bright; the brightest, which shows what appears even once."
)
_ALT = ("first frame, with a box", "middle frame", "darkest over time", "brightest over time")


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(Examination):
    """The findings in a folder; shows itself as text or, in a notebook, as HTML.

    It names files, and so perhaps patients: it is for their owner, not for publication.
    """

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks find; those that stop training come first."""
        return find_all(self)

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Findings that stop training; the others are warnings."""
        return tuple(finding for finding in self.findings if finding.stops)

    @property
    def verdict(self) -> str:
        """The outcome in a sentence or two."""
        stops, said = len(self.stops), "Nothing stops training."
        if stops:
            said = f"Training should not start: {_count(stops, 'finding')} to fix first."
        warnings = len(self.findings) - stops
        return f"{said} {_count(warnings, 'warning')}." if warnings else said

    @property
    def facts(self) -> dict[str, str]:
        """What is in the folder, by name: to compare with what should be there."""
        records, rows = self.records.values(), self.labels
        names = set().union(*map(self.patients, self.records))
        facts = {"read": f"{_count(len(records), 'clip')} of {_count(len(names), 'patient')}"}
        if bad := len(self.unreadable):
            facts["read"] += f"; {bad} more cannot be read"
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
    def groups(self) -> list[tuple[bool, str, list[Finding]]]:
        """Whether a kind stops training, the kind, and its findings."""
        groups = groupby(self.findings, lambda it: (it.stops, it.kind))
        return [(*key, [*found]) for key, found in groups]

    def write_page(self, path: Path | None = None) -> Path:
        """Write the report as one self-contained HTML file, without scripts.

        By default doctor.html in the folder; a ValueError says why it cannot be written.
        """
        path = path or self.folder / PAGE
        title = f"Data report: {escape(self.folder.resolve().name)}"
        page = Template(_PAGE).substitute(title=title, report=self._repr_html_())
        with explain_write_errors(path), replacing(path) as file:
            file.write(page.encode())
        return path

    def __repr__(self) -> str:
        """The same as the page, without pictures and with few findings of a kind."""
        width, gap = max(shutil.get_terminal_size().columns, _MIN_WIDTH), " " * 6
        wrap = TextWrapper(width, gap[:2], subsequent_indent=gap, break_long_words=False)
        blocks = ["\n".join(f"{name:14}{value}" for name, value in self.facts.items())]
        for stops, kind, found in self.groups:
            why, advice = KINDS[kind].values()
            lines = [f"{it.where}: {it.what}" for it in found[:_MOST_PRINTED]]
            if len(found) > _MOST_PRINTED:
                lines.append(f"and {len(found) - _MOST_PRINTED} more")
            lines.append(f"Why: {why}. Do: {advice}.")
            head = f"{'STOPS' if stops else 'warning'}: {kind}"
            blocks.append("\n".join([head, *map(wrap.fill, lines)]))
        return "\n\n".join([*blocks, self.verdict])

    def _repr_html_(self) -> str:
        facts = "".join(
            f'<tr><th scope="row" class="kind">{escape(name)}</th><td>{escape(value)}</td></tr>'
            for name, value in self.facts.items()
        )
        rows = "".join(_row(stops, kind, found) for stops, kind, found in self.groups)
        heads = "".join(f'<th scope="col">{head}</th>' for head in ("severity", "kind", "findings"))
        table = f"<table><caption>Findings</caption><thead><tr>{heads}</tr></thead><tbody>{rows}"
        return (
            f'<style>{_STYLE}</style><div class="doctor">'
            f'<p class="verdict">{escape(self.verdict)}</p>'
            f"<table><caption>Contents</caption><tbody>{facts}</tbody></table>"
            f"{f'{table}</tbody></table>' if rows else ''}{self._pictures()}</div>"
        )

    def _pictures(self) -> str:
        """Of every clip or row what the file shows and what is kept of it; least kept first."""
        kinds: dict[str, dict[str, None]] = defaultdict(dict)
        for finding in self.findings:
            kinds[finding.where][finding.kind] = None
        shown = [it for record in self.records.values() for it in record.previews]
        items = ""
        for it in sorted(shown, key=lambda it: it.share):
            said = ", ".join([f"{it.share:.0%} is kept", *kinds[it.label.clip]])
            items += f"<li><p><code>{escape(str(it.label))}</code>: {escape(said)}</p>"
            for alt, image in zip(_ALT, it.pictures, strict=True):
                items += f'<img src="{image}" alt="{alt}">'
            items += "</li>"
        title = f"Pictures of {_count(len(shown), 'row')}"
        return _folded(f'<p>{_REVIEW}</p><ul class="clips">{items}</ul>', title, len(shown))


def examine(
    folder: str | Path, settings: CohortSettings | None = None, workers: int | None = None
) -> Report:
    """Examine a folder of exports: `FOLDER/patient/clip.*` and `FOLDER/labels.csv`.

    Near-duplicates that different.csv lists as different, two clips a row, are no findings.
    Without labels.csv, one is written that lists all clips with empty grades. Beside it are written
    the key of pseudonyms, and what was found, for the next time; no link is followed. `settings`
    are those of the cohort that is to be made; `workers` processes read (None: one per core).

    Raises:
        ValueError: not a folder, or a worker was killed.
    """
    folder, settings = Path(folder), settings or CohortSettings()
    exports = list_exports(folder)
    labels, error = find_labels(folder / LABELS)
    different = read_pairs(folder / DIFFERENT)
    rows = by_clip(labels)
    tasks = [(it, rows.get(it) or [Label(clip=it, grade="")]) for it in exports.clips]
    found, near = read_all(folder, tasks, settings, workers or os.cpu_count() or 1)
    records = {clip: record for clip, record in found.items() if isinstance(record, ClipRecord)}
    if error and error[0] == "no label file":
        ids = {clip: record.patient_id for clip, record in records.items()}
        made = template(exports.clips, settings.grades, ids)
        empty = sum(not row.grade for row in made)
        try:
            write_labels(folder / LABELS, made)
            error = error[0], f"there was none; now there is one, with {empty} empty grades"
        except OSError as why:
            error = error[0], f"there is none, and it cannot be written ({why})"
    return Report(
        folder=folder,
        exports=exports,
        unreadable={clip: why for clip, why in found.items() if isinstance(why, str)},
        records=records,
        near_duplicates=near,
        labels=tuple(labels),
        different=different,
        label_error=error,
        settings=settings,
    )


def _row(stops: bool, kind: str, found: Sequence[Finding]) -> str:
    places = "".join(
        f"<li>{escape(it.where) if it.where == ALL else f'<code>{escape(it.where)}</code>'}: "
        f"{escape(it.what)}</li>"
        for it in found
    )
    mark = "\N{BLACK SQUARE} stops" if stops else "\N{WHITE CIRCLE} warning"
    listed, count = f"<ul>{places}</ul>", len(found)
    listed = _folded(listed, f"{count} findings", count) if count > _MOST_OPEN else listed
    why, advice = KINDS[kind].values()
    return (
        f'<tr><td class="severity {"stops" * stops}">{mark}</td>'
        f'<th scope="row" class="kind">{kind}</th><td>{listed}'
        f'<p class="soft">Why: {escape(why)}.</p><p>Do: {escape(advice)}.</p></td></tr>'
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
