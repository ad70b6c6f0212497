from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from csglib.data.clips import Clip, network_input
from csglib.model.config import AMDF, TINY, SingleBranch
from csglib.model.csg3dct import CSG3DCT
from csglib.view.capture import attention_maps
from csglib.view.class_token import class_token

FRAMES, ROWS, COLUMNS = 3, 2, 5
PLACES = [
    (t, row, column) for t in range(FRAMES) for row in range(ROWS) for column in range(COLUMNS)
]


def clip_of(height=16 * ROWS, width=16 * COLUMNS):
    grey = np.random.default_rng(2).integers(0, 256, (FRAMES, height, width), dtype=np.uint8)
    return Clip(frames=grey, patient="nobody")


def single(axis):
    return CSG3DCT(replace(TINY, encoder=SingleBranch(axis=axis, heads=4, hidden=64)))


def whole_maps(network, clip):
    with torch.no_grad(), attention_maps(network.eval()) as maps:
        network(network_input(clip.frames)[None])
    return maps


# Where the class token's weight for a place stands in a map (g, h, i, j): sequence g and key j.
STANDS = {
    "space": lambda t, row, column: (t, 1 + COLUMNS * row + column),
    "time": lambda t, row, column: (COLUMNS * row + column, 1 + t),
    "into_space": lambda t, row, column: (0, ROWS * COLUMNS * t + COLUMNS * row + column),
    "into_time": lambda t, row, column: (0, ROWS * COLUMNS * t + COLUMNS * row + column),
}


@pytest.mark.parametrize("branch", STANDS)
def test_each_weight_lies_on_its_frame_and_patch(branch):
    network, clip = CSG3DCT(TINY), clip_of()
    maps, seen = whole_maps(network, clip), class_token(network, clip).branches[branch]
    assert seen.maps.shape == (5, FRAMES, ROWS, COLUMNS)
    for block in (0, 4):
        weights = maps[f"blocks.{block}.{branch}.attention"]
        for place in PLACES:
            sequence, key = STANDS[branch](*place)
            expected = float(weights[sequence, :, 0, key].mean())
            assert float(seen.maps[(block, *place)]) == pytest.approx(expected, abs=1e-7)


def test_the_base_network_has_one_branch_over_the_whole_clip():
    network, clip = single("joint"), clip_of()
    weights = whole_maps(network, clip)["blocks.2.attention"]
    seen = class_token(network, clip)
    assert list(seen.branches) == ["joint"]
    expected = weights[0, :, 0, 1 + 10 + 5 + 3].mean()  # frame 1, row 1, column 3
    torch.testing.assert_close(seen.branches["joint"].maps[2, 1, 1, 3], expected)
    assert list(class_token(single("space"), clip).branches) == ["space"]


def test_totals_of_a_frame_are_shares():
    branches = class_token(CSG3DCT(TINY), clip_of()).branches
    for name in ("into_space", "into_time"):
        torch.testing.assert_close(branches[name].totals.sum(1), torch.ones(5))
    assert (branches["time"].totals.sum(1) < 1).all()  # the rest it gives to itself
    assert (branches["space"].totals < 1).all()
    assert (branches["space"].totals > 0.5).all()


def test_even_shares_are_what_a_network_without_questions_gives():
    network = CSG3DCT(TINY)
    for part in network.modules():
        if hasattr(part, "qkv"):
            nn.init.zeros_(part.qkv.weight)
        if hasattr(part, "q"):
            nn.init.zeros_(part.q.weight)
    for branch in class_token(network, clip_of()).branches.values():
        torch.testing.assert_close(branch.maps, torch.full_like(branch.maps, branch.even_patch))
        torch.testing.assert_close(branch.totals, torch.full_like(branch.totals, branch.even_frame))


def test_the_answer_is_the_networks_own():
    network, clip = CSG3DCT(TINY), clip_of()
    seen = class_token(network, clip)
    with torch.no_grad():
        logits = network.eval()(network_input(clip.frames)[None])[0]
    torch.testing.assert_close(seen.probabilities, logits.softmax(0))


def test_a_network_comes_back_in_the_mode_it_came_in():
    network = CSG3DCT(TINY).train()
    network.stem.eval()  # frozen while the rest trains
    modes = [part.training for part in network.modules()]
    class_token(network, clip_of())
    assert [part.training for part in network.modules()] == modes
    with pytest.raises(ValueError, match="multiples of 16"):
        class_token(network, clip_of(width=40))
    assert [part.training for part in network.modules()] == modes


def test_a_network_without_our_attention_is_refused():
    stranger = nn.Sequential(nn.Conv3d(3, 2, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    with pytest.raises(ValueError, match=r"as csglib\.model\.csg3dct builds it: got Sequential"):
        class_token(stranger, clip_of())


@pytest.mark.parametrize(
    ("encoder", "branch", "leaders"),
    [
        (SingleBranch(axis="joint", heads=4, hidden=64), "joint", FRAMES),
        (TINY.encoder, "time", FRAMES),
        (TINY.encoder, "space", 1),
        (replace(TINY.encoder, fusion="cross_inserted"), "into_space", FRAMES),
        (replace(TINY.encoder, fusion="cross_all"), "into_time", FRAMES),
        (replace(TINY.encoder, fusion="switched_all"), "into_time", FRAMES),
        (replace(TINY.encoder, fusion="switched_all"), "into_space", 1),
    ],
)
def test_several_class_tokens_are_shown_by_their_mean_and_never_among_the_keys(
    encoder, branch, leaders
):
    """One class token a frame, in every layout of keys; place (1, 0, 3) looked up by hand."""
    network, clip = CSG3DCT(replace(TINY, encoder=encoder, class_tokens="frame")), clip_of()
    place = "blocks.1" + (f".{branch}" if branch != "joint" else "")
    weights = whole_maps(network, clip)[f"{place}.attention"]
    along = {"into_space": "joint", "into_time": "joint"}.get(branch, branch)
    if isinstance(encoder, AMDF) and encoder.fusion == "switched_all":
        along = branch.removeprefix("into_")
    sequence, key = {"space": (1, 3), "time": (3, 1), "joint": (0, 13)}[along]
    expected = weights[sequence, :, :leaders, leaders + key].mean()
    seen = class_token(network, clip).branches[branch].maps[1, 1, 0, 3]
    torch.testing.assert_close(seen, expected)
