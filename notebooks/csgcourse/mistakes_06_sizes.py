"""Wrong answers to exercise 6.3, each with what to say about it.

Not in the paper: part of the course.
"""

from csgcourse.exercise import Mistake

STAGES = ("c1", "c2", "c3", "c4", "c5")


def _by(reductions: tuple[int, ...], stage: str, frames: int, side: int) -> tuple[int, int, int]:
    places = side // reductions[STAGES.index(stage)]
    return frames, places, places


def _right(stage: str, frames: int, side: int) -> tuple[int, int, int]:
    return _by((4, 4, 8, 16, 32), stage, frames, side)


SIZES = (
    Mistake(
        lambda stage, frames, side: _by((4, 4, 8, 16, 16), stage, frames, side),
        "c5 comes out as large as c4, but it halves rows and columns once more, in its last "
        "sub-block: 8 x 8 in Table SI, not 16 x 16.",
    ),
    Mistake(
        lambda stage, frames, side: _by((2, 4, 8, 16, 32), stage, frames, side),
        "c1 is twice too large: behind the stem's convolution comes its pooling, so that c1 "
        "begins with a quarter of rows and columns.",
    ),
    Mistake(
        lambda stage, frames, side: _by((4, 8, 16, 32, 64), stage, frames, side),
        "c2 halves nothing: in Table SI it is as large as c1. The first stage that gets smaller "
        "is c3.",
    ),
    Mistake(
        lambda stage, frames, side: _by((2, 2, 4, 8, 16), stage, frames, side),
        "everything is twice too large: the stem halves twice, with its convolution and with its "
        "pooling.",
    ),
    Mistake(
        lambda stage, frames, side: _by((1, 1, 2, 4, 8), stage, frames, side),
        "the stem is missing: before c1 it divides rows and columns by 4.",
    ),
    Mistake(
        lambda stage, frames, side: _by((2, 4, 8, 16, 16), stage, frames, side),
        "the ends are wrong, the middle is right: c1 is as small as c2, a quarter, and c5 halves "
        "once more than c4.",
    ),
    Mistake(
        lambda stage, frames, side: (
            frames * 4 // (4, 4, 8, 16, 32)[STAGES.index(stage)],
            *_right(stage, frames, side)[1:],
        ),
        "you halved the frames with rows and columns. There is no stride in time: the paper's "
        "convolutions are length-invariant, all frames stay.",
    ),
    Mistake(
        lambda stage, frames, side: (
            frames // (4, 4, 8, 16, 32)[STAGES.index(stage)],
            *_right(stage, frames, side)[1:],
        ),
        "you divided the frames like rows and columns. No stride touches time: all frames stay.",
    ),
    Mistake(
        lambda stage, frames, side: (frames, side // 16, side // 16),
        "this is the grid of patches, the same at every stage: the transformer's side. The CNN "
        "branch shrinks from stage to stage.",
    ),
    Mistake(
        lambda stage, frames, side: (frames, 1 + (side // 16) ** 2),
        "these are the tokens, class token included: the transformer's side of Table SI. The CNN "
        "branch has no class token; its rows and columns are wanted.",
    ),
    Mistake(
        lambda stage, frames, side: (
            frames,
            *(1 + places for places in _right(stage, frames, side)[1:]),
        ),
        "rows and columns are one too many: did you count a class token? The CNN branch has none.",
    ),
    Mistake(
        lambda stage, frames, side: _right(stage, frames, side)[:2],
        "three numbers are wanted, (frames, rows, columns); rows and columns are alike here, but "
        "both are asked for.",
    ),
    Mistake(
        lambda stage, frames, side: (*_right(stage, frames, side)[1:], frames),
        "the frames stand last; they come first: (frames, rows, columns).",
    ),
    Mistake(
        lambda stage, frames, side: _by((4, 4, 4, 8, 16), stage, frames, side),
        "from c3 on everything is twice too large: c3 halves already, then c4, then c5.",
    ),
    Mistake(
        lambda stage, frames, side: _right(stage, 8, 256),
        "this is right for the paper's clip alone, 8 frames of 256 x 256; work with `frames` and "
        "`side`.",
    ),
    Mistake(
        lambda stage, frames, side: _right(stage, frames, 256),
        "this is right for the paper's 256 x 256 alone; divide `side`.",
    ),
    Mistake(
        lambda stage, frames, side: _right(stage, 8, side),
        "this is right for the paper's 8 frames alone; return `frames`.",
    ),
)
