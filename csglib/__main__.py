"""What can be done from a command line: `python -m csglib` lists it.

A command is a dataclass of its options, whose `run` imports what it needs: the list comes at once.
"""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer import Argument, Option

app = typer.Typer(
    help="CSG-3DCT, part by part: what its notebooks need beside them.",
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def _commands() -> None:
    """Have the commands by name, even while there is one alone."""


class Precision(StrEnum):
    """Of the arithmetic, as Lightning calls it."""

    full = "32-true"
    mixed = "bf16-mixed"


class Command:
    """What has been asked for, with its options."""

    def run(self) -> None:
        """Do it.

        Raises:
            ValueError: something that whoever asked can put right.
        """
        raise NotImplementedError


@app.command(help="Make a cohort of simulated clips, or what is missing of it.")
@dataclass
class Cohort(Command):
    """See `csglib.data.production`."""

    out: Annotated[Path, Argument(help="folder: new, empty, or begun by the same command")]
    frames: Annotated[int, Option(help="frames of a clip, 8 or 16")] = 8
    seed: Annotated[int, Option(help="another seed, other patients")] = 0
    patients: Annotated[int, Option(help="how many; the paper has 169")] = 169
    size: Annotated[int, Option(help="height and width of a frame, pixels")] = 256
    rule: Annotated[str, Option(help="what is graded how, see csglib.data.grades")] = "diameter_50"
    observer: Annotated[float, Option(help="spread of the errors of who measures it")] = 0.0
    jobs: Annotated[int, Option(min=1, help="processes; the result is the same")] = (
        os.cpu_count() or 1
    )
    videos: Annotated[bool, Option("--videos", help="keep the whole videos too")] = False

    def run(self) -> None:
        """Say what it takes, make it, say where it is."""
        from csglib.data.patients import Settings  # noqa: PLC0415
        from csglib.data.production import make_cohort, work_left  # noqa: PLC0415

        settings = Settings(
            frames=self.frames,
            size=self.size,
            seed=self.seed,
            patients=self.patients,
            rule=self.rule,
            observer=self.observer,
        )
        print(work_left(self.out, settings, self.videos).sentence(self.jobs), flush=True)
        try:
            make_cohort(self.out, settings, self.jobs, self.videos)
        except KeyboardInterrupt:
            left = work_left(self.out, settings, self.videos)
            _end(f"stopped with {left.clips} clips to go; the same command makes them", 130)
        print(f"{self.out} is complete: manifest.csv lists it, contact_sheet.png shows some of it")


@app.command(help="Train the vessel detector on simulated necks.")
@dataclass
class Detector(Command):
    """See `csglib.detector.training`."""

    out: Annotated[Path, Argument(help="folder of the necks and of detector.safetensors")]
    frames: Annotated[int, Option(help="necks, 12 or more")] = 960
    epochs: Annotated[int, Option(help="times that each is seen")] = 40
    seed: Annotated[int, Option(help="of necks, views and weights")] = 0
    jobs: Annotated[int, Option(min=1, help="processes that simulate")] = os.cpu_count() or 1

    def run(self) -> None:
        """Train, and say how well it does on necks that it has not seen."""
        from csglib.detector.training import train_detector  # noqa: PLC0415

        scores = train_detector(self.out, self.frames, self.epochs, self.seed, self.jobs)
        for name, score in scores.items():
            print(f"{name:16}{score:.3f}")


@app.command(help="Train one network on a cohort; again, go on.")
@dataclass
class Train(Command):
    """See `csglib.experiment`."""

    out: Annotated[Path, Argument(help="folder of the run: new, or begun by the same command")]
    cohort: Annotated[Path, Argument(help="folder or file of clips")]
    network: Annotated[str, Option(help="a name in csglib.networks, such as i3d")] = "csg3dct"
    size: Annotated[int, Option(help="height and width that it sees, pixels")] = 256
    epochs: Annotated[int, Option(help="passes over the clips")] = 100
    batch: Annotated[int, Option(help="clips a step")] = 4
    rate: Annotated[float, Option(help="learning rate")] = 1e-4
    seed: Annotated[int, Option(help="of weights and order")] = 0
    precision: Annotated[Precision, Option(help="bf16-mixed is for GPUs")] = Precision.full
    augment: Annotated[bool, Option("--augment", help="change each clip a little")] = False
    start: Annotated[str, Option(help="weights to begin with: file, or public name")] = ""

    def run(self) -> None:
        """Train, and say how well it does on the test clips."""
        from csglib.data.cohort import read_cohort  # noqa: PLC0415
        from csglib.experiment import Experiment  # noqa: PLC0415
        from csglib.plan import Plan  # noqa: PLC0415
        from csglib.training import leads  # noqa: PLC0415

        sides = read_cohort(self.cohort, self.size)
        clips = sides["train"]
        experiment = Experiment(
            network=self.network,
            frames=clips.frames.shape[1],
            size=self.size,
            classes=len(clips.grade_names),
            start=self.start,
        )
        plan = Plan(
            folder=self.out,
            epochs=self.epochs,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            precision=self.precision.value,
            augmented=self.augment,
        )
        try:
            for _ in experiment.run(sides, plan):
                pass
        except KeyboardInterrupt:
            _end("stopped; the same command goes on from the last whole epoch", 130)
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
        from csglib.experiment import said_by  # noqa: PLC0415

        said = said_by(self.run_folder, self.cohort)
        print(f"{len(said.grades)} clips of {len(set(said.patients))} patients; 95 % intervals")
        for name, score in vars(said.scores()).items():
            print(f"{name:18}{score.value:7.3f}  [{score.low:.3f}, {score.high:.3f}]")


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

    def run(self) -> None:
        """Run, row by row, and print the table."""
        from csglib.table1.estimate import minutes  # noqa: PLC0415
        from csglib.table1.report import write_table  # noqa: PLC0415
        from csglib.table1.rows import ROWS  # noqa: PLC0415
        from csglib.table1.running import table  # noqa: PLC0415

        names = self.rows.split(",") if self.rows else list(ROWS)
        asked = table(self.out, self.budget, self.start)
        asked.check(names, self.seeds)
        about = max(1, round(minutes(names, asked.budget, self.seeds)))
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
            _end("stopped; the same command goes on where it was", 130)
        print(text)


def main() -> None:
    """Run a command; what its user can put right is said in a line."""
    try:
        words = sys.argv[1:] or ["--help"]
        command = app(words, prog_name="python -m csglib", standalone_mode=False)
        if isinstance(command, Command):
            command.run()
    except typer.TyperException as error:
        _end(error.format_message())
    except ValueError as error:
        _end(str(error))


def _end(why: str, code: int = 2) -> NoReturn:
    print(f"csglib: {why}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
