"""The command that looks at a folder of exports before anything is trained on it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from csglib.commands.base import Command, app, end

if TYPE_CHECKING:  # seconds to import
    from csglib.doctor.deidentification import DeidentifySettings
    from csglib.doctor.report import Report

_QUESTION = "Is any name, date or number of a person to be seen? [y/N] "


@app.command(help="Look for what is wrong in a folder of your own clips.")
@dataclass
class Doctor(Command):
    """See `csglib.doctor`."""

    folder: Annotated[Path, Argument(help="FOLDER/patient/clip.*, and FOLDER/labels.csv")]
    page: Annotated[
        Path | None, Option(help="HTML file of what is found; in the folder if not said")
    ] = None
    frames: Annotated[int, Option(min=1, help="of a clip that the network will see")] = 8
    size: Annotated[int, Option(min=1, help="rows and columns that it will see, pixels")] = 256
    grades: Annotated[str, Option(help="that labels.csv uses, open to closed")] = "mild,severe"
    jobs: Annotated[int, Option(min=1, help="processes that read")] = os.cpu_count() or 1
    clean: Annotated[
        Path | None, Option(help="folder for a cohort without names, if nothing stops it")
    ] = None
    seed: Annotated[int, Option(help="deals out patients, where labels.csv does not")] = 0
    looked: Annotated[
        bool, Option("--looked", help="nobody is to be seen on the page of what is cleaned")
    ] = False

    def run(self) -> None:
        """Examine, print the table, write the page; then clean, if that is asked for."""
        from csglib.doctor import examine  # noqa: PLC0415
        from csglib.doctor.deidentification import DeidentifySettings  # noqa: PLC0415
        from csglib.doctor.exports import PAGE  # noqa: PLC0415

        names = tuple(grade.strip() for grade in self.grades.split(","))
        settings = DeidentifySettings(
            frames=self.frames, size=self.size, seed=self.seed, grades=names
        )
        if self.looked and not self.clean:
            raise ValueError("--looked says that what is cleaned may be written: add --clean OUT")
        try:
            report = examine(self.folder, self.frames, self.size, names, self.jobs)
            print(report)
            page = self.page or self.folder / PAGE
            report.write_page(page)
            print(f"{page} has all of it, with pictures. It names your files: it is for your eyes.")
            if report.stops and self.clean:
                end("nothing was cleaned: see to what stops first", 1)
            if report.stops:
                sys.exit(1)
            if self.clean:
                self._write(report, self.clean, settings)
        except KeyboardInterrupt:
            end("stopped; the same command begins again, and keeps what is written", 130)

    def _write(self, report: "Report", out: Path, settings: "DeidentifySettings") -> None:
        from csglib.doctor.deidentification import deidentify, write_review_sheet  # noqa: PLC0415

        labels = report.examined.labels
        sheet = write_review_sheet(self.folder, labels, out, settings, self.jobs)
        print(f"{sheet} shows all that would be written. Look at every frame.", flush=True)
        if not self.looked:
            _ask(sheet)
        deidentify(self.folder, labels, out, settings, self.jobs)
        print(f"{out} is ready, without names: python -m csglib train runs/mine {out}")


def _ask(sheet: Path) -> None:
    """Go on only if somebody has looked and seen nobody."""
    again = "look at it, and if nobody is to be seen, add --looked"
    if not sys.stdin.isatty():
        end(f"nobody can be asked here whether {sheet} shows a person's data: {again}")
    try:
        answer = input(_QUESTION).strip().lower()
    except EOFError:
        end(f"no answer; nothing was cleaned: {again}")
    if answer not in ("", "n", "no"):
        end("nothing was cleaned: give these clips a box in labels.csv, or delete their rows", 1)
