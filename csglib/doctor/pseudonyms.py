"""Pseudonyms of patients, which only the holder of a key can trace back, and the key.

Not in the paper.
"""

import hmac
import os
import secrets
import unicodedata
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from csglib.data.readers.limits import check_link
from csglib.doctor.labels import KEY

_BYTES = 32  # as many as SHA-256 has: a longer key would not be harder to guess
_DIGITS = 12  # hexadecimal: a collision among 10,000 patients has a probability of 1 in 5 million


def pseudonym(patient: str, key: bytes) -> str:
    """A keyed hash, "patient-" and 12 hexadecimal digits: the same for the same patient and key.

    A plain hash is not enough: there are at most a few billion patient ids and fewer names, which
    can all be hashed in minutes to find the one behind a pseudonym. Without the key of 32 secret
    random bytes that fails. Normalised first (NFC): some systems write é as one character, others
    as two.
    """
    text = unicodedata.normalize("NFC", patient).encode(errors="surrogateescape")
    return f"patient-{hmac.digest(key, text, 'sha256').hex()[:_DIGITS]}"


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
