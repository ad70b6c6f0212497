"""Exercises 9.1 and 9.2: from tokens to places in the clip, and through all blocks.

Not in the paper, which shows no attention. Rollout after Abnar and Zuidema 2020.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, inputs


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


# fmt: off
_MAPS_MISTAKES = {
    "you dropped the last token; the class token is the first": ("1:]", ":-1]"),
    "you took the tokens patch by patch, not frame by frame": ("(t y x)", "(y x t)"),
    "you filled frames column by column, not row by row": ("(t y x)", "(t x y)"),
}
_EYE = "torch.eye(maps[0].shape[-1], dtype=maps[0].dtype)"
_ROLLOUT_MISTAKES = {
    "the identity (the residual connection) is missing":
        (" + torch.eye(heads.shape[-1], dtype=heads.dtype)", ""),
    "rows sum to 2: divide each by its sum": (" / block.sum(dim=-1, keepdim=True)", ""),
    "the maps are in the wrong order: each later block from the left":
        lambda maps: rollout(maps[::-1]),
    "you took the maximum over the heads": ("mean(", "amax("),
    "you divided columns, not rows, by their sums": ("dim=-1", "dim=-2"),
    "you multiplied element by element; `@` is wanted": (_EYE, "1.0", "@ total", "* total"),
    "only the last block counts; multiply through all of them": lambda maps: rollout(maps[-1:]),
    "this is the mean over the blocks; multiply them":
        lambda maps: sum(rollout([one]) for one in maps) / len(maps),
}
# fmt: on
EXERCISES = (
    Exercise("9.1", tokens_to_maps, _SEQUENCES, axes="b c t rows columns", mistakes=_MAPS_MISTAKES),
    Exercise("9.2", rollout, _maps, axes="b i j", mistakes=_ROLLOUT_MISTAKES),
)
