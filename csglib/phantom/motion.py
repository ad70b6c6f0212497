"""What moves from frame to frame: the probe along the artery, the hand that holds it, the heart.

The paper's videos are such sweeps (section 3, "Dataset"); it says nothing of their motion.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from csglib.phantom.recipe import Sweep
from csglib.phantom.vessel import Vessel

_TURNING = np.deg2rad(8.0)  # of the probe for each mm that the hand trembles


class Moment(NamedTuple):
    """What one frame is taken of.

    Attributes:
        y: where the slice cuts the artery, mm.
        swelling: area gained by the heartbeat, over pi, mm2.
        shift: where the hand has slipped to, mm.
        turn: of the probe about the artery's axis, radians.
    """

    y: float
    swelling: float
    shift: Float[ndarray, "2"]
    turn: float


def steps(sweep: Sweep, frames: int, rng: np.random.Generator) -> Float[ndarray, " frames"]:
    """How far the probe goes before each frame, mm: no hand is perfectly even."""
    return rng.uniform(0.85, 1.15, frames) * sweep.speed / sweep.frame_rate


def moments(
    sweep: Sweep, way: Float[ndarray, " moments"], vessel: Vessel, rng: np.random.Generator
) -> list[Moment]:
    """Beat and tremble on the way along the artery."""
    phases = rng.random() + np.arange(len(way)) / sweep.frame_rate * sweep.heart_rate / 60
    slips = np.cumsum(rng.normal(0, sweep.tremor, (len(way), 2)), axis=0)
    turns = np.cumsum(rng.normal(0, _TURNING * sweep.tremor, len(way)))
    return [
        Moment(float(y), vessel.swelling(phase), slip, float(turn))
        for y, phase, slip, turn in zip(
            way,
            phases,
            slips - slips.mean(axis=0),
            np.deg2rad(sweep.roll) + turns - turns.mean(),
            strict=True,
        )
    ]
