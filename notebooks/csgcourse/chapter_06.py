"""Exercises 6.1 to 6.4: both directions of the FCU, the sizes of Table SI, the whole network.

Source: section 2, "3D feature coupling unit (3D FCU)"; Fig. 2(a); Table SI, columns "3D FCU" and
"Output Sizes"; the 2D unit of Peng et al. 2021 (Conformer).
"""

import math
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from csgcourse.chapter_02 import VOLUMES
from csgcourse.exercise import Arguments, Exercise, inputs
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.fcu import TokensToVolume, VolumeToTokens

_STAGES = ("c1", "c2", "c3", "c4", "c5")
# Frames and side; the first is the paper's, and of the last two c5 would leave half a position.
_SIDES = ((8, 256), (8, 64), (5, 96), (1, 224), (3, 48), (2, 80))
_CLIPS = [(stage, *clip) for clip in _SIDES for stage in _STAGES]


def volume_to_tokens(volume: Tensor, stride: int) -> Tensor:
    """One token a block of pixels: their mean."""
    clips, channels, frames, height, width = volume.shape
    rows, columns = height // stride, width // stride
    blocks = volume.reshape(clips, channels, frames, rows, stride, columns, stride)
    means = blocks.mean(dim=(4, 6)).permute(0, 2, 3, 4, 1)
    return means.reshape(clips, frames, rows * columns, channels)


def tokens_to_volume(tokens: Tensor, rows: int, scale: int) -> Tensor:
    """Every token on all pixels of its patch, in its own frame."""
    clips, frames, count, channels = tokens.shape
    grid = tokens.reshape(clips, frames, rows, count // rows, channels)
    volume = grid.permute(0, 4, 1, 2, 3)
    return volume.repeat_interleave(scale, dim=3).repeat_interleave(scale, dim=4)


def output_size(stage: str, frames: int, side: int) -> tuple[int, int, int]:
    """Frames, rows and columns after a stage of the CNN branch."""
    reduction = {"c1": 4, "c2": 4, "c3": 8, "c4": 16, "c5": 32}[stage]
    pixels = math.ceil(side / reduction)  # a convolution of stride 2 rounds up
    return frames, pixels, pixels


def network_forward(model: CSG3DCT, clip: Tensor) -> Tensor:
    """Logits: both branches side by side, one transformer block ahead of the conv blocks."""
    volume = model.stem(clip)
    tokens = model.blocks[0](model.embed(volume))
    volume = model.local(volume)
    for conv, block in zip(model.convs, model.blocks[1:], strict=True):
        volume, tokens = conv(volume, tokens, block)
    return model.head(volume, tokens.cls).sum(dim=0)


_TOKENS = inputs(
    lambda b, t, y, x, c, p: ((b, t, y * x, c), y, p),
    *({"p": 2, "c": 2}, {"p": 3, "c": 3}, {"p": 2, "t": 1}, {"p": 7, "y": 1, "x": 1}),
    *({"p": 2, "y": 1}, {"p": 1, "c": 1}),
)


def _networks(generator: Generator) -> list[Arguments]:
    """Small networks with random weights, and clips; the second has two heads."""
    drawn: list[Arguments] = []
    base = replace(TINY, stages=(*TINY.stages[:2], TINY.stages[-1]), stem=32, classes=5)  # as c1
    for clips, frames, config in ((2, 3, base), (3, 1, replace(base, head="two"))):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(1000, (1,), generator=generator)))
            drawn.append((CSG3DCT(config).eval(), torch.randn(clips, 3, frames, 32, 16)))
    return drawn


