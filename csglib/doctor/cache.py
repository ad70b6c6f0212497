"""Results of an examination, kept in the folder of exports by content: the next one takes seconds.

Not in the paper. Each is a JSON file in FOLDER/.doctor, named by a hash of all that it depends on.
They hold pictures, and are as private as the clips. Where nothing can be written, none is kept.
"""

import json
from contextlib import suppress
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from csglib.data.atomic import replacing

FOLDER = ".doctor"


def load(path: Path) -> Any:
    """What was stored there; None if nothing, or if it is damaged or was changed."""
    with suppress(OSError):
        digest, _, text = path.read_bytes().partition(b"\n")
        return json.loads(text) if digest == _digest(text) else None
    return None


def store(path: Path, result: Any) -> None:
    """Keep a result of types that JSON has."""
    text = json.dumps(result).encode()
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as file:
            file.write(_digest(text) + b"\n" + text)


def hash_of(*facts: Any) -> str:
    """A hash of facts, by their `repr`, of the files behind paths, and of this package's code."""
    told = [_content(fact) if isinstance(fact, Path) else repr(fact) for fact in facts]
    return sha256(repr((_code(), told)).encode()).hexdigest()


def _content(clip: Path) -> list[tuple[str, bytes]]:
    """Names and SHA-256 of a file, or of the files in a folder."""
    found = []
    for path in sorted(clip.iterdir()) if clip.is_dir() else [clip]:
        digest = b""
        if path.is_file():  # a pipe would never end
            with suppress(OSError), path.open("rb") as file:
                digest = file_digest(file, "sha256").digest()
        found.append((path.name, digest))
    return found


def _digest(text: bytes) -> bytes:
    return sha256(text).hexdigest().encode()


@cache
def _code() -> str:
    package = Path(__file__).parents[1]
    paths = sorted(path for room in ("data", "doctor") for path in (package / room).rglob("*.py"))
    return sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
