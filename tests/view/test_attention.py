"""Recorded queries and keys give the maps of the pass, on their frames and patches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from csglib import CSG3DCT, TINY, attention_maps, network_input
from csglib.view.attention_record import attention_record
from csglib.view.grad_cam import grad_cam, library_cam
from csglib.view.randomisation import cascading_randomisation
from csglib.view.rollout import rollout

from .conftest import noise_clip, tiny, unchanged

FRAMES, ROWS, COLUMNS = 3, 2, 5
PATCHES = ROWS * COLUMNS
BRANCHES = ("space", "time", "into_space", "into_time")
VARIANTS = {  # encoder and class tokens; in which branches patches are queries
    "paper": ("cross", "clip", ["space", "time"]),
    "base": ("joint", "log_t", ["joint"]),
    "space alone": ("space", "clip", ["space"]),
    "time alone": ("time", "clip", ["time"]),
    "a class token a frame, jointly": ("joint", "frame", ["joint"]),
    "inserted, a class token a frame": ("cross_inserted", "frame", ["space", "time"]),
    "all query": ("cross_all", "clip", [*BRANCHES]),
    "all switch, a class token a frame": ("switched_all", "frame", [*BRANCHES]),
}


@pytest.fixture(scope="module")
def clip():
    return noise_clip()


@pytest.fixture(scope="module")
def batch():
    return torch.randn(2, 3, 3, 32, 80, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def network():
    return CSG3DCT(TINY).eval()


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request, clip):
    """A network, its maps, its record, and where patches are queries."""
    encoder, class_tokens, querying = VARIANTS[request.param]
    network = CSG3DCT(tiny(encoder, class_tokens)).eval()
    return network, maps_of(network, clip), attention_record(network, clip), querying


def maps_of(network, clip):
    with torch.no_grad(), attention_maps(network) as maps:
        network(network_input(clip.frames)[None])
    return maps


def test_recording_changes_no_bit_and_every_attention_has_a_map(network, batch):
    alone = network(batch)
    with attention_maps(network) as maps:
        watched = network(batch)
    assert torch.equal(alone, watched)
    assert set(maps) == {f"blocks.{b}.{part}.attention" for b in range(5) for part in BRANCHES}
    assert len(maps) == 20
    sizes = [tuple(maps[f"blocks.4.{part}.attention"].shape) for part in BRANCHES]
    # 2 clips, 3 frames, 2 x 5 patches; 4 heads
    assert sizes == [(6, 4, 11, 11), (20, 4, 4, 4), (2, 4, 1, 30), (2, 4, 1, 30)]
    assert not any(weights.requires_grad for weights in maps.values())


@pytest.mark.parametrize(
    ("encoder", "class_tokens", "path"),
    [("cross", "clip", "time.attention"), ("joint", "log_t", "attention")],
)
def test_a_map_is_the_softmax_of_what_went_in(encoder, class_tokens, path, batch):
    network, given = CSG3DCT(tiny(encoder, class_tokens)).eval(), []
    watched = network.blocks[3].get_submodule(path)
    watched.register_forward_pre_hook(lambda part, arguments: given.extend(arguments))
    with torch.no_grad(), attention_maps(network.blocks[3]) as maps:
        network(batch)
    query, key, value, *bias = (part.double() for part in given if part is not None)
    assert bool(bias) == (class_tokens == "log_t")
    scores = torch.einsum("ghie,ghje->ghij", query, key) / 16**0.5 + sum(bias)  # heads of 16
    shares = scores.exp() / scores.exp().sum(-1, keepdim=True)
    torch.testing.assert_close(maps[path].double(), shares, rtol=1e-5, atol=1e-7)
    mixed = watched(*given).double()
    expected = torch.einsum("ghij,ghje->ghie", shares, value)
    torch.testing.assert_close(expected, mixed, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    "look",
    [
        attention_record,
        rollout,
        grad_cam,
        library_cam,
        lambda network, clip: cascading_randomisation(rollout, network, [clip]),
    ],
)
def test_a_network_comes_back_as_it_came_even_from_an_error(look):
    network = CSG3DCT(replace(TINY, class_tokens="frame")).train()
    network.stem.eval()  # frozen while the rest trains
    for weights in network.head.parameters():
        weights.grad = torch.ones_like(weights)
    with unchanged(network):
        look(network, noise_clip())
        with pytest.raises(ValueError, match="multiples of 16"):
            look(network, noise_clip(width=40))


@pytest.mark.parametrize("look", [attention_record, rollout])
def test_networks_without_a_class_token_of_ours_are_refused(look, clip):
    with pytest.raises(ValueError, match=r"CSG3DCT.*: got Sequential"):
        look(nn.Sequential(), clip)


def path_of(record, branch, block):
    return f"blocks.{block}" + ("" if len(record.axes) == 1 else f".{branch}") + ".attention"


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
    along_time = [name for name in ("time", "joint") if name in querying]
    assert record.time_branch == (along_time[0] if along_time else None)
    for branch in record.axes:
        weights = maps[path_of(record, branch, 2)]
        axis = network.get_submodule(path_of(record, branch, 2).removesuffix(".attention")).axis
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
                grid = record.on_grid(branch, patch, own[0]).flatten(1)
                attended = {"space": grid[frame], "time": grid[:, place], "joint": grid.flatten()}
                assert torch.equal(attended[axis], own[0])
                assert grid.isfinite().sum() == own[0].numel()


def test_heads_of_the_class_token_have_its_mean(variant):
    _, _, record, _ = variant
    for branch, mean in record.branches.items():
        heads = record.class_token_heads(branch, 3)
        assert heads.maps.shape == (4, FRAMES, ROWS, COLUMNS)
        torch.testing.assert_close(heads.maps.mean(0), mean.maps[3])
        torch.testing.assert_close(heads.totals.mean(0), mean.totals[3])


def test_totals_are_of_frames_and_probabilities_the_networks_own(network, clip):
    record = attention_record(network, clip)
    with torch.no_grad():
        logits = network(network_input(clip.frames)[None])[0]
    torch.testing.assert_close(record.probabilities, logits.softmax(0))
    for name in ("into_space", "into_time"):
        torch.testing.assert_close(record.branches[name].totals.sum(1), torch.ones(5))
    assert (record.branches["time"].totals.sum(1) < 1).all()  # the rest: the class token itself
    assert (record.branches["space"].totals > 0.5).all()
    assert (record.branches["space"].totals < 1).all()


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


@pytest.mark.parametrize("encoder", ["cross", "joint"])
def test_the_matrix_of_a_place_counts_its_frames(encoder, clip):
    network = CSG3DCT(tiny(encoder)).eval()
    maps, found = maps_of(network, clip), attention_record(network, clip).frame_matrix(1, 7)
    if encoder == "cross":
        torch.testing.assert_close(found, maps["blocks.1.time.attention"][7, :, 1:, 1:])
        return
    for query, key in np.ndindex(FRAMES, FRAMES):  # jointly, all patches of the other frame
        first = 1 + PATCHES * key
        row = maps["blocks.1.attention"][0, :, 1 + PATCHES * query + 7, first : first + PATCHES]
        torch.testing.assert_close(found[:, query, key], row.sum(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_record_is_its_own_and_does_not_change_when_the_network_trains_on(dtype, clip):
    network = CSG3DCT(TINY).to(dtype)
    record = attention_record(network, clip)
    for recorded in record.query_keys["space"]:  # no larger array is kept behind them
        for part in (recorded.query, recorded.key):
            assert part.untyped_storage().nbytes() == 4 * part.numel()

    def read():
        heads = record.class_token_heads("time", 4).maps
        return [record.patch_row("space", 4, 3), record.frame_matrix(4, 3), heads]

    before = read()
    for weights in network.parameters():
        nn.init.normal_(weights)
    assert all(map(torch.equal, before, read()))


def test_a_clip_of_one_frame_has_maps_too(network):
    one = attention_record(network, noise_clip(1, 32, 32))
    assert one.branches["time"].maps.shape == (5, 1, 2, 2)
