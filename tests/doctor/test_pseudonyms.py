"""Pseudonyms are keyed hashes; a folder has one key, whoever creates it and whatever the disk."""

import errno
import hashlib
import hmac
import os
import stat
import subprocess
import sys
import unicodedata
from contextlib import ExitStack
from pathlib import Path

import pytest

from csglib.data.clips import hash_patient
from csglib.doctor import pseudonyms
from csglib.doctor.labels import KEY
from csglib.doctor.pseudonyms import read_or_create_key


def no_links(path, target):
    raise PermissionError(errno.EPERM, "Operation not permitted", str(target), None, str(path))


def test_a_pseudonym_is_a_keyed_hash_of_the_normalised_name():
    key = bytes(range(32))
    keyed = hmac.new(key, b"DOE^JANE", hashlib.sha256).hexdigest()
    assert hash_patient("DOE^JANE", key) == f"patient-{keyed[:12]}"
    whole, parts = (unicodedata.normalize(form, "Jörg") for form in ("NFC", "NFD"))
    assert hash_patient(whole, key) == hash_patient(parts, key) != hash_patient("Jorg", key)
    assert hash_patient(whole, key) != hash_patient(whole, bytes(32))
    assert hash_patient("J\udcf6rg", key)  # a file name that is not UTF-8


@pytest.mark.parametrize("links", [True, False], ids=["disk", "no hard links"])
def test_a_folder_has_one_key_that_only_its_owner_can_read(tmp_path, monkeypatch, links):
    modes = []

    def token_bytes(count):  # even while the file is written
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.part"))
        return os.urandom(count)

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    monkeypatch.setattr(pseudonyms.secrets, "token_bytes", token_bytes)
    key = read_or_create_key(tmp_path)
    path = tmp_path / KEY
    assert (len(key), path.read_bytes()) == (32, key)
    assert [stat.S_IMODE(path.stat().st_mode), *modes] == [0o600, 0o600]
    os.utime(tmp_path, (0, 0))
    assert read_or_create_key(tmp_path) == key
    assert tmp_path.stat().st_mtime == 0  # nothing is written where there is a key
    assert [path.name for path in tmp_path.iterdir()] == [KEY]
    (tmp_path / "other").mkdir()
    assert read_or_create_key(tmp_path / "other") != key


IN_STEP = """
import sys
from pathlib import Path
from csglib.doctor.pseudonyms import read_or_create_key

print("ready", flush=True)
sys.stdin.readline()
print(*(read_or_create_key(Path(folder)).hex() for folder in sys.argv[1:]))
"""


def test_processes_that_create_it_at_once_get_the_same_key(tmp_path):
    folders = [tmp_path / str(number) for number in range(50)]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-c", IN_STEP, *map(str, folders)]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            for _ in range(2)
        ]
        for each in started:
            assert each.stdout.readline() == "ready\n"
        for each in started:
            each.stdin.write("go\n")
            each.stdin.flush()
        keys = [each.communicate()[0].split() for each in started]
    assert keys == [[(folder / KEY).read_bytes().hex() for folder in folders]] * 2
    assert {path.name for folder in folders for path in folder.iterdir()} == {KEY}


@pytest.mark.parametrize("links", [True, False], ids=["disk", "no hard links"])
def test_a_process_that_comes_later_takes_the_key_that_is_there(tmp_path, monkeypatch, links):
    path = tmp_path / KEY

    def another_is_faster(count):
        path.write_bytes(b"x" * count)
        return bytes(count)

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    monkeypatch.setattr(pseudonyms.secrets, "token_bytes", another_is_faster)
    assert read_or_create_key(tmp_path) == path.read_bytes() == b"x" * 32
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(64)])
def test_a_damaged_key_is_reported_and_kept(tmp_path, bad):
    (tmp_path / KEY).write_bytes(bad)
    with pytest.raises(ValueError, match=f"the key is damaged, {len(bad)} bytes of 32"):
        read_or_create_key(tmp_path)
    assert (tmp_path / KEY).read_bytes() == bad


def test_links_folders_and_files_in_the_place_of_a_key_or_its_folder(tmp_path):
    inside = tmp_path / "exports"
    inside.mkdir()
    (tmp_path / "elsewhere").write_bytes(bytes(32))
    (inside / KEY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="link that leads out of its folder"):
        read_or_create_key(inside)
    (inside / KEY).unlink()
    (inside / KEY).mkdir()
    for folder in (inside, tmp_path / "elsewhere"):
        with pytest.raises(ValueError, match=r"csglib\.key: the key cannot be made or read"):
            read_or_create_key(folder)
