"""Clips from a phantom: a diseased artery swept by a scanner, its truth exact in every frame.

The paper's clips (section 3, "Dataset") are not public. All of this is simulated and not for
diagnosis: it shows whether a network finds a narrowing that is there, not how it does on patients.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage

from csglib.data.anatomy import Anatomy
from csglib.data.clips import Clip, Truth
from csglib.data.probe import Grid, Probe
from csglib.data.recipe import Recipe, Scan, draw
from csglib.data.speckle import Points, envelope, grey
from csglib.data.vessel import Section, Vessel, polygon_area, widths

VERSION = 1  # changes whenever the same seed gives another clip
_SCATTERERS = 4  # in each cell; four of equal strength give speckle of nearly full contrast
_PIXEL = 0.067  # mm, the largest that is simulated
_COARSE = 3  # pixels a side in one cell of the attenuation map
_MARGIN = 9  # pixels around the picture that are simulated and cut off, a multiple of the above


class Moment(NamedTuple):
    """What one frame is taken of.

    Attributes:
        y: where the slice cuts the artery, mm from the worst section.
        swelling: area gained by the heartbeat, over pi, mm2.
        shift: where the hand has slipped to, mm.
    """

    y: float
    swelling: float
    shift: Float[ndarray, "2"]


class Phantom:
    """A block of tissue full of scatterers too small to see, each at rest until the heart beats.

    The scatterers belong to the tissue: speckle rides with it, changes as the slice moves on, and
    boils in the blood, whose echoes are drawn anew in each frame.

    Args:
        anatomy: the tissue.
        probe: the scanner.
        grid: the pixels of a frame.
        reach: the first and the last place of the slice along the artery, mm.
        rng: draws the scatterers.

    Source:
        Not in the paper.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        probe: Probe,
        grid: Grid,
        reach: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        self.anatomy, self.probe, self.grid = anatomy, probe, grid
        self.slab = 2.2 * probe.elevational  # beyond it a scatterer weighs less than a tenth
        low = np.array([grid.left, grid.top, reach[0] - self.slab])
        high = np.array([grid.x[-1], grid.z[-1], reach[1] + self.slab])
        depth = np.array([anatomy.vessel.artery.depth])
        density = _SCATTERERS / float(probe.cell(depth)[0])
        at = rng.uniform(low, high, (int(density * np.prod(high - low)), 3)).T
        self.at = at[:, np.argsort(at[2])]
        decibel, self.flows = anatomy.echo(self.at)
        sign = rng.choice([-1.0, 1.0], len(decibel))
        self.amplitude = sign * 10 ** (decibel / 20) / np.sqrt(density * probe.cell(self.at[1]))

    def frame(self, moment: Moment, rng: np.random.Generator) -> Float[ndarray, "y x"]:
        """Envelope of the frame of one moment."""
        x, z, amplitude = np.hstack([self._tissue(moment, rng), self._walls(moment)])
        points = Points(x + moment.shift[0], z + moment.shift[1], amplitude)
        return envelope(points, self._loss(moment), self.grid, self.probe, rng)

    def _tissue(self, moment: Moment, rng: np.random.Generator) -> Points:
        edges = np.searchsorted(self.at[2], [moment.y - self.slab, moment.y + self.slab])
        here = slice(*edges)
        away = (self.at[2, here] - moment.y) / self.probe.elevational
        amplitude = self.amplitude[here] * np.exp(-0.5 * away**2)
        flows = self.flows[here]
        amplitude[flows] *= rng.choice([-1.0, 1.0], flows.sum())
        x, z, _ = self.anatomy.vessel.move(self.at[:, here], moment.swelling)
        return Points(x, z, amplitude)

    def _walls(self, moment: Moment) -> Points:
        walls = self.anatomy.mirrors(moment.y, moment.swelling)
        level = np.sqrt(2 * np.pi) * self.probe.lateral(walls.z)  # mm of border that fill a spot
        return walls._replace(amplitude=walls.amplitude / level)

    def _loss(self, moment: Moment) -> Float[ndarray, "rows columns"]:
        cells = self.grid.size // _COARSE
        coarse = Grid(self.grid.left, self.grid.top, self.grid.pixel * _COARSE, cells)
        x, z = np.meshgrid(coarse.x - moment.shift[0], coarse.z - moment.shift[1])
        now = np.stack([x.ravel(), z.ravel(), np.full(x.size, moment.y)])
        rest = self.anatomy.vessel.move(now, -moment.swelling)
        return self.anatomy.loss(rest).reshape(cells, cells)


