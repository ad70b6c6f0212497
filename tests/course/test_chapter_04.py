"""Exercises 4.1 to 4.4: right answers in several styles pass; wrong ones are told what they did."""

import math

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch.utils.flop_counter import FlopCounterMode

from csgcourse import check
from csgcourse.chapter_04 import context, crossed, fusion_cost, switched
from csglib.model.attention import Attention
from csglib.model.fusion import CrossAttention, SwitchedAttention
from csglib.model.tokens import VideoTokens


@pytest.fixture
def branches():
    generator = torch.Generator().manual_seed(0)
    return [
        VideoTokens(
            *(torch.randn(shape, generator=generator) for shape in ((2, 1, 6), (2, 3, 5, 6)))
        )
        for _ in range(2)
    ]


@pytest.mark.parametrize(
    ("ours", "fusion"), [(switched, SwitchedAttention), (crossed, CrossAttention)]
)
def test_both_attentions_agree_with_the_library(ours, fusion, branches):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        library = fusion(6, heads=3, hidden=7)
    three = library.query_key_value(*branches)
    query, key, value = (rearrange(one, "b s (h e) -> b h s e", h=3) for one in three)
    torch.testing.assert_close(ours(query, key, value), library.attention(query, key, value))
    assert key.shape[2] == context(*(branches[0].cls, branches[1].flat), "paper").shape[1]


@pytest.mark.parametrize("query", ["all", "class"])
def test_the_cost_agrees_with_a_count_of_what_torch_multiplies(query):
    tokens, width = 13, 7
    queries, keys = (14, 14) if query == "all" else (1, 13)
    asking, asked = torch.ones(queries, width), torch.ones(keys, width)
    with FlopCounterMode(display=False) as counter:
        (asking @ asked.T) @ asked
    assert fusion_cost(tokens, width, query) == counter.get_total_flops() / 2  # it counts sums too


def by_loops(query, key, value):
    b, h, _, e = query.shape
    answer = torch.zeros(b, h, 1, e)
    for clip in range(b):
        for head in range(h):
            scores = [
                sum(float(q) * float(k) for q, k in zip(query[clip, head, 0], row, strict=True))
                for row in key[clip, head]
            ]
            exponentials = [math.exp(score / math.sqrt(e)) for score in scores]
            for weight, row in zip(exponentials, value[clip, head], strict=True):
                answer[clip, head, 0] += weight / sum(exponentials) * row
    return answer


def by_einsum(query, key, value):
    scores = torch.einsum("bhie,bhje->bhij", query, key) * query.shape[-1] ** -0.5
    return torch.einsum("bhij,bhje->bhie", torch.softmax(scores, dim=3), value)


def by_exponentials(q, k, v):
    weights = torch.exp(q @ k.transpose(-1, -2) / math.sqrt(q.size(-1)))
    return (weights / weights.sum(-1, keepdim=True)) @ v


@pytest.mark.parametrize("number", ["4.1", "4.2"])
@pytest.mark.parametrize(
    "right",
    [by_loops, by_einsum, by_exponentials, F.scaled_dot_product_attention, Attention()],
)
def test_right_attentions_in_several_styles_pass(number, right):
    assert check(number, right).passed


def context_by_loops(token, patches, scheme):
    chosen = [patches[:, place] for place in range(patches.shape[1])]
    if scheme == "crossvit":
        chosen.insert(0, token[:, 0])
    return torch.stack(chosen, dim=1)


def cost_by_counting(tokens, width, query):
    queries, keys = (tokens + 1, tokens + 1) if query == "all" else (1, tokens)
    return sum(queries * keys * width for _ in ("scores", "mixing"))


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("4.3", context_by_loops),
        ("4.3", lambda t, p, s: p if s == "paper" else torch.cat((t, p), 1)),
        ("4.3", lambda t, p, s: {"paper": p, "crossvit": torch.hstack([t, p])}[s].clone()),
        ("4.3", lambda t, p, s: F.pad(p, (0, 0, 1, 0)).index_copy(1, torch.tensor([0]), t)
         if s == "crossvit" else p[:]),
        ("4.4", cost_by_counting),
        ("4.4", lambda n, d, q: {"all": 2 * (n + 1) * (n + 1) * d, "class": 2 * n * d}[q]),
        ("4.4", lambda n, d, q: torch.tensor(2 * d * ((n + 1) ** 2 if q == "all" else n))),
    ],
)  # fmt: skip
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


def attention(query, key, value, scale=None, axis=-1):
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return (query @ key.mT * scale).softmax(axis) @ value


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda q, k, v: attention(q, k, v, scale=1), "forgot to divide the scores by sqrt(e)"),
        (lambda q, k, v: attention(q, k, v, scale=1 / q.shape[-1]), "divided the scores by e"),
        (lambda q, k, v: attention(q, k, v, axis=2), "there is only one: every weight became 1"),
        (lambda q, k, v: attention(q, k, v, axis=1), "runs over the heads"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, k), "mixed the other branch's keys"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, v), "your own branch in the place"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, k), "keys and values are exchanged"),
        (lambda q, k, v: Attention.weights(q, k), "this is the map"),
        # from here on nobody has told the exercise
        (lambda q, k, v: attention(q, k, v, scale=k.shape[2] ** -0.5), "This was with query_other"),
        (lambda q, k, v: attention(q, k, v).transpose(1, 2), "axes stand in another order"),
        (lambda q, k, v: attention(q, k, v).flatten(1), "the shape should be"),
        (lambda q, k, v: attention(q[:1], k[:1], v), "of the values are wrong"),
        (lambda q, k, v: attention(q, k.flip(2), v), "of the values are wrong"),
        (lambda q, k, v: attention(q, k, v, scale=(q.shape[1] * q.shape[-1]) ** -0.5), "are wrong"),
        (lambda q, k, v: attention(q, k, v).squeeze(2), "the shape should be"),
        (lambda q, k, v: v[:, :, (q @ k.mT).argmax(-1)[0, 0]], "not yet"),
        (lambda q, k, v: F.cosine_similarity(q, k, -1).softmax(-1)[:, :, None] @ v, "are wrong"),
    ],
)
def test_wrong_switches_are_told_what_they_did(wrong, says):
    rejected("4.1", wrong, says)


