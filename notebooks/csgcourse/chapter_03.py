"""Exercises 3.1 to 3.3: attention, its heads, and what it costs along each axis.

Source: section 2, "Intra-dimension ST Learning Module"; Fig. 2(c); Vaswani et al. 2017, equation 1.
"""

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, normal, sizes


def attention_map(query: Tensor, key: Tensor) -> Tensor:
    """Softmax over the keys of the scaled products.

    Over which axis do the weights add up to 1? And how large is a product of e random numbers
    with e others, on average, if e is 64 instead of 4?

    1. Multiply every query with every key: query @ key with its last two axes exchanged.
    2. Divide by the square root of e, the last axis of query.
    3. Softmax over the keys, the last axis.

    The division by sqrt(e) keeps the scores of wide heads as small as those of narrow ones, so
    that at first the softmax is not saturated.
    """
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    return scores.softmax(dim=-1)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Each head gets an equal part of every token's numbers.

    Head 0 gets the first d/heads numbers of every token, head 1 the next. Which axis is split,
    and where must the new axis end up?

    1. Split d into (heads, d/heads), in this order: reshape to (b, s, heads, d/heads).
    2. Bring the heads in front of the tokens: transpose(1, 2).

    Heads cost nothing: the same multiplications, but several maps in place of one.
    """
    clips, length, width = tokens.shape
    return tokens.reshape(clips, length, heads, width // heads).transpose(1, 2)


def attention_cost(frames: int, patches: int, width: int, kind: str) -> int:
    """Multiplications of both matrix products: scores, and weighted values.

    For each kind, how many sequences are there, and how long is one with its class token? Within
    a sequence every query meets every key.

    1. joint: 1 sequence of 1 + frames*patches tokens; space: `frames` sequences of 1 + patches;
       time: `patches` sequences of 1 + frames.
    2. Scores: length * length numbers a sequence, each of `width` multiplications (all heads
       together).
    3. Weighting the values costs the same again: 2 * sequences * length**2 * width.

    In a clip of the paper's size space costs an eighth of joint attention, and time a
    two-hundredth: the cost grows with the square of a sequence's length.
    """
    sequences, length = {
        "joint": (1, 1 + frames * patches),
        "space": (frames, 1 + patches),
        "time": (patches, 1 + frames),
    }[kind]
    return 2 * sequences * length**2 * width


def _queries_and_keys(generator: Generator) -> list[Arguments]:
    def draw(clips: int, heads: int, queries: int, keys: int, width: int) -> Arguments:
        query = 3 * normal(generator, clips, heads, queries, width)  # far from uniform maps
        return query, normal(generator, clips, heads, keys, width)

    query, key = draw(*sizes(generator, 5))
    return [
        (query, key),
        tuple(normal(generator, 2, 3, length, 11, double=True) for length in (5, 7)),
        draw(3, 2, 7, 7, 5),  # as in self-attention
        draw(2, 5, 1, 7, 3),  # the class token is the only query
        draw(2, 3, 5, 1, 7),  # one key
        draw(3, 2, 7, 5, 1),  # heads of width 1
    ]


def _wide_tokens(generator: Generator) -> list[Arguments]:
    clips, length, heads, width = sizes(generator, 4)
    few, short, many, wide = sizes(generator, 4, without=2)
    return [
        (normal(generator, clips, length, heads * width), heads),
        (normal(generator, few, short, many * wide, double=True), many),
        (normal(generator, 2, 3, 5), 5),  # heads of width 1
        (normal(generator, 3, 5, 7), 1),
        (normal(generator, 5, 1, 2 * 3), 2),  # one token
    ]


def _clips(generator: Generator) -> list[Arguments]:
    drawn = tuple(sizes(generator, 3))
    tried = (drawn, (8, 256, 384), (1, 7, 5), (5, 1, 3))  # the second is the paper's
    return [(*given, kind) for given in tried for kind in ("joint", "space", "time")]


def wrong_maps(query: Tensor, key: Tensor) -> dict[str, Tensor]:
    """Attention maps with common mistakes, by what is wrong; chapter 4 uses them too."""
    products, e = query @ key.mT, query.shape[-1]
    scores = products / e**0.5
    shares = scores / scores.sum(dim=-1, keepdim=True)
    scales = {
        "the division by sqrt(e) is missing: scores grow with the width of a head": 1.0,
        "you divided by e; divide by its square root, sqrt(e)": e,
        "you multiplied with sqrt(e); divide by it": e**-0.5,
        "the scores are divided by 2*e: `e ** 1/2` is (e ** 1) / 2; write `e ** 0.5`": 2 * e,
        "you divided by sqrt(h*e); a head multiplies e numbers": (query.shape[1] * e) ** 0.5,
        "you divided by the root of the number of keys, not sqrt(e)": key.shape[-2] ** 0.5,
        "you divided by the root of the number of queries, not sqrt(e)": query.shape[-2] ** 0.5,
    }
    return {
        **{words: (products / by).softmax(dim=-1) for words, by in scales.items()},
        "the softmax went over the queries; over the keys is wanted, dim=-1": scores.softmax(-2),
        "no division by sqrt(e), and a softmax over the queries": products.softmax(dim=-2),
        "the softmax went over the heads; over the keys is wanted, dim=-1": scores.softmax(1),
        "the softmax went over the clips; over the keys is wanted, dim=-1": scores.softmax(0),
        "the softmax went over the whole map": scores.flatten(-2).softmax(-1).view_as(scores),
        "you divided after the softmax; divide the scores": products.softmax(dim=-1) / e**0.5,
        "the softmax is missing: these are the scaled scores": scores,
        "these are the products alone: divide by sqrt(e), then softmax": products,
        "exponentials alone do not add up to 1: use `softmax`": scores.exp(),
        "you divided the scores by their sum, but they may be negative: use `softmax`": shares,
        "a sigmoid treats every key alone; a softmax over the keys is wanted": scores.sigmoid(),
    }


def _map_mistakes(query: Tensor, key: Tensor) -> Wrong:
    scores = query @ key.mT / query.shape[-1] ** 0.5
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return {
        **wrong_maps(query, key),
        "keys after the query are masked (causal)": scores.masked_fill(later, -torch.inf).softmax(
            dim=-1
        ),
    }


def _heads_mistakes(tokens: Tensor, heads: int) -> Wrong:
    other = tokens.unflatten(-1, (-1, heads))
    return {
        "each head got every heads-th number: d is (heads, d/heads)": other.permute(0, 3, 1, 2),
        "the number of heads and their width are exchanged": other.transpose(1, 2),
        "every head got the whole token": tokens[:, None].expand(-1, heads, -1, -1),
    }


def _cost_mistakes(frames: int, patches: int, width: int, kind: str) -> Wrong:
    kinds = {"joint": (1, frames * patches), "space": (frames, patches), "time": (patches, frames)}
    sequences, length = kinds[kind]
    right = attention_cost(frames, patches, width, kind)
    joint = kind == "joint"
    other = {"joint": 1, "space": patches, "time": frames}[kind]
    return {
        "the class token of each sequence is missing": 2 * sequences * length**2 * width,
        "the class token counts before the square: (1 + length)**2": 2
        * sequences
        * (1 + length**2)
        * width,
        "this is one product; there are two, scores and weighted values": right // 2,
        "the class token and the second product are missing": sequences * length**2 * width,
        "the length is not squared": 2 * sequences * (1 + length) * width,
        "this is one sequence; space has `frames`, time has `patches`": 2
        * (1 + length) ** 2
        * width,
        "the numbers of sequences are exchanged": 2 * other * (1 + length) ** 2 * width,
        "you squared the tokens of all sequences together": 2
        * (sequences * (1 + length)) ** 2
        * width,
        "twice too much: additions are not counted, multiplications alone": 2 * right,
        "you counted the projections too": right + 4 * sequences * (1 + length) * width**2,
        "the clip has one class token, not one a frame": 2 * (frames * (1 + patches)) ** 2 * width
        if joint
        else right,
    }


EXERCISES = (
    Exercise("3.1", attention_map, _queries_and_keys, axes="b h i j", mistakes=_map_mistakes),
    Exercise("3.2", split_heads, _wide_tokens, axes="b heads s d/heads", mistakes=_heads_mistakes),
    Exercise("3.3", attention_cost, _clips, mistakes=_cost_mistakes),
)
