"""The check of what was written: eight kinds of planted leaks are found, and none without them."""

import json
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from csglib.data.clips import Clip, save_clip
from csglib.doctor import CohortSettings, deidentify, examine
from csglib.doctor.privacy import find_leaks, private_words

from .conftest import with_cross


@pytest.fixture
def written(exports, tmp_path):
    for number in range(12):
        patient = number // 2
        exports.labels.clear() if not number else None
        name = f"Jörgensen^Inga {patient}/19610203 {number}.npz"
        grade, split = ("mild", "severe")[number % 2], ("train", "validation", "test")[patient // 2]
        exports.add(name, exports.cohort[number], f"PX-4711-{patient}", grade=grade, split=split)
    report = examine(exports.write(), CohortSettings(size=64), workers=1)
    deidentify(report, tmp_path / "out")
    return tmp_path / "out"


def add_to_npz(out, name, content):
    with zipfile.ZipFile(out / "clips/0001.npz", "a") as archive:
        archive.writestr(name, content)


def tagged(out):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("by", "seen by Jörgensen", zip=True)
    Image.new("L", (4, 4)).save(out / "sheet.png", pnginfo=notes)


def in_pixels(out, cohort):
    frames = with_cross(with_cross(cohort[0], 20, 20), 20, 34)
    save_clip(Clip(frames=frames, patient="p"), out / "clips/0001.npz")


LEAKS = {
    "name": lambda out, _: (out / "clips/INGA.txt").touch(),
    "manifest": lambda out, _: (out / "manifest.csv").write_text("clip,1961-02-03\n"),
    "metadata": lambda out, _: (out / "cohort.json").write_text(json.dumps("born 03.02.1961")),
    "wide string": lambda out, _: save_clip(
        Clip(frames=np.zeros((2, 4, 4), np.uint8), patient="JÖRGENSEN"), out / "clips/0001.npz"
    ),
    "member": lambda out, _: add_to_npz(out, "notes.npy", "PX-4711-2".encode("utf-16-le")),
    "tag": lambda out, _: tagged(out),
    "hash": lambda out, _: (out / "a.bin").write_text(sha256(b"PX-4711-3").hexdigest()),
    "pixels": in_pixels,
}


def test_each_of_eight_planted_leaks_is_found_and_nothing_without_one(exports, written):
    words = private_words(exports.folder)
    assert find_leaks(written, words) == []
    kept = {path: path.read_bytes() for path in written.rglob("*") if path.is_file()}
    for kind, plant in LEAKS.items():
        plant(written, exports.cohort)
        assert find_leaks(written, words), kind
        for path in [path for path in written.rglob("*") if path.is_file()]:
            path.write_bytes(kept[path]) if path in kept else path.unlink()
    assert find_leaks(written, words) == []


@pytest.mark.parametrize("start", [b"PK\3\4", b"\xff\xd8\xff", b"\0\0\0\x18ftypmp42"])
def test_what_cannot_be_opened_is_named(tmp_path, start):
    (tmp_path / "a.bin").write_bytes(start + b"Jane Doe" * 9)
    for search in (lambda: find_leaks(tmp_path, ["jane"]), lambda: private_words(tmp_path)):
        with pytest.raises(ValueError, match=r"a\.bin: cannot be searched for names; mend it"):
            search()
