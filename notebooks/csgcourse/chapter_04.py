"""Exercises 4.1 to 4.5: fusion, how one branch uses the other.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from csgcourse.chapter_03 import block_mistakes, whole, with_parts, wrong_maps
from csgcourse.exercise import Exercise, Wrong, inputs
from csglib.model.fusion import CrossAttention, InterDimension, SwitchedAttention
from csglib.model.tokens import VideoTokens

Pair = tuple[Tensor, Tensor]  # class token (b, 1, d) and patches (b, t, n, d)


def switched(query_other: Tensor, key_other: Tensor, value_own: Tensor) -> Tensor:
    """The other branch's map, applied to one's own values."""
    scores = query_other @ key_other.mT / query_other.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ value_own


def crossed(query_own: Tensor, key_other: Tensor, value_other: Tensor) -> Tensor:
    """One's own query; keys and values of the other branch."""
    scores = query_own @ key_other.mT / query_own.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ value_other


def context(token_own: Tensor, patches_other: Tensor, scheme: str) -> Tensor:
    """The tokens that give keys and values."""
    if scheme == "crossvit":
        return torch.cat([token_own, patches_other], dim=1)
    return patches_other


def fusion_cost(tokens: int, width: int, query: str) -> int:
    """Multiplications of both products, with all tokens as queries or the class token alone."""
    if query == "all":
        return 2 * (1 + tokens) ** 2 * width
    return 2 * tokens * width


def fusion_forward(block: InterDimension, target: Pair, complement: Pair, scheme: str) -> Pair:
    """Attention updates the class token, the FFN all tokens, both residual."""
    own, other = (patches.flatten(1, 2) for _, patches in (target, complement))
    if scheme == "switched":
        return _fused(block, target, complement[0], other, own)
    return _fused(block, target, target[0], other, other)


def _fused(block: InterDimension, target: Pair, query: Tensor, key: Tensor, value: Tensor) -> Pair:
    """The target's pair, updated by one query over keys and values, all given as tokens."""
    projected = (block.q(block.norm(query)), block.k(block.norm(key)), block.v(block.norm(value)))
    heads = (rearrange(part, "b s (h e) -> b h s e", h=block.heads) for part in projected)
    mixed = rearrange(F.scaled_dot_product_attention(*heads), "b h 1 e -> b 1 (h e)")
    cls, patches = target[0] + block.proj(mixed), target[1]
    return cls + block.ffn(cls), patches + block.ffn(patches)


_HEADS = inputs(
    lambda b, h, j, e: ((b, h, 1, e), (b, h, j, e), (b, h, j, e)), {}, {}, {"e": 1}, {"j": 1}
)
_TOKENS = inputs(
    lambda b, j, d, scheme: ((b, 1, d), (b, j, d), scheme),
    *({"scheme": scheme} | edge for edge in ({}, {"j": 1}) for scheme in ("paper", "crossvit")),
)
_LENGTHS = [  # the second is the paper's; the third is one patch
    (*sizes, query) for sizes in ((13, 7), (8 * 256, 384), (1, 3)) for query in ("all", "class")
]


def _attention_mistakes(query: Tensor, key: Tensor, value: Tensor) -> dict[str, Tensor]:
    right = (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)
    joined = [torch.cat([query, one], dim=2) for one in (key, value)]
    return {
        "the own token is among keys and values, as in CrossViT": crossed(query, *joined),
        "this is the attention map; it still has to weight the values: `map @ value`": right,
        "the query is added: the residual connection comes later": query + right @ value,
        "the values are added: the residual connection comes later": value + right @ value,
        **{words: wrong @ value for words, wrong in wrong_maps(query, key).items()},
    }


def _context_mistakes(token: Tensor, patches: Tensor, scheme: str) -> Wrong:
    inserted, cut = torch.cat([patches[:, :1], patches], dim=1), patches[:, 1:]
    wrong = {
        "the own token is last; the class token comes first": torch.cat([patches, token], dim=1),
        "the other branch's first token was inserted": inserted,
        "the first patch is missing: there is no class token in it": torch.cat([token, cut], dim=1),
        "the own token was added to each patch; use `torch.cat`": token + patches,
    }
    return {words: value if scheme == "crossvit" else patches for words, value in wrong.items()}


