"""The scanner: what decides how large, how bright and how grainy one point looks in a picture.

The paper does not name the scanners of its clips; a `Probe` stands for one. Lengths are in mm,
frequencies in MHz, echoes in dB against the artery's adventitia; x points right, z down.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

SOUND = 1.54  # mm each microsecond, in soft tissue
COMPENSATION = 0.62  # dB/cm/MHz that a scanner adds back with depth, as average tissue takes it
_FWHM = 2 * np.sqrt(2 * np.log(2))  # full width at half maximum of a Gaussian, in its sigmas


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A scanner: all that decides how large, how bright and how grainy one point looks.

    Attributes:
        frequency: centre frequency, MHz.
        bandwidth: of the pulse, as a share of the frequency, at half amplitude.
        aperture: focal length over width of the aperture (F-number); small is sharp.
        focus: depth at which the beam is narrowest, mm.
        slice: thickness of the imaged slice at half amplitude, mm.
        beams: number of directions from which the same frame is taken and averaged.
        steer: angle between neighbouring directions, degrees.
        noise: electronic noise, dB.
        haze: echoes that bounced twice, against the tissue above them, dB.
        lobes: side lobes of the beam, five times as wide, against its middle, dB.
    """

    frequency: float = 7.5
    bandwidth: float = 0.38
    aperture: float = 2.3
    focus: float = 18.0
    slice: float = 1.6
    beams: int = 5
    steer: float = 4.0
    noise: float = -45.0
    haze: float = -23.0
    lobes: float = -36.0

    @property
    def wavelength(self) -> float:
        """In mm."""
        return SOUND / self.frequency

    @property
    def turn(self) -> float:
        """Phase that one mm of depth adds, there and back, in radians."""
        return 4 * np.pi / self.wavelength

    @property
    def axial(self) -> float:
        """Sigma of the pulse along the beam, mm: the wider the band, the shorter."""
        return float(2 * np.log(2) / np.pi * SOUND / (self.bandwidth * self.frequency) / _FWHM)

    @property
    def elevational(self) -> float:
        """Sigma of the slice's thickness, mm."""
        return float(self.slice / _FWHM)

    @property
    def angles(self) -> Float[ndarray, " beams"]:
        """Directions of the beams against straight down, radians."""
        return np.deg2rad((np.arange(self.beams) - (self.beams - 1) / 2) * self.steer)

    def lateral(self, depth: Float[ndarray, " depths"]) -> Float[ndarray, " depths"]:
        """Sigma of the beam across, mm: narrow at the focus, wider before and behind it."""
        spread = np.sqrt(1 + ((depth - self.focus) / 14) ** 2)
        return self.wavelength * self.aperture * spread / _FWHM

    def cell(self, depth: Float[ndarray, " depths"]) -> Float[ndarray, " depths"]:
        """Volume under the square of a spot, mm3: the tissue that adds up to one intensity."""
        return np.pi**1.5 * self.axial * self.lateral(depth) * self.elevational


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a square picture lie.

    Attributes:
        left: x of its left edge, mm.
        top: z of its upper edge, mm.
        pixel: width of a pixel, mm; too wide, and speckle turns into salt and pepper.
        size: pixels in a row, and rows.
    """

    left: float
    top: float
    pixel: float
    size: int

    @property
    def x(self) -> Float[ndarray, " x"]:
        """Middle of each column."""
        return self.left + (np.arange(self.size) + 0.5) * self.pixel

    @property
    def z(self) -> Float[ndarray, " y"]:
        """Middle of each row."""
        return self.top + (np.arange(self.size) + 0.5) * self.pixel
