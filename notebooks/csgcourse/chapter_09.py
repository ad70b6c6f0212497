"""Exercises 9.1 to 9.3: from attention to places in the clip, and to a score.

Not in the paper, which shows Grad-CAM of one clip (Fig. 4) and scores nothing. Rollout after Abnar
and Zuidema 2020.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from einops import rearrange
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, normal, sizes


def tokens_to_maps(tokens: Tensor, frames: int, rows: int) -> Tensor:
    """The patch tokens back in their places, without the class token.

    Which token is no patch? And which of frame, row and column changes fastest from one token to
    the next?

    1. Drop the class token, the first one: tokens[:, 1:].
    2. Split the rest into frames, rows, columns, in this order.
    3. Bring the channels from the last place to the second:
       rearrange(..., "b (t y x) c -> b c t y x", t=frames, y=rows).

    With this one function every tool for volumes, Grad-CAM among them, works on a transformer.
    """
    return rearrange(tokens[:, 1:], "b (t y x) c -> b c t y x", t=frames, y=rows)


def rollout(maps: Sequence[Tensor]) -> Tensor:
    """Attention and residual connections, multiplied through all blocks.

    A block's output is its input plus the output of attention. So what does a token pass on to
    itself, beside its own map? And which block is applied first?

    1. For each block: the mean over the heads, plus the identity (the residual).
    2. Divide each row by its sum, so that rows add up to 1 again.
    3. Multiply: each later block from the left, (last @ ... @ second @ first).

    A row of the result says from which input tokens an output was mixed, as far as attention
    goes: norms, values and FFNs are left out.
    """
    total = torch.eye(maps[0].shape[-1], dtype=maps[0].dtype)
    for heads in maps:
        block = heads.mean(dim=1) + torch.eye(heads.shape[-1], dtype=heads.dtype)
        total = block / block.sum(dim=-1, keepdim=True) @ total
    return total


def share_inside(heat: Tensor, mask: Tensor) -> float:
    """How many times more saliency is inside than if it were uniform.

    A mask that covers half the clip holds half of a uniform map. What should a uniform map score?

    1. The share of saliency inside: heat[mask].sum() / heat.sum().
    2. The share of the volume: mask.float().mean().
    3. The first divided by the second.

    A uniform map scores 1, whatever the size of the mask; so maps of different networks and clips
    can be compared.
    """
    inside = heat[mask].sum() / heat.sum()
    return (inside / mask.float().mean()).item()


def _sequences(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for double in (False, True):
        b, c, t, y, x = sizes(generator, 5)
        cases.append((normal(generator, b, 1 + t * y * x, c, double=double), t, y))
    return [
        *cases,
        (normal(generator, 1, 1 + 3 * 5, 2), 1, 3),  # one frame
        (normal(generator, 2, 1 + 3, 5), 3, 1),  # one patch a frame
        (normal(generator, 1, 2, 1), 1, 1),
    ]


def _maps(generator: Generator) -> list[Arguments]:
    def drawn(blocks: int, *shape: int, double: bool = False) -> Arguments:
        scores = (2 * normal(generator, *shape, double=double) for _ in range(blocks))
        return ([score.softmax(dim=-1) for score in scores],)

    return [
        drawn(3, 2, 3, 5, 5),
        drawn(2, 3, 2, 7, 7, double=True),
        drawn(5, 1, 1, 3, 3),
        drawn(1, 2, 5, 3, 3),  # one block
        drawn(2, 1, 2, 1, 1),  # one token
    ]


def _heats(generator: Generator) -> list[Arguments]:
    def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        heat = torch.rand(shape, generator=generator, dtype=dtype) ** 3 * 7 + 0.5
        return heat, torch.rand(shape, generator=generator) < 0.3

    heat, mask = drawn(3, 5, 7)
    heat[1] *= 5  # frames differ
    heat[1][mask[1]] *= 3
    return [
        (heat, mask),
        drawn(5, 3, 11, dtype=torch.float64),
        drawn(1, 7, 11),  # one frame
        (heat, torch.ones_like(mask)),  # the mask covers everything
        (heat * ~mask, mask),  # nothing inside
    ]


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

    def rolled(block: Callable[[Tensor], Tensor]) -> Tensor:
        return reduce(lambda total, heads: block(heads) @ total, maps, eye)

    def shares(block: Tensor, axis: int = -1) -> Tensor:
        return block / block.sum(dim=axis, keepdim=True)

    blocks = [shares(heads.mean(dim=1) + eye) for heads in maps]
    return {
        "the identity (the residual connection) is missing": rolled(
            lambda heads: heads.mean(dim=1)
        ),
        "rows sum to 2: divide each by its sum": rolled(lambda heads: heads.mean(dim=1) + eye),
        "the maps are in the wrong order: each later block from the left": rollout(maps[::-1]),
        "you took the maximum over the heads": rolled(
            lambda heads: shares(heads.amax(dim=1) + eye)
        ),
        "you summed the heads": rolled(lambda heads: shares(heads.sum(dim=1) + eye)),
        "you divided columns, not rows, by their sums": rolled(
            lambda heads: shares(heads.mean(dim=1) + eye, -2)
        ),
        "you multiplied element by element; `@` is wanted": reduce(torch.mul, blocks),
        "only the last block counts; multiply through all of them": blocks[-1],
        "this is the mean over the blocks; multiply them": torch.stack(blocks).mean(dim=0),
    }


def _share_mistakes(heat: Tensor, mask: Tensor) -> Wrong:
    outside, inside, share = ~mask, heat[mask].sum() / heat.sum(), mask.double().mean()
    frames = [share_inside(*pair) for pair in zip(heat, mask, strict=True)]
    wrong = {
        "this is the share of saliency inside; divide by the mask's share of the volume": inside,
        "this is the mean inside; divide by the mean of all": heat[mask].mean(),
        "this is the sum inside; divide by the sum of all, then by the mask's share": heat[
            mask
        ].sum(),
        "you compare inside with outside, not with all": heat[mask].mean()
        / heat[outside].mean().nan_to_num(1.0),
        "you multiplied by the mask's share of the volume; divide by it": inside * share,
        "you divided by the mask's voxels, not by their share": inside / mask.sum(),
        "you subtracted the mask's share of the volume; divide by it": inside - share,
        "you scored each frame and took the mean": torch.tensor(frames).mean(),
        "this is the share outside the mask": heat[outside].sum()
        / heat.sum()
        / outside.double().mean().clamp(min=1e-9),
        "you took the maximum; sums are wanted": (heat * mask).amax() / heat.amax(),
    }
    return {words: float(value) for words, value in wrong.items()}


EXERCISES = (
    Exercise("9.1", tokens_to_maps, _sequences, axes="b c t rows columns", mistakes=_maps_mistakes),
    Exercise("9.2", rollout, _maps, axes="b i j", mistakes=_rollout_mistakes),
    Exercise("9.3", share_inside, _heats, mistakes=_share_mistakes),
)
