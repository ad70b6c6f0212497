"""Arteries and plaques: exact areas, pulsation, motion of the tissue, places."""

import numpy as np
import pytest

from csglib.data.stenosis import polygon_area
from csglib.phantom.vessel import ANGLES, TOWARDS, Artery, Lesion, Vessel, grow, pulse, star_area


def vessel(seed: int = 5, stenosis: float = 0.75, side: str = "far", drift: float = 0.1) -> Vessel:
    shape = Artery(
        diameter=6.4, wall=0.7, flattening=0.06, depth=17.0, drift=drift, pulsation=0.35,
        bifurcation=False,
    )  # fmt: skip
    lesion = Lesion(stenosis=stenosis, length=13.0, side=side, plaque="III", calcified=0.0)
    return Vessel(shape, [lesion], np.random.default_rng(seed))


def closed(made: Vessel, y: float) -> float:
    section = made.section(y, 0.0)
    return float(1 - polygon_area(section.lumen) / polygon_area(section.inner))


def test_the_area_of_a_star_is_that_of_its_polygon():
    radii = np.random.default_rng(1).uniform(2, 4, len(ANGLES))
    assert star_area(radii) == pytest.approx(polygon_area(radii[:, None] * TOWARDS))


@pytest.mark.parametrize("side", ["far", "near", "left", "right", "concentric"])
@pytest.mark.parametrize("stenosis", [0.0, 0.51, 0.91])
def test_the_worst_section_is_closed_exactly_as_far_as_asked(stenosis, side):
    made = vessel(stenosis=stenosis, side=side)
    assert closed(made, 0.0) == pytest.approx(stenosis, abs=1e-6)
    assert max(closed(made, y) for y in np.linspace(-8, 8, 33)) <= stenosis + 1e-6


@pytest.mark.parametrize(("seed", "y", "phase"), [(0, 0.0, 0.14), (1, 2.3, 0.5), (2, -4.1, 0.9)])
def test_a_heartbeat_adds_the_same_area_to_every_contour_and_tissue_moves_along(seed, y, phase):
    made = vessel(seed=seed)
    swelling = made.swelling(phase)
    assert abs(swelling) > 0.05
    for rest, now in zip(made.section(y, 0.0), made.section(y, swelling), strict=True):
        assert polygon_area(now) == pytest.approx(polygon_area(rest) + np.pi * swelling, rel=1e-3)
        at = np.vstack([rest.T, np.full(len(ANGLES), y)])
        np.testing.assert_allclose(made.move(at, swelling)[:2].T, now, atol=1e-9)
        np.testing.assert_allclose(made.move(made.move(at, swelling), -swelling), at, atol=1e-9)


@pytest.mark.parametrize(
    ("side", "axis", "sign"), [("far", 1, -1), ("near", 1, 1), ("left", 0, 1), ("right", 0, -1)]
)
def test_no_lumen_leaves_its_vessel_and_all_lie_away_from_the_plaque(side, axis, sign):
    for seed in range(3):
        made = vessel(seed=seed, side=side, drift=0.0)
        lumen = made.section(0.0, 0.0).lumen
        assert made.place(np.vstack([lumen.T, np.zeros(len(lumen))])).outside.max() < 0.01
        middle = lumen.mean(axis=0) - [0, made.artery.depth]
        assert sign * middle[axis] > 0.3


def test_place_measures_from_the_two_borders():
    made = vessel()
    section = made.section(2.0, 0.0)
    for border, column in ((section.inner, 0), (section.lumen, 1)):
        at = np.vstack([border.T, np.full(len(border), 2.0)])
        np.testing.assert_allclose(made.place(at)[column], 0, atol=0.01)
    far_below = made.place(
        np.vstack([made.axis(np.array([2.0])) + np.array([[0.0], [9.0]]), [[2.0]]])
    )
    assert far_below.angle == pytest.approx(np.pi / 2)
    assert far_below.outside == pytest.approx(9 - 3.2, abs=0.4)


def test_a_pulse_rises_fast_falls_slowly_and_repeats():
    wave = np.array([pulse(phase) for phase in np.linspace(0, 1, 101)])
    assert wave.argmax() == 14
    assert wave.max() == pytest.approx(1, abs=0.01)
    assert wave.min() >= 0
    assert pulse(3.3) == pytest.approx(pulse(0.3))
    made = vessel()
    beat = [made.swelling(phase) for phase in np.arange(0, 1, 0.01)]
    assert np.mean(beat) == pytest.approx(0, abs=0.02)
    assert vessel(stenosis=1.0).swelling(0.14) == 0, "an occlusion stays closed"


def test_a_plaque_thins_out_at_both_ends():
    lesion = Lesion(stenosis=0.8, length=10.0, side="far", plaque="II", calcified=0.0)
    lumen = grow(np.full(len(ANGLES), 3.0), lesion, np.random.default_rng(2))
    fraction = 1 - star_area(lumen.radii) / star_area(np.full(len(ANGLES), 3.0))
    assert fraction[[0, -1]] == pytest.approx([0.02, 0.02], abs=1e-6)
    assert fraction.argmax() == len(fraction) // 2
