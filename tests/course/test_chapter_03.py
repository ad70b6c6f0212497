"""Exercises 3.1 to 3.3: right answers in several styles pass; wrong ones are told what they did."""

import math

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from csgcourse import check
from csgcourse.chapter_03 import attention_cost, attention_map, split_heads
from csglib.model.attention import Attention
from csglib.model.tokens import VideoTokens, fold


def test_the_map_agrees_with_the_library_and_mixes_as_its_fused_product_does():
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, 5, 7, generator=generator)
    key, value = torch.randn(2, 2, 3, 11, 7, generator=generator)
    torch.testing.assert_close(attention_map(query, key), Attention.weights(query, key))
    mixed = attention_map(query, key) @ value
    torch.testing.assert_close(mixed, Attention()(query, key, value))


def test_heads_are_split_as_torch_s_own_attention_splits_them():
    tokens = torch.randn(2, 5, 21, generator=torch.Generator().manual_seed(0))
    heads = split_heads(tokens, 3)
    maps = attention_by_torch(heads, heads)
    whole = torch.nn.MultiheadAttention(21, 3, bias=False, batch_first=True)
    whole.in_proj_weight.data = torch.eye(21).repeat(3, 1)
    torch.testing.assert_close(maps, whole(tokens, tokens, tokens, average_attn_weights=False)[1])
    torch.testing.assert_close(maps, attention_map(heads, heads))


@pytest.mark.parametrize("kind", ["joint", "space", "time"])
def test_the_cost_is_what_the_library_s_sequences_multiply(kind):
    tokens = VideoTokens(torch.zeros(1, 1, 6), torch.zeros(1, 3, 5, 6))
    heads = split_heads(fold(tokens, kind), 2)
    scores = math.prod(attention_map(heads, heads).shape) * heads.shape[-1]
    mixing = math.prod(heads.shape) * heads.shape[-2]
    assert attention_cost(3, 5, 6, kind) == scores + mixing


def test_the_insight_s_fractions_hold():
    joint, space, time = (attention_cost(8, 256, 384, kind) for kind in ("joint", "space", "time"))
    assert round(joint / space) == 8
    assert round(joint / time) == 202


def attention_by_loops(query, key):
    clips, heads, queries, width = query.shape
    answer = query.new_zeros(clips, heads, queries, key.shape[2])
    for b in range(clips):
        for h in range(heads):
            for i in range(queries):
                exponentials = [
                    math.exp(float(query[b, h, i] @ one) / math.sqrt(width)) for one in key[b, h]
                ]
                total = sum(exponentials)
                answer[b, h, i] = torch.tensor([share / total for share in exponentials])
    return answer


def attention_by_einsum(query, key):
    scores = torch.einsum("bhie,bhje->bhij", query, key) * query.shape[-1] ** -0.5
    exponentials = torch.exp(scores)
    return exponentials / exponentials.sum(-1, keepdim=True)


def attention_by_the_fused_product(query, key):
    one_hot = torch.eye(key.shape[2], dtype=key.dtype).expand(*key.shape[:3], -1)
    return F.scaled_dot_product_attention(query, key, one_hot)


def attention_by_torch(query, key):
    heads, width = query.shape[1], query.shape[1] * query.shape[3]
    whole = torch.nn.MultiheadAttention(width, heads, bias=False, batch_first=True).to(query)
    whole.in_proj_weight.data = torch.eye(width).to(query).repeat(3, 1)
    query, key = (rearrange(one, "b h s e -> b s (h e)") for one in (query, key))
    return whole(query, key, key, average_attn_weights=False)[1].detach()


def heads_by_loops(tokens, heads):
    width = tokens.shape[2] // heads
    answer = tokens.new_zeros(len(tokens), heads, tokens.shape[1], width)
    for head in range(heads):
        answer[:, head] = tokens[:, :, head * width : (head + 1) * width]
    return answer


def cost_by_cases(frames, patches, width, kind):
    if kind == "joint":
        length, sequences = frames * patches + 1, 1
    elif kind == "space":
        length, sequences = patches + 1, frames
    else:
        length, sequences = frames + 1, patches
    scores = sequences * length * length * width
    mixing = sequences * length * width * length
    return scores + mixing


