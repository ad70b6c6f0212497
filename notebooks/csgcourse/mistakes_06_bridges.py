"""Wrong answers to exercises 6.1 and 6.2, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch import Tensor

from csgcourse.exercise import Mistake

BLOCKS = "b c t (y p) (x q)"


def _means(volume: Tensor, stride: int, order: str, of: str = BLOCKS) -> Tensor:
    return reduce(volume, f"{of} -> {order}", "mean", p=stride, q=stride)


def _pooled_in_time(volume: Tensor, stride: int) -> Tensor:
    window = (min(stride, volume.shape[2]), stride, stride)
    return rearrange(F.avg_pool3d(volume, window), "b c t y x -> b t (y x) c")


def _so_many_blocks(volume: Tensor, stride: int) -> Tensor:
    size = (volume.shape[2], stride, stride)
    return rearrange(F.adaptive_avg_pool3d(volume, size), "b c t y x -> b t (y x) c")


def _overlapping(volume: Tensor, stride: int) -> Tensor:
    means = F.avg_pool3d(volume, (1, stride, stride), stride=1)
    return rearrange(means, "b c t y x -> b t (y x) c")


def _only_reshaped(volume: Tensor, stride: int) -> Tensor:
    means = _means(volume, stride, "b c t (y x)")
    clips, channels, frames, count = means.shape
    return means.reshape(clips, frames, count, channels)


def _frames_through_channels(volume: Tensor, stride: int) -> Tensor:
    clips, channels, frames = volume.shape[:3]
    mixed = volume.reshape(clips, frames, channels, *volume.shape[3:]).transpose(1, 2)
    return _means(mixed, stride, "b t (y x) c")


DOWN = (
    Mistake(
        lambda volume, stride: _means(volume, stride, "b t (y x) c") * stride**2,
        "you summed each block; its mean is wanted, or tokens of coarse patches would be louder "
        "than those of fine ones.",
    ),
    Mistake(
        lambda volume, stride: reduce(
            volume, f"{BLOCKS} -> b t (y x) c", "max", p=stride, q=stride
        ),
        "you kept the largest number of each block, max pooling; the mean is wanted.",
    ),
    Mistake(
        lambda volume, stride: rearrange(
            volume[..., ::stride, ::stride], "b c t y x -> b t (y x) c"
        ),
        "you kept the first place of each block and skipped the others; all of them have a say, "
        "their mean is wanted.",
    ),
    Mistake(
        lambda volume, stride: _means(volume, stride, "b t (x y) c"),
        "the means are right, but the patches stand column by column; row by row is wanted.",
    ),
    Mistake(
        lambda volume, stride: _means(volume, stride, "b t (y x) c", of="b c t (p y) (q x)"),
        "the mean went over the wrong block: places from all over the frame, far apart. When y is "
        "split in two, which block comes before which row in it: (rows, stride).",
    ),
    Mistake(
        _pooled_in_time,
        "you pooled in time too, so frames are merged. The stride belongs to rows and columns "
        "alone: (1, stride, stride).",
    ),
    Mistake(
        _so_many_blocks,
        "you made `stride` x `stride` blocks of each frame. `stride` is how long a block is, not "
        "how many there are.",
    ),
    Mistake(
        _overlapping,
        "your blocks overlap: the window moves on by one place. It should move on by `stride`.",
    ),
    Mistake(
        lambda volume, stride: _means(volume, stride, "b (y x) t c"),
        "t and n are swapped: frames come before patches, (b, t, n, c).",
    ),
    Mistake(
        _only_reshaped,
        "the means are right, but you only reshaped: the channels still lie in front, and are cut "
        "anew. Move them to the end with `permute`.",
    ),
    Mistake(
        _frames_through_channels,
        "channels and frames are mixed up: in (b, c, t, y, x) the channels stand in front of the "
        "frames, and `reshape` cannot exchange them. Use `permute` or `transpose`.",
    ),
    Mistake(
        lambda volume, stride: _means(volume, stride, "b (t y x) c"),
        "frames and patches are joined in one axis; keep them apart: (b, t, n, c).",
    ),
    Mistake(
        lambda volume, stride: _means(volume, stride, "b t y x c"),
        "the means are right, but rows and columns are still two axes; join them, row by row.",
    ),
)


def _grid(tokens: Tensor, rows: int) -> Tensor:
    return rearrange(tokens, "b t (y x) c -> b c t y x", y=rows)


def _spread(volume: Tensor, scale: int) -> Tensor:
    return repeat(volume, "b c t y x -> b c t (y p) (x q)", p=scale, q=scale)


def _smooth(tokens: Tensor, rows: int, scale: int) -> Tensor:
    factors = (1.0, float(scale), float(scale))
    return F.interpolate(_grid(tokens, rows), scale_factor=factors, mode="trilinear")


def _one_place_each(tokens: Tensor, rows: int, scale: int) -> Tensor:
    right = _spread(_grid(tokens, rows), scale)
    alone = torch.zeros_like(right)
    alone[..., ::scale, ::scale] = right[..., ::scale, ::scale]
    return alone


def _same_in_all_frames(volume: Tensor, like: Tensor) -> Tensor:
    return volume.expand(-1, -1, like.shape[1], -1, -1)


def _in_a_row(tokens: Tensor, rows: int, scale: int) -> Tensor:
    long = repeat(tokens, "b t n c -> b c t (n p)", p=scale**2)
    return long.unflatten(-1, (rows * scale, -1))


def _reshaped_up(tokens: Tensor, rows: int, scale: int) -> Tensor:
    clips, frames, count, channels = tokens.shape
    return _spread(tokens.reshape(clips, channels, frames, rows, count // rows), scale)


UP = (
    Mistake(
        lambda tokens, rows, scale: repeat(
            _grid(tokens, rows), "b c t y x -> b c t (p y) (q x)", p=scale, q=scale
        ),
        "the whole grid is laid out again and again, like tiles: that is `repeat`. Each token "
        "should be repeated in its place: `repeat_interleave`.",
    ),
    Mistake(
        _smooth,
        "you blended neighbours (bilinear). Nearest upsampling is wanted: every place of a patch "
        "gets the very same token.",
    ),
    Mistake(
        lambda tokens, rows, scale: _same_in_all_frames(
            _spread(_grid(tokens, rows), scale)[:, :, :1], tokens
        ),
        "the tokens of frame 0 are fed back to all frames; every frame gets its own.",
    ),
    Mistake(
        lambda tokens, rows, scale: _same_in_all_frames(
            _spread(_grid(tokens, rows), scale).mean(dim=2, keepdim=True), tokens
        ),
        "every frame got the mean over time; every frame gets its own tokens.",
    ),
    Mistake(
        lambda tokens, rows, scale: _spread(
            rearrange(tokens, "b t (x y) c -> b c t y x", y=rows), scale
        ),
        "you read the patches column by column; they stand row by row, so n splits into "
        "(rows, columns).",
    ),
    Mistake(
        lambda tokens, rows, scale: _spread(
            rearrange(tokens, "b t (y x) c -> b c t y x", x=rows), scale
        ),
        "you took `rows` for the number of columns: the grid has `rows` rows, and n // rows "
        "columns.",
    ),
    Mistake(
        _reshaped_up,
        "the shape is right, but you only reshaped: the channels lie at the end, and must be moved "
        "behind the clips with `permute` first.",
    ),
    Mistake(
        _in_a_row,
        "each token fills scale*scale places in a row; they should form a square, scale x scale. "
        "Make the grid first, then stretch rows and columns one after the other.",
    ),
    Mistake(
        _one_place_each,
        "each token reached the first place of its patch alone, with zeros around it; it should "
        "be laid over all scale x scale places.",
    ),
    Mistake(
        lambda tokens, rows, scale: _spread(_grid(tokens, rows), scale) / scale**2,
        "you shared each token out among its places; every place gets the whole token. A mean on "
        "the way down needs no division on the way up.",
    ),
    Mistake(
        lambda tokens, rows, scale: _spread(_grid(tokens, rows), scale).repeat_interleave(scale, 2),
        "you repeated frames too: the clip is longer now. Rows and columns alone are stretched: "
        "(1, scale, scale).",
    ),
    Mistake(
        lambda tokens, rows, scale: _grid(tokens, rows),
        "the grid is right; each token still has to be laid over scale x scale places.",
    ),
    Mistake(
        lambda tokens, rows, scale: _spread(_grid(tokens, rows), scale).transpose(1, 2),
        "frames stand before channels: a volume is (b, c, t, y, x).",
    ),
    Mistake(
        lambda tokens, rows, scale: _grid(tokens, rows).repeat_interleave(scale, 3),
        "the rows are stretched, the columns are not; both are `scale` times as many.",
    ),
)
