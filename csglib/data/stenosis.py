"""Areas, widths and pixels of contours: what a stenosis is measured with.

Source: section 1 names the "diameter and area stenosis rate" and gives no formula; these are the
usual ones. A ratio has no unit: contours may be in pixels or in mm.

Grades: which stenosis is called what. Every rule has a name, and a cohort says which it used.

The paper grades its clips "mild" or "severe" and does not say where one ends (section 3). Rules
differ in what they measure and where they cut, so that one vessel may be mild and severe at once.

What is closed is compared with the original lumen at the same place, as the ECST trial did. The
other common standard, NASCET, compares with the healthy vessel further on; a clip across the
artery never shows that, so no rule here is NASCET's, and 50 % here is not its 50 %.

Whoever compares with the outer border of the wall (media-adventitia) reads more again: 29 to 39 %
in a healthy artery, because its wall counts as plaque. No rule does; `clips.Truth` has that number
as `outer_stenosis`, to look at.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from numpy import ndarray


def polygon_area(polygon: Float[ndarray, "*t points 2"]) -> Float[ndarray, "*t"]:
    """Area inside a polygon, by the shoelace formula."""
    x, y = polygon[..., 0], polygon[..., 1]
    turn = x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)
    return np.asarray(np.abs(reduce(turn, "... points -> ...", "sum")) / 2)


def widths(polygon: Float[ndarray, "*t points 2"]) -> Float[ndarray, "*t 180"]:
    """Width of a polygon between calipers, in 180 directions one degree apart."""
    turn = np.deg2rad(np.arange(180))
    return np.ptp(polygon @ np.stack([np.cos(turn), np.sin(turn)]), axis=-2)


def area_stenosis(
    vessel: Float[ndarray, "*t points 2"], lumen: Float[ndarray, "*t open 2"]
) -> Float[ndarray, "*t"]:
    """Share of the vessel's area that is closed, 0 to 1."""
    return np.asarray(1 - polygon_area(lumen) / polygon_area(vessel))


def diameter_stenosis(
    vessel: Float[ndarray, "*t points 2"], lumen: Float[ndarray, "*t open 2"]
) -> Float[ndarray, "*t"]:
    """Largest share of a diameter that is closed, 0 to 1; each is compared with its own direction.

    An observer turns the calipers until the vessel looks worst. Across a flat lumen that is more
    than `equal_area_diameter`, which knows the area alone.
    """
    return np.asarray(np.max(1 - widths(lumen) / widths(vessel), axis=-1))


def equal_area_diameter(area: Float[ndarray, "*t"]) -> Float[ndarray, "*t"]:
    """Diameter stenosis of a round lumen in a round vessel that closes this share of the area.

    The way back is `area = 1 - (1 - diameter)^2`: half the diameter is three quarters of the area.
    """
    return np.asarray(1 - np.sqrt(1 - area))


def inside(
    polygon: Float[ndarray, "t points 2"], height: int, width: int
) -> Bool[ndarray, "t y x"]:
    """Which pixels have their centre in the polygon; (0, 0) is the middle of the upper left one.

    Along a row of pixels, each edge of the polygon that is crossed leads in or out again. A centre
    that lies on an edge belongs to one side only, so that neighbours share no pixel and leave none.

    Args:
        polygon: corners (x, y), in pixels; may reach out of the picture.
        height: rows of the picture.
        width: its columns.
    """
    x, y = rearrange(polygon, "t points xy -> xy t points")
    begun = rearrange(y, "t points -> t 1 points") <= np.arange(height)[:, None]
    frame, row, here = np.nonzero(begun != np.roll(begun, -1, axis=-1))
    after = (here + 1) % polygon.shape[1]
    x, y, next_x, next_y = x[frame, here], y[frame, here], x[frame, after], y[frame, after]
    crossing = x + (row - y) / (next_y - y) * (next_x - x)
    column = np.clip(np.ceil(crossing), 0, width).astype(int)
    flips = np.zeros((len(polygon), height, width + 1), bool)
    np.logical_xor.at(flips, (frame, row, column), True)
    return np.logical_xor.accumulate(flips, axis=-1)[..., :width]


OCCLUDED = 0.995  # what rounds to 100 %
_MOST_OF_AN_OPEN_VESSEL = 0.99


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A stenosis to measure, and where to cut it.

    A clip is graded by its narrowest frame, the one with the largest area stenosis, whatever the
    rule measures; `clips.Truth.stenosis` reads it there. So do the sonographers of the paper, who
    look for "the frame with the largest degree of vascular stenosis" (section 1).

    Attributes:
        name: how a manifest calls the rule.
        measure: "diameter", the largest over directions, or "area". A round lumen in the middle
            has area = 1 - (1 - diameter)^2: 50 % of the diameter are 75 % of the area.
        cuts: a stenosis that reaches a cut has the grade behind it; rising, above 0, at most 1.
        grades: their names, from open to closed, one more than cuts.

    Raises:
        ValueError: cuts that do not rise, or grades that do not fit them.
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
            raise ValueError(
                f"{self.name}: {len(self.cuts)} cuts make {len(bounds)} grades: got {self.grades}"
            )

    def grade(self, stenosis: float) -> int:
        """Index into `grades`.

        Args:
            stenosis: of the rule's measure, 0 to 1; rounding may lead a little beyond.

        Raises:
            ValueError: not a share: a percentage, or NaN.
        """
        if not -0.001 < stenosis < 1.001:
            raise ValueError(f"{self.name}: a stenosis is a share from 0 to 1: got {stenosis}")
        return bisect_right(self.cuts, stenosis)


_TWO = ("mild", "severe")
RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(name="diameter_50", measure="diameter", cuts=(0.5,), grades=_TWO),
        Rule(name="area_50", measure="area", cuts=(0.5,), grades=_TWO),
        Rule(name="area_70", measure="area", cuts=(0.7,), grades=_TWO),
        Rule(name="area_75", measure="area", cuts=(0.75,), grades=_TWO),
        Rule(  # the classes of the consensus of radiologists, Grant 2003: to 49, 69, 99 %, and 100
            name="four_grades",
            measure="diameter",
            cuts=(0.5, 0.7, OCCLUDED),
            grades=("mild", "moderate", "severe", "occlusion"),
        ),
    )
}
DEFAULT_RULE = RULES["diameter_50"]


def observed(stenosis: float, rng: np.random.Generator, spread: float = 0.05) -> float:
    """What somebody reads who draws the contours by hand: the truth, give or take.

    Whether there is a lumen at all is seen, not measured: an occlusion stays one, and an open
    vessel reads 99 % at most.

    Args:
        stenosis: the truth, 0 to 1.
        rng: draws the error.
        spread: its standard deviation. Where the diameter is half closed, an error of 0.05 there
            is also one of 0.05 of the area; in tighter vessels the area's is smaller.

    Source:
        Section 1: results "heavily rely on operator experience". The size is our choice; published
        agreement runs from an ICC of 0.36 (PMC5207436) to one of 0.93 (CANet, Vascular 2024).
    """
    error = rng.normal(0, spread)
    if stenosis >= OCCLUDED:
        return 1.0
    return float(np.clip(stenosis + error, 0, _MOST_OF_AN_OPEN_VESSEL))
