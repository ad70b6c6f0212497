"""Exercises 4.1 to 4.4: fusion, how one branch uses the other.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3.
"""

import torch
from torch import Generator, Tensor

from csgcourse.chapter_03 import wrong_maps
from csgcourse.exercise import Arguments, Exercise, Wrong, normal, sizes


def switched(query_other: Tensor, key_other: Tensor, value_own: Tensor) -> Tensor:
    """The other branch's map, applied to one's own values.

    Queries and keys make a map; the map weights values. Which of the three inputs make the map?

    1. Scores: query_other @ key_other.mT, shape (b, h, 1, j).
    2. Divide by the root of a head's width, query_other.shape[-1] ** 0.5.
    3. Softmax over the keys, the last axis.
    4. Weight the values: map @ value_own.

    Switching moves a map and no content: the map is the other branch's, the values are one's own.
    It fits because both branches have the same t n patches.
    """
    scores = query_other @ key_other.mT / query_other.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ value_own


def crossed(query_own: Tensor, key_other: Tensor, value_other: Tensor) -> Tensor:
    """One's own query; keys and values of the other branch.

    It is plain attention; only where the three come from is new. Which branch gives the query,
    which the keys and the values?

    1. Scores: query_own @ key_other.mT, divided by query_own.shape[-1] ** 0.5.
    2. Softmax over the keys, the last axis.
    3. Weight the values: map @ value_other.

    The formula of 4.1 and of 4.2 is the same. Where query, key and value come from is all that
    tells switched and cross attention apart; csglib is written so too.
    """
    scores = query_own @ key_other.mT / query_own.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ value_other


def context(token_own: Tensor, patches_other: Tensor, scheme: str) -> Tensor:
    """The tokens that give keys and values.

    In one of the two schemes the class token that gives the query gives no key. Read in section 2
    what happens to "this CLS token".

    1. scheme "crossvit": the own token first, then the other branch's patches:
       torch.cat([token_own, patches_other], dim=1).
    2. scheme "paper": the patches as they are.

    Left out, the token cannot attend to itself: keys and values never depend on the query's
    branch. The paper expects less overfitting of it.
    """
    if scheme == "crossvit":
        return torch.cat([token_own, patches_other], dim=1)
    return patches_other


def fusion_cost(tokens: int, width: int, query: str) -> int:
    """Multiplications of both products, with all tokens as queries or the class token alone.

    A product of (i, e) and (e, j) takes i e j multiplications. How many queries are there in each
    of the two ways, and how many keys?

    1. Scores: queries * keys * width; weighting the values costs the same: twice that.
    2. query "all": 1 + tokens queries, and as many keys.
    3. query "class": one query, and tokens keys (it is not inserted).

    For the paper's clip of 8 x 256 patches a single query is some 2,050 times cheaper than all of
    them: the cost grows linearly with the number of tokens.
    """
    if query == "all":
        return 2 * (1 + tokens) ** 2 * width
    return 2 * tokens * width


def _heads(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for double in (False, True):
        b, h, j, e = sizes(generator, 4)
        shapes = ((b, h, 1, e), (b, h, j, e), (b, h, j, e))
        query, key, value = (normal(generator, *shape, double=double) for shape in shapes)
        cases.append((2 * query, 2 * key, value))  # large enough for a missing scale to show
    narrow = tuple(normal(generator, 1, 1, j, 1) for j in (1, 7, 7))
    return [*cases, narrow, tuple(normal(generator, 2, 3, 1, 5) for _ in range(3))]  # one patch


def _tokens(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for double in (False, True):
        b, j, d = sizes(generator, 3)
        token, patches = (normal(generator, b, s, d, double=double) for s in (1, j))
        cases += [(token, patches, "paper"), (token, patches, "crossvit")]
    token, patch = (normal(generator, 1, 1, 3) for _ in range(2))
    return [*cases, (token, patch, "crossvit"), (token, patch, "paper")]


def _lengths(generator: Generator) -> list[Arguments]:
    drawn = tuple(sizes(generator, 2))
    tried = (drawn, (8 * 256, 384), (1, 3))  # the second is the paper's; the third is one patch
    return [(tokens, width, query) for tokens, width in tried for query in ("all", "class")]


def _attention_mistakes(query: Tensor, key: Tensor, value: Tensor) -> dict[str, Tensor]:
    right = (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)
    maps = wrong_maps(query, key)
    one_query = ("number of queries", "and a softmax over the queries", "whole map")
    same = [words for words in maps if any(part in words for part in one_query)]
    joined = [torch.cat([query, one], dim=2) for one in (key, value)]
    return {
        "the own token is among keys and values, as in CrossViT, not the paper": crossed(
            query, *joined
        ),
        "this is the attention map; it still has to weight the values: `map @ value`": right,
        "this is the plain mean of the values: the map is not used": value.mean(2, keepdim=True),
        "the query is added: the residual connection comes later": query + right @ value,
        **{words: wrong @ value for words, wrong in maps.items() if words not in same},
    }


def _context_mistakes(token: Tensor, patches: Tensor, scheme: str) -> Wrong:
    crossvit = scheme == "crossvit"
    whole = context(token, patches, scheme)
    first = "the first patch is missing: `patches_other` holds patches only, no class token"
    wrong = {
        "the own token is last; the class token comes first": whole.roll(-1, dims=1),
        "the other branch's first token was inserted": torch.cat([patches[:, :1], patches], dim=1),
        first: torch.cat([token, patches[:, 1:]], dim=1),
        "the own token was added to each patch; use `torch.cat`": token + patches,
        "the own token is alone; the patches of the other branch follow it": token,
    }
    both = torch.cat([token, patches[:, 1:]], dim=1) if crossvit else patches[:, 1:]
    named: Wrong = {words: value if crossvit else patches for words, value in wrong.items()}
    return named | {f"{first}, in either scheme": both}


def _cost_mistakes(tokens: int, width: int, query: str) -> Wrong:
    everyone = query == "all"
    pairs = (1 + tokens) ** 2 if everyone else tokens
    counts = {
        'with "all" the class token counts too: 1 + `tokens` queries and keys': (
            tokens**2 if everyone else tokens
        ),
        'with "class" the class token is not among the keys (not inserted): `tokens` keys': (
            pairs if everyone else 1 + tokens
        ),
        'the keys are exchanged: 1 + `tokens` with "all", `tokens` with "class"': (
            (1 + tokens) * (tokens if everyone else 1)
        ),
        'with "all" there are 1 + `tokens` keys, the class token among them': (
            (1 + tokens) * tokens if everyone else tokens
        ),
    }
    return {
        "this is one product; there are two, scores and weighted values": pairs * width,
        "this is twice too much: one direction of the fusion is wanted": 4 * pairs * width,
        **{words: 2 * count * width for words, count in counts.items()},
    }


EXERCISES = (
    Exercise("4.1", switched, _heads, axes="b h 1 e", mistakes=_attention_mistakes),
    Exercise("4.2", crossed, _heads, axes="b h 1 e", mistakes=_attention_mistakes),
    Exercise("4.3", context, _tokens, axes="b tokens d", mistakes=_context_mistakes),
    Exercise("4.4", fusion_cost, _lengths, mistakes=_cost_mistakes),
)
