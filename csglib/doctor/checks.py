"""Kinds of findings, and the checks that find them: each a function of an `Examination`.

Source: section 3, "Dataset and Implementations", for one of them: a split "at the patient level
with no overlap". The others are ours.
"""

import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from csglib.data.split import SPLITS
from csglib.doctor.examination import Examination
from csglib.doctor.labels import LABELS, SPLIT_FOLDERS, named_like, patient_of
from csglib.doctor.shortcuts import find_shortcuts
from csglib.doctor.splitting import assign_splits

ALL = "the folder"  # where a finding is about all of it
MAX_SCALE_RATIO = 1.5  # of the largest to the smallest pixel
_MAX_IMBALANCE = 4  # times as many clips of one grade as of another
_MIN_COLOURED = 0.005  # of a frame: a lumen of 40 pixels in an image of 640 x 480
_MIN_SHARE = 0.9  # of the brightness of what moves
_MIN_CONTRAST = 20  # grey levels
_MIN_CHANGE = 0.001  # of the pixels: a clock beside a frozen image changes fewer
_MAX_ZOOM = 4  # times
_STOPS = ("no motion", "unusable", "blank")  # of a clip that is used


KINDS: dict[str, dict[str, str]] = tomllib.loads(
    (Path(__file__).parent / "kinds.toml").read_text("utf-8")
)


class Finding(NamedTuple):
    """Something to look at."""

    kind: str  # one of `KINDS`
    where: str  # path of a file, a clip or a patient below the folder; `ALL` for all of it
    what: str
    stops: bool = False  # training should not start; otherwise a warning


Findings = Iterator[Finding]


def find_all(exam: Examination) -> tuple[Finding, ...]:
    """The findings, each once: those that stop training first, and in the order of `KINDS`."""
    found = dict.fromkeys(finding for check in CHECKS for finding in check(exam))
    order = [*KINDS]
    return tuple(sorted(found, key=lambda it: (not it.stops, order.index(it.kind))))


def files(exam: Examination) -> Findings:
    """Clips that cannot be read, and files that are left out."""
    if not exam.records:
        yield Finding("no clips", ALL, f"none of {len(exam.unreadable)} clips can be read", True)
    for clip, why in exam.unreadable.items():
        yield Finding("unreadable", clip, why, exam.is_used(clip))
    for kind, path in exam.exports.left_out:
        yield Finding(kind, path, "it is left out")


def label_file(exam: Examination) -> Findings:
    """A label file that is missing or invalid, and what in its rows does not exist."""
    if exam.label_error:
        kind, what = exam.label_error
        yield Finding(kind, LABELS, what, True)
    for clip in exam.rows:
        if clip not in exam.exports.clips:
            what = f"in {LABELS}, but not in the folder{_suggestion(clip, exam.exports.clips)}"
            yield Finding("no such clip", clip, what, True)
    known = exam.settings.grades
    for row in exam.labels:
        if not row.grade:
            yield Finding("no grade", row.clip, "its grade is empty", True)
        elif row.grade not in known:
            what = f"{row.grade!r}; known are {', '.join(known)}{_suggestion(row.grade, known)}"
            yield Finding("unknown grade", row.clip, what, True)


def balance(exam: Examination) -> Findings:
    """Grades without clips, in all or in a split, grades with few, and what tells them apart."""
    known = exam.settings.grades
    rows = [row for row in exam.labels if row.grade in known and row.clip in exam.records]
    for split in ("", *SPLITS):
        graded = [row.grade for row in rows if split in ("", row.split)]
        counts = {grade: graded.count(grade) for grade in known}
        words = ", ".join(f"{grade} {count}" for grade, count in counts.items())
        what = f"{f'in {split}: ' * bool(split)}clips of each grade: {words}"
        if graded and not min(counts.values()):
            yield Finding("missing grade", ALL, what, stops=not split)
        elif graded and not split and max(counts.values()) > _MAX_IMBALANCE * min(counts.values()):
            yield Finding("class imbalance", ALL, what)
    yield from (Finding("shortcut", ALL, what) for what in find_shortcuts(exam))


