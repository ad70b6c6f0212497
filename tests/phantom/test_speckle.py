"""Speckle, spots, attenuation, noise and grey levels, each against theory."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage, stats

from csglib.phantom.probe import COMPENSATION, Grid, Probe
from csglib.phantom.speckle import Points, echoes, envelope, log_compress, transmission

ONE_BEAM = Probe(beams=1, bandwidth=0.6, aperture=1.7, noise=-200.0, haze=-200.0, lobes=-200.0)
GRID = Grid(left=-5.0, top=12.0, pixel=0.066, size=151)
INSIDE = slice(18, -18)  # where no spot is cut by the border
FWHM_CELL = (8 * np.log(2) / np.pi) ** 1.5  # a spot's half-height volume in `Probe.cell`s
SPOT = ONE_BEAM.lateral(np.array([17.0]))[0]


@cache
def tissue(density: float, seed: int, thick: float = 3.2) -> tuple[np.ndarray, np.ndarray]:
    """Even tissue of 0 dB: places (x, z, y) and amplitudes of `density` points a spot."""
    rng = np.random.default_rng(seed)
    low, high = np.array([-5.6, 11.4, -thick / 2]), np.array([5.6, 22.6, thick / 2])
    each = density / FWHM_CELL / ONE_BEAM.cell(np.array([17.0]))[0]
    at = rng.uniform(low, high, (int(each * np.prod(high - low)), 3)).T
    return at, rng.choice([-1.0, 1.0], at.shape[1]) / np.sqrt(each * ONE_BEAM.cell(at[1]))


def slice_at(y: float, at: np.ndarray, amplitude: np.ndarray) -> Points:
    weight = np.exp(-0.5 * ((at[2] - y) / ONE_BEAM.elevational) ** 2)
    return Points(at[0], at[1], amplitude * weight)


@cache
def picture(density: float = 10, seed: int = 1, probe: Probe = ONE_BEAM) -> np.ndarray:
    return echoes(slice_at(0.0, *tissue(density, seed)), GRID, probe)[:, INSIDE, INSIDE]


def spot(x: float, probe: Probe = ONE_BEAM) -> np.ndarray:
    """Magnitude of the echo of one point of amplitude 1."""
    point = Points(np.array([x]), np.array([17.03]), np.array([1.0]))
    return np.abs(echoes(point, GRID, probe)[0])


def contrast(sample: np.ndarray) -> float:
    return float(sample.mean() / sample.std())


def test_dense_points_give_rayleigh_speckle_of_the_right_brightness():
    pictures = [np.abs(picture(seed=seed)) for seed in (1, 2, 3)]
    theory = np.sqrt(np.pi / (4 - np.pi))
    assert np.mean([contrast(p) for p in pictures]) == pytest.approx(theory, abs=0.08)
    decibel = [20 * np.log10(p + 1e-12) for p in pictures]
    assert np.mean([d.std() for d in decibel]) == pytest.approx(5.57, abs=0.3)
    assert np.mean([(p**2).mean() for p in pictures]) == pytest.approx(1, abs=0.02)
    apart = np.concatenate([p[0, ::9, ::13].ravel() for p in pictures])
    law = stats.rayleigh(scale=np.sqrt((apart**2).mean() / 2))
    assert stats.kstest(apart, law.cdf).statistic < 0.05


def test_sparse_points_give_less_even_speckle_and_directions_average_it():
    even = [np.mean([contrast(np.abs(picture(d, s))) for s in (1, 2)]) for d in (1, 3, 10)]
    assert even == sorted(even)
    assert even[0] < 1.5
    averaged = contrast(np.abs(picture(probe=replace(ONE_BEAM, beams=5))).mean(axis=0))
    single = contrast(np.abs(picture()))
    assert single + 0.2 < averaged < single * np.sqrt(5)  # less than independent frames would


def test_one_point_of_amplitude_one_is_a_spot_of_height_one_and_of_the_probe_size():
    seen = spot(0.31)
    assert seen.max() == pytest.approx(1, abs=0.05)
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    assert (GRID.x[column], GRID.z[row]) == pytest.approx((0.31, 17.03), abs=0.04)
    near, focus, far = ONE_BEAM.lateral(np.array([8.0, 18.0, 28.0]))
    assert near == pytest.approx(far) and near > 1.15 * focus


def test_side_lobes_reach_far_beside_a_bright_point_and_are_faint():
    clean, lobed = (spot(0.0, replace(ONE_BEAM, lobes=db)).max(axis=0) for db in (-200.0, -30.0))
    far = np.argmin(np.abs(GRID.x - 1.2 * 5 * SPOT))
    assert clean[far] < 1e-4
    theory = -30 + 20 * np.log10(np.exp(-0.5 * (GRID.x[far] / (5 * SPOT)) ** 2))
    assert 20 * np.log10(lobed[far] / lobed.max()) == pytest.approx(theory, abs=0.3)


@pytest.mark.parametrize(("across", "wanted"), [(True, 0.349), (False, 0.151)])
def test_speckle_is_as_wide_as_the_spot(across, wanted):
    fields = [picture(seed=seed)[0, 30:-30] for seed in (1, 2, 3)]  # near the focus
    lines = np.vstack(fields if across else [field.T for field in fields])
    power = np.abs(np.fft.fft(lines, n=2 * lines.shape[1], axis=1)) ** 2
    similarity = np.abs(np.fft.ifft(power, axis=1).mean(axis=0))
    half = np.interp(-0.5, -similarity[:15] / similarity[0], np.arange(15))
    assert 2 * GRID.pixel * half / np.sqrt(2) == pytest.approx(wanted, rel=0.05)


def test_frames_of_nearby_slices_resemble_each_other_as_theory_says():
    steps = np.array([0.4, 0.8, 1.2])
    one, *others = (
        echoes(slice_at(y, *tissue(10, 8, thick=5.0)), GRID, ONE_BEAM)[0, INSIDE, INSIDE]
        for y in (0, *steps)
    )
    norm = np.linalg.norm
    similarity = [abs(np.vdot(one, other)) / norm(one) / norm(other) for other in others]
    theory = np.exp(-(steps**2) / (4 * ONE_BEAM.elevational**2))
    assert similarity == pytest.approx(theory, abs=0.05)


def test_tissue_behind_blood_is_brighter_by_what_blood_did_not_take():
    wide = Grid(left=-5.0, top=12.0, pixel=0.2, size=50)
    z, x = np.meshgrid(wide.z, wide.x, indexing="ij")
    loss = np.where(((z - 15) ** 2 < 4) & (np.abs(x) <= 2.5), 0.15, COMPENSATION)
    points = slice_at(0.0, *tissue(10, 3))
    frame = envelope(points, loss, GRID, ONE_BEAM, np.random.default_rng(0))
    below, aside = frame[GRID.z > 17.6][:-18] ** 2, np.abs(GRID.x)
    gained = below[:, aside < 2].mean() / below[:, (aside > 3) & (aside < 4)].mean()
    wanted = 2 * ONE_BEAM.frequency * (COMPENSATION - 0.15) * 4 / 10
    assert 10 * np.log10(gained) == pytest.approx(wanted, abs=0.5)


def test_a_shadow_falls_along_the_beam():
    loss = np.full((40, 40), COMPENSATION)
    loss[10:12, 18:22] = 20.0
    left, straight, right = transmission(loss, 0.2, replace(ONE_BEAM, beams=3, steer=10.0))
    assert straight[:9].min() == pytest.approx(1)
    shift = 28 * np.tan(np.deg2rad(10))
    for shadow, middle in ((left, 19.5 - shift), (straight, 19.5), (right, 19.5 + shift)):
        assert np.flatnonzero(shadow[39] < 0.5).mean() == pytest.approx(middle, abs=0.6)
    theory = -15 * 0.04 * (20 - COMPENSATION)
    found = 20 * np.log10(straight[[30, 10], 20])  # in the first of the two rows half of one
    assert found == pytest.approx([theory, theory / 4], abs=0.1)


@pytest.mark.parametrize("tilt", [0.0, 0.1, 0.2])
def test_a_mirror_dims_as_it_tilts_away_from_the_beam(tilt):
    x = np.linspace(-4, 4, 1500)
    length = np.full(len(x), (x[1] - x[0]) / (np.sqrt(2 * np.pi) * SPOT))
    seen = np.abs(echoes(Points(x, 17 + tilt * x, length), GRID, ONE_BEAM)[0])[:, 75].max()
    wider = np.hypot(1, tilt * SPOT / ONE_BEAM.axial)  # the border leaves the pulse's length
    out_of_step = np.exp(-0.5 * (ONE_BEAM.turn * tilt * SPOT / wider) ** 2)
    assert seen == pytest.approx(out_of_step / wider, abs=0.05)


def test_noise_and_haze_have_their_levels():
    loss, nothing = np.full((30, 30), COMPENSATION), Points(*np.zeros((3, 1)))
    noisy, hazy = replace(ONE_BEAM, noise=-30.0), replace(ONE_BEAM, haze=-20.0)
    frame = envelope(nothing, loss, GRID, noisy, np.random.default_rng(3))
    assert 10 * np.log10((frame**2).mean()) == pytest.approx(-30, abs=0.3)
    five = envelope(nothing, loss, GRID, replace(noisy, beams=5), np.random.default_rng(3))
    assert contrast(five) == pytest.approx(contrast(frame) * np.sqrt(5), rel=0.1), "each its own"
    at, amplitude = tissue(10, 2)
    points = slice_at(0.0, at, amplitude * (at[1] < 15))
    frame = envelope(points, loss, GRID, hazy, np.random.default_rng(3))
    level = ndimage.uniform_filter1d(10 * np.log10((frame**2).mean(axis=1)), 9)
    just_below, far_below = level[np.searchsorted(GRID.z, [15.6, 18.8])]
    assert -28 < just_below < -19
    assert far_below == pytest.approx(just_below - 20 * np.log10(np.e) * 3.2 / 1.6, abs=1.5)


@pytest.mark.parametrize(
    ("gain", "dynamic_range", "grey"),
    [(0.0, 60.0, [190, 139, 0, 255]), (-6, 51, [160, 100, 0, 255])],
)
def test_grey_levels_are_decibels(gain, dynamic_range, grey):
    level = 10 ** (np.array([[0.0, -12.0, -60.0, 30.0]]) / 20)
    np.testing.assert_allclose(log_compress(level, float(gain), float(dynamic_range)), [grey])
