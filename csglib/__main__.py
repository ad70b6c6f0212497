"""What can be done from a command line: `python -m csglib` lists it."""

import sys

import typer

from csglib.commands import clips, doctor, learning
from csglib.commands.base import Command, app, end

__all__ = ["clips", "doctor", "learning", "main"]  # whose commands `app` lists, in this order


def main() -> None:
    """Run a command; what its user can put right is said in a line."""
    try:
        words = sys.argv[1:] or ["--help"]
        command = app(words, prog_name="python -m csglib", standalone_mode=False)
        if isinstance(command, Command):
            command.run()
    except typer.TyperException as error:
        end(error.format_message())
    except ValueError as error:
        end(str(error))


if __name__ == "__main__":
    main()
