"""Wrong answers to exercises 2.2 and 2.3, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from einops import rearrange, repeat
from torch import Tensor

from csgcourse.exercise import Mistake

SEQUENCES = {"space": "(b t) n d", "time": "(b n) t d", "joint": "b (t n) d"}


def _lines(patches: Tensor, axis: str) -> Tensor:
    return rearrange(patches, f"b t n d -> {SEQUENCES[axis]}")


def _copies(token: Tensor, lines: Tensor) -> Tensor:
    return token.repeat_interleave(len(lines) // len(token), dim=0)


def _right(token: Tensor, patches: Tensor, axis: str) -> Tensor:
    lines = _lines(patches, axis)
    return torch.cat([_copies(token, lines), lines], dim=1)


def _last(token: Tensor, patches: Tensor, axis: str) -> Tensor:
    lines = _lines(patches, axis)
    return torch.cat([lines, _copies(token, lines)], dim=1)


def _of_another_clip(token: Tensor, patches: Tensor, axis: str) -> Tensor:
    lines = _lines(patches, axis)
    return torch.cat([token.repeat(len(lines) // len(token), 1, 1), lines], dim=1)


def _of_the_first_clip(token: Tensor, patches: Tensor, axis: str) -> Tensor:
    lines = _lines(patches, axis)
    return torch.cat([token[:1].expand(len(lines), -1, -1), lines], dim=1)


def _shared_out(token: Tensor, patches: Tensor, axis: str) -> Tensor:
    lines = _lines(patches, axis)
    return torch.cat([_copies(token, lines) * (len(token) / len(lines)), lines], dim=1)


def _only_reshaped(token: Tensor, patches: Tensor) -> Tensor:
    lines = patches.reshape(-1, patches.shape[1], patches.shape[3])
    return torch.cat([_copies(token, lines), lines], dim=1)


def _transposed_in_vain(token: Tensor, patches: Tensor) -> Tensor:
    lines = patches.transpose(1, 2).reshape(-1, *patches.shape[2:])
    return torch.cat([_copies(token, lines), lines], dim=1)


def _clips_last(token: Tensor, patches: Tensor, axis: str) -> Tensor:
    first, last = ("t", "n") if axis == "space" else ("n", "t")
    lines = rearrange(patches, f"b t n d -> ({first} b) {last} d")
    return torch.cat([repeat(token, "b 1 d -> (g b) 1 d", g=len(lines) // len(token)), lines], 1)


def _clips_last_but_not_their_tokens(token: Tensor, patches: Tensor) -> Tensor:
    lines = rearrange(patches, "b t n d -> (n b) t d")
    return torch.cat([_copies(token, lines), lines], dim=1)


SPACE = (
    Mistake(
        lambda token, patches: _last(token, patches, "space"),
        "the class token stands last; it leads each sequence, so it comes first.",
    ),
    Mistake(
        lambda token, patches: _of_another_clip(token, patches, "space"),
        "sequences begin with the class token of another clip: `repeat` lays all clips one after "
        "the other, and again. `repeat_interleave(frames, dim=0)` keeps the copies of a clip "
        "together.",
    ),
    Mistake(
        lambda token, patches: _of_the_first_clip(token, patches, "space"),
        "every sequence begins with the class token of the first clip; each clip has its own.",
    ),
    Mistake(
        lambda token, patches: _lines(patches, "space"),
        "the sequences are right but nobody leads them: put a copy of the class token in front.",
    ),
    Mistake(
        lambda token, patches: _lines(patches + token[:, None], "space"),
        "you added the class token to every patch. It is a token of its own: put it in front, "
        "with `torch.cat`.",
    ),
    Mistake(
        lambda token, patches: _right(token, patches, "time"),
        "this is folding along time, one sequence a patch position, which is exercise 2.3. Here "
        "a sequence is one frame.",
    ),
    Mistake(
        lambda token, patches: _right(token, patches, "joint"),
        "this is one sequence a clip, with all its frames: joint attention, which the paper "
        "avoids. Here every frame is a sequence.",
    ),
    Mistake(
        lambda token, patches: _clips_last(token, patches, "space"),
        "the sequences are right but stand in another order: the first frame of all clips, then "
        "the second. Clip by clip is wanted, b before t in b*t.",
    ),
    Mistake(
        lambda token, patches: _right(token, patches, "space").unflatten(0, (len(token), -1)),
        "the sequences are right, but clips and frames are still two axes: join them, so that "
        "attention sees b*t sequences.",
    ),
    Mistake(
        _transposed_in_vain,
        "t and n are swapped before the axes are joined, so a sequence holds patches of several "
        "frames. The patches of a frame lie side by side already: no transpose here.",
    ),
    Mistake(
        lambda token, patches: _shared_out(token, patches, "space"),
        "you divided the class token among its copies. They are copies: each is the whole token.",
    ),
)

TIME = (
    Mistake(
        _only_reshaped,
        "the shape is right, but you only reshaped: a sequence now runs over patches of one frame, "
        "as they lie in memory. Exchange frames and patches first, `transpose(1, 2)`.",
    ),
    Mistake(
        lambda token, patches: _last(token, patches, "time"),
        "the class token stands last; it leads each sequence, so it comes first.",
    ),
    Mistake(
        lambda token, patches: _of_another_clip(token, patches, "time"),
        "sequences begin with the class token of another clip: `repeat` lays all clips one after "
        "the other, and again. `repeat_interleave(n, dim=0)` keeps the copies of a clip together.",
    ),
    Mistake(
        lambda token, patches: _of_the_first_clip(token, patches, "time"),
        "every sequence begins with the class token of the first clip; each clip has its own.",
    ),
    Mistake(
        lambda token, patches: _lines(patches, "time"),
        "the sequences are right but nobody leads them: put a copy of the class token in front.",
    ),
    Mistake(
        lambda token, patches: _lines(patches + token[:, None], "time"),
        "you added the class token to every patch. It is a token of its own: put it in front, "
        "with `torch.cat`.",
    ),
    Mistake(
        lambda token, patches: _right(token, patches, "space"),
        "this is folding along space, one sequence a frame, which is exercise 2.2. Here a sequence "
        "is one place, seen in all frames.",
    ),
    Mistake(
        lambda token, patches: _right(token, patches, "joint"),
        "this is one sequence a clip, with all its patches: joint attention, which the paper "
        "avoids. Here every patch position is a sequence.",
    ),
    Mistake(
        lambda token, patches: _clips_last(token, patches, "time"),
        "the sequences are right but stand in another order: the first place of all clips, then "
        "the second. Clip by clip is wanted, b before n in b*n.",
    ),
    Mistake(
        _clips_last_but_not_their_tokens,
        "class tokens and patches do not belong together: the tokens stand clip by clip, the "
        "patches place by place. Clip by clip is wanted, b before n in b*n.",
    ),
    Mistake(
        lambda token, patches: _right(token, patches, "time").unflatten(0, (len(token), -1)),
        "the sequences are right, but clips and places are still two axes: join them, so that "
        "attention sees b*n sequences.",
    ),
    Mistake(
        lambda token, patches: _shared_out(token, patches, "time"),
        "you divided the class token among its copies. They are copies: each is the whole token.",
    ),
)
