"""Names for patients that only the holder of a key can trace back, and the key.

Not in the paper.
"""

import hmac
import os
import secrets
import unicodedata
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from csglib.data.readers.limits import check_link
from csglib.doctor.exports import KEY

_BYTES = 32  # as many as SHA-256 gives: a longer key would not be harder to guess
_DIGITS = 12  # hexadecimal: among 10 000 patients two of one name are one chance in 5 million


class Pseudonyms:
    """Keyed names: the same for the same patient and key, and nothing to whoever lacks the key.

    A plain hash is not enough. There are at most a few billion PatientIDs, and fewer names: whoever
    hashes them all, in minutes, finds which one gave a pseudonym. Without the key that is in vain,
    and with another key the same patient has another name.

    Args:
        key: 32 bytes that nobody can guess; see `key_of`.

    Raises:
        ValueError: of another length.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != _BYTES:
            raise ValueError(f"a key has {_BYTES} bytes: got {len(key)}")
        self._key = key

    def name(self, patient: str) -> str:
        """A pseudonym: "patient-" and 12 hexadecimal digits.

        Args:
            patient: whatever the patient is called; é is the same, be it written as one sign or,
                as some systems name their files, as two.
        """
        called = unicodedata.normalize("NFC", patient).encode(errors="surrogateescape")
        return f"patient-{hmac.digest(self._key, called, 'sha256').hex()[:_DIGITS]}"


def key_of(folder: Path) -> bytes:
    """The key of a folder of exports; where there is none yet, one is made, for its owner's eyes.

    It stays there, as secret as the names of the folders around it. With it everybody could find
    out whose a pseudonym is; without it nobody can, and the same patients get other names. Of many
    who come at once one makes it, and all get that one. Nothing else is left in the folder.

    Args:
        folder: of exports.

    Raises:
        ValueError: a key that is none, a link instead of one, or one that cannot be written.
    """
    path = folder / KEY
    check_link(path, folder, KEY)
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: the key cannot be made or read: {error.strerror}") from error
    if len(key) != _BYTES:
        raise ValueError(
            f"{path}: the key is damaged, {len(key)} bytes of {_BYTES}; copy it back from wherever "
            "the folder is kept safe, or delete it: all patients then get other pseudonyms"
        )
    return key


def _make(path: Path) -> None:
    """Write a key beside its place, then put it there whole, unless another is there by now."""
    handle, name = mkstemp(".part", f".{path.name}.", path.parent)  # nobody else may open it
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        _place(unfinished, path)
    finally:
        unfinished.unlink()


def _place(unfinished: Path, path: Path) -> None:
    with suppress(FileExistsError):  # somebody was faster, and theirs is the key
        try:
            path.hardlink_to(unfinished)
        except OSError:  # memory sticks have no links: there, somebody may see it half written
            path.touch(0o600, exist_ok=False)
            path.write_bytes(unfinished.read_bytes())
