"""Training hyperparameters.

Source: section 3, "Dataset and Implementations": Adam, learning rate 1e-4, weight decay 1e-4,
batches of 4, 100 epochs.
"""

from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Annotated, Literal, get_args

Precision = Literal["32-true", "bf16-mixed"]
Schedule = Literal["constant", "one_cycle"]
Device = Literal["auto", "cpu", "cuda"]
Log = Literal["csv", "tensorboard"]

_WARM_UP = 0.3  # of the steps
_INITIAL = 0.04  # of the peak learning rate
_LEAST = {"epochs": 1, "batch_size": 1, "micro_batches": 1, "lr": 1e-9, "weight_decay": 0}


def one_cycle(done: float) -> float:
    """Cosine warm-up from lr / 25 to lr over the first 30 % of the steps, then cosine decay to 0.

    Not in the paper. After Smith and Topin 2018; better than a constant one when epochs are few.
    `done` is the fraction of all steps taken so far; returns a fraction of the peak learning rate.
    """
    if done < _WARM_UP:
        return _INITIAL + (1 - _INITIAL) * (1 - cos(pi * done / _WARM_UP)) / 2
    return (1 + cos(pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train. Defaults are the paper's; the annotations are the command line's help.

    The paper mentions no schedule. With a constant learning rate the best weights are those of the
    lowest validation loss; with a schedule that decays to 0, those of the last epoch. As in
    `torch.optim.Adam`, weight decay is a part of the gradient: weights shrink to 0 where the loss
    has smaller ones. A ValueError names a value out of range.
    """

    folder: Annotated[Path, "folder of the run: new, or an unfinished run to resume"]
    epochs: Annotated[int, "passes over the training clips"] = 100
    batch_size: Annotated[int, "clips per step, over all processes"] = 4
    lr: Annotated[float, "peak learning rate of Adam"] = 1e-4
    weight_decay: Annotated[float, "weight decay of Adam, on matrices and kernels only"] = 1e-4
    seed: Annotated[int, "of the initial weights, the order of clips, augmentation, dropout"] = 0
    precision: Annotated[Precision, "bf16-mixed is faster on recent GPUs"] = "32-true"
    schedule: Annotated[Schedule, "learning rate over the run"] = "constant"
    augment: Annotated[bool, "augment each training clip at random"] = False
    compile: Annotated[bool, "torch.compile the network; the first steps take minutes"] = False
    device: Annotated[Device, "auto uses a GPU if there is one"] = "auto"
    patience: Annotated[int, "stop after so many epochs without a lower validation loss; 0: no"] = 0
    micro_batches: Annotated[int, "parts of a batch, to save memory; batch norms see one each"] = 1
    activation_checkpointing: Annotated[bool, "less memory, more time, CSG-3DCT only"] = False

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if (got := getattr(self, name)) < least:
                raise ValueError(f"wanted {name} >= {least}: got {got}")
        if self.patience < 0 or (self.patience and self.schedule != "constant"):
            wanted = "patience >= 0, and 0 unless the schedule is constant"
            raise ValueError(f"wanted {wanted}: got {self.patience} with {self.schedule}")
        for name, choices in (("precision", Precision), ("schedule", Schedule), ("device", Device)):
            if (got := getattr(self, name)) not in get_args(choices):
                raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}: got {got}")

    def learning_rates(self, epoch: int, steps: int) -> list[float]:
        """The learning rate of each of an epoch's `steps`; epochs are counted from 1."""
        if self.schedule == "constant":
            return [self.lr] * steps
        numbers = range((epoch - 1) * steps, epoch * steps)
        return [self.lr * one_cycle(number / (self.epochs * steps)) for number in numbers]


SMOKE = TrainConfig(folder=Path("runs/smoke"), epochs=12, batch_size=8, lr=1e-3)
"""Enough for `TINY` to learn 64 small clips on two cores; not enough to evaluate it."""
