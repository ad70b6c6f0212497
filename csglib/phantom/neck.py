"""The artery's neighbours: skin, fat, muscle, fascia, vein, thyroid, spine, a second artery.

The paper's clips are crops of such pictures (Fig. 1); its detector looks at whole ones. `aside` and
`down` are mm from the artery's axis, to the right and into the neck; `y` runs along the artery.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

Points1D = Float[ndarray, " points"]
Layer = tuple[str, Bool[ndarray, " points"]]
_WIDE = np.linspace(-42, 42, 600)  # mm; corners of a border that crosses the picture
_ROUND = np.linspace(0, 2 * np.pi, 160)


class Border(NamedTuple):
    """A smooth border that mirrors sound.

    Attributes:
        corners: (aside, down) of a line, mm.
        decibel: brightness where the sound meets it squarely, over the adventitia.
        broken: how much that varies along the line, dB.
    """

    corners: Float[ndarray, "2 corners"]
    decibel: float
    broken: float


class Neck:
    """One neck, without the artery in its middle.

    Args:
        radius: of that artery with its wall, mm.
        depth: of its axis under the skin, mm.
        bifurcation: whether a second artery runs beside it.
        rng: draws everything else.

    Source:
        Not in the paper. What real-looking frames need was read off real ones: broken bright
        lines, dark muscle with streaks, a bright block under the artery, and black below it.
    """

    def __init__(
        self, radius: float, depth: float, bifurcation: bool, rng: np.random.Generator
    ) -> None:
        self.radius, self.depth, self.bifurcation = radius, depth, bifurcation
        self.medial = rng.choice([-1.0, 1.0])  # the side of the thyroid; the vein is on the other
        self.skin = rng.uniform(0.8, 1.6)
        self.fat = rng.uniform(2.5, 5.0)
        # Gap to the artery, slope, bend, and a wave's height and phase.
        self.fascia = rng.uniform([0.2, -0.4, -0.012, 0, 0], [1.6, 0.4, 0.012, 0.7, 6.3])
        self.sheets = rng.uniform([0.15, 0.2, -0.1], [0.9, 1.6, 0.1])  # their thickness, gap, slope
        self.pad = rng.uniform([0.5, -0.5], [3.5, 0.5])  # of fat around the artery: width, end
        self.bed = rng.uniform([0.55, 0.0], [1.0, 6.0])  # half width in radii, height in mm
        self.floor = rng.uniform([1.0, -0.25], [6.0, 0.25])  # of the sheath, under the artery
        self.spine = rng.uniform([4.0, 0.3, 0], [11.0, 1.6, 6.3])  # gap, waves, their phase
        # Two half axes, the gap to the artery, and the height below its axis.
        self.vein = rng.uniform([1.8, 0.3, 0.2, -0.9], [4.5, 2.2, 1.5, -0.1])
        self.thyroid = rng.uniform([4.0, 3.0, 0.2, -2.0], [7.0, 5.5, 3.0, 2.5])
        self.second = rng.uniform([1.3, 0.3, -2.0, 0.05], [2.4, 1.2, 0.5, 0.25])
        self.contact = self._contact(rng)
        # A band of columns that something on the way has dimmed: its middle and half width, mm; dB.
        self.shade = rng.uniform([-1.2 * radius, 0.4, 4], [1.2 * radius, 1.8, 14])
        self.shade[2] *= rng.random() < 0.35
        self.streaks = self._streaks(rng)
        self.levels = rng.normal([6, 4, 3, 0, 2, -4], 3)  # dB of the borders below, in order

    def layers(self, aside: Points1D, down: Points1D, y: Points1D, patch: Points1D) -> list[Layer]:
        """Where each tissue lies, later ones over earlier ones; `patch` frays their edges."""
        top, under = self._top(aside), down - self.radius
        wide, high = self.bed
        away = np.hypot(aside, down) - self.radius
        arc = np.sqrt(np.maximum(self.radius**2 - aside**2, 0))
        block = (np.abs(aside) < wide * self.radius) & (down > 0) & (down - arc < high + patch)
        floor = self.floor[0] + self.floor[1] * aside + 1.5 * patch
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
            ("blood", self._vein(aside, down) < 1),
        ]
        return layers + (self._second(aside, down, y) if self.bifurcation else [])

    def borders(self, y: float) -> Iterator[Border]:
        """Everything that mirrors sound in the section at `y`."""
        skin, fat, fascia, spine, gland, vein = self.levels
        flat = np.zeros_like(_WIDE)
        yield Border(np.stack([_WIDE, flat + 0.3 - self.depth]), skin + 4, 1.0)
        yield Border(np.stack([_WIDE, flat + self.skin - self.depth]), fat - 2, 4.0)
        yield Border(np.stack([_WIDE, flat + self.fat - self.depth]), fat, 6.0)
        yield Border(np.stack([_WIDE, self._top(_WIDE)]), fascia + 5, 9.0)
        apart = np.maximum(self.sheets[1] + self.sheets[2] * _WIDE, 0.2)
        yield Border(np.stack([_WIDE, self._top(_WIDE) - apart]), fascia + 1, 10.0)
        yield Border(np.stack([_WIDE, self._spine(_WIDE)]), spine - 8, 13.0)
        yield Border(self._ellipse(self.medial, self.thyroid), gland - 2, 8.0)
        yield Border(self._ellipse(-self.medial, self._hanging(self.vein)), vein - 4, 6.0)
        if self.bifurcation:
            for wall, decibel in ((0.6, 1.0), (0.0, -10.0)):
                yield Border(self._second_at(y) + (self.second[0] + wall) * _circle(), decibel, 5.0)
        for aside, down, place, half, slope, decibel in self.streaks:
            if abs(place - y) < 2.5:
                along = np.linspace(-half, half, 9)
                line = np.stack([aside + along, down + slope * along - 0.02 * along**2])
                yield Border(line, decibel - 1.5 * (place - y) ** 2, 4.0)

    def dimming(self, aside: Points1D) -> Points1D:
        """Loss of columns where the probe hardly touches the skin, or hair or air lies, dB."""
        start, deep, side = self.contact
        lost = deep / (1 + np.exp(np.minimum((start - side * aside) / 1.2, 60)))
        middle, half, weak = self.shade
        return lost + weak * np.exp(-(((aside - middle) / half) ** 2))

    def _contact(self, rng: np.random.Generator) -> tuple[float, float, float]:
        start, deep, side = rng.uniform(8, 20), rng.uniform(8, 35), rng.choice([-1.0, 1.0])
        return (start, deep, side) if rng.random() < 0.6 else (start, 0.0, side)

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

    def _oval(self, aside: Points1D, down: Points1D, shape: Float[ndarray, "4"]) -> Points1D:
        """Below 1 within an ellipse beside the artery."""
        wide, high, gap, lower = shape
        from_middle = (aside - self.radius - gap - wide) / wide
        return from_middle**2 + ((down - lower) / high) ** 2

    def _hanging(self, shape: Float[ndarray, "4"]) -> Float[ndarray, "4"]:
        """The vein keeps under the fascia; its height is given in radii of the artery."""
        wide, high, gap, lower = shape
        return np.array([wide, high, gap - 0.6 * self.radius, lower * self.radius - high])

    def _vein(self, aside: Points1D, down: Points1D) -> Points1D:
        return self._oval(-aside * self.medial, down, self._hanging(self.vein))

    def _ellipse(self, side: float, shape: Float[ndarray, "4"]) -> Float[ndarray, "2 corners"]:
        wide, high, gap, lower = shape
        middle = np.array([[side * (self.radius + gap + wide)], [lower]])
        return middle + np.array([[wide], [high]]) * _circle()

    def _second_at(self, y: float | Points1D) -> Float[ndarray, "2 #points"]:
        """Centre of the second artery, which leaves the first as both run up the neck."""
        radius, gap, lower, leaving = self.second
        aside = self.medial * (self.radius + 0.8 + gap + radius + leaving * np.abs(y))
        return np.stack([np.atleast_1d(aside), np.full(np.size(y), lower)])

    def _second(self, aside: Points1D, down: Points1D, y: Points1D) -> list[Layer]:
        away = np.hypot(*(np.stack([aside, down]) - self._second_at(y))) - self.second[0]
        return [("adventitia", away < 0.95), ("media", away < 0.6), ("blood", away < 0)]


def _circle() -> Float[ndarray, "2 corners"]:
    return np.stack([np.cos(_ROUND), np.sin(_ROUND)])
