"""Wrong answers to exercise 3.3, each with what to say about it.

Not in the paper: part of the course.
"""

from csgcourse.exercise import Mistake

KINDS = ("joint", "space", "time")


def _cut(frames: int, patches: int, kind: str) -> tuple[int, int]:
    """How many sequences, and how many patches in each, without the class token."""
    by_kind = ((1, frames * patches), (frames, patches), (patches, frames))
    return by_kind[KINDS.index(kind)]


def _right(frames: int, patches: int, width: int, kind: str) -> int:
    sequences, length = _cut(frames, patches, kind)
    return 2 * sequences * (1 + length) ** 2 * width


def _without_class_token(frames: int, patches: int, width: int, kind: str) -> int:
    sequences, length = _cut(frames, patches, kind)
    return 2 * sequences * length**2 * width


def _one_class_token_a_square(frames: int, patches: int, width: int, kind: str) -> int:
    sequences, length = _cut(frames, patches, kind)
    return 2 * sequences * (1 + length**2) * width


def _not_squared(frames: int, patches: int, width: int, kind: str) -> int:
    sequences, length = _cut(frames, patches, kind)
    return 2 * sequences * (1 + length) * width


def _one_sequence(frames: int, patches: int, width: int, kind: str) -> int:
    return 2 * (1 + _cut(frames, patches, kind)[1]) ** 2 * width


def _all_squared(frames: int, patches: int, width: int, kind: str) -> int:
    sequences, length = _cut(frames, patches, kind)
    return 2 * (sequences * (1 + length)) ** 2 * width


def _other_number_of_sequences(frames: int, patches: int, width: int, kind: str) -> int:
    sequences = {"joint": 1, "space": patches, "time": frames}[kind]
    return 2 * sequences * (1 + _cut(frames, patches, kind)[1]) ** 2 * width


def _with_projections(frames: int, patches: int, width: int, kind: str) -> int:
    sequences, length = _cut(frames, patches, kind)
    projections = 4 * sequences * (1 + length) * width**2
    return projections + _right(frames, patches, width, kind)


def _class_token_a_frame(frames: int, patches: int, width: int, kind: str) -> int:
    if kind == "joint":
        return 2 * (frames * (1 + patches)) ** 2 * width
    return _right(frames, patches, width, kind)


COST = (
    Mistake(
        _without_class_token,
        "the class token is missing: it leads each sequence, which is 1 longer than its patches.",
    ),
    Mistake(
        _one_class_token_a_square,
        "the class token came too late: 1 + length**2. It asks and is asked like all others, so "
        "the length grows by 1 before it is squared.",
    ),
    Mistake(
        lambda frames, patches, width, kind: _right(frames, patches, width, kind) // 2,
        "this is one product only. There are two of the same cost: scores (queries with keys) and "
        "mixing (map with values).",
    ),
    Mistake(
        lambda frames, patches, width, kind: (
            _without_class_token(frames, patches, width, kind) // 2
        ),
        "two things are missing: the class token of each sequence, and the second of the two "
        "products.",
    ),
    Mistake(
        _not_squared,
        "the length is not squared: every token of a sequence meets every token.",
    ),
    Mistake(
        _one_sequence,
        "this is one sequence; space has `frames` of them, and time has `patches`.",
    ),
    Mistake(
        lambda frames, patches, width, kind: _right(frames, patches, width, "joint"),
        "this is joint attention whatever `kind` says. In space only the patches of one frame "
        "meet, in time only one place of all frames.",
    ),
    Mistake(
        lambda frames, patches, width, kind: _right(
            frames, patches, width, {"joint": "joint", "space": "time", "time": "space"}[kind]
        ),
        "space and time are exchanged. In space the patches of one frame meet: `frames` sequences "
        "of 1 + patches. In time one place of all frames: `patches` sequences of 1 + frames.",
    ),
    Mistake(
        _other_number_of_sequences,
        "the lengths are right, but the numbers of sequences are exchanged: space has one sequence "
        "a frame, time one a patch position.",
    ),
    Mistake(
        _all_squared,
        "you squared the tokens of all sequences together; but sequences do not see each other. "
        "Square the length of one, then multiply with how many there are.",
    ),
    Mistake(
        lambda frames, patches, width, kind: _right(frames, patches, 1, kind),
        "the width is missing: each score is a product of `width` numbers with `width` others, all "
        "heads together.",
    ),
    Mistake(
        lambda frames, patches, width, kind: _right(frames, patches, width**2, kind),
        "the width is squared; that belongs to the projections. Here a score costs `width` "
        "multiplications.",
    ),
    Mistake(
        lambda frames, patches, width, kind: 2 * _right(frames, patches, width, kind),
        "this is twice as much: did you count additions too? Multiplications alone are asked for.",
    ),
    Mistake(
        _with_projections,
        "you counted the projections too (queries, keys, values and what comes out). Only the two "
        "products of attention itself are asked for.",
    ),
    Mistake(
        _class_token_a_frame,
        "in joint attention you gave every frame a class token. The clip has one, so its only "
        "sequence has 1 + frames*patches tokens.",
    ),
)
