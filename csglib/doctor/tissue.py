"""The images on a scanner's screen: where grey levels change in time, as speckle does and text not.

Not in the paper. Around the tissue a scanner shows names, dates and scales, which no network should
see and no shared file may contain. A screen may show two images, or more, and one may be frozen.
"""

from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from csglib.data.clips import Region, even_indices

_SAMPLED = 24  # frames, evenly spread
_MIN_VARIANCE = 4  # in time, grey levels squared; less may be rounding
_MIN_SHARE = 0.2  # of all variance: tissue has 0.4 to 1, text under the worst codec 0.03
_NEIGHBOURHOOD = 1 / 100  # of the longer side: radius of the local statistics
_MIN_PART = 1 / 4  # of the largest component: a smaller one may be a clock or a trace ...
_MIN_TISSUE, _MIN_BRIGHT = 1 / 8, 0.6  # ... if less of it is brighter than black, as in letters
_BLACK = 8  # grey levels
_MIN_AREA = 1 / 50  # of the frame: less is not tissue
_THIN = 1 / 36  # of the longer side: a line of letters is thinner, the tip of a sector hardly
_MIN_LINE, _JUMP = 0.5, 3  # of a line 3 pixels further in: a shorter one is a clock's
_STROKE = 80  # grey levels by which a thin line, such as a letter's, stands out in every frame
_MIN_FRAMES = 4  # in fewer, speckle too may be bright throughout
_SHARP, _STEADY, _CALMER = 60, 12, 2.5  # grey levels above its surroundings, see `find_overlays`
_MIN_MARK = 8  # pixels; speckle in the phantom's clips forms smaller spots
_BLOCK = 8  # pixels: codecs disturb a letter's surroundings up to this distance
_ALIVE, _QUIET = 6, 2  # grey levels of change: more is more than an encoder's; less is none
_SPILL = 1  # pixel that codecs smear beyond the edge of what moves
_CODEC = 0.04  # of the pixels beside the tissue change: a codec has been at work
_SPILT = 0.3  # of the changes within a codec's block: less may have spilt from there
_MOST = 3  # pixels, side of a square in which most must be alive
_FULL = 0.93  # of a bounding box: an outline that fills so much is a rectangle
# Several images on one screen:
_MIN_IMAGE = 0.15  # of all that is image: an image has no less
_ROUGH, _DENSE = 6, 0.8  # texture of a frozen image: grey levels in 3 x 3, share of surroundings
_GAP_FILLED, _GAP_QUIET = 0.02, 0.9  # of a line between two images: is image; does not change
_STRAIGHT, _NARROW, _OPEN = 0.8, 0.12, 0.08  # see `_between`
_EDGE, _LESS = 9, (0.6, 0.95)  # see `_widens`
_SEAM, _BESIDE, _WHOLE = 0.35, 0.6, 0.7  # see `_seams`
_FEW = 8  # frames are enough to compare neighbouring lines


class Picture(NamedTuple):
    """An image on a screen."""

    region: Region  # its bounding box
    outline: Bool[ndarray, "rows columns"]  # what of that is tissue: all of it, a fan, a sector
    moving: int  # pixels that move; 0 if it is frozen


class _Layers(NamedTuple):
    """Of each pixel of a screen."""

    moves: Bool[ndarray, "y x"]  # by its surroundings, `radius` pixels too far
    content: Bool[ndarray, "y x"]  # it moves itself, or has the texture of a frozen image
    quiet: Bool[ndarray, "y x"]  # it never changes
    solid: Bool[ndarray, "y x"]  # in an area of moves or texture, wider than a line of letters


def moved(region: Region, origin: Region) -> Region:
    """A region of a part of the frames, in the frames."""
    x, y = origin.left, origin.top
    return Region(region.left + x, region.top + y, region.right + x, region.bottom + y)


def find_tissue(frames: UInt8[ndarray, "t y x"]) -> Region | None:
    """Bounding box of the image that moves most; None for a frame, a still, something small.

    Tissue is where the variance in time is a large share of the variance in time and space. Codecs
    make still text flicker, but little beside how it stands out from its surroundings. In motion
    JPEG of constant rate a letter's block may change as much as tissue does, so nothing counts near
    thin bright lines that never go away. A clock or an ECG trace beside the tissue is not part of
    it; text on the tissue stays in it.
    """
    return next((it.region for it in find_pictures(frames) if it.moving), None)


