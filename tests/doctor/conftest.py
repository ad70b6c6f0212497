"""A folder of phantom clips without faults, ways to plant some, and scanner screens with names."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from csglib import Clip, read_clip
from csglib.data.clips import Region, save_clip
from csglib.doctor.labels import Label, write_labels
from csglib.phantom import parallel

from ..conftest import SAMPLES, in_this_process
from ..data.clip_files import LIMITED, video

SPLITS = ("train", "train", "validation", "validation", "test", "test")  # of the patients


@pytest.fixture(scope="session")
def cohort():
    """112 clips of 56 patients, two each: mild and severe."""
    with np.load(SAMPLES / "cohort_64.npz") as file:
        return file["frames"]


@pytest.fixture(scope="session")
def large():
    """Six clips of 256 x 256."""
    return [read_clip(path).frames for path in sorted(SAMPLES.glob("*_type_*.npz"))]


@pytest.fixture
def exports(tmp_path, cohort):
    """Six patients, two clips each, no faults."""
    return Exports(tmp_path / "exports", cohort)


@pytest.fixture
def no_processes(monkeypatch):
    """Workers take seconds to start: their tasks are done here, pickled as for them."""
    monkeypatch.setattr(parallel, "workers", in_this_process)


class Exports:
    """A folder, and its labels until they are written; clips from 12 on are there for faults."""

    def __init__(self, folder, cohort):
        self.folder, self.cohort, self.labels = folder, cohort, {}
        for number in range(12):
            patient = number // 2
            grade, split = ("mild", "severe")[number % 2], SPLITS[patient]
            self.add(f"p{patient}/{number}.npz", cohort[number], grade=grade, split=split)

    def save(self, name, frames, patient=None, mm_per_px=0.15):
        """Write a clip; by default of the patient whose folder it is in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        patient = patient or f"id of {name.partition('/')[0]}"
        frames = np.ascontiguousarray(frames)
        save_clip(Clip(frames=frames, patient=patient, mm_per_px=mm_per_px), path)
        return path

    def label(self, name, grade="mild", split="train", **more):
        """Add a row; a clip may have several."""
        row = Label(clip=name, grade=grade, split=split, **more)
        self.labels.setdefault(name, []).append(row)

    def add(self, name, frames, /, patient=None, mm_per_px=0.15, **row):
        self.save(name, frames, patient, mm_per_px)
        self.label(name, **row)

    def write(self):
        rows = [row for rows in self.labels.values() for row in rows]
        write_labels(self.folder / "labels.csv", rows)
        return self.folder


def encoded(frames, path, quality=28):
    """H.264, as from a screen recorder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video(frames, path, "libx264", "yuv420p", LIMITED, crf=str(quality))


def h264(frames, folder, quality):
    """Encoded, and decoded again."""
    encoded(frames, folder / "clip.mp4", quality)
    return read_clip(folder / "clip.mp4").frames


def with_cross(frames, y, x, reach=5):
    """A caliper of one pixel's width."""
    marked = frames.copy()
    marked[:, y - reach : y + reach + 1, x] = marked[:, y, x - reach : x + reach + 1] = 255
    return marked


def side_by_side(one, other, gap=8):
    frames, height, _ = one.shape
    return np.concatenate([one, np.zeros((frames, height, gap), np.uint8), other], axis=2)


ON_SCREEN = Region(100, 50, 356, 306)  # where `on_screen` puts the tissue


def on_screen(frames, lines=("DOE JOHN  1901-01-01",), size=(480, 360), at=ON_SCREEN):
    """As scanners export it: who it is above the tissue, and a scale beside it."""
    screen = Image.new("L", size)
    draw = ImageDraw.Draw(screen)
    for number, line in enumerate(lines):
        draw.text((6, 4 + 22 * number), line, 255, ImageFont.load_default(16))
    draw.rectangle((at.right + 22, at.top + 10, at.right + 32, at.bottom - 20), 200)
    for y in range(at.top, at.bottom, 20):
        draw.line((at.right + 4, y, at.right + 12, y), 180)
    shown = np.stack([np.asarray(screen)] * len(frames))
    shown[:, at.top : at.bottom, at.left : at.right] = frames
    return shown
