import errno
import hashlib
import hmac
import os
import stat
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from csglib.doctor import pseudonyms
from csglib.doctor.exports import KEY
from csglib.doctor.pseudonyms import Pseudonyms, key_of

IN_STEP = """
import sys
from pathlib import Path
from csglib.doctor.pseudonyms import key_of

print("ready", flush=True)
sys.stdin.readline()
print(*(key_of(Path(folder)).hex() for folder in sys.argv[1:]))
"""


def no_links(path, target):
    raise PermissionError(errno.EPERM, "Operation not permitted", str(target), None, str(path))


def test_a_pseudonym_is_a_keyed_hash():
    key = bytes(range(32))
    keyed = hmac.new(key, b"DOE^JANE", hashlib.sha256).hexdigest()
    assert Pseudonyms(key).name("DOE^JANE") == f"patient-{keyed[:12]}"


def test_another_key_gives_other_names_and_a_plain_hash_none_of_them():
    one, other = Pseudonyms(bytes(32)), Pseudonyms(bytes(31) + b"\1")
    patients = [f"PX-{number}" for number in range(500)]
    names = {one.name(patient) for patient in patients} | {other.name(name) for name in patients}
    assert len(names) == 1000
    digests = [hashlib.sha256(patient.encode()).hexdigest() for patient in patients]
    assert not {f"patient-{digest[:12]}" for digest in digests} & names


def test_one_name_written_in_two_ways_is_one_patient():
    names = Pseudonyms(bytes(32))
    whole, parts = (unicodedata.normalize(form, "Jörg") for form in ("NFC", "NFD"))
    assert whole != parts
    assert names.name(whole) == names.name(parts) != names.name("Jorg")
    assert names.name("J\udcf6rg")  # a name of a file that is no UTF-8


def test_a_folder_has_one_key_for_its_owner_s_eyes(tmp_path):
    key = key_of(tmp_path)
    path = tmp_path / KEY
    assert (len(key), path.read_bytes()) == (32, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_of(tmp_path) == key
    (tmp_path / "other").mkdir()
    assert key_of(tmp_path / "other") != key
    assert sorted(path.name for path in tmp_path.iterdir()) == [KEY, "other"]


def test_where_there_is_a_key_nothing_is_written(tmp_path):
    key_of(tmp_path)
    os.utime(tmp_path, (0, 0))
    key_of(tmp_path)
    assert tmp_path.stat().st_mtime == 0


def test_nobody_else_can_read_it_while_it_is_written(tmp_path, monkeypatch):
    modes = []

    def bytes_of_zero(count):
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.part"))
        return bytes(count)

    monkeypatch.setattr(pseudonyms.secrets, "token_bytes", bytes_of_zero)
    key_of(tmp_path)
    assert modes == [0o600]


def test_of_many_who_come_at_once_one_makes_it(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        assert len({*pool.map(key_of, [tmp_path] * 64)}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_of_many_processes_one_makes_it(tmp_path):
    folders = [tmp_path / str(number) for number in range(50)]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-c", IN_STEP, *map(str, folders)]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            for _ in range(4)
        ]
        for each in started:
            assert each.stdout.readline() == "ready\n"
        for each in started:
            each.stdin.write("go\n")
            each.stdin.flush()
        told = [each.communicate()[0].split() for each in started]
    assert told == [[(folder / KEY).read_bytes().hex() for folder in folders]] * 4
    assert {path.name for folder in folders for path in folder.iterdir()} == {KEY}


@pytest.mark.parametrize("links", [True, False], ids=["disk", "stick"])
def test_who_comes_a_moment_later_takes_the_key_that_is_there(tmp_path, monkeypatch, links):
    path = tmp_path / KEY

    def somebody_is_faster(count):
        path.write_bytes(b"x" * count)
        return bytes(count)

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    monkeypatch.setattr(pseudonyms.secrets, "token_bytes", somebody_is_faster)
    assert key_of(tmp_path) == path.read_bytes() == b"x" * 32
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_a_stick_without_links_has_a_key_too(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "hardlink_to", no_links)
    key = key_of(tmp_path)
    assert (len(key), (tmp_path / KEY).read_bytes()) == (32, key)
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(64)])
def test_a_damaged_key_is_said_and_left_as_it_is(tmp_path, bad):
    (tmp_path / KEY).write_bytes(bad)
    with pytest.raises(ValueError, match=f"the key is damaged, {len(bad)} bytes of 32; copy it"):
        key_of(tmp_path)
    assert (tmp_path / KEY).read_bytes() == bad
    with pytest.raises(ValueError, match=f"a key has 32 bytes: got {len(bad)}"):
        Pseudonyms(bad)


def test_a_key_is_no_link_and_its_folder_is_there(tmp_path):
    inside = tmp_path / "exports"
    inside.mkdir()
    (tmp_path / "elsewhere").write_bytes(bytes(32))
    (inside / KEY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="a link that leads out of its folder"):
        key_of(inside)
    (tmp_path / "file").touch()
    with pytest.raises(
        ValueError, match=r"file/csglib\.key: the key cannot be made or read: Not a"
    ):
        key_of(tmp_path / "file")
    (inside / KEY).unlink()
    (inside / KEY).mkdir()
    with pytest.raises(ValueError, match="the key cannot be made or read"):
        key_of(inside)
