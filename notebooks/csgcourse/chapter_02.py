"""Exercises 2.1 to 2.4: from a clip to tokens, and to sequences and back.

Source: section 2, "Transformer Encoder"; Fig. 2(c); the row "Embedding" of Table SI.
"""

from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, normal, sizes


def patches(volume: Tensor, size: int) -> Tensor:
    """Cut every frame into squares, and flatten each.

    A row of pixels runs through several patches. So y becomes two axes, which patch and which row
    in it, and x likewise. Which axes must then be side by side?

    1. Split y into (rows, size) and x into (columns, size): reshape.
    2. Permute to clip, frame, rows, columns, channel, row in a patch, column in a patch.
    3. Join rows and columns, and the last three: reshape.
    (Or in one line of einops: "b c t (y p) (x q) -> b t (y x) (c p q)".)

    A linear layer on these numbers makes tokens of them; a convolution whose stride is its
    kernel's size does both steps at once.
    """
    clips, channels, frames, height, width = volume.shape
    rows, columns = height // size, width // size
    cut = volume.reshape(clips, channels, frames, rows, size, columns, size)
    cut = cut.permute(0, 2, 3, 5, 1, 4, 6)  # clip, frame, row and column of the patch, its content
    return cut.reshape(clips, frames, rows * columns, channels * size * size)


def fold_space(token: Tensor, patches: Tensor) -> Tensor:
    """One sequence a frame, with a copy of its clip's class token in front.

    The patches of a frame are side by side already. How many sequences does a clip become, and
    how many copies of its class token are needed?

    1. Join clip and frame: reshape the patches to (b*t, n, d).
    2. Copy every class token t times, the copies of a clip one after the other:
       repeat_interleave along axis 0.
    3. Put it in front: torch.cat along axis 1.

    One class token a clip, a copy in every frame: Table SI can print 8 x 257 and the text one
    class token, and both are right.
    """
    clips, frames, count, width = patches.shape
    copies = token.repeat_interleave(frames, dim=0)
    return torch.cat([copies, patches.reshape(clips * frames, count, width)], dim=1)


def fold_time(token: Tensor, patches: Tensor) -> Tensor:
    """One sequence a patch position, with a copy of its clip's class token in front.

    Now a sequence is one patch position in all frames. But in (b, t, n, d) the patches of one
    frame are side by side. What must happen before axes are joined?

    1. Exchange frames and patches: transpose(1, 2).
    2. Join clip and patch: reshape to (b*n, t, d).
    3. Copy every class token n times, the copies of a clip one after the other.
    4. Put it in front: torch.cat along axis 1.

    Attention is the same in both branches; only the order of the axes tells space from time.
    """
    clips, frames, count, width = patches.shape
    copies = token.repeat_interleave(count, dim=0)
    positions = patches.transpose(1, 2).reshape(clips * count, frames, width)
    return torch.cat([copies, positions], dim=1)


def unfold_time(sequences: Tensor, clips: int) -> tuple[Tensor, Tensor]:
    """The mean of the copies of the class token, and the patches back in their frames.

    Undo each step of `fold_time`. Only one cannot be undone: one class token went in, n copies
    come back, and attention has changed each differently.

    1. Split b*n into (b, n): reshape, or unflatten.
    2. The first of each sequence is a copy of the class token: take the mean over n, keep an axis
       of 1.
    3. The others are patches (b, n, t, d): exchange positions and frames.
    4. Return both, token first.

    The mean gives every position the same weight in the class token, however many patches there
    are.
    """
    apart = sequences.unflatten(0, (clips, -1))  # clip, position, token, width
    token = apart[:, :, 0].mean(dim=1, keepdim=True)
    patches = apart[:, :, 1:].transpose(1, 2)
    return token, patches


def _volumes(generator: Generator) -> list[Arguments]:
    clips, channels, frames, rows, columns = sizes(generator, 5)
    many, long, high, broad = sizes(generator, 4, without=3)
    return [
        (normal(generator, clips, channels, frames, rows * 2, columns * 2), 2),
        (normal(generator, many, 1, long, high * 3, broad * 3, double=True), 3),
        (normal(generator, 3, 2, 1, 5 * 7, 5), 5),  # one frame, one column of patches
        (normal(generator, 2, 3, 5, 7, 7), 7),  # one patch
        (normal(generator, 1, 3, 2, 5, 7), 1),  # a patch is a pixel
    ]


def _tokens(generator: Generator) -> list[Arguments]:
    shapes = [sizes(generator, 4), sizes(generator, 4, without=7), (2, 1, 5, 3), (3, 5, 1, 2)]
    return [
        (
            normal(generator, clips, 1, width, double=case == 1),
            normal(generator, clips, frames, count, width, double=case == 1),
        )
        for case, (clips, frames, count, width) in enumerate([*shapes, (1, 3, 7, 5)])
    ]


def _sequences(generator: Generator) -> list[Arguments]:
    clips, frames, count, width = sizes(generator, 4)
    few, short, many, wide = sizes(generator, 4, without=3)
    return [
        (normal(generator, clips * count, 1 + frames, width), clips),
        (normal(generator, few * many, 1 + short, wide, double=True), few),
        (normal(generator, 2 * 5, 1 + 1, 3), 2),  # one frame
        (normal(generator, 3, 1 + 5, 2), 3),  # one patch
        (normal(generator, 7, 1 + 3, 5), 1),
    ]


