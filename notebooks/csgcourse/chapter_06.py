"""Exercises 6.1 to 6.4: both directions of the FCU, the sizes of Table SI, the whole network.

Source: section 2, "3D feature coupling unit (3D FCU)"; Fig. 2(a); Table SI, columns "3D FCU" and
"Output Sizes"; the 2D unit of Peng et al. 2021 (Conformer).
"""

import math
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch import Generator, Tensor

from csgcourse.chapter_02 import VOLUMES
from csgcourse.exercise import Arguments, Exercise, Wrong, inputs
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


def _down_mistakes(volume: Tensor, stride: int) -> Wrong:
    window, in_time = (1, stride, stride), (min(stride, volume.shape[2]), stride, stride)
    mixed = rearrange(volume.flatten(1, 2), "b (t c) y x -> b c t y x", c=volume.shape[1])
    apart = reduce(volume, "b c t (p y) (q x) -> b c t y x", "mean", p=stride, q=stride)
    volumes = {
        "this is max pooling; the mean of each block is wanted": F.max_pool3d(volume, window),
        "you kept the first pixel of each block; take the mean": volume[..., ::stride, ::stride],
        "you pooled in time too: (1, stride, stride)": F.avg_pool3d(volume, in_time),
        "channels and frames are mixed up: `reshape` moves no axis": F.avg_pool3d(mixed, window),
        "blocks take pixels far apart: y is (rows, stride), not (stride, rows)": apart,
        "the means are column by column, not row by row": F.avg_pool3d(volume, window).mT,
    }
    return {words: rearrange(v, "b c t y x -> b t (y x) c") for words, v in volumes.items()}


def _up_mistakes(tokens: Tensor, rows: int, scale: int) -> Wrong:
    def spread(order: str, **length: int) -> Tensor:
        grid = rearrange(tokens, f"b t {order} c -> b c t y x", **length)
        return repeat(grid, "b c t y x -> b c t (y p) (x q)", p=scale, q=scale)

    columns = tokens.shape[2] // rows
    grid = rearrange(tokens, "b t (y x) c -> b c t y x", y=rows)
    row = repeat(tokens, "b t n c -> b c t (n p)", p=scale**2)
    blended = F.interpolate(grid, scale_factor=(1.0, scale, scale), mode="trilinear")
    kept = tokens.reshape(len(tokens), -1, tokens.shape[1], rows, columns)
    kept = F.interpolate(kept, scale_factor=(1, scale, scale))
    return {
        "the grid is repeated like tiles: use `repeat_interleave`": grid.tile(scale, scale),
        "neighbours are blended (bilinear)": blended,
        "you read column by column, not row by row": spread("(x y)", y=rows),
        "you took `rows` for the number of columns": spread("(y x)", x=rows),
        "you only reshaped: bring the channels forward with `permute`": kept,
        "each token fills pixels in a row, not a square": row.unflatten(-1, (rows * scale, -1)),
        "you repeated frames too": F.interpolate(grid, scale_factor=scale),
        "the grid is right; each token still has to fill scale x scale pixels": grid,
    }


