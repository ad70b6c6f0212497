"""Wrong answers to exercises 4.1 and 4.2, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from torch import Tensor

from csgcourse.exercise import Mistake


def _map(query: Tensor, key: Tensor) -> Tensor:
    return (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)


def _mix(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return _map(query, key) @ value


def _mix_scaled(query: Tensor, key: Tensor, value: Tensor, power: float) -> Tensor:
    return (query @ key.mT * query.shape[-1] ** power).softmax(dim=-1) @ value


def _mix_along(query: Tensor, key: Tensor, value: Tensor, axis: int) -> Tensor:
    return (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=axis) @ value


def _mix_joined(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return _mix(query, torch.cat([query, key], dim=2), torch.cat([query, value], dim=2))


_ALIKE = (  # whatever comes from where
    Mistake(
        lambda query, key, value: _mix_scaled(query, key, value, 0.0),
        "you forgot to divide the scores by sqrt(e), the root of a head's width: softmax then "
        "listens to little more than the largest score.",
    ),
    Mistake(
        lambda query, key, value: _mix_scaled(query, key, value, -1.0),
        "you divided the scores by e, the width of a head; divide by its root, sqrt(e).",
    ),
    Mistake(
        lambda query, key, value: _mix_scaled(query, key, value, 0.5),
        "you multiplied the scores by sqrt(e); divide by it.",
    ),
    Mistake(
        lambda query, key, value: (query @ key.mT).softmax(dim=-1) @ value / query.shape[-1] ** 0.5,
        "you divided after the softmax; the scores are divided by sqrt(e) before it, so that the "
        "weights still add up to 1.",
    ),
    Mistake(
        lambda query, key, value: _mix_along(query, key, value, 2),
        "the softmax runs over the queries, and there is only one: every weight became 1. "
        "It runs over the keys, the last axis.",
    ),
    Mistake(
        lambda query, key, value: _mix_along(query, key, value, 1),
        "the softmax runs over the heads; it runs over the keys, the last axis.",
    ),
    Mistake(
        lambda query, key, value: _mix_along(query, key, value, 0),
        "the softmax runs over the clips; it runs over the keys, the last axis.",
    ),
    Mistake(
        lambda query, key, value: query @ key.mT / query.shape[-1] ** 0.5 @ value,
        "the softmax is missing: scores are no weights, they may be negative and do not add up "
        "to 1.",
    ),
    Mistake(
        lambda query, key, value: _map(query, key),
        "this is the map, (b, h, 1, j). It still has to mix the values: `map @ value`.",
    ),
    Mistake(
        lambda query, key, value: value.mean(dim=2, keepdim=True),
        "this is the plain mean of the values: the map was not used.",
    ),
)

SWITCHED = (
    Mistake(
        lambda query, key, value: _mix(query, key, key),
        "you mixed the other branch's keys; its own things stay with it. The other branch's map "
        "is laid over your own values.",
    ),
    Mistake(
        lambda query, key, value: _mix(query, value, value),
        "the map was made with your own branch in the place of the keys. In SWA the whole map is "
        "the other branch's: its query and its keys.",
    ),
    Mistake(
        lambda query, key, value: _mix(query, value, key),
        "keys and values are exchanged: `key_other` makes the map, `value_own` is mixed.",
    ),
    Mistake(
        _mix_joined,
        "the query was put among keys and values too; the map lies over the patches alone.",
    ),
    *_ALIKE,
)

CROSSED = (
    Mistake(
        lambda query, key, value: _mix(query, key, key),
        "you mixed the keys; they only say where to look. What is taken from there are the "
        "values, `value_other`.",
    ),
    Mistake(
        lambda query, key, value: _mix(query, value, value),
        "you compared the query with the values; it is compared with the keys, `key_other`.",
    ),
    Mistake(
        lambda query, key, value: _mix(query, value, key),
        "keys and values are exchanged: `key_other` is compared with the query, `value_other` is "
        "mixed.",
    ),
    Mistake(
        _mix_joined,
        "you put the own token among the keys and values: that is CrossViT's way. The paper does "
        "not insert it, so that what is asked never depends on who asks.",
    ),
    Mistake(
        lambda query, key, value: query + _mix(query, key, value),
        "the query was added to the answer. The residual connection comes later, outside the "
        "attention, and adds the token, not its query.",
    ),
    *_ALIKE,
)
