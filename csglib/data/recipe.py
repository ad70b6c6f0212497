"""What a phantom can be asked for, and how it is drawn when nothing is asked.

The paper's cohort (section 3, "Dataset") is not public; ours follows published measurements.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, TypeVar

import numpy as np

from csglib.data.plaque import Lesion
from csglib.data.probe import Probe
from csglib.data.vessel import Artery

Part = TypeVar("Part", Artery, Lesion, "Scan", Probe)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """How the examiner holds the probe and sets the picture.

    Attributes:
        gain: brightness, dB; 0 shows the adventitia at grey 190.
        dynamic_range: dB between black and white.
        speed: of the sweep along the artery, mm/s.
        frame_rate: of the frames that are kept, 1/s.
        heart_rate: beats a minute.
        tremor: step of the hand from frame to frame, mm.
    """

    gain: float
    dynamic_range: float
    speed: float
    frame_rate: float
    heart_rate: float
    tremor: float


class Recipe(NamedTuple):
    """All that a phantom is made from, apart from chance."""

    artery: Artery
    lesion: Lesion
    scan: Scan
    probe: Probe

    @property
    def parameters(self) -> dict[str, Any]:
        """Every number and name, in one flat table."""
        return {name: value for part in self for name, value in asdict(part).items()}


LIMITS: dict[str, tuple[float, float]] = {
    "diameter": (3, 10),
    "wall": (0.4, 1.5),
    "flattening": (0, 0.2),
    "depth": (8, 30),
    "drift": (-0.3, 0.3),
    "pulsation": (0, 0.8),
    "stenosis": (0, 0.95),
    "length": (4, 30),
    "gain": (-20, 20),
    "dynamic_range": (40, 80),
    "speed": (0, 20),
    "frame_rate": (2, 100),
    "heart_rate": (30, 200),
    "tremor": (0, 0.3),
    "frequency": (4, 12),
    "bandwidth": (0.2, 0.9),
    "aperture": (1, 4),
    "focus": (5, 40),
    "slice": (0.5, 3),
    "steer": (0, 5),
    "noise": (-200, -20),
    "haze": (-200, -10),
}
CHOICES: dict[str, tuple[str | bool | int, ...]] = {
    "beams": (1, 3, 5, 7, 9),
    "side": ("far", "near", "left", "right", "lateral", "concentric"),
    "plaque": ("I", "II", "III", "IV"),
    "calcified": (False, True),
}


def draw(rng: np.random.Generator, asked: Mapping[str, object]) -> Recipe:
    """Draw every parameter, then put what was asked in its place.

    All are drawn in any case, so asking for one never changes another.

    Args:
        rng: draws.
        asked: some of `LIMITS` and `CHOICES`; "lateral" leaves left or right to chance.

    Raises:
        TypeError: a name that is neither.
        ValueError: a value out of its limits; both say what is wanted.

    Source:
        Not in the paper. Diameters: Krejza 2006; Gray-Weale types: PMC3565685. How severe
        they are is our choice: about as many above half the diameter as below.
    """
    check(asked)
    chance = _artery(rng) | _lesion(rng) | _scan(rng) | asdict(Probe())
    lateral = rng.choice(["left", "right"])
    values = chance | dict(asked)
    if values["side"] == "lateral":
        values["side"] = str(lateral)
    return Recipe(
        _fill(Artery, values), _fill(Lesion, values), _fill(Scan, values), _fill(Probe, values)
    )


def check(asked: Mapping[str, object]) -> None:
    """Refuse names and values that no phantom has; see `draw`."""
    for name, value in asked.items():
        if name in CHOICES:
            if value not in CHOICES[name]:
                wanted = ", ".join(repr(choice) for choice in CHOICES[name])
                raise ValueError(f"{name} must be one of {wanted}: got {value!r}")
        elif name in LIMITS:
            low, high = LIMITS[name]
            if not isinstance(value, (int, float)) or not low <= value <= high:
                raise ValueError(f"{name} must be a number from {low} to {high}: got {value!r}")
        else:
            wanted = ", ".join(sorted([*LIMITS, *CHOICES, "patient"]))
            raise TypeError(f"a phantom has no parameter {name!r}; it has {wanted}")


def _fill(part: type[Part], values: Mapping[str, Any]) -> Part:
    return part(**{field.name: values[field.name] for field in fields(part)})


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
    }


def _lesion(rng: np.random.Generator) -> dict[str, Any]:
    sides, plaques = ["far", "near", "lateral", "concentric"], ["I", "II", "III", "IV"]
    return {
        "stenosis": float(np.clip(0.06 + 0.92 * rng.beta(2.2, 1.55), 0.08, 0.95)),
        "length": float(np.clip(rng.gamma(4, 3.2), 6, 30)),
        "side": str(rng.choice(sides, p=[0.5, 0.15, 0.25, 0.1])),
        "plaque": str(rng.choice(plaques, p=[0.1, 0.2, 0.45, 0.25])),
        "calcified": bool(rng.random() < 0.2),
    }


def _scan(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "gain": float(np.clip(rng.normal(-3, 2), -8, 2)),
        "dynamic_range": rng.uniform(54, 66),
        "speed": rng.uniform(6, 10),
        "frame_rate": 12.0,
        "heart_rate": float(np.clip(rng.normal(68, 9), 45, 110)),
        "tremor": 0.05,
    }
