"""Wrong answers to exercises 7.1 and 7.2, each with what to say about it.

Not in the paper: part of the course.
"""

from csgcourse.exercise import Mistake

AREA = (
    Mistake(
        lambda vessel_area, lumen_area: lumen_area / vessel_area,
        "this is the share that is still open; the stenosis is the share that is closed.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: 1 - vessel_area / lumen_area,
        "the fraction is upside down: it is a share of the vessel, so the vessel stands below.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: (vessel_area - lumen_area) / lumen_area,
        "you compare with what is still open; a stenosis is a share of the whole vessel.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: 1 - (lumen_area / vessel_area) ** 0.5,
        "this is the diameter stenosis of a concentric lesion, exercise 7.2: no root here.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: 1 - (lumen_area / vessel_area) ** 2,
        "you squared, as if the inputs were diameters; they are areas already.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: 100 * (1 - lumen_area / vessel_area),
        "this is in percent; a share between 0 and 1 is wanted.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: vessel_area - lumen_area,
        "this is the closed area; divided by the vessel's area it becomes a share.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: lumen_area / vessel_area - 1,
        "the sign is wrong: what is closed is 1 - open.",
    ),
    Mistake(
        lambda vessel_area, lumen_area: (vessel_area - lumen_area) / (vessel_area + lumen_area),
        "you divided by the sum of both areas; the lumen lies inside the vessel, so the vessel's "
        "area alone is the whole.",
    ),
)

DIAMETER = (
    Mistake(
        lambda area_stenosis: (1 - area_stenosis) ** 0.5,
        "this is the share of the diameter that is still open; one minus that is closed.",
    ),
    Mistake(
        lambda area_stenosis: 1 - area_stenosis**0.5,
        "you took the root of the closed area. Nothing round has that area; the lumen has, and "
        "its area is 1 - area_stenosis: take the root of that.",
    ),
    Mistake(
        lambda area_stenosis: area_stenosis**0.5,
        "you took the root of the closed share. Diameters belong to circles: the open lumen is "
        "one, with the share 1 - area_stenosis.",
    ),
    Mistake(
        lambda area_stenosis: area_stenosis,
        "diameter and area are not closed by the same share: the area goes with the square of "
        "the diameter.",
    ),
    Mistake(
        lambda area_stenosis: area_stenosis / 2,
        "half the area is not half the diameter: the area goes with the square of the diameter, "
        "so a root comes in.",
    ),
    Mistake(
        lambda area_stenosis: 1 - (1 - area_stenosis) ** 2,
        "this is the way back, from a diameter stenosis to the area stenosis: you squared where "
        "a root is wanted.",
    ),
    Mistake(
        lambda area_stenosis: area_stenosis**2,
        "you squared the stenosis; from an area to a diameter it is a root, and of the open part.",
    ),
    Mistake(
        lambda area_stenosis: 100 * (1 - (1 - area_stenosis) ** 0.5),
        "this is in percent; a share between 0 and 1 is wanted.",
    ),
    Mistake(
        lambda area_stenosis: (1 - area_stenosis) ** 0.5 - 1,
        "the sign is wrong: what is closed is 1 - open.",
    ),
)
