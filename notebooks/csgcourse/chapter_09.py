"""Exercises 9.1 to 9.3: from what a network computed to a place in the clip, and to a score.

Not in the paper, which shows Grad-CAM of one clip (Fig. 4) and scores nothing. Rollout after Abnar
and Zuidema 2020.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Generator, Tensor

from csgcourse import mistakes_09_maps, mistakes_09_share
from csgcourse.exercise import Arguments, Exercise
from csgcourse.inputs import normal, sizes


def tokens_to_maps(tokens: Tensor, frames: int, rows: int) -> Tensor:
    """Put the patch tokens back where their patches were."""
    return rearrange(tokens[:, 1:], "b (t y x) c -> b c t y x", t=frames, y=rows)


def rollout(maps: Sequence[Tensor]) -> Tensor:
    """Follow attention, and the way past it, through all blocks."""
    total = torch.eye(maps[0].shape[-1], dtype=maps[0].dtype)
    for heads in maps:
        block = heads.mean(dim=1) + torch.eye(heads.shape[-1], dtype=heads.dtype)
        total = block / block.sum(dim=-1, keepdim=True) @ total
    return total


def share_inside(heat: Tensor, mask: Tensor) -> float:
    """How many times more heat lies inside than would if it lay evenly."""
    inside = heat[mask].sum() / heat.sum()
    return (inside / mask.float().mean()).item()


def _sequences(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for dtype in (torch.float32, torch.float64):
        b, c, t, y, x = sizes(generator, 5)
        cases.append((normal(generator, b, 1 + t * y * x, c, dtype=dtype), t, y))
    return [
        *cases,
        (normal(generator, 1, 1 + 3 * 5, 2), 1, 3),  # one frame
        (normal(generator, 2, 1 + 3, 5), 3, 1),  # one patch a frame
        (normal(generator, 1, 2, 1), 1, 1),
    ]


def _maps(generator: Generator) -> list[Arguments]:
    def drawn(blocks: int, b: int, h: int, s: int, dtype: torch.dtype) -> Arguments:
        scores = (2 * normal(generator, b, h, s, s, dtype=dtype) for _ in range(blocks))
        return ([score.softmax(dim=-1) for score in scores],)

    return [
        drawn(3, 2, 3, 5, torch.float32),
        drawn(2, 3, 2, 7, torch.float64),
        drawn(5, 1, 1, 3, torch.float32),
        drawn(1, 2, 5, 3, torch.float32),  # one block
        drawn(2, 1, 2, 1, torch.float32),  # one token
    ]


def _heats(generator: Generator) -> list[Arguments]:
    def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        heat = torch.rand(shape, generator=generator, dtype=dtype) ** 3 * 7 + 0.5
        return heat, torch.rand(shape, generator=generator) < 0.3

    heat, mask = drawn(3, 5, 7)
    heat[1] *= 5  # one frame is hotter, and its mask is another
    heat[1][mask[1]] *= 3
    cold = heat * ~mask
    one_frame, shape = drawn(1, 7, 11)
    return [
        (heat, mask),
        drawn(5, 3, 11, dtype=torch.float64),
        (one_frame, shape),
        (heat, torch.ones_like(mask)),  # the mask covers everything
        (cold, mask),  # nothing inside
    ]


MAPS = Exercise(
    number="9.1",
    reference=tokens_to_maps,
    cases=_sequences,
    mistakes=mistakes_09_maps.MAPS,
    nudge="Which token is no patch? And which of frame, row and column changes fastest as you walk "
    "along the others?",
    plan="1. Drop the class token, the first one: tokens[:, 1:].\n"
    "2. Cut the rest into frames, rows, columns, in this order; the columns are what is left.\n"
    "3. Bring the channels from the last place to the second:\n"
    '   rearrange(..., "b (t y x) c -> b c t y x", t=frames, y=rows).',
    insight="With this one function every tool for volumes, Grad-CAM among them, can look into a "
    "transformer.",
)

ROLLOUT = Exercise(
    number="9.2",
    reference=rollout,
    cases=_maps,
    mistakes=mistakes_09_maps.ROLLOUT,
    nudge="A block's output is its input plus what attention brought. So what does a token pass on "
    "to itself, beside its own map? And which block acts first on the input?",
    plan="1. For each block: the mean over the heads, plus the identity (the residual way).\n"
    "2. Divide each row by its sum, so that it holds shares again.\n"
    "3. Multiply: each later block from the left, (last @ ... @ second @ first).",
    insight="A row of the result says from which input tokens that output was mixed. It takes "
    "maps for all there is: norms, values and FFNs are left out, so it is a picture, no proof.",
)

SHARE = Exercise(
    number="9.3",
    reference=share_inside,
    cases=_heats,
    mistakes=mistakes_09_share.SHARE,
    nudge="A mask that covers half the clip catches half of any even heat. What should an even "
    "heat score?",
    plan="1. The share of the heat: heat[mask].sum() / heat.sum().\n"
    "2. The share of the volume: mask.float().mean().\n3. The one divided by the other.",
    insight="1 is what an even map gets, whatever the size of the mask; so maps of different "
    "networks and clips can be compared, and chance earns nothing.",
)

EXERCISES = (MAPS, ROLLOUT, SHARE)
