"""Exercises 9.1 and 9.2: from tokens to places in the clip, and through all blocks.

Not in the paper, which shows no attention. Rollout after Abnar and Zuidema 2020.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from einops import rearrange
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, inputs


def tokens_to_maps(tokens: Tensor, frames: int, rows: int) -> Tensor:
    """The patch tokens back in their places, without the class token."""
    return rearrange(tokens[:, 1:], "b (t y x) c -> b c t y x", t=frames, y=rows)


def rollout(maps: Sequence[Tensor]) -> Tensor:
    """Attention and residual connections, multiplied through all blocks."""
    total = torch.eye(maps[0].shape[-1], dtype=maps[0].dtype)
    for heads in maps:
        block = heads.mean(dim=1) + torch.eye(heads.shape[-1], dtype=heads.dtype)
        total = block / block.sum(dim=-1, keepdim=True) @ total
    return total


_SEQUENCES = inputs(
    lambda b, c, t, y, x: ((b, 1 + t * y * x, c), t, y),
    *({}, {}, {"t": 1}, {"y": 1, "x": 1}, {"t": 1, "y": 1, "x": 1}),
)


def _maps(generator: Generator) -> list[Arguments]:
    # The last but one is one block, the last one token.
    shapes = ((3, 2, 3, 5, 5), (2, 3, 2, 7, 7), (5, 1, 1, 3, 3), (1, 2, 5, 3, 3), (2, 1, 2, 1, 1))
    maps = [(2 * torch.randn(shape, generator=generator)).softmax(dim=-1) for shape in shapes]
    maps[1] = maps[1].double()
    return [(list(blocks),) for blocks in maps]


def _maps_mistakes(tokens: Tensor, frames: int, rows: int) -> Wrong:
    def volume(tokens: Tensor, order: str) -> Tensor:
        return rearrange(tokens, f"b ({order}) c -> b c t y x", t=frames, y=rows)

    return {
        "you dropped the last token; the class token is the first": volume(tokens[:, :-1], "t y x"),
        "you took the tokens patch by patch, not frame by frame": volume(tokens[:, 1:], "y x t"),
        "you filled frames column by column, not row by row": volume(tokens[:, 1:], "t x y"),
    }


def _rollout_mistakes(maps: Sequence[Tensor]) -> Wrong:
    eye = torch.eye(maps[0].shape[-1], dtype=maps[0].dtype)
    means = [heads.mean(dim=1) for heads in maps]
    maxima = [heads.amax(dim=1) for heads in maps]

    def rolled(blocks: Sequence[Tensor], mend: Callable[[Tensor], Tensor]) -> Tensor:
        return reduce(lambda total, block: mend(block) @ total, blocks, eye)

    def shares(block: Tensor, axis: int = -1) -> Tensor:
        return (block + eye) / (block + eye).sum(dim=axis, keepdim=True)

    right = [shares(mean) for mean in means]
    return {
        "the identity (the residual connection) is missing": rolled(means, lambda mean: mean),
        "rows sum to 2: divide each by its sum": rolled(means, lambda mean: mean + eye),
        "the maps are in the wrong order: each later block from the left": rollout(maps[::-1]),
        "you took the maximum over the heads": rolled(maxima, shares),
        "you divided columns, not rows, by their sums": rolled(means, lambda m: shares(m, -2)),
        "you multiplied element by element; `@` is wanted": reduce(torch.mul, right),
        "only the last block counts; multiply through all of them": right[-1],
        "this is the mean over the blocks; multiply them": torch.stack(right).mean(dim=0),
    }


EXERCISES = (
    Exercise("9.1", tokens_to_maps, _SEQUENCES, axes="b c t rows columns", mistakes=_maps_mistakes),
    Exercise("9.2", rollout, _maps, axes="b i j", mistakes=_rollout_mistakes),
)