def with_the_token(query, key, value):
    return attention(query, torch.cat([query, key], 2), torch.cat([query, value], 2))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda q, k, v: attention(q, k, v, scale=1), "forgot to divide the scores by sqrt(e)"),
        (lambda q, k, v: attention(q, k, v, axis=2), "there is only one: every weight became 1"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, k), "you mixed the keys"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, v), "compared the query with the"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, k), "keys and values are exchanged"),
        (with_the_token, "that is CrossViT's way"),
        (lambda q, k, v: q + attention(q, k, v), "The residual connection comes later"),
        (lambda q, k, v: q @ k.mT @ v / math.sqrt(q.shape[-1]), "the softmax is missing"),
        # from here on nobody has told the exercise
        (lambda q, k, v: attention(k, q, q), "the shape should be"),
        (lambda q, k, v: attention(q, k, v).mean(1, keepdim=True), "the shape should be"),
        (lambda q, k, v: attention(-q, k, v), "of the values are wrong"),
        (lambda q, k, v: attention(q, k, v) * math.sqrt(q.shape[-1]), "not yet"),
        (lambda q, k, v: F.normalize(q @ k.mT, p=1, dim=-1) @ v, "of the values are wrong"),
        (lambda q, k, v: attention(q, k, v)[..., :1], "the shape should be"),
        (lambda q, k, v: attention(F.layer_norm(q, q.shape[-1:]), k, v), "are wrong"),
    ],
)
def test_wrong_questions_are_told_what_they_did(wrong, says):
    rejected("4.2", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda t, p, s: torch.cat([t, p], 1), "in the paper's scheme too"),
        (lambda t, p, s: p, "the own token is missing"),
        (lambda t, p, s: torch.cat([t, p], 1) if s == "paper" else p, "are exchanged"),
        (lambda t, p, s: torch.cat([p, t], 1) if s == "crossvit" else p, "stands last"),
        (
            lambda t, p, s: torch.cat([p[:, :1], p], 1) if s == "crossvit" else p,
            "the other branch's first token was inserted",
        ),
        (
            lambda t, p, s: torch.cat([t, p[:, 1:]], 1) if s == "crossvit" else p,
            "took the place of the first patch",
        ),
        (lambda t, p, s: torch.cat([t, p], 1)[:, : p.shape[1]] if s == "crossvit" else p, ""),
        (lambda t, p, s: t + p if s == "crossvit" else p, "was added to each patch"),
        # from here on nobody has told the exercise
        (
            lambda t, p, s: torch.cat([t, p], 1) if s == "CrossViT" else p,
            "the own token is missing",
        ),
        (lambda t, p, s: torch.cat([t[:1].expand_as(t), p], 1) if s == "crossvit" else p, "wrong"),
        (lambda t, p, s: torch.cat([t, p], 2) if s == "crossvit" else p, "raised RuntimeError"),
        (lambda t, p, s: (t, p) if s == "crossvit" else p, "a torch tensor is wanted: got a tuple"),
        (lambda t, p, s: torch.cat([t, p.flip(1)], 1) if s == "crossvit" else p, "wrong places"),
        (lambda t, p, s: torch.cat([t, p, t], 1) if s == "crossvit" else p, "shape should be"),
        (lambda t, p, s: torch.cat([t * 0, p], 1) if s == "crossvit" else p, "values are wrong"),
    ],
)
def test_wrong_contexts_are_told_what_they_did(wrong, says):
    rejected("4.3", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda n, d, q: ((1 + n) ** 2 if q == "all" else n) * d, "one of the two products"),
        (lambda n, d, q: 2 * (n * n if q == "all" else n) * d, "1 + `tokens` of each"),
        (lambda n, d, q: 2 * (n + 1) * ((n + 1) if q == "all" else 1) * d, "is not inserted"),
        (lambda n, d, q: 2 * (n + 1) * (n + 1) * d, "the cost when all tokens ask"),
        (lambda n, d, q: 2 * n * d, "the square of their number counts"),
        (lambda n, d, q: 4 * ((1 + n) ** 2 if q == "all" else n) * d, "both directions"),
        (lambda n, d, q: 2 * ((1 + n) ** 2 if q == "all" else n) * d * d, "the width counts once"),
        # from here on nobody has told the exercise
        (lambda n, d, q: 2.0 * ((1 + n) ** 2 if q == "all" else n) * d, "a whole number is wanted"),
        (lambda n, d, q: 24 * ((1 + n) ** 2 if q == "all" else n) * d, "is wanted: got"),
        (lambda n, d, q: 2 * ((1 + n) ** 2 if q == "all" else n), "is wanted: got"),
        (lambda n, d, q: (1 + n) ** 2 + d if q == "all" else n + d, "is wanted: got"),
        (lambda n, d, q: 2 * (1 + n**2) * d if q == "all" else 2 * n * d, "is wanted: got"),
        (lambda n, d, q: 8 * ((1 + n) ** 2 if q == "all" else n) * 384, "is wanted: got"),
    ],
)
def test_wrong_costs_are_told_what_they_did(wrong, says):
    rejected("4.4", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
