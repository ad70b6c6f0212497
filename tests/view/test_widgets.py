"""What a widget is without a page: its text, its still, and the exact bytes it would send."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import traitlets
from PIL import Image

import csglib
from csgcourse.widgets.balance import Balance
from csgcourse.widgets.cost_dial import CostDial
from csgcourse.widgets.phantom_studio import PhantomStudio
from csgcourse.widgets.self_test import SelfTest
from csgcourse.widgets.switchboard import Switchboard
from csgcourse.widgets.table_reader import TableReader
from csgcourse.widgets.time_stretch import TimeStretch
from csgcourse.widgets.token_explorer import TokenExplorer
from csgcourse.widgets.wiring_map import WiringMap
from csglib.data.clips import Clip, resample
from csglib.data.cohort import ClipSet
from csglib.data.readers import read_clip
from csglib.doctor.picker.clip_picker import ClipPicker
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.train.config import SMOKE
from csglib.view.class_token import class_token
from csglib.widgets.dashboard.dashboard import TrainingDashboard
from csglib.widgets.explorer.explorer import AttentionExplorer

NEEDS = {  # what each is made from
    AttentionExplorer: ("opinionated_network", "simulated_clip"),
    Balance: (),
    ClipPicker: ("video", "path_of_the_video"),
    CostDial: ("opinionated_network", "simulated_clip"),
    PhantomStudio: (),
    SelfTest: (),
    Switchboard: ("clip_of_the_course",),  # noise makes a still that no reader gets
    TableReader: ("two_rows",),
    TimeStretch: (),
    TokenExplorer: ("simulated_clip",),
    TrainingDashboard: ("opinionated_network", "two_clips", "two_clips", "smoke"),
    WiringMap: (),
}
LIVE = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def explorer(opinionated_network, simulated_clip):
    return AttentionExplorer(opinionated_network, simulated_clip)


@pytest.fixture
def clip_of_the_course():
    samples = Path(csglib.__file__).parents[1] / "data_samples"
    return resample(read_clip(samples / "severe_borderline_type_II.npz"), frames=4, size=128)


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
def smoke():
    return SMOKE


@pytest.fixture(params=NEEDS, ids=lambda kind: kind.__name__)
def made(request):
    """Makes the same widget, again and again."""
    needs = [request.getfixturevalue(name) for name in NEEDS[request.param]]
    return lambda: request.param(*needs)


@pytest.fixture
def widget(made):
    return made()


def still(widget):
    bundle, _ = widget._repr_mimebundle_()
    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))


def test_prints_the_same_text_in_every_run(made, widget):
    text = repr(widget)
    assert text.startswith(f"{type(widget).__name__}(")
    assert not re.search(r"0x|object at|[0-9a-f]{32}", text)
    assert repr(made()) == text


def test_shows_a_live_view_a_text_and_a_still(widget):
    bundle, _ = widget._repr_mimebundle_()
    assert set(bundle) == {"text/plain", LIVE, "image/png"}
    assert bundle["text/plain"] == repr(widget)
    assert bundle[LIVE]["model_id"] == widget.model_id
    assert len(bundle["image/png"]) < 100_000  # git keeps every one
    assert still(widget).width > 400


def test_the_module_is_one_text_that_fetches_nothing(widget):
    assert widget._esm.count("export default") == 1
    text = widget._esm + widget._css
    assert not re.search(r"https?:|\bimport\b|fetch\(|@import|url\(", text)


def test_the_still_shows_the_present_settings(explorer):
    before = still(explorer).tobytes()
    explorer.block = 1
    changed = still(explorer).tobytes()
    assert changed != before
    explorer.stretch = True
    assert still(explorer).tobytes() != changed


def test_the_explorer_sends_bytes_of_the_promised_length(explorer):
    facts = explorer.facts
    sizes = ("blocks", "frames", "rows", "columns", "height", "width")
    assert [facts[size] for size in sizes] == [5, 3, 6, 8, 96, 128]
    assert [branch["name"] for branch in facts["branches"]] == [
        "space",
        "time",
        "into_space",
        "into_time",
    ]
    lengths = {name: len(getattr(explorer, name)) for name in ("frames", "maps", "ends", "totals")}
    assert lengths == {
        "frames": 3 * 96 * 128,
        "maps": 4 * 5 * 3 * 6 * 8,
        "ends": 4 * 5 * 2 * 4,
        "totals": 4 * 5 * 3 * 4,
    }
    assert len(explorer.lumen) == len(explorer.vessel) == 3 * 24 * 2 * 4


def test_the_bytes_are_the_maps(explorer, opinionated_network, simulated_clip):
    seen = class_token(opinionated_network, simulated_clip)
    codes = np.frombuffer(explorer.maps, np.uint8).reshape(4, 5, 3, 6, 8)
    ends = np.frombuffer(explorer.ends, np.float32).reshape(4, 5, 2)
    totals = np.frombuffer(explorer.totals, np.float32).reshape(4, 5, 3)
    for place, branch in enumerate(seen.branches.values()):
        for block, expected in enumerate(branch.maps.numpy()):
            least, most = ends[place, block]
            decoded = least + codes[place, block] / 255 * (most - least)
            np.testing.assert_allclose(decoded, expected, atol=(most - least) / 500)
            assert {0, 255} <= set(codes[place, block].flatten())
        np.testing.assert_array_equal(totals[place], branch.totals.numpy())


def test_small_frames_are_sent_as_they_are_and_large_ones_as_means(
    explorer, opinionated_network, simulated_clip
):
    assert explorer.frames == simulated_clip.frames.tobytes()
    frames = np.random.default_rng(1).integers(0, 256, (1, 128, 256), dtype=np.uint8)
    large = type(simulated_clip)(frames=frames, patient="nobody")
    sent = AttentionExplorer(opinionated_network, large)
    means = frames.reshape(1, 64, 2, 128, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(
        np.frombuffer(sent.frames, np.uint8).reshape(1, 64, 128), means, atol=0.51
    )


def test_truth_is_sent_only_where_it_is_known(explorer, opinionated_network, simulated_clip):
    truth = explorer.facts["truth"]
    assert (truth["narrowest"], truth["grade"]) == (2, "severe")
    assert truth["closed"] == pytest.approx([1 - 0.8**0.5, 0.5, 1 - 0.6**0.5])
    lumen = np.frombuffer(explorer.lumen, np.float32).reshape(3, 24, 2)
    expected = (simulated_clip.truth.lumen[1, 6] + 0.5) / [128, 96]
    np.testing.assert_allclose(lumen[1, 6], expected, rtol=1e-6)
    real = type(simulated_clip)(frames=simulated_clip.frames, patient="nobody")
    blind = AttentionExplorer(opinionated_network, real)
    assert (blind.facts["truth"], blind.lumen, blind.vessel) == (None, b"", b"")


def test_facts_are_plain_json(explorer):
    assert json.loads(json.dumps(explorer.facts)) == explorer.facts
    assert [grade for grade, _ in explorer.facts["answer"]] == ["mild", "severe"]
    assert sum(share for _, share in explorer.facts["answer"]) == pytest.approx(1)


def test_the_explorer_refuses_what_is_not_there(explorer):
    for name, value, said in (
        ("block", 6, "block must be 1 to 5: got 6"),
        ("frame", 0, "frame must be 1 to 3: got 0"),
        ("view", "sideways", "view must be one of .*: got 'sideways'"),
    ):
        with pytest.raises(traitlets.TraitError, match=said):
            setattr(explorer, name, value)
    assert (explorer.block, explorer.frame, explorer.view) == (5, 1, "into_time")


def test_a_clip_that_does_not_fit_is_refused_by_the_network(opinionated_network, simulated_clip):
    odd = type(simulated_clip)(frames=simulated_clip.frames[:, 1:], patient="nobody")
    with pytest.raises(ValueError, match="multiples of 16"):
        AttentionExplorer(opinionated_network, odd)


def test_labels_say_whose_map_it_is_where_maps_are_switched(simulated_clip):
    switched = CSG3DCT(replace(TINY, encoder=replace(TINY.encoder, fusion="switched")))
    labels = [
        item["label"] for item in AttentionExplorer(switched, simulated_clip).facts["branches"]
    ]
    assert labels[2:] == ["space uses time's map", "time uses space's map"]
