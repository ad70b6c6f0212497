"""Areas, widths and pixels of contours: what a stenosis is measured with.

Source: section 1 names the "diameter and area stenosis rate" and gives no formula; these are the
usual ones. A ratio has no unit: contours may be in pixels or in mm.
"""

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