def _patches_mistakes(volume: Tensor, size: int) -> Wrong:
    clips, channels, frames, height, width = volume.shape
    shape = clips, frames, (height // size) * (width // size), channels * size * size
    mixed = volume.reshape(clips * frames, channels, height, width)
    images = volume.transpose(1, 2).flatten(0, 1)
    layouts = {
        "inside a patch the channels come last; (c, row, column) is wanted": "(y x) (p q c)",
        "the patches are in order column by column; row by row is wanted": "(x y) (c p q)",
        "inside a patch rows and columns are exchanged": "(y x) (c q p)",
        "rows and columns are exchanged, among the patches and inside them": "(x y) (c q p)",
    }
    strided = {
        "patches take pixels far apart: y is (rows, size), not (size, rows)": "(y x) (c p q)",
        "you cut `size` x `size` patches; `size` is the side of a patch in pixels": "(p q) (c y x)",
    }
    lay = partial(rearrange, volume, p=size, q=size)
    return {
        **{words: lay(f"b c t (y p) (x q) -> b t {to}") for words, to in layouts.items()},
        **{words: lay(f"b c t (p y) (q x) -> b t {to}") for words, to in strided.items()},
        "you only reshaped: split y and x in two, then `permute`": volume.reshape(shape),
        "patches are strips of a frame: split y and x, then `permute`": volume.transpose(
            1, 2
        ).reshape(shape),
        "channels and frames are mixed up: `reshape` moves no axis": F.unfold(
            mixed, size, stride=size
        ).mT.unflatten(0, (clips, frames)),
        "your patches overlap: the window should move by `size`": F.unfold(
            images, size
        ).mT.unflatten(0, (clips, frames)),
    }


def _fold_mistakes(axis: str, token: Tensor, patches: Tensor) -> Wrong:
    folds = {"space": "(b t) n d", "time": "(b n) t d", "joint": "b (t n) d"}
    lines = {name: rearrange(patches, f"b t n d -> {to}") for name, to in folds.items()}
    swapped = folds[axis].replace("b t", "t b").replace("b n", "n b")
    own, clips_last = lines[axis], rearrange(patches, f"b t n d -> {swapped}")
    copies = len(own) // len(token)
    other = {"space": "time", "time": "space"}[axis]
    reshaped = patches.transpose(1, 2) if axis == "space" else patches

    def led(sequences: Tensor, by: Tensor | None = None) -> Tensor:
        by = token.repeat_interleave(len(sequences) // len(token), dim=0) if by is None else by
        return torch.cat([by, sequences], dim=1)

    why = "transposed in vain" if axis == "space" else "only reshaped"
    return {
        f"t and n are mixed up ({why}): a sequence holds the wrong patches": led(
            reshaped.reshape(own.shape)
        ),
        "the class token is last; it comes first": led(own).roll(-1, dims=1),
        "the class token is of another clip: `repeat_interleave`, not `repeat`": led(
            own, token.repeat(copies, 1, 1)
        ),
        "every class token is that of the first clip": led(own, token[:1].expand(len(own), -1, -1)),
        "the class token is missing: put a copy in front of each sequence": own,
        "you added the class token to every patch; use `torch.cat`": rearrange(
            patches + token[:, None], f"b t n d -> {folds[axis]}"
        ),
        f"this folds along {other}; here a sequence runs along {axis}": led(lines[other]),
        "this is one sequence a clip: joint attention, which the paper avoids": led(lines["joint"]),
        "the sequences are not clip by clip, b first": led(clips_last, token.repeat(copies, 1, 1)),
        "class tokens and patches do not belong together": led(clips_last),
        "you divided the class token among its copies": led(
            own, token.repeat_interleave(copies, dim=0) / copies
        ),
    }


def _unfold_mistakes(sequences: Tensor, clips: int) -> Wrong:
    token, patches = unfold_time(sequences, clips)
    apart = sequences.unflatten(0, (clips, -1))
    copies = apart[:, :, 0]
    mixed = sequences.unflatten(0, (-1, clips)).transpose(0, 1)
    everything = copies.mean(dim=(0, 1)).expand(clips, 1, -1)
    return {
        "you summed the copies of the class token": (copies.sum(dim=1, keepdim=True), patches),
        "you kept the copy of the first position; take the mean of all": (copies[:, :1], patches),
        "you took the last of each sequence for the class token": unfold_time(
            sequences.roll(1, dims=1), clips
        ),
        "the copies of the class token are all still there; take their mean": (copies, patches),
        "you took the mean of the class token over all clips": (everything, patches),
        "you took the mean over patches too": (apart.mean(dim=(1, 2))[:, None], patches),
        "clips are mixed up: b*n splits into (clips, n), not (n, clips)": (
            mixed[:, :, 0].mean(dim=1, keepdim=True),
            mixed[:, :, 1:].transpose(1, 2),
        ),
        "class tokens are still among the patches": (token, apart.transpose(1, 2)),
    }


EXERCISES = (
    Exercise("2.1", patches, _volumes, axes="b t n c*size*size", mistakes=_patches_mistakes),
    Exercise(
        "2.2", fold_space, _tokens, axes="b*t 1+n d", mistakes=partial(_fold_mistakes, "space")
    ),
    Exercise("2.3", fold_time, _tokens, axes="b*n 1+t d", mistakes=partial(_fold_mistakes, "time")),
    Exercise("2.4", unfold_time, _sequences, axes="b 1 d; b t n d", mistakes=_unfold_mistakes),
)
