"""Small clips, a network with uneven attention, made-up results, cheap cohorts, every widget."""

import json
import pickle
from concurrent.futures import Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from csglib import CSG3DCT, TINY, Clip, read_clip, resample
from csglib.data import ClipSet, Truth
from csglib.phantom import make_cohort as making
from csglib.phantom.patients import CohortSpec
from csglib.phantom.simulate import VERSION, Video
from csglib.table1.report import COSTS
from csglib.table1.rows import ALL_ROWS
from csglib.table1.run import RESULT
from csglib.train import SMOKE, Predictions
from csglib.train.experiment import TEST

SAMPLES = Path(__file__).parents[1] / "data_samples"

# Every widget: its module, the fixtures that it is made from, and the traits that show what waits
# for a guess or a choice. The contracts in tests/widgets run over all of them.
WIDGETS = {
    "AttentionExplorer": (
        "csglib.widgets.explorer",
        ["opinionated_network", "simulated_clip"],
        {"view": "time", "query": 75, "compare": True, "show_truth": True},
    ),
    "TrainingDashboard": (
        "csglib.widgets.dashboard",
        ["opinionated_network", "two_clips", "two_clips", "smoke"],
        {"shares": np.array([[0.2, 0.9]], np.float32).tobytes(), "records": [
            {"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.7, "seconds": 1.0,
             "validation_loss": 0.6, "validation_accuracy": 1.0}
        ]},
    ),
    "ClipPicker": ("csglib.doctor.picker.clip_picker", ["video", "path_of_the_video"], {}),
    "Balance": ("csgcourse.widgets.balance", [], {"step": 300, "guess": 0.9}),
    "CostDial": (
        "csgcourse.widgets.cost_dial", [], {"guess_8": 50, "guess_64": 50, "revealed": True}
    ),
    "PatchAttention": (
        "csgcourse.widgets.patch_attention",
        ["opinionated_network", "simulated_clip"],
        {"guess": "same"},
    ),
    "PhantomStudio": ("csgcourse.widgets.phantom_studio", [], {"guess": "mild"}),
    "SelfTest": ("csgcourse.widgets.self_test", [], {}),
    "Switchboard": (
        "csgcourse.widgets.switchboard",
        ["simulated_clip", "opinionated_network"],
        {"guess": "own own own"},
    ),
    "TableReader": ("csgcourse.widgets.table_reader", ["two_rows"], {}),
    "TimeStretch": ("csgcourse.widgets.time_stretch", [], {"guess": "all", "slices": "own"}),
    "TokenExplorer": (
        "csgcourse.widgets.token_explorer",
        ["simulated_clip"],
        {"axis": "time", "order": "reshaped", "guess": "mix"},
    ),
    "WiringMap": ("csgcourse.widgets.wiring_map", ["small_networks"], {"guess": "c3"}),
}  # fmt: skip


