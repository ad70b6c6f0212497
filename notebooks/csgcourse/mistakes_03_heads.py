"""Wrong answers to exercise 3.2, each with what to say about it.

Not in the paper: part of the course.
"""

from torch import Tensor

from csgcourse.exercise import Mistake


def _pieces(tokens: Tensor, heads: int) -> Tensor:
    """The right pieces, as (b, s, heads, d/heads)."""
    return tokens.unflatten(-1, (heads, -1))


def _only_reshaped(tokens: Tensor, heads: int) -> Tensor:
    clips, length, width = tokens.shape
    return tokens.reshape(clips, heads, length, width // heads)


HEADS = (
    Mistake(
        _only_reshaped,
        "the shape is right, but you only reshaped: `view` and `reshape` keep the order in memory, "
        "so a head gets whole tokens of a few places. Split d alone, (b, s, heads, d/heads), then "
        "`transpose(1, 2)`.",
    ),
    Mistake(
        _pieces,
        "the pieces are right, but the heads stand behind the tokens; they are wanted in front: "
        "(b, heads, s, d/heads), `transpose(1, 2)`.",
    ),
    Mistake(
        lambda tokens, heads: tokens.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2),
        "each head got every heads-th number of a token. A head's numbers lie side by side: d "
        "splits into (heads, d/heads), in this order.",
    ),
    Mistake(
        lambda tokens, heads: tokens.unflatten(-1, (-1, heads)).transpose(1, 2),
        "the number of heads and the width of a head are exchanged: you made d/heads heads, each "
        "`heads` wide. (If you cut with `torch.split`: it asks how wide a piece is; `torch.chunk` "
        "asks how many there are.) Split d into (heads, d/heads).",
    ),
    Mistake(
        lambda tokens, heads: _pieces(tokens, heads).permute(0, 2, 3, 1),
        "the last two axes are swapped: tokens come before the width of a head, "
        "(b, heads, s, d/heads).",
    ),
    Mistake(
        lambda tokens, heads: _pieces(tokens, heads).permute(2, 0, 1, 3),
        "the heads stand in front of the clips; clips come first: (b, heads, s, d/heads).",
    ),
    Mistake(
        lambda tokens, heads: _pieces(tokens, heads).transpose(1, 2).flatten(0, 1),
        "clips and heads are joined in one axis; keep them apart: (b, heads, s, d/heads).",
    ),
    Mistake(
        lambda tokens, heads: tokens[:, None].expand(-1, heads, -1, -1),
        "every head got the whole token; the heads share it out, d/heads numbers each.",
    ),
    Mistake(
        lambda tokens, heads: tokens[:, None, :, : tokens.shape[-1] // heads].expand(
            -1, heads, -1, -1
        ),
        "every head got the same piece, the first; each has its own.",
    ),
)
