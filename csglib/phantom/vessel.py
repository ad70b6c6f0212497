"""An artery with its plaque, and how a heartbeat changes it. No echoes here, only geometry.

The paper's clips show such vessels (Fig. 1) but are not public; ours follow published sizes. x
points right, z down into the neck, y along the artery from the worst section, in mm; points are
columns (x, z, y). "At rest" is the mean of a heartbeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from csglib.phantom.plaque import (
    ANGLES,
    DIRECTIONS,
    TOWARDS,
    Lesion,
    Lumen,
    grow,
    ripples,
    star_area,
)


@dataclass(frozen=True, kw_only=True)
class Artery:
    """A healthy artery.

    Attributes:
        diameter: of the lumen, mm; 6.1 to 6.5 in a common carotid.
        wall: intima and media together, mm; 0.6 to 0.9 when healthy.
        flattening: how far from round, 0 to 0.2.
        depth: of its axis under the skin, mm.
        drift: sideways step of the axis for each mm along the artery, where it is steepest.
        pulsation: change of diameter from diastole to systole, mm.
        bifurcation: whether a second artery runs beside it, as above the carotid's fork.
    """

    diameter: float
    wall: float
    flattening: float
    depth: float
    drift: float
    pulsation: float
    bifurcation: bool


class Section(NamedTuple):
    """The three contours of one section, each a closed polygon of (x, z) points, mm."""

    outer: Float[ndarray, "points 2"]
    inner: Float[ndarray, "points 2"]
    lumen: Float[ndarray, "points 2"]


class Place(NamedTuple):
    """Where points lie in the resting artery.

    Attributes:
        outside: distance beyond the original lumen, mm; negative within.
        past: distance beyond what is still open, mm; negative in the blood.
        angle: direction seen from the artery's axis.
    """

    outside: Float[ndarray, " points"]
    past: Float[ndarray, " points"]
    angle: Float[ndarray, " points"]


def pulse(phase: float) -> float:
    """Stretch of the artery through a heartbeat, 0 to 1: a fast rise, a slow fall, a notch.

    Args:
        phase: time since the rise began, in heartbeats; only its fraction counts.
    """
    since = phase % 1
    if since < 0.14:
        return float(0.5 - 0.5 * np.cos(np.pi * since / 0.14))
    notch = 0.12 * np.exp(-(((since - 0.42) / 0.06) ** 2))
    return float(np.exp((0.14 - since) / 0.28) + notch)


_BEND = 8.0  # mm along the artery in which its axis turns by one radian
_MEAN_PULSE = float(np.mean([pulse(phase) for phase in np.arange(0, 1, 0.001)]))


class Vessel:
    """One artery with its plaques, at rest and swollen.

    A heartbeat moves every point away from the lumen's centre, from distance r to
    sqrt(r2 + swelling). Tissue does not compress, and so each contour gains the same area, pi times
    the swelling: the plaque keeps its area, the lumen breathes.

    Args:
        artery: what was there before.
        lesions: what has grown into it, in the order of their places, none in another's way.
        rng: draws the irregularities.

    Source:
        Not in the paper. Sizes: Krejza 2006 (diameters), Song 2020 (wall and plaque).
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
        self.worst = np.array([lesion.at for lesion in lesions])
        # What the calcium of each plaque keeps to: share of the arc, length, facing, place.
        self.plates = np.array(
            [
                (lesion.calcified, lesion.length, lumen.facing, lesion.at)
                for lesion, lumen in zip(lesions, grown, strict=True)
            ]
        )

    def nearest(self, y: Float[ndarray, " points"]) -> Int[ndarray, " points"]:
        """The plaque whose worst section is nearest, by number."""
        between = (self.worst[1:] + self.worst[:-1]) / 2
        return np.searchsorted(between, y)

    def swelling(self, phase: float) -> float:
        """Area gained at this phase of the heartbeat, over pi, mm2; none where no blood runs."""
        if any(lesion.stenosis == 1 for lesion in self.lesions):
            return 0.0
        diameter = self.artery.diameter + self.artery.pulsation * (pulse(phase) - _MEAN_PULSE)
        return (diameter**2 - self.artery.diameter**2) / 4

    def axis(self, y: Float[ndarray, " points"]) -> Float[ndarray, "2 points"]:
        """Where the artery's axis stands, (x, z): it winds about the way of the probe."""
        aside = self.artery.drift * _BEND * np.sin(y / _BEND)
        return np.stack([aside, np.full_like(y, self.artery.depth)])

    def centre(self, y: Float[ndarray, " points"]) -> Float[ndarray, "2 points"]:
        """The lumen's centre, the one point of a section that a heartbeat leaves alone, (x, z)."""
        return self.axis(y) + np.stack([np.interp(y, self.stations, w) for w in self.centres.T])

    def move(self, at: Float[ndarray, "3 points"], swelling: float) -> Float[ndarray, "3 points"]:
        """Carry resting points to a swelling; with its negative, back to rest."""
        centre = self.centre(at[2])
        way = at[:2] - centre
        square = np.maximum((way**2).sum(axis=0), 1e-6)
        return np.vstack([centre + way * np.sqrt(np.maximum(1 + swelling / square, 0)), at[2:]])

    def section(self, y: float, swelling: float) -> Section:
        """The contours at `y`: media-adventitia border, original lumen, open lumen."""
        here = np.full(DIRECTIONS, y)
        axis, centre = self.axis(here), self.centre(here)
        resting = (
            axis + TOWARDS.T * (self.wall + self.artery.wall),
            axis + TOWARDS.T * self.wall,
            centre + TOWARDS.T * self._open(here, ANGLES),
        )
        return Section(*(self.move(np.vstack([r, here]), swelling)[:2].T for r in resting))

    def place(self, at: Float[ndarray, "3 points"]) -> Place:
        """Say how far resting points are from the original border and from the blood."""
        from_axis, from_centre = at[:2] - self.axis(at[2]), at[:2] - self.centre(at[2])
        angle = np.arctan2(from_axis[1], from_axis[0])
        border = np.interp(angle, ANGLES, self.wall, period=2 * np.pi)
        opened = self._open(at[2], np.arctan2(from_centre[1], from_centre[0]))
        return Place(np.hypot(*from_axis) - border, np.hypot(*from_centre) - opened, angle)

    def _open(
        self, y: Float[ndarray, " points"], angle: Float[ndarray, " points"]
    ) -> Float[ndarray, " points"]:
        """Radius of the open lumen, between the stations and, around the circle, the points."""
        table = self.radii
        station = np.interp(y, self.stations, np.arange(len(table)))
        row = np.minimum(station.astype(int), len(table) - 2)
        turn = (angle % (2 * np.pi)) * (DIRECTIONS / (2 * np.pi))
        column = turn.astype(int) % DIRECTIONS
        down, across, after = station - row, turn % 1, (column + 1) % DIRECTIONS
        upper = table[row, column] * (1 - across) + table[row, after] * across
        lower = table[row + 1, column] * (1 - across) + table[row + 1, after] * across
        return upper * (1 - down) + lower * down