def _up(function: Any, fcu: TokensToVolume, patches: Tensor, columns: int) -> Tensor:
    """FCU up with a function that repeats tokens; repeating commutes with all else there."""
    scale = int(getattr(fcu.upsample, "scale_factor", (1, 1, 1))[1])
    volume = function(patches, patches.shape[2] // columns, scale)
    return fcu.norm(fcu.project(volume))


# fmt: off
_DOWN_MISTAKES = {
    "this is max pooling; the mean of each block is wanted": ("mean(dim", "amax(dim"),
    "you kept the first pixel of each block; take the mean":
        ("mean(dim=(4, 6))", "select(6, 0).select(4, 0)"),
    "you pooled in time too: (1, stride, stride)": lambda volume, stride: volume_to_tokens(
        F.avg_pool3d(volume, (min(stride, volume.shape[2]), 1, 1)), stride),
    "channels and frames are mixed up: `reshape` moves no axis": lambda volume, stride:
        volume_to_tokens(volume.reshape(volume.transpose(1, 2).shape).transpose(1, 2), stride),
    "blocks take pixels far apart: y is (rows, stride), not (stride, rows)":
        ("rows, stride, columns, stride", "stride, rows, stride, columns", "(4, 6)", "(3, 5)"),
    "the means are column by column, not row by row": ("2, 3, 4, 1", "2, 4, 3, 1"),
}
_REPEATED = "volume.repeat_interleave(scale, dim=3).repeat_interleave(scale, dim=4)"
_UP_MISTAKES = {
    "the grid is repeated like tiles: use `repeat_interleave`":
        (_REPEATED, "volume.tile(scale, scale)"),
    "neighbours are blended (bilinear)":
        (_REPEATED, "F.interpolate(volume, scale_factor=(1.0, scale, scale), mode='trilinear')"),
    "you read column by column, not row by row":
        ("rows, count // rows, channels)", "count // rows, rows, channels).transpose(2, 3)"),
    "you took `rows` for the number of columns": ("rows, count // rows", "count // rows, rows"),
    "you only reshaped: bring the channels forward with `permute`":
        ("grid.permute(0, 4, 1, 2, 3)", "grid.reshape(clips, channels, frames, rows, -1)"),
    "each token fills pixels in a row, not a square":
        (_REPEATED, "volume.repeat_interleave(scale**2, dim=4).reshape("
         "clips, channels, frames, rows * scale, -1)"),
    "you repeated frames too": ("dim=3)", "dim=3).repeat_interleave(scale, dim=2)"),
    "the grid is right; each token still has to fill scale x scale pixels": (_REPEATED, "volume"),
}
_SIZE_MISTAKES = {
    "c5 halves rows and columns too: 8 x 8 in Table SI, not 16 x 16": ('"c5": 32', '"c5": 16'),
    "c1 is twice too large: the stem halves twice": ('"c1": 4', '"c1": 2'),
    "c2 halves nothing: in Table SI it is as large as c1":
        ('"c2": 4, "c3": 8, "c4": 16, "c5": 32', '"c2": 8, "c3": 16, "c4": 32, "c5": 64'),
    "the stem is missing: before c1 it divides rows and columns by 4": ("[stage]", "[stage] // 4"),
    "this is the grid of patches, the same at every stage; the CNN branch shrinks":
        ("[stage]", "['c4']"),
    "you divided the frames too; no stride touches time":
        ("return frames", "return frames // (side // pixels)"),
    "these are the tokens, class token included": ("pixels, pixels", "1 + (side // 16) ** 2"),
    "three numbers are wanted, (frames, rows, columns)": ("pixels, pixels", "pixels"),
    "this is right for the paper's clip alone": lambda stage, *_: output_size(stage, 8, 256),
    "where half a position would be left, a convolution of stride 2 rounds up; `//` rounds "
    "down (`math.ceil`)": ("math.ceil(side / reduction)", "side // reduction"),
}
_FIRST = "model.blocks[0](model.embed(volume))", "model.embed(volume)"
_NETWORK_MISTAKES = {
    "`blocks[0]` is missing: tokens go through it before the first conv": _FIRST,
    "each conv block runs beside the wrong block: the first takes `blocks[1]`": ("[1:]", "[:-1]"),
    "the last block is left over: `blocks[0]` runs ahead": (*_FIRST, "[1:]", "[:-1]"),
    "the block without a conv block comes first, not last":
        (*_FIRST, "[1:]", "[:-1]", "return", "tokens = model.blocks[-1](tokens)\n    return"),
    "each transformer block runs twice: the conv block runs it":
        ("conv(volume, tokens,", "conv(volume, block(tokens),"),
    "every conv block gets the first tokens: hand on those that it returns":
        ("volume, tokens = ", "volume, _ = "),
    "the embedding reads what the stem puts out, before `local`":
        ("embed(volume)", "embed(model.local(volume))"),
    "the head reads the class token, not the patches":
        ("tokens.cls", "tokens.patches.flatten(1, 2)"),
    "the heads' logits are averaged; they are summed": ("sum(", "mean("),
    "this is the first head alone; the heads' logits are summed": (".sum(dim=0)", "[0]"),
    "these are probabilities; logits are wanted, without softmax":
        ("dim=0)", "dim=0).softmax(dim=-1)"),
}
# fmt: on
_DOWN = VolumeToTokens, lambda f, fcu, volume: fcu.norm(f(fcu.project(volume), fcu.stride))
_UP = TokensToVolume, _up
_WHOLE = CSG3DCT, lambda function, model, clip: function(model, clip)
EXERCISES = (
    Exercise("6.1", volume_to_tokens, VOLUMES, "b t n c", _DOWN_MISTAKES, part=_DOWN),
    Exercise("6.2", tokens_to_volume, _TOKENS, "b c t y x", _UP_MISTAKES, part=_UP),
    Exercise("6.3", output_size, lambda _: _CLIPS, mistakes=_SIZE_MISTAKES),
    Exercise("6.4", network_forward, _networks, "b classes", _NETWORK_MISTAKES, part=_WHOLE),
)
