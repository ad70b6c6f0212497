"""Stenosis measured from contours, and the rules that turn it into a grade.

Source: section 1 names the "diameter and area stenosis rate" without a formula; these are the usual
ones. A ratio has no unit: contours may be in pixels or in mm.

The paper grades "mild" or "severe" and does not state its threshold (section 3). Rules differ in
what they measure and where they cut: one vessel may be mild by one and severe by another. All
compare the open with the original lumen at the same place, as ECST did. NASCET compares with the
healthy vessel downstream, which a clip across the artery does not show: no rule here is NASCET's.
Comparing with the outer wall instead (`clips.Truth.outer_stenosis`) counts the wall as plaque.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from numpy import ndarray

OCCLUDED = 0.995  # rounds to 100 %


def polygon_area(polygon: Float[ndarray, "*t points 2"]) -> Float[ndarray, "*t"]:
    """Area inside a polygon, by the shoelace formula."""
    x, y = polygon[..., 0], polygon[..., 1]
    cross = x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)
    return np.asarray(np.abs(reduce(cross, "... points -> ...", "sum")) / 2)


def widths(polygon: Float[ndarray, "*t points 2"]) -> Float[ndarray, "*t 180"]:
    """Width of a polygon between calipers, in 180 directions one degree apart."""
    turn = np.deg2rad(np.arange(180))
    return np.ptp(polygon @ np.stack([np.cos(turn), np.sin(turn)]), axis=-2)


def area_stenosis(
    vessel: Float[ndarray, "*t points 2"], lumen: Float[ndarray, "*t open 2"]
) -> Float[ndarray, "*t"]:
    """Fraction of the vessel's area that is closed, 0 to 1."""
    return np.asarray(1 - polygon_area(lumen) / polygon_area(vessel))


def diameter_stenosis(
    vessel: Float[ndarray, "*t points 2"], lumen: Float[ndarray, "*t open 2"]
) -> Float[ndarray, "*t"]:
    """Largest fraction of a diameter that is closed, over directions, 0 to 1.

    Sonographers turn the calipers until the vessel looks worst.
    """
    return np.asarray(np.max(1 - widths(lumen) / widths(vessel), axis=-1))


def inside(
    polygon: Float[ndarray, "t points 2"], height: int, width: int
) -> Bool[ndarray, "t y x"]:
    """Mask of the pixels whose centre is in a polygon of corners (x, y), by the even-odd rule.

    (0, 0) is the top left pixel's centre. A centre on an edge belongs to one side only, so that
    adjacent polygons share no pixel and leave none. Polygons may exceed the image.
    """
    x, y = rearrange(polygon, "t points xy -> xy t points")
    below = rearrange(y, "t points -> t 1 points") <= np.arange(height)[:, None]
    frame, row, here = np.nonzero(below != np.roll(below, -1, axis=-1))  # edges that cross a row
    after = (here + 1) % polygon.shape[1]
    x, y, next_x, next_y = x[frame, here], y[frame, here], x[frame, after], y[frame, after]
    crossing = x + (row - y) / (next_y - y) * (next_x - x)
    column = np.clip(np.ceil(crossing), 0, width).astype(int)
    flips = np.zeros((len(polygon), height, width + 1), bool)
    np.logical_xor.at(flips, (frame, row, column), True)
    return np.logical_xor.accumulate(flips, axis=-1)[..., :width]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A stenosis to measure, and the thresholds between its grades.

    A clip is graded by its narrowest frame, the one with the largest area stenosis, whatever the
    rule measures: sonographers look for "the frame with the largest degree of vascular stenosis"
    (section 1).

    Attributes:
        name: of the rule in a cohort.
        measure: "diameter" (the largest over directions) or "area".
        cuts: a stenosis that reaches one has the grade behind it; rising, above 0, at most 1.
        grades: names, from open to closed, one more than cuts.
    """

    name: str
    measure: Literal["diameter", "area"]
    cuts: tuple[float, ...]
    grades: tuple[str, ...]

    def __post_init__(self) -> None:
        bounds = (0.0, *self.cuts)
        if sorted(set(bounds)) != [*bounds] or bounds[-1] > 1:
            raise ValueError(f"{self.name}: cuts must rise, from above 0 to 1: got {self.cuts}")
        if len(self.grades) != len(bounds):
            raise ValueError(f"{self.name}: wanted {len(bounds)} grades: got {self.grades}")

    def grade(self, stenosis: float) -> int:
        """Index into `grades` of a stenosis from 0 to 1, else a ValueError."""
        if not -0.001 < stenosis < 1.001:
            raise ValueError(f"{self.name}: a stenosis is a share from 0 to 1: got {stenosis}")
        return bisect_right(self.cuts, stenosis)


_TWO = ("mild", "severe")
_FOUR = ("mild", "moderate", "severe", "occlusion")  # consensus of radiologists, Grant 2003
RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(name="diameter_50", measure="diameter", cuts=(0.5,), grades=_TWO),
        Rule(name="area_50", measure="area", cuts=(0.5,), grades=_TWO),
        Rule(name="area_70", measure="area", cuts=(0.7,), grades=_TWO),
        Rule(name="area_75", measure="area", cuts=(0.75,), grades=_TWO),
        Rule(name="four_grades", measure="diameter", cuts=(0.5, 0.7, OCCLUDED), grades=_FOUR),
    )
}
DEFAULT_RULE = RULES["diameter_50"]
