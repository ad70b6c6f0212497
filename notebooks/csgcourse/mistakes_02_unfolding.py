"""Wrong answers to exercise 2.4, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from torch import Tensor

from csgcourse.exercise import Mistake

Parts = tuple[Tensor, Tensor]


def _copies(sequences: Tensor, clips: int) -> Tensor:
    return sequences[:, :1].reshape(clips, -1, sequences.shape[-1])


def _places(sequences: Tensor, clips: int) -> Tensor:
    return sequences[:, 1:].unflatten(0, (clips, -1))


def _right(sequences: Tensor, clips: int) -> Parts:
    mean = _copies(sequences, clips).mean(dim=1, keepdim=True)
    return mean, _places(sequences, clips).transpose(1, 2)


def _clips_last(sequences: Tensor, clips: int) -> Parts:
    apart = sequences.unflatten(0, (-1, clips))
    return apart[:, :, 0].mean(dim=0)[:, None], apart[:, :, 1:].permute(1, 2, 0, 3)


def _token_last(sequences: Tensor, clips: int) -> Parts:
    return _right(sequences.roll(1, dims=1), clips)


def _only_reshaped(sequences: Tensor, clips: int) -> Parts:
    mean, patches = _right(sequences, clips)
    return mean, sequences[:, 1:].reshape(patches.shape)


def _one_tensor(sequences: Tensor, clips: int) -> Tensor:
    mean, patches = _right(sequences, clips)
    return torch.cat([mean, patches.flatten(1, 2)], dim=1)


def _with_patches(token: Tensor, sequences: Tensor, clips: int) -> Parts:
    return token, _right(sequences, clips)[1]


UNFOLD = (
    Mistake(
        lambda sequences, clips: _with_patches(
            _copies(sequences, clips).sum(dim=1, keepdim=True), sequences, clips
        ),
        "you summed the copies of the class token, so it grows with the number of patches. Their "
        "mean is wanted.",
    ),
    Mistake(
        lambda sequences, clips: _with_patches(_copies(sequences, clips)[:, :1], sequences, clips),
        "you kept the copy of the first place alone, and threw away what the others have learned. "
        "The mean of all copies is wanted.",
    ),
    Mistake(
        lambda sequences, clips: (_right(sequences, clips)[0], _places(sequences, clips)),
        "the class token is right, but the patches are (clips, n, t, d): t and n are swapped. "
        "Exchange them, `transpose(1, 2)`.",
    ),
    Mistake(
        _only_reshaped,
        "the class token is right, but you only reshaped the patches: frames are filled with one "
        "place after the other. Reshape to (clips, n, t, d), then exchange n and t.",
    ),
    Mistake(
        _token_last,
        "you took the last of each sequence for the class token; it is the first.",
    ),
    Mistake(
        lambda sequences, clips: _right(sequences, clips)[::-1],
        "both are right, but in the wrong order: return the class token first, then the patches.",
    ),
    Mistake(
        lambda sequences, clips: (
            _right(sequences, clips)[0][:, 0],
            _right(sequences, clips)[1],
        ),
        "the class token lost an axis: (clips, 1, d) is wanted. `mean(..., keepdim=True)` keeps "
        "it.",
    ),
    Mistake(
        lambda sequences, clips: _with_patches(_copies(sequences, clips), sequences, clips),
        "the patches are right, but the copies of the class token are all still there; take their "
        "mean.",
    ),
    Mistake(
        lambda sequences, clips: _with_patches(
            sequences[:, :1].mean(dim=0, keepdim=True).expand(clips, -1, -1), sequences, clips
        ),
        "you took the mean over all sequences of all clips: clips learn from one another. Each "
        "clip has a class token of its own.",
    ),
    Mistake(
        lambda sequences, clips: _with_patches(
            sequences.unflatten(0, (clips, -1)).mean(dim=(1, 2))[:, None], sequences, clips
        ),
        "you took the mean over patches too; only the first token of each sequence is a copy of "
        "the class token.",
    ),
    Mistake(
        _clips_last,
        "clips are mixed up: b*n is clip by clip, so it splits into (clips, n), not (n, clips).",
    ),
    Mistake(
        lambda sequences, clips: (
            _right(sequences, clips)[0],
            sequences.unflatten(0, (clips, -1)).transpose(1, 2),
        ),
        "the copies of the class token are still among the patches: 1 + t frames came back, not "
        "t. Leave out the first of each sequence.",
    ),
    Mistake(
        lambda sequences, clips: (
            _right(sequences, clips)[0],
            _right(sequences, clips)[1].flatten(1, 2),
        ),
        "the class token is right, but frames and patches are joined in one axis; keep them apart: "
        "(clips, t, n, d).",
    ),
    Mistake(
        _one_tensor,
        "class token and patches came back in one tensor; return two: `return token, patches`.",
    ),
)
