"""Wrong answers to exercise 3.1, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from torch import Tensor

from csgcourse.exercise import Mistake


def _products(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT / query.shape[-1] ** 0.5


def _divided(query: Tensor, key: Tensor, by: float | int) -> Tensor:
    return (_products(query, key) / by).softmax(dim=-1)


def _blind_to_what_follows(query: Tensor, key: Tensor) -> Tensor:
    scores = _scores(query, key)
    return scores.where(torch.ones_like(scores, dtype=torch.bool).tril(), -torch.inf).softmax(-1)


MAP = (
    Mistake(
        lambda query, key: _divided(query, key, 1),
        "the division by sqrt(e) is missing: the wider a head, the larger the scores, until "
        "softmax looks at one key alone.",
    ),
    Mistake(
        lambda query, key: _divided(query, key, query.shape[-1]),
        "you divided by e; by its square root is wanted. So divided, the scores of wide heads "
        "shrink to nothing, and every key gets the same share.",
    ),
    Mistake(
        lambda query, key: _divided(query, key, query.shape[-1] ** -0.5),
        "you multiplied with sqrt(e) where a division is wanted: `* e ** -0.5`, or `/ e ** 0.5`.",
    ),
    Mistake(
        lambda query, key: _divided(query, key, 2 * query.shape[-1]),
        "the scores are divided by 2*e: did you write `/ e ** 1/2`? Python reads (e ** 1) / 2 "
        "there, without the root. Write `e ** 0.5`.",
    ),
    Mistake(
        lambda query, key: _divided(query, key, (query.shape[1] * query.shape[-1]) ** 0.5),
        "you divided by sqrt(h*e), the root of a whole token's width. Each head multiplies e "
        "numbers only: sqrt(e).",
    ),
    Mistake(
        lambda query, key: _divided(query, key, key.shape[-2] ** 0.5),
        "you divided by the root of the number of keys; it is the width of a head that makes the "
        "scores large: sqrt(e), the last axis.",
    ),
    Mistake(
        lambda query, key: _divided(query, key, query.shape[-2] ** 0.5),
        "you divided by the root of the number of queries; it is the width of a head that makes "
        "the scores large: sqrt(e), the last axis.",
    ),
    Mistake(
        lambda query, key: _scores(query, key).softmax(dim=-2),
        "softmax went over the queries: each key shares itself out. Each query should share its "
        "attention out among the keys, the last axis: dim=-1.",
    ),
    Mistake(
        lambda query, key: _products(query, key).softmax(dim=-2),
        "two things: the division by sqrt(e) is missing, and softmax went over the queries; over "
        "the keys is wanted, dim=-1.",
    ),
    Mistake(
        lambda query, key: _scores(query, key).softmax(dim=1),
        "softmax went over the heads: dim=1. Each head has a map of its own, whose rows add up to "
        "1 over the keys: dim=-1.",
    ),
    Mistake(
        lambda query, key: (
            _scores(query, key).flatten(-2).softmax(-1).unflatten(-1, (-1, key.shape[-2]))
        ),
        "softmax went over the whole map, so that all queries together share out 1. Every query "
        "has 1 to share out: over the keys alone, dim=-1.",
    ),
    Mistake(
        lambda query, key: _products(query, key).softmax(dim=-1) / query.shape[-1] ** 0.5,
        "you divided by sqrt(e) behind the softmax: the rows no longer add up to 1. The division "
        "belongs to the scores, before the softmax.",
    ),
    Mistake(
        _scores,
        "these are the scores, rightly scaled; the softmax over the keys is missing.",
    ),
    Mistake(
        _products,
        "these are the products alone; divide by sqrt(e), then take the softmax over the keys.",
    ),
    Mistake(
        lambda query, key: _scores(query, key).exp(),
        "exponentials alone are no shares yet: divide each row by its sum, or use `softmax`.",
    ),
    Mistake(
        lambda query, key: _scores(query, key) / _scores(query, key).sum(dim=-1, keepdim=True),
        "you divided the scores by their sum, but scores may be negative, so these are no shares. "
        "Take the softmax: exponentials first.",
    ),
    Mistake(
        lambda query, key: _scores(query, key).sigmoid(),
        "a sigmoid weighs every key on its own; attention makes keys compete: softmax over the "
        "keys.",
    ),
    Mistake(
        lambda query, key: _scores(key, query).softmax(dim=-1),
        "query and key are exchanged: the keys ask and the queries answer. The map has a row for "
        "each query: `query @ key.transpose(-2, -1)`.",
    ),
    Mistake(
        lambda query, key: _scores(query, key).softmax(dim=-1).mean(dim=1),
        "you averaged over the heads, as `nn.MultiheadAttention` does unless "
        "`average_attn_weights=False`. Every head keeps its own map: (b, h, i, j).",
    ),
    Mistake(
        _blind_to_what_follows,
        "keys that come after the query are masked, as where a next word is guessed. Here the "
        "whole clip is there at once, and everyone may look at everyone.",
    ),
)