def cost_by_counting(frames, patches, width, kind):
    """The library's own sequences, counted."""
    tokens = VideoTokens(torch.zeros(1, 1, 1), torch.zeros(1, frames, patches, 1))
    sequences, length, _ = fold(tokens, kind).shape
    return torch.tensor(2 * sequences * length**2 * width)


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("3.1", attention_by_loops),
        ("3.1", attention_by_einsum),
        ("3.1", attention_by_the_fused_product),
        ("3.1", attention_by_torch),
        ("3.1", Attention.weights),
        ("3.1", lambda q, k: F.softmax(q / math.sqrt(q.size(-1)) @ k.transpose(2, 3), -1)),
        ("3.2", heads_by_loops),
        ("3.2", lambda x, h: rearrange(x, "b s (h e) -> b h s e", h=h)),
        ("3.2", lambda x, h: torch.stack(x.chunk(h, dim=-1), dim=1)),
        ("3.2", lambda x, h: x.view(*x.shape[:2], h, -1).permute(0, 2, 1, 3).contiguous()),
        ("3.2", lambda x, h: torch.stack(x.split(x.shape[-1] // h, dim=-1)).transpose(0, 1)),
        ("3.3", cost_by_cases),
        ("3.3", cost_by_counting),
        (
            "3.3",
            lambda t, n, d, kind: {
                "joint": 2 * d * (t * n + 1) ** 2,
                "space": 2 * d * t * (n + 1) ** 2,
                "time": 2 * d * n * (t + 1) ** 2,
            }[kind],
        ),
    ],
)
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


def shares(scores, axis=-1):
    return scores.exp() / scores.exp().sum(axis, keepdim=True)


def cosine(query, key):
    return (F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT).softmax(-1)


def nearest(query, key):
    return (-torch.cdist(query, key)).softmax(-1)


def winner_takes_all(query, key):
    return F.one_hot(attention_map(query, key).argmax(-1), key.shape[2]).to(query.dtype)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda q, k: shares(q @ k.mT), "the division by sqrt(e) is missing"),
        (
            lambda q, k: F.scaled_dot_product_attention(q, k, k, scale=1.0) @ k.mT,
            "values are wrong",
        ),
        (lambda q, k: shares(q @ k.mT / q.shape[-1]), "you divided by e;"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 1 / 2), "did you write `/ e ** 1/2`?"),
        (lambda q, k: shares(q @ k.mT * q.shape[-1] ** 0.5), "you multiplied with sqrt(e)"),
        (lambda q, k: shares(q @ k.mT / (q[0, :, 0].numel()) ** 0.5), "you divided by sqrt(h*e)"),
        (lambda q, k: shares(q @ k.mT / len(k[0, 0]) ** 0.5), "the number of keys"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.5, -2), "softmax went over the queries"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.5, 1), "softmax went over the heads"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.5, (2, 3)), "over the whole map"),
        (lambda q, k: shares(q @ k.mT) / q.shape[-1] ** 0.5, "behind the softmax"),
        (lambda q, k: attention_map(k, q), "query and key are exchanged"),
        (lambda q, k: attention_by_torch(q, k).mean(1), "you averaged over the heads"),
        # None of these has a name; they are rejected all the same.
        (lambda q, k: attention_map(k, q).mT, "softmax went over the queries"),
        (lambda q, k: attention_map(q, k).mT, "the axes stand in another order"),
        (cosine, "of the values are wrong"),
        (nearest, "of the values are wrong"),
        (winner_takes_all, "of the values are wrong"),
        (lambda q, k: shares(q @ k.mT / 8), "of the values are wrong"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.25), "of the values are wrong"),
        (lambda q, k: attention_map(q, k).log(), "of the values are wrong"),
        (lambda q, k: attention_map(q, k) @ k, "the shape should be"),
        (lambda q, k: attention_map(q[:, :1], k[:, :1]).expand(-1, q.shape[1], -1, -1), "wrong"),
        (lambda q, k: attention_map(q.abs(), k.abs()), "of the values are wrong"),
        (lambda q, k: attention_map(q, q), "the shape should be"),
        (lambda q, k: attention_map(q, k).round(decimals=2), "of the values are wrong"),
        (lambda q, k: q @ k.T, "raised"),
    ],
)
def test_wrong_maps_are_told_what_they_did(wrong, says):
    rejected("3.1", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x, h: x.view(len(x), h, x.shape[1], -1), "so a head gets whole tokens"),
        (lambda x, h: x.unflatten(-1, (h, -1)), "the heads stand behind the tokens"),
        (lambda x, h: rearrange(x, "b s (e h) -> b h s e", h=h), "every heads-th number"),
        (lambda x, h: torch.stack(x.split(h, -1), 1), "are exchanged: you made d/heads heads"),
        (lambda x, h: torch.stack(x.chunk(h, -1)), "the heads stand in front of the clips"),
        (lambda x, h: torch.stack([x] * h, 1), "every head got the whole token"),
        (lambda x, h: rearrange(x, "b s (h e) -> (b h) s e", h=h), "joined in one axis"),
        (lambda x, h: torch.cat(x.chunk(h, -1)), "the shape should be"),
        # None of these has a name; they are rejected all the same.
        (lambda x, h: rearrange(x, "b s (h e) -> h s b e", h=h), "the axes stand in another order"),
        (lambda x, h: split_heads(x, h).flip(1), "in the wrong places"),
        (lambda x, h: split_heads(x, h).flip(2), "in the wrong places"),
        (lambda x, h: split_heads(x, h) / h, "times what it should be"),
        (lambda x, h: split_heads(x, h)[:, 0], "the shape should be"),
        (lambda x, h: split_heads(x, 12), "raised RuntimeError"),
        (lambda x, h: x.chunk(h, -1), "a torch tensor is wanted: got a tuple"),
    ],
)
def test_wrong_heads_are_told_what_they_did(wrong, says):
    rejected("3.2", wrong, says)


