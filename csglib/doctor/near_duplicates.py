"""Near-duplicates: clips that share frames, even re-encoded, brighter, cropped, mirrored or cut.

Not in the paper. Each frame has a fingerprint, its tissue at 32 x 32 pixels without the outline,
which all clips of one probe share. Of it only the band-passed, contrast-normalised pattern is
compared: a second encoding changes that little. Clips of one view can match in that, too: only what
changes from frame to frame, as speckle does, tells whether the frames are the same.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Float, Num, UInt8
from numpy import ndarray
from PIL import Image
from scipy.ndimage import gaussian_filter

from csglib.data.clips import even_indices

SIDE = 32
MIN_CORRELATION = 0.86  # of two fingerprints of one frame, once they are aligned
_CANDIDATE = 0.72  # before alignment; frames of different clips rarely reach it, see the tests
_QUERIES = 16  # frames of a clip that are searched for in the others, evenly spread
_SAME = 0.5  # correlation of what changes between frames: 0.1 in one view, 0.8 in a bad copy
_APART = 0.8  # of them match frames of their own: a shadow that moves alike is in 0.7 at most
_MIN_MATCHES = 3  # of those; two neighbouring frames of a sweep can be very similar
_COARSE, _FINE = (1.0, 3.0), (0.8, 2.0)  # sigmas of a difference of Gaussians, pixels
_FLAT = 0.15  # contrast (in square roots of grey levels) below which a pattern fades out
# The tissue region of one copy, stated by the file or detected, may be a tenth smaller.
_ZOOMS = [np.array([[zoom, zoom, 0, 0]]) for zoom in (1.0, 0.955, 0.91)]
_FLIPS = [*product((1, -1), repeat=2)]  # steps down and across: some formats leave orientation open
_MAX_STEPS = 8  # of the search, for each step size
_STEP_SIZES = ((0.03, 0.5), (0.01, 0.2))  # of scale, and of shift in fingerprint pixels

Fingerprints = UInt8[ndarray, "t 32 32"]
Warps = Float[ndarray, "warps 4"]  # scale down and across, shift down and across


class NearDuplicate(NamedTuple):
    """Two clips that share frames."""

    first: int  # index of a clip
    second: int  # index of the other, larger than `first`
    fraction: float  # of the searched frames that are shared, 0 to 1; the larger of both directions
    mirrored: bool  # left and right, top and bottom, or both are exchanged
    same_frames: bool  # else only the view is alike


def fingerprints(
    frames: UInt8[ndarray, "t y x"], outline: Bool[ndarray, "y x"] | None = None
) -> Fingerprints:
    """Shrink each frame to 32 x 32; around the outline it goes on as a blur of what is inside.

    Pass the tissue alone: screens around it are all alike.
    """

    def shrunk(image: ndarray) -> Float[ndarray, "32 32"]:
        small = Image.fromarray(image.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(small)

    inside = np.ones(frames.shape[1:], bool) if outline is None else outline
    weight = shrunk(inside)
    full = weight > 0.5
    spread = np.maximum(gaussian_filter(full.astype(np.float32), _COARSE[1]), 1e-3)
    prints = np.empty((len(frames), SIDE, SIDE), np.uint8)
    for number, frame in enumerate(frames):
        levels = np.where(full, shrunk(frame * inside) / np.maximum(weight, 0.5), 0)
        around = gaussian_filter(levels, _COARSE[1]) / spread
        prints[number] = np.rint(np.where(full, levels, around)).clip(0, 255)
    return prints


def find_near_duplicates(clips: Sequence[UInt8[ndarray, "_ 32 32"]]) -> Iterator[NearDuplicate]:
    """Find the pairs of clips that share at least three frames (or all, where one has fewer).

    `clips` are fingerprints. Of long clips 16 frames, evenly spread, are searched for: the shared
    part must be a good part of one. A coarse search proposes pairs, which are aligned and counted.
    """
    starts = np.cumsum([0, *map(len, clips)])[:-1]
    coarse = [_normalised(_patterns(clip, _COARSE)[:, ::2, ::2]) for clip in clips]
    database = np.concatenate([np.empty((0, (SIDE // 2) ** 2), np.float32), *coarse])
    pairs: dict[tuple[int, int], NearDuplicate] = {}
    for index, clip in enumerate(clips):
        queries = clip[np.unique(even_indices(len(clip), _QUERIES))]
        zoomed = _patterns(np.concatenate([_warp(queries, zoom) for zoom in _ZOOMS]), _COARSE)
        for down, across in _FLIPS:  # the pattern of a flipped image is the flipped pattern
            scores = _normalised(zoomed[:, :: 2 * down, :: 2 * across]) @ database.T
            scores = np.maximum.reduceat(scores, starts, axis=1)
            score = rearrange(scores, "(zoom t) clip -> zoom t clip", zoom=len(_ZOOMS))
            matches = (score > _CANDIDATE).sum(axis=1).max(axis=0)
            candidates = np.flatnonzero(matches >= min(_MIN_MATCHES, len(queries))).tolist()
            for other in {*candidates} - {index}:
                zoom, best = divmod(int(score[..., other].argmax()), len(queries))
                flipped = queries[:, ::down, ::across]
                fraction, same = _shared_fraction(flipped, clips[other], best, _ZOOMS[zoom])
                pair = min(index, other), max(index, other)
                found = NearDuplicate(*pair, fraction, min(down, across) < 0, same)
                pairs[pair] = max(pairs.get(pair, found), found, key=lambda it: (it[4], it[2]))
    yield from (found for _, found in sorted(pairs.items()) if found.fraction)


def _shared_fraction(
    queries: Fingerprints, others: UInt8[ndarray, "u 32 32"], best: int, zoom: Warps
) -> tuple[float, bool]:
    """Fraction of the queries that the other clip has too, 0 if too few; are they the same frames?

    They are if each matches another frame, and what changes from one to the next changes there
    too. One frame has no changes.
    """
    targets = _normalised(_patterns(others, _FINE))
    query = _normalised(_patterns(_warp(queries[best][None], zoom), _FINE))
    warp = _align(queries[best], targets[(query @ targets.T).argmax()], zoom)
    patterns = _normalised(_patterns(_warp(queries, warp), _FINE))
    scores = patterns @ targets.T
    found = scores.max(axis=1) > MIN_CORRELATION
    if found.sum() < min(_MIN_MATCHES, len(queries)):
        return 0.0, False
    matches = scores[found].argmax(axis=1)
    here, there = (
        np.sqrt(levels) - gaussian_filter(np.sqrt(levels), (0, 1, 1))  # speckle, no shadows
        for levels in (
            _warp(queries, warp)[found],
            others[matches].astype(np.float32),
        )
    )
    here, there = here - here.mean(axis=0), there - there.mean(axis=0)
    power = np.sqrt((here**2).sum() * (there**2).sum())
    alike = len({*matches.tolist()}) > _APART * len(matches)
    alike &= bool((here * there).sum() > _SAME * power)
    return float(found.mean()), alike or min(len(queries), len(others)) < _MIN_MATCHES


def _align(frame: UInt8[ndarray, "32 32"], target: Float[ndarray, " v"], zoom: Warps) -> Warps:
    """Scale and shift that align a fingerprint with another, by hill climbing."""
    best = zoom
    for scale, shift in _STEP_SIZES:
        around = np.array([*product((0, -1, 1), repeat=4)]) * (scale, scale, shift, shift)
        for _ in range(_MAX_STEPS):
            scores = _normalised(_patterns(_warp(frame[None], best + around), _FINE)) @ target
            if not scores.argmax():  # no step at all is best
                break
            best = best + around[scores.argmax()]
    return best


def _warp(
    frames: UInt8[ndarray, "#t 32 32"], warps: Float[ndarray, "#t 4"]
) -> Float[ndarray, "_ 32 32"]:
    """Scale about the centre, then shift; linear interpolation as two matrix products."""
    places, middle = np.arange(SIDE), (SIDE - 1) / 2
    down, across = (
        np.clip(scale * (places - middle) + middle + shift, 0, SIDE - 1)[..., None]
        for scale, shift in ((warps[:, :1], warps[:, 2:3]), (warps[:, 1:2], warps[:, 3:]))
    )
    rows, columns = (np.maximum(0, 1 - np.abs(at - places)) for at in (down, across))
    return rows @ frames @ rearrange(columns, "t c x -> t x c")


def _patterns(
    frames: Num[ndarray, "t 32 32"], sigmas: tuple[float, float]
) -> Float[ndarray, "t 32 32"]:
    """Band-passed, and divided by the local contrast; about 0 where the image is flat."""
    grey = np.sqrt(frames.astype(np.float32))
    narrow, wide = (gaussian_filter(grey, (0, sigma, sigma)) for sigma in sigmas)
    band = narrow - wide
    contrast = np.sqrt(gaussian_filter(band**2, (0, *[1.5 * sigmas[1]] * 2)))
    pattern: Float[ndarray, "t 32 32"] = band / (contrast + _FLAT)
    return pattern


def _normalised(patterns: Float[ndarray, "t y x"]) -> Float[ndarray, "t v"]:
    """Zero mean and unit length: dot products are correlations."""
    flat = rearrange(patterns, "t y x -> t (y x)")
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return (flat / np.maximum(length, 1)).astype(np.float32)
