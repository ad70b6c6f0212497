import hashlib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from csglib.data.clips import Clip, Truth, save_clip


def simulated(frames: int = 5, height: int = 37, width: int = 41) -> Clip:
    rng = np.random.default_rng(3)
    polygons = rng.uniform(0, width, (3, frames, 7, 2))
    truth = Truth(
        vessel_outer=polygons[0],
        vessel_inner=polygons[1],
        lumen=polygons[2],
        area_stenosis=np.linspace(0.1, 0.7, frames),
        diameter_stenosis=np.linspace(0.05, 0.55, frames),
        parameters={"seed": 11, "depth_mm": 14.5, "plaque": "type III, échogène"},
    )
    grey = rng.integers(0, 256, (frames, height, width), dtype=np.uint8)
    return Clip(frames=grey, patient="patient-7", mm_per_px=0.0679, truth=truth)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    save_clip(simulated(), tmp_path / "one.npz")
    save_clip(simulated(), tmp_path / "two.npz")
    assert digest(tmp_path / "one.npz") == digest(tmp_path / "two.npz")
    with ZipFile(tmp_path / "one.npz") as archive:  # a second later too: no clock inside
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_file_keeps_its_name_and_has_no_neighbours(tmp_path):
    save_clip(simulated(), tmp_path / "clip.dat")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.dat"]


def test_nothing_needs_pickle(tmp_path):
    save_clip(simulated(), tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as arrays:
        assert {name for name in arrays if arrays[name].dtype == object} == set()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "clip.npz"
    save_clip(simulated(), path)
    before = digest(path)

    def full_disk(file, **arrays):
        file.write(b"half a ")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_clip(simulated(frames=6), path)
    assert digest(path) == before
    assert list(tmp_path.iterdir()) == [path]
