"""Exercises 2.1 to 2.4: from a clip to tokens, and to sequences and back.

Source: section 2, "Transformer Encoder"; Fig. 2(c); the row "Embedding" of Table SI.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from csgcourse.exercise import Exercise, inputs


def patches(volume: Tensor, size: int) -> Tensor:
    """Cut every frame into squares, and flatten each."""
    clips, channels, frames, height, width = volume.shape
    rows, columns = height // size, width // size
    cut = volume.reshape(clips, channels, frames, rows, size, columns, size)
    cut = cut.permute(0, 2, 3, 5, 1, 4, 6)  # clip, frame, row and column of the patch, its content
    return cut.reshape(clips, frames, rows * columns, channels * size * size)


def fold_space(token: Tensor, patches: Tensor) -> Tensor:
    """One sequence a frame, with a copy of its clip's class token in front."""
    clips, frames, count, width = patches.shape
    copies = token.repeat_interleave(frames, dim=0)
    sequences = patches.reshape(clips * frames, count, width)
    return torch.cat([copies, sequences], dim=1)


def fold_time(token: Tensor, patches: Tensor) -> Tensor:
    """One sequence a patch position, with a copy of its clip's class token in front."""
    clips, frames, count, width = patches.shape
    copies = token.repeat_interleave(count, dim=0)
    sequences = patches.transpose(1, 2).reshape(clips * count, frames, width)
    return torch.cat([copies, sequences], dim=1)


def unfold_time(sequences: Tensor, clips: int) -> tuple[Tensor, Tensor]:
    """The mean of the copies of the class token, and the patches back in their frames."""
    apart = sequences.unflatten(0, (clips, -1))  # clip, position, token, width
    token = apart[:, :, 0].mean(dim=1, keepdim=True)
    return token, apart[:, :, 1:].transpose(1, 2)


VOLUMES = inputs(
    lambda b, c, t, y, x, p: ((b, c, t, y * p, x * p), p),
    *({"p": 2, "c": 2}, {"p": 3, "c": 1}, {"p": 5, "t": 1, "x": 1}, {"p": 7, "y": 1, "x": 1}),
    {"p": 1, "c": 3},
)
_EDGES: tuple[dict[str, int], ...] = ({}, {}, {"t": 1}, {"n": 1}, {"b": 1})
_TOKENS = inputs(lambda b, t, n, d: ((b, 1, d), (b, t, n, d)), *_EDGES)
_SEQUENCES = inputs(lambda b, t, n, d: ((b * n, 1 + t, d), b), *_EDGES)


# fmt: off
_PATCHES_MISTAKES = {
    "inside a patch the channels come last": ("1, 4, 6", "4, 6, 1"),
    "the patches are in order column by column": ("3, 5, 1", "5, 3, 1"),
    "inside a patch rows and columns are exchanged": ("4, 6", "6, 4"),
    "patches take pixels far apart: y is (rows, size)":
        ("rows, size, columns, size", "size, rows, size, columns",
         "2, 3, 5, 1, 4, 6", "2, 4, 6, 1, 3, 5"),
    "you only reshaped: split y and x, then `permute`": (".permute(0, 2, 3, 5, 1, 4, 6)", ""),
    "your patches overlap: the window should move by `size`": lambda volume, size:
        F.unfold(volume.transpose(1, 2).flatten(0, 1), size).mT.unflatten(0, (len(volume), -1)),
}
_FOLD_MISTAKES = {
    "the class token is last; it comes first": ("[copies, sequences]", "[sequences, copies]"),
    "the class token is of another clip: use `repeat_interleave`":
        ("_interleave", "", ", dim=0)", ", 1, 1)"),
    "the class token is missing: put a copy in front of each sequence": ("[copies, ", "["),
    "this is one sequence a clip: joint attention, which the paper avoids":
        lambda token, patches: torch.cat([token, patches.flatten(1, 2)], dim=1),
    "the sequences are not clip by clip, b first":
        ("dim=1)", "dim=1).unflatten(0, (clips, -1)).transpose(0, 1).flatten(0, 1)"),
}
_SPACE_MISTAKES = {
    "t and n are mixed up (transposed in vain): a sequence holds the wrong patches":
        ("patches.reshape", "patches.transpose(1, 2).reshape"),
    "this folds along time; here a sequence runs along space": fold_time,
    **_FOLD_MISTAKES,
}
_TIME_MISTAKES = {
    "t and n are mixed up (only reshaped): a sequence holds the wrong patches":
        (".transpose(1, 2)", ""),
    "this folds along space; here a sequence runs along time": fold_space,
    **_FOLD_MISTAKES,
}
_UNFOLD_MISTAKES = {
    "you summed the copies of the class token": ("mean(", "sum("),
    "you kept the copy of the first position; take the mean of all":
        ("mean(dim=1, keepdim=True)", "narrow(1, 0, 1)"),
    "the copies of the class token are all still there; take their mean":
        (".mean(dim=1, keepdim=True)", ""),
    "you took the mean of the class token over all clips":
        ("mean(dim=1, keepdim=True)", "mean(dim=(0, 1), keepdim=True).expand(clips, -1, -1)"),
    "clips are mixed up: b*n splits into (clips, n), not (n, clips)":
        ("(clips, -1))", "(-1, clips)).transpose(0, 1)"),
}
# fmt: on
EXERCISES = (
    Exercise("2.1", patches, VOLUMES, "b t n c*size*size", _PATCHES_MISTAKES, learns=True),
    Exercise("2.2", fold_space, _TOKENS, "b*t 1+n d", _SPACE_MISTAKES, learns=True),
    Exercise("2.3", fold_time, _TOKENS, "b*n 1+t d", _TIME_MISTAKES, learns=True),
    Exercise("2.4", unfold_time, _SEQUENCES, "b 1 d; b t n d", _UNFOLD_MISTAKES, learns=True),
)
