"""Checks of files: what cannot be read, and what lies where no clip should.

Not in the paper. A check is a function of `Examined`; `CHECKS` lists those of this file.
"""

from collections.abc import Iterator

from csglib.doctor.findings import ALL, Examined, Finding


def no_clips(examined: Examined) -> Iterator[Finding]:
    """Find a folder without a single clip that can be read."""
    if not examined.records:
        what = f"none of {len(examined.unreadable)} clips can be read"
        yield Finding(kind="no clips", where=ALL, what=what, stops=True)


def unreadable(examined: Examined) -> Iterator[Finding]:
    """Find what should be a clip and cannot be read; it stops if it is to be trained on."""
    for clip, why in examined.unreadable.items():
        yield Finding(kind="unreadable", where=clip, what=why, stops=examined.is_used(clip))


def left_out(examined: Examined) -> Iterator[Finding]:
    """Find what is not looked at, whatever it may be."""
    exports = examined.exports
    for kind, paths, what in (
        ("not a clip", exports.others, "no kind of file that holds a clip"),
        ("no patient", exports.astray, "not in a patient's folder"),
        ("link", exports.links, "a link"),
        ("odd name", exports.unnamed, "a name with signs that tables do not hold"),
    ):
        for path in paths:
            yield Finding(kind=kind, where=path, what=what)


CHECKS = (no_clips, unreadable, left_out)
