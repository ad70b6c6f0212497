"""Exercises 3.1 to 3.4: attention, its heads, what it costs along each axis, and the block.

Source: section 2, "Intra-dimension ST Learning Module"; Fig. 2(c); Vaswani et al. 2017, equation 1.
"""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch import Tensor

from csgcourse.exercise import Exercise, inputs
from csglib.model.intra import IntraDimension
from csglib.model.tokens import VideoTokens


def attention_map(query: Tensor, key: Tensor) -> Tensor:
    """Softmax over the keys of the scaled products."""
    e = query.shape[-1]
    scores = query @ key.mT / e**0.5
    return scores.softmax(dim=-1)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Each head gets an equal part of every token's numbers."""
    clips, length, width = tokens.shape
    return tokens.reshape(clips, length, heads, width // heads).transpose(1, 2)


def attention_cost(frames: int, patches: int, width: int, kind: str) -> int:
    """Multiplications of both matrix products: scores, and weighted values."""
    sequences, length = {
        "joint": (1, 1 + frames * patches),
        "space": (frames, 1 + patches),
        "time": (patches, 1 + frames),
    }[kind]
    return 2 * sequences * length**2 * width


def intra_forward(
    block: IntraDimension, cls: Tensor, patches: Tensor, axis: str
) -> tuple[Tensor, Tensor]:
    """Self-attention along the axis, then the FFN, both residual."""
    clips, frames, count, _ = patches.shape
    lines, copies = ("(b t) n d", frames) if axis == "space" else ("(b n) t d", count)
    first = repeat(block.norm(cls), "b 1 d -> (b g) 1 d", g=copies)
    others = rearrange(block.norm(patches), f"b t n d -> {lines}")
    projected = block.qkv(torch.cat([first, others], dim=1))
    queries, keys, values = rearrange(projected, "g s (k h e) -> k g h s e", k=3, h=block.heads)
    mixed = F.scaled_dot_product_attention(queries, keys, values)
    mixed = block.proj(rearrange(mixed, "g h s e -> g s (h e)"))
    token = cls + reduce(mixed[:, :1], "(b g) 1 d -> b 1 d", "mean", g=copies)
    sizes = {"b": clips, "t": frames, "n": count}
    grid = patches + rearrange(mixed[:, 1:], f"{lines} -> b t n d", **sizes)
    return token + block.ffn(token), grid + block.ffn(grid)


_QUERY_KEY = inputs(
    lambda b, h, i, j, e: ((b, h, i, e), (b, h, j, e)),
    *({}, {}, {"i": 7, "j": 7}, {"i": 1}, {"j": 1}, {"e": 1}),
)
_WIDE = inputs(lambda b, s, h, e: ((b, s, h * e), h), {}, {}, {"e": 1}, {"h": 1}, {"s": 1})
_CLIPS = [
    (*sizes, kind)
    for sizes in ((5, 3, 11), (8, 256, 384), (1, 7, 5), (5, 1, 3))  # the second is the paper's
    for kind in ("joint", "space", "time")
]
_BLOCKS = inputs(
    lambda b, t, n, h, e, axis: (
        IntraDimension(h * e, h, 7, axis),
        (b, 1, h * e),
        (b, t, n, h * e),
        axis,
    ),
    *({"axis": "space"}, {"axis": "time"}, {"axis": "time", "t": 1}, {"axis": "space", "n": 1}),
)


def _late_mean(block: Any, cls: Tensor, patches: Tensor, axis: str) -> tuple[Tensor, Tensor]:
    sequences = patches.split(1, dim=1 if axis == "space" else 2)
    tokens = [intra_forward(block, cls, one, axis)[0] for one in sequences]
    return sum(tokens[1:], tokens[0]) / len(tokens), intra_forward(block, cls, patches, axis)[1]


# fmt: off
MAP_MISTAKES = {  # of chapter 4 too
    "the division by sqrt(e) is missing: scores grow with the width of a head": (" / e**0.5", ""),
    "you divided by e; divide by its square root, sqrt(e)": ("e**0.5", "e"),
    "the scores are divided by 2*e: `e ** 1/2` is (e ** 1) / 2; write `e ** 0.5`":
        ("e**0.5", "e**1 / 2"),
    "you divided by sqrt(h*e); a head multiplies e numbers": (".shape[-1]", "[0, :, 0].numel()"),
    "you divided by the square root of the number of keys; sqrt(e) is wanted":
        (".softmax", ".mul((e / scores.shape[-1]) ** 0.5).softmax"),
    "the softmax went over the queries; over the keys is wanted, dim=-1": ("dim=-1", "dim=-2"),
    "the softmax went over the heads; over the keys is wanted, dim=-1": ("dim=-1", "dim=1"),
    "you divided after the softmax; divide the scores":
        (" / e**0.5", "", "scores.softmax(dim=-1)", "(scores.softmax(dim=-1) / e**0.5)"),
    "the softmax is missing: these are the scaled scores": (".softmax(dim=-1)", ""),
}
_HEADS_MISTAKES = {
    "each head got every heads-th number: d is (heads, d/heads)":
        ("heads, width // heads).transpose(1, 2)", "width // heads, heads).permute(0, 3, 1, 2)"),
    "the number of heads and their width are exchanged":
        ("heads, width // heads", "width // heads, heads"),
    "every head got the whole token": lambda tokens, heads: torch.stack([tokens] * heads, dim=1),
}
_COST_MISTAKES = {
    "the class token of each sequence is missing": ("1 + ", ""),
    "this is one product; there are two, scores and weighted values": ("return 2", "return 1"),
    "this is one sequence; space has `frames`, time has `patches`": (" * sequences", ""),
    "`patches` is n, the number in a frame, not on a side":
        lambda frames, patches, *given: attention_cost(frames, patches**2, *given),
    "the projections are counted too; the two products alone are wanted":
        ("length**2", "(length**2 + 2 * length * width)"),
    "the clip has one class token, not one a frame":
        ("1 + frames * patches", "frames * (1 + patches)"),
}
BLOCK_MISTAKES = {  # of attention and an FFN; chapter 4 has them too
    "the FFN is missing: this is what attention leaves":
        (" + block.ffn(token)", "", " + block.ffn(grid)", ""),
    "the FFN updates the class token too": (" + block.ffn(token)", ""),
    "attention is missing: this is the FFN alone": ("block.proj(", "0 * ("),
    "the residual connection around the FFN is missing":
        ("token + block", "block", "grid + block", "block"),
    "the class token's residual connection around the FFN is missing": ("token + block", "block"),
    "the FFN reads what attention has updated, not what came in":
        ("ffn(token)", "ffn(cls)", "ffn(grid)", "ffn(patches)"),
    "`block.norm` comes before the projections, and is missing": ("block.norm(", "("),
    "`block.norm` is applied twice": ("block.norm(", "(lambda x: block.norm(block.norm(x)))("),
    "`block.ffn` has a norm of its own: do without `block.norm` there":
        ("ffn(token)", "ffn(block.norm(token))", "ffn(grid)", "ffn(block.norm(grid))"),
    "`block.proj` is missing: it mixes what the heads found": ("block.proj(", "("),
    "the heads are not split: this is one head of the whole width": ("h=block.heads", "h=1"),
}
_INTRA_MISTAKES = {
    **BLOCK_MISTAKES,
    "the residual connection around attention is missing":
        ("token = cls + ", "token = ", "grid = patches + ", "grid = "),
    **{
        f"`qkv` gives queries, keys, values; you took {order}":
            ("queries, keys, values = ", f"{order} = ")
        for order in map(", ".join, [*permutations(("queries", "keys", "values"))][1:])
    },
    "you split by heads first; `qkv` gives all queries, then all keys, then all values":
        ("(k h e)", "(h k e)"),
    "the division by sqrt(e) is missing": ("(queries,", "(queries * queries.shape[-1] ** 0.5,"),
    "the heads are joined by `reshape` alone: bring (h, s) into the order (s, h) first":
        ('rearrange(mixed, "g h s e -> g s (h e)")', "mixed.reshape(*projected.shape[:2], -1)"),
    "the patches are right; the class token attends and is updated too": ("cls + ", "cls + 0 * "),
    "one copy of the class token is kept; the mean of all is wanted":
        ("mixed[:, :1]", "mixed[::copies, :1].repeat_interleave(copies, dim=0)"),
    "the patches are right; the mean of the class token's copies comes too late: unfold what "
    "`proj` returns, add that, then run the FFN once": _late_mean,
}
# fmt: on


def whole(result: object) -> object:
    """`2.0 * ...` is as right as `2 * ...`; chapters 1 and 4 use it too."""
    return int(result) if isinstance(result, float) and result.is_integer() else result


def _in_network(function: Callable[..., Any], block: Any, tokens: VideoTokens) -> VideoTokens:
    return VideoTokens(*function(block, tokens.cls, tokens.patches, block.axis))


_PART = IntraDimension, _in_network
EXERCISES = (
    Exercise("3.1", attention_map, _QUERY_KEY, "b h i j", MAP_MISTAKES, learns=True),
    Exercise("3.2", split_heads, _WIDE, "b heads s d/heads", _HEADS_MISTAKES, learns=True),
    Exercise("3.3", attention_cost, lambda _: _CLIPS, mistakes=_COST_MISTAKES, read=whole),
    Exercise("3.4", intra_forward, _BLOCKS, "b 1 d; b t n d", _INTRA_MISTAKES, part=_PART),
)
