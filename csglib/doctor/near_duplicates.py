"""Clips that show the same moments: encoded again, brighter, cut a little, mirrored, or in part.

Not in the paper. Each frame leaves a print, its tissue in 32 x 32 grey levels. Of a print only the
pattern counts, not how bright or rich in contrast it is, so that a second encoding changes little.
Speckle changes from frame to frame: three frames that agree are the same frames, not a like view.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Float, Num, UInt8
from numpy import ndarray
from PIL import Image
from scipy.ndimage import gaussian_filter

SIDE = 32
LIKE = 0.86  # correlation of two prints of one frame, once they lie on each other
_PERHAPS = 0.72  # before; frames of different clips stay below that as a rule, see the tests
_ASKED = 16  # frames of a clip that are looked for in another, evenly spread
_ENOUGH = 3  # of them; two neighbours of a sweep can be very alike
_COARSE, _FINE = (1.0, 3.0), (0.8, 2.0)  # widths of two Gaussians: what lies between them counts
_FLAT = 0.15  # contrast below which a pattern fades out, of the square root of grey
# As a file states it or as it moves, the region of one clip may be a tenth smaller.
_ZOOMS = [np.array([[zoom, zoom, 0, 0]]) for zoom in (1.0, 0.955, 0.91)]
_MIRRORS = [*product((1, -1), repeat=2)]  # steps down and across; not every format says which way
_CLIMBS = 8  # at most, a size of step
_STEPS = ((0.03, 0.5), (0.01, 0.2))  # of scale, and of shift in pixels of a print

Prints = UInt8[ndarray, "t 32 32"]
Moves = Float[ndarray, "moves 4"]  # scale down and across, shift down and across


class Likeness(NamedTuple):
    """Two clips that share frames.

    Attributes:
        first: place of one clip.
        second: place of the other, behind it.
        share: of the frames of that clip of which more is in the other, 0 to 1.
        mirrored: whether they have left and right, top and bottom, or both the other way round.
    """

    first: int
    second: int
    share: float
    mirrored: bool


def prints(frames: UInt8[ndarray, "t y x"]) -> Prints:
    """A print of each frame: a kilobyte, whatever its size.

    Args:
        frames: of the tissue alone; a screen around it is the same in all clips.
    """
    small = [Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BOX) for frame in frames]
    return np.stack([np.asarray(picture) for picture in small])


def alike(clips: Sequence[UInt8[ndarray, "_ 32 32"]]) -> Iterator[Likeness]:
    """Find the pairs of clips that share at least three frames, or all where one has fewer.

    Long clips are asked for 16 frames, evenly spread: what they share must be a good part of one.

    Args:
        clips: the prints of each.
    """
    starts = np.cumsum([0, *map(len, clips)])[:-1]
    rough = [_rough(_patterns(clip, _COARSE)) for clip in clips]
    everything = np.concatenate([np.empty((0, (SIDE // 2) ** 2), np.float32), *rough])
    pairs: dict[tuple[int, int], Likeness] = {}
    for mine, clip in enumerate(clips):
        asked = clip[np.unique(np.linspace(0, len(clip) - 1, _ASKED).astype(int))]
        zoomed = _patterns(np.concatenate([_moved(asked, zoom) for zoom in _ZOOMS]), _COARSE)
        for down, across in _MIRRORS:  # a mirrored print has a mirrored pattern
            likes = _rough(zoomed, down, across) @ everything.T
            likes = np.maximum.reduceat(likes, starts, axis=1)
            like = rearrange(likes, "(zoom t) clip -> zoom t clip", zoom=len(_ZOOMS))
            enough = (like > _PERHAPS).sum(axis=1).max(axis=0) >= min(_ENOUGH, len(asked))
            for other in {*np.flatnonzero(enough).tolist()} - {mine}:
                zoom, surest = divmod(int(like[..., other].argmax()), len(asked))
                turned = asked[:, ::down, ::across]
                share = _share(turned, clips[other], surest, _ZOOMS[zoom])
                pair = min(mine, other), max(mine, other)
                found = Likeness(*pair, share, mirrored=min(down, across) < 0)
                pairs[pair] = max(pairs.get(pair, found), found, key=lambda one: one.share)
    yield from (found for _, found in sorted(pairs.items()) if found.share)


def _share(asked: Prints, others: UInt8[ndarray, "u 32 32"], surest: int, zoom: Moves) -> float:
    """Share of the frames asked for that the other clip has too; 0 if they are too few."""
    fine = _vectors(_patterns(others, _FINE))
    seen = _vectors(_patterns(_moved(asked[surest][None], zoom), _FINE))
    move = _move(asked[surest], fine[(seen @ fine.T).argmax()], zoom)
    found = (_vectors(_patterns(_moved(asked, move), _FINE)) @ fine.T).max(axis=1) > LIKE
    return float(found.mean()) if found.sum() >= min(_ENOUGH, len(asked)) else 0.0


def _move(frame: UInt8[ndarray, "32 32"], target: Float[ndarray, " v"], zoom: Moves) -> Moves:
    """How to stretch and shift a print so that it lies on another: a search uphill."""
    best = zoom
    for scale, shift in _STEPS:
        around = np.array([*product((0, -1, 1), repeat=4)]) * (scale, scale, shift, shift)
        for _ in range(_CLIMBS):
            like = _vectors(_patterns(_moved(frame[None], best + around), _FINE)) @ target
            if not like.argmax():
                break
            best = best + around[like.argmax()]
    return best


def _moved(
    frames: UInt8[ndarray, "#t 32 32"], moves: Float[ndarray, "#t 4"]
) -> Float[ndarray, "_ 32 32"]:
    """Stretched about the middle, then shifted; between pixels, a straight line."""
    places, middle = np.arange(SIDE), (SIDE - 1) / 2
    down, across = (
        np.clip(scale * (places - middle) + middle + shift, 0, SIDE - 1)[..., None]
        for scale, shift in ((moves[:, :1], moves[:, 2:3]), (moves[:, 1:2], moves[:, 3:]))
    )
    rows, columns = (np.maximum(0, 1 - np.abs(at - places)) for at in (down, across))
    return rows @ frames @ rearrange(columns, "t c x -> t x c")


def _patterns(
    frames: Num[ndarray, "t 32 32"], widths: tuple[float, float]
) -> Float[ndarray, "t 32 32"]:
    """Neither brightness nor contrast is left; where there is no pattern, about 0."""
    grey = np.sqrt(frames.astype(np.float32))
    narrow, wide = (gaussian_filter(grey, (0, width, width)) for width in widths)
    between = narrow - wide
    spread = np.sqrt(gaussian_filter(between**2, (0, *[1.5 * widths[1]] * 2)))
    pattern: Float[ndarray, "t 32 32"] = between / (spread + _FLAT)
    return pattern


def _rough(
    patterns: Float[ndarray, "t 32 32"], down: int = 1, across: int = 1
) -> Float[ndarray, "t v"]:
    """Of every other line, read forwards or, with -1, backwards."""
    return _vectors(patterns[:, :: 2 * down, :: 2 * across])


def _vectors(patterns: Float[ndarray, "t y x"]) -> Float[ndarray, "t v"]:
    """Their products are correlations."""
    flat = rearrange(patterns, "t y x -> t (y x)")
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return (flat / np.maximum(length, 1)).astype(np.float32)
