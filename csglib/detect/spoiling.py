"""Pictures made worse by chance, so that the detector can bear what no phantom thinks of.

Not in the paper. A real picture differs from a simulated one in contrast, haze, contact, depth, and
in much else; a network that must bear more than that may bear that too. None of this could be in
`csglib.data.augment`, which keeps a plaque's grade: here the vessel may even be gone.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage, special

Frame = UInt8[ndarray, "y x"]
Grey = Float[ndarray, "y x"]  # 0 black, 1 white
Edges = Float[ndarray, "4"]  # of the vessel: left, top, right, bottom, pixels
Chance = np.random.Generator

_AROUND = 0.3  # of a vessel's width, on each side: its bright surroundings


def ways_aside(box: Edges, width: int) -> list[int]:
    """How far to the left and the right is a piece as wide as the vessel, without any of it."""
    left, _, right, _ = box
    margin, step = _AROUND * (right - left), round((1.1 + 2 * _AROUND) * (right - left))
    return [
        way for way in (-step, step) if left - margin + way >= 0 and right + margin + way <= width
    ]


def painted_out(frame: Frame, box: Edges, way: int) -> Frame:
    """What lies `way` pixels aside is painted over the vessel and over what is under it."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    mask = np.zeros(frame.shape)
    mask[
        max(round(top - _AROUND * high), 0) : round(bottom + 1.5 * high),
        max(round(left - _AROUND * wide), 0) : round(right + _AROUND * wide),
    ] = 1
    mask = ndimage.gaussian_filter(mask, 0.1 * wide)
    aside = np.roll(frame, -way, axis=1)
    return np.rint(frame * (1 - mask) + aside * mask).astype(np.uint8)


def strange(side: int, chance: Chance) -> Frame:
    """No neck at all: clouds or grain of any size, down to plain black."""
    clouds = ndimage.gaussian_filter(chance.standard_normal((side, side)), chance.uniform(0, 30))
    picture = chance.uniform(0, 0.5) + chance.uniform(0, 0.3) * clouds / clouds.std()
    return (255 * picture * chance.integers(0, 4)).clip(0, 255).astype(np.uint8)


def relit(frame: Frame, box: Edges, chance: Chance) -> Frame:
    """Black below some depth; a side without contact; darker or brighter under the vessel.

    Or the vessel's surroundings are no brighter than all else: a ring says much, and is not always
    there.
    """
    left, top, right, bottom = box
    height, width = frame.shape
    down, across = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    light = np.ones(frame.shape)
    if chance.random() < 0.5:
        light *= _until(chance.uniform(bottom, 1.2 * height), down, chance.uniform(4, 30))
    if chance.random() < 0.3:
        light *= _until(chance.uniform(right, width), across, chance.uniform(4, 20))
    if chance.random() < 0.5:
        deep, half = chance.uniform(0.3, 1.5) * (bottom - top), chance.uniform(0.2, 0.5)
        aside = np.abs(across - (left + right) / 2)
        under = _until(bottom + deep, down, 5.0) - _until(bottom, down, 2.0)
        block = under * _until(half * (right - left), aside, 3.0)
        light *= 1 + chance.uniform(-0.9, 0.7) * block.clip(0)
    if chance.random() < 0.4:
        reach = chance.uniform(0.6, 1.5) * (right - left)
        off = np.hypot(across - (left + right) / 2, down - (top + bottom) / 2) / reach
        light *= 1 - chance.uniform(0, 0.8) * np.exp(-(off**2))
    return (frame * light).clip(0, 255).astype(np.uint8)


def holed(frame: Frame, box: Edges, chance: Chance) -> Frame:
    """Up to two ragged dark holes that are no vessel: nothing brighter lies under them.

    Shadows, veins and the trachea look like that; the artery has tissue that its blood lights up.
    """
    low, high = box[:2], box[2:]
    down, across = np.indices(frame.shape) + 0.5
    left = np.ones(frame.shape)
    for _ in range(chance.integers(3)):
        half = (high - low) * chance.uniform([0.25, 0.15], [0.7, 0.6])
        middle = chance.uniform([0, 0.2], [1, 0.75]) * frame.shape[::-1]
        if (np.abs(middle - (low + high) / 2) < 1.5 * half + 0.6 * (high - low)).all():
            continue
        x, y = (across - middle[0]) / half[0], (down - middle[1]) / half[1]
        turn, waves = np.arctan2(y, x), chance.normal(0, 0.12, 3)
        ragged = 1 + sum(wave * np.cos(k * turn + k) for k, wave in enumerate(waves, start=2))
        left *= 1 - chance.uniform(0.6, 1) * _until(1.0, np.hypot(x, y) / ragged, 0.08)
    return np.rint(frame * left).astype(np.uint8)


