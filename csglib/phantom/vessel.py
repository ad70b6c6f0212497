"""Geometry of an artery with its plaques, at rest and through a heartbeat. No echoes here.

The paper's clips show such vessels (Fig. 1) but are not public; ours follow published sizes. Its
grades rest on "diameter and area stenosis rate" (section 1); our area stenosis is exact.

x points right, z down into the neck, y along the artery from the narrowest section, in mm; points
are columns (x, z, y). Angles start at +x and turn towards +z: pi / 2 is the far wall. "At rest" is
the mean of a heartbeat.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Float, Int
from numpy import ndarray

DIRECTIONS = 128  # points of a contour
STATIONS = 41  # sections in which the lumen is solved; odd, so that the middle one is the narrowest
ANGLES = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
TOWARDS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)

Side = Literal["far", "near", "left", "right", "concentric"]
PlaqueType = Literal["I", "II", "III", "IV"]
_COMPASS = {"right": 0.0, "far": np.pi / 2, "left": np.pi, "near": -np.pi / 2}
_BEND = 8.0  # mm along the artery per radian of its winding axis


@dataclass(frozen=True, kw_only=True)
class Artery:
    """A healthy artery."""

    diameter: float  # of the lumen, mm; 6.1 to 6.5 in a common carotid
    wall: float  # thickness of intima and media, mm; 0.6 to 0.9 when healthy
    flattening: float  # deviation from a circle, 0 to 0.2
    depth: float  # of its axis under the skin, mm
    drift: float  # sideways slope of the axis where it is steepest, mm per mm
    pulsation: float  # change of diameter from diastole to systole, mm
    bifurcation: bool  # whether a second artery runs beside it, as above the carotid bifurcation
    # Whether wall and plaque echo like the tissue around: only the remnant vessel stands out.
    isoechoic: bool = False


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A plaque."""

    stenosis: float  # area stenosis in the narrowest section, at rest, 0 to 1; 1 is an occlusion
    length: float  # from one end of the plaque to the other, mm
    side: Side  # the wall it sits on; "near" is the one next to the probe
    plaque: PlaqueType  # its Gray-Weale type, from I, echolucent, to IV, uniformly echogenic
    calcified: float  # fraction of the circumference that is calcified
    sharpness: float = 1.0  # of its narrowing; at 2, it is as narrow over about 0.7 of the length
    at: float = 0.0  # y of its narrowest section, mm


class Lumen(NamedTuple):
    """The remnant vessel, as a star-shaped polygon about its own centre in each station."""

    stations: Float[ndarray, " stations"]  # y, mm
    centres: Float[ndarray, "stations 2"]  # (x, z) of each star, mm from the artery's axis
    radii: Float[ndarray, "stations points"]  # from that centre to the border, mm
    facing: float  # the angle at which the plaque is thickest


class Section(NamedTuple):
    """The three contours of one section, each a closed polygon of (x, z) points, mm."""

    outer: Float[ndarray, "points 2"]
    inner: Float[ndarray, "points 2"]
    lumen: Float[ndarray, "points 2"]


class Place(NamedTuple):
    """Where points lie in the resting artery."""

    outside: Float[ndarray, " points"]  # distance beyond the original lumen, mm; negative within
    past: Float[ndarray, " points"]  # distance beyond the remnant vessel, mm; negative in the blood
    angle: Float[ndarray, " points"]  # direction seen from the artery's axis


def star_area(radii: Float[ndarray, "*stations points"]) -> Float[ndarray, "*stations"]:
    """Area of the polygon with these distances from its centre, at equal angles."""
    neighbours = radii * np.roll(radii, -1, axis=-1)
    wedge = np.sin(2 * np.pi / radii.shape[-1]) / 2
    return np.asarray(wedge * reduce(neighbours, "... points -> ...", "sum"))


def ripples(
    rng: np.random.Generator, orders: Iterable[int], size: float
) -> Float[ndarray, " points"]:
    """Random unevenness around the circle: one wave of amplitude about size / k for each order."""
    waves = [
        rng.normal(0, size / k) * np.cos(k * ANGLES + rng.uniform(0, 2 * np.pi)) for k in orders
    ]
    return np.sum(waves, axis=0)


