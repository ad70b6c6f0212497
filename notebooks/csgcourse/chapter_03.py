"""Exercises 3.1 to 3.4: attention, its heads, what it costs along each axis, and the block.

Source: section 2, "Intra-dimension ST Learning Module"; Fig. 2(c); Vaswani et al. 2017, equation 1.
"""

from collections.abc import Callable
from copy import deepcopy
from itertools import permutations
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch import Tensor, nn

from csgcourse.exercise import Exercise, Wrong, inputs
from csglib.model.intra import IntraDimension
from csglib.model.tokens import VideoTokens


def attention_map(query: Tensor, key: Tensor) -> Tensor:
    """Softmax over the keys of the scaled products."""
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
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
    heads = repeat(block.norm(cls), "b 1 d -> (b g) 1 d", g=copies)
    others = rearrange(block.norm(patches), f"b t n d -> {lines}")
    projected = block.qkv(torch.cat([heads, others], dim=1))
    query, key, value = rearrange(projected, "g s (k h e) -> k g h s e", k=3, h=block.heads)
    mixed = F.scaled_dot_product_attention(query, key, value)
    mixed = block.proj(rearrange(mixed, "g h s e -> g s (h e)"))
    cls = cls + reduce(mixed[:, :1], "(b g) 1 d -> b 1 d", "mean", g=copies)
    sizes = {"b": clips, "t": frames, "n": count}
    patches = patches + rearrange(mixed[:, 1:], f"{lines} -> b t n d", **sizes)
    return cls + block.ffn(cls), patches + block.ffn(patches)


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


def wrong_maps(query: Tensor, key: Tensor) -> dict[str, Tensor]:
    """Attention maps with common mistakes, by what is wrong; chapter 4 uses them too."""
    products, e = query @ key.mT, query.shape[-1]
    scores = products / e**0.5
    scales = {
        "the division by sqrt(e) is missing: scores grow with the width of a head": 1.0,
        "you divided by e; divide by its square root, sqrt(e)": e,
        "the scores are divided by 2*e: `e ** 1/2` is (e ** 1) / 2; write `e ** 0.5`": 2 * e,
        "you divided by sqrt(h*e); a head multiplies e numbers": (query.shape[1] * e) ** 0.5,
    }
    return {
        **{words: (products / by).softmax(dim=-1) for words, by in scales.items()},
        "the softmax went over the queries; over the keys is wanted, dim=-1": scores.softmax(-2),
        "the softmax went over the heads; over the keys is wanted, dim=-1": scores.softmax(1),
        "you divided after the softmax; divide the scores": products.softmax(dim=-1) / e**0.5,
        "the softmax is missing: these are the scaled scores": scores,
    }


def _heads_mistakes(tokens: Tensor, heads: int) -> Wrong:
    other = tokens.unflatten(-1, (-1, heads))
    return {
        "each head got every heads-th number: d is (heads, d/heads)": other.permute(0, 3, 1, 2),
        "the number of heads and their width are exchanged": other.transpose(1, 2),
        "every head got the whole token": tokens[:, None].expand(-1, heads, -1, -1),
    }


def whole(result: object) -> object:
    """`2.0 * ...` is as right as `2 * ...`; chapter 4 uses it too."""
    return int(result) if isinstance(result, float) and result.is_integer() else result


def _cost_mistakes(frames: int, patches: int, width: int, kind: str) -> Wrong:
    sequences = {"joint": 1, "space": frames, "time": patches}[kind]
    length = frames * patches // sequences
    right, joint = attention_cost(frames, patches, width, kind), kind == "joint"
    tokens = (frames * (1 + patches)) ** 2  # with one class token a frame
    on_a_side = attention_cost(frames, patches**2, width, kind)
    projected = 4 * sequences * (1 + length) * width**2
    return {
        "the class token of each sequence is missing": 2 * sequences * length**2 * width,
        "this is one product; there are two, scores and weighted values": right // 2,
        "this is one sequence; space has `frames`, time has `patches`": right // sequences,
        "`patches` is n, the number in a frame, not on a side": on_a_side,
        "the projections are counted too; the two products alone are wanted": right + projected,
        "the clip has one class token, not one a frame": 2 * tokens * width if joint else right,
    }


_BLOCKS = inputs(
    lambda b, t, n, h, e, axis: (
        IntraDimension(h * e, h, 7, axis),
        (b, 1, h * e),
        (b, t, n, h * e),
        axis,
    ),
    *({"axis": "space"}, {"axis": "time"}, {"axis": "time", "t": 1}, {"axis": "space", "n": 1}),
)


