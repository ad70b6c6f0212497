"""Files that are written whole or not at all."""

import csv
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` once it is complete and on disk; else nothing."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_csv(
    path: Path, header: Iterable[str], rows: Iterable[Iterable[object]], coding: str = "utf-8"
) -> None:
    """Write a CSV file in one go."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    with replacing(path) as file:
        file.write(text.getvalue().encode(coding))
