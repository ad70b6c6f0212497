"""What is said of a folder, before it is a table on a screen or a page.

Not in the paper.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from csglib.doctor.exports import patient_of
from csglib.doctor.findings import KINDS, Examined, Finding

_LISTED = 4  # different values; more are given as a range


class Group(NamedTuple):
    """Findings of one kind that weigh the same.

    Attributes:
        kind: one of `findings.KINDS`.
        stops: whether training should not start.
        findings: one or more.
    """

    kind: str
    stops: bool
    findings: list[Finding]


def groups(findings: Sequence[Finding]) -> list[Group]:
    """Findings by kind; what stops comes first, then the order of `KINDS`."""
    order = [*KINDS]
    ordered = sorted(findings, key=lambda one: (not one.stops, order.index(one.kind)))
    return [
        Group(kind, stops, [*found])
        for (stops, kind), found in groupby(ordered, lambda one: (one.stops, one.kind))
    ]


def verdict(findings: Sequence[Finding]) -> str:
    """The outcome in a sentence or two."""
    stops = sum(finding.stops for finding in findings)
    looks = len(findings) - stops
    worth = f"{_count(looks, 'finding is', 'findings are')} worth a look."
    if stops:
        rest = f" {worth}" if looks else ""
        return (
            f"Training should not start: {_count(stops, 'finding stops', 'findings stop')}.{rest}"
        )
    return f"Nothing stops training. {worth}" if looks else "Nothing was found: training can start."


def facts(examined: Examined) -> dict[str, str]:
    """What there is, by name: for people to compare with what they think there should be."""
    records = examined.records
    patients = _count(len({patient_of(clip) for clip in records}), "patient", "patients")
    readable = f"{_count(len(records), 'clip', 'clips')} of {patients}"
    bad = len(examined.unreadable)
    said = {"read": readable + (f"; {bad} more cannot be read" if bad else "")}
    if records:
        scales = [record.mm_per_px for record in records.values() if record.mm_per_px]
        sizes = [f"{record.size[2]} x {record.size[1]}" for record in records.values()]
        said["frames"] = _spread([record.size[0] for record in records.values()])
        said["pixels"] = _most(sizes)
        said["mm a pixel"] = _spread([float(f"{scale:.3g}") for scale in scales]) or "unknown"
    if rows := examined.labels:
        said["rows"] = f"{len(rows)} in labels.csv"
        said["grades"] = _most([row.grade or "none yet" for row in rows])
        said["split"] = _most([row.split or "not yet" for row in rows])
    return said


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _spread(values: Sequence[int | float]) -> str:
    if len({*values}) > _LISTED:
        return f"{min(values):g} to {max(values):g}"
    return _most([f"{value:g}" for value in sorted(values)])


def _most(words: Sequence[str]) -> str:
    """Such as: mild (12), severe (10)."""
    counts = Counter(words).most_common()
    rest = f" and {len(counts) - _LISTED} others" if len(counts) > _LISTED else ""
    return ", ".join(f"{word} ({count})" for word, count in counts[:_LISTED]) + rest
