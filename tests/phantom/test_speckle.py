from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from csglib.phantom.probe import COMPENSATION, Grid, Probe
from csglib.phantom.speckle import Points, echoes, envelope, log_compress, transmission

ONE_BEAM = Probe(beams=1, bandwidth=0.6, aperture=1.7, noise=-200.0, haze=-200.0, lobes=-200.0)
GRID = Grid(left=-5.0, top=12.0, pixel=0.066, size=151)
INSIDE = slice(18, -18)  # where no spot is cut by the border
FWHM_CELL = (8 * np.log(2) / np.pi) ** 1.5  # a spot's half-height volume in `Probe.cell`s


def tissue(density: float, seed: int, thick: float = 3.2) -> tuple[np.ndarray, np.ndarray]:
    """Even tissue of 0 dB: places (x, z, y) and amplitudes of `density` points a spot."""
    rng = np.random.default_rng(seed)
    cell = ONE_BEAM.cell(np.array([17.0]))[0]
    low, high = np.array([-5.6, 11.4, -thick / 2]), np.array([5.6, 22.6, thick / 2])
    each = density / FWHM_CELL / cell
    at = rng.uniform(low, high, (int(each * np.prod(high - low)), 3)).T
    return at, rng.choice([-1.0, 1.0], at.shape[1]) / np.sqrt(each * ONE_BEAM.cell(at[1]))


def slice_at(y: float, at: np.ndarray, amplitude: np.ndarray) -> Points:
    weight = np.exp(-0.5 * ((at[2] - y) / ONE_BEAM.elevational) ** 2)
    return Points(at[0], at[1], amplitude * weight)


def picture(density: float, seed: int = 1, probe: Probe = ONE_BEAM) -> np.ndarray:
    return echoes(slice_at(0.0, *tissue(density, seed)), GRID, probe)[:, INSIDE, INSIDE]


def contrast(sample: np.ndarray) -> float:
    return float(sample.mean() / sample.std())


def width_at_half(profile: np.ndarray, pixel: float) -> float:
    below = int(np.argmax(profile < 0.5))
    share = (profile[below - 1] - 0.5) / (profile[below - 1] - profile[below])
    return float(2 * pixel * (below - 1 + share))


def test_dense_points_give_rayleigh_speckle_of_the_right_brightness():
    pictures = [np.abs(picture(10, seed)) for seed in (1, 2, 3)]
    theory = np.sqrt(np.pi / (4 - np.pi))
    assert np.mean([contrast(p) for p in pictures]) == pytest.approx(theory, abs=0.08)
    decibel = [20 * np.log10(p + 1e-12) for p in pictures]
    assert np.mean([d.std() for d in decibel]) == pytest.approx(5.57, abs=0.3)
    assert np.mean([(p**2).mean() for p in pictures]) == pytest.approx(1, abs=0.02)
    apart = np.concatenate([p[0, ::9, ::13].ravel() for p in pictures])
    law = stats.rayleigh(scale=np.sqrt((apart**2).mean() / 2))
    assert stats.kstest(apart, law.cdf).statistic < 0.05


def test_sparse_points_give_less_even_speckle():
    dense_enough = [
        np.mean([contrast(np.abs(picture(density, seed))) for seed in (4, 5)])
        for density in (1, 2, 5, 10)
    ]
    assert dense_enough == sorted(dense_enough)
    assert dense_enough[0] < 1.5


def test_averaging_directions_smooths_speckle_but_not_as_much_as_independent_frames():
    averaged = contrast(np.abs(picture(10, probe=replace(ONE_BEAM, beams=5))).mean(axis=0))
    single = contrast(np.abs(picture(10)))
    assert single + 0.2 < averaged < single * np.sqrt(5)


def test_one_point_of_amplitude_one_is_a_spot_of_height_one_and_of_the_probe_size():
    point = Points(np.array([0.31]), np.array([17.03]), np.array([1.0]))
    spot = np.abs(echoes(point, GRID, ONE_BEAM)[0])
    assert spot.max() == pytest.approx(1, abs=0.05)
    row, column = np.unravel_index(spot.argmax(), spot.shape)
    assert GRID.x[column] == pytest.approx(0.31, abs=0.04)
    assert GRID.z[row] == pytest.approx(17.03, abs=0.04)


def test_side_lobes_reach_far_beside_a_bright_point_and_are_faint():
    point = Points(np.array([0.0]), np.array([17.03]), np.array([1.0]))
    lobed = replace(ONE_BEAM, lobes=-30.0)
    clean, with_lobes = (np.abs(echoes(point, GRID, p)[0]).max(axis=0) for p in (ONE_BEAM, lobed))
    wide = 5 * ONE_BEAM.lateral(np.array([17.0]))[0]
    far = np.argmin(np.abs(GRID.x - 1.2 * wide))
    assert clean[far] < 1e-4
    theory = 20 * np.log10(np.exp(-0.5 * (GRID.x[far] / wide) ** 2))
    assert 20 * np.log10(with_lobes[far] / with_lobes.max()) == pytest.approx(-30 + theory, abs=0.3)


@pytest.mark.parametrize(("across", "wanted"), [(True, 0.349), (False, 0.151)])
def test_speckle_is_as_wide_as_the_spot(across, wanted):
    fields = [picture(10, seed)[0, 30:-30] for seed in (6, 7)]  # near the focus
    lines = np.vstack(fields if across else [field.T for field in fields])
    power = np.abs(np.fft.fft(lines, n=2 * lines.shape[1], axis=1)) ** 2
    likeness = np.abs(np.fft.ifft(power, axis=1).mean(axis=0))
    width = width_at_half(likeness / likeness[0], GRID.pixel) / np.sqrt(2)
    assert width == pytest.approx(wanted, rel=0.05)


