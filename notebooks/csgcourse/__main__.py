"""The command line for a class: `csgcourse report NAME`, `csgcourse grade FOLDER`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Hand in answers, and check those of a class.",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="yours, as your teacher shall read it")],
    folder: Annotated[Path | None, typer.Option(help="of the notebooks")] = None,
) -> None:
    """Write NAME.json, with your answers, beside the notebooks."""
    from csgcourse.report import report  # noqa: PLC0415  # torch takes seconds

    report(name, folder)


@app.command()
def grade(
    folder: Annotated[Path, typer.Argument(help="with NAME.json of each learner")],
    seconds: Annotated[float, typer.Option(help="at most, for one answer")] = 60,
) -> None:
    """Check all answers again; write grades.csv, answers.csv and mistakes.md into FOLDER."""
    from csgcourse.grading import grade  # noqa: PLC0415

    graded = grade(folder, seconds)
    passed = sum(one.passed for one in graded)
    print(f"{passed} of {len(graded)} answers of {len({g.learner for g in graded})} learners pass")


def main() -> None:
    """For the `csgcourse` script."""
    try:
        app()
    except ValueError as error:
        sys.exit(f"csgcourse: {error}")


if __name__ == "__main__":
    main()