def _size_mistakes(stage: str, frames: int, side: int) -> Wrong:
    place, right = _STAGES.index(stage), output_size(stage, frames, side)
    reductions = {
        "c5 halves rows and columns too: 8 x 8 in Table SI, not 16 x 16": (4, 4, 8, 16, 16),
        "c1 is twice too large: the stem halves twice": (2, 4, 8, 16, 32),
        "c2 halves nothing: in Table SI it is as large as c1": (4, 8, 16, 32, 64),
        "the stem is missing: before c1 it divides rows and columns by 4": (1, 1, 2, 4, 8),
        "this is the grid of patches, the same at every stage; the CNN branch shrinks": (16,) * 5,
    }
    divided = frames // (side // right[1]), *right[1:]
    sides = {words: -(-side // reduction[place]) for words, reduction in reductions.items()}
    down = side // (4, 4, 8, 16, 32)[place]
    return {
        "where half a position would be left, a convolution of stride 2 rounds up; `//` rounds "
        "down (`math.ceil`)": (frames, down, down),
        **{words: (frames, size, size) for words, size in sides.items()},
        "you divided the frames too; no stride touches time": divided,
        "these are the tokens, class token included": (frames, 1 + (side // 16) ** 2),
        "three numbers are wanted, (frames, rows, columns)": right[:2],
        "this is right for the paper's clip alone": output_size(stage, 8, 256),
    }


def _networks(generator: Generator) -> list[Arguments]:
    """Small networks with random weights, and clips; the second has two heads."""
    drawn: list[Arguments] = []
    base = replace(TINY, stages=(*TINY.stages[:2], TINY.stages[-1]), stem=32, classes=5)  # as c1
    for clips, frames, config in ((2, 3, base), (3, 1, replace(base, head="two"))):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(1000, (1,), generator=generator)))
            drawn.append((CSG3DCT(config).eval(), torch.randn(clips, 3, frames, 32, 16)))
    return drawn


def _network_mistakes(model: Any, clip: Tensor) -> Wrong:
    def features(early: bool = True, first: int = 1, new: bool = True, late: bool = False) -> Any:
        """Volume and tokens before the head, with some lines of the solution changed."""
        volume = model.stem(clip)
        tokens = model.embed(model.local(volume) if late else volume)
        tokens, volume = model.blocks[0](tokens) if early else tokens, model.local(volume)
        for n, conv in enumerate(model.convs):
            volume, changed = conv(volume, tokens, model.blocks[first + n])
            tokens = changed if new else tokens
        return volume, tokens

    ways: dict[str, dict[str, Any]] = {
        "`blocks[0]` is missing: tokens go through it before the first conv": {"early": False},
        "each conv block runs beside the wrong block: the first takes `blocks[1]`": {"first": 0},
        "the last block is left over: `blocks[0]` runs ahead": {"early": False, "first": 0},
        "every conv block gets the first tokens: hand on those that it returns": {"new": False},
        "the embedding reads what the stem puts out, before `local`": {"late": True},
    }
    volume, tokens = features()
    heads, patches = model.head(volume, tokens.cls), tokens.patches.flatten(1, 2)
    parts = {words: features(**way) for words, way in ways.items()}
    return {
        **{words: model.head(v, t.cls).sum(0) for words, (v, t) in parts.items()},
        "the head reads the class token, not the patches": model.head(volume, patches).sum(0),
        "the heads' logits are averaged; they are summed": heads.mean(0),
        "this is the first head alone; the heads' logits are summed": heads[0],
        "these are probabilities; logits are wanted, without softmax": heads.sum(0).softmax(-1),
    }


def _up(function: Any, fcu: TokensToVolume, patches: Tensor, columns: int) -> Tensor:
    """FCU up with a function that repeats tokens; repeating commutes with all else there."""
    scale = int(getattr(fcu.upsample, "scale_factor", (1, 1, 1))[1])
    volume = function(patches, patches.shape[2] // columns, scale)
    return fcu.norm(fcu.project(volume))


_DOWN = VolumeToTokens, lambda f, fcu, volume: fcu.norm(f(fcu.project(volume), fcu.stride))
_UP = TokensToVolume, _up
_WHOLE = CSG3DCT, lambda function, model, clip: function(model, clip)
EXERCISES = (
    Exercise("6.1", volume_to_tokens, VOLUMES, "b t n c", _down_mistakes, part=_DOWN),
    Exercise("6.2", tokens_to_volume, _TOKENS, "b c t y x", _up_mistakes, part=_UP),
    Exercise("6.3", output_size, lambda _: _CLIPS, mistakes=_size_mistakes),
    Exercise("6.4", network_forward, _networks, "b classes", _network_mistakes, part=_WHOLE),
)
