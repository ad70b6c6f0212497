"""A second examination reads nothing that has not changed, and finds the same."""

from dataclasses import replace

import numpy as np
import pytest

from csglib.doctor import CohortSettings, cache, examination, examine

SETTINGS = CohortSettings(size=64)


@pytest.fixture
def read(monkeypatch):
    """Names of the clips that are read."""
    names, read_clip = [], examination.read_clip

    def noted(path, key):
        names.append(path.name)
        return read_clip(path, key)

    monkeypatch.setattr(examination, "read_clip", noted)
    return names


def facts(report):
    records = [record.to_json() for record in report.records.values()]
    return report.findings, report.near_duplicates, records, report._repr_html_()


def test_only_what_has_changed_is_read_again_and_the_findings_are_the_same(exports, read):
    exports.add("p0/twin.npz", np.maximum(exports.cohort[40], 1), first_frame=6, frames=9)
    exports.add("p1/copy.npz", exports.cohort[40], split="train")
    (exports.folder / "p5/broken.dcm").write_bytes(b"\2\0\0\0UL")
    first = examine(exports.write(), SETTINGS, workers=1)
    assert len(read) == 15 and {pair.same_frames for pair in first.near_duplicates} == {True}
    read.clear()
    assert facts(examine(exports.folder, SETTINGS, workers=1)) == facts(first)
    exports.labels["p1/3.npz"] = [replace(exports.labels["p1/3.npz"][0], grade="mild")]
    exports.write()
    read.clear()
    graded = examine(exports.folder, SETTINGS, workers=1)
    assert read == ["broken.dcm"]
    assert graded.records["p1/3.npz"].previews[0].label.grade == "mild"
    exports.save("p0/0.npz", exports.cohort[50])
    exports.label("p0/1.npz", first_frame=1)
    exports.write()
    damaged = min((exports.folder / ".doctor").iterdir())
    damaged.write_bytes(damaged.read_bytes().replace(b"share", b"shame").replace(b"1", b"2"))
    read.clear()
    again = examine(exports.folder, SETTINGS, workers=1)
    assert {"0.npz", "1.npz"} < {*read} and len(read) <= 4
    for path in (exports.folder / ".doctor").iterdir():
        path.unlink()
    assert facts(examine(exports.folder, SETTINGS, workers=1)) == facts(again)


def test_what_is_kept_depends_on_key_settings_and_code_and_goes_with_its_clip(
    exports, read, monkeypatch
):
    def number_read(size=64):
        read.clear()
        examine(exports.folder, CohortSettings(size=size), workers=1)
        return len(read)

    exports.write()
    assert [number_read(), number_read(), number_read(32), number_read(32)] == [12, 0, 12, 0]
    (exports.folder / "csglib.key").unlink()
    assert [number_read(32), number_read(32)] == [12, 0]
    monkeypatch.setattr(cache, "_code", lambda: "another version")
    assert [number_read(32), number_read(32)] == [12, 0]
    assert len([*(exports.folder / ".doctor").iterdir()]) == 13  # and the pairs
    (exports.folder / "p0/0.npz").unlink()
    number_read(32)
    assert len([*(exports.folder / ".doctor").iterdir()]) == 12


def test_where_nothing_can_be_written_nothing_is_kept(exports, monkeypatch, read):
    exports.write()
    monkeypatch.setattr(examination.os, "access", lambda *_: False)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(cache, "replacing", refuse)
    assert examine(exports.folder, SETTINGS, workers=1).findings == ()
    assert not (exports.folder / "csglib.key").exists() and len(read) == 12
