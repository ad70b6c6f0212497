"""Areas, stenoses and masks against closed forms and matplotlib; grading rules by known values."""

import numpy as np
import pytest
from matplotlib.path import Path

from csglib.data.stenosis import (
    DEFAULT_RULE,
    OCCLUDED,
    RULES,
    Rule,
    area_stenosis,
    diameter_stenosis,
    inside,
    polygon_area,
    widths,
)
from csglib.phantom.make_cohort import observed


def oval(wide, high, centre=(0.0, 0.0), points=720):
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([wide * np.cos(turn), high * np.sin(turn)], axis=-1) + np.array(centre)


def blots(rng, count, points, size):
    """Ragged outlines about random centres, some of which exceed the image."""
    radius = size * rng.uniform(0.5, 1.5, (count, points, 1))
    return rng.uniform(0, 2 * size, (count, 1, 2)) + radius * oval(1, 1, points=points)


def test_area_and_width_of_known_shapes():
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    assert polygon_area(square) == polygon_area(square[::-1]) == 4
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
    assert area_stenosis(vessel, lumen) == pytest.approx(1 - (1 - diameter) ** 2)


def test_diameters_are_compared_direction_by_direction():
    vessel, flat = oval(4, 4), oval(4, 1)
    assert area_stenosis(vessel, flat) == pytest.approx(0.75)
    assert diameter_stenosis(vessel, flat) == pytest.approx(0.75)
    same_shape = 1 - widths(oval(3, 1.5, points=90)) / widths(oval(4, 2))
    np.testing.assert_allclose(same_shape, 0.25, atol=1e-3)
    vessel, lumen = blots(np.random.default_rng(2), 2, 31, 9.0)
    for stenosis in (area_stenosis, diameter_stenosis):  # pixels or millimetres
        assert stenosis(vessel, lumen) == pytest.approx(stenosis(0.07 * vessel, 0.07 * lumen))


@pytest.mark.parametrize(("height", "width"), [(43, 67), (71, 29)])
def test_a_mask_is_what_matplotlib_finds(height, width):
    polygons = blots(np.random.default_rng(height), 13, 37, 23.0)
    centres = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    expected = [Path(polygon).contains_points(centres) for polygon in polygons]
    found = inside(polygons, height, width)
    np.testing.assert_array_equal(found, np.reshape(expected, (13, height, width)))
    assert 0.05 < found.mean() < 0.95


def test_a_centre_on_the_border_belongs_to_one_side():
    """The left and upper border count, no other; adjacent polygons share no pixel, leave none."""
    square = np.array([[[2.0, 2.0], [5.0, 2.0], [5.0, 5.0], [2.0, 5.0]]])
    wanted = np.zeros((1, 7, 9), bool)
    wanted[0, 2:5, 2:5] = True
    for same in (square, square - 0.4, square[:, ::-1], np.roll(square, 1, axis=1)):
        np.testing.assert_array_equal(inside(same, 7, 9), wanted)
    corners, middle = np.array([[1, 1], [9, 1], [9, 9], [1, 9]]), np.array([5, 3])
    pieces = [[corners[k], corners[(k + 1) % 4], middle] for k in range(4)]
    found = inside(np.array(pieces, float), 11, 13)
    whole = inside(corners[None].astype(float), 11, 13)[0]
    np.testing.assert_array_equal(found.sum(axis=0), whole)
    assert whole.sum() == 64
    assert not inside(np.full((2, 5, 2), 3.0), 7, 9).any()
    assert not inside(oval(3, 3, (40.0, -20.0))[None], 7, 9).any()


def test_a_stenosis_that_reaches_a_cut_has_the_worse_grade():
    for stenosis, two, four in (
        (0.499999, "mild", "mild"),
        (0.5, "severe", "moderate"),
        (0.699999, "severe", "moderate"),
        (0.7, "severe", "severe"),
        (0.99, "severe", "severe"),
        (0.995, "severe", "occlusion"),
    ):
        assert DEFAULT_RULE.grades[DEFAULT_RULE.grade(stenosis)] == two
        assert RULES["four_grades"].grades[RULES["four_grades"].grade(stenosis)] == four


def test_the_rules_are_these():
    measured = {name: (rule.measure, rule.cuts) for name, rule in RULES.items()}
    assert measured == {
        "diameter_50": ("diameter", (0.5,)),
        "area_50": ("area", (0.5,)),
        "area_70": ("area", (0.7,)),
        "area_75": ("area", (0.75,)),
        "four_grades": ("diameter", (0.5, 0.7, 0.995)),
    }
    assert DEFAULT_RULE is RULES["diameter_50"]
    for name, rule in RULES.items():
        grades = [rule.grade(stenosis) for stenosis in np.linspace(0, 1, 401)]
        assert sorted(set(grades)) == [*range(len(rule.grades))]
        assert (grades, rule.name) == (sorted(grades), name)
    for diameter in (*np.linspace(0, 1, 41), 0.5 - 1e-9, 0.5 + 1e-9):
        area = 1 - (1 - diameter) ** 2
        assert DEFAULT_RULE.grade(diameter) == RULES["area_75"].grade(area)


def test_only_fractions_have_a_grade():
    assert [RULES["four_grades"].grade(value) for value in (-1e-9, 1 + 1e-9)] == [0, 3]
    for stenosis in (60.0, 1.01, -0.3, float("nan")):
        with pytest.raises(ValueError, match=f"diameter_50: a stenosis is a sh.* got {stenosis}"):
            DEFAULT_RULE.grade(stenosis)


@pytest.mark.parametrize(
    ("cuts", "grades", "message"),
    [
        ((0.7, 0.5), "abc", r"cuts must rise.* \(0.7, 0.5\)"),
        ((0.0,), "ab", "cuts must rise, from above 0"),
        ((50.0,), "ab", r"cuts must rise, from above 0 to 1: got \(50.0,\)"),
        ((0.5, 0.7), "ab", r"mine: wanted 3 grades: got \('a', 'b'\)"),
    ],
)
def test_impossible_rules_are_refused(cuts, grades, message):
    with pytest.raises(ValueError, match=message):
        Rule(name="mine", measure="area", cuts=cuts, grades=(*grades,))


def test_an_observer_errs_by_the_given_deviation_but_always_sees_an_occlusion():
    rng = np.random.default_rng(4)
    read = np.array([observed(0.5, rng, spread=0.04) for _ in range(4000)])
    assert read.mean() == pytest.approx(0.5, abs=0.003)
    assert read.std() == pytest.approx(0.04, rel=0.05)
    near = [observed(0.97, rng, spread=0.1) for _ in range(300)]
    free = [observed(0.01, rng, spread=0.1) for _ in range(300)]
    assert (max(near), min(free)) == (0.99, 0.0)
    assert {observed(closed, rng, spread=0.1) for closed in (OCCLUDED, 1.0) * 20} == {1.0}
