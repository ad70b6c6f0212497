"""A folder of phantom clips that is in order, and ways to spoil it."""

from pathlib import Path

import av
import numpy as np
import pytest

from csglib.data.clips import Clip, save_clip
from csglib.doctor.labels import Label, write_labels

SAMPLES = Path(__file__).parents[2] / "data_samples"
SIDES = ("train", "train", "validation", "validation", "test", "test")


@pytest.fixture(scope="session")
def cohort():
    """112 clips of 56 patients, two each: mild and severe."""
    with np.load(SAMPLES / "cohort_64.npz") as file:
        return file["frames"]


@pytest.fixture
def exports(tmp_path, cohort):
    """Six patients, two clips each, nothing to find."""
    return Exports(tmp_path / "exports", cohort)


class Exports:
    """A folder, and its labels until they are written.

    Args:
        folder: made here.
        cohort: whose first twelve clips are in order; the others are there to be spoiled.
    """

    def __init__(self, folder, cohort):
        self.folder, self.cohort, self.labels = folder, cohort, {}
        for number in range(12):
            patient = number // 2
            name = f"p{patient}/{number}.npz"
            self.save(name, cohort[number], person=f"person {patient}")
            self.say(name, grade=("mild", "severe")[number % 2], split=SIDES[patient])

    def save(self, name, frames, person="", mm_per_px=0.15):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = np.ascontiguousarray(frames)
        person = person or f"person of {name}"
        save_clip(Clip(frames=frames, patient=person, mm_per_px=mm_per_px), path)
        return path

    def say(self, name, grade="mild", split="train", **more):
        """Label a clip; once more, give it another row."""
        row = Label(clip=name, grade=grade, split=split, **more)
        self.labels.setdefault(name, []).append(row)

    def write(self):
        rows = [row for rows in self.labels.values() for row in rows]
        write_labels(self.folder / "labels.csv", rows)
        return self.folder


def encoded(frames, path, quality=28):
    """H.264, as from a screen recorder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": str(quality)})
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuv420p"
        pictures = [
            av.VideoFrame.from_ndarray(np.stack([frame] * 3, axis=-1), "rgb24") for frame in frames
        ]
        for picture in [*pictures, None]:
            file.mux(stream.encode(picture))


def with_cross(frames, y, x, reach=5):
    """A caliper of one pixel's width."""
    marked = frames.copy()
    marked[:, y - reach : y + reach + 1, x] = marked[:, y, x - reach : x + reach + 1] = 255
    return marked


def side_by_side(one, other, gap=8):
    frames, height, _ = one.shape
    return np.concatenate([one, np.zeros((frames, height, gap), np.uint8), other], axis=2)
