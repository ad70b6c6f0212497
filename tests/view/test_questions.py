"""Rows worked out later are those of the maps that the network made."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from csglib.data.clips import Clip, network_input
from csglib.model.config import TINY, SingleBranch
from csglib.model.csg3dct import CSG3DCT
from csglib.view.attention_record import questions
from csglib.view.capture import attention_maps
from csglib.view.class_token import class_token

FRAMES, ROWS, COLUMNS = 3, 2, 5
PATCHES = ROWS * COLUMNS
JOINT = SingleBranch(axis="joint", heads=4, hidden=64)
VARIANTS = {
    "paper": TINY,
    "base": replace(TINY, encoder=JOINT),
    "balanced": replace(TINY, encoder=JOINT, class_tokens="log_t"),
    "a class token a frame": replace(TINY, class_tokens="frame"),
    "all ask": replace(TINY, encoder=replace(TINY.encoder, fusion="cross_all")),
    "all switch": replace(TINY, encoder=replace(TINY.encoder, fusion="switched_all")),
}


@pytest.fixture(scope="module")
def clip():
    size = (FRAMES, 16 * ROWS, 16 * COLUMNS)
    grey = np.random.default_rng(2).integers(0, 256, size, dtype=np.uint8)
    return Clip(frames=grey, patient="nobody")


@pytest.fixture
def network():
    return CSG3DCT(TINY)


def whole_maps(network, clip):
    with torch.no_grad(), attention_maps(network.eval()) as maps:
        network(network_input(clip.frames)[None])
    return maps


def row_by_hand(maps, path, axis, frame, place):
    """Heads and keys; class tokens lead queries and keys alike."""
    weights = maps[path]
    sequence, query, keys = {
        "space": (frame, place, PATCHES),
        "time": (place, frame, FRAMES),
        "joint": (0, frame * PATCHES + place, FRAMES * PATCHES),
    }[axis]
    return weights[sequence, :, weights.shape[2] - keys + query, -keys:]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_row_of_every_patch_is_that_of_the_map(name, clip):
    network = CSG3DCT(VARIANTS[name])
    maps, seen = whole_maps(network, clip), questions(network, clip)
    for branch in filter(seen.by_patches, seen.asked):
        path = "blocks.2" + ("" if branch == "joint" else f".{branch}") + ".attention"
        axis = network.get_submodule(path.removesuffix(".attention")).axis
        for patch in range(FRAMES * PATCHES):
            expected = row_by_hand(maps, path, axis, *divmod(patch, PATCHES))
            torch.testing.assert_close(seen.of_patch(branch, 2, patch), expected)


def test_patches_ask_where_they_do_and_nowhere_else(clip):
    asking = {
        name: [branch for branch in seen.asked if seen.by_patches(branch)]
        for name, seen in ((name, questions(CSG3DCT(VARIANTS[name]), clip)) for name in VARIANTS)
    }
    every = ["space", "time", "into_space", "into_time"]
    assert asking == {
        "paper": ["space", "time"],
        "base": ["joint"],
        "balanced": ["joint"],
        "a class token a frame": ["space", "time"],
        "all ask": every,
        "all switch": every,
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_heads_of_the_class_token_have_its_mean(name, clip):
    network = CSG3DCT(VARIANTS[name])
    seen, expected = questions(network, clip), class_token(network, clip)
    assert seen.heads == 4
    for branch, mean in expected.branches.items():
        heads = seen.of_class_token(branch, 3)
        assert heads.maps.shape == (4, FRAMES, ROWS, COLUMNS)
        torch.testing.assert_close(heads.maps.mean(0), mean.maps[3])
        torch.testing.assert_close(heads.totals.mean(0), mean.totals[3])


def test_frames_ask_frames_at_one_place(network, clip):
    weights = whole_maps(network, clip)["blocks.1.time.attention"]
    torch.testing.assert_close(questions(network, clip).along(1, 7), weights[7, :, 1:, 1:])


def test_jointly_a_frame_counts_all_its_patches(clip):
    network = CSG3DCT(VARIANTS["base"])
    weights = whole_maps(network, clip)["blocks.1.attention"]
    found = questions(network, clip).along(1, 7)
    for asking, asked in np.ndindex(FRAMES, FRAMES):
        first = 1 + PATCHES * asked
        row = weights[0, :, 1 + PATCHES * asking + 7, first : first + PATCHES]
        torch.testing.assert_close(found[:, asking, asked], row.sum(-1))


@pytest.mark.parametrize(
    ("branch", "keys", "asked"),
    [
        ("space", PATCHES, lambda t, r, c: t == 1),
        ("time", FRAMES, lambda t, r, c: (r, c) == (1, 2)),
        ("joint", FRAMES * PATCHES, lambda t, r, c: True),
    ],
)
def test_a_row_lies_where_the_patch_may_ask(branch, keys, asked, clip):
    network = CSG3DCT(VARIANTS["base" if branch == "joint" else "paper"])
    patch = PATCHES + COLUMNS + 2  # frame 1, row 1, column 2
    laid = questions(network, clip).laid_out(branch, patch, torch.arange(keys).float())
    for place in np.ndindex(FRAMES, ROWS, COLUMNS):
        assert bool(laid[place].isnan()) != asked(*place)
    assert laid[~laid.isnan()].tolist() == list(range(keys))


def test_what_was_asked_stays_when_the_network_trains_on(network, clip):
    seen = questions(network, clip)
    before = [seen.of_patch("space", 4, 3), seen.along(4, 3), seen.of_class_token("time", 4).maps]
    for weights in network.parameters():
        nn.init.normal_(weights)
    after = [seen.of_patch("space", 4, 3), seen.along(4, 3), seen.of_class_token("time", 4).maps]
    assert all(map(torch.equal, before, after))


def test_no_more_is_kept_than_can_be_asked_for(network, clip):
    seen = questions(network, clip)
    assert seen.asked["into_time"][0].key.numel() == 0
    for asked in seen.asked["space"]:
        for part in (asked.query, asked.key):  # and no larger array behind it
            assert part.untyped_storage().nbytes() == 4 * part.numel()


def test_looking_leaves_nothing_behind_even_by_an_error(network, clip):
    odd = Clip(frames=clip.frames[:, 1:], patient="nobody")
    for given, said in ((network, "multiples of 16"), (nn.Sequential(), "csg3dct builds it")):
        with pytest.raises(ValueError, match=said):
            questions(given, odd)
    questions(network, clip)
    assert not any(part._forward_pre_hooks for part in network.modules())
