import numpy as np
import pytest
from matplotlib.path import Path

from csglib.data.stenosis import (
    area_stenosis,
    diameter_stenosis,
    equal_area_diameter,
    inside,
    polygon_area,
    widths,
)


def oval(wide: float, high: float, centre=(0.0, 0.0), points: int = 720) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([wide * np.cos(turn), high * np.sin(turn)], axis=-1) + np.array(centre)


def blots(rng: np.random.Generator, count: int, points: int, size: float) -> np.ndarray:
    """Ragged outlines about random centres, some of which reach out of the picture."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = size * rng.uniform(0.5, 1.5, (count, points, 1))
    towards = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return rng.uniform(0, 2 * size, (count, 1, 2)) + radius * towards


def test_area_and_width_of_shapes_known_by_heart():
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    assert polygon_area(square) == 4
    assert polygon_area(square[::-1]) == 4
    np.testing.assert_allclose(widths(square)[[0, 45, 90]], [2, 8**0.5, 2])
    pair = np.stack([oval(3, 3), oval(5, 2)])
    np.testing.assert_allclose(polygon_area(pair), [9 * np.pi, 10 * np.pi], rtol=1e-4)
    turn = np.deg2rad(np.arange(180))
    across = 2 * np.hypot(5 * np.cos(turn), 2 * np.sin(turn))
    np.testing.assert_allclose(widths(pair), [np.full(180, 6), across], rtol=1e-4)


@pytest.mark.parametrize("diameter", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_a_round_lumen_closes_area_as_the_square_of_its_diameter(diameter):
    vessel, lumen = oval(3, 3), oval(3 - 3 * diameter, 3 - 3 * diameter, centre=(0.4, 0.1))
    assert diameter_stenosis(vessel, lumen) == pytest.approx(diameter)
    area = area_stenosis(vessel, lumen)
    assert area == pytest.approx(1 - (1 - diameter) ** 2)
    assert equal_area_diameter(area) == pytest.approx(diameter)


def test_a_flat_lumen_has_lost_more_of_one_diameter_than_its_area_says():
    vessel, flat = oval(4, 4), oval(4, 1)
    assert area_stenosis(vessel, flat) == pytest.approx(0.75)
    assert diameter_stenosis(vessel, flat) == pytest.approx(0.75)
    assert equal_area_diameter(area_stenosis(vessel, flat)) == pytest.approx(0.5)


def test_a_diameter_is_compared_with_its_own_direction():
    """A lumen shaped like its oval vessel has lost the same share everywhere."""
    vessel, lumen = oval(4, 2), oval(3, 1.5, points=90)
    assert diameter_stenosis(vessel, lumen) == pytest.approx(0.25, abs=1e-3)
    np.testing.assert_allclose(1 - widths(lumen) / widths(vessel), 0.25, atol=1e-3)


def test_pixels_and_millimetres_give_the_same_stenosis():
    vessel, lumen = blots(np.random.default_rng(2), 2, 31, 9.0)
    for stenosis in (area_stenosis, diameter_stenosis):
        assert stenosis(vessel, lumen) == pytest.approx(stenosis(0.07 * vessel, 0.07 * lumen))


@pytest.mark.parametrize(("height", "width"), [(43, 67), (71, 29)])
def test_pixels_inside_are_those_that_matplotlib_finds(height, width):
    polygons = blots(np.random.default_rng(height), 13, 37, 23.0)
    centres = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    expected = [Path(polygon).contains_points(centres) for polygon in polygons]
    found = inside(polygons, height, width)
    np.testing.assert_array_equal(found, np.reshape(expected, (13, height, width)))
    assert 0.05 < found.mean() < 0.95


def test_a_centre_on_the_border_belongs_to_one_side():
    """Pixels whose centres are 2, 3, 4 lie in 2 to 5: the left and upper border count, no other."""
    square = np.array([[[2.0, 2.0], [5.0, 2.0], [5.0, 5.0], [2.0, 5.0]]])
    wanted = np.zeros((1, 7, 9), bool)
    wanted[0, 2:5, 2:5] = True
    np.testing.assert_array_equal(inside(square, 7, 9), wanted)
    np.testing.assert_array_equal(inside(square - 0.4, 7, 9), wanted)
    np.testing.assert_array_equal(inside(square[:, ::-1], 7, 9), wanted)
    np.testing.assert_array_equal(inside(np.roll(square, 1, axis=1), 7, 9), wanted)


def test_neighbours_share_no_pixel_and_leave_none():
    corners, middle = np.array([[1, 1], [9, 1], [9, 9], [1, 9]]), np.array([5, 3])
    pieces = [[corners[k], corners[(k + 1) % 4], middle] for k in range(4)]
    found = inside(np.array(pieces, float), 11, 13)
    whole = inside(corners[None].astype(float), 11, 13)[0]
    np.testing.assert_array_equal(found.sum(axis=0), whole)
    assert whole.sum() == 64


def test_the_number_of_pixels_is_the_area():
    polygons = np.stack([oval(40, 31, (61.3, 52.8)), oval(17, 23, (58.1, 44.4))])
    found = inside(polygons, 101, 127).sum(axis=(1, 2))
    np.testing.assert_allclose(found, polygon_area(polygons), rtol=2e-3)


def test_a_closed_lumen_has_no_pixels():
    assert not inside(np.full((2, 5, 2), 3.0), 7, 9).any()
    assert not inside(oval(3, 3, (40.0, -20.0))[None], 7, 9).any()
