"""Exercises 2.1 to 2.4: from a clip to tokens, and to sequences and back.

Source: section 2, "Transformer Encoder"; Fig. 2(c); the row "Embedding" of Table SI.
"""

import torch
from torch import Generator, Tensor

from csgcourse import mistakes_02_folding, mistakes_02_patches, mistakes_02_unfolding
from csgcourse.exercise import Arguments, Exercise
from csgcourse.inputs import normal, sizes


def patches(volume: Tensor, size: int) -> Tensor:
    """Cut every frame into squares, and lay each square out in a row."""
    clips, channels, frames, height, width = volume.shape
    rows, columns = height // size, width // size
    cut = volume.reshape(clips, channels, frames, rows, size, columns, size)
    cut = cut.permute(0, 2, 3, 5, 1, 4, 6)  # clip, frame, which patch, what is in it
    return cut.reshape(clips, frames, rows * columns, channels * size * size)


def fold_space(token: Tensor, patches: Tensor) -> Tensor:
    """Make every frame a sequence of its own, led by the class token of its clip."""
    clips, frames, count, width = patches.shape
    copies = token.repeat_interleave(frames, dim=0)
    return torch.cat([copies, patches.reshape(clips * frames, count, width)], dim=1)


def fold_time(token: Tensor, patches: Tensor) -> Tensor:
    """Make every place a sequence through time, led by the class token of its clip."""
    clips, frames, count, width = patches.shape
    copies = token.repeat_interleave(count, dim=0)
    places = patches.transpose(1, 2).reshape(clips * count, frames, width)
    return torch.cat([copies, places], dim=1)


def unfold_time(sequences: Tensor, clips: int) -> tuple[Tensor, Tensor]:
    """Make one class token of its copies, and put the patches back in their frames."""
    apart = sequences.unflatten(0, (clips, -1))  # clip, place, token, width
    token = apart[:, :, 0].mean(dim=1, keepdim=True)
    patches = apart[:, :, 1:].transpose(1, 2)
    return token, patches


def _volumes(generator: Generator) -> list[Arguments]:
    clips, channels, frames, rows, columns = sizes(generator, 5)
    many, long, high, broad = sizes(generator, 4, without=(3,))
    grey = normal(generator, many, 1, long, high * 3, broad * 3, dtype=torch.float64)
    return [
        (normal(generator, clips, channels, frames, rows * 4, columns * 4), 4),
        (grey, 3),
        (normal(generator, 3, 2, 1, 5 * 7, 5), 5),  # one frame, one column of patches
        (normal(generator, 2, 3, 5, 7, 7), 7),  # a frame is one patch
        (normal(generator, 1, 3, 2, 5, 7), 1),  # a place is a patch
    ]


def _tokens(generator: Generator) -> list[Arguments]:
    def draw(clips: int, frames: int, count: int, width: int) -> Arguments:
        token = normal(generator, clips, 1, width)
        return token, normal(generator, clips, frames, count, width)

    token, grid = draw(*sizes(generator, 4))
    clips, frames, count, width = sizes(generator, 4, without=(7,))
    double = normal(generator, clips, 1, width, dtype=torch.float64)
    return [
        (token, grid),
        (double, normal(generator, clips, frames, count, width, dtype=torch.float64)),
        draw(2, 1, 5, 3),  # one frame
        draw(3, 5, 1, 2),  # one patch
        draw(1, 3, 7, 5),
    ]


def _sequences(generator: Generator) -> list[Arguments]:
    clips, frames, count, width = sizes(generator, 4)
    few, short, many, wide = sizes(generator, 4, without=(3,))
    double = normal(generator, few * many, 1 + short, wide, dtype=torch.float64)
    return [
        (normal(generator, clips * count, 1 + frames, width), clips),
        (double, few),
        (normal(generator, 2 * 5, 1 + 1, 3), 2),  # one frame
        (normal(generator, 3, 1 + 5, 2), 3),  # one patch
        (normal(generator, 7, 1 + 3, 5), 1),
    ]


PATCHES = Exercise(
    number="2.1",
    reference=patches,
    cases=_volumes,
    mistakes=mistakes_02_patches.PATCHES,
    nudge="A row of pixels runs through several patches, so cutting alone will not do: first the "
    "axis y becomes two, which patch and which row in it, and x likewise. Which axes must then "
    "stand side by side?",
    plan="1. Split y into (rows, size) and x into (columns, size): reshape.\n2. Bring the axes in "
    "the order clip, frame, rows, columns, channel, row in a patch, column in a patch: permute.\n"
    "3. Join rows and columns, and the last three: reshape.\n"
    '(Or in one line of einops: "b c t (y p) (x q) -> b t (y x) (c p q)".)',
    insight="A linear layer on these numbers makes tokens of them; a convolution whose stride is "
    "as long as its kernel does both steps at once.",
)

SPACE = Exercise(
    number="2.2",
    reference=fold_space,
    cases=_tokens,
    mistakes=mistakes_02_folding.SPACE,
    nudge="What belongs to one frame lies side by side already. How many sequences does a clip "
    "give, and how often is its class token needed?",
    plan="1. Join the axes clip and frame of the patches: reshape to (b*t, n, d).\n"
    "2. Copy every class token t times, the copies of a clip one after the other:\n"
    "   repeat_interleave along axis 0.\n3. Put it in front: torch.cat along axis 1.",
    insight="One token a clip, a copy in every frame: Table SI can print 8 x 257 and the text one "
    "class token, and both are right.",
)

TIME = Exercise(
    number="2.3",
    reference=fold_time,
    cases=_tokens,
    mistakes=mistakes_02_folding.TIME,
    nudge="Now a sequence is one place, seen in all frames. But in (b, t, n, d) the patches of one "
    "frame lie side by side. What must happen before axes are joined?",
    plan="1. Exchange frames and patches: transpose(1, 2).\n2. Join clip and patch: reshape to "
    "(b*n, t, d).\n3. Copy every class token n times, the copies of a clip one after the other.\n"
    "4. Put it in front: torch.cat along axis 1.",
    insight="Attention is the same in both branches; only the order of the axes tells space from "
    "time.",
)

UNFOLD = Exercise(
    number="2.4",
    reference=unfold_time,
    cases=_sequences,
    mistakes=mistakes_02_unfolding.UNFOLD,
    nudge="Each step of `fold_time`, backwards. Only one cannot be undone: one class token went "
    "in, n copies come back, and attention has changed each in its own way.",
    plan="1. Take b*n apart into (b, n): reshape, or unflatten.\n2. The first of each sequence is "
    "a copy of the class token: take the mean over n, keep an axis of 1.\n3. The others are "
    "patches (b, n, t, d): exchange places and frames.\n4. Return both, token first.",
    insight="The mean gives every place an equal say in what the class token has learned, however "
    "many patches there are.",
)

EXERCISES = (PATCHES, SPACE, TIME, UNFOLD)
