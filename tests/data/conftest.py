"""Videos that cost nothing, for tests of what becomes of them."""

from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest

from csglib.data.clips import Clip, Truth
from csglib.phantom import production
from csglib.phantom import render as filming
from csglib.phantom.patients import Settings
from csglib.phantom.simulate import VERSION, Video

TURN = np.linspace(0, 2 * np.pi, 12, endpoint=False)
RING = np.stack([np.cos(TURN), np.sin(TURN)], axis=-1)


class Sweep(Video):
    """41 frames of noise along a round artery with three narrow places."""

    keys = (2, 20, 37)

    def __init__(self, seed: int, plaques: int, size: int, body: dict[str, object]) -> None:
        assert plaques == len(self.keys)
        self.seed, self.size, self.body = seed, size, body
        self.depths = np.random.default_rng(seed).uniform(0.2, 0.999, plaques)

    def __len__(self) -> int:
        return 41

    def clip(self, first: int, frames: int) -> Clip:
        assert 0 <= first <= first + frames <= len(self)
        along = np.arange(first, first + frames)
        near = np.exp(-((along[:, None] - self.keys) ** 2) / 9.0)
        closed = (near * self.depths).max(axis=1)
        radii = np.stack([np.full(frames, 0.4), np.full(frames, 0.3), 0.3 * (1 - closed)])
        outer, inner, lumen = self.size * (0.5 + radii[..., None, None] * RING)
        grey = [np.random.default_rng([self.seed, n]).bytes(self.size**2) for n in along.tolist()]
        truth = Truth(
            vessel_outer=outer,
            vessel_inner=inner,
            lumen=lumen,
            area_stenosis=1 - (1 - closed) ** 2,
            diameter_stenosis=closed,
            parameters={
                "seed": self.seed,
                "phantom": VERSION,
                "plaque": "III",
                "side": "near",
                "calcified": 0.125,
                **{name: self.body[name] for name in ("diameter", "depth", "scanner")},
            },
        )
        pixels = np.frombuffer(b"".join(grey), np.uint8).reshape(frames, self.size, self.size)
        return Clip(frames=pixels, patient="nobody", mm_per_px=0.07, truth=truth)


@contextmanager
def in_this_process(count, work, tasks):
    """Instead of `workshop.workers`; the first error is the last task."""
    futures = [Future() for _ in tasks]
    for future, task in zip(futures, tasks, strict=True):
        try:
            future.set_result(work(task))
        except Exception as error:
            future.set_exception(error)
            break
    yield futures


@pytest.fixture
def cheap_videos(monkeypatch):
    """Cohorts of `Sweep`, made in the process of the test; says which videos were made."""
    return replace_videos(monkeypatch)


@pytest.fixture(scope="module")
def a_cheap_cohort(tmp_path_factory):
    """A whole cohort of five patients; copy it, do not change it."""
    folder = tmp_path_factory.mktemp("cheap") / "cohort"
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_videos(monkeypatch)
        production.make_cohort(folder, Settings(patients=5, size=16, seed=1))
    return folder


def replace_videos(monkeypatch):
    made = []

    def make_video(seed, plaques, size, **body):
        made.append(seed)
        return Sweep(seed, plaques, size, body)

    monkeypatch.setattr(filming, "make_video", make_video)
    monkeypatch.setattr(production, "workers", in_this_process)
    return made
