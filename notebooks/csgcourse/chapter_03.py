"""Exercises 3.1 to 3.3: attention, its heads, and what it costs along each axis.

Source: section 2, "Intra-dimension ST Learning Module"; Fig. 2(c); Vaswani et al. 2017, equation 1.
"""

import torch
from torch import Generator, Tensor

from csgcourse import mistakes_03_costs, mistakes_03_heads, mistakes_03_maps
from csgcourse.exercise import Arguments, Exercise
from csgcourse.inputs import normal, sizes


def attention_map(query: Tensor, key: Tensor) -> Tensor:
    """How each query shares its attention out among the keys."""
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    return scores.softmax(dim=-1)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Cut every token into equal pieces, and give each head one."""
    clips, length, width = tokens.shape
    return tokens.reshape(clips, length, heads, width // heads).transpose(1, 2)


def attention_cost(frames: int, patches: int, width: int, kind: str) -> int:
    """Count the multiplications of scores and of mixing."""
    sequences, length = {
        "joint": (1, 1 + frames * patches),
        "space": (frames, 1 + patches),
        "time": (patches, 1 + frames),
    }[kind]
    return 2 * sequences * length**2 * width


def _questions(generator: Generator) -> list[Arguments]:
    def draw(clips: int, heads: int, queries: int, keys: int, width: int) -> Arguments:
        query = 3 * normal(generator, clips, heads, queries, width)  # strong opinions
        return query, normal(generator, clips, heads, keys, width)

    query, key = draw(*sizes(generator, 5))
    return [
        (query, key),
        tuple(normal(generator, 2, 3, length, 11, dtype=torch.float64) for length in (5, 7)),
        draw(3, 2, 7, 7, 5),  # a sequence asks itself
        draw(2, 5, 1, 7, 3),  # the class token asks alone
        draw(2, 3, 5, 1, 7),  # one key
        draw(3, 2, 7, 5, 1),  # a head one number wide
    ]


def _wide_tokens(generator: Generator) -> list[Arguments]:
    clips, length, heads, width = sizes(generator, 4)
    few, short, many, wide = sizes(generator, 4, without=(2,))
    return [
        (normal(generator, clips, length, heads * width), heads),
        (normal(generator, few, short, many * wide, dtype=torch.float64), many),
        (normal(generator, 2, 3, 5), 5),  # each head has one number
        (normal(generator, 3, 5, 7), 1),
        (normal(generator, 5, 1, 2 * 3), 2),  # one token
    ]


def _clips(generator: Generator) -> list[Arguments]:
    drawn = tuple(sizes(generator, 3))
    sizes_tried = (drawn, (8, 256, 384), (1, 7, 5), (5, 1, 3))  # the second is the paper's
    return [(*tried, kind) for tried in sizes_tried for kind in ("joint", "space", "time")]


MAP = Exercise(
    number="3.1",
    reference=attention_map,
    cases=_questions,
    mistakes=mistakes_03_maps.MAP,
    nudge="Two questions to answer: over which axis do shares add up to 1? And how large is a "
    "product of e random numbers with e others, on average, if e is 64 instead of 4?",
    plan="1. Multiply every query with every key: query @ key with its last two axes exchanged.\n"
    "2. Divide by the square root of e, the last axis of query.\n3. Softmax over the keys, the "
    "last axis.",
    insight="The root of e keeps the scores of wide heads as calm as those of narrow ones, so that "
    "softmax does not begin by looking at one key alone.",
)

HEADS = Exercise(
    number="3.2",
    reference=split_heads,
    cases=_wide_tokens,
    mistakes=mistakes_03_heads.HEADS,
    nudge="Head 0 gets the first d/heads numbers of every token, head 1 the next. Which axis is "
    "cut, and where must the new axis end up?",
    plan="1. Split d into (heads, d/heads), in this order: reshape to (b, s, heads, d/heads).\n"
    "2. Bring the heads in front of the tokens: transpose(1, 2).",
    insight="Heads cost nothing: the same multiplications, but several maps in place of one.",
)

COST = Exercise(
    number="3.3",
    reference=attention_cost,
    cases=_clips,
    mistakes=mistakes_03_costs.COST,
    nudge="For each kind, how many sequences are there, and how long is one with its class token? "
    "Within a sequence every token meets every token.",
    plan="1. joint: 1 sequence of 1 + frames*patches tokens; space: `frames` sequences of "
    "1 + patches;\n   time: `patches` sequences of 1 + frames.\n2. Scores: length * length numbers "
    "a sequence, each of `width` multiplications (all heads together).\n3. Mixing the values costs "
    "the same again: 2 * sequences * length**2 * width.",
    insight="In a clip of the paper's size space costs an eighth of joint attention, and time a "
    "two-hundredth: long sequences are dear, many are not.",
)

EXERCISES = (MAP, HEADS, COST)
