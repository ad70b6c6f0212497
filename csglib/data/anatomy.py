"""What lies where in the neck, how brightly it echoes, and how much sound it takes.

The paper's clips are crops around the artery (Fig. 1), so here are the artery and its neighbours.
Echoes in dB against the adventitia, lengths in mm; points are columns (x, z, y), at rest.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage

from csglib.data.plaque import DIRECTIONS, PlaqueType
from csglib.data.speckle import Points
from csglib.data.vessel import Vessel


class Tissue(NamedTuple):
    """A kind of tissue.

    Attributes:
        echo: mean brightness, dB against the adventitia.
        loss: attenuation, dB/cm/MHz.
        uneven: how much the brightness varies from place to place, dB.
        across: size of such a patch sideways, mm.
        down: its size in depth, mm.
    """

    echo: float
    loss: float
    uneven: float = 0.0
    across: float = 1.0
    down: float = 1.0


TISSUES = {
    "blood": Tissue(-52, 0.15),
    "plaque": Tissue(0, 0.8, 4, 0.9, 0.7),  # its echo is its type's
    "cap": Tissue(-17, 1.2, 4, 1.0, 0.8),
    "calcium": Tissue(4, 20, 3, 0.8, 0.5),
    "media": Tissue(-34, 1.2, 3, 1.5, 1.0),
    "adventitia": Tissue(-3, 1.4, 6, 2.0, 1.5),
    "bed": Tissue(-16, 0.6, 5, 2.0, 1.2),
    "sheath": Tissue(-29, 0.6, 9, 2.8, 1.3),
    "fascia": Tissue(-8, 0.9, 8, 3.0, 0.8),
    "muscle": Tissue(-40, 0.66, 6, 3.0, 0.5),
    "thyroid": Tissue(-25, 0.6, 1.5, 1.0, 1.0),
}
_ALONG_THE_WALL = {
    "adventitia": 18,
    "cap": 14,
}  # dB lost where fibres run along the beam, not across
LABEL = {name: label for label, name in enumerate(TISSUES)}

# Of each Gray-Weale type, the grey-scale median (blood 0, adventitia 190) and how uneven it is, dB:
# II and III mix dark and bright, I and IV are uniform. Types: PMC3565685; numbers: our choice.
PLAQUES: dict[PlaqueType, tuple[float, float]] = {
    "I": (14, 1.5),
    "II": (36, 5),
    "III": (66, 4.5),
    "IV": (100, 2),
}


class Anatomy:
    """The neck around one vessel, painted from back to front.

    Args:
        vessel: the artery in the middle.
        rng: draws the neighbours, and where tissue is brighter or darker.

    Source:
        Not in the paper. Attenuation: ITIS database, PMC10001275. Echoes: 60 dB are 255 grey.
    """

    def __init__(self, vessel: Vessel, rng: np.random.Generator) -> None:
        self.vessel = vessel
        self.radius = vessel.artery.diameter / 2 + vessel.artery.wall
        tile = ndimage.gaussian_filter(rng.standard_normal((64, 64, 64)), 1.7, mode="wrap")
        self.tile = tile / tile.std()
        median, uneven = PLAQUES[vessel.lesion.plaque]
        tissues = [*TISSUES.values()]
        typed = tissues[LABEL["plaque"]]._replace(echo=60 * (median - 190) / 255, uneven=uneven)
        tissues[LABEL["plaque"]] = typed
        self.cap = max(TISSUES["cap"].echo, typed.echo)
        self.table = np.array(tissues)
        rough = ndimage.gaussian_filter1d(rng.standard_normal(1500), 5)
        self.rough = 0.015 * rough / rough.std()  # of smooth borders, mm
        self.medial = rng.choice([-1.0, 1.0])  # the side of the thyroid; the vein is on the other
        self.fascia = rng.uniform([0.3, -0.25, -0.03], [1.5, 0.25, 0.06])  # gap, slope, bend
        # Two half axes, the gap to the artery, and the height below its axis.
        self.vein = rng.uniform([1.8, 0.7, 0.3, -3.0], [4.0, 2.0, 1.5, -0.5])
        self.thyroid = rng.uniform([4.0, 3.5, 0.4, -2.0], [6.0, 5.0, 2.0, 2.0])

    def echo(
        self, at: Float[ndarray, "3 points"]
    ) -> tuple[Float[ndarray, " points"], Bool[ndarray, " points"]]:
        """Brightness of resting points, dB, and which of them flow with the blood."""
        label, angle = self._paint(at)
        mean, _, uneven, across, down = self.table[label].T
        decibel = mean + uneven * self._patches(at / [across, down, np.full_like(down, 2)])
        for tissue, drop in _ALONG_THE_WALL.items():
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
        section, here = self.vessel.section(y, swelling), np.full(DIRECTIONS, y)
        aside = np.linspace(-3, 3, DIRECTIONS) * self.radius
        top = self.vessel.axis(here) + np.stack([aside, self._fascia(aside)])
        outer, lumen = (np.vstack([border, border[:1]]).T for border in section[::2])
        borders = (outer, 3.0), (lumen, self.cap + 12.0), (top, 4.0)
        return Points(*np.hstack([self._glints(border, decibel, y) for border, decibel in borders]))

    def _glints(
        self, border: Float[ndarray, "2 corners"], decibel: float, y: float
    ) -> Float[ndarray, "3 points"]:
        along = np.linspace(0, border.shape[1] - 1, len(self.rough))
        x, z = (np.interp(along, np.arange(border.shape[1]), way) for way in border)
        step = np.hypot(np.gradient(x), np.gradient(z))
        broken = 5 * self._patches(np.stack([x / 1.5, z / 1.5, np.full_like(x, y / 2)]))
        return np.stack([x, z + self.rough, 10 ** ((decibel + broken) / 20) * step])

    def _fascia(self, aside: Float[ndarray, " points"]) -> Float[ndarray, " points"]:
        """Height of the sheet over the artery, mm below the axis, so negative."""
        gap, slope, bend = self.fascia
        return slope * aside + bend * aside**2 - self.radius - gap

    def _paint(
        self, at: Float[ndarray, "3 points"]
    ) -> tuple[Int[ndarray, " points"], Float[ndarray, " points"]]:
        """Label resting points, each layer over those before; also their angle on the artery."""
        outside, past, angle = self.vessel.place(at)
        aside, down = at[:2] - self.vessel.axis(at[2])
        wall, top = self.vessel.artery.wall, self._fascia(aside)
        patch = self._patches(at / np.array([[1.5], [1.5], [2]]))
        layers = [
            ("sheath", down > top),
            ("bed", (down > 0) & (np.abs(aside) < 0.8 * self.radius) & (outside < 3.5 + patch)),
            ("thyroid", self._oval(aside * self.medial, down, self.thyroid)),
            ("fascia", down < top + 0.5 + 0.25 * patch),
            ("muscle", down < top),
            ("blood", self._oval(-aside * self.medial, down, self.vein)),
            ("adventitia", outside < wall + 0.4 + 0.12 * patch),
            ("media", outside < wall),
            ("plaque", outside < 0),
            ("calcium", self._calcium(outside, angle, at[2], patch) & (past > 0.35)),
            ("cap", past < 0.2),
            ("blood", past < 0),
        ]
        label = np.zeros(at.shape[1], int)
        for tissue, where in layers:
            label[where] = LABEL[tissue]
        return label, angle

    def _oval(
        self,
        aside: Float[ndarray, " points"],
        down: Float[ndarray, " points"],
        shape: Float[ndarray, "4"],
    ) -> Bool[ndarray, " points"]:
        wide, high, gap, lower = shape
        from_middle = (aside - self.radius - gap - wide) / wide
        return from_middle**2 + ((down - lower) / high) ** 2 < 1

    def _calcium(
        self,
        outside: Float[ndarray, " points"],
        angle: Float[ndarray, " points"],
        y: Float[ndarray, " points"],
        patch: Float[ndarray, " points"],
    ) -> Bool[ndarray, " points"]:
        """A curved plate deep in the plaque, a third of it long, with an uneven rim."""
        lesion = self.vessel.lesion
        turn = np.abs(np.angle(np.exp(1j * (angle - self.vessel.lumen.facing))))
        deep = (outside < -0.2) & (outside > -0.9 - 0.15 * patch)
        within = np.abs(y) < lesion.length / 6
        return deep & within & (turn < 0.45 + 0.1 * patch) & lesion.calcified

    def _patches(self, at: Float[ndarray, "3 points"]) -> Float[ndarray, " points"]:
        """A smooth random field of mean 0 and spread 1; its patches are about 1 wide."""
        return ndimage.map_coordinates(self.tile, at * 5, order=1, mode="grid-wrap")
