"""Checks of labels.csv against the clips.

Not in the paper. A check is a function of `Examined`; `CHECKS` lists those of this file.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import combinations

from csglib.doctor.exports import LABELS
from csglib.doctor.findings import Examined, Finding, Span


def trouble(examined: Examined) -> Iterator[Finding]:
    """Find labels.csv missing, or no table of labels."""
    if examined.trouble:
        kind, what = examined.trouble
        yield Finding(kind=kind, where=LABELS, what=what, stops=True)


def no_row(examined: Examined) -> Iterator[Finding]:
    """Find clips that labels.csv does not name."""
    for clip in examined.records:
        if not examined.is_used(clip):
            yield Finding(kind="no row", where=clip, what=f"not in {LABELS}")


def grades(examined: Examined) -> Iterator[Finding]:
    """Find rows without a grade, and grades that nobody has announced."""
    known = examined.wanted.grades
    for row in examined.labels:
        if not row.grade:
            yield Finding(kind="no grade", where=row.clip, what="its grade is empty", stops=True)
        elif row.grade not in known:
            what = f"{row.grade!r}; known are {', '.join(known)}{_perhaps(row.grade, known)}"
            yield Finding(kind="unknown grade", where=row.clip, what=what, stops=True)


def no_such_clip(examined: Examined) -> Iterator[Finding]:
    """Find rows of clips that are not there."""
    there = examined.exports.clips
    for clip in dict.fromkeys(row.clip for row in examined.labels):
        if clip not in there:
            what = f"in {LABELS}, but not in the folder{_perhaps(clip, there)}"
            yield Finding(kind="no such clip", where=clip, what=what, stops=True)


def beyond(examined: Examined) -> Iterator[Finding]:
    """Find rows that ask for frames or pixels which the clip does not have."""
    for row in examined.labels:
        if row.clip not in examined.records:
            continue
        frames, height, width = examined.records[row.clip].size
        last = max(row.first_frame + (row.frames or 1) - 1, row.narrowest_frame or 0)
        box = row.box
        if last >= frames:
            what = f"frame {last} is asked for, and the last is {frames - 1}"
            yield Finding(kind="beyond the clip", where=row.clip, what=what, stops=True)
        if box and (box.right > width or box.bottom > height):
            what = f"a box to {box.right}, {box.bottom} in a picture of {width} x {height}"
            yield Finding(kind="beyond the clip", where=row.clip, what=what, stops=True)


def twice(examined: Examined) -> Iterator[Finding]:
    """Find clips with two rows of the same frames, or of frames in common."""
    for clip in examined.records:
        spans = sorted(span[:2] for span in examined.spans(clip))
        for span, count in Counter(spans).items():
            if count > 1:
                what = f"{count} rows of {Span(*span, None).words}"
                yield Finding(kind="row twice", where=clip, what=what, stops=True)
        for one, other in combinations(sorted(set(spans)), 2):
            if other[0] < one[1]:
                what = f"{Span(*one, None).words}, and {Span(*other, None).words}"
                yield Finding(kind="rows overlap", where=clip, what=what)


def few_frames(examined: Examined) -> Iterator[Finding]:
    """Find clips with fewer frames than the network sees; they stop if they are to be used."""
    wanted = examined.wanted.frames
    for clip in examined.records:
        for span in examined.spans(clip):
            if span.end - span.first < wanted:
                what = f"{span.end - span.first} of {wanted} frames: {span.words}"
                stops = examined.is_used(clip)
                yield Finding(kind="few frames", where=clip, what=what, stops=stops)


def _perhaps(came: str, known: Sequence[str]) -> str:
    close = get_close_matches(came, known, 1)
    return f"; perhaps {close[0]}" if close else ""


CHECKS = (trouble, no_such_clip, no_row, grades, beyond, twice, few_frames)
