"""Kinds of tissue in a neck: how brightly each echoes, how unevenly, and how much sound it takes.

The paper's clips show them (Fig. 1) and name none. Echoes are in dB against the adventitia.
"""

from typing import NamedTuple

from csglib.phantom.plaque import PlaqueType


class Tissue(NamedTuple):
    """A kind of tissue.

    Attributes:
        echo: mean brightness, dB against the adventitia.
        loss: attenuation, dB/cm/MHz.
        uneven: how much the brightness varies from place to place, dB.
        across: size of such a patch sideways, mm.
        down: its size in depth, mm.
    """

    echo: float
    loss: float
    uneven: float = 0.0
    across: float = 1.0
    down: float = 1.0


# Attenuation: ITIS database, PMC10001275. Echoes: 60 dB are 255 grey; matched by eye and by
# `benchmarks/realism.py` to real frames.
TISSUES = {
    "deep": Tissue(-45, 0.95, 7, 3.0, 1.0),
    "sheath": Tissue(-40, 0.6, 10, 2.2, 0.9),
    "pad": Tissue(-18, 0.6, 8, 2.0, 1.0),
    "bed": Tissue(-15, 0.6, 5, 2.0, 1.2),
    "thyroid": Tissue(-27, 0.6, 1.5, 1.0, 1.0),
    "fascia": Tissue(-11, 0.9, 7, 3.0, 0.6),
    "muscle": Tissue(-44, 0.66, 6, 3.0, 0.5),
    "fat": Tissue(-33, 0.5, 6, 3.0, 0.5),
    "skin": Tissue(-14, 0.8, 3, 3.0, 0.4),
    "bone": Tissue(-60, 15.0),
    "blood": Tissue(-52, 0.15),
    "adventitia": Tissue(-5, 1.4, 6, 2.0, 1.5),
    "media": Tissue(-42, 1.2, 5, 1.5, 1.0),
    "plaque": Tissue(0, 0.8, 4, 0.9, 0.7),  # its echo is its type's
    "calcium": Tissue(4, 22.0, 4, 0.7, 0.5),
    "cap": Tissue(-24, 1.2, 6, 1.0, 0.8),
}
LABEL = {name: label for label, name in enumerate(TISSUES)}
ALONG_THE_WALL = {
    "adventitia": 22,
    "cap": 14,
}  # dB lost where fibres run along the beam, not across

# Of each Gray-Weale type, the grey-scale median (blood 0, adventitia 190) and how uneven it is, dB:
# II and III mix dark and bright, I and IV are uniform. Types: PMC3565685; numbers: our choice.
PLAQUES: dict[PlaqueType, tuple[float, float]] = {
    "I": (14, 1.5),
    "II": (36, 5),
    "III": (66, 4.5),
    "IV": (100, 2),
}


def plaque_tissue(kind: PlaqueType) -> Tissue:
    """The inside of a plaque of that Gray-Weale type: 255 grey levels are 60 dB."""
    median, uneven = PLAQUES[kind]
    return TISSUES["plaque"]._replace(echo=60 * (median - 190) / 255, uneven=uneven)