def veined(frame: Frame, box: Edges, chance: Chance) -> Frame:
    """Up to two flat dark veins with bright walls, right above the artery or beside it."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    down, across = np.indices(frame.shape) + 0.5
    grey = frame.astype(float)
    artery = _until(
        1.1, np.hypot((across - centre[0]) / half[0], (down - centre[1]) / half[1]), 0.03
    )
    for _ in range(chance.integers(3)):
        wide, high = half * chance.uniform([0.4, 0.15], [1.5, 0.6])
        turn, tilt = chance.uniform(-1.1 * np.pi, 0.1 * np.pi), chance.normal(0, 0.3)
        way = np.array([np.cos(turn), np.sin(turn)])
        middle = centre + way * (half * chance.uniform(1.1, 1.6) + [wide, high])
        x, y = across - middle[0], down - middle[1]
        along = (x * np.cos(tilt) + y * np.sin(tilt)) / wide
        through = (y * np.cos(tilt) - x * np.sin(tilt)) / high
        away = np.hypot(along, through)
        inside = _until(1.0, away, 0.06) * (1 - artery)
        thick = chance.uniform(0.05, 0.25)
        wall = np.exp(-(((away - 1 - thick) / thick) ** 2)) * np.abs(through / (away + 1e-6))
        grey *= 1 - chance.uniform(0.6, 1) * inside
        grey += chance.uniform(0, 160) * wall * (1 - artery) * chance.uniform(0.5, 1, frame.shape)
    return grey.clip(0, 255).astype(np.uint8)


def _until(end: float, at: Float[ndarray, "#y #x"], soft: float) -> Float[ndarray, "#y #x"]:
    """1 before `end`, 0 after it."""
    return special.expit((end - at) / soft)


def spoilt(picture: Grey, chance: Chance) -> Grey:
    """The same picture from another machine, or worse: a few changes, each with its own chance."""
    for share, change in _CHANGES:
        if chance.random() < share:
            picture = change(picture, chance)
    return picture


def _toned(picture: Grey, chance: Chance) -> Grey:
    return chance.uniform(0.5, 1.4) * picture.clip(0, 1) ** np.exp(chance.uniform(-0.4, 0.4))


def _hazy(picture: Grey, chance: Chance) -> Grey:
    veil = chance.uniform(0, 0.2)
    return veil + (1 - veil) * picture


def _blurred(picture: Grey, chance: Chance) -> Grey:
    return ndimage.gaussian_filter(picture, chance.uniform([0.2, 0.2], [1.2, 1.8]))


def _noisy(picture: Grey, chance: Chance) -> Grey:
    return picture + chance.uniform(0.01, 0.07) * chance.standard_normal(picture.shape)


def _uneven(picture: Grey, chance: Chance) -> Grey:
    coarse = chance.standard_normal((8, 8))
    zoom = np.divide(picture.shape, coarse.shape)
    field = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return picture * np.exp(chance.uniform(0, 0.6) * field)


def _shadowed(picture: Grey, chance: Chance) -> Grey:
    across = np.linspace(0, 1, picture.shape[1])
    middle, half = chance.random(), chance.uniform(0.01, 0.08)
    return picture * (1 - chance.random() * np.exp(-(((across - middle) / half) ** 2)))


def _banded(picture: Grey, chance: Chance) -> Grey:
    """Lines that the probe itself makes, under the skin."""
    down = np.linspace(0, 1, len(picture))[:, None]
    for _ in range(chance.integers(1, 5)):
        line = np.exp(-(((down - chance.uniform(0, 0.12)) / chance.uniform(0.003, 0.01)) ** 2))
        picture = picture + chance.uniform(0.1, 0.8) * line
    return picture


def _ruled(picture: Grey, chance: Chance) -> Grey:
    """A ruler or a grey wedge on the right, as screens have."""
    marked = picture.copy()
    marked[:: chance.integers(1, 25), -chance.integers(2, 7) :] = chance.uniform(0.3, 1)
    return marked


_CHANGES: tuple[tuple[float, Callable[[Grey, Chance], Grey]], ...] = (
    (0.4, _uneven),
    (0.4, _blurred),
    (0.3, _shadowed),
    (0.4, _hazy),
    (0.9, _toned),
    (0.4, _noisy),
    (0.3, _banded),
    (0.1, _ruled),
)
