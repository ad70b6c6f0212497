"""From scatterers to a B-mode frame: convolution with a point spread function gives speckle.

The paper's clips are B-mode images (section 3, "Dataset"); this is their physics at its plainest.
Lengths are in mm, echoes in dB relative to the artery's adventitia; x points right, z down.
"""

from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Complex64, Float
from numpy import ndarray
from scipy import fft, ndimage, sparse

from csglib.phantom.probe import COMPENSATION, Grid, Probe

_DECAY = 1.6  # mm of depth in which reverberation falls to 1 / e
_LOBE_WIDTH = 5  # of the side lobes, in widths of the beam


class Points(NamedTuple):
    """Point scatterers. One of amplitude 1 gives a spot whose peak is 1, which is 0 dB."""

    x: Float[ndarray, " points"]
    z: Float[ndarray, " points"]
    amplitude: Float[ndarray, " points"]


def echoes(points: Points, grid: Grid, probe: Probe) -> Complex64[ndarray, "beams y x"]:
    """Sum the point spread functions of all scatterers, each with the phase of its echo path.

    The usual linear model: scatterers convolved with a point spread function; the complex amplitude
    of each beam. With many scatterers in a resolution cell, the sum is fully developed (Rayleigh)
    speckle.
    """
    splat, seen = _bilinear_weights(points, grid)
    x, z, amplitude = (column[seen] for column in points)
    tilt = probe.angles[:, None]
    path = np.cos(tilt) @ z[None] + np.sin(tilt) @ x[None]
    phase = (-probe.turn * path).astype(np.float32)
    dots = splat @ (amplitude.astype(np.float32) * np.exp(np.complex64(1j) * phase)).T
    return _blur(rearrange(dots, "(y x) beams -> beams y x", y=grid.size), grid, probe)


def _bilinear_weights(
    points: Points, grid: Grid
) -> tuple[sparse.csc_array, Bool[ndarray, " points"]]:
    """Distribute points over the four pixels around each: a sparse column per visible one."""
    column = (points.x - grid.left) / grid.pixel - 0.5
    row = (points.z - grid.top) / grid.pixel - 0.5
    last = grid.size - 1
    seen = (column >= 0) & (column < last) & (row >= 0) & (row < last)
    column, row = column[seen], row[seen]
    first = row.astype(np.int32) * grid.size + column.astype(np.int32)
    right, down = column % 1, row % 1
    pixels = np.stack([first, first + 1, first + grid.size, first + grid.size + 1], axis=-1)
    parts = [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down]
    weights = np.stack(parts, axis=-1).astype(np.float32)
    starts = np.arange(0, weights.size + 1, 4)
    shape = (grid.size**2, len(first))
    return sparse.csc_array((weights.ravel(), pixels.ravel(), starts), shape=shape), seen


def _blur(
    dots: Complex64[ndarray, "beams y x"], grid: Grid, probe: Probe
) -> Complex64[ndarray, "beams y x"]:
    """Apply the point spread function: a pulse along the beam, a depth-dependent beam across."""
    already = grid.pixel**2 / 6  # variance that the bilinear weights have given a dot
    axial = np.sqrt(probe.axial**2 - already) / grid.pixel
    lateral = np.sqrt(probe.lateral(grid.z) ** 2 - already)
    pulse = ndimage.gaussian_filter1d(dots, axial, axis=-2, mode="constant")
    waves = 2 * np.pi * fft.fftfreq(grid.size, grid.pixel)
    across = np.outer(lateral, waves) ** 2
    # A Gaussian n times as wide of the same peak has n times the spectrum at 0.
    lobes = _LOBE_WIDTH * 10 ** (probe.lobes / 20)
    beam = np.exp(-0.5 * across) + lobes * np.exp(-0.5 * _LOBE_WIDTH**2 * across)
    peak = 2 * np.pi * probe.axial * probe.lateral(grid.z) / grid.pixel**2
    spectrum = fft.fft(pulse, axis=-1) * (peak[:, None] * beam).astype(np.float32)
    return fft.ifft(spectrum, axis=-1)


