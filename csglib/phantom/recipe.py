"""Parameters of a simulated clip: their limits, and how those that are not given are drawn.

The paper's cohort (section 3, "Dataset") is not public; ours follows published measurements.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from csglib.phantom.probe import SCANNERS, Probe
from csglib.phantom.vessel import Artery, Lesion


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Motion of the probe."""

    speed: float  # along the artery, mm/s
    frame_rate: float  # of the frames that are kept, 1/s
    heart_rate: float  # beats a minute
    tremor: float  # random step of the hand from frame to frame, mm
    roll: float  # rotation of the probe against the neck, degrees
    cluttered: float = 0.0  # probability that a heartbeat fills part of the lumen with clutter
    shadowed: float = 0.0  # probability that a frame has a shadow over the artery


@dataclass(frozen=True, kw_only=True)
class Display:
    """Post-processing of the echoes, and the crop."""

    scanner: str  # name of the preset in `SCANNERS`
    gain: float  # brightness, dB; 0 shows the adventitia at grey 190
    dynamic_range: float  # dB between black and white
    gamma: float  # of the grey levels; above 1 darkens mid-grey
    smoothing: float  # sigma of the image filter, mm
    persistence: float  # weight of the previous frame in a frame, 0 to 1
    field: str  # "artery", a crop around it, or "neck", all from skin to spine
    margin: float  # width of the crop, in outer diameters of the artery
    aside: float  # position of the artery right of the centre, in widths of the image
    lower: float  # its position below the centre of a crop, in heights of the image


class Recipe(NamedTuple):
    """All parameters of a simulated clip, apart from its seed."""

    artery: Artery
    lesion: Lesion
    sweep: Sweep
    display: Display
    probe: Probe

    @property
    def parameters(self) -> dict[str, Any]:
        """All of them by name, in one flat table."""
        table = {name: value for part in self for name, value in asdict(part).items()}
        return {name: value for name, value in table.items() if name != "at"}


LIMITS: dict[str, tuple[float, float]] = {
    "diameter": (3, 10),
    "wall": (0.4, 1.5),
    "flattening": (0, 0.2),
    "depth": (8, 30),
    "drift": (-0.3, 0.3),
    "pulsation": (0, 0.8),
    "stenosis": (0, 1),
    "length": (3, 30),
    "calcified": (0, 1),
    "sharpness": (0.5, 4),
    "speed": (0, 20),
    "frame_rate": (2, 100),
    "heart_rate": (30, 200),
    "tremor": (0, 0.3),
    "roll": (-30, 30),
    "cluttered": (0, 1),
    "shadowed": (0, 1),
    "gain": (-20, 20),
    "dynamic_range": (40, 80),
    "gamma": (0.5, 2),
    "smoothing": (0, 0.3),
    "persistence": (0, 0.8),
    "margin": (1, 4),
    "aside": (-0.4, 0.4),
    "lower": (-0.4, 0.4),
    "frequency": (4, 12),
    "bandwidth": (0.2, 0.9),
    "aperture": (1, 4),
    "focus": (5, 40),
    "slice": (0.5, 3),
    "steer": (0, 5),
    "noise": (-200, -20),
    "haze": (-200, -10),
    "lobes": (-200, -20),
}
CHOICES: dict[str, tuple[str | bool | int, ...]] = {
    "beams": (1, 3, 5, 7, 9),
    "side": ("far", "near", "left", "right", "lateral", "concentric"),
    "plaque": ("I", "II", "III", "IV"),
    "bifurcation": (False, True),
    "isoechoic": (False, True),
    "scanner": tuple(SCANNERS),
    "field": ("artery", "neck"),
}
_PER_LESION = {field.name for field in fields(Lesion)}
_PER_SWEEP = {"roll", "speed", "cluttered", "shadowed", "margin", "aside", "lower", "field"}
PER_PATIENT = tuple(sorted({*LIMITS, *CHOICES} - _PER_LESION - _PER_SWEEP))
"""Parameters that all clips of a patient share: those of artery, heart and scanner."""


def draw(rng: np.random.Generator, overrides: Mapping[str, object]) -> Recipe:
    """Draw every parameter, then replace those that are given.

    All are drawn in any case, so an override never changes the others; only another scanner brings
    its own settings along. "lateral" leaves left or right to chance.

    Diameters: Krejza 2006; Gray-Weale types: PMC3565685. The distribution of stenoses is our
    choice: about as many above 50 % of the diameter as below.

    Raises:
        TypeError: an unknown name.
        ValueError: a value out of its limits.
    """
    check_parameters(overrides)
    drawn = _artery(rng) | _lesion(rng) | _sweep(rng, str(overrides.get("field", "artery")))
    scanner = str(rng.choice(list(SCANNERS)))
    drawn |= _settings(str(overrides.get("scanner", scanner)), rng)
    lateral = rng.choice(["left", "right"])
    given = {n: float(v) if n in LIMITS else v for n, v in overrides.items()}  # type: ignore[arg-type]
    values = drawn | given
    if values["side"] == "lateral":
        values["side"] = str(lateral)
    return Recipe(*(_fill(part, values) for part in (Artery, Lesion, Sweep, Display, Probe)))


