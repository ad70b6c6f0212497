"""Checks of clips against each other: the same pixels, or the same moments.

Not in the paper. A clip that stands on both sides of a split tests what is known by heart.
"""

from collections.abc import Iterator

from csglib.doctor.findings import Examined, Finding


def duplicates(examined: Examined) -> Iterator[Finding]:
    """Find clips with the same pixels; they stop where they could come apart, or contradict."""
    first: dict[str, str] = {}
    for clip, record in examined.records.items():
        if (other := first.setdefault(record.digest, clip)) != clip:
            yield _twin(examined, "duplicate", clip, other, f"has the same pixels as {other}")


def near_duplicates(examined: Examined) -> Iterator[Finding]:
    """Find clips that share frames, as far as these can be told under another encoding."""
    clips = [*examined.records]
    digests = [record.digest for record in examined.records.values()]
    for one, other, share, mirrored in examined.likenesses:
        if digests.index(digests[one]) == one and digests.index(digests[other]) == other:
            much = "all" if share == 1 else f"about {share:.0%}"
            what = f"shares {much} of its frames with {clips[one]}{', mirrored' * mirrored}"
            yield _twin(examined, "near-duplicate", clips[other], clips[one], what)


def _twin(examined: Examined, kind: str, clip: str, other: str, what: str) -> Finding:
    grades, splits = (
        [{getattr(row, name) for row in examined.labels if row.clip == each} for each in pair]
        for name, pair in (("grade", (clip, other)), ("split", (clip, other)))
    )
    words = [what]
    across = "" not in splits[0] | splits[1] and all(splits) and splits[0] != splits[1]
    if across:
        words.append(f"{_list(splits[0])} here and {_list(splits[1])} there")
    differ = kind == "duplicate" and all(grades) and grades[0] != grades[1]
    if differ:
        words.append(f"{_list(grades[0])} here and {_list(grades[1])} there")
    used = examined.is_used(clip) and examined.is_used(other)
    stops = used and (differ or not examined.together(clip, other))
    kind = "both sides" if across else kind
    return Finding(kind=kind, where=clip, what=", ".join(words), stops=stops)


def _list(names: set[str]) -> str:
    return "/".join(sorted(names)) or "nothing"


CHECKS = (duplicates, near_duplicates)
