"""Exercises 6.1 to 6.3: the two bridges between volume and tokens, and the sizes of Table SI.

Source: section 2, "3D feature coupling unit (3D FCU)"; Fig. 2(a); Table SI, columns "3D FCU" and
"Output Sizes"; the 2D unit of Peng et al. 2021 (Conformer).
"""

import math

import torch
from torch import Generator, Tensor

from csgcourse import mistakes_06_bridges, mistakes_06_sizes
from csgcourse.exercise import Arguments, Exercise
from csgcourse.inputs import normal, sizes


def volume_to_tokens(volume: Tensor, stride: int) -> Tensor:
    """Make one token of every block of places: their mean."""
    clips, channels, frames, height, width = volume.shape
    rows, columns = height // stride, width // stride
    blocks = volume.reshape(clips, channels, frames, rows, stride, columns, stride)
    means = blocks.mean(dim=(4, 6)).permute(0, 2, 3, 4, 1)
    return means.reshape(clips, frames, rows * columns, channels)


def tokens_to_volume(tokens: Tensor, rows: int, scale: int) -> Tensor:
    """Lay every token over the places of its patch, in its own frame."""
    clips, frames, count, channels = tokens.shape
    grid = tokens.reshape(clips, frames, rows, count // rows, channels)
    volume = grid.permute(0, 4, 1, 2, 3)
    return volume.repeat_interleave(scale, dim=3).repeat_interleave(scale, dim=4)


def output_size(stage: str, frames: int, side: int) -> tuple[int, int, int]:
    """What is left of a clip behind a stage: all its frames, fewer rows and columns."""
    reduction = {"c1": 4, "c2": 4, "c3": 8, "c4": 16, "c5": 32}[stage]
    places = math.ceil(side / reduction)  # a convolution of stride 2 rounds up
    return frames, places, places


def _volumes(generator: Generator) -> list[Arguments]:
    clips, channels, rows, columns = sizes(generator, 4, without=(11,))
    few, frames, high, broad = sizes(generator, 4, without=(3,))
    grey = normal(generator, few, 1, frames, high * 3, broad * 3, dtype=torch.float64)
    return [
        (normal(generator, clips, channels, 13, rows * 4, columns * 4), 4),
        (grey, 3),
        (normal(generator, 3, 2, 5, 7 * 2, 3 * 2), 2),
        (normal(generator, 5, 3, 1, 2 * 3, 7 * 3), 3),  # one frame
        (normal(generator, 2, 5, 3, 7, 7), 7),  # one patch
        (normal(generator, 2, 3, 5, 7, 11), 1),  # as in c4: a place is a patch
    ]


def _tokens(generator: Generator) -> list[Arguments]:
    clips, frames, rows, columns, channels = sizes(generator, 5)
    few, short, high, broad = sizes(generator, 4, without=(3,))
    double = normal(generator, few, short, high * broad, 3, dtype=torch.float64)
    return [
        (normal(generator, clips, frames, rows * columns, channels), rows, 4),
        (double, high, 3),
        (normal(generator, 3, 1, 5 * 7, 2), 5, 2),  # one frame
        (normal(generator, 2, 3, 1, 5), 1, 7),  # one patch
        (normal(generator, 5, 2, 7, 3), 1, 2),  # one row of patches
        (normal(generator, 2, 5, 3 * 7, 1), 3, 1),  # as in c4: a patch is a place
    ]


def _stages(_: Generator) -> list[Arguments]:
    clips = ((8, 256), (8, 64), (5, 96), (1, 224))  # the first is the paper's
    return [(f"c{place}", frames, side) for frames, side in clips for place in range(1, 6)]


DOWN = Exercise(
    number="6.1",
    reference=volume_to_tokens,
    cases=_volumes,
    mistakes=mistakes_06_bridges.DOWN,
    nudge="Cut the frames as in exercise 2.1. What is left of a patch when it may keep one number "
    "a channel?",
    plan="1. Split y into (rows, stride) and x into (columns, stride): reshape.\n2. Take the mean "
    "over the two axes of length stride.\n3. Bring the channels to the end: permute to "
    "(b, t, rows, columns, c).\n4. Join rows and columns.\n"
    "(Or pool every frame, F.avg_pool2d or F.avg_pool3d with (1, stride, stride), then 3 and 4.)",
    insight="No frame is merged with another, so token n of frame t and the volume's block n of "
    "frame t stay one thing, at every depth.",
)

UP = Exercise(
    number="6.2",
    reference=tokens_to_volume,
    cases=_tokens,
    mistakes=mistakes_06_bridges.UP,
    nudge="n patches are a grid again, read row by row. A token covers scale x scale places: what "
    "do neighbours in the same block have in common?",
    plan="1. Split n into (rows, columns), columns = n // rows: reshape.\n2. Bring the channels "
    "behind the clips: permute to (b, c, t, rows, columns).\n3. Repeat every row, then every "
    "column, scale times in place: repeat_interleave.\n(Or, for step 3, F.interpolate with "
    "scale_factor=(1, scale, scale), whose default is nearest.)",
    insight="What attention found out about a patch reaches each of its places, and goes through "
    "the next 3 x 3 convolution with what lies there.",
)

SIZES = Exercise(
    number="6.3",
    reference=output_size,
    cases=_stages,
    mistakes=mistakes_06_sizes.SIZES,
    nudge="Begin with the stem: a convolution and a pooling, each of stride 2. Then look in the "
    "last column of Table SI for the stages where the CNN branch gets smaller. Which axis never "
    "does?",
    plan="1. The stem divides rows and columns by 4; c1 and c2 leave them.\n2. c3, c4 and c5 halve "
    "them: 8, 16, 32.\n3. Whole numbers: use //, not /.\n4. Frames stay as they are.",
    insight="From c1 to c5 a frame shrinks from 64 x 64 places to 8 x 8, and all 8 frames are "
    "still there, so the network can say when.",
)

EXERCISES = (DOWN, UP, SIZES)