def check_parameters(overrides: Mapping[str, Any]) -> None:
    """Raise on names and values that `draw` refuses."""
    for name, value in overrides.items():
        if name in CHOICES:
            if value not in CHOICES[name]:
                wanted = ", ".join(repr(choice) for choice in CHOICES[name])
                raise ValueError(f"{name} must be one of {wanted}: got {value!r}")
        elif name in LIMITS:
            low, high = LIMITS[name]
            if type(value) not in (int, float) or not low <= value <= high:
                raise ValueError(f"{name} must be a number from {low} to {high}: got {value!r}")
        else:
            wanted = ", ".join(sorted([*LIMITS, *CHOICES, "patient"]))
            raise TypeError(f"a phantom has no parameter {name!r}; it has {wanted}")


def _fill(part: Any, values: Mapping[str, Any]) -> Any:
    names = [field.name for field in fields(part)]
    return part(**{name: values[name] for name in names if name in values})


def _artery(rng: np.random.Generator) -> dict[str, Any]:
    site = rng.choice(3, p=[0.4, 0.35, 0.25])  # common carotid, bulb, internal carotid
    diameter = rng.normal([6.3, 7.2, 4.9][site], 0.9)
    return {
        "diameter": float(np.clip(diameter, 3.8, 9)),
        "wall": rng.uniform(0.6, 0.9),
        "flattening": float(min(abs(rng.normal(0, 0.04)), 0.12)),
        "depth": rng.uniform(11, 25),
        "drift": rng.uniform(-0.15, 0.15),
        "pulsation": rng.uniform(0.1, 0.35),
        "bifurcation": bool(rng.random() < [0, 0.3, 0.8][site]),
        "isoechoic": False,
    }


def _lesion(rng: np.random.Generator) -> dict[str, Any]:
    sides, plaques = ["far", "near", "left", "right", "concentric"], ["I", "II", "III", "IV"]
    return {
        "stenosis": float(np.clip(0.06 + 0.92 * rng.beta(3.0, 2.0), 0.08, 0.95)),
        "length": float(np.clip(rng.gamma(4, 3.2), 6, 30)),
        "side": str(rng.choice(sides, p=[0.5, 0.15, 0.125, 0.125, 0.1])),
        "plaque": str(rng.choice(plaques, p=[0.2, 0.3, 0.3, 0.2])),
        "calcified": float(rng.uniform(0.05, 0.35) * (rng.random() < 0.4)),
        "sharpness": 1.0,
    }


def _sweep(rng: np.random.Generator, field: str) -> dict[str, Any]:
    roll = float(np.clip(rng.normal(0, 4), -10, 10))
    aside = rng.uniform(-1, 1)
    neck = field == "neck"
    return {
        "speed": rng.uniform(6, 10),
        "frame_rate": 12.0,
        "heart_rate": float(np.clip(rng.normal(68, 9), 45, 110)),
        "tremor": 0.05,
        "cluttered": 0.0,
        "shadowed": 0.0,
        "roll": 0.0 if neck else roll,  # the probe lies on the skin, which is level in the image
        "field": field,
        "margin": rng.uniform(1.2, 1.6),
        "aside": (0.3 if neck else 0.06) * aside,
        "lower": rng.uniform(-0.06, 0.06),
    }


def _settings(scanner: str, rng: np.random.Generator) -> dict[str, Any]:
    """The preset, varied as by different examiners and patients."""
    settings = asdict(Probe()) | SCANNERS[scanner] | {"scanner": scanner}
    settings["gain"] = float(np.clip(settings["gain"] + rng.normal(0, 3), -20, 20))
    settings["dynamic_range"] += rng.uniform(-4, 4)
    settings["frequency"] *= rng.uniform(0.92, 1.08)
    # Some necks are hard to image: more reverberation, more noise.
    settings["haze"] = min(settings["haze"] - 2 + rng.exponential(5), -10.0)
    settings["noise"] = min(settings["noise"] - 1 + rng.exponential(3), -26.0)
    settings["focus"] = rng.uniform(14, 24)
    return settings
