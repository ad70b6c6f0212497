"""Recorded queries and keys give the maps of the pass, on their frames and patches."""

import numpy as np
import pytest
import torch
from torch import nn

from csglib.data.clips import Clip, network_input
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.view.attention_record import attention_record
from csglib.view.capture import attention_maps

FRAMES, ROWS, COLUMNS = 3, 2, 5
PATCHES = ROWS * COLUMNS
BRANCHES = ("space", "time", "into_space", "into_time")
VARIANTS = {  # encoder and class tokens; in which branches patches are queries
    "paper": ("cross", "clip", ["space", "time"]),
    "base": ("joint", "clip", ["joint"]),
    "log_t": ("joint", "log_t", ["joint"]),
    "a class token a frame": ("cross", "frame", ["space", "time"]),
    "a class token a frame, jointly": ("joint", "frame", ["joint"]),
    "inserted": ("cross_inserted", "frame", ["space", "time"]),
    "all query": ("cross_all", "clip", [*BRANCHES]),
    "all query, a class token a frame": ("cross_all", "frame", [*BRANCHES]),
    "all switch, a class token a frame": ("switched_all", "frame", [*BRANCHES]),
}


@pytest.fixture(scope="module")
def clip(noise_clip):
    return noise_clip()


@pytest.fixture(scope="module")
def batch():
    return torch.randn(2, 3, 3, 32, 80, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def network():
    return CSG3DCT(TINY).eval()


@pytest.fixture(params=VARIANTS)
def variant(request, tiny, clip):
    """A network, its maps, its record, and where patches are queries."""
    encoder, class_tokens, querying = VARIANTS[request.param]
    network = CSG3DCT(tiny(encoder, class_tokens)).eval()
    with torch.no_grad(), attention_maps(network) as maps:
        network(network_input(clip.frames)[None])
    return network, maps, attention_record(network, clip), querying


def hooks(network):
    return sum(len(p._forward_hooks) + len(p._forward_pre_hooks) for p in network.modules())


def test_recording_changes_no_bit_of_the_output(network, batch):
    alone = network(batch)
    with attention_maps(network):
        watched = network(batch)
    assert torch.equal(alone, watched)


def test_every_attention_has_a_map_whose_rows_sum_to_one(network, batch):
    with attention_maps(network) as maps:
        network(batch).sum().backward()
    network.zero_grad(set_to_none=True)
    assert set(maps) == {f"blocks.{b}.{part}.attention" for b in range(5) for part in BRANCHES}
    assert len(maps) == 20
    sizes = [tuple(maps[f"blocks.4.{part}.attention"].shape) for part in BRANCHES]
    # 2 clips, 3 frames, 2 x 5 patches; 4 heads
    assert sizes == [(6, 4, 11, 11), (20, 4, 4, 4), (2, 4, 1, 30), (2, 4, 1, 30)]
    for weights in maps.values():
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert not weights.requires_grad


def test_a_map_is_the_softmax_of_what_went_in(network, batch):
    seen = {}
    watched = network.blocks[3].time.attention
    before = watched.register_forward_pre_hook(lambda part, given: seen.update(given=given))
    with attention_maps(network.blocks[3]) as maps:
        network(batch)
    before.remove()
    query, key, value = (part.double() for part in seen["given"][:3])
    scores = torch.einsum("ghie,ghje->ghij", query, key) / 16**0.5  # a head is 16 wide
    shares = scores.exp() / scores.exp().sum(-1, keepdim=True)
    torch.testing.assert_close(maps["time.attention"].double(), shares, rtol=1e-5, atol=1e-7)
    mixed = watched(*seen["given"]).double()
    expected = torch.einsum("ghij,ghje->ghie", shares, value)
    torch.testing.assert_close(expected, mixed, atol=1e-6, rtol=1e-4)


def test_no_hook_and_no_mode_is_left_behind_even_by_an_error(clip, noise_clip, batch):
    network = CSG3DCT(TINY).train()
    network.stem.eval()  # frozen while the rest trains
    modes = [part.training for part in network.modules()]
    with attention_maps(network):
        assert hooks(network) == 20
        network(batch)
    with pytest.raises(ValueError, match="multiples of 16"), attention_maps(network):
        network(batch[..., 1:])
    attention_record(network, clip)
    odd = noise_clip(width=40)
    for given, said in (
        (network, "multiples of 16"),
        (nn.Sequential(), "csg3dct builds it: got S"),
    ):
        with pytest.raises(ValueError, match=said):
            attention_record(given, odd)
    assert hooks(network) == 0
    assert [part.training for part in network.modules()] == modes


def path_of(branch, block):
    return f"blocks.{block}" + ("" if branch == "joint" else f".{branch}") + ".attention"


def keys_by_hand(weights, axis, frame, place, query):
    """Heads and keys; class tokens come first among queries and keys alike."""
    sequence, keys = {
        "space": (frame, PATCHES),
        "time": (place, FRAMES),
        "joint": (0, FRAMES * PATCHES),
    }[axis]
    return weights[sequence, :, query, -keys:]


def test_rows_of_patches_and_of_class_tokens_are_those_of_the_maps(variant):
    network, maps, record, querying = variant
    assert [name for name in record.axes if record.patches_query(name)] == querying
    assert (record.heads, record.blocks, record.shape) == (4, 5, (FRAMES, ROWS, COLUMNS))
    for branch in record.axes:
        weights = maps[path_of(branch, 2)]
        axis = network.get_submodule(path_of(branch, 2).removesuffix(".attention")).axis
        assert axis == record.axes[branch]
        many = network.config.class_tokens == "frame" and axis != "space"
        leaders = FRAMES if many else 1
        for patch in range(FRAMES * PATCHES):
            frame, place = divmod(patch, PATCHES)
            key = {"space": place, "time": frame, "joint": patch}[axis]
            rows = [keys_by_hand(weights, axis, frame, place, row) for row in range(leaders)]
            mean = torch.stack(rows).mean(dim=(0, 1))[key]
            found = record.branches[branch].maps[2].flatten()[patch]
            torch.testing.assert_close(found, mean, rtol=1e-5, atol=1e-7)
            if branch in querying:
                own = keys_by_hand(weights, axis, frame, place, leaders + key)
                torch.testing.assert_close(record.patch_row(branch, 2, patch), own)


def test_heads_of_the_class_token_have_its_mean(variant):
    _, _, record, _ = variant
    for branch, mean in record.branches.items():
        heads = record.class_token_heads(branch, 3)
        assert heads.maps.shape == (4, FRAMES, ROWS, COLUMNS)
        torch.testing.assert_close(heads.maps.mean(0), mean.maps[3])
        torch.testing.assert_close(heads.totals.mean(0), mean.totals[3])


def test_a_single_branch_has_the_name_of_its_axis(tiny, clip):
    for axis in ("joint", "space", "time"):
        record = attention_record(CSG3DCT(tiny(axis)), clip)
        assert list(record.branches) == [axis]
        assert record.time_branch == (None if axis == "space" else axis)


def test_totals_of_a_frame_are_shares(network, clip):
    branches = attention_record(network, clip).branches
    for name in ("into_space", "into_time"):
        torch.testing.assert_close(branches[name].totals.sum(1), torch.ones(5))
    assert (branches["time"].totals.sum(1) < 1).all()  # the rest is on the class token itself
    assert (branches["space"].totals < 1).all()
    assert (branches["space"].totals > 0.5).all()


def test_zero_queries_give_the_uniform_values(clip):
    network = CSG3DCT(TINY)
    for part in network.modules():
        for layer in ("qkv", "q"):
            if hasattr(part, layer):
                nn.init.zeros_(getattr(part, layer).weight)
    for branch in attention_record(network, clip).branches.values():
        torch.testing.assert_close(branch.maps, torch.full_like(branch.maps, branch.uniform_patch))
        totals = torch.full_like(branch.totals, branch.uniform_frame)
        torch.testing.assert_close(branch.totals, totals)


def test_the_probabilities_are_the_networks_own(network, clip):
    with torch.no_grad():
        logits = network(network_input(clip.frames)[None])[0]
    torch.testing.assert_close(attention_record(network, clip).probabilities, logits.softmax(0))


def test_the_matrix_of_a_place_is_its_map_along_time(network, clip):
    with torch.no_grad(), attention_maps(network) as maps:
        network(network_input(clip.frames)[None])
    expected = maps["blocks.1.time.attention"][7, :, 1:, 1:]
    torch.testing.assert_close(attention_record(network, clip).frame_matrix(1, 7), expected)


def test_jointly_a_frame_counts_all_its_patches(tiny, clip):
    network = CSG3DCT(tiny("joint")).eval()
    with torch.no_grad(), attention_maps(network) as maps:
        network(network_input(clip.frames)[None])
    found = attention_record(network, clip).frame_matrix(1, 7)
    for query, key in np.ndindex(FRAMES, FRAMES):
        first = 1 + PATCHES * key
        row = maps["blocks.1.attention"][0, :, 1 + PATCHES * query + 7, first : first + PATCHES]
        torch.testing.assert_close(found[:, query, key], row.sum(-1))


@pytest.mark.parametrize(
    ("branch", "keys", "attended"),
    [
        ("space", PATCHES, lambda t, r, c: t == 1),
        ("time", FRAMES, lambda t, r, c: (r, c) == (1, 2)),
        ("joint", FRAMES * PATCHES, lambda t, r, c: True),
    ],
)
def test_a_row_lies_where_the_patch_attends(branch, keys, attended, tiny, clip):
    record = attention_record(CSG3DCT(tiny("joint" if branch == "joint" else "cross")), clip)
    patch = PATCHES + COLUMNS + 2  # frame 1, row 1, column 2
    grid = record.on_grid(branch, patch, torch.arange(keys).float())
    for place in np.ndindex(FRAMES, ROWS, COLUMNS):
        assert bool(grid[place].isnan()) != attended(*place)
    assert grid[~grid.isnan()].tolist() == list(range(keys))


def test_a_record_does_not_change_when_the_network_trains_on(clip):
    network = CSG3DCT(TINY)
    record = attention_record(network, clip)

    def read():
        heads = record.class_token_heads("time", 4).maps
        return [record.patch_row("space", 4, 3), record.frame_matrix(4, 3), heads]

    before = read()
    for weights in network.parameters():
        nn.init.normal_(weights)
    assert all(map(torch.equal, before, read()))


def test_no_larger_array_is_kept_behind_queries_and_keys(network, clip):
    for recorded in attention_record(network, clip).query_keys["space"]:
        for part in (recorded.query, recorded.key):
            assert part.untyped_storage().nbytes() == 4 * part.numel()


def test_a_clip_of_one_frame_has_maps_too(network):
    one = Clip(frames=np.zeros((1, 32, 32), np.uint8), patient="nobody")
    assert attention_record(network, one).branches["time"].maps.shape == (5, 1, 2, 2)
