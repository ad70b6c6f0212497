"""Image degradations for training the vessel detector on simulated necks alone.

Not in the paper. Real images differ from simulated ones in contrast, haze, probe contact, depth and
much else; random degradations widen the training distribution to cover that. They are separate from
`csglib.data.augment`, which must keep the grade of a plaque: here the vessel may even be removed.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage, special

Frame = UInt8[ndarray, "y x"]
Grey = Float[ndarray, "y x"]  # 0 black, 1 white
Box = Float[ndarray, "4"]  # of the vessel: left, top, right, bottom, pixels
Rng = np.random.Generator

_MARGIN = 0.3  # of a vessel's width, on each side: its bright surroundings


def free_offsets(box: Box, width: int) -> list[int]:
    """Horizontal offsets, pixels, at which a patch as wide as the vessel shows none of it."""
    left, _, right, _ = box
    margin, step = _MARGIN * (right - left), round((1.1 + 2 * _MARGIN) * (right - left))
    return [s for s in (-step, step) if left - margin + s >= 0 and right + margin + s <= width]


def paint_out(frame: Frame, box: Box, offset: int) -> Frame:
    """Replace the vessel, and what lies below it, by the tissue `offset` pixels to the side."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    mask = np.zeros(frame.shape)
    mask[
        max(round(top - _MARGIN * high), 0) : round(bottom + 1.5 * high),
        max(round(left - _MARGIN * wide), 0) : round(right + _MARGIN * wide),
    ] = 1
    mask = ndimage.gaussian_filter(mask, 0.1 * wide)  # blend the seam
    aside = np.roll(frame, -offset, axis=1)
    return np.rint(frame * (1 - mask) + aside * mask).astype(np.uint8)


def random_texture(side: int, rng: Rng) -> Frame:
    """An image without a neck: smooth noise of random grain size, down to plain black."""
    noise = ndimage.gaussian_filter(rng.standard_normal((side, side)), rng.uniform(0, 30))
    image = rng.uniform(0, 0.5) + rng.uniform(0, 0.3) * noise / noise.std()
    return (255 * image * rng.integers(0, 4)).clip(0, 255).astype(np.uint8)


def relight(frame: Frame, box: Box, rng: Rng) -> Frame:
    """Random brightness field: limited depth, lost contact at the right, changed echo below.

    Sometimes the tissue around the vessel is dimmed: its bright ring is a strong cue, and real
    images do not always have it.
    """
    left, top, right, bottom = box
    height, width = frame.shape
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    light = np.ones(frame.shape)
    if rng.random() < 0.5:
        light *= _below(rng.uniform(bottom, 1.2 * height), y, rng.uniform(4, 30))
    if rng.random() < 0.3:
        light *= _below(rng.uniform(right, width), x, rng.uniform(4, 20))
    if rng.random() < 0.5:
        deep, half = rng.uniform(0.3, 1.5) * (bottom - top), rng.uniform(0.2, 0.5)
        aside = np.abs(x - (left + right) / 2)
        under = _below(bottom + deep, y, 5.0) - _below(bottom, y, 2.0)
        block = under * _below(half * (right - left), aside, 3.0)
        light *= 1 + rng.uniform(-0.9, 0.7) * block.clip(0)
    if rng.random() < 0.4:
        reach = rng.uniform(0.6, 1.5) * (right - left)
        off = np.hypot(x - (left + right) / 2, y - (top + bottom) / 2) / reach
        light *= 1 - rng.uniform(0, 0.8) * np.exp(-(off**2))
    return (frame * light).clip(0, 255).astype(np.uint8)


def add_holes(frame: Frame, box: Box, rng: Rng) -> Frame:
    """Up to two ragged dark holes away from the vessel, without enhancement below them.

    Shadows, veins and the trachea look like that; below an artery the tissue is brighter.
    """
    low, high = box[:2], box[2:]
    y, x = np.indices(frame.shape) + 0.5
    kept = np.ones(frame.shape)
    for _ in range(rng.integers(3)):
        half = (high - low) * rng.uniform([0.25, 0.15], [0.7, 0.6])
        middle = rng.uniform([0, 0.2], [1, 0.75]) * frame.shape[::-1]
        if (np.abs(middle - (low + high) / 2) < 1.5 * half + 0.6 * (high - low)).all():
            continue
        across, down = (x - middle[0]) / half[0], (y - middle[1]) / half[1]
        angle, waves = np.arctan2(down, across), rng.normal(0, 0.12, 3)
        ragged = 1 + sum(wave * np.cos(k * angle + k) for k, wave in enumerate(waves, start=2))
        kept *= 1 - rng.uniform(0.6, 1) * _below(1.0, np.hypot(across, down) / ragged, 0.08)
    return np.rint(frame * kept).astype(np.uint8)