def grow(wall: Float[ndarray, " points"], lesion: Lesion, rng: np.random.Generator) -> Lumen:
    """Fill the vessel with plaque until each section has exactly the wanted area stenosis.

    `wall` is the distance of the original lumen's border from the axis, mm, in all `ANGLES`. Where
    lumens are flat or off-centre, area and diameter stenosis disagree.
    """
    concentric = lesion.side == "concentric"
    facing = _COMPASS.get(lesion.side, rng.uniform(-np.pi, np.pi)) + rng.normal(0, 0.3)
    stations = np.linspace(-0.7, 0.7, STATIONS) * lesion.length
    grown = _profile(
        stations / lesion.length,
        lean=rng.uniform(-0.35, 0.35),
        steep=rng.uniform(1, 3.5) * lesion.sharpness,
    )
    healthy = min(0.02, lesion.stenosis)  # no wall is perfect
    closed = healthy + (lesion.stenosis - healthy) * grown
    radius = np.sqrt(star_area(wall) / np.pi)
    push = rng.uniform(0.05, 0.3) if concentric else rng.uniform(0.6, 0.98)
    # A push of 1 would make the lumen touch the wall; a vanishing lumen must stay in the vessel.
    shift = np.minimum(push * radius * (1 - np.sqrt(1 - closed)), 0.9 * wall.min())
    centres = np.outer(-shift, [np.cos(facing), np.sin(facing)])
    flat = 1.5 if concentric else rng.uniform(0.35, 0.95)
    outline = _outline(grown, flat * np.ones(STATIONS), facing, rng)
    radii = _scale(outline, _room(centres, wall), (1 - closed) * star_area(wall))
    return Lumen(lesion.at + stations, centres, radii, float(facing))


def _profile(
    along: Float[ndarray, " stations"], lean: float, steep: float
) -> Float[ndarray, " stations"]:
    """Relative height of the plaque in each section: 1 in the narrowest, 0 at both ends.

    With a large `steep` it is narrow for a millimetre or two only, a few frames of a sweep.
    """
    shoulder = np.clip(2 * along / (1 + lean * np.sign(along)), -1, 1)
    return np.cos(np.pi / 2 * shoulder) ** (2 * steep)


def _outline(
    grown: Float[ndarray, " stations"],
    flat: Float[ndarray, " stations"],
    facing: float,
    rng: np.random.Generator,
) -> Float[ndarray, "stations points"]:
    """Shape of each lumen up to scale: oval, uneven, and flat where it meets the plaque."""
    oval = rng.uniform(0, 0.2) * np.cos(2 * (ANGLES - rng.uniform(0, np.pi)))
    uneven = 1 + np.outer(grown, oval + ripples(rng, range(2, 8), size=0.12))
    ahead = np.maximum(np.cos(ANGLES - facing), 1e-3)
    worn = 1 + np.outer(grown, ripples(rng, range(3, 14), size=0.35))  # rough plaque surface
    face = (1 + (flat - 1) * grown)[:, None] / ahead * np.maximum(worn, 0.5)
    return _soft_minimum(np.maximum(uneven, 0.4), face)


def _room(
    centres: Float[ndarray, "stations 2"], wall: Float[ndarray, " points"]
) -> Float[ndarray, "stations points"]:
    """Distance from each lumen centre to the nearly round wall, by fixed-point iteration."""
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
    """Scale each lumen, kept within its room, to the wanted area, by bisection."""
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


def pulse(phase: float) -> float:
    """Relative distension through a heartbeat, 0 to 1: a fast rise, a slow fall, a dicrotic notch.

    `phase` is the time since the rise began, in heartbeats; only its fraction counts.
    """
    since = phase % 1
    if since < 0.14:
        return float(0.5 - 0.5 * np.cos(np.pi * since / 0.14))
    notch = 0.12 * np.exp(-(((since - 0.42) / 0.06) ** 2))
    return float(np.exp((0.14 - since) / 0.28) + notch)


_MEAN_PULSE = float(np.mean([pulse(phase) for phase in np.arange(0, 1, 0.001)]))


