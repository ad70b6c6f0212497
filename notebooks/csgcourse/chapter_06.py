"""Exercises 6.1 to 6.3: the two bridges between volume and tokens, and the sizes of Table SI.

Source: section 2, "3D feature coupling unit (3D FCU)"; Fig. 2(a); Table SI, columns "3D FCU" and
"Output Sizes"; the 2D unit of Peng et al. 2021 (Conformer).
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, normal, sizes

_STAGES = ("c1", "c2", "c3", "c4", "c5")


def volume_to_tokens(volume: Tensor, stride: int) -> Tensor:
    """One token a block of pixels: their mean.

    Cut the frames as in exercise 2.1. What is left of a patch when it keeps one number a channel?

    1. Split y into (rows, stride) and x into (columns, stride): reshape.
    2. Take the mean over the two axes of length stride.
    3. Bring the channels to the end: permute to (b, t, rows, columns, c).
    4. Join rows and columns.
    (Or pool every frame, F.avg_pool3d with (1, stride, stride), then 3 and 4.)

    No frame is merged with another, so token n of frame t belongs to the volume's block n of
    frame t, at every depth.
    """
    clips, channels, frames, height, width = volume.shape
    rows, columns = height // stride, width // stride
    blocks = volume.reshape(clips, channels, frames, rows, stride, columns, stride)
    means = blocks.mean(dim=(4, 6)).permute(0, 2, 3, 4, 1)
    return means.reshape(clips, frames, rows * columns, channels)


def tokens_to_volume(tokens: Tensor, rows: int, scale: int) -> Tensor:
    """Every token on all pixels of its patch, in its own frame.

    n patches are a grid again, row by row. A token covers scale x scale pixels: what do
    neighbours in the same patch have in common?

    1. Split n into (rows, columns), columns = n // rows: reshape.
    2. Bring the channels behind the clips: permute to (b, c, t, rows, columns).
    3. Repeat every row, then every column, scale times in place: repeat_interleave.
    (Or, for step 3, F.interpolate with scale_factor=(1, scale, scale), whose default is nearest.)

    What attention computes for a patch reaches each of its pixels, and goes through the next 3 x
    3 convolution with the CNN's own features.
    """
    clips, frames, count, channels = tokens.shape
    grid = tokens.reshape(clips, frames, rows, count // rows, channels)
    volume = grid.permute(0, 4, 1, 2, 3)
    return volume.repeat_interleave(scale, dim=3).repeat_interleave(scale, dim=4)


def output_size(stage: str, frames: int, side: int) -> tuple[int, int, int]:
    """Frames, rows and columns after a stage of the CNN branch.

    Begin with the stem: a convolution and a pooling, each of stride 2. Then look in the last
    column of Table SI for the stages where the CNN branch gets smaller. Which axis never does?

    1. The stem divides rows and columns by 4; c1 and c2 leave them.
    2. c3, c4 and c5 halve them: 8, 16, 32.
    3. Whole numbers: use //, not /.
    4. Frames stay as they are.

    From c1 to c5 a frame shrinks from 64 x 64 pixels to 8 x 8, and all 8 frames are still there,
    so the network can say when.
    """
    reduction = {"c1": 4, "c2": 4, "c3": 8, "c4": 16, "c5": 32}[stage]
    pixels = math.ceil(side / reduction)  # a convolution of stride 2 rounds up
    return frames, pixels, pixels


def _volumes(generator: Generator) -> list[Arguments]:
    clips, channels, rows, columns = sizes(generator, 4, without=11)
    few, frames, high, broad = sizes(generator, 4, without=3)
    return [
        (normal(generator, clips, channels, 13, rows * 2, columns * 2), 2),
        (normal(generator, few, 1, frames, high * 3, broad * 3, double=True), 3),
        (normal(generator, 3, 2, 5, 7 * 2, 3 * 2), 2),
        (normal(generator, 5, 3, 1, 2 * 3, 7 * 3), 3),  # one frame
        (normal(generator, 2, 5, 3, 7, 7), 7),  # one patch
        (normal(generator, 2, 3, 5, 7, 11), 1),  # as in c4: a pixel is a patch
    ]


def _tokens(generator: Generator) -> list[Arguments]:
    clips, frames, rows, columns, channels = sizes(generator, 5)
    few, short, high, broad = sizes(generator, 4, without=3)
    return [
        (normal(generator, clips, frames, rows * columns, channels), rows, 2),
        (normal(generator, few, short, high * broad, 3, double=True), high, 3),
        (normal(generator, 3, 1, 5 * 7, 2), 5, 2),  # one frame
        (normal(generator, 2, 3, 1, 5), 1, 7),  # one patch
        (normal(generator, 5, 2, 7, 3), 1, 2),  # one row of patches
        (normal(generator, 2, 5, 3 * 7, 1), 3, 1),  # as in c4: a patch is a pixel
    ]


def _stages(_: Generator) -> list[Arguments]:
    clips = ((8, 256), (8, 64), (5, 96), (1, 224))  # the first is the paper's
    return [(stage, frames, side) for frames, side in clips for stage in _STAGES]


def _down_mistakes(volume: Tensor, stride: int) -> Wrong:
    clips, channels, frames, height, width = volume.shape
    mixed = volume.reshape(clips, frames, channels, height, width).transpose(1, 2)
    window = (1, stride, stride)
    volumes = {
        "this is max pooling; the mean of each block is wanted": F.max_pool3d(volume, window),
        "you kept the first pixel of each block; take the mean": volume[..., ::stride, ::stride],
        "you pooled in time too: (1, stride, stride)": F.avg_pool3d(
            volume, (min(stride, frames), stride, stride)
        ),
        "you made `stride` blocks a side; `stride` is a block's side": F.adaptive_avg_pool3d(
            volume, (frames, stride, stride)
        ),
        "your blocks overlap: the window should move by `stride`": F.avg_pool3d(
            volume, window, stride=1
        ),
        "channels and frames are mixed up: `reshape` moves no axis": F.avg_pool3d(mixed, window),
        "blocks take pixels far apart: y is (rows, stride), not (stride, rows)": reduce(
            volume, "b c t (p y) (q x) -> b c t y x", "mean", p=stride, q=stride
        ),
    }
    means = F.avg_pool3d(volume, window)
    return {
        "the means are column by column, not row by row": rearrange(
            means, "b c t y x -> b t (x y) c"
        ),
        **{words: rearrange(v, "b c t y x -> b t (y x) c") for words, v in volumes.items()},
    }


def _up_mistakes(tokens: Tensor, rows: int, scale: int) -> Wrong:
    def spread(volume: Tensor) -> Tensor:
        return repeat(volume, "b c t y x -> b c t (y p) (x q)", p=scale, q=scale)

    clips, frames, count, channels = tokens.shape
    grid = rearrange(tokens, "b t (y x) c -> b c t y x", y=rows)
    right = spread(grid)
    first = torch.zeros_like(right)
    first[..., ::scale, ::scale] = grid
    row = repeat(tokens, "b t n c -> b c t (n p)", p=scale**2)
    factors = (1.0, float(scale), float(scale))
    reshaped = tokens.reshape(clips, channels, frames, rows, count // rows)
    return {
        "the grid is repeated like tiles: use `repeat_interleave`": grid.repeat(
            1, 1, 1, scale, scale
        ),
        "neighbours are blended (bilinear)": F.interpolate(
            grid, scale_factor=factors, mode="trilinear"
        ),
        "you read column by column, not row by row": spread(
            rearrange(tokens, "b t (x y) c -> b c t y x", y=rows)
        ),
        "you took `rows` for the number of columns": spread(
            rearrange(tokens, "b t (y x) c -> b c t y x", x=rows)
        ),
        "you only reshaped: bring the channels forward with `permute`": spread(reshaped),
        "each token fills pixels in a row, not a square": row.unflatten(-1, (rows * scale, -1)),
        "each token reaches the first pixel of its patch alone; it should fill the patch": first,
        "you repeated frames too": right.repeat_interleave(scale, dim=2),
        "the grid is right; each token still has to fill scale x scale pixels": grid,
        "the rows are repeated, the columns are not": grid.repeat_interleave(scale, dim=3),
    }


def _size_mistakes(stage: str, frames: int, side: int) -> Wrong:
    place = _STAGES.index(stage)
    reductions = {
        "c5 halves rows and columns too: 8 x 8 in Table SI, not 16 x 16": (4, 4, 8, 16, 16),
        "c1 is twice too large: the stem halves twice": (2, 4, 8, 16, 32),
        "c2 halves nothing: in Table SI it is as large as c1": (4, 8, 16, 32, 64),
        "all are twice too large: the stem halves twice": (2, 2, 4, 8, 16),
        "the stem is missing: before c1 it divides rows and columns by 4": (1, 1, 2, 4, 8),
        "c1 is a quarter, like c2, and c5 halves once more than c4": (2, 4, 8, 16, 16),
        "from c3 on all are twice too large: c3 halves already": (4, 4, 4, 8, 16),
        "this is the grid of patches, the same at every stage; the CNN branch shrinks": (16,) * 5,
    }
    sides = {words: side // reduction[place] for words, reduction in reductions.items()}
    reduction = (4, 4, 8, 16, 32)[place]
    pixels, stride = side // reduction, "no stride touches time: all frames stay"
    return {
        **{words: (frames, size, size) for words, size in sides.items()},
        f"you divided the frames too; {stride}": (frames // reduction, pixels, pixels),
        f"you halved the frames too; {stride}": (frames * 4 // reduction, pixels, pixels),
        "these are the tokens, class token included": (frames, 1 + (side // 16) ** 2),
        "one too many: the CNN branch has no class token": (frames, 1 + pixels, 1 + pixels),
        "three numbers are wanted, (frames, rows, columns)": (frames, pixels),
        "this is right for the paper's clip alone": output_size(stage, 8, 256),
    }


EXERCISES = (
    Exercise("6.1", volume_to_tokens, _volumes, axes="b t n c", mistakes=_down_mistakes),
    Exercise("6.2", tokens_to_volume, _tokens, axes="b c t y x", mistakes=_up_mistakes),
    Exercise("6.3", output_size, _stages, mistakes=_size_mistakes),
)
