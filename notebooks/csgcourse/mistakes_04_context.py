"""Wrong answers to exercises 4.3 and 4.4, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from torch import Tensor

from csgcourse.exercise import Mistake


def _inserted(token: Tensor, patches: Tensor) -> Tensor:
    return torch.cat([token, patches], dim=1)


CONTEXT = (
    Mistake(
        lambda token, patches, scheme: _inserted(token, patches),
        "you inserted the own token in the paper's scheme too. The paper leaves it out: what is "
        "asked must not depend on who asks. Only CrossViT inserts it.",
    ),
    Mistake(
        lambda token, patches, scheme: patches,
        'in scheme "crossvit" the own token is missing: it goes before the patches, and so can '
        "look at itself.",
    ),
    Mistake(
        lambda token, patches, scheme: (
            patches if scheme == "crossvit" else _inserted(token, patches)
        ),
        "the two schemes are exchanged: CrossViT inserts the own token, the paper does not.",
    ),
    Mistake(
        lambda token, patches, scheme: (
            torch.cat([patches, token], dim=1) if scheme == "crossvit" else patches
        ),
        "the own token stands last; in CrossViT the class token stands first, as everywhere else.",
    ),
    Mistake(
        lambda token, patches, scheme: (
            _inserted(patches[:, :1], patches) if scheme == "crossvit" else patches
        ),
        "the other branch's first token was inserted; CrossViT inserts the token that asks, "
        "`token_own`.",
    ),
    Mistake(
        lambda token, patches, scheme: (
            _inserted(token, patches[:, 1:]) if scheme == "crossvit" else patches
        ),
        "the own token took the place of the first patch. `patches_other` holds patches only: "
        "none of them has to go.",
    ),
    Mistake(
        lambda token, patches, scheme: (
            _inserted(token, patches[:, 1:]) if scheme == "crossvit" else patches[:, 1:]
        ),
        "the first patch was dropped as if it were a class token. `patches_other` holds patches "
        "only: none of them has to go.",
    ),
    Mistake(
        lambda token, patches, scheme: token + patches if scheme == "crossvit" else patches,
        "the own token was added to each patch; it becomes one more token, before the patches: "
        "`torch.cat(..., dim=1)`.",
    ),
    Mistake(
        lambda token, patches, scheme: token if scheme == "crossvit" else patches,
        'in scheme "crossvit" the own token is alone now; the patches of the other branch follow '
        "it.",
    ),
)

COST = (
    Mistake(
        lambda tokens, width, query: ((1 + tokens) ** 2 if query == "all" else tokens) * width,
        "you counted one of the two products; there are the scores, and then the mixing with as "
        "many multiplications again.",
    ),
    Mistake(
        lambda tokens, width, query: 2 * (tokens**2 if query == "all" else tokens) * width,
        'with query "all" the class token is one of the tokens that ask and are asked: '
        "1 + `tokens` of each.",
    ),
    Mistake(
        lambda tokens, width, query: (
            2 * (1 + tokens) * (1 + tokens if query == "all" else 1) * width
        ),
        'with query "class" you counted the class token among the keys. In the paper\'s scheme it '
        "is not inserted: `tokens` keys.",
    ),
    Mistake(
        lambda tokens, width, query: 2 * (1 + tokens) * (tokens if query == "all" else 1) * width,
        'with query "all" each of 1 + `tokens` queries meets 1 + `tokens` keys, and with "class" '
        "one query meets `tokens` keys: you have the two numbers of keys exchanged.",
    ),
    Mistake(
        lambda tokens, width, query: (
            2 * ((1 + tokens) * tokens if query == "all" else tokens) * width
        ),
        'with query "all" the class token is asked too: 1 + `tokens` keys for 1 + `tokens` '
        "queries.",
    ),
    Mistake(
        lambda tokens, width, query: 2 * (1 + tokens) ** 2 * width,
        "this is the cost when all tokens ask; with the class token alone there is one query.",
    ),
    Mistake(
        lambda tokens, width, query: 2 * tokens * width,
        'this is the cost of one question; with query "all" every token asks every token, so the '
        "square of their number counts.",
    ),
    Mistake(
        lambda tokens, width, query: (
            2 * tokens * width if query == "all" else 2 * (1 + tokens) ** 2 * width
        ),
        '"all" and "class" are exchanged: one query is the cheap way.',
    ),
    Mistake(
        lambda tokens, width, query: 4 * ((1 + tokens) ** 2 if query == "all" else tokens) * width,
        "this is twice too much: both directions of the fusion, perhaps. One direction is asked "
        "for, with its two products.",
    ),
    Mistake(
        lambda tokens, width, query: (
            2 * ((1 + tokens) ** 2 if query == "all" else tokens) * width**2
        ),
        "the width counts once in each product: a score is a sum of `width` products.",
    ),
)
