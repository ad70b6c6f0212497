"""The key of a folder of exports, without which no pseudonym in it can be traced back.

Not in the paper.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from csglib.data.readers.limits import check_link
from csglib.doctor.labels import KEY

_BYTES = 32  # as many as SHA-256 has: a longer key would not be harder to guess


def read_or_create_key(folder: Path) -> bytes:
    """The key of a folder of exports; created, readable by its owner alone, if there is none.

    It stays in that folder and is as secret as the names in it: with it pseudonyms can be traced
    back; without it they cannot, and a new key gives new pseudonyms. When several processes create
    it at once, all get the same one.

    Raises:
        ValueError: a damaged key, a link in its place, or one that cannot be read or written.
    """
    path = folder / KEY
    check_link(path, folder, KEY)
    try:
        if not path.exists():
            _create(path)
        key = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: the key cannot be made or read: {error.strerror}") from error
    if len(key) != _BYTES:
        raise ValueError(
            f"{path}: the key is damaged, {len(key)} bytes of {_BYTES}; restore it from a backup, "
            "or delete it: all patients then get other pseudonyms"
        )
    return key


def _create(path: Path) -> None:
    """Write a complete key under a temporary name, then give it its name unless that is taken."""
    with (
        NamedTemporaryFile(
            "wb", 0, dir=path.parent, prefix=".", suffix=".part"
        ) as file,  # mode 600
        suppress(FileExistsError),  # another process was faster; its key is the key
    ):
        key = secrets.token_bytes(_BYTES)
        file.write(key)
        os.fsync(file.fileno())
        try:
            path.hardlink_to(file.name)
        except OSError:  # FAT has no hard links: there a reader might see half a key
            path.touch(0o600, exist_ok=False)
            path.write_bytes(key)
