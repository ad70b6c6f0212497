"""Exercises 4.1 to 4.5: fusion, how one branch uses the other.

Source: section 2, "Inter-dimension ST Fusion Module"; Fig. 3.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from csgcourse.chapter_03 import BLOCK_MISTAKES, MAP_MISTAKES, attention_map, whole
from csgcourse.exercise import Exercise, inputs
from csglib.model.fusion import CrossAttention, InterDimension, SwitchedAttention
from csglib.model.tokens import VideoTokens

Pair = tuple[Tensor, Tensor]  # class token (b, 1, d) and patches (b, t, n, d)


def switched(query_other: Tensor, key_other: Tensor, value_own: Tensor) -> Tensor:
    """The other branch's map, applied to one's own values."""
    e = query_other.shape[-1]
    scores = query_other @ key_other.mT / e**0.5
    return scores.softmax(dim=-1) @ value_own


def crossed(query_own: Tensor, key_other: Tensor, value_other: Tensor) -> Tensor:
    """One's own query; keys and values of the other branch."""
    e = query_own.shape[-1]
    scores = query_own @ key_other.mT / e**0.5
    return scores.softmax(dim=-1) @ value_other


def context(token_own: Tensor, patches_other: Tensor, scheme: str) -> Tensor:
    """The tokens that give keys and values."""
    return torch.cat([token_own, patches_other], dim=1) if scheme == "crossvit" else patches_other


def fusion_cost(tokens: int, width: int, query: str) -> int:
    """Multiplications of both products, with all tokens as queries or the class token alone."""
    return 2 * width * ((1 + tokens) ** 2 if query == "all" else tokens)


def fusion_forward(block: InterDimension, target: Pair, complement: Pair, scheme: str) -> Pair:
    """Attention updates the class token, the FFN all tokens, both residual."""
    cls, patches = target
    own, other = (grid.flatten(1, 2) for _, grid in (target, complement))
    query, key, value = (complement[0], other, own) if scheme == "switched" else (cls, other, other)
    projected = (block.q(block.norm(query)), block.k(block.norm(key)), block.v(block.norm(value)))
    heads = (rearrange(part, "b s (h e) -> b h s e", h=block.heads) for part in projected)
    mixed = rearrange(F.scaled_dot_product_attention(*heads), "b h 1 e -> b 1 (h e)")
    token, grid = cls + block.proj(mixed), patches
    return token + block.ffn(token), grid + block.ffn(grid)


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
_SCHEMES = {"cross": CrossAttention, "switched": SwitchedAttention}
_BLOCKS = inputs(
    lambda b, t, n, h, e, scheme: (
        _SCHEMES[scheme](h * e, h, 7),
        *[((b, 1, h * e), (b, t, n, h * e))] * 2,
        scheme,
    ),
    *({"scheme": scheme} | edge for edge in ({}, {"t": 1, "n": 1}) for scheme in _SCHEMES),
)

# fmt: off
_ATTENTION_MISTAKES = {
    "the own token is among keys and values, as in CrossViT": lambda query, key, value:
        crossed(query, *(torch.cat([query, one], dim=2) for one in (key, value))),
    "this is the attention map; it still has to weight the values: `map @ value`":
        lambda query, key, _: attention_map(query, key),
    "the query is added: the residual connection comes later":
        lambda query, key, value: query + crossed(query, key, value),
    "the values are added: the residual connection comes later":
        lambda query, key, value: value + crossed(query, key, value),
    **MAP_MISTAKES,
}
_CONTEXT_MISTAKES = {
    "the own token is last; the class token comes first":
        ("[token_own, patches_other]", "[patches_other, token_own]"),
    "the other branch's first token was inserted": ("[token_own", "[patches_other[:, :1]"),
    "the first patch is missing: there is no class token in it": ("_other]", "_other[:, 1:]]"),
    "the own token was added to each patch; use `torch.cat`":
        ("torch.cat([token_own, patches_other], dim=1)", "token_own + patches_other"),
}
_COST_MISTAKES = {
    "this is one product; there are two, scores and weighted values": ("return 2", "return 1"),
    "this is twice too much: one direction of the fusion is wanted": ("return 2", "return 4"),
    'with "all" the class token counts too': ("(1 + tokens)", "tokens"),
    'with "class" the class token is no key, so there are `tokens` keys':
        ("else tokens", "else 1 + tokens"),
}
_SWA, _CA = "(complement[0], other, own)", "(cls, other, other)"
_FUSION_MISTAKES = {
    **BLOCK_MISTAKES,
    "the residual connection around attention is missing": ("cls + ", ""),
    "add to the target's class token, not to the complement's": ("cls + ", "query + "),
    "add to the class token as it came, not to the normed one": ("cls + ", "block.norm(cls) + "),
    "SWA's query is the complement's class token": (_SWA, "(cls, other, own)"),
    "SWA's keys are the complement's patches": (_SWA, "(complement[0], own, own)"),
    "SWA's values are the target's patches": (_SWA, "(complement[0], other, other)"),
    "SWA's map is the complement's, its values the target's": (_SWA, "(cls, own, other)"),
    "CA's query is the target's class token": (_CA, "(complement[0], other, other)"),
    "CA's keys are the complement's patches": (_CA, "(cls, own, other)"),
    "CA's keys and values are the complement's patches": (_CA, "(cls, own, own)"),
    "CA's values are the complement's patches": (_CA, "(cls, other, own)"),
    "the keys are the complement's patches, in SWA and in CA":
        (_SWA, "(complement[0], own, own)", _CA, "(cls, own, other)"),
    "the target's class token is among keys and values, as in CrossViT":
        (_CA, "(cls, *[torch.cat([cls, other], dim=1)] * 2)"),
    "a class token is among keys and values; these are patches alone":
        ("grid.flatten(1, 2) for _", "torch.cat([z, grid.flatten(1, 2)], dim=1) for z"),
    "`block.norm` is for keys and values too":
        ("block.norm(key)", "key", "block.norm(value)", "value"),
    "`block.norm` is for the keys too": ("block.norm(key)", "key"),
    "the FFN updates the patches too": (" + block.ffn(grid)", ""),
    "these are the complement's patches": ("(mixed), patches", "(mixed), complement[1]"),
}
# fmt: on


def _in_network(
    function: Callable[..., Any], block: Any, target: VideoTokens, complement: VideoTokens
) -> VideoTokens:
    pairs = ((branch.cls, branch.patches) for branch in (target, complement))
    scheme = "switched" if isinstance(block, SwitchedAttention) else "cross"
    return VideoTokens(*function(block, *pairs, scheme))


_PART = InterDimension, _in_network
EXERCISES = (
    Exercise("4.1", switched, _HEADS, "b h 1 e", _ATTENTION_MISTAKES, learns=True),
    Exercise("4.2", crossed, _HEADS, "b h 1 e", _ATTENTION_MISTAKES, learns=True),
    Exercise("4.3", context, _TOKENS, "b tokens d", _CONTEXT_MISTAKES, learns=True),
    Exercise("4.4", fusion_cost, lambda _: _LENGTHS, mistakes=_COST_MISTAKES, read=whole),
    Exercise("4.5", fusion_forward, _BLOCKS, "b 1 d; b t n d", _FUSION_MISTAKES, part=_PART),
)
