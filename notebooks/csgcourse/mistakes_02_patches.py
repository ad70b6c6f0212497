"""Wrong answers to exercise 2.1, each with what to say about it.

Not in the paper: part of the course.
"""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from csgcourse.exercise import Mistake


def _lay(volume: Tensor, size: int, order: str) -> Tensor:
    """The right squares, laid out in some order; p and q are row and column in a patch."""
    return rearrange(volume, f"b c t (y p) (x q) -> {order}", p=size, q=size)


def _only_reshaped(volume: Tensor, size: int) -> Tensor:
    clips, channels, frames, height, width = volume.shape
    count = (height // size) * (width // size)
    return volume.reshape(clips, frames, count, channels * size * size)


def _reshaped_in_frames(volume: Tensor, size: int) -> Tensor:
    clips, channels, frames, height, width = volume.shape
    count = (height // size) * (width // size)
    return volume.transpose(1, 2).reshape(clips, frames, count, channels * size * size)


def _frames_through_channels(volume: Tensor, size: int) -> Tensor:
    clips, channels, frames = volume.shape[:3]
    images = volume.reshape(clips * frames, channels, *volume.shape[3:])
    return F.unfold(images, size, stride=size).mT.unflatten(0, (clips, frames))


def _overlapping(volume: Tensor, size: int) -> Tensor:
    images = rearrange(volume, "b c t y x -> (b t) c y x")
    return F.unfold(images, size).mT.unflatten(0, (len(volume), -1))


PATCHES = (
    Mistake(
        lambda volume, size: _lay(volume, size, "b t (y x) (p q c)"),
        "the patches are right, but inside a patch the channels come last, (row, column, c). They "
        "come first here, (c, row, column), as in the kernel of a convolution.",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b t (x y) (c p q)"),
        "the patches stand column by column. Read a frame as you read a page, row by row: the "
        "patch to the right is the next one.",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b t (y x) (c q p)"),
        "inside a patch the numbers run down the columns, so every patch lies on its side. The "
        "order is (c, row, column).",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b t (x y) (c q p)"),
        "rows and columns are exchanged, among the patches and inside them: this is the clip "
        "lying on its side.",
    ),
    Mistake(
        _only_reshaped,
        "the shape is right, but you only reshaped. `reshape` takes the numbers as they lie in "
        "memory, so each of your patches is a strip of one channel. Split y and x in two, and "
        "bring the axes in order with `permute`, before you join any.",
    ),
    Mistake(
        _reshaped_in_frames,
        "the frames are right, but inside a frame you only reshaped, so each of your patches is a "
        "strip of whole rows and no square. Split y into (rows, size) and x into (columns, size) "
        "first, then `permute`.",
    ),
    Mistake(
        lambda volume, size: rearrange(
            volume, "b c t (p y) (q x) -> b t (y x) (c p q)", p=size, q=size
        ),
        "your patches are sieves: each takes pixels from all over the frame, far apart. When y is "
        "split in two, which patch comes before which row in it: (rows, size), not (size, rows).",
    ),
    Mistake(
        lambda volume, size: rearrange(
            volume, "b c t (p y) (q x) -> b t (p q) (c y x)", p=size, q=size
        ),
        "you cut each frame into `size` x `size` patches. `size` is how many pixels a patch is "
        "wide and high, not how many patches there are.",
    ),
    Mistake(
        _frames_through_channels,
        "channels and frames are mixed up: in (b, c, t, y, x) the axes b and t do not stand side "
        "by side, so `reshape` cannot join them. Move the channels behind the frames first.",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b (y x) t (c p q)"),
        "t and n are swapped: (b, n, t, ...). Frames come before patches, (b, t, n, ...).",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b t (c p q) (y x)"),
        "the last two axes are swapped, as in what `F.unfold` returns: which patch comes before "
        "what is in it. Transpose them.",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "(b t) (y x) (c p q)"),
        "clips and frames are still joined in one axis; take them apart again: (b, t, n, ...).",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b (t y x) (c p q)"),
        "frames and patches are joined in one axis. Keep them apart, (b, t, n, ...): space and "
        "time are separate branches later.",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b t y x (c p q)"),
        "these are the patches, but they still stand in rows and columns; join the two axes: "
        "(b, t, n, c*size*size).",
    ),
    Mistake(
        lambda volume, size: _lay(volume, size, "b t (y x) c p q"),
        "these are the patches, but each is still (c, row, column); lay it out in one row of "
        "c*size*size numbers.",
    ),
    Mistake(
        _overlapping,
        "your patches overlap: the window moves on by one pixel. It should move on by `size`.",
    ),
)
