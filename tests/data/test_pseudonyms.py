import hashlib
import hmac
import stat
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest

from csglib.data import pseudonyms
from csglib.data.exports import KEY
from csglib.data.pseudonyms import Pseudonyms, key_of


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
    assert [path.name for path in tmp_path.glob("[!.]*")] == [KEY, "other"]


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
    with pytest.raises(ValueError, match="the key cannot be made or read"):
        key_of(tmp_path / "file")
    (inside / KEY).unlink()
    (inside / KEY).mkdir()
    with pytest.raises(ValueError, match="the key cannot be made or read"):
        key_of(inside)
