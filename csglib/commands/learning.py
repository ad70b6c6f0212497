"""Commands that train, and score what has been learned."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from csglib.commands.base import Command, app, end

if TYPE_CHECKING:  # seconds to import
    from csglib.train.config import TrainConfig

Precision = Literal["32-true", "bf16-mixed"]  # of the arithmetic, as Lightning calls it
Course = Literal["constant", "one_cycle"]  # of the rate, see `csglib.train.config.COURSES`
Memory = Literal["each", "shared"]  # see `csglib.train.config.TrainConfig`


@dataclass
class Learning(Command):
    """What every training is told; what is left out is the paper's."""

    out: Annotated[Path, Argument(help="folder of the run: new, or begun by the same command")]
    cohort: Annotated[Path, Argument(help="folder or file of clips")]
    epochs: Annotated[int, Option(help="how often each is seen")] = 100
    batch: Annotated[int, Option(help="how many a step")] = 4
    rate: Annotated[float, Option(help="learning rate")] = 1e-4
    seed: Annotated[int, Option(help="of weights and order")] = 0
    precision: Annotated[Precision, Option(help="bf16-mixed where it is fast")] = "32-true"
    course: Annotated[Course, Option(help="of the rate")] = "constant"
    augment: Annotated[bool, Option("--augment", help="change each a little")] = False
    memory: Annotated[Memory, Option(help="Adam's, of several processes, see torchrun")] = "each"
    compiled: Annotated[bool, Option("--compiled", help="torch.compile, for a GPU")] = False

    def plan(self) -> "TrainConfig":
        """How to train."""
        from csglib.train.config import TrainConfig  # noqa: PLC0415

        return TrainConfig(
            folder=self.out,
            epochs=self.epochs,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            precision=self.precision,
            course=self.course,
            augmented=self.augment,
            memory=self.memory,
            compiled=self.compiled,
        )


@app.command(help="Train a 2D network on a cohort's single frames, for others to start from.")
@dataclass
class Parent(Learning):
    """See `csglib.table1.parent`."""

    cohort: Annotated[Path, Argument(help="folder of clips; other patients than those of train")]
    network: Annotated[str, Option(help="whose parent: tiny, or any other CSG-3DCT")] = "csg3dct"
    epochs: Annotated[int, Option(help="how often each frame is seen")] = 20
    batch: Annotated[int, Option(help="frames a step")] = 32

    def run(self) -> None:
        """Train, and say what `train --start` wants."""
        from csglib.data.cohort import read_frames  # noqa: PLC0415
        from csglib.table1.parent import parent_of, train_parent  # noqa: PLC0415

        config, frames = parent_of(self.network), read_frames(self.cohort)
        try:
            path = train_parent(frames, self.plan(), config)
        except KeyboardInterrupt:
            end("stopped; the same command goes on from the last whole epoch", 130)
        print(f"train --network {self.network} --start {path} begins with what it knows")


@app.command(help="Train one network on a cohort; again, go on.")
@dataclass
class Train(Learning):
    """See `csglib.train.experiment`."""

    network: Annotated[str, Option(help="a name in csglib.train.networks, such as i3d")] = "csg3dct"
    size: Annotated[int, Option(help="height and width that it sees, pixels")] = 256
    start: Annotated[str, Option(help="weights to begin with: file, or public name")] = ""

    def run(self) -> None:
        """Train, and say how well it does on the test clips."""
        from csglib.data.cohort import read_cohort  # noqa: PLC0415
        from csglib.train.experiment import Experiment  # noqa: PLC0415
        from csglib.train.fit import leads  # noqa: PLC0415

        sides = read_cohort(self.cohort, self.size)
        clips = sides["train"]
        experiment = Experiment(
            network=self.network,
            frames=clips.frames.shape[1],
            size=self.size,
            classes=len(clips.grade_names),
            start=self.start,
        )
        try:
            for _ in experiment.run(sides, self.plan()):
                pass
        except KeyboardInterrupt:
            end("stopped; the same command goes on from the last whole epoch", 130)
        if leads():
            Evaluate(self.out).run()


@app.command(help="Score a run's test clips, or those of another cohort.")
@dataclass
class Evaluate(Command):
    """See `csglib.metrics`."""

    run_folder: Annotated[Path, Argument(help="folder of a finished run")]
    cohort: Annotated[Path | None, Option(help="other clips; its test side is scored")] = None

    def run(self) -> None:
        """Print each score and its interval."""
        from csglib.train.experiment import said_by  # noqa: PLC0415

        said = said_by(self.run_folder, self.cohort)
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