def formula(joint, space, time):
    return lambda t, n, d, kind: {"joint": joint, "space": space, "time": time}[kind](t, n, d)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            formula(
                lambda t, n, d: 2 * (t * n) ** 2 * d,
                lambda t, n, d: 2 * t * n**2 * d,
                lambda t, n, d: 2 * n * t**2 * d,
            ),
            "the class token is missing",
        ),
        (
            formula(
                lambda t, n, d: (1 + t * n) ** 2 * d,
                lambda t, n, d: t * (1 + n) ** 2 * d,
                lambda t, n, d: n * (1 + t) ** 2 * d,
            ),
            "this is one product only",
        ),
        (
            formula(
                lambda t, n, d: 2 * (1 + t * n) ** 2 * d,
                lambda t, n, d: 2 * (1 + n) ** 2 * d,
                lambda t, n, d: 2 * (1 + t) ** 2 * d,
            ),
            "this is one sequence",
        ),
        (lambda t, n, d, kind: 2 * (1 + t * n) ** 2 * d, "joint attention whatever `kind` says"),
        (
            formula(
                lambda t, n, d: 2 * (1 + t * n) ** 2 * d,
                lambda t, n, d: 2 * n * (1 + t) ** 2 * d,
                lambda t, n, d: 2 * t * (1 + n) ** 2 * d,
            ),
            "space and time are exchanged",
        ),
        (
            formula(
                lambda t, n, d: 2 * (t * (1 + n)) ** 2 * d,
                lambda t, n, d: 2 * t * (1 + n) ** 2 * d,
                lambda t, n, d: 2 * n * (1 + t) ** 2 * d,
            ),
            "you gave every frame a class token",
        ),
        (
            formula(
                lambda t, n, d: 2 * (1 + t * n) ** 2,
                lambda t, n, d: 2 * t * (1 + n) ** 2,
                lambda t, n, d: 2 * n * (1 + t) ** 2,
            ),
            "the width is missing",
        ),
        # None of these has a name; they are rejected all the same.
        (lambda *given: attention_cost(*given) / 1, "a whole number is wanted"),
        (lambda *given: attention_cost(*given) + 1, "is wanted: got"),
        (lambda t, n, d, kind: attention_cost(8, 256, d, kind), "is wanted: got"),
        (lambda t, n, d, kind: attention_cost(t, n, 384, kind), "is wanted: got"),
        (lambda t, n, d, kind: attention_cost(t, n**2, d, kind), "is wanted: got"),
        (lambda t, n, d, kind: attention_cost(t, n, d, "space"), "is wanted: got"),
        (lambda t, n, d, kind: 2 * t * n * d, "is wanted: got"),
        (
            formula(
                lambda t, n, d: 2 * (t * n) ** 2 * d,
                lambda t, n, d: t * n**2 * d,
                lambda t, n, d: n * t**2 * d,
            ),
            "is wanted: got",
        ),
    ],
)
def test_wrong_costs_are_told_what_they_did(wrong, says):
    rejected("3.3", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
