"""The scanner: resolution, noise and settings of one probe, and five presets.

The paper's videos come in two sizes and name no machine (section 3). Which scanner a clip was taken
with must not predict its grade, so a cohort mixes the presets. Lengths are in mm, frequencies in
MHz, echoes in dB relative to the artery's adventitia; x points right, z down.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

SOUND = 1.54  # mm per microsecond, in soft tissue
COMPENSATION = 0.62  # dB/cm/MHz of time-gain compensation: what average tissue attenuates
_FWHM = 2 * np.sqrt(2 * np.log(2))  # full width at half maximum of a Gaussian, in sigmas


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What decides the point spread function, and the noise."""

    frequency: float = 7.5  # centre frequency, MHz
    bandwidth: float = 0.38  # of the pulse at half amplitude, as a fraction of the frequency
    aperture: float = 2.3  # F-number, focal length over width of the aperture; small is sharp
    focus: float = 18.0  # depth at which the beam is narrowest, mm
    slice: float = 1.6  # elevational thickness of the imaged slice at half amplitude, mm
    beams: int = 5  # number of steering angles that are averaged to one frame (spatial compounding)
    steer: float = 4.0  # angle between neighbouring beams, degrees
    noise: float = -45.0  # electronic noise, dB
    haze: float = -23.0  # reverberation, relative to the tissue above it, dB
    # Side lobes of the beam, five times as wide, relative to its main lobe, dB.
    lobes: float = -36.0

    @property
    def wavelength(self) -> float:
        """In mm."""
        return SOUND / self.frequency

    @property
    def turn(self) -> float:
        """Phase per mm of depth, there and back, radians."""
        return 4 * np.pi / self.wavelength

    @property
    def axial(self) -> float:
        """Axial resolution: sigma of the pulse along the beam, mm, inverse to the bandwidth."""
        return float(2 * np.log(2) / np.pi * SOUND / (self.bandwidth * self.frequency) / _FWHM)

    @property
    def elevational(self) -> float:
        """Elevational resolution: sigma of the slice's thickness, mm."""
        return float(self.slice / _FWHM)

    @property
    def angles(self) -> Float[ndarray, " beams"]:
        """Steering angles of the beams, radians."""
        return np.deg2rad((np.arange(self.beams) - (self.beams - 1) / 2) * self.steer)

    def lateral(self, depth: Float[ndarray, " depths"]) -> Float[ndarray, " depths"]:
        """Lateral resolution: sigma of the beam across, mm, best at the focus."""
        spread = np.sqrt(1 + ((depth - self.focus) / 14) ** 2)
        return self.wavelength * self.aperture * spread / _FWHM

    def cell(self, depth: Float[ndarray, " depths"]) -> Float[ndarray, " depths"]:
        """Resolution cell, mm3: volume under the square of the point spread function."""
        return np.pi**1.5 * self.axial * self.lateral(depth) * self.elevational


@dataclass(frozen=True)
class Grid:
    """The pixels of a square image."""

    left: float  # x of its left edge, mm
    top: float  # z of its upper edge, mm
    pixel: float  # width of a pixel, mm; if too wide, speckle turns into salt and pepper
    size: int  # pixels in a row, and rows

    @property
    def x(self) -> Float[ndarray, " x"]:
        """Centre of each column."""
        return self.left + (np.arange(self.size) + 0.5) * self.pixel

    @property
    def z(self) -> Float[ndarray, " y"]:
        """Centre of each row."""
        return self.top + (np.arange(self.size) + 0.5) * self.pixel


_SETTINGS = (
    *("frequency", "bandwidth", "aperture", "beams", "steer", "noise", "haze"),  # of `Probe`
    *("gain", "dynamic_range", "gamma", "smoothing", "persistence"),  # of `recipe.Display`
)
_PRESETS: dict[str, tuple[float | int, ...]] = {
    # Matched to real transverse frames of the common carotid artery: see benchmarks/realism.py.
    "matched": (7.5, 0.40, 2.4, 5, 4.0, -39.0, -22.0, -5.0, 60.0, 1.25, 0.05, 0.2),
    # One beam, no compounding: coarse speckle, dark, broken walls.
    "grainy": (8.0, 0.55, 1.9, 1, 4.0, -44.0, -22.0, -2.0, 62.0, 1.1, 0.03, 0.0),
    # High frequency, many beams, a wide dynamic range: fine, even, grey.
    "smooth": (9.5, 0.50, 2.0, 5, 5.0, -46.0, -24.0, -7.0, 70.0, 1.0, 0.06, 0.35),
    # A small machine: low frequency, poor resolution, noise, much haze.
    "portable": (6.2, 0.40, 2.8, 3, 5.0, -38.0, -18.0, -2.0, 58.0, 1.0, 0.08, 0.3),
    # High contrast: a small dynamic range.
    "hard": (7.0, 0.45, 2.2, 3, 4.0, -42.0, -21.0, -4.0, 50.0, 0.9, 0.04, 0.1),
}
SCANNERS: dict[str, dict[str, float | int]] = {
    name: dict(zip(_SETTINGS, values, strict=True)) for name, values in _PRESETS.items()
}
"""Presets by name: settings of one machine."""
