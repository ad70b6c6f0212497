"""Exercises 4.1 to 4.4: how one branch learns from the other.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3.
"""

import torch
from torch import Generator, Tensor

from csgcourse import mistakes_04_attention, mistakes_04_context
from csgcourse.exercise import Arguments, Exercise
from csgcourse.inputs import normal, sizes

_LOUD = 2.0  # products so large that a missing scale shows, and so small that exp() stays finite


def switched(query_other: Tensor, key_other: Tensor, value_own: Tensor) -> Tensor:
    """Lay the other branch's map over one's own values."""
    scores = query_other @ key_other.mT / query_other.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ value_own


def crossed(query_own: Tensor, key_other: Tensor, value_other: Tensor) -> Tensor:
    """Put one's own question to the other branch, and take what it answers."""
    scores = query_own @ key_other.mT / query_own.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ value_other


def context(token_own: Tensor, patches_other: Tensor, scheme: str) -> Tensor:
    """The tokens that are asked."""
    if scheme == "crossvit":
        return torch.cat([token_own, patches_other], dim=1)
    return patches_other


def fusion_cost(tokens: int, width: int, query: str) -> int:
    """Multiplications of scores and mixing, when all tokens ask or the class token alone."""
    if query == "all":
        return 2 * (1 + tokens) ** 2 * width
    return 2 * tokens * width


def _questions(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for dtype in (torch.float32, torch.float64):
        b, h, j, e = sizes(generator, 4)
        shapes = ((b, h, 1, e), (b, h, j, e), (b, h, j, e))
        query, key, value = (normal(generator, *shape, dtype=dtype) for shape in shapes)
        cases.append((_LOUD * query, _LOUD * key, value))
    query, key, value = (normal(generator, 2, 3, j, 5) for j in (1, 1, 1))
    return [
        *cases,
        tuple(normal(generator, 1, 1, j, 1) for j in (1, 7, 7)),
        (query, key, value),  # one patch: whatever is asked, it answers alone
    ]


def _tokens(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for dtype in (torch.float32, torch.float64):
        b, j, d = sizes(generator, 3)
        token, patches = (normal(generator, b, s, d, dtype=dtype) for s in (1, j))
        cases += [(token, patches, "paper"), (token, patches, "crossvit")]
    token, patch = (normal(generator, 1, 1, 3) for _ in range(2))
    return [*cases, (token, patch, "crossvit"), (token, patch, "paper")]


def _lengths(generator: Generator) -> list[Arguments]:
    tokens, width = sizes(generator, 2)
    cases: list[Arguments] = [(tokens, width, "all"), (tokens, width, "class")]
    for tokens, width in ((8 * 256, 384), (1, 3)):  # the paper's clip; one patch
        cases += [(tokens, width, "class"), (tokens, width, "all")]
    return cases


SWITCHED = Exercise(
    number="4.1",
    reference=switched,
    cases=_questions,
    mistakes=mistakes_04_attention.SWITCHED,
    nudge="A map says who looks where; values say what is seen there. Which of the three inputs "
    "make the map, and which is seen through it?",
    plan="1. Scores: query_other @ key_other.mT, shape (b, h, 1, j).\n"
    "2. Divide by the root of a head's width, query_other.shape[-1] ** 0.5.\n"
    "3. Softmax over the keys, the last axis.\n4. Mix: map @ value_own.",
    insight="Switching moves a map and no content: the other branch says where to look, and what "
    "is seen there is one's own. It fits because both maps lie over the same t n patches.",
)

CROSSED = Exercise(
    number="4.2",
    reference=crossed,
    cases=_questions,
    mistakes=mistakes_04_attention.CROSSED,
    nudge="It is plain attention; only where the three come from is new. Who asks, and who owns "
    "both what is compared and what is handed over?",
    plan="1. Scores: query_own @ key_other.mT, divided by query_own.shape[-1] ** 0.5.\n"
    "2. Softmax over the keys, the last axis.\n3. Mix: map @ value_other.",
    insight="The formula of 4.1 and of 4.2 is one and the same. Where queries, keys and values "
    "come from is all that tells switched and cross attention apart; csglib writes it so too.",
)

CONTEXT = Exercise(
    number="4.3",
    reference=context,
    cases=_tokens,
    mistakes=mistakes_04_context.CONTEXT,
    nudge="In one of the two schemes the asking token is not among those who are asked. Read in "
    'section 2 what happens to "this CLS token".',
    plan='1. scheme "crossvit": the own token first, then the other branch\'s patches:\n'
    '   torch.cat([token_own, patches_other], dim=1).\n2. scheme "paper": the patches as they are.',
    insight="Left out, the token cannot answer itself: keys and values never depend on who asks. "
    "The paper fears that such a dependency leads to overfitting.",
)

COST = Exercise(
    number="4.4",
    reference=fusion_cost,
    cases=_lengths,
    mistakes=mistakes_04_context.COST,
    nudge="A product of (i, e) and (e, j) takes i e j multiplications. How many queries are there "
    "in each of the two ways, and how many keys?",
    plan="1. Scores: queries * keys * width. Mixing: as many again. So twice that.\n"
    '2. query "all": 1 + tokens queries, and as many keys.\n'
    '3. query "class": one query, and tokens keys (it is not inserted).',
    insight="For the paper's clip of 8 x 256 patches one question is some 2,050 times cheaper than "
    "all of them: the cost grows with the number of tokens and not with its square.",
)

EXERCISES = (SWITCHED, CROSSED, CONTEXT, COST)
