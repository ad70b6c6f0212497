"""Checks of what clips show, each by itself and all together.

Not in the paper. A check is a function of `Examined`; `CHECKS` lists those of this file.
"""

from collections import Counter
from collections.abc import Iterator

from csglib.data.clips import Region
from csglib.doctor.findings import ALL, Examined, Finding

_COLOURED = 0.005  # share of a frame: a lumen of 40 pixels in a picture of 640 x 480
_SAME = 0.001  # share of the pixels that change: a clock beside a frozen picture changes fewer
_ENLARGED = 4  # times
_SCALES = 1.5  # of the largest to the smallest


def colour(examined: Examined) -> Iterator[Finding]:
    """Find clips with colours."""
    for clip, record in examined.records.items():
        if record.coloured >= _COLOURED:
            what = f"{record.coloured:.1%} of a frame is coloured"
            yield Finding(kind="colour", where=clip, what=what)


def two_pictures(examined: Examined) -> Iterator[Finding]:
    """Find two moving pictures side by side, unless a box says which one is meant."""
    for clip, record in examined.records.items():
        if record.beside and not all(span.box for span in examined.spans(clip)):
            what = "two moving pictures side by side"
            yield Finding(kind="two pictures", where=clip, what=what)


def marks(examined: Examined) -> Iterator[Finding]:
    """Find what stands still in the tissue, or in the boxes if there are any.

    In a frozen clip all does: that is said once, by `frozen`.
    """
    for clip, record in examined.records.items():
        if max(record.changes, default=0) < _SAME:
            continue
        kept = [span.box or record.region for span in examined.spans(clip)]
        seen = [mark for mark in record.marks if any(_within(mark, region) for region in kept)]
        if seen:
            what = f"{len(seen)} bright and still, the first at {seen[0].left}, {seen[0].top}"
            yield Finding(kind="marks", where=clip, what=what)


def frozen(examined: Examined) -> Iterator[Finding]:
    """Find clips in which nothing moves; they stop if they are to be trained on."""
    for clip, record in examined.records.items():
        for span in examined.spans(clip):
            changes = record.changes[span.first : span.end - 1]
            if changes and max(changes) < _SAME:
                what = f"{span.words} are the same"
                stops = examined.is_used(clip)
                yield Finding(kind="frozen", where=clip, what=what, stops=stops)


def no_scale(examined: Examined) -> Iterator[Finding]:
    """Find clips that do not say how large a pixel is."""
    for clip, record in examined.records.items():
        if record.mm_per_px is None:
            yield Finding(kind="no scale", where=clip, what="the file states none")


def sizes(examined: Examined) -> Iterator[Finding]:
    """Find pictures of several sizes, or of several scales."""
    used = [record for clip, record in examined.records.items() if examined.is_used(clip)]
    counts = Counter(record.size[1:] for record in used).most_common()
    if len(counts) > 1:
        words = [
            f"{width} x {height} ({count} {'clip' if count == 1 else 'clips'})"
            for (height, width), count in counts
        ]
        yield Finding(kind="sizes differ", where=ALL, what=", ".join(words))
    scales = sorted(record.mm_per_px for record in used if record.mm_per_px)
    if scales and scales[-1] > _SCALES * scales[0]:
        what = f"from {scales[0]:.3g} to {scales[-1]:.3g} mm a pixel"
        yield Finding(kind="scales differ", where=ALL, what=what)


def small_tissue(examined: Examined) -> Iterator[Finding]:
    """Find tissue, or boxes, that would have to be enlarged very much."""
    size = examined.wanted.size
    for clip, record in examined.records.items():
        sides = [_sides(span.box or record.region) for span in examined.spans(clip)]
        width, height = min(sides, key=min)
        if min(width, height) * _ENLARGED < size:
            what = f"{width} x {height} pixels of tissue, enlarged to {size}"
            yield Finding(kind="small tissue", where=clip, what=what)


def _within(mark: Region, region: Region) -> bool:
    """A line drawn around the tissue is not."""
    across = region.left <= mark.left and mark.right <= region.right
    return across and region.top <= mark.top and mark.bottom <= region.bottom


def _sides(region: Region) -> tuple[int, int]:
    return region.right - region.left, region.bottom - region.top


CHECKS = (colour, two_pictures, marks, frozen, no_scale, sizes, small_tissue)
