"""Checks of who stands on which side of a split, and of how many clips have which grade.

Source: section 3, "Dataset and Implementations": a split "at the patient level with no overlap".
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from csglib.data.split import SPLITS
from csglib.doctor.exports import patient_of
from csglib.doctor.findings import ALL, Examined, Finding
from csglib.doctor.labels import Label

_UNEVEN = 4  # times as many clips of one grade as of another


def balance(examined: Examined) -> Iterator[Finding]:
    """Find grades without a clip, and grades with few."""
    rows = _graded(examined)
    for side in ("", *SPLITS):
        mine = [row for row in rows if side in ("", row.split)]
        counts = Counter(dict.fromkeys(examined.wanted.grades, 0))
        counts.update(row.grade for row in mine)
        words = ", ".join(f"{grade} {count}" for grade, count in counts.items())
        where = f"in {side}: " if side else ""
        if mine and not min(counts.values()):
            what = f"{where}clips of each grade: {words}"
            yield Finding(kind="grade missing", where=ALL, what=what, stops=not side)
        elif mine and not side and max(counts.values()) > _UNEVEN * min(counts.values()):
            yield Finding(kind="unbalanced", where=ALL, what=f"clips of each grade: {words}")


def sides(examined: Examined) -> Iterator[Finding]:
    """Find a split that holds for some rows alone, or that leaves a side empty."""
    rows = examined.labels
    given = [row for row in rows if row.split]
    if 0 < len(given) < len(rows):
        what = f"{len(rows) - len(given)} of {len(rows)} rows have none"
        yield Finding(kind="split missing", where=ALL, what=what, stops=True)
    elif given:
        for side in sorted({*SPLITS} - {row.split for row in given}):
            what = f"no clip is for {side}"
            yield Finding(kind="side empty", where=ALL, what=what, stops=True)
    elif rows and len(patients := {row.patient for row in rows}) < len(SPLITS):
        what = f"{len(patients)} in {len(rows)} rows"
        yield Finding(kind="few patients", where=ALL, what=what, stops=True)


def both_sides(examined: Examined) -> Iterator[Finding]:
    """Find patients who stand on both sides of a split."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in examined.labels:
        found[row.patient] |= {row.split} - {""}
    for patient, where in found.items():
        if len(where) > 1:
            what = f"this patient is in {' and in '.join(sorted(where))}"
            yield Finding(kind="both sides", where=patient, what=what, stops=True)


def one_person(examined: Examined) -> Iterator[Finding]:
    """Find people whom files name alike in several patients' folders.

    If half of the folders share one, it names nobody: somebody has written the same into all.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for clip, record in examined.records.items():
        if record.person and examined.is_used(clip):
            found[record.person].append(clip)
    people = len({patient_of(clip) for clip in examined.records})
    for clips in found.values():
        folders = {patient_of(clip): clip for clip in reversed(clips)}
        apart = [clip for clip in folders.values() if not examined.together(clip, clips[0])]
        for clip in sorted(apart):
            what = f"the file names the same patient as {clips[0]}"
            stops = 2 * len(folders) < people
            yield Finding(kind="one person", where=clip, what=what, stops=stops)


def _graded(examined: Examined) -> list[Label]:
    known = examined.wanted.grades
    return [row for row in examined.labels if row.grade in known and row.clip in examined.records]


CHECKS = (balance, sides, both_sides, one_person)
