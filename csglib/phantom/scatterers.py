"""Tissue as a scanner meets it: scatterers that ride with it, frame by frame.

The paper's videos are sweeps along the artery (section 3, "Dataset"); so speckle must change as the
slice moves on, and come back when it does. Lengths in mm; x points right, z down, y along.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from csglib.phantom.anatomy import Anatomy
from csglib.phantom.motion import Moment
from csglib.phantom.probe import Grid, Probe
from csglib.phantom.speckle import Points, envelope

_SCATTERERS = 4  # in each cell; four of equal strength give speckle of nearly full contrast
_COARSE = 3  # pixels a side in one cell of the attenuation map
_THICK = 0.5  # mm of tissue along the artery that are drawn at a time
_NO_SLICE = 100_000  # added to a slice's number, since no seed may be negative


class Slice(NamedTuple):
    """Scatterers of one slice of tissue, at rest."""

    at: Float[ndarray, "3 points"]
    amplitude: Float[ndarray, " points"]
    flows: Bool[ndarray, " points"]


class Scatterers:
    """A block of tissue full of points too small to see, each at rest until the heart beats.

    The points belong to the tissue: speckle rides with it, changes as the slice moves on, and
    boils in the blood, whose echoes are drawn anew in each frame. Tissue is drawn slice by slice,
    when a frame first needs it, from the seed and the slice's number alone: which frames were
    asked for before makes no difference.

    Args:
        anatomy: the tissue.
        probe: the scanner.
        grid: the pixels of a frame.
        turn: the largest that a moment will have.
        seed: draws the points.

    Source:
        Not in the paper.
    """

    def __init__(self, anatomy: Anatomy, probe: Probe, grid: Grid, turn: float, seed: int) -> None:
        self.anatomy, self.probe, self.grid, self.seed = anatomy, probe, grid, seed
        self.low, self.high = _reach(grid, anatomy.vessel.artery.depth, turn)
        self.slab = 2.2 * probe.elevational  # beyond it a scatterer weighs less than a tenth
        self.made: dict[int, Slice] = {}
        depth = np.array([anatomy.vessel.artery.depth])
        self.density = _SCATTERERS / float(probe.cell(depth)[0])

    def frame(self, moment: Moment, rng: np.random.Generator) -> Float[ndarray, "y x"]:
        """Envelope of the frame of one moment; `rng` draws blood and noise."""
        parts = self._tissue(moment, rng), self.anatomy.mirrors(moment.y, moment.swelling)
        level = np.sqrt(2 * np.pi) * self.probe.lateral(parts[1].z)  # mm of border in a spot
        walls = parts[1]._replace(amplitude=parts[1].amplitude / level)
        x, z, amplitude = np.hstack([parts[0], walls])
        x, z = self.turned(np.stack([x, z]), moment)
        picture = envelope(Points(x, z, amplitude), self._loss(moment), self.grid, self.probe, rng)
        aside = self.grid.x - self.anatomy.vessel.axis(np.array([moment.y]))[0]
        return picture * 10 ** (-self.anatomy.neck.dimming(aside) / 20)

    def turned(self, at: Float[ndarray, "2 points"], moment: Moment) -> Float[ndarray, "2 points"]:
        """Where the probe of that moment sees what lies at (x, z)."""
        pivot = self.anatomy.vessel.axis(np.array([moment.y]))
        return pivot + _rotation(moment.turn) @ (at - pivot) + moment.shift[:, None]

    def _tissue(self, moment: Moment, rng: np.random.Generator) -> Points:
        first, last = np.floor((moment.y + np.array([-self.slab, self.slab])) / _THICK).astype(int)
        slices = [self._slice(number) for number in range(first, last + 1)]
        at, amplitude, flows = (np.concatenate(part, axis=-1) for part in zip(*slices, strict=True))
        away = (at[2] - moment.y) / self.probe.elevational
        near = np.abs(away) < self.slab / self.probe.elevational
        at, flows = at[:, near], flows[near]
        amplitude = amplitude[near] * np.exp(-0.5 * away[near] ** 2)
        amplitude[flows] *= rng.choice([-1.0, 1.0], flows.sum())
        x, z, _ = self.anatomy.vessel.move(at, moment.swelling)
        return Points(x, z, amplitude)

    def _slice(self, number: int) -> Slice:
        if number not in self.made:
            rng = np.random.default_rng([self.seed, number + _NO_SLICE])
            self.made[number] = self._draw(number * _THICK, rng)
        return self.made[number]

    def _draw(self, y: float, rng: np.random.Generator) -> Slice:
        low, high = np.append(self.low, y), np.append(self.high, y + _THICK)
        at = rng.uniform(low, high, (int(self.density * np.prod(high - low)), 3)).T
        decibel, flows = self.anatomy.echo(at)
        sign = rng.choice([-1.0, 1.0], len(decibel))
        cell = self.density * self.probe.cell(at[1])
        return Slice(at, sign * 10 ** (decibel / 20) / np.sqrt(cell), flows)

    def _loss(self, moment: Moment) -> Float[ndarray, "rows columns"]:
        cells = self.grid.size // _COARSE
        coarse = Grid(self.grid.left, self.grid.top, self.grid.pixel * _COARSE, cells)
        seen = np.stack(np.meshgrid(coarse.x, coarse.z)).reshape(2, -1)
        pivot = self.anatomy.vessel.axis(np.array([moment.y]))
        back = pivot + _rotation(-moment.turn) @ (seen - moment.shift[:, None] - pivot)
        now = np.vstack([back, np.full((1, back.shape[1]), moment.y)])
        rest = self.anatomy.vessel.move(now, -moment.swelling)
        return self.anatomy.loss(rest).reshape(cells, cells)


def _reach(
    grid: Grid, depth: float, turn: float
) -> tuple[Float[ndarray, "2"], Float[ndarray, "2"]]:
    """The box around the picture that stays full of tissue however the probe turns, (x, z)."""
    half = grid.size * grid.pixel / 2
    middle = np.array([grid.left + half, grid.top + half])
    away = np.abs(middle - [0, depth])
    swung = half * (np.cos(turn) + np.sin(abs(turn))) + np.sin(abs(turn)) * away[::-1]
    return middle - swung, middle + swung


def _rotation(angle: float) -> Float[ndarray, "2 2"]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
