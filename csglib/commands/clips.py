"""Commands that make clips, and what finds an artery in them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from csglib.commands.base import Command, app, end


@app.command(help="Make a cohort of simulated clips, or what is missing of it.")
@dataclass
class Cohort(Command):
    """See `csglib.phantom.production`."""

    out: Annotated[Path, Argument(help="folder: new, empty, or begun by the same command")]
    frames: Annotated[int, Option(help="frames of a clip, 8 or 16")] = 8
    seed: Annotated[int, Option(help="another seed, other patients")] = 0
    patients: Annotated[int, Option(help="how many; the paper has 169")] = 169
    size: Annotated[int, Option(help="height and width of a frame, pixels")] = 256
    rule: Annotated[str, Option(help="grading rule, see csglib.data.stenosis")] = "diameter_50"
    observer: Annotated[float, Option(help="spread of the errors of who measures it")] = 0.0
    jobs: Annotated[int, Option(min=1, help="processes; the result is the same")] = (
        os.cpu_count() or 1
    )
    videos: Annotated[bool, Option("--videos", help="keep the whole videos too")] = False

    def run(self) -> None:
        """Say what it takes, make it, say where it is."""
        from csglib.phantom.patients import Settings  # noqa: PLC0415
        from csglib.phantom.production import make_cohort, work_left  # noqa: PLC0415

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
            end(f"stopped with {left.clips} clips to go; the same command makes them", 130)
        print(f"{self.out} is complete: manifest.csv lists it, contact_sheet.png shows some of it")


@app.command(help="Train the vessel detector on simulated necks.")
@dataclass
class Detector(Command):
    """See `csglib.detect.training`."""

    out: Annotated[Path, Argument(help="folder of the necks and of detector.safetensors")]
    frames: Annotated[int, Option(help="necks, 12 or more")] = 960
    epochs: Annotated[int, Option(help="times that each is seen")] = 40
    seed: Annotated[int, Option(help="of necks, views and weights")] = 0
    jobs: Annotated[int, Option(min=1, help="processes that simulate")] = os.cpu_count() or 1

    def run(self) -> None:
        """Train, and say how well it does on necks that it has not seen."""
        from csglib.detect.training import train_detector  # noqa: PLC0415

        scores = train_detector(self.out, self.frames, self.epochs, self.seed, self.jobs)
        for name, score in scores.items():
            print(f"{name:16}{score:.3f}")
