"""The neck around one artery: where each tissue lies, how brightly it echoes, how it attenuates.

The paper's clips are crops around the artery (Fig. 1); its detector looks at whole images. Echoes
are in dB relative to the adventitia, lengths in mm; points are columns (x, z, y), at rest. `aside`
and `down` are x and z from the artery's axis; y runs along the artery.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage

from csglib.phantom.speckle import Points
from csglib.phantom.vessel import DIRECTIONS, Place, PlaqueType, Vessel

Points1D = Float[ndarray, " points"]
Mask1D = Bool[ndarray, " points"]
Labels = Int[ndarray, " points"]
Ellipse = Float[ndarray, "4"]  # half axes, gap to the artery, height below its axis
Layer = tuple[str, Mask1D]

_CORNERS = 1500  # most points of a specular border
_SPACING = 0.05  # mm between them, about a quarter of a wavelength
_ROOM = 5.0  # mm; that the neck leaves to an isoechoic artery, of whatever width, to give no hint
_WIDE = np.linspace(-42, 42, 600)  # mm; corners of a border that crosses the image
_ROUND = np.linspace(0, 2 * np.pi, 160)
_CIRCLE = np.stack([np.cos(_ROUND), np.sin(_ROUND)])


class Tissue(NamedTuple):
    """A kind of tissue."""

    echo: float  # mean echogenicity, dB relative to the adventitia
    loss: float  # attenuation, dB/cm/MHz
    uneven: float = 0.0  # standard deviation of the echogenicity from place to place, dB
    across: float = 1.0  # lateral size of such a patch, mm
    down: float = 1.0  # its axial size, mm


# Attenuation: ITIS database, PMC10001275. Echoes: 60 dB are 255 grey levels; matched to real frames
# by eye and by benchmarks/realism.py.
TISSUES = {
    "deep": Tissue(-45, 0.95, 7, 3.0, 1.0),
    "sheath": Tissue(-40, 0.6, 10, 2.2, 0.9),
    "pad": Tissue(-18, 0.6, 8, 2.0, 1.0),
    "bed": Tissue(-15, 0.6, 5, 2.0, 1.2),
    "thyroid": Tissue(-27, 0.6, 1.5, 1.0, 1.0),
    "fascia": Tissue(-11, 0.9, 7, 3.0, 0.6),
    "muscle": Tissue(-44, 0.66, 6, 3.0, 0.5),
    "fat": Tissue(-33, 0.5, 6, 3.0, 0.5),
    "skin": Tissue(-14, 0.8, 3, 3.0, 0.4),
    "bone": Tissue(-60, 15.0),
    "blood": Tissue(-52, 0.15),
    "adventitia": Tissue(-5, 1.4, 6, 2.0, 1.5),
    "media": Tissue(-42, 1.2, 5, 1.5, 1.0),
    "plaque": Tissue(0, 0.8, 4, 0.9, 0.7),  # its echo depends on its type
    "calcium": Tissue(4, 22.0, 4, 0.7, 0.5),
    "cap": Tissue(-24, 1.2, 6, 1.0, 0.8),
}
LABEL = {name: label for label, name in enumerate(TISSUES)}
_ANISOTROPY = {"adventitia": 22, "cap": 14}  # dB lost where fibres run along the beam, not across
# Of each Gray-Weale type, the grey-scale median (blood 0, adventitia 190) and its unevenness, dB:
# II and III are heterogeneous, I and IV uniform. Types: PMC3565685; numbers: our choice.
PLAQUES: dict[PlaqueType, tuple[float, float]] = {
    "I": (14, 1.5),
    "II": (36, 5),
    "III": (66, 4.5),
    "IV": (100, 2),
}


def plaque_tissue(kind: PlaqueType) -> Tissue:
    """The inside of a plaque of that Gray-Weale type; 255 grey levels are 60 dB."""
    median, uneven = PLAQUES[kind]
    return TISSUES["plaque"]._replace(echo=60 * (median - 190) / 255, uneven=uneven)


class Border(NamedTuple):
    """A specular reflector."""

    corners: Float[ndarray, "2 corners"]  # (aside, down) of a line, mm
    decibel: float  # brightness at perpendicular incidence, relative to the adventitia
    broken: float  # standard deviation of that along the line, dB


class Neck:
    """One neck, without the artery in its middle: of that the radius with its wall, mm, its depth.

    Not in the paper. Features read off real frames: broken bright lines, dark muscle with streaks,
    a bright block under the artery, and black below it.
    """

    def __init__(
        self, radius: float, depth: float, bifurcation: bool, rng: np.random.Generator
    ) -> None:
        self.radius, self.depth, self.bifurcation = radius, depth, bifurcation
        self.medial = rng.choice([-1.0, 1.0])  # side of the thyroid; the vein is on the other
        self.skin = rng.uniform(0.8, 1.6)
        self.fat = rng.uniform(2.5, 5.0)
        # Gap to the artery, slope, bend, and a wave's height and phase.
        self.fascia = rng.uniform([0.2, -0.4, -0.012, 0, 0], [1.6, 0.4, 0.012, 0.7, 6.3])
        self.sheets = rng.uniform([0.15, 0.2, -0.1], [0.9, 1.6, 0.1])  # thickness, gap, slope
        self.pad = rng.uniform([0.5, -0.5], [3.5, 0.5])  # of fat around the artery: width, end
        self.bed = rng.uniform([0.55, 0.0], [1.0, 6.0])  # half width in radii, height in mm
        self.floor = rng.uniform([1.0, -0.25], [6.0, 0.25])  # of the sheath, under the artery
        self.spine = rng.uniform([4.0, 0.3, 0], [11.0, 1.6, 6.3])  # gap, waves, their phase
        self.vein = rng.uniform([1.8, 0.3, 0.2, -0.9], [4.5, 2.2, 1.5, -0.1])
        self.thyroid = rng.uniform([4.0, 3.0, 0.2, -2.0], [7.0, 5.5, 3.0, 2.5])
        self.second = rng.uniform([1.3, 0.3, -2.0, 0.05], [2.4, 1.2, 0.5, 0.25])
        # Columns without contact to the skin: where they begin, loss in dB, side.
        start, deep, side = rng.uniform(8, 20), rng.uniform(8, 35), rng.choice([-1.0, 1.0])
        self.contact = (start, deep if rng.random() < 0.6 else 0.0, side)
        # A dimmed band of columns: its middle and half width, mm; dB.
        self.shade = rng.uniform([-1.2 * radius, 0.4, 4], [1.2 * radius, 1.8, 14])
        self.shade[2] *= rng.random() < 0.35
        self.streaks = self._streaks(rng)
        self.levels = rng.normal([6, 4, 3, 0, 2, -4], 3)  # dB of the borders below, in order

    def layers(self, aside: Points1D, down: Points1D, y: Points1D, patch: Points1D) -> list[Layer]:
        """Where each tissue lies, later ones over earlier ones; `patch` roughens their edges."""
        top, under = self._top(aside), down - self.radius
        wide, high = self.bed
        away = np.hypot(aside, down) - self.radius
        arc = np.sqrt(np.maximum(self.radius**2 - aside**2, 0))
        block = (np.abs(aside) < wide * self.radius) & (down > 0) & (down - arc < high + patch)
        floor = self.floor[0] + self.floor[1] * aside + 1.5 * patch
        vein = self._oval(-aside * self.medial, down, self._hanging(self.vein)) < 1
        layers = [
            ("sheath", (down > top) & (under < floor)),
            ("pad", (down > top) & (away < self.pad[0] + 0.6 * patch) & (down < self.pad[1])),
            ("thyroid", self._oval(aside * self.medial, down, self.thyroid) < 1),
            ("bed", block),
            ("fascia", down < top + self.sheets[0] * (1 + 0.5 * patch)),
            ("muscle", down < top),
            ("fat", down + self.depth < self.fat + 0.3 * patch),
            ("skin", down + self.depth < self.skin),
            ("bone", down > self._spine(aside)),
            ("blood", vein),
        ]
        if not self.bifurcation:
            return layers
        off = np.hypot(*(np.stack([aside, down]) - self._second_at(y))) - self.second[0]
        return [*layers, ("adventitia", off < 0.95), ("media", off < 0.6), ("blood", off < 0)]

    def borders(self, y: float) -> Iterator[Border]:
        """All specular reflectors of the section at `y`."""
        skin, fat, fascia, spine, gland, vein = self.levels
        flat = np.zeros_like(_WIDE)
        yield Border(np.stack([_WIDE, flat + 0.3 - self.depth]), skin + 4, 1.0)
        yield Border(np.stack([_WIDE, flat + self.skin - self.depth]), fat - 2, 4.0)
        yield Border(np.stack([_WIDE, flat + self.fat - self.depth]), fat, 6.0)
        yield Border(np.stack([_WIDE, self._top(_WIDE)]), fascia + 5, 9.0)
        gap = np.maximum(self.sheets[1] + self.sheets[2] * _WIDE, 0.2)
        yield Border(np.stack([_WIDE, self._top(_WIDE) - gap]), fascia + 1, 10.0)
        yield Border(np.stack([_WIDE, self._spine(_WIDE)]), spine - 8, 13.0)
        yield Border(self._ellipse(self.medial, self.thyroid), gland - 2, 8.0)
        yield Border(self._ellipse(-self.medial, self._hanging(self.vein)), vein - 4, 6.0)
        if self.bifurcation:
            for wall, decibel in ((0.6, 1.0), (0.0, -10.0)):
                yield Border(self._second_at(y) + (self.second[0] + wall) * _CIRCLE, decibel, 5.0)
        for aside, down, place, half, slope, decibel in self.streaks:
            if abs(place - y) < 2.5:
                along = np.linspace(-half, half, 9)
                line = np.stack([aside + along, down + slope * along - 0.02 * along**2])
                yield Border(line, decibel - 1.5 * (place - y) ** 2, 4.0)

    def dimming(self, aside: Points1D) -> Points1D:
        """Loss of columns under poor probe contact, hair or air, dB."""
        start, deep, side = self.contact
        lost = deep / (1 + np.exp(np.minimum((start - side * aside) / 1.2, 60)))
        middle, half, weak = self.shade
        return lost + weak * np.exp(-(((aside - middle) / half) ** 2))

    def _streaks(self, rng: np.random.Generator) -> Float[ndarray, "streaks 6"]:
        """Short bright fibres in the muscle: aside, down, y, half length, slope, dB."""
        count = int(rng.integers(20, 90))
        aside = rng.uniform(-22, 22, count)
        low, high = self.fat - self.depth + 0.5, np.maximum(self._top(aside) - 0.6, -self.depth + 3)
        down = low + (high - low) * rng.random(count)
        place = rng.uniform(-40, 40, count)
        place[: count // 2] = rng.uniform(-6, 6, count // 2)
        half, slope = rng.uniform(0.3, 2.6, count), rng.normal(0, 0.12, count)
        return np.stack([aside, down, place, half, slope, rng.normal(-6, 5, count)], axis=-1)

    def _top(self, aside: Points1D) -> Points1D:
        """Height of the fascia over the artery; it never rises into the fat."""
        gap, slope, bend, wave, phase = self.fascia
        tilt = 12 * np.tanh(aside / 12)  # level again far from the artery
        line = slope * tilt + bend * tilt**2 + wave * (np.sin(aside / 4 + phase) - np.sin(phase))
        return np.maximum(line - self.radius - gap, self.fat - self.depth + 1.2)

    def _spine(self, aside: Points1D) -> Points1D:
        gap, wave, phase = self.spine
        return self.radius + gap + wave * np.sin(aside / 2.7 + phase) + 0.004 * aside**2

    def _oval(self, aside: Points1D, down: Points1D, shape: Ellipse) -> Points1D:
        """Below 1 within an ellipse beside the artery."""
        wide, high, gap, lower = shape
        from_middle = (aside - self.radius - gap - wide) / wide
        return from_middle**2 + ((down - lower) / high) ** 2

    def _hanging(self, shape: Ellipse) -> Ellipse:
        """The vein stays under the fascia; its height is given in radii of the artery."""
        wide, high, gap, lower = shape
        return np.array([wide, high, gap - 0.6 * self.radius, lower * self.radius - high])

    def _ellipse(self, side: float, shape: Ellipse) -> Float[ndarray, "2 corners"]:
        wide, high, gap, lower = shape
        middle = np.array([[side * (self.radius + gap + wide)], [lower]])
        return middle + np.array([[wide], [high]]) * _CIRCLE

    def _second_at(self, y: float | Points1D) -> Float[ndarray, "2 #points"]:
        """Centre of the second artery, which diverges from the first up the neck."""
        radius, gap, lower, leaving = self.second
        aside = self.medial * (self.radius + 0.8 + gap + radius + leaving * np.abs(y))
        return np.stack([np.atleast_1d(aside), np.full(np.size(y), lower)])


class Anatomy:
    """All tissue around one vessel, painted from back to front; see `TISSUES` for the numbers."""

    def __init__(self, vessel: Vessel, rng: np.random.Generator) -> None:
        artery = vessel.artery
        self.vessel = vessel
        self.radius = artery.diameter / 2 + artery.wall
        tile = ndimage.gaussian_filter(rng.standard_normal((64, 64, 64)), 1.7, mode="wrap")
        self.tile = tile / tile.std()
        typed = [plaque_tissue(lesion.plaque) for lesion in vessel.lesions]
        self.table = np.array([*TISSUES.values(), *typed])
        self.caps = [max(TISSUES["cap"].echo, tissue.echo) for tissue in typed]
        self.face = rng.normal(8, 5, len(typed))  # specular echo of each plaque's surface, dB
        self.wall = rng.normal([5, -20, 0.3], [2, 5, 0.1])  # its two borders, dB; adventitia, mm
        rough = ndimage.gaussian_filter1d(rng.standard_normal(_CORNERS), 5)
        self.rough = 0.015 * rough / rough.std()  # of specular borders, mm
        # Of each plaque's calcium: its turn from the thickest place, rad; its depth in the plaque
        # and thickness, mm; its place in half lengths of its own, and these in plaque lengths.
        low, high = [-0.5, 0.15, 0.35, -0.8, 0.06], [0.5, 0.6, 0.9, 0.8, 0.25]
        self.calcium = rng.uniform(low, high, (len(typed), 5))
        room = _ROOM if artery.isoechoic else self.radius
        self.neck = Neck(room, artery.depth, artery.bifurcation, rng)

    def echo(self, at: Float[ndarray, "3 points"]) -> tuple[Points1D, Mask1D]:
        """Echogenicity of resting points, dB, and which of them flow with the blood."""
        label, angle = self._paint(at)
        mean, _, uneven, across, down = self.table[label].T
        decibel = mean + uneven * self._patches(at / [across, down, np.full_like(down, 2)])
        for tissue, drop in _ANISOTROPY.items():
            fibres = label == LABEL[tissue]
            decibel[fibres] -= drop * np.cos(angle[fibres]) ** 2
        return decibel, label == LABEL["blood"]

    def loss(self, at: Float[ndarray, "3 points"]) -> Points1D:
        """Attenuation at resting points, dB/cm/MHz, with edge shadows of the round artery."""
        label, _ = self._paint(at)
        aside, down = np.abs(at[:2] - self.vessel.axis(at[2]))
        edge = np.exp(-(((aside - self.radius) / 0.3) ** 2)) * (down < self.radius / 2)
        return self.table[label, 1] + 1.6 * edge * (not self.vessel.artery.isoechoic)

    def mirrors(self, y: float, swelling: float) -> Points:
        """Specular borders, as points that echo in phase at perpendicular incidence.

        A point's amplitude is that of a long level border, times the distance to the next point.
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
        if self.vessel.artery.isoechoic:
            glints = glints[2:]  # of the lumen alone
        axis = self.vessel.axis(here[:1])
        for border in self.neck.borders(y):
            hidden = np.hypot(*border.corners) < self.neck.radius  # covered by the artery
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
        """Resample a border to evenly spaced, slightly rough points: x, z, amplitude."""
        length = np.cumsum(np.hypot(*np.diff(border, prepend=border[:, :1])))
        count = int(np.clip(length[-1] / _SPACING, 8, len(self.rough)))
        along, step = np.linspace(0, length[-1], count, retstep=True)
        x, z = (np.interp(along, length, part) for part in border)
        level = np.interp(along, length, np.broadcast_to(decibel, length.shape))
        level += broken * self._patches(np.stack([x / 1.5, z / 1.5, np.full_like(x, y / 2)]))
        return np.stack([x, z + self.rough[:count], 10 ** (level / 20) * step])

    def _paint(self, at: Float[ndarray, "3 points"]) -> tuple[Labels, Points1D]:
        """Label resting points, each layer over those before; also their angle on the artery."""
        aside, down = at[:2] - self.vessel.axis(at[2])
        patch = self._patches(at / np.array([[1.5], [1.5], [2]]))
        label = np.zeros(at.shape[1], int)
        for tissue, where in self.neck.layers(aside, down, at[2], patch):
            label[where] = LABEL[tissue]
        angle = np.zeros(at.shape[1])
        near = np.flatnonzero(aside**2 + down**2 < (1.3 * self.neck.radius + 2) ** 2)
        place = self.vessel.place(at[:, near])
        lesion = self.vessel.nearest(at[2, near])
        wall = self.vessel.artery.wall
        layers: list[tuple[int | Labels, Mask1D]] = [
            (LABEL["adventitia"], place.outside < wall + self.wall[2] * (1 + 0.5 * patch[near])),
            (LABEL["media"], place.outside < wall),
            (len(TISSUES) + lesion, place.outside < 0),
            (LABEL["calcium"], self._calcium(place, at[2, near], lesion, patch[near])),
            (LABEL["cap"], (place.past < 0.2) & (place.outside < -0.1)),
            (LABEL["blood"], place.past < 0),
        ]
        if self.vessel.artery.isoechoic:
            layers = layers[-1:]  # the blood alone, in the tissue of the neck
        for kind, where in layers:
            label[near] = np.where(where, kind, label[near])
        angle[near] = place.angle
        return label, angle

    def _calcium(self, place: Place, y: Points1D, lesion: Labels, patch: Points1D) -> Mask1D:
        """A curved plate in each calcified plaque, with an uneven rim and gaps."""
        aside, deep, thick, shift, half = self.calcium[lesion].T
        share, length, facing, narrowest = self.vessel.plates[lesion].T
        turn = np.abs(np.angle(np.exp(1j * (place.angle - facing - aside * (1 - share)))))
        within = np.abs((y - narrowest) / length - shift * half) < half * (1 + 0.3 * patch)
        arc = turn < np.pi * share * (1 + 0.2 * patch)
        plate = (place.outside < -deep) & (place.outside > -deep - thick * (1 + 0.3 * patch))
        return plate & arc & within & (patch > -1.1) & (place.past > 0.3) & (share > 0)

    def _patches(self, at: Float[ndarray, "3 points"]) -> Points1D:
        """A smooth random field of mean 0 and variance 1; its patches are about 1 wide."""
        return ndimage.map_coordinates(self.tile, at * 5, order=1, mode="grid-wrap")
