"""The cost dial without a page: arithmetic, the bytes it would send, still, and refusals."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import traitlets

from csgcourse.widgets.cost_dial import KINDS, CostDial, multiplications, temporal_maps
from csglib.data.clips import network_input
from csglib.model.config import TINY, SingleBranch
from csglib.model.csg3dct import CSG3DCT

LIVE = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def strong_network():
    """Random temporal questions, asked loudly: maps are far from even."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = CSG3DCT(TINY)
        network.blocks[0].time.qkv.weight.data *= 5
    return network


@pytest.fixture
def dial(strong_network, simulated_clip):
    return CostDial(strong_network, simulated_clip)


@pytest.mark.parametrize("kind", ["joint", "space", "time"])
def test_costs_are_the_sizes_of_two_real_products(kind):
    """Multiply what a clip's tokens would: each entry of a product is a sum of so many products."""
    frames, side, width = 3, 2, 384
    sequences, length = {"joint": (1, 13), "space": (3, 5), "time": (4, 4)}[kind]
    tokens = torch.zeros(sequences, length, width)
    scores = tokens @ tokens.mT
    mixed = scores @ tokens
    by_hand = scores.numel() * width + mixed.numel() * length
    assert multiplications(frames, side, kind) == by_hand


def test_the_two_branches_cost_their_sum():
    both = multiplications(5, 7, "both")
    assert both == multiplications(5, 7, "space") + multiplications(5, 7, "time")


def test_at_the_papers_size_decoupling_is_about_8_and_about_50_times_cheaper():
    times = [
        multiplications(frames, 16, "joint") / multiplications(frames, 16, "both")
        for frames in (8, 64)
    ]
    assert times == pytest.approx([7.646, 50.57], rel=1e-3)


def test_maps_are_a_softmax_over_the_class_token_and_the_frames(strong_network, simulated_clip):
    """The same from the branch's own parts, place by place."""
    found = temporal_maps(strong_network, simulated_clip)
    assert found.shape == (48, 4, 3, 4)
    torch.testing.assert_close(found.sum(-1), torch.ones(48, 4, 3))
    network = strong_network.eval()
    with torch.no_grad():
        tokens = network.embed(network.stem(network_input(simulated_clip.frames)[None]))
        branch = network.blocks[0].time
        for place in (0, 17, 47):
            sequence = torch.cat([tokens.cls[0], tokens.patches[0, :, place]])
            query, key, _ = branch.qkv(branch.norm(sequence)).chunk(3, dim=-1)
            for head in range(4):
                own = slice(16 * head, 16 * head + 16)
                scores = query[1:, own] @ key[:, own].T / 4
                torch.testing.assert_close(
                    found[place, head], scores.softmax(-1), atol=1e-5, rtol=1e-4
                )


def test_a_class_token_a_frame_is_counted_as_one_column(simulated_clip):
    torch.manual_seed(0)
    network = CSG3DCT(replace(TINY, class_tokens="frame"))
    found = temporal_maps(network, simulated_clip)
    assert found.shape == (48, 4, 3, 4)
    torch.testing.assert_close(found.sum(-1), torch.ones(48, 4, 3))
    assert float(found[..., 0].mean()) == pytest.approx(0.5, abs=0.05)  # three of six keys


def test_the_network_keeps_its_mode_part_by_part(strong_network, simulated_clip):
    strong_network.train()
    strong_network.stem.eval()
    before = [part.training for part in strong_network.modules()]
    CostDial(strong_network, simulated_clip)
    assert [part.training for part in strong_network.modules()] == before


def test_sends_the_clip_and_the_maps(dial, strong_network, simulated_clip):
    sizes = [dial.facts[name] for name in ("frames", "rows", "columns", "heads")]
    assert sizes == [3, 6, 8, 4]
    assert dial.pixels == simulated_clip.frames.tobytes()
    sent = np.frombuffer(dial.maps, np.float32).reshape(48, 4, 3, 4)
    np.testing.assert_array_equal(sent, temporal_maps(strong_network, simulated_clip).numpy())
    assert dial.facts["simulated"] is True
    real = type(simulated_clip)(frames=simulated_clip.frames, patient="nobody")
    assert CostDial(strong_network, real).facts["simulated"] is False


def test_prints_a_text_a_live_view_and_a_small_still(dial):
    bundle, _ = dial._repr_mimebundle_()
    assert set(bundle) == {"text/plain", LIVE, "image/png"}
    assert repr(dial) == (
        "CostDial(frames=8, side=16, kind='joint'; asking: row 4, column 5, frame 2 of 3)"
    )
    assert len(bundle["image/png"]) < 100_000
    text = dial._esm + dial._css
    assert dial._esm.count("export default") == 1
    assert not re.search(r"https?:|\bimport\b|fetch\(|@import|url\(", text)


def test_the_still_shows_the_present_settings(dial, strong_network, simulated_clip):
    bars, growth, picture, table, *_ = dial.still().axes
    widths = [bar.get_width() for bar in bars.patches]
    assert widths == [multiplications(8, 16, kind) for kind in KINDS]
    assert growth.lines[0].get_ydata()[-1] == multiplications(64, 16, "joint") / 1e9
    np.testing.assert_array_equal(picture.images[0].get_array(), simulated_clip.frames[1])
    maps = temporal_maps(strong_network, simulated_clip)
    np.testing.assert_allclose(table.images[0].get_array(), maps[28].mean(0).numpy())
    dial.patch, dial.frame, dial.head, dial.frames, dial.stretch = 3, 3, 2, 12, True
    bars, _, picture, table, *_ = dial.still().axes
    assert bars.patches[0].get_width() == multiplications(12, 16, "joint")
    np.testing.assert_array_equal(picture.images[0].get_array(), simulated_clip.frames[2])
    shown = table.images[0]
    np.testing.assert_array_equal(shown.get_array(), maps[3, 1].numpy())
    assert shown.get_clim() == pytest.approx((float(maps[3, 1].min()), float(maps[3, 1].max())))


def test_refuses_what_is_not_there(dial):
    for name, value, said in (
        ("patch", 48, "patch must be 0 to 47: got 48"),
        ("frame", 0, "frame must be 1 to 3: got 0"),
        ("head", 5, "head must be 0 to 4: got 5"),
        ("frames", 65, "65"),
        ("side", 1, "1"),
        ("kind", "sideways", "sideways"),
        ("guess_8", 7, "7"),
    ):
        before = getattr(dial, name)
        with pytest.raises(traitlets.TraitError, match=said):
            setattr(dial, name, value)
        assert getattr(dial, name) == before


def test_a_network_without_a_temporal_branch_is_refused(simulated_clip):
    network = CSG3DCT(replace(TINY, encoder=SingleBranch(axis="joint", heads=2, hidden=8)))
    with pytest.raises(ValueError, match="no temporal branch: its blocks attend jointly"):
        CostDial(network, simulated_clip)


def test_clips_too_long_or_too_odd_are_refused(strong_network, simulated_clip):
    frames = simulated_clip.frames
    long = type(simulated_clip)(frames=np.tile(frames, (6, 1, 1))[:17], patient="nobody")
    with pytest.raises(ValueError, match="at most 16 frames is wanted: got 17"):
        CostDial(strong_network, long)
    odd = type(simulated_clip)(frames=frames[:, 1:], patient="nobody")
    with pytest.raises(ValueError, match="multiples of 16"):
        CostDial(strong_network, odd)
