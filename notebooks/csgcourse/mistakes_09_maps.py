"""Wrong answers to exercises 9.1 and 9.2, each with what to say about it.

Not in the paper: part of the course.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from einops import rearrange
from torch import Tensor

from csgcourse.exercise import Mistake


def _volume(patches: Tensor, frames: int, rows: int) -> Tensor:
    return rearrange(patches, "b (t y x) c -> b c t y x", t=frames, y=rows)


def _columns(tokens: Tensor, frames: int, rows: int) -> int:
    return (tokens.shape[1] - 1) // (frames * rows)


MAPS = (
    Mistake(
        lambda tokens, frames, rows: _volume(tokens[:, :-1], frames, rows),
        "you dropped the last token; the class token is the first, so every patch has moved on "
        "by one place.",
    ),
    Mistake(
        lambda tokens, frames, rows: rearrange(
            tokens[:, 1:], "b (y x t) c -> b c t y x", t=frames, y=rows
        ),
        "you took the tokens patch by patch; they come frame by frame: all patches of the first "
        "frame, then those of the second.",
    ),
    Mistake(
        lambda tokens, frames, rows: rearrange(
            tokens[:, 1:], "b (t x y) c -> b c t y x", t=frames, y=rows
        ),
        "inside a frame you filled column by column; patches come row by row.",
    ),
    Mistake(
        lambda tokens, frames, rows: rearrange(
            tokens[:, 1:], "b (t y x) c -> b c t x y", t=frames, y=rows
        ),
        "rows and columns are exchanged in the result: (b, c, t, rows, columns).",
    ),
    Mistake(
        lambda tokens, frames, rows: tokens[:, 1:].reshape(
            len(tokens), tokens.shape[2], frames, rows, -1
        ),
        "the shape is right, but the channels run through the patches: `reshape` moves no axis. "
        "First (b, t, rows, columns, c), then bring the channels forward.",
    ),
    Mistake(
        lambda tokens, frames, rows: rearrange(
            tokens[:, 1:], "b (t y x) c -> b t y x c", t=frames, y=rows
        ),
        "the channels stand last; volumes have them second: (b, c, t, rows, columns).",
    ),
    Mistake(
        lambda tokens, frames, rows: rearrange(
            tokens[:, 1:], "b (t y x) c -> b t c y x", t=frames, y=rows
        ),
        "time stands before the channels; volumes have the channels second: "
        "(b, c, t, rows, columns).",
    ),
    Mistake(
        lambda tokens, frames, rows: _volume(tokens[:, 1:], frames, rows).flip(3),
        "the picture stands on its head: the first tokens of a frame are its top row.",
    ),
    Mistake(
        lambda tokens, frames, rows: _volume(tokens[:, 1:], frames, rows).mean(1, keepdim=True),
        "you took the mean over the channels; keep all of them.",
    ),
)


def _rolled(
    maps: Sequence[Tensor],
    block: Callable[[Tensor], Tensor],
    join: Callable[[Tensor, Tensor], Tensor] = lambda total, block: block @ total,
) -> Tensor:
    return reduce(join, [block(heads) for heads in maps])


def _with_identity(block: Tensor) -> Tensor:
    return block + torch.eye(block.shape[-1], dtype=block.dtype)


def _shares(block: Tensor, axis: int = -1) -> Tensor:
    return block / block.sum(dim=axis, keepdim=True)


def _right(heads: Tensor) -> Tensor:
    return _shares(_with_identity(heads.mean(dim=1)))


ROLLOUT = (
    Mistake(
        lambda maps: _rolled(maps, lambda heads: heads.mean(dim=1)),
        "the identity is missing: beside its attention a block passes each token on as it is, "
        "by the residual connection.",
    ),
    Mistake(
        lambda maps: _rolled(maps, lambda heads: _with_identity(heads.mean(dim=1))),
        "with the identity added a row sums to 2; divide each row by its sum, or the numbers "
        "double with each block.",
    ),
    Mistake(
        lambda maps: _rolled(maps, _right, lambda total, block: total @ block),
        "the maps are multiplied in the wrong order: the first block acts first on the input, so "
        "it stands rightmost; each later one comes from the left.",
    ),
    Mistake(
        lambda maps: _rolled(maps, lambda heads: _shares(_with_identity(heads.amax(dim=1)))),
        "you took the maximum over the heads, which others do too; here their mean is wanted.",
    ),
    Mistake(
        lambda maps: _rolled(maps, lambda heads: _shares(_with_identity(heads.sum(dim=1)))),
        "you added the heads up; with their mean, map and identity count the same.",
    ),
    Mistake(
        lambda maps: _rolled(maps, lambda heads: _shares(_with_identity(heads.mean(dim=1)), -2)),
        "you divided the columns by their sums; a row holds the shares of one query, so rows.",
    ),
    Mistake(
        lambda maps: _rolled(maps, _right, torch.mul),
        "you multiplied element by element; following attention from block to block is a matrix "
        "product, `@`.",
    ),
    Mistake(
        lambda maps: _right(maps[-1]),
        "only the last block counts here; multiply through all of them.",
    ),
    Mistake(
        lambda maps: torch.stack([_right(heads) for heads in maps]).mean(dim=0),
        "this is the mean over the blocks; one block works on the result of the one before: "
        "multiply.",
    ),
    Mistake(
        lambda maps: _rolled(maps, _right)[:, :1],
        "this is the class token's row alone; the whole (b, s, s) is wanted.",
    ),
    Mistake(
        lambda maps: _rolled(maps, _right).mT,
        "queries and keys are exchanged at the end: a row belongs to an output token.",
    ),
)
