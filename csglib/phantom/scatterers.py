"""Moving tissue as scatterers, frame by frame: the probe's sweep, the hand's tremor, the heartbeat.

The paper's videos are sweeps along the artery (section 3, "Dataset"); it does not describe their
motion. Speckle must change as the slice moves on, and return when it does. Lengths are in mm; x
points right, z down, y along the artery.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from csglib.phantom.anatomy import TISSUES, Anatomy
from csglib.phantom.probe import Grid, Probe
from csglib.phantom.recipe import Sweep
from csglib.phantom.speckle import Points, envelope
from csglib.phantom.vessel import Vessel

_DENSITY = 4  # scatterers a resolution cell; four of equal strength give nearly Rayleigh speckle
_COARSE = 3  # pixels a side in one cell of the attenuation map
_SLAB = 0.5  # mm of tissue along the artery that are drawn at a time
_SEED_OFFSET = 100_000  # added to a slab's index, since a seed must not be negative
_TURNING = np.deg2rad(8.0)  # rotation of the probe per mm of tremor


class Clutter(NamedTuple):
    """Echoes from elsewhere that fill the lumen from one side, in one frame."""

    angle: float  # from where, radians
    share: float  # of the artery's diameter that they cover
    echo: float  # dB relative to the adventitia


class Shadow(NamedTuple):
    """Columns that are dim in one frame, where the probe has lost contact."""

    aside: float  # of its middle from the artery's axis, mm
    half: float  # width at which it is 1 / e as deep, mm
    loss: float  # in its middle, dB


class Moment(NamedTuple):
    """State of probe and artery in one frame."""

    y: float  # position of the slice along the artery, mm
    swelling: float  # area gained by the heartbeat, over pi, mm2
    shift: Float[ndarray, "2"]  # displacement of the hand, mm
    turn: float  # rotation of the probe about the artery's axis, radians
    clutter: Clutter | None = None
    shadow: Shadow | None = None


def steps(sweep: Sweep, frames: int, rng: np.random.Generator) -> Float[ndarray, " frames"]:
    """Distance of the probe's movement before each frame, mm, uneven by 15 %."""
    return rng.uniform(0.85, 1.15, frames) * sweep.speed / sweep.frame_rate


def moments(
    sweep: Sweep, way: Float[ndarray, " moments"], vessel: Vessel, rng: np.random.Generator
) -> list[Moment]:
    """Add heartbeat, tremor and artefacts to a path `way` of the probe along the artery, mm."""
    phases = rng.random() + np.arange(len(way)) / sweep.frame_rate * sweep.heart_rate / 60
    slips = np.cumsum(rng.normal(0, sweep.tremor, (len(way), 2)), axis=0)
    slips -= slips.mean(axis=0)
    turns = np.cumsum(rng.normal(0, _TURNING * sweep.tremor, len(way)))
    turns = np.deg2rad(sweep.roll) + turns - turns.mean()
    beats = np.diff(np.floor(phases), prepend=np.floor(phases[0])) > 0
    found = [_artefacts(sweep, vessel.artery.diameter / 2, bool(beat), rng) for beat in beats]
    return [
        Moment(float(y), vessel.swelling(phase), slip, float(turn), *artefacts)
        for y, phase, slip, turn, artefacts in zip(way, phases, slips, turns, found, strict=True)
    ]


def _artefacts(
    sweep: Sweep, radius: float, beat: bool, rng: np.random.Generator
) -> tuple[Clutter | None, Shadow | None]:
    """Clutter and shadow of one frame, if it has them; sizes are our choice.

    Clutter comes with the first frame of a `beat`, when the wall moves fastest, and is gone in the
    next; plaque stays.
    """
    dice = rng.random(2)
    clutter = Clutter(*rng.uniform([-np.pi, 0.6, -36.0], [np.pi, 0.9, -22.0]))
    shadow = Shadow(*rng.uniform([-0.6, 0.5, 15], [0.6, 1.2, 35]) * [radius, radius, 1])
    return (
        clutter if beat and dice[0] < sweep.cluttered else None,
        shadow if dice[1] < sweep.shadowed else None,
    )


class Slab(NamedTuple):
    """Scatterers of one slab of tissue, at rest; `flows` marks blood."""

    at: Float[ndarray, "3 points"]
    amplitude: Float[ndarray, " points"]
    flows: Bool[ndarray, " points"]