def make_clip(seed: int, frames: int = 8, size: int = 256, **what: object) -> Clip:
    """Simulate a clip of one plaque, with its truth.

    Args:
        seed: the same seed and the same arguments give the same bytes.
        frames: number of frames, t; more frames see more of the artery.
        size: height and width of a frame, pixels; all sizes show the same field.
        what: any parameter of `Artery`, `Lesion`, `Scan` and `Probe` by name, and `patient`; the
            seed draws those of the first three that are not given.

    Returns:
        The clip. Its contours are in pixels, (0, 0) the middle of the upper left one.

    Raises:
        TypeError: a parameter that does not exist.
        ValueError: a value out of its limits, or a clip without frames, or smaller than 16 pixels.

    Source:
        Not in the paper, which has patients. Its clips: 8 or 16 frames of 256 x 256 (section 3).
    """
    if frames < 1 or size < 16:
        raise ValueError(f"a clip needs frames >= 1 and size >= 16: got {frames=}, {size=}")
    patient = str(what.pop("patient", f"phantom-{seed}"))
    chance, shape, neck, hand, tissue, noise = np.random.default_rng(seed).spawn(6)
    recipe = draw(chance, what)
    vessel = Vessel(recipe.artery, recipe.lesion, shape)
    moments = _sweep(recipe.scan, frames, vessel, hand)
    grid = _field(recipe)
    way = [moment.y for moment in moments]
    phantom = Phantom(Anatomy(vessel, neck), recipe.probe, grid, (min(way), max(way)), tissue)
    pictures = [_show(phantom.frame(moment, noise), recipe.scan, size) for moment in moments]
    truth = _truth(
        [_pixels(vessel.section(m.y, m.swelling), m.shift, grid, size) for m in moments],
        recipe.parameters | {"seed": seed, "phantom": VERSION},
    )
    mm_per_px = (grid.size - 2 * _MARGIN) * grid.pixel / size
    return Clip(frames=np.stack(pictures), patient=patient, mm_per_px=mm_per_px, truth=truth)


def _field(recipe: Recipe) -> Grid:
    """The artery and a third of its radius around it, with a margin for spots that reach in."""
    field = 2.7 * (recipe.artery.diameter / 2 + recipe.artery.wall)
    size = _COARSE * int(np.ceil(field / (_COARSE * _PIXEL)))
    pixel = field / size
    edge = field / 2 + _MARGIN * pixel
    return Grid(-edge, recipe.artery.depth - edge, pixel, size + 2 * _MARGIN)


def _show(frame: Float[ndarray, "rows columns"], scan: Scan, size: int) -> UInt8[ndarray, "y x"]:
    """Compress, cut the margin off, and resize as a scanner does: after the compression."""
    picture = grey(frame, scan.gain, scan.dynamic_range)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    zoom = size / len(picture)
    smooth = ndimage.gaussian_filter(picture, max(0.5 / zoom - 0.5, 0), mode="nearest")
    resized = ndimage.zoom(smooth, zoom, order=1, mode="nearest", grid_mode=True)
    return np.round(resized).astype(np.uint8)


def _pixels(section: Section, shift: Float[ndarray, "2"], grid: Grid, size: int) -> Section:
    """Contours in the pixels of the picture that `_show` makes."""
    corner = np.array([grid.left, grid.top]) + _MARGIN * grid.pixel
    scale = size / (grid.size - 2 * _MARGIN) / grid.pixel
    return Section(*((border + shift - corner) * scale - 0.5 for border in section))


def _truth(sections: list[Section], parameters: dict[str, float | int | str]) -> Truth:
    outer, inner, lumen = (np.stack(border) for border in zip(*sections, strict=True))
    return Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=lumen,
        area_stenosis=1 - polygon_area(lumen) / polygon_area(inner),
        diameter_stenosis=np.max(1 - widths(lumen) / widths(inner), axis=-1),
        parameters=parameters,
    )


def _sweep(scan: Scan, frames: int, vessel: Vessel, rng: np.random.Generator) -> list[Moment]:
    """Slide the probe along the artery, so that one of the inner frames shows the worst section."""
    worst = rng.integers(frames // 4, frames - frames // 4)
    steps = rng.uniform(0.85, 1.15, frames) * scan.speed / scan.frame_rate
    y = rng.choice([-1, 1]) * np.cumsum(steps)
    phases = rng.random() + np.arange(frames) / scan.frame_rate * scan.heart_rate / 60
    slips = np.cumsum(rng.normal(0, scan.tremor, (frames, 2)), axis=0)
    return [
        Moment(float(place), vessel.swelling(phase), slip)
        for place, phase, slip in zip(y - y[worst], phases, slips - slips[worst], strict=True)
    ]