def transmission(
    loss: Float[ndarray, "y x"], pixel: float, probe: Probe
) -> Float[ndarray, "beams y x"]:
    """Factor on the echo amplitude after attenuation there and back, time-gain compensated.

    Below 1 behind calcium (shadow), above 1 behind blood (enhancement). `loss` is the attenuation
    of the tissue, dB/cm/MHz, on pixels of that width, mm; the beam enters through the first row.
    """
    rows, columns = np.indices(loss.shape)
    excess = (loss - COMPENSATION) * (2 * probe.frequency * pixel / 10)
    factors = []
    for slope in np.tan(probe.angles):
        # Shear so that the beam runs down the columns, integrate, and shear back.
        slanted = ndimage.map_coordinates(
            excess, [rows, columns + slope * rows], order=1, mode="nearest"
        )
        total = np.cumsum(slanted, axis=0) - slanted / 2
        total = ndimage.map_coordinates(
            total, [rows, columns - slope * rows], order=1, mode="nearest"
        )
        factors.append(10 ** (-total / 20))
    return np.stack(factors)


def envelope(
    points: Points,
    loss: Float[ndarray, "rows columns"],
    grid: Grid,
    probe: Probe,
    rng: np.random.Generator,
) -> Float[ndarray, "y x"]:
    """One frame before log compression: the mean magnitude of all beams.

    `loss` is the attenuation over the grid's field, dB/cm/MHz, on pixels of any coarseness; `rng`
    draws noise and haze.
    """
    fine = _interpolation(len(loss), grid.size)
    dimmed = transmission(loss, grid.pixel * grid.size / len(loss), probe)
    clean = echoes(points, grid, probe) * (fine @ dimmed @ fine.T).astype(np.float32)
    fading = np.exp(-grid.pixel / _DECAY)
    above = (1 - fading) * np.abs(clean).astype(np.float64)
    for row in range(1, grid.size):
        above[:, row] += fading * above[:, row - 1]
    floor = np.hypot(np.float32(10 ** (probe.noise / 20)), 10 ** (probe.haze / 20) * above)
    return np.abs(clean + floor * _noise(grid, probe, rng)).mean(axis=0)


def _interpolation(coarse: int, fine: int) -> Float[ndarray, "fine coarse"]:
    """Weights that interpolate a line of coarse pixels at the centres of finer ones."""
    at = np.clip((np.arange(fine) + 0.5) * coarse / fine - 0.5, 0, coarse - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(coarse)), 0)


def _noise(grid: Grid, probe: Probe, rng: np.random.Generator) -> Complex64[ndarray, "beams y x"]:
    """Complex noise of intensity 1, as coarse as a pulse along the beam and half a spot across.

    One field serves all beams, rolled differently for each: a pixel gets a new value every time.
    """
    white = rng.standard_normal((2, grid.size, grid.size), dtype=np.float32)
    sigmas = np.array([probe.axial, probe.lateral(np.array([probe.focus]))[0] / 2]) / grid.pixel
    smooth = ndimage.gaussian_filter(white, sigmas, axes=(-2, -1), truncate=3, mode="wrap")
    field = (smooth[0] + 1j * smooth[1]) * np.float32(np.sqrt(2 * np.pi * sigmas.prod()))
    rolls = rng.integers(0, grid.size, (probe.beams, 2))
    return np.stack([np.roll(field, roll, axis=(0, 1)) for roll in rolls])


def log_compress(
    envelope: Float[ndarray, "y x"], gain: float, dynamic_range: float
) -> Float[ndarray, "y x"]:
    """Log compression to grey levels, 0 to 255: at no gain, the adventitia's 0 dB becomes 190.

    `gain` is added everywhere, dB; `dynamic_range` is that between black and white, dB.
    """
    decibel = 20 * np.log10(np.maximum(envelope, 1e-9)) + gain
    return np.clip(190 + 255 * decibel / dynamic_range, 0, 255)
