"""What all commands share.

A command is a dataclass of its options, whose `run` imports what it needs: the list comes at once.
"""

import sys
from typing import NoReturn

import typer

app = typer.Typer(
    help="CSG-3DCT, part by part: what its notebooks need beside them.",
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def _commands() -> None:
    """Have the commands by name, even while there is one alone."""


class Command:
    """What has been asked for, with its options."""

    def run(self) -> None:
        """Do it.

        Raises:
            ValueError: something that whoever asked can put right.
        """
        raise NotImplementedError


def end(why: str, code: int = 2) -> NoReturn:
    """Leave, with a reason."""
    print(f"csglib: {why}", file=sys.stderr)
    sys.exit(code)
