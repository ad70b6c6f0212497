"""How to train: every number that `csglib.training.fit` wants to know.

Source: section 3, "Dataset and Implementations": Adam, learning rate 1e-4, weight decay 1e-4,
batches of 4, 100 epochs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from csglib.step import CROSS_ENTROPY, Loss


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train. Where nothing is said, as the paper does.

    Attributes:
        folder: where the run is kept, for instance runs/first.
        epochs: passes over the training clips.
        batch: clips a step.
        rate: learning rate of Adam.
        decay: weight decay; biases, norms, the class token and the shares of branches have none.
        seed: decides the order of the clips, their changes, and what the network draws.
        precision: "32-true", or "bf16-mixed" where the machine multiplies bfloat16 fast.
        augmented: whether each clip is changed, another way each time, as `draw_change` does.
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
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    augmented: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.rate <= 0 or self.decay < 0:
            raise ValueError(
                "a plan needs at least one epoch, one clip a step, a rate above 0 and decay of at "
                f"least 0: got {self.epochs}, {self.batch}, {self.rate}, {self.decay}"
            )


SMOKE = Plan(folder=Path("runs/smoke"), epochs=12, batch=8, rate=1e-3)
"""Enough for `TINY` to learn 64 small clips on two cores; not enough to judge it."""
