"""The cost dial without a page: MACs, maps, still, and refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from csgcourse.widgets.cost_dial import KINDS, CostDial, macs, temporal_maps
from csglib import CSG3DCT, TINY, network_input
from csglib.model.config import SingleBranch


@pytest.mark.parametrize(
    ("kind", "sequences", "length"), [("joint", 1, 13), ("space", 3, 5), ("time", 4, 4)]
)
def test_macs_are_those_of_two_real_products(kind, sequences, length):
    """Each entry of a product is a sum of as many multiplications as its inner dimension."""
    tokens = torch.zeros(sequences, length, 384)
    scores = tokens @ tokens.mT
    assert macs(3, 2, kind) == scores.numel() * 384 + (scores @ tokens).numel() * length
    assert macs(5, 7, "both") == macs(5, 7, "space") + macs(5, 7, "time")
    times = [macs(frames, 16, "joint") / macs(frames, 16, "both") for frames in (8, 64)]
    assert times == pytest.approx([7.646, 50.57], rel=1e-3)  # at the paper's size


def test_maps_are_a_softmax_over_the_class_token_and_the_frames(
    opinionated_network, simulated_clip
):
    """The same from the branch's own parts, patch by patch."""
    found = temporal_maps(opinionated_network, simulated_clip)
    assert found.shape == (48, 4, 3, 4)
    network = opinionated_network.eval()
    with torch.no_grad():
        tokens = network.embed(network.stem(network_input(simulated_clip.frames)[None]))
        branch = network.blocks[0].time
        for patch in (0, 17, 47):
            sequence = torch.cat([tokens.cls[0], tokens.patches[0, :, patch]])
            query, key, _ = branch.qkv(branch.norm(sequence)).chunk(3, dim=-1)
            for head in range(4):
                own = slice(16 * head, 16 * head + 16)
                expected = (query[1:, own] @ key[:, own].T / 4).softmax(-1)
                torch.testing.assert_close(found[patch, head], expected, atol=1e-5, rtol=1e-4)


def test_class_tokens_of_all_frames_are_summed_in_one_column(simulated_clip):
    found = temporal_maps(CSG3DCT(replace(TINY, class_tokens="frame")), simulated_clip)
    torch.testing.assert_close(found.sum(-1), torch.ones(48, 4, 3))
    assert float(found[..., 0].mean()) == pytest.approx(0.5, abs=0.05)  # three of six keys


def test_it_sends_the_maps_and_leaves_the_network_as_it_was(opinionated_network, simulated_clip):
    opinionated_network.train()
    opinionated_network.stem.eval()
    before = [part.training for part in opinionated_network.modules()]
    dial = CostDial(opinionated_network, simulated_clip)
    assert [part.training for part in opinionated_network.modules()] == before
    names = ("frames", "rows", "columns", "heads", "simulated")
    assert [dial.facts[name] for name in names] == [3, 6, 8, 4, True]
    assert dial.pixels == simulated_clip.frames.tobytes()
    sent = np.frombuffer(dial.maps, np.float32).reshape(48, 5, 3, 4)
    maps = temporal_maps(opinionated_network, simulated_clip).numpy()
    np.testing.assert_array_equal(sent[:, 1:], maps)
    np.testing.assert_allclose(sent[:, 0], maps.mean(axis=1), atol=1e-6)
    real = CostDial(opinionated_network, replace(simulated_clip, truth=None))
    assert real.facts["simulated"] is False


def test_the_still_shows_the_present_settings(opinionated_network, simulated_clip):
    dial = CostDial(opinionated_network, simulated_clip)
    assert repr(dial) == (
        "CostDial(frames=8, side=16, kind='joint'; query: row 4, column 5, frame 2 of 3)"
    )
    dial.patch, dial.frame, dial.frames = 3, 3, 12
    own = temporal_maps(opinionated_network, simulated_clip)[3]
    for head in (0, 2):
        dial.head, dial.stretch = head, head > 0
        bars, picture, table, *_ = dial.still().axes
        assert [1e6 * bar.get_width() for bar in bars.patches] == pytest.approx(
            [macs(12, 16, kind) for kind in KINDS]
        )
        np.testing.assert_array_equal(picture.images[0].get_array(), simulated_clip.frames[2])
        assert picture.patches[0].get_xy() == (47.5, -0.5)
        expected = (own[head - 1] if head else own.mean(0)).numpy()
        np.testing.assert_allclose(table.images[0].get_array(), expected, atol=1e-6)
        ends = (expected.min(), expected.max()) if head else (0, max(0.5, expected.max()))
        assert table.images[0].get_clim() == pytest.approx(ends)


def test_networks_and_clips_that_do_not_fit_are_refused(opinionated_network, simulated_clip):
    frames = simulated_clip.frames
    joint = CSG3DCT(replace(TINY, encoder=SingleBranch(axis="joint", heads=2, hidden=8)))
    long = np.tile(frames, (6, 1, 1))[:17]
    for network, shown, message in (
        (joint, frames, "no temporal branch"),
        (opinionated_network, long, "at most 16 frames is wanted: got 17"),
        (opinionated_network, frames[:, 1:], "multiples of 16"),
    ):
        with pytest.raises(ValueError, match=message):
            CostDial(network, replace(simulated_clip, frames=shown, truth=None))
