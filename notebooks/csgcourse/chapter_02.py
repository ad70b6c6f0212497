"""Exercises 2.1 to 2.4: from a clip to tokens, and to sequences and back.

Source: section 2, "Transformer Encoder"; Fig. 2(c); the row "Embedding" of Table SI.
"""

from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from csgcourse.exercise import Exercise, Wrong, inputs


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
    return torch.cat([copies, patches.reshape(clips * frames, count, width)], dim=1)


def fold_time(token: Tensor, patches: Tensor) -> Tensor:
    """One sequence a patch position, with a copy of its clip's class token in front."""
    clips, frames, count, width = patches.shape
    copies = token.repeat_interleave(count, dim=0)
    positions = patches.transpose(1, 2).reshape(clips * count, frames, width)
    return torch.cat([copies, positions], dim=1)


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


def _patches_mistakes(volume: Tensor, size: int) -> Wrong:
    right, images = patches(volume, size), volume.transpose(1, 2).flatten(0, 1)
    lay = partial(rearrange, volume, p=size, q=size)
    near, far = "b c t (y p) (x q) ->", "b c t (p y) (q x) ->"
    overlapping = F.unfold(images, size).mT.unflatten(0, (len(volume), -1))
    return {
        "inside a patch the channels come last": lay(f"{near} b t (y x) (p q c)"),
        "the patches are in order column by column": lay(f"{near} b t (x y) (c p q)"),
        "inside a patch rows and columns are exchanged": lay(f"{near} b t (y x) (c q p)"),
        "patches take pixels far apart: y is (rows, size)": lay(f"{far} b t (y x) (c p q)"),
        "you only reshaped: split y and x, then `permute`": volume.reshape(right.shape),
        "your patches overlap: the window should move by `size`": overlapping,
    }


def _fold_mistakes(axis: str, token: Tensor, patches: Tensor) -> Wrong:
    folds = {"space": "(b t) n d", "time": "(b n) t d", "joint": "b (t n) d"}
    lines = {name: rearrange(patches, f"b t n d -> {to}") for name, to in folds.items()}
    own, clips_last = lines[axis], folds[axis].replace("(b t)", "(t b)").replace("(b n)", "(n b)")
    swapped = rearrange(patches, f"b t n d -> {clips_last}")
    other, why, kept = "space", "only reshaped", patches
    if axis == "space":
        other, why, kept = "time", "transposed in vain", patches.transpose(1, 2)
    cycled = token.repeat(len(own) // len(token), 1, 1)

    def led(sequences: Tensor, by: Tensor | None = None) -> Tensor:
        by = token.repeat_interleave(len(sequences) // len(token), dim=0) if by is None else by
        return torch.cat([by, sequences], dim=1)

    return {
        f"t and n are mixed up ({why}): a sequence holds the wrong patches": led(
            kept.reshape(own.shape)
        ),
        "the class token is last; it comes first": led(own).roll(-1, dims=1),
        "the class token is of another clip: use `repeat_interleave`": led(own, cycled),
        "the class token is missing: put a copy in front of each sequence": own,
        f"this folds along {other}; here a sequence runs along {axis}": led(lines[other]),
        "this is one sequence a clip: joint attention, which the paper avoids": led(lines["joint"]),
        "the sequences are not clip by clip, b first": led(swapped, cycled),
    }


def _unfold_mistakes(sequences: Tensor, clips: int) -> Wrong:
    token, grid = unfold_time(sequences, clips)
    copies = sequences[:, 0].unflatten(0, (clips, -1))
    mixed = sequences.unflatten(0, (-1, clips)).transpose(0, 1).flatten(0, 1)
    everybody = token.mean(dim=0, keepdim=True).expand_as(token)
    return {
        "you summed the copies of the class token": (copies.sum(dim=1, keepdim=True), grid),
        "you kept the copy of the first position; take the mean of all": (copies[:, :1], grid),
        "the copies of the class token are all still there; take their mean": (copies, grid),
        "you took the mean of the class token over all clips": (everybody, grid),
        "clips are mixed up: b*n splits into (clips, n), not (n, clips)": unfold_time(mixed, clips),
    }


EXERCISES = (
    Exercise("2.1", patches, VOLUMES, "b t n c*size*size", _patches_mistakes, learns=True),
    Exercise(
        "2.2", fold_space, _TOKENS, "b*t 1+n d", partial(_fold_mistakes, "space"), learns=True
    ),
    Exercise("2.3", fold_time, _TOKENS, "b*n 1+t d", partial(_fold_mistakes, "time"), learns=True),
    Exercise("2.4", unfold_time, _SEQUENCES, "b 1 d; b t n d", _unfold_mistakes, learns=True),
)