class Scatterers:
    """A block of tissue full of point scatterers that move with it.

    So speckle moves with the tissue, decorrelates as the slice moves on, and is drawn anew in the
    blood of each frame. Tissue is drawn slab by slab when a frame first needs it, from the seed and
    the slab's index alone: the order of the frames makes no difference. `turn` is the largest
    rotation of a moment, radians.
    """

    def __init__(self, anatomy: Anatomy, probe: Probe, grid: Grid, turn: float, seed: int) -> None:
        self.anatomy, self.probe, self.grid, self.seed = anatomy, probe, grid, seed
        self.low, self.high = _reach(grid, anatomy.vessel.artery.depth, turn)
        self.reach = 2.2 * probe.elevational  # scatterers beyond it weigh less than a tenth
        self.made: dict[int, Slab] = {}
        depth = np.array([anatomy.vessel.artery.depth])
        self.density = _DENSITY / float(probe.cell(depth)[0])

    def frame(self, moment: Moment, rng: np.random.Generator) -> Float[ndarray, "y x"]:
        """Envelope of the frame of one moment; `rng` draws blood and noise."""
        tissue = self._tissue(moment, rng)
        walls = self.anatomy.mirrors(moment.y, moment.swelling)
        level = np.sqrt(2 * np.pi) * self.probe.lateral(walls.z)  # mm of border in a spot
        walls = walls._replace(amplitude=walls.amplitude / level)
        x, z, amplitude = np.hstack([tissue, walls])
        x, z = self.turned(np.stack([x, z]), moment)
        image = envelope(Points(x, z, amplitude), self._loss(moment), self.grid, self.probe, rng)
        aside = self.grid.x - self.anatomy.vessel.axis(np.array([moment.y]))[0]
        loss = self.anatomy.neck.dimming(aside)
        if moment.shadow:
            middle, half, deepest = moment.shadow
            loss = loss + deepest * np.exp(-(((aside - middle) / half) ** 2))
        return image * 10 ** (-loss / 20)

    def turned(self, at: Float[ndarray, "2 points"], moment: Moment) -> Float[ndarray, "2 points"]:
        """Transform (x, z) of the neck into the probe's frame of that moment."""
        pivot = self.anatomy.vessel.axis(np.array([moment.y]))
        return pivot + _rotation(moment.turn) @ (at - pivot) + moment.shift[:, None]

    def _tissue(self, moment: Moment, rng: np.random.Generator) -> Points:
        first, last = np.floor((moment.y + np.array([-self.reach, self.reach])) / _SLAB).astype(int)
        slabs = [self._slab(number) for number in range(first, last + 1)]
        at, amplitude, flows = (np.concatenate(part, axis=-1) for part in zip(*slabs, strict=True))
        away = (at[2] - moment.y) / self.probe.elevational
        near = np.abs(away) < self.reach / self.probe.elevational
        at, flows = at[:, near], flows[near]
        amplitude = amplitude[near] * np.exp(-0.5 * away[near] ** 2)
        amplitude[flows] *= rng.choice([-1.0, 1.0], flows.sum())
        x, z, _ = self.anatomy.vessel.move(at, moment.swelling)
        if moment.clutter:
            hidden = flows & self._covered(at, moment.clutter)
            amplitude[hidden] *= 10 ** ((moment.clutter.echo - TISSUES["blood"].echo) / 20)
            x[hidden], z[hidden] = self.anatomy.vessel.flow(at[:, hidden], moment.swelling)
        return Points(x, z, amplitude)

    def _covered(
        self, at: Float[ndarray, "3 points"], clutter: Clutter
    ) -> Bool[ndarray, " points"]:
        """Which points are in the artery and on the side from which clutter covers it."""
        radius = self.anatomy.vessel.artery.diameter / 2
        offset = at[:2] - self.anatomy.vessel.axis(at[2])
        along = np.array([np.cos(clutter.angle), np.sin(clutter.angle)]) @ offset
        inside = np.hypot(*offset) < 1.1 * radius
        return np.asarray(inside & (along > radius * (1 - 2 * clutter.share)))

    def _slab(self, number: int) -> Slab:
        if number not in self.made:
            rng = np.random.default_rng([self.seed, number + _SEED_OFFSET])
            self.made[number] = self._draw(number * _SLAB, rng)
        return self.made[number]

    def _draw(self, y: float, rng: np.random.Generator) -> Slab:
        low, high = np.append(self.low, y), np.append(self.high, y + _SLAB)
        at = rng.uniform(low, high, (int(self.density * np.prod(high - low)), 3)).T
        decibel, flows = self.anatomy.echo(at)
        sign = rng.choice([-1.0, 1.0], len(decibel))
        cell = self.density * self.probe.cell(at[1])
        return Slab(at, sign * 10 ** (decibel / 20) / np.sqrt(cell), flows)

    def _loss(self, moment: Moment) -> Float[ndarray, "rows columns"]:
        """Attenuation map of one frame: coarse pixels, moved back to resting tissue."""
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
    """Corners (x, z) of the box that covers the image at every rotation up to `turn`."""
    half = grid.size * grid.pixel / 2
    middle = np.array([grid.left + half, grid.top + half])
    away = np.abs(middle - [0, depth])
    swung = half * (np.cos(turn) + np.sin(abs(turn))) + np.sin(abs(turn)) * away[::-1]
    return middle - swung, middle + swung


def _rotation(angle: float) -> Float[ndarray, "2 2"]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
