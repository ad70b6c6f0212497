"""How much of Table 1 to run: patients, image size, epochs, width."""

from dataclasses import dataclass
from pathlib import Path

from csglib.train.config import Precision, Schedule, TrainConfig


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Size of a Table 1 run; defaults are the paper's.

    Those of `pretrain_` are for the 2D Conformer, on single frames; those of `finetune_` for the
    16-frame network, which starts from the 8-frame one. For the rest see `TrainConfig`.
    """

    patients: int = 169
    size: int = 256
    epochs: int = 100
    finetune_epochs: int = 40
    pretrain_epochs: int = 20
    batch_size: int = 4
    lr: float = 1e-4
    weight_decay: float = 1e-4
    pretrain_lr: float = 1e-4
    finetune_lr: float = 2.5e-3
    precision: Precision = "32-true"
    schedule: Schedule = "constant"
    augment: bool = False
    micro_batches: int = 1
    narrow: bool = False  # the networks of `csglib.table1.narrow`

    def config(self, folder: Path, seed: int) -> TrainConfig:
        """For a network that starts from random weights or from the 2D Conformer's."""
        shared = vars(self).keys() & TrainConfig.__dataclass_fields__.keys()
        options = {name: getattr(self, name) for name in shared}
        return TrainConfig(folder=folder, seed=seed, **options)


BUDGETS = {
    "smoke": Budget(patients=12, size=64, epochs=1, finetune_epochs=1, pretrain_epochs=1),
    "laptop": Budget(
        size=64, epochs=20, finetune_epochs=8, pretrain_epochs=6, batch_size=8, pretrain_lr=5e-4,
        finetune_lr=1e-4, schedule="one_cycle", augment=True,
    ),
    "narrow": Budget(
        patients=338, size=64, epochs=50, finetune_epochs=20, batch_size=16, lr=1e-3,
        pretrain_epochs=40, pretrain_lr=1e-3, finetune_lr=5e-4, weight_decay=0.0,
        schedule="one_cycle", augment=True, narrow=True,
    ),
    "gpu": Budget(epochs=30, finetune_epochs=12, pretrain_epochs=8, precision="bf16-mixed"),
    "paper": Budget(precision="bf16-mixed"),
}  # fmt: skip
"""smoke: does everything run; narrow: every row in minutes on a core, see benchmarks/protocol.md;
laptop: a night on two cores; gpu: a third of the paper's epochs."""
