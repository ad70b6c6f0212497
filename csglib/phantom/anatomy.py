"""What lies where around and in one artery, how brightly it echoes, and how much sound it takes.

The paper's clips are crops around the artery (Fig. 1), so here are the artery and its neighbours.
Echoes in dB against the adventitia, lengths in mm; points are columns (x, z, y), at rest.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage

from csglib.phantom.neck import Neck
from csglib.phantom.plaque import DIRECTIONS
from csglib.phantom.speckle import Points
from csglib.phantom.tissue import ALONG_THE_WALL, LABEL, TISSUES, plaque_tissue
from csglib.phantom.vessel import Place, Vessel

_CORNERS = 1500  # of the longest mirror
_APART = 0.05  # mm between them, about a quarter of a wavelength


class Anatomy:
    """The neck around one vessel, painted from back to front.

    Args:
        vessel: the artery in the middle.
        rng: draws the neighbours, and where tissue is brighter or darker.

    Source:
        Not in the paper; see `csglib.phantom.tissue` for the numbers.
    """

    def __init__(self, vessel: Vessel, rng: np.random.Generator) -> None:
        artery = vessel.artery
        self.vessel = vessel
        self.radius = artery.diameter / 2 + artery.wall
        tile = ndimage.gaussian_filter(rng.standard_normal((64, 64, 64)), 1.7, mode="wrap")
        self.tile = tile / tile.std()
        typed = [plaque_tissue(lesion.plaque) for lesion in vessel.lesions]
        self.table = np.array([*TISSUES.values(), *typed])
        self.caps = [max(TISSUES["cap"].echo, tissue.echo) for tissue in typed]
        self.face = rng.normal(8, 5, len(typed))  # how smooth the blood has worn each plaque, dB
        self.wall = rng.normal([5, -20, 0.3], [2, 5, 0.1])  # its two borders, dB; adventitia, mm
        rough = ndimage.gaussian_filter1d(rng.standard_normal(_CORNERS), 5)
        self.rough = 0.015 * rough / rough.std()  # of smooth borders, mm
        # Of each plaque's calcium: its turn from the thickest place, rad; its depth in the plaque
        # and thickness, mm; its place in half lengths of its own, and these in plaque lengths.
        low, high = [-0.5, 0.15, 0.35, -0.8, 0.06], [0.5, 0.6, 0.9, 0.8, 0.25]
        self.calcium = rng.uniform(low, high, (len(typed), 5))
        self.neck = Neck(self.radius, artery.depth, artery.bifurcation, rng)

    def echo(
        self, at: Float[ndarray, "3 points"]
    ) -> tuple[Float[ndarray, " points"], Bool[ndarray, " points"]]:
        """Brightness of resting points, dB, and which of them flow with the blood."""
        label, angle = self._paint(at)
        mean, _, uneven, across, down = self.table[label].T
        decibel = mean + uneven * self._patches(at / [across, down, np.full_like(down, 2)])
        for tissue, drop in ALONG_THE_WALL.items():
            fibres = label == LABEL[tissue]
            decibel[fibres] -= drop * np.cos(angle[fibres]) ** 2
        return decibel, label == LABEL["blood"]

    def loss(self, at: Float[ndarray, "3 points"]) -> Float[ndarray, " points"]:
        """Attenuation at resting points, dB/cm/MHz; the artery's round edges bend sound away."""
        label, _ = self._paint(at)
        aside, down = np.abs(at[:2] - self.vessel.axis(at[2]))
        edge = np.exp(-(((aside - self.radius) / 0.3) ** 2)) * (down < self.radius / 2)
        return self.table[label, 1] + 1.6 * edge

    def mirrors(self, y: float, swelling: float) -> Points:
        """Smooth borders, as points that echo in step where the sound meets them squarely.

        A point's amplitude is that of a long level border, times the way to the next point in mm.
        """
        here = np.full(DIRECTIONS, y)
        section = self.vessel.section(y, swelling)
        outer, inner, lumen = (np.vstack([border, border[:1]]).T for border in section)
        lesion = self.vessel.nearest(here)[0]
        thin = np.exp(-np.hypot(*(inner - lumen)) / 0.25)  # no cap where there is no plaque
        glints = [
            self._glints(outer, self.wall[0], 5.0, y),
            self._glints(inner, self.wall[1], 5.0, y),
            self._glints(lumen, self.caps[lesion] + self.face[lesion] - 15 * thin, 8.0, y),
        ]
        axis = self.vessel.axis(here[:1])
        for border in self.neck.borders(y):
            hidden = np.hypot(*border.corners) < self.radius  # behind the artery, painted over it
            level = border.decibel - 80.0 * hidden
            glints.append(self._glints(axis + border.corners, level, border.broken, y))
        return Points(*np.hstack(glints))

    def _glints(
        self,
        border: Float[ndarray, "2 corners"],
        decibel: float | Float[ndarray, " corners"],
        broken: float,
        y: float,
    ) -> Float[ndarray, "3 points"]:
        way = np.cumsum(np.hypot(*np.diff(border, prepend=border[:, :1])))
        count = int(np.clip(way[-1] / _APART, 8, len(self.rough)))
        along, step = np.linspace(0, way[-1], count, retstep=True)
        x, z = (np.interp(along, way, part) for part in border)
        level = np.interp(along, way, np.broadcast_to(decibel, way.shape))
        level += broken * self._patches(np.stack([x / 1.5, z / 1.5, np.full_like(x, y / 2)]))
        return np.stack([x, z + self.rough[:count], 10 ** (level / 20) * step])

    def _paint(
        self, at: Float[ndarray, "3 points"]
    ) -> tuple[Int[ndarray, " points"], Float[ndarray, " points"]]:
        """Label resting points, each layer over those before; also their angle on the artery."""
        aside, down = at[:2] - self.vessel.axis(at[2])
        patch = self._patches(at / np.array([[1.5], [1.5], [2]]))
        label = np.zeros(at.shape[1], int)
        for tissue, where in self.neck.layers(aside, down, at[2], patch):
            label[where] = LABEL[tissue]
        angle = np.zeros(at.shape[1])
        near = np.flatnonzero(aside**2 + down**2 < (1.3 * self.radius + 2) ** 2)
        place = self.vessel.place(at[:, near])
        lesion = self.vessel.nearest(at[2, near])
        wall = self.vessel.artery.wall
        layers: list[tuple[int | Int[ndarray, " points"], Bool[ndarray, " points"]]] = [
            (LABEL["adventitia"], place.outside < wall + self.wall[2] * (1 + 0.5 * patch[near])),
            (LABEL["media"], place.outside < wall),
            (len(TISSUES) + lesion, place.outside < 0),
            (LABEL["calcium"], self._calcium(place, at[2, near], lesion, patch[near])),
            (LABEL["cap"], (place.past < 0.2) & (place.outside < -0.1)),
            (LABEL["blood"], place.past < 0),
        ]
        for kind, where in layers:
            label[near] = np.where(where, kind, label[near])
        angle[near] = place.angle
        return label, angle

    def _calcium(
        self,
        place: Place,
        y: Float[ndarray, " points"],
        lesion: Int[ndarray, " points"],
        patch: Float[ndarray, " points"],
    ) -> Bool[ndarray, " points"]:
        """A curved plate in each calcified plaque, its rim uneven, here and there in pieces."""
        aside, deep, thick, shift, half = self.calcium[lesion].T
        share, length, facing, worst = self.vessel.plates[lesion].T
        turn = np.abs(np.angle(np.exp(1j * (place.angle - facing - aside * (1 - share)))))
        within = np.abs((y - worst) / length - shift * half) < half * (1 + 0.3 * patch)
        arc = turn < np.pi * share * (1 + 0.2 * patch)
        plate = (place.outside < -deep) & (place.outside > -deep - thick * (1 + 0.3 * patch))
        return plate & arc & within & (patch > -1.1) & (place.past > 0.3) & (share > 0)

    def _patches(self, at: Float[ndarray, "3 points"]) -> Float[ndarray, " points"]:
        """A smooth random field of mean 0 and spread 1; its patches are about 1 wide."""
        return ndimage.map_coordinates(self.tile, at * 5, order=1, mode="grid-wrap")