def circles(radii, centre=(64.0, 48.0), points=24):
    """A circle a frame."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return np.array(centre) + np.asarray(radii)[:, None, None] * ring


@pytest.fixture(scope="module")
def simulated_clip():
    """Three frames of 96 x 128: small enough to be sent pixel by pixel."""
    closed = np.array([0.2, 0.75, 0.4])
    outer, inner = (circles([radius] * 3) for radius in (36, 30))
    truth = Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=circles(30 * np.sqrt(1 - closed)),
        area_stenosis=closed,
        diameter_stenosis=1 - np.sqrt(1 - closed),
    )
    grey = np.random.default_rng(7).integers(0, 256, (3, 96, 128), dtype=np.uint8)
    return Clip(frames=grey, patient="nobody", truth=truth)


@pytest.fixture
def clip_of_the_course():
    return resample(read_clip(SAMPLES / "severe_borderline_type_II.npz"), frames=4, size=128)


@pytest.fixture
def video():
    frames = np.random.default_rng(9).integers(0, 256, (20, 64, 64), dtype=np.uint8)
    return Clip(frames=frames, patient="nobody")


@pytest.fixture
def path_of_the_video():
    return "patient/video.mp4"


@pytest.fixture
def two_clips():
    frames = np.zeros((2, 1, 16, 16), np.uint8)
    return ClipSet(frames=frames, grades=np.arange(2), patients=("one", "other"))


@pytest.fixture
def two_rows(write_runs, tmp_path):
    for name in ("i3d", "csg3dct"):
        write_runs(tmp_path, name, np.arange(12) % 5 > 0)
    return tmp_path


@pytest.fixture
def small_networks():
    return dict.fromkeys(("PAPER", "BASE", "TINY"), TINY)


@pytest.fixture
def smoke():
    return SMOKE


@pytest.fixture(params=WIDGETS)
def make_widget(request):
    """Makes one of `WIDGETS`, again and again; with `opened=True`, showing all that it has."""
    module, needs, opened_traits = WIDGETS[request.param]
    given = [request.getfixturevalue(name) for name in needs]

    def make(opened=False):
        made = getattr(import_module(module), request.param)(*given)
        for name, value in opened_traits.items() if opened else ():
            setattr(made, name, value)
        return made

    return make


@pytest.fixture(scope="module")
def opinionated_network():
    """Random weights with large queries and keys, so that the maps are far from uniform."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = CSG3DCT(TINY)
        for name, weights in network.named_parameters():
            if weights.ndim == 2 and name.split(".")[-2] in ("q", "k", "qkv"):
                weights.data.normal_(0, 0.3)
    return network


@pytest.fixture(scope="session")
def write_runs():
    """Writes finished runs of a row of a table, a seed each: which of its clips they got right.

    Every third clip is mild; two clips in a row are of one patient.
    """

    def write(folder, name, *rights):
        for seed, right in enumerate(np.array(rights, dtype=bool)):
            run = folder / name / f"seed-{seed}"
            run.mkdir(parents=True)
            grades = (np.arange(len(right)) % 3 > 0).astype(int)
            severe = np.where(right, grades, 1 - grades) * 0.6 + 0.2
            Predictions(
                probabilities=np.stack([1 - severe, severe], axis=1),
                grades=grades,
                patients=tuple(f"p{clip // 2}" for clip in range(len(right))),
                names=("mild", "severe"),
            ).write(run / TEST)
            costs = dict.fromkeys(COSTS, 1.0) | {
                "parameters": 1e6 * (1 + list(ALL_ROWS).index(name))
            }
            (run / RESULT).write_text(json.dumps(costs))

    return write


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
        radii = self.size * np.stack([0 * along + 0.4, 0 * along + 0.3, 0.3 * (1 - closed)])
        outer, inner, lumen = (circles(each, [self.size / 2] * 2, points=12) for each in radii)
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


def contents(folder):
    """Bytes of every file but the lock, by name."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@contextmanager
def in_this_process(count, work, tasks):
    """Instead of `parallel.workers`: tasks are pickled too; the first error is the last."""
    futures = [Future() for _ in tasks]
    for future, task in zip(futures, tasks, strict=True):
        try:
            again, given = pickle.loads(pickle.dumps((work, task)))
            future.set_result(pickle.loads(pickle.dumps(again(given))))
        except Exception as error:
            future.set_exception(error)
            break
    yield futures


@pytest.fixture
def cheap_videos(monkeypatch):
    """Cohorts of `Sweep`, made in the process of the test; says which videos were made."""
    return replace_videos(monkeypatch)


@pytest.fixture(scope="session")
def a_cheap_cohort(tmp_path_factory):
    """A whole cohort of five patients; copy it, do not change it."""
    folder = tmp_path_factory.mktemp("cheap") / "cohort"
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_videos(monkeypatch)
        making.make_cohort(folder, CohortSpec(patients=5, size=16, seed=1))
    return folder


def replace_videos(monkeypatch):
    made = []

    def make_video(seed, plaques, size, **body):
        made.append(seed)
        return Sweep(seed, plaques, size, body)

    monkeypatch.setattr(making, "make_video", make_video)
    monkeypatch.setattr(making, "workers", in_this_process)
    return made
