"""How to train: every number that `csglib.train.fit.fit` wants to know.

Source: section 3, "Dataset and Implementations": Adam, learning rate 1e-4, weight decay 1e-4,
batches of 4, 100 epochs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Literal

from csglib.train.step import CROSS_ENTROPY, Loss

Precision = Literal["32-true", "bf16-mixed"]
Course = Literal["constant", "one_cycle"]
_RISE = 0.3  # of the steps
_FROM = 0.04  # of the highest rate


def one_cycle(done: float) -> float:
    """Up from a twenty-fifth to the whole rate, then down to none, along half waves of a cosine.

    Not in the paper. After Smith and Topin 2018: a plan of few steps goes further, and the norms
    have come to rest when it ends.

    Args:
        done: share of all steps that are done, 0 to 1.

    Returns:
        Share of the plan's rate, 0 to 1.
    """
    if done < _RISE:
        return _FROM + (1 - _FROM) * (1 - cos(pi * done / _RISE)) / 2
    return (1 + cos(pi * (done - _RISE) / (1 - _RISE))) / 2


COURSES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "one_cycle": one_cycle,
}
"""How the rate goes over a training; the paper says nothing of it: constant, then."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train. Where nothing is said, as the paper does.

    Attributes:
        folder: where the run is kept, for instance runs/first.
        epochs: passes over the training clips.
        batch: clips a step.
        rate: learning rate of Adam.
        decay: weight decay; biases, norms, the class token and the shares of branches have none.
        seed: decides the order of the clips, their changes, and what the network draws.
        precision: "32-true", or "bf16-mixed" where the machine multiplies bfloat16 fast.
        course: of the rate, a name in `COURSES`. If it is constant, the best weights are those of
            the lowest validation loss; if it falls to nothing, those it comes to rest at.
        augmented: whether each clip is changed, another way each time, as `draw_augmentation` does.
        memory: of several processes, whether "each" remembers all that Adam does of every weight,
            or it is "shared" out: for networks as large as that, at the price of some talk.
        compiled: whether torch.compile is to make the steps faster, meant for a GPU; the first of
            each size of batch takes minutes. Validation is not compiled.
        loss: what is lowered; the paper's is the cross-entropy as it is.

    Raises:
        ValueError: a number that cannot be; says which.
    """

    folder: Path
    epochs: int = 100
    batch: int = 4
    rate: float = 1e-4
    decay: float = 1e-4
    seed: int = 0
    precision: Precision = "32-true"
    course: Course = "constant"
    augmented: bool = False
    memory: Literal["each", "shared"] = "each"
    compiled: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.rate <= 0 or self.decay < 0:
            raise ValueError(
                "a plan needs at least one epoch, one clip a step, a rate above 0 and decay of at "
                f"least 0: got {self.epochs}, {self.batch}, {self.rate}, {self.decay}"
            )

    def rates(self, epoch: int, steps: int) -> list[float]:
        """The rate of each step of an epoch.

        Args:
            epoch: counted from 1.
            steps: of an epoch.
        """
        first, whole = (epoch - 1) * steps, self.epochs * steps
        course = COURSES[self.course]
        return [self.rate * course(step / whole) for step in range(first, first + steps)]


SMOKE = TrainConfig(folder=Path("runs/smoke"), epochs=12, batch=8, rate=1e-3)
"""Enough for `TINY` to learn 64 small clips on two cores; not enough to judge it."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much of a comparison can be afforded.

    Attributes:
        patients: of each cohort; the paper has 169.
        parent_patients: of the parent's own cohort. The paper's parent has seen a million
            photographs; frames of four times as many patients are what is cheap.
        size: rows and columns of a frame, pixels; the paper's have 256.
        epochs: of every network; the paper's 100.
        fine_epochs: of the network of 16 frames, which starts from that of 8; the paper's 40.
        parent_epochs: of the 2D parent, on single frames.
        batch: clips a step; the paper's 4.
        rate: of every network; the paper's 1e-4.
        parent_rate: of the 2D parent.
        fine_rate: of the network of 16 frames; the paper's 0.0025.
        precision, course, augmented: see `TrainConfig`.
    """

    patients: int = 169
    parent_patients: int = 676
    size: int = 256
    epochs: int = 100
    fine_epochs: int = 40
    parent_epochs: int = 20
    batch: int = 4
    rate: float = 1e-4
    parent_rate: float = 1e-4
    fine_rate: float = 2.5e-3
    precision: Precision = "32-true"
    course: Course = "constant"
    augmented: bool = False

    def plan(self, folder: Path, seed: int) -> TrainConfig:
        """For a network that starts from random weights or from its parent's."""
        return TrainConfig(
            folder=folder,
            epochs=self.epochs,
            batch=self.batch,
            rate=self.rate,
            seed=seed,
            precision=self.precision,
            course=self.course,
            augmented=self.augmented,
        )


BUDGETS = {
    "smoke": Budget(
        patients=12, parent_patients=12, size=64, epochs=1, fine_epochs=1, parent_epochs=1
    ),
    "laptop": Budget(
        size=64,
        epochs=20,
        fine_epochs=8,
        parent_epochs=6,
        batch=8,
        parent_rate=5e-4,
        fine_rate=1e-4,
        course="one_cycle",
        augmented=True,
    ),
    "gpu": Budget(epochs=30, fine_epochs=12, parent_epochs=8, precision="bf16-mixed"),
    "paper": Budget(precision="bf16-mixed"),
}
"""Of Table 1: does everything run; a night on a laptop, going by its multiplications; and, both of
them for a GPU, a third of the paper's epochs and all."""
