"""Commands that train, and score what has been learned."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from csglib.commands.base import Command, app, end

if TYPE_CHECKING:  # seconds to import
    from csglib.train.config import TrainConfig

Precision = Literal["32-true", "bf16-mixed"]
Schedule = Literal["constant", "one_cycle"]


@dataclass
class Learning(Command):
    """Options of every training; the defaults are the paper's."""

    out: Annotated[Path, Argument(help="folder of the run: new, or an unfinished run to resume")]
    cohort: Annotated[Path, Argument(help="folder or file of clips")]
    epochs: Annotated[int, Option(help="passes over the training clips")] = 100
    batch_size: Annotated[int, Option(help="clips per step")] = 4
    lr: Annotated[float, Option(help="peak learning rate")] = 1e-4
    seed: Annotated[int, Option(help="of weights, order and augmentation")] = 0
    precision: Annotated[Precision, Option(help="bf16-mixed where it is fast")] = "32-true"
    schedule: Annotated[Schedule, Option(help="learning rate over the run")] = "constant"
    augment: Annotated[bool, Option("--augment", help="augment at random")] = False
    compile: Annotated[bool, Option("--compile", help="torch.compile, for a GPU")] = False

    def config(self) -> "TrainConfig":
        """How to train."""
        from csglib.train.config import TrainConfig  # noqa: PLC0415

        return TrainConfig(
            folder=self.out,
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            seed=self.seed,
            precision=self.precision,
            schedule=self.schedule,
            augment=self.augment,
            compile=self.compile,
        )


@app.command(help="Train a 2D network on a cohort's single frames, for others to start from.")
@dataclass
class Parent(Learning):
    """See `csglib.table1.pretrain`."""

    cohort: Annotated[Path, Argument(help="folder of clips; other patients than those of train")]
    network: Annotated[str, Option(help="whose parent: tiny, or any other CSG-3DCT")] = "csg3dct"
    epochs: Annotated[int, Option(help="how often each frame is seen")] = 20
    batch_size: Annotated[int, Option(help="frames per step")] = 32

    def run(self) -> None:
        """Train, and say what `train --init` wants."""
        from csglib.data.cohort import read_frames  # noqa: PLC0415
        from csglib.table1.pretrain import conformer_for, pretrain  # noqa: PLC0415

        model, frames = conformer_for(self.network), read_frames(self.cohort)
        try:
            path = pretrain(frames, self.config(), model)
        except KeyboardInterrupt:
            end("stopped; the same command goes on from the last whole epoch", 130)
        print(f"train --network {self.network} --init {path} begins with what it knows")


@app.command(help="Train one network on a cohort; again, go on.")
@dataclass
class Train(Learning):
    """See `csglib.train.experiment`."""

    network: Annotated[str, Option(help="a name in csglib.train.networks, such as i3d")] = "csg3dct"
    size: Annotated[int, Option(help="height and width that it sees, pixels")] = 256
    init: Annotated[str, Option(help="initial weights: file, or public name")] = ""

    def run(self) -> None:
        """Train, and say how well it does on the test clips."""
        from csglib.data.cohort import read_cohort  # noqa: PLC0415
        from csglib.train.experiment import Experiment  # noqa: PLC0415
        from csglib.train.fit import is_main_process  # noqa: PLC0415

        splits = read_cohort(self.cohort, self.size)
        clips = splits["train"]
        experiment = Experiment(
            network=self.network,
            frames=clips.frames.shape[1],
            size=self.size,
            classes=len(clips.grade_names),
            init=self.init,
        )
        try:
            for _ in experiment.run(splits, self.config()):
                pass
        except KeyboardInterrupt:
            end("stopped; the same command goes on from the last whole epoch", 130)
        if is_main_process():
            Evaluate(self.out).run()


@app.command(help="Score a run's test clips, or those of another cohort.")
@dataclass
class Evaluate(Command):
    """See `csglib.metrics`."""

    run_folder: Annotated[Path, Argument(help="folder of a finished run")]
    cohort: Annotated[Path | None, Option(help="other clips; its test side is scored")] = None

    def run(self) -> None:
        """Print each score and its interval."""
        from csglib.train.experiment import test_predictions  # noqa: PLC0415

        said = test_predictions(self.run_folder, self.cohort)
        print(f"{len(said.grades)} clips of {len(set(said.patients))} patients; 95 % intervals")
        for name, score in vars(said.scores()).items():
            print(f"{name:18}{score.value:7.3f}  [{score.low:.3f}, {score.high:.3f}]")


@app.command(help="Print a run's model card, in Markdown.")
@dataclass
class Card(Command):
    """See `csglib.doctor.card`."""

    run_folder: Annotated[Path, Argument(help="folder of a finished run")]
    cohort: Annotated[Path, Argument(help="folder of the clips that it was trained on")]

    def run(self) -> None:
        """Print it; what is not stated is for its reader to fill in."""
        from csglib.doctor.card import model_card  # noqa: PLC0415

        print(model_card(self.run_folder, self.cohort), end="")


@app.command(help="Run the paper's Table 1 on simulated clips.")
@dataclass
class Table1(Command):
    """See `csglib.table1`."""

    out: Annotated[Path, Argument(help="folder: new, or begun with the same budget")]
    budget: Annotated[str, Option(help="smoke, laptop, gpu or paper")] = "smoke"
    rows: Annotated[str, Option(help="some of its rows, with commas between; empty for all")] = ""
    seeds: Annotated[int, Option(help="runs of each row")] = 1
    start: Annotated[
        str, Option(help="of rows with a 2D parent: frames trains one, random, or a checkpoint")
    ] = "frames"
    precision: Annotated[
        Precision | None, Option(help="of all rows; bf16-mixed where it is fast")
    ] = None

    def run(self) -> None:
        """Run, row by row, and print the table."""
        from csglib.table1.estimate import minutes  # noqa: PLC0415
        from csglib.table1.report import write_table  # noqa: PLC0415
        from csglib.table1.rows import ROWS  # noqa: PLC0415
        from csglib.table1.running import table  # noqa: PLC0415

        names = self.rows.split(",") if self.rows else list(ROWS)
        asked = table(self.out, self.budget, self.start, self.precision)
        asked.check(names, self.seeds)
        about = max(1, round(minutes(names, asked.budget, self.seeds, self.start)))
        print(
            f"{len(names) * self.seeds} runs: about {about} min here, less what is done", flush=True
        )
        runs: dict[str, list[Path]] = {}
        text = ""
        try:
            for name, seed, folder in asked.run(names, self.seeds):
                runs.setdefault(name, []).append(folder)
                text = write_table(self.out, runs)
                done = sum(map(len, runs.values()))
                print(f"{done}: {ROWS[name].title}, seed {seed}, is done", flush=True)
        except KeyboardInterrupt:
            end("stopped; the same command goes on where it was", 130)
        print(text)
