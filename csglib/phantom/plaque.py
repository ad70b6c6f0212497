"""How far a plaque closes the lumen, section by section, and in which shape: geometry, no echoes.

The paper's grades rest on "diameter and area stenosis rate" (section 1); our area is exact. Angles
start at +x (right) and turn towards +z (down into the neck): a quarter turn looks at the far wall.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Float
from numpy import ndarray

DIRECTIONS = 128  # points of a contour
STATIONS = 41  # sections in which the lumen is solved; odd, so that the middle one is the worst
ANGLES = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
TOWARDS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)

Side = Literal["far", "near", "left", "right", "concentric"]
PlaqueType = Literal["I", "II", "III", "IV"]
_COMPASS = {"right": 0.0, "far": np.pi / 2, "left": np.pi, "near": -np.pi / 2}


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A plaque.

    Attributes:
        stenosis: share of the area that is closed in the worst section, at rest; 1 is an occlusion.
        length: from one end of the plaque to the other, mm.
        side: the wall it sits on; "near" is the one next to the probe.
        plaque: its Gray-Weale type, from I, which hardly echoes, to IV, which does so evenly.
        calcified: share of the way around the artery that calcium takes, 0 for none.
        at: where its worst section lies along the artery, mm.
    """

    stenosis: float
    length: float
    side: Side
    plaque: PlaqueType
    calcified: float
    at: float = 0.0


class Lumen(NamedTuple):
    """What is still open, as a star of radii about its own centre in each of the stations.

    Attributes:
        stations: where along the artery, mm.
        centres: (x, z) of each star, mm from the artery's axis.
        radii: from that centre to the border, mm.
        facing: the angle at which the plaque is thickest.
    """

    stations: Float[ndarray, " stations"]
    centres: Float[ndarray, "stations 2"]
    radii: Float[ndarray, "stations points"]
    facing: float


def star_area(radii: Float[ndarray, "*stations points"]) -> Float[ndarray, "*stations"]:
    """Area of the polygon whose corners lie that far from its centre, at equal angles."""
    neighbours = radii * np.roll(radii, -1, axis=-1)
    wedge = np.sin(2 * np.pi / radii.shape[-1]) / 2
    return np.asarray(wedge * reduce(neighbours, "... points -> ...", "sum"))


def ripples(
    rng: np.random.Generator, orders: Iterable[int], size: float
) -> Float[ndarray, " points"]:
    """A random unevenness around the circle: one wave for each order, smaller for finer ones."""
    waves = [
        rng.normal(0, size / k) * np.cos(k * ANGLES + rng.uniform(0, 2 * np.pi)) for k in orders
    ]
    return np.sum(waves, axis=0)


def grow(wall: Float[ndarray, " points"], lesion: Lesion, rng: np.random.Generator) -> Lumen:
    """Fill the vessel with plaque until exactly the wanted share of each section is closed.

    Args:
        wall: distance of the original lumen's border from the axis, mm, in all `ANGLES`.
        lesion: how much, how long, on which side.
        rng: draws the shape.

    Source:
        Not in the paper. Where lumens are flat or off-centre, area and diameter stenosis disagree.
    """
    concentric = lesion.side == "concentric"
    facing = _COMPASS.get(lesion.side, rng.uniform(-np.pi, np.pi)) + rng.normal(0, 0.3)
    stations = np.linspace(-0.7, 0.7, STATIONS) * lesion.length
    grown = _profile(
        stations / lesion.length, lean=rng.uniform(-0.35, 0.35), steep=rng.uniform(1, 3.5)
    )
    healthy = min(0.02, lesion.stenosis)  # no wall is perfect
    closed = healthy + (lesion.stenosis - healthy) * grown
    radius = np.sqrt(star_area(wall) / np.pi)
    push = rng.uniform(0.05, 0.3) if concentric else rng.uniform(0.6, 0.98)
    # All of the way, and the lumen would touch the wall; a vanishing one must not leave the vessel.
    shift = np.minimum(push * radius * (1 - np.sqrt(1 - closed)), 0.9 * wall.min())
    centres = np.outer(-shift, [np.cos(facing), np.sin(facing)])
    flat = 1.5 if concentric else rng.uniform(0.35, 0.95)
    outline = _outline(grown, flat * np.ones(STATIONS), facing, rng)
    radii = _scale(outline, _room(centres, wall), (1 - closed) * star_area(wall))
    return Lumen(lesion.at + stations, centres, radii, float(facing))


def _profile(
    along: Float[ndarray, " stations"], lean: float, steep: float
) -> Float[ndarray, " stations"]:
    """How much of the plaque stands in each section: 1 in the worst, 0 at both ends.

    A steep one is narrow for a millimetre or two only: a sweep passes that within a few frames.
    """
    shoulder = np.clip(2 * along / (1 + lean * np.sign(along)), -1, 1)
    return np.cos(np.pi / 2 * shoulder) ** (2 * steep)


def _outline(
    grown: Float[ndarray, " stations"],
    flat: Float[ndarray, " stations"],
    facing: float,
    rng: np.random.Generator,
) -> Float[ndarray, "stations points"]:
    """Each lumen's shape, its size left open: oval, uneven, and flat where it meets the plaque."""
    oval = rng.uniform(0, 0.2) * np.cos(2 * (ANGLES - rng.uniform(0, np.pi)))
    uneven = 1 + np.outer(grown, oval + ripples(rng, range(2, 8), size=0.12))
    ahead = np.maximum(np.cos(ANGLES - facing), 1e-3)
    worn = 1 + np.outer(grown, ripples(rng, range(3, 14), size=0.35))  # no plaque is cut straight
    face = (1 + (flat - 1) * grown)[:, None] / ahead * np.maximum(worn, 0.5)
    return _soft_minimum(np.maximum(uneven, 0.4), face)


def _room(
    centres: Float[ndarray, "stations 2"], wall: Float[ndarray, " points"]
) -> Float[ndarray, "stations points"]:
    """Way from each lumen centre to the wall; the wall is nearly round: few steps settle it."""
    along = centres @ TOWARDS.T
    aside = reduce(centres**2, "stations xz -> stations 1", "sum")
    reach = np.broadcast_to(wall, along.shape)
    for _ in range(15):
        met = rearrange(centres, "stations xz -> stations 1 xz") + reach[..., None] * TOWARDS
        radius = np.interp(np.arctan2(met[..., 1], met[..., 0]), ANGLES, wall, period=2 * np.pi)
        reach = np.sqrt(radius**2 - aside + along**2) - along
    return reach


def _scale(
    outline: Float[ndarray, "stations points"],
    room: Float[ndarray, "stations points"],
    wanted: Float[ndarray, " stations"],
) -> Float[ndarray, "stations points"]:
    """Halve an interval of scales until each lumen, kept within its room, has the wanted area."""
    low, high = np.zeros(len(wanted)), np.full(len(wanted), 100 * room.max())
    for _ in range(60):
        middle = (low + high) / 2
        radii = _soft_minimum(middle[:, None] * outline, room)
        large = star_area(radii) > wanted
        low, high = np.where(large, low, middle), np.where(large, middle, high)
    return radii


def _soft_minimum(
    one: Float[ndarray, "stations points"], other: Float[ndarray, "stations points"]
) -> Float[ndarray, "stations points"]:
    """The smaller of the two, rounded off where they meet."""
    small = np.minimum(one, other)
    return small * (1 + (small / np.maximum(one, other)) ** 10) ** -0.1