def with_parts(block: nn.Module, **parts: object) -> Any:
    """A copy with other parts; a function may stand for a module."""
    other = deepcopy(block)
    for name, part in parts.items():
        other._modules.pop(name, None)
        setattr(other, name, part)
    return other


def block_mistakes(
    forward: Callable[[Any], tuple[Tensor, Tensor]], block: Any, before: tuple[Tensor, Tensor]
) -> Wrong:
    """What a block of attention and an FFN gives with a part left out; chapter 4 uses it too."""

    def run(**parts: object) -> tuple[Tensor, Tensor]:
        return forward(with_parts(block, **parts))

    attended = run(ffn=torch.zeros_like)
    mixed = [one - old for one, old in zip(attended, before, strict=True)]
    return {
        "the FFN is missing: this is what attention leaves": attended,
        "the FFN updates the class token too": (attended[0], forward(block)[1]),
        "attention is missing: this is the FFN alone": run(proj=torch.zeros_like),
        "the residual connection around attention is missing": [m + block.ffn(m) for m in mixed],
        "the residual connection around the FFN is missing": [block.ffn(one) for one in attended],
        "the FFN reads what attention has updated, not what came in": [
            one + block.ffn(old) for one, old in zip(attended, before, strict=True)
        ],
        "`block.norm` comes before the projections, and is missing": run(norm=nn.Identity()),
        "`block.norm` is applied twice": run(norm=lambda x: block.norm(block.norm(x))),
        "`block.ffn` has a norm of its own: do without `block.norm` there": run(
            ffn=lambda x: block.ffn(block.norm(x))
        ),
        "`block.proj` is missing: it mixes what the heads found": run(proj=nn.Identity()),
        "the heads are not split: this is one head of the whole width": run(heads=1),
    }


def _intra_mistakes(block: IntraDimension, cls: Tensor, patches: Tensor, axis: str) -> Wrong:
    def forward(block: Any) -> tuple[Tensor, Tensor]:
        return intra_forward(block, cls, patches, axis)

    sequences = patches.split(1, dim=1 if axis == "space" else 2)
    late = [intra_forward(block, cls, one, axis)[0] for one in sequences]
    right, alone = forward(block)[1], cls + block.ffn(cls)
    return {
        **block_mistakes(forward, block, (cls, patches)),
        **_heads_mistaken(forward, block),
        "the patches are right; the class token attends and is updated too": (alone, right),
        "one copy of the class token is kept; the mean of all is wanted": (late[0], right),
        "the patches are right; the mean of the class token's copies comes too late: unfold what "
        "`proj` returns, add that, then run the FFN once": (sum(late) / len(late), right),
    }


def _heads_mistaken(forward: Callable[[Any], object], block: IntraDimension) -> Wrong:
    def qkv(change: Callable[[Tensor], Tensor]) -> object:
        return forward(with_parts(block, qkv=lambda tokens: change(block.qkv(tokens))))

    def taken(order: tuple[str, ...]) -> object:
        places = [order.index(name) for name in names]
        return qkv(lambda x: torch.cat([x.chunk(3, dim=-1)[place] for place in places], dim=-1))

    def joined(x: Tensor) -> Tensor:
        return block.proj(rearrange(x, "g s (h e) -> g h s e", h=h).reshape(x.shape))

    names, h, d = ("queries", "keys", "values"), block.heads, block.qkv.in_features
    _, *orders = permutations(names)
    rooted = torch.tensor([(d / h) ** 0.5, 1, 1]).repeat_interleave(d)
    return {
        **{f"`qkv` gives {', '.join(names)}; you took {', '.join(o)}": taken(o) for o in orders},
        "you split by heads first; `qkv` gives all queries, then all keys, then all values": qkv(
            lambda x: rearrange(x, "g s (h k e) -> g s (k h e)", k=3, h=h)
        ),
        "the division by sqrt(e) is missing": qkv(lambda x: x * rooted.to(x)),
        "the heads are joined by `reshape` alone: bring (h, s) into the order (s, h) first": (
            forward(with_parts(block, proj=joined))
        ),
    }


def _in_network(function: Callable[..., Any], block: Any, tokens: VideoTokens) -> VideoTokens:
    return VideoTokens(*function(block, tokens.cls, tokens.patches, block.axis))


_PART = IntraDimension, _in_network
EXERCISES = (
    Exercise("3.1", attention_map, _QUERY_KEY, "b h i j", wrong_maps, learns=True),
    Exercise("3.2", split_heads, _WIDE, "b heads s d/heads", _heads_mistakes, learns=True),
    Exercise("3.3", attention_cost, lambda _: _CLIPS, mistakes=_cost_mistakes, read=whole),
    Exercise("3.4", intra_forward, _BLOCKS, "b 1 d; b t n d", _intra_mistakes, part=_PART),
)