def split_column(exam: Examination) -> Findings:
    """A split that is incomplete, or that cannot be drawn."""
    usable = [row for row in exam.labels if row.clip in exam.records] or exam.labels
    wanted = {row.grade for row in usable} & {*exam.settings.grades}
    try:
        if usable:
            assign_splits(usable, [row.patient for row in usable], wanted)
    except ValueError as error:
        yield Finding("split", ALL, str(error), True)


def patients(exam: Examination) -> Findings:
    """Patients in several splits, and folders of a classifier, GRADE/clip, that stand for some."""
    grades: dict[str, set[str]] = defaultdict(set)
    splits: dict[str, set[str]] = defaultdict(set)
    for row in exam.labels:
        splits[row.patient] |= {row.split} - {""}
        if not row.person:
            grades[patient_of(row.clip)].add(row.grade)
    for patient, found in splits.items():
        if len(found) > 1:
            what = f"this patient is in {' and in '.join(sorted(found))}"
            yield Finding("split leak", patient, what, True)
    for folder, found in grades.items():
        if len(found) == 1 and named_like(folder, found):
            yield Finding("no patient", folder, "named like the one grade in it: no patient", True)
        elif named_like(folder, SPLIT_FOLDERS):
            yield Finding("no patient", folder, "named like a split: no patient", True)