def _cost_mistakes(tokens: int, width: int, query: str) -> Wrong:
    right, everyone = fusion_cost(tokens, width, query), query == "all"
    return {
        "this is one product; there are two, scores and weighted values": right // 2,
        "this is twice too much: one direction of the fusion is wanted": right * 2,
        'with "all" the class token counts too': 2 * tokens**2 * width if everyone else right,
        'with "class" the class token is not among the keys: `tokens` keys': right
        if everyone
        else 2 * (1 + tokens) * width,
    }


_SCHEMES = {"cross": CrossAttention, "switched": SwitchedAttention}
_BLOCKS = inputs(
    lambda b, t, n, h, e, scheme: (
        _SCHEMES[scheme](h * e, h, 7),
        ((b, 1, h * e), (b, t, n, h * e)),
        ((b, 1, h * e), (b, t, n, h * e)),
        scheme,
    ),
    *({"scheme": scheme} | edge for edge in ({}, {"t": 1, "n": 1}) for scheme in _SCHEMES),
)


_WIRED = ("C P p", "c P P")  # query, keys and values of SWA and of CA, for `_fusion_mistakes`
_WIRED_WRONG = {  # c: the target's class token, p: its patches; C and P: the complement's
    "in switched attention the query is the complement's class token": ("c P p", "c P P"),
    "in switched attention the keys are the complement's patches": ("C p p", "c P P"),
    "in switched attention the values are the target's patches": ("C P P", "c P P"),
    "in switched attention the complement gives the map, the target the values": ("c p P", "c P P"),
    "in cross-attention the query is the target's class token": ("C P p", "C P P"),
    "the target's class token is among keys and values, as in CrossViT": ("C P p", "c cP cP"),
    "a class token is among keys and values; these are patches alone": ("C CP cp", "c CP CP"),
}


def _fusion_mistakes(block: Any, target: Pair, complement: Pair, scheme: str) -> Wrong:
    def fused(wired: str, normed: str = "qkv") -> Pair:
        parts = [torch.cat([tokens[one] for one in part], dim=1) for part in wired.split()]
        parts = [block.norm(x) if q in normed else x for q, x in zip("qkv", parts, strict=True)]
        return _fused(with_parts(block, norm=nn.Identity()), target, *parts)

    (cls, own), (asked, other) = ((z, x.flatten(1, 2)) for z, x in (target, complement))
    forward = partial(fusion_forward, target=target, complement=complement, scheme=scheme)
    tokens, place = {"c": cls, "p": own, "C": asked, "P": other}, int(scheme == "cross")
    (right, after), patches = forward(block), complement[1]
    mixed = forward(with_parts(block, ffn=torch.zeros_like))[0] - cls
    sums = {
        "the residual connection around attention is missing": mixed,
        "add to the target's class token, not to the complement's": mixed + tokens["Cc"[place]],
        "add to the class token as it came, not to the normed one": mixed + block.norm(cls),
    }
    return {
        **block_mistakes(forward, block, target),
        **{words: (one + block.ffn(one), after) for words, one in sums.items()},
        **{words: fused(wired[place]) for words, wired in _WIRED_WRONG.items()},
        "`block.norm` is for keys and values too": fused(_WIRED[place], normed="q"),
        "`block.norm` is for the keys too": fused(_WIRED[place], normed="qv"),
        "the FFN updates the patches too": (right, target[1]),
        "these are the complement's patches": (right, patches + block.ffn(patches)),
    }


def _in_network(
    function: Callable[..., Any], block: Any, target: VideoTokens, complement: VideoTokens
) -> VideoTokens:
    pairs = ((branch.cls, branch.patches) for branch in (target, complement))
    scheme = "switched" if isinstance(block, SwitchedAttention) else "cross"
    return VideoTokens(*function(block, *pairs, scheme))


_PART = InterDimension, _in_network
EXERCISES = (
    Exercise("4.1", switched, _HEADS, "b h 1 e", _attention_mistakes, learns=True),
    Exercise("4.2", crossed, _HEADS, "b h 1 e", _attention_mistakes, learns=True),
    Exercise("4.3", context, _TOKENS, "b tokens d", _context_mistakes, learns=True),
    Exercise("4.4", fusion_cost, lambda _: _LENGTHS, mistakes=_cost_mistakes, read=whole),
    Exercise("4.5", fusion_forward, _BLOCKS, "b 1 d; b t n d", _fusion_mistakes, part=_PART),
)
