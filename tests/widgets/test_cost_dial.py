"""The cost dial without a page: MACs, maps, still, and refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import traitlets

from csgcourse.widgets.cost_dial import KINDS, CostDial, macs, temporal_maps
from csglib.data.clips import network_input
from csglib.model.config import TINY, SingleBranch
from csglib.model.csg3dct import CSG3DCT


@pytest.fixture
def peaked_network():
    """Random temporal attention, far from uniform."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = CSG3DCT(TINY)
        network.blocks[0].time.qkv.weight.data *= 5
    return network


@pytest.fixture
def dial(peaked_network, simulated_clip):
    return CostDial(peaked_network, simulated_clip)


@pytest.mark.parametrize("kind", ["joint", "space", "time"])
def test_macs_are_the_sizes_of_two_real_products(kind):
    """Multiply what a clip's tokens would: each entry of a product is a sum of so many products."""
    frames, side, width = 3, 2, 384
    sequences, length = {"joint": (1, 13), "space": (3, 5), "time": (4, 4)}[kind]
    tokens = torch.zeros(sequences, length, width)
    scores = tokens @ tokens.mT
    mixed = scores @ tokens
    assert macs(frames, side, kind) == scores.numel() * width + mixed.numel() * length


def test_the_two_branches_cost_their_sum_about_8_and_about_50_times_less_at_the_papers_size():
    assert macs(5, 7, "both") == macs(5, 7, "space") + macs(5, 7, "time")
    times = [macs(frames, 16, "joint") / macs(frames, 16, "both") for frames in (8, 64)]
    assert times == pytest.approx([7.646, 50.57], rel=1e-3)


def test_maps_are_a_softmax_over_the_class_token_and_the_frames(peaked_network, simulated_clip):
    """The same from the branch's own parts, place by place."""
    found = temporal_maps(peaked_network, simulated_clip)
    assert found.shape == (48, 4, 3, 4)
    torch.testing.assert_close(found.sum(-1), torch.ones(48, 4, 3))
    network = peaked_network.eval()
    with torch.no_grad():
        tokens = network.embed(network.stem(network_input(simulated_clip.frames)[None]))
        branch = network.blocks[0].time
        for place in (0, 17, 47):
            sequence = torch.cat([tokens.cls[0], tokens.patches[0, :, place]])
            query, key, _ = branch.qkv(branch.norm(sequence)).chunk(3, dim=-1)
            for head in range(4):
                own = slice(16 * head, 16 * head + 16)
                expected = (query[1:, own] @ key[:, own].T / 4).softmax(-1)
                torch.testing.assert_close(found[place, head], expected, atol=1e-5, rtol=1e-4)


def test_a_class_token_a_frame_is_counted_as_one_column(simulated_clip):
    torch.manual_seed(0)
    network = CSG3DCT(replace(TINY, class_tokens="frame"))
    found = temporal_maps(network, simulated_clip)
    assert found.shape == (48, 4, 3, 4)
    torch.testing.assert_close(found.sum(-1), torch.ones(48, 4, 3))
    assert float(found[..., 0].mean()) == pytest.approx(0.5, abs=0.05)  # three of six keys


def test_the_network_keeps_its_mode_part_by_part(peaked_network, simulated_clip):
    peaked_network.train()
    peaked_network.stem.eval()
    before = [part.training for part in peaked_network.modules()]
    CostDial(peaked_network, simulated_clip)
    assert [part.training for part in peaked_network.modules()] == before


def test_it_sends_the_clip_the_mean_map_and_those_of_the_heads(
    dial, peaked_network, simulated_clip
):
    assert [dial.facts[name] for name in ("frames", "rows", "columns", "heads")] == [3, 6, 8, 4]
    assert dial.pixels == simulated_clip.frames.tobytes()
    sent = np.frombuffer(dial.maps, np.float32).reshape(48, 5, 3, 4)
    maps = temporal_maps(peaked_network, simulated_clip).numpy()
    np.testing.assert_array_equal(sent[:, 1:], maps)
    np.testing.assert_allclose(sent[:, 0], maps.mean(axis=1), atol=1e-6)
    assert dial.facts["simulated"] is True
    real = type(simulated_clip)(frames=simulated_clip.frames, patient="nobody")
    assert CostDial(peaked_network, real).facts["simulated"] is False


@pytest.mark.parametrize("head", [0, 2])
def test_the_still_shows_the_present_settings(dial, peaked_network, simulated_clip, head):
    assert repr(dial) == (
        "CostDial(frames=8, side=16, kind='joint'; query: row 4, column 5, frame 2 of 3)"
    )
    dial.patch, dial.frame, dial.head, dial.frames, dial.stretch = 3, 3, head, 12, head > 0
    bars, picture, table, *_ = dial.still().axes
    assert [1e6 * bar.get_width() for bar in bars.patches] == pytest.approx(
        [macs(12, 16, kind) for kind in KINDS]
    )
    np.testing.assert_array_equal(picture.images[0].get_array(), simulated_clip.frames[2])
    assert picture.patches[0].get_xy() == (47.5, -0.5)
    own = temporal_maps(peaked_network, simulated_clip)[3]
    expected = (own[head - 1] if head else own.mean(0)).numpy()
    np.testing.assert_allclose(table.images[0].get_array(), expected, atol=1e-6)
    ends = (expected.min(), expected.max()) if head else (0, max(0.5, expected.max()))
    assert table.images[0].get_clim() == pytest.approx(ends)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("patch", 48, "patch must be 0 to 47: got 48"),
        ("frame", 0, "frame must be 1 to 3: got 0"),
        ("head", 5, "head must be 0 to 4: got 5"),
        ("frames", 65, "65"),
        ("side", 1, "1"),
        ("kind", "sideways", "sideways"),
        ("guess_8", 7, "7"),
    ],
)
def test_it_refuses_what_is_not_there(dial, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(dial, name, value)


def test_networks_and_clips_that_do_not_fit_are_refused(peaked_network, simulated_clip):
    joint = CSG3DCT(replace(TINY, encoder=SingleBranch(axis="joint", heads=2, hidden=8)))
    with pytest.raises(ValueError, match="no temporal branch"):
        CostDial(joint, simulated_clip)
    frames = simulated_clip.frames
    for wrong, message in (
        (np.tile(frames, (6, 1, 1))[:17], "at most 16 frames is wanted: got 17"),
        (frames[:, 1:], "multiples of 16"),
    ):
        with pytest.raises(ValueError, match=message):
            CostDial(peaked_network, type(simulated_clip)(frames=wrong, patient="nobody"))