def find_pictures(frames: UInt8[ndarray, "t y x"]) -> list[Picture]:
    """The images on a screen, most moving first; of a split screen all, frozen ones too."""
    sample = _sampled(frames)
    layers = _layers(sample)
    least = max(_MIN_IMAGE * layers.solid.sum(), _MIN_AREA * layers.solid.size)
    whole = Region(0, 0, frames.shape[2], frames.shape[1])
    regions = [*_cut(sample[:: -(-len(sample) // _FEW)], layers, whole, least)]
    pictures = (_picture(sample, layers, region) for region in regions)
    return sorted((it for it in pictures if it), key=lambda it: -it.moving)


def moving_brightness(frames: UInt8[ndarray, "t y x"]) -> float:
    """Sum over the pixels that move of their mean grey level, at least 1."""
    sample = _sampled(frames)
    moving = sample.mean(axis=0) * _moving_pixels(sample, _radius(sample))
    return max(1.0, float(moving.sum()))


def find_overlays(frames: UInt8[ndarray, "t y x"]) -> tuple[Region, ...]:
    """Bounding boxes of burned-in calipers, arrows and letters, on the tissue or around it.

    They change much less than what is around them, where a second encoding makes them flicker too,
    or hardly at all, on black. Bright walls are wider, and fade into their surroundings.
    """
    sample = _sampled(frames)
    mean = sample.mean(axis=0, dtype=np.float32)
    change = (sample.max(axis=0) - sample.min(axis=0)).astype(np.float32)
    calm = (change * _CALMER <= ndimage.uniform_filter(change, 2 * _BLOCK - 1)) | (
        change <= _STEADY
    )
    sharp = mean - ndimage.median_filter(mean, _BLOCK + 1) >= _SHARP
    parts, _ = ndimage.label(_strokes(sample) & calm & sharp, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:].tolist()
    return tuple(
        Region(columns.start, rows.start, columns.stop, rows.stop)
        for size, (rows, columns) in zip(sizes, ndimage.find_objects(parts), strict=True)
        if size >= _MIN_MARK
    )


def _strokes(frames: UInt8[ndarray, "t y x"]) -> Bool[ndarray, "y x"]:
    """Thin lines that are bright in every frame, as those of letters and calipers are."""
    if len(frames) < _MIN_FRAMES:
        return np.zeros(frames.shape[1:], bool)
    darkest, brightest = frames.min(axis=0), frames.max(axis=0)
    width = 2 * _radius(frames) + 1
    heights = [ndimage.white_tophat(still, width) for still in (darkest, brightest)]
    strokes: Bool[ndarray, "y x"] = np.minimum(*heights) > _STROKE
    return strokes & (brightest - darkest < darkest / 2)


def _near_strokes(frames: UInt8[ndarray, "t y x"]) -> Bool[ndarray, "y x"]:
    """Pixels in whose codec blocks a letter may be."""
    near: Bool[ndarray, "y x"] = ndimage.maximum_filter(_strokes(frames), 2 * _BLOCK - 1)
    return near


def _sampled(frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "few y x"]:
    return frames[np.unique(even_indices(len(frames), _SAMPLED))]


def _layers(frames: UInt8[ndarray, "t y x"]) -> _Layers:
    longer, radius = max(frames.shape[1:]), _radius(frames)
    moves = _moving_pixels(frames, radius)
    change = frames.max(axis=0) - frames.min(axis=0)
    mean = frames.mean(axis=0, dtype=np.float32)
    rough = ndimage.maximum_filter(mean, 3) - ndimage.minimum_filter(mean, 3) > _ROUGH
    dense = ndimage.uniform_filter(rough.astype(np.float32), max(9, longer // 24)) > _DENSE
    frozen = dense & ndimage.maximum_filter(rough, 3)
    wide, thin = max(1, round(longer / 60)), max(3, round(longer * _THIN))
    closed = ndimage.binary_fill_holes(_close(moves | frozen, wide))
    solid = ndimage.grey_opening(closed.astype(np.uint8), (thin, thin)) > 0
    content = (change > _ALIVE) & ndimage.maximum_filter(moves, 3) | frozen
    return _Layers(moves, content & solid, change <= _QUIET, solid)


def _moving_pixels(frames: UInt8[ndarray, "t y x"], radius: int) -> Bool[ndarray, "y x"]:
    """Pixels whose surroundings have a large variance in time, also beside that in space."""
    mean, in_time = np.zeros((2, *frames.shape[1:]), np.float32)
    for frame in frames:  # one at a time: a long clip as float32 would not fit into memory
        mean += frame / np.float32(len(frames))
    for frame in frames:
        in_time += (frame - mean) ** 2 / np.float32(len(frames))
    in_time[_near_strokes(frames)] = 0
    in_time = ndimage.uniform_filter(in_time, 2 * radius + 1)
    mean -= mean.mean()  # else the difference below would be mostly rounding error
    wide = 4 * radius + 1  # so that flicker around letters is compared with the letters
    in_space = ndimage.uniform_filter(mean**2, wide) - ndimage.uniform_filter(mean, wide) ** 2
    share = _MIN_SHARE * (in_time + in_space)
    moving: Bool[ndarray, "y x"] = in_time > np.maximum(_MIN_VARIANCE, share)
    return moving


def _picture(frames: UInt8[ndarray, "t y x"], layers: _Layers, within: Region) -> Picture | None:
    """The image in a part of the screen: the convex outline of what is solid there."""
    radius = _radius(frames)
    shown, solid, moves = (_crop(layer, within) for layer in (frames, layers.solid, layers.moves))
    parts, count = ndimage.label(solid)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0  # the background
    bright = np.bincount(parts.ravel(), (shown > _BLACK).mean(axis=0).ravel())
    wide, grey = sizes >= _MIN_PART * sizes.max(), bright >= _MIN_BRIGHT * sizes
    kept = (sizes > 0) & (wide | (grey & (sizes >= _MIN_TISSUE * sizes.max())))
    tissue = ndimage.minimum_filter(kept[parts], 2 * max(0, radius - 3) + 1)
    change = shown.max(axis=0) - shown.min(axis=0)
    spilt = _SPILT * ndimage.maximum_filter(change, 2 * _BLOCK - 1)
    alive = (change > np.maximum(_ALIVE, spilt)) & ~_near_strokes(shown)
    moving = int((tissue & moves).sum())
    if moving >= _MIN_AREA * frames[0].size:
        tissue &= ndimage.uniform_filter(alive.astype(np.float32), _MOST) > 0.5
    else:
        moving = 0
    thin = max(3, round(max(frames.shape[1:]) * _THIN))
    tissue = _convex(_without_lines(_without_lines(tissue, thin).T, thin).T)
    near = ndimage.maximum_filter(tissue, 2 * _SPILL + 1)
    if not near.all() and np.mean(change[~near] > 0) > _CODEC:
        tissue = ndimage.minimum_filter(tissue, 2 * _SPILL + 1, mode="nearest")
    if not tissue.any():
        return None
    box = _bounds(tissue)
    outline = _crop(tissue, box).copy()
    if outline.mean() >= _FULL:
        outline[:] = True
    return Picture(moved(box, within), outline, moving)


def _without_lines(mask: Bool[ndarray, "y x"], thin: int) -> Bool[ndarray, "y x"]:
    """Without rows at top and bottom from which the mask widens abruptly: a clock's, say."""
    kept = mask.copy()
    for rows in (kept, kept[::-1]):
        lengths = rows.sum(axis=1)
        later = lengths[np.minimum(np.arange(len(rows)) + _JUMP, len(rows) - 1)]
        abrupt = np.flatnonzero(np.maximum.accumulate(lengths) < _MIN_LINE * later)
        first = int((lengths > 0).argmax())
        rows[: max((row + 1 for row in abrupt if row < first + 3 * thin), default=0)] = False
    return kept


def _convex(mask: Bool[ndarray, "y x"]) -> Bool[ndarray, "y x"]:
    """The mask's convex hull."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return mask
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    points = np.concatenate([np.stack([edge, rows], axis=1) for edge in (left, right)])
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:  # all in one line
        return mask
    image = Image.new("1", mask.shape[::-1])
    ImageDraw.Draw(image).polygon([(int(x), int(y)) for x, y in corners], 1, 1)
    return np.array(image)


def _cut(
    frames: UInt8[ndarray, "t y x"], layers: _Layers, region: Region, least: float
) -> Iterator[Region]:
    """The parts of a region with an image each: cut where a line separates two of enough size."""
    solid = _crop(layers.solid, region)
    if not solid.any():
        return
    region = moved(_bounds(solid), region)
    left, top, right, bottom = astuple(region)
    content, quiet, shown = (_crop(it, region) for it in (layers.content, layers.quiet, frames))
    across = [*_gaps(content, quiet), *_seams(shown, content)]
    content, quiet, shown = content.T, quiet.T, shown.transpose(0, 2, 1)
    down = [*_gaps(content, quiet, _between), *_seams(shown, content)]
    halves = [
        (Region(left, top, left + x, bottom), Region(left + x, top, right, bottom)) for x in across
    ] + [(Region(left, top, right, top + y), Region(left, top + y, right, bottom)) for y in down]
    for parts in halves:
        if min(_crop(layers.solid, part).sum() for part in parts) >= least:
            for part in parts:
                yield from _cut(frames, layers, part, least)
            return
    yield region


def _between(content: Bool[ndarray, "y x"], start: int, end: int) -> bool:
    """Whether columns `start` to `end` - 1 lie between two images, and are no lumen or shadow.

    The walls of a lumen are about as far apart everywhere; two outlines are not, unless both are
    straight: then the gap is narrow.
    """
    before, after = content[:, :start][:, ::-1], content[:, end:]
    both = before.any(axis=1) & after.any(axis=1)
    if not both.any():
        return True
    sides = [side[both].argmax(axis=1) for side in (before, after)]
    apart = sum(sides) + end - start
    straight = min(np.mean(np.abs(side - np.median(side)) <= 2) for side in sides) > _STRAIGHT
    low, middle, high = np.percentile(apart, (20, 50, 80)) / content.shape[1]
    apart = (straight and middle <= _NARROW) or high - low > _OPEN
    return bool(apart) and not _widens(before, after)


def _widens(before: Bool[ndarray, "y x"], after: Bool[ndarray, "y u"]) -> bool:
    """Whether columns behind a gap are somewhat wider than any before it: a fan with a lumen.

    Of two images, the second begins as wide as the first ends, or narrower.
    """
    widths = [
        side.any(axis=0) * (len(side) - side[::-1].argmax(axis=0) - side.argmax(axis=0))
        for side in (before, after)
    ]
    here, there = widths[0].max(), np.median(widths[1][widths[1] > 0][:_EDGE])
    return bool(_LESS[0] * there < here < _LESS[1] * there)


def _gaps(
    content: Bool[ndarray, "y x"],
    quiet: Bool[ndarray, "y x"],
    accept: Callable[[Bool[ndarray, "y x"], int, int], bool] = lambda *_: True,
) -> list[int]:
    """Columns in the middle of two or more that are empty and never change; widest gap first."""
    empty = (content.mean(axis=0) <= _GAP_FILLED) & (quiet.mean(axis=0) >= _GAP_QUIET)
    found = []
    for (gap,) in ndimage.find_objects(ndimage.label(empty)[0]):
        inside = gap.start > 0 and gap.stop < len(empty)
        if inside and gap.stop - gap.start > 1 and accept(content, gap.start, gap.stop):
            found.append((gap.start - gap.stop, (gap.start + gap.stop) // 2))
    return [x for _, x in sorted(found)]


def _seams(frames: UInt8[ndarray, "t y x"], content: Bool[ndarray, "y x"]) -> list[int]:
    """Columns at which one image ends and the next begins: there alone neighbours do not correlate.

    Speckle grains are wider than a pixel, so neighbouring columns of one image are alike.
    """
    detail = frames - ndimage.uniform_filter1d(frames.astype(np.float32), 9, axis=1)
    detail *= content
    thirds = len(content) * np.arange(3) // 3  # an image ends in all of its rows
    power, common = (
        np.add.reduceat(product.sum(axis=0), thirds, axis=0)
        for product in (detail**2, detail[..., 1:] * detail[..., :-1])
    )
    correlation = (common / np.maximum(np.sqrt(power[:, 1:] * power[:, :-1]), 1e-6)).max(axis=0)
    filled = content.mean(axis=0)
    least = ndimage.minimum_filter1d(filled, 7)
    whole = np.minimum(least[1:], least[:-1]) > _WHOLE * np.percentile(filled, 75)
    if not whole.any():
        return []
    low, usual = np.percentile(correlation[whole], (5, 50))  # low at a codec's blocks, too
    sides = (ndimage.maximum_filter1d(np.roll(correlation, step), 3) for step in (2, -2))
    seam = whole & (correlation < min(_SEAM * usual, low / 2))
    seam &= np.minimum(*sides) > _BESIDE * usual
    return [int(x) + 1 for x in np.flatnonzero(seam & (low > _SEAM * usual))]


def _bounds(mask: Bool[ndarray, "y x"]) -> Region:
    """Bounding box of what is in a mask; not of an empty one."""
    ((rows, columns),) = ndimage.find_objects(mask.astype(np.uint8))
    return Region(columns.start, rows.start, columns.stop, rows.stop)


def _crop(layer: ndarray, region: Region) -> ndarray:
    return layer[..., region.top : region.bottom, region.left : region.right]


def _radius(frames: UInt8[ndarray, "t y x"]) -> int:
    return max(1, round(max(frames.shape[1:]) * _NEIGHBOURHOOD))


def _close(moves: Bool[ndarray, "y x"], gap: int) -> Bool[ndarray, "y x"]:
    """Morphological closing; padded, so that the image's edge does not wear away."""
    padded = np.pad(moves, gap).astype(np.uint8)
    closed: Bool[ndarray, "y x"] = ndimage.grey_closing(padded, (gap, gap))[gap:-gap, gap:-gap] > 0
    return closed