def add_veins(frame: Frame, box: Box, rng: Rng) -> Frame:
    """Up to two flat dark veins with bright walls, directly above the artery or beside it."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    y, x = np.indices(frame.shape) + 0.5
    grey = frame.astype(float)
    artery = _below(1.1, np.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1]), 0.03)
    for _ in range(rng.integers(3)):
        wide, high = half * rng.uniform([0.4, 0.15], [1.5, 0.6])
        angle, tilt = rng.uniform(-1.1 * np.pi, 0.1 * np.pi), rng.normal(0, 0.3)
        direction = np.array([np.cos(angle), np.sin(angle)])
        middle = centre + direction * (half * rng.uniform(1.1, 1.6) + [wide, high])
        across, down = x - middle[0], y - middle[1]
        along = (across * np.cos(tilt) + down * np.sin(tilt)) / wide
        through = (down * np.cos(tilt) - across * np.sin(tilt)) / high
        radius = np.hypot(along, through)  # 1 on the vein's ellipse
        inside = _below(1.0, radius, 0.06) * (1 - artery)
        thick = rng.uniform(0.05, 0.25)
        wall = np.exp(-(((radius - 1 - thick) / thick) ** 2)) * np.abs(through / (radius + 1e-6))
        grey *= 1 - rng.uniform(0.6, 1) * inside
        grey += rng.uniform(0, 160) * wall * (1 - artery) * rng.uniform(0.5, 1, frame.shape)
    return grey.clip(0, 255).astype(np.uint8)


def _below(limit: float, value: Float[ndarray, "#y #x"], soft: float) -> Float[ndarray, "#y #x"]:
    """Sigmoid step: 1 where the value is below the limit, 0 above it."""
    return special.expit((limit - value) / soft)


def degrade(image: Grey, rng: Rng) -> Grey:
    """Apply each degradation of `_DEGRADATIONS` with its own probability."""
    for probability, change in _DEGRADATIONS:
        if rng.random() < probability:
            image = change(image, rng)
    return image


def _gamma(image: Grey, rng: Rng) -> Grey:
    return rng.uniform(0.5, 1.4) * image.clip(0, 1) ** np.exp(rng.uniform(-0.4, 0.4))


def _haze(image: Grey, rng: Rng) -> Grey:
    veil = rng.uniform(0, 0.2)
    return veil + (1 - veil) * image


def _blur(image: Grey, rng: Rng) -> Grey:
    return ndimage.gaussian_filter(image, rng.uniform([0.2, 0.2], [1.2, 1.8]))


def _noise(image: Grey, rng: Rng) -> Grey:
    return image + rng.uniform(0.01, 0.07) * rng.standard_normal(image.shape)


def _uneven_gain(image: Grey, rng: Rng) -> Grey:
    coarse = rng.standard_normal((8, 8))
    zoom = np.divide(image.shape, coarse.shape)
    field = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return image * np.exp(rng.uniform(0, 0.6) * field)


def _shadow(image: Grey, rng: Rng) -> Grey:
    x = np.linspace(0, 1, image.shape[1])
    middle, half = rng.random(), rng.uniform(0.01, 0.08)
    return image * (1 - rng.random() * np.exp(-(((x - middle) / half) ** 2)))


def _reverberations(image: Grey, rng: Rng) -> Grey:
    """Bright horizontal lines below the skin, as the probe itself causes them."""
    y = np.linspace(0, 1, len(image))[:, None]
    for _ in range(rng.integers(1, 5)):
        line = np.exp(-(((y - rng.uniform(0, 0.12)) / rng.uniform(0.003, 0.01)) ** 2))
        image = image + rng.uniform(0.1, 0.8) * line
    return image


def _ruler(image: Grey, rng: Rng) -> Grey:
    """A ruler or a grey wedge at the right edge, as on screens."""
    marked = image.copy()
    marked[:: rng.integers(1, 25), -rng.integers(2, 7) :] = rng.uniform(0.3, 1)
    return marked


_DEGRADATIONS: tuple[tuple[float, Callable[[Grey, Rng], Grey]], ...] = (
    (0.4, _uneven_gain),
    (0.4, _blur),
    (0.3, _shadow),
    (0.4, _haze),
    (0.9, _gamma),
    (0.4, _noise),
    (0.3, _reverberations),
    (0.1, _ruler),
)