class Vessel:
    """One artery with its plaques, at rest and swollen.

    A heartbeat moves every point away from the lumen's centre, from distance r to
    sqrt(r^2 + swelling). Tissue is incompressible, so each contour gains the same area, pi times
    the swelling: the plaque keeps its area while the lumen pulsates. Lesions are in order of their
    places, without overlap. Sizes: Krejza 2006 (diameters), Song 2020 (wall and plaque).
    """

    def __init__(self, artery: Artery, lesions: Sequence[Lesion], rng: np.random.Generator) -> None:
        self.artery, self.lesions = artery, tuple(lesions)
        oval = 1 + artery.flattening * np.cos(2 * (ANGLES - rng.uniform(0, np.pi)))
        wall = oval + ripples(rng, (3, 4, 5), size=0.02)
        self.wall = artery.diameter / 2 * wall / np.sqrt(star_area(wall) / np.pi)
        grown = [grow(self.wall, lesion, rng) for lesion in lesions]
        self.stations, self.centres, self.radii = (
            np.concatenate([getattr(lumen, name) for lumen in grown]) for name in Lumen._fields[:3]
        )
        self.narrowest = np.array([lesion.at for lesion in lesions])
        # Of each plaque, for its calcium: fraction of the arc, length, facing, y.
        self.plates = np.array(
            [
                (lesion.calcified, lesion.length, lumen.facing, lesion.at)
                for lesion, lumen in zip(lesions, grown, strict=True)
            ]
        )

    def nearest(self, y: Float[ndarray, " points"]) -> Int[ndarray, " points"]:
        """Index of the plaque whose narrowest section is nearest."""
        between = (self.narrowest[1:] + self.narrowest[:-1]) / 2
        return np.searchsorted(between, y)

    def swelling(self, phase: float) -> float:
        """Area gained at this phase of the heartbeat, over pi, mm2; 0 beside an occlusion."""
        if any(lesion.stenosis == 1 for lesion in self.lesions):
            return 0.0
        diameter = self.artery.diameter + self.artery.pulsation * (pulse(phase) - _MEAN_PULSE)
        return (diameter**2 - self.artery.diameter**2) / 4

    def axis(self, y: Float[ndarray, " points"]) -> Float[ndarray, "2 points"]:
        """The artery's axis (x, z), which winds about the path of the probe."""
        aside = self.artery.drift * _BEND * np.sin(y / _BEND)
        return np.stack([aside, np.full_like(y, self.artery.depth)])

    def centre(self, y: Float[ndarray, " points"]) -> Float[ndarray, "2 points"]:
        """The lumen's centre (x, z), the fixed point of a section during a heartbeat."""
        return self.axis(y) + np.stack([np.interp(y, self.stations, w) for w in self.centres.T])

    def move(self, at: Float[ndarray, "3 points"], swelling: float) -> Float[ndarray, "3 points"]:
        """Move resting points to a swelling; its negative moves them back to rest."""
        centre = self.centre(at[2])
        offset = at[:2] - centre
        square = np.maximum((offset**2).sum(axis=0), 1e-6)
        return np.vstack([centre + offset * np.sqrt(np.maximum(1 + swelling / square, 0)), at[2:]])

    def flow(self, at: Float[ndarray, "3 points"], swelling: float) -> Float[ndarray, "2 points"]:
        """Move resting points of the remnant vessel to a swelling so that they fill it evenly."""
        centre = self.centre(at[2])
        offset = at[:2] - centre
        radius = self._lumen_radius(at[2], np.arctan2(offset[1], offset[0]))
        return centre + offset * np.sqrt(np.maximum(1 + swelling / radius**2, 0))

    def section(self, y: float, swelling: float) -> Section:
        """The contours at `y`: media-adventitia border, original lumen, remnant vessel."""
        here = np.full(DIRECTIONS, y)
        axis, centre = self.axis(here), self.centre(here)
        resting = (
            axis + TOWARDS.T * (self.wall + self.artery.wall),
            axis + TOWARDS.T * self.wall,
            centre + TOWARDS.T * self._lumen_radius(here, ANGLES),
        )
        return Section(*(self.move(np.vstack([r, here]), swelling)[:2].T for r in resting))

    def place(self, at: Float[ndarray, "3 points"]) -> Place:
        """Distance of resting points from the original border and from the blood."""
        from_axis, from_centre = at[:2] - self.axis(at[2]), at[:2] - self.centre(at[2])
        angle = np.arctan2(from_axis[1], from_axis[0])
        border = np.interp(angle, ANGLES, self.wall, period=2 * np.pi)
        lumen = self._lumen_radius(at[2], np.arctan2(from_centre[1], from_centre[0]))
        return Place(np.hypot(*from_axis) - border, np.hypot(*from_centre) - lumen, angle)

    def _lumen_radius(
        self, y: Float[ndarray, " points"], angle: Float[ndarray, " points"]
    ) -> Float[ndarray, " points"]:
        """Radius of the remnant vessel, bilinear between stations and angles."""
        table = self.radii
        station = np.interp(y, self.stations, np.arange(len(table)))
        row = np.minimum(station.astype(int), len(table) - 2)
        turn = (angle % (2 * np.pi)) * (DIRECTIONS / (2 * np.pi))
        column = turn.astype(int) % DIRECTIONS
        down, across, after = station - row, turn % 1, (column + 1) % DIRECTIONS
        upper = table[row, column] * (1 - across) + table[row, after] * across
        lower = table[row + 1, column] * (1 - across) + table[row + 1, after] * across
        return upper * (1 - down) + lower * down