def test_the_beam_is_narrowest_at_its_focus():
    depth = np.array([8.0, 18.0, 28.0])
    near, focus, far = ONE_BEAM.lateral(depth)
    assert near == pytest.approx(far)
    assert near > 1.15 * focus
    assert ONE_BEAM.wavelength == pytest.approx(0.205, abs=0.001)


@pytest.mark.parametrize("step", [0.2, 0.4, 0.8, 1.2])
def test_frames_of_nearby_slices_resemble_each_other_as_theory_says(step):
    made = tissue(10, seed=8, thick=5.0)
    one, other = (echoes(slice_at(y, *made), GRID, ONE_BEAM)[0, 18:-18, 18:-18] for y in (0, step))
    likeness = abs(np.vdot(one, other)) / np.sqrt(
        np.vdot(one, one).real * np.vdot(other, other).real
    )
    theory = np.exp(-(step**2) / (4 * ONE_BEAM.elevational**2))
    assert likeness == pytest.approx(theory, abs=0.05)


def test_tissue_behind_blood_is_brighter_by_what_blood_did_not_take():
    wide = Grid(left=-5.0, top=12.0, pixel=0.2, size=50)
    z, x = np.meshgrid(wide.z, wide.x, indexing="ij")
    loss = np.full(x.shape, COMPENSATION)
    loss[(z - 15) ** 2 < 4] = 0.15
    loss[np.abs(x) > 2.5] = COMPENSATION
    points = slice_at(0.0, *tissue(10, seed=9))
    frame = envelope(points, loss, GRID, ONE_BEAM, np.random.default_rng(0))
    below = frame[GRID.z > 17.6][:-18]
    behind, beside = (
        below[:, np.abs(GRID.x) < 2],
        below[:, (np.abs(GRID.x) > 3) & (np.abs(GRID.x) < 4)],
    )
    gained = 10 * np.log10((behind**2).mean() / (beside**2).mean())
    wanted = 2 * ONE_BEAM.frequency * (COMPENSATION - 0.15) * 4 / 10
    assert gained == pytest.approx(wanted, abs=0.5)


def test_a_shadow_falls_along_the_beam():
    loss = np.full((40, 40), COMPENSATION)
    loss[10:12, 18:22] = 20.0
    probe = replace(ONE_BEAM, beams=3, steer=10.0)
    left, straight, right = transmission(loss, 0.2, probe)
    assert straight[:9].min() == pytest.approx(1)
    shift = 28 * np.tan(np.deg2rad(10))
    for shadow, middle in ((left, 19.5 - shift), (straight, 19.5), (right, 19.5 + shift)):
        dark = np.flatnonzero(shadow[39] < 0.5)
        assert dark.mean() == pytest.approx(middle, abs=0.6)
    assert 20 * np.log10(straight[30, 20]) == pytest.approx(
        -15 * 0.04 * (20 - COMPENSATION), abs=0.1
    )


@pytest.mark.parametrize("tilt", [0.0, 0.05, 0.1, 0.2])
def test_a_mirror_dims_as_it_tilts_away_from_the_beam(tilt):
    x = np.linspace(-4, 4, 1500)
    spot = ONE_BEAM.lateral(np.array([17.0]))[0]
    length = np.full(len(x), (x[1] - x[0]) / (np.sqrt(2 * np.pi) * spot))
    seen = np.abs(echoes(Points(x, 17 + tilt * x, length), GRID, ONE_BEAM)[0])[:, 75].max()
    wider = np.hypot(1, tilt * spot / ONE_BEAM.axial)  # the border leaves the pulse's length
    out_of_step = np.exp(-0.5 * (ONE_BEAM.turn * tilt * spot / wider) ** 2)
    assert seen == pytest.approx(out_of_step / wider, abs=0.05)


def test_noise_and_haze_have_their_levels():
    nothing = Points(*np.zeros((3, 1)))
    loss = np.full((30, 30), COMPENSATION)
    noisy = replace(ONE_BEAM, noise=-30.0)
    frame = envelope(nothing, loss, GRID, noisy, np.random.default_rng(3))
    assert 10 * np.log10((frame**2).mean()) == pytest.approx(-30, abs=0.3)
    hazy = replace(ONE_BEAM, haze=-20.0)
    at, amplitude = tissue(10, seed=10)
    points = slice_at(0.0, at, amplitude * (at[1] < 15))
    frame = envelope(points, loss, GRID, hazy, np.random.default_rng(3))
    level = ndimage.uniform_filter1d(10 * np.log10((frame**2).mean(axis=1)), 9)
    just_below, far_below = level[np.searchsorted(GRID.z, [15.6, 18.8])]
    assert -28 < just_below < -19
    assert far_below == pytest.approx(just_below - 20 * np.log10(np.e) * 3.2 / 1.6, abs=1.5)


def test_grey_levels_are_decibels():
    level = 10 ** (np.array([[0.0, -12.0, -60.0, 30.0]]) / 20)
    np.testing.assert_allclose(
        log_compress(level, gain=0.0, dynamic_range=60.0), [[190, 139, 0, 255]]
    )
    np.testing.assert_allclose(
        log_compress(level, gain=-6.0, dynamic_range=51.0), [[160, 100, 0, 255]]
    )