def patient_ids(exam: Examination) -> Findings:
    """Files in several patients' folders that state the same patient id.

    An id that half of the folders share is only a warning: it is a placeholder, such as ANONYMOUS.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for clip, record in exam.records.items():
        if record.patient_id and exam.is_used(clip):
            found[record.patient_id].append(clip)
    total = len(set().union(*map(exam.patients, exam.records)))
    for clips in found.values():
        folders = {min(exam.patients(clip)): clip for clip in reversed(clips)}
        stops = 2 * len(folders) < total
        for clip in sorted(folders.values()):
            if not exam.same_split(clip, clips[0]):
                what = f"the file states the same patient id as {clips[0]}"
                yield Finding("same patient id", clip, what, stops)


def duplicates(exam: Examination) -> Findings:
    """Clips with the same pixels, or with frames in common."""
    first: dict[str, str] = {}  # of the clips with the same digest
    for clip, record in exam.records.items():
        if (other := first.setdefault(record.digest, clip)) != clip:
            yield _pair(exam, "duplicate", clip, other, f"has the same pixels as {other}")
    clips = [*exam.records]  # what the indices of a pair refer to
    for pair in exam.near_duplicates:
        other, clip = clips[pair.first], clips[pair.second]
        if {other, clip} in exam.different:
            continue
        if {other, clip} <= {*first.values()} and not pair.same_frames:
            if not exam.same_split(clip, other):
                yield Finding("similar view", clip, f"looks like {other}, but shares no frame")
        elif {other, clip} <= {*first.values()}:
            part = "all" if pair.fraction == 1 else f"about {pair.fraction:.0%}"
            what = f"shares {part} of its frames with {other}{', mirrored' * pair.mirrored}"
            yield _pair(exam, "near-duplicate", clip, other, what)


def _pair(exam: Examination, kind: str, clip: str, other: str, what: str) -> Finding:
    """It stops training if the two could end up in different splits, or have different grades."""
    here, there = ({it: exam.values(at, it) for it in ("split", "grade")} for at in (clip, other))
    differ = {it for it in here if here[it] and there[it] and here[it] != there[it]}
    leak = "split" in differ and "" not in here["split"] | there["split"]
    contradiction = kind == "duplicate" and "grade" in differ
    for it in ["split"] * leak + ["grade"] * contradiction:
        what += f", {'/'.join(sorted(here[it]))} here and {'/'.join(sorted(there[it]))} there"
    used = exam.is_used(clip) and exam.is_used(other)
    stops = used and (contradiction or not exam.same_split(clip, other))
    return Finding("split leak" if leak else kind, clip, what, stops)


def row_overlaps(exam: Examination) -> Findings:
    """Clips with several rows of the same frames, or with frames in common."""
    for clip, record in exam.records.items():
        spans = Counter(row.span(record.shape[0]) for row in exam.rows_of(clip))
        for span, count in spans.items():
            if count > 1:
                yield Finding("duplicate row", clip, f"{count} rows of {_words(span)}", True)
        for one, other in combinations(sorted(spans, key=lambda it: (it.start, it.stop)), 2):
            if other.start < one.stop:
                yield Finding("overlapping rows", clip, f"{_words(one)}, and {_words(other)}")


def images(exam: Examination) -> Findings:
    """What is wrong with the pixels of a clip, and what cleaning would make of them."""
    for clip, record in exam.records.items():
        used, rows = exam.is_used(clip), exam.rows_of(clip)
        still, size = _is_still(record.changes), exam.settings.size
        several = record.images > 1 and not all(row.box for row in rows)
        tissues = [row.box or record.tissue for row in rows]
        # A line around the tissue is not within it.
        marks = [it for it in record.overlays if any(it.intersection(one) == it for one in tissues)]
        places = "; ".join(f"{mark.left}, {mark.top}" for mark in marks[:3])
        share = min((it.share for it in record.previews), default=1)
        contrast = min((it.contrast for it in record.previews), default=255)
        wide, high = min(((it.right - it.left, it.bottom - it.top) for it in tissues), key=min)
        spans = (row.span(record.shape[0]) for row in rows)
        frozen = [it for it in spans if _is_still(record.changes[it.start : it.stop - 1])]
        for kind, found, what in (
            ("no label", not used, f"not in {LABELS}"),
            ("no pixel size", record.mm_per_px is None, "the file states none"),
            ("read with changes", record.notes, "; ".join(record.notes)),
            ("no motion", frozen, f"{', '.join(map(_words, frozen))} are the same"),
            ("unusable", record.refusals and not frozen, "; ".join(record.refusals)),
            ("colour", not still and record.coloured >= _MIN_COLOURED,
             f"{record.coloured:.1%} of a frame is coloured"),
            ("several images", not still and several, f"{record.images} on one screen"),
            ("overlay", not still and marks, f"{len(marks)} bright and still, at {places}"),
            ("tissue lost", share < _MIN_SHARE and not several,
             f"{share:.0%} of the brightness that moves is kept"),
            ("blank", contrast < _MIN_CONTRAST,
             f"what is kept has a contrast of {contrast} grey levels of 255"),
            ("small tissue region", min(wide, high) * _MAX_ZOOM < size,
             f"{wide} x {high} pixels of tissue, enlarged to {size}"),
        ):  # fmt: skip
            if found:
                yield Finding(kind, clip, what, used and kind in _STOPS)


def sizes(exam: Examination) -> Findings:
    """Images or pixels of several sizes."""
    used = [record for clip, record in exam.records.items() if exam.is_used(clip)]
    counts = Counter(record.shape[1:] for record in used).most_common()
    if len(counts) > 1:
        words = [f"{x} x {y} ({count} clip{'s' * (count > 1)})" for (y, x), count in counts]
        yield Finding("image sizes differ", ALL, ", ".join(words))
    scales = sorted(record.mm_per_px for record in used if record.mm_per_px)
    if scales and scales[-1] > MAX_SCALE_RATIO * scales[0]:
        what = f"from {scales[0]:.3g} to {scales[-1]:.3g} mm per pixel"
        yield Finding("pixel sizes differ", ALL, what)


def _is_still(changes: Sequence[float]) -> bool:
    return bool(changes) and max(changes) < _MIN_CHANGE


def _words(span: range) -> str:
    return f"frames {span.start} to {span.stop - 1}"


def _suggestion(came: str, known: Sequence[str]) -> str:
    close = get_close_matches(came, known, 1)
    return f"; perhaps {close[0]}" if close else ""


CHECKS: tuple[Callable[[Examination], Findings], ...] = (
    files, label_file, row_overlaps, images, balance, split_column, patients, patient_ids,
    duplicates, sizes,
)  # fmt: skip
