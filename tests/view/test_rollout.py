"""Rollout is the product of the blocks' matrices, written out here token by token."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from csglib.data.clips import Clip, network_input
from csglib.model.config import TINY, SingleBranch
from csglib.model.csg3dct import CSG3DCT
from csglib.train.networks import build_network
from csglib.view.capture import attention_maps
from csglib.view.rollout import rollout, token_shares
from csglib.view.scores import shares_of

FRAMES, ROWS, COLUMNS = 3, 2, 5
PATCHES = ROWS * COLUMNS
AXES = ("joint", "space", "time")
FUSIONS = ("cross", "cross_inserted", "cross_all", "switched", "switched_all")


def clip_of(width=16 * COLUMNS):
    grey = np.random.default_rng(2).integers(0, 256, (FRAMES, 16 * ROWS, width), dtype=np.uint8)
    return Clip(frames=grey, patient="nobody")


def single(axis):
    return SingleBranch(axis=axis, heads=4, hidden=64)


def fused(fusion):
    return replace(TINY.encoder, fusion=fusion)


def opinionated(encoder, class_tokens="clip"):
    """Maps far from even, and branches that do not count alike."""
    torch.manual_seed(8)
    network = CSG3DCT(replace(TINY, encoder=encoder, class_tokens=class_tokens))
    for name, weights in network.named_parameters():
        if weights.ndim == 2 and ("q" in name or "k" in name):
            nn.init.normal_(weights, std=0.3)
        if name.endswith("theta"):
            nn.init.normal_(weights)
    return network.eval()


def sequences(axis, leaders):
    """Which tokens stand in each sequence: class tokens are counted first, then patches."""
    everyone = list(range(leaders))
    patches = leaders + np.arange(FRAMES * PATCHES).reshape(FRAMES, PATCHES)
    if axis == "joint":
        return [everyone + list(patches.ravel())]
    if axis == "time":
        return [everyone + list(place) for place in patches.T]
    return [[t if leaders > 1 else 0, *frame] for t, frame in enumerate(patches)]


def matrix(weights, axis, leaders):
    """Row: a token after; column: its share of a token before. Copies of class tokens average."""
    size = leaders + FRAMES * PATCHES
    total, copies = np.zeros((size, size)), np.zeros(size)
    for tokens, square in zip(sequences(axis, leaders), weights, strict=True):
        total[np.ix_(tokens, tokens)] += square
        copies[tokens] += 1
    return total / copies[:, None]


def fuse(fusion, weights, target, other, leaders):
    """What one direction of the fusion leaves of the target's rows."""
    if fusion == "cross_all":
        return (target + matrix(weights, "joint", leaders) @ other) / 2
    patches = (target if fusion == "switched" else other)[leaders:]
    inserted = [target[:leaders]] if fusion == "cross_inserted" else []
    heard = weights[0] @ np.concatenate([*inserted, patches])
    return np.concatenate([(target[:leaders] + heard) / 2, target[leaders:]])


def written_out(network, clip):
    """Shares of class tokens and patches in the last class token."""
    config = network.config
    leaders = FRAMES if config.class_tokens == "frame" else 1
    with torch.no_grad(), attention_maps(network) as maps:
        network(network_input(clip.frames)[None])
    means = {name: weights.double().mean(1).numpy() for name, weights in maps.items()}
    rows = np.eye(leaders + FRAMES * PATCHES)
    for number, block in enumerate(network.blocks):

        def taken(part, axis, number=number):
            return matrix(means[f"blocks.{number}{part}.attention"], axis, leaders)

        if isinstance(config.encoder, SingleBranch):
            rows = (rows + taken("", config.encoder.axis) @ rows) / 2
            continue
        space, time = ((rows + taken(f".{axis}", axis) @ rows) / 2 for axis in ("space", "time"))
        fusion = config.encoder.fusion
        if fusion == "switched_all":
            space, time = (
                (space + taken(".into_space", "space") @ space) / 2,
                (time + taken(".into_time", "time") @ time) / 2,
            )
        else:
            into = [means[f"blocks.{number}.into_{axis}.attention"] for axis in ("space", "time")]
            space, time = (
                fuse(fusion, into[0], space, time, leaders),
                fuse(fusion, into[1], time, space, leaders),
            )
        share = block.weigh.gate().item()
        rows = share * space + (1 - share) * time
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    return rows[:leaders].mean(axis=0)


@pytest.mark.parametrize("class_tokens", ["clip", "log_t", "frame"])
@pytest.mark.parametrize(
    "encoder", [*map(single, AXES), *map(fused, FUSIONS)], ids=[*AXES, *FUSIONS]
)
def test_it_is_the_product_of_the_blocks(encoder, class_tokens):
    if encoder == single("space") and class_tokens == "log_t":
        class_tokens = "clip"  # there is nothing to balance along space
    network, clip = opinionated(encoder, class_tokens), clip_of()
    expected, shares = written_out(network, clip), token_shares(network, clip)
    found = torch.cat([shares.cls.flatten(), shares.patches.flatten()])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    assert float(shares.patches.std()) > 1e-4  # the maps had opinions
    heat = rollout(network, clip)
    np.testing.assert_array_equal(heat.flatten(), shares.patches.flatten())
    assert heat.shape == (FRAMES, ROWS, COLUMNS)
    assert shares_of(heat, clip).shape == heat.shape  # it can be scored


def test_even_attention_of_the_base_network_gives_what_algebra_says():
    """A half stays at each of five blocks, the rest is spread over all tokens alike."""
    network = opinionated(single("joint"))
    silence_questions(network)
    tokens = 1 + FRAMES * PATCHES
    expected = torch.full((FRAMES, ROWS, COLUMNS), (1 - 0.5**5) / tokens)
    torch.testing.assert_close(rollout(network, clip_of()), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_even_attention_gives_an_even_map(fusion):
    network = opinionated(fused(fusion))
    silence_questions(network)
    heat = rollout(network, clip_of())
    torch.testing.assert_close(heat, heat.mean().expand_as(heat))
    assert 0.5 < float(heat.sum()) < 1


def silence_questions(network):
    for part in network.modules():
        for layer in ("q", "qkv"):
            if hasattr(part, layer):
                nn.init.zeros_(getattr(part, layer).weight)


def test_a_class_token_that_stares_at_one_patch_becomes_that_patch():
    """Half of what is left, five times, while every patch sees itself alone."""
    network = opinionated(single("joint"))
    place = 1 + PATCHES * 2 + COLUMNS * 1 + 3  # frame 2, row 1, column 3

    def stare(query, key, value=None, bias=None):
        weights = torch.eye(key.shape[2]).repeat(*query.shape[:2], 1, 1)
        weights[:, :, 0] = weights[:, :, place]
        return weights

    for block in network.blocks:
        block.attention.weights = stare
    expected = torch.zeros(FRAMES, ROWS, COLUMNS)
    expected[2, 1, 3] = 1 - 0.5**5
    assert torch.equal(rollout(network, clip_of()), expected)


def test_the_network_comes_back_as_it_came():
    network = opinionated(TINY.encoder).train()
    network.stem.eval()  # frozen while the rest trains
    modes = [part.training for part in network.modules()]
    statistics = {name: value.clone() for name, value in network.named_buffers()}
    rollout(network, clip_of())
    with pytest.raises(ValueError, match="multiples of 16"):
        rollout(network, clip_of(width=40))
    assert [part.training for part in network.modules()] == modes
    assert all(torch.equal(value, statistics[name]) for name, value in network.named_buffers())
    assert all(weights.grad is None for weights in network.parameters())
    assert not any(part._forward_hooks for part in network.modules())


@pytest.mark.parametrize("look", [rollout, token_shares])
def test_other_networks_are_refused(look):
    with torch.device("meta"):
        stranger = build_network("uniformer", size=32)
    with pytest.raises(ValueError, match=r"csglib\.model\.csg3dct builds: got UniFormer"):
        look(stranger, clip_of())


@pytest.mark.parametrize(
    ("share", "said"), [(1.2, r"1\.200 and time by -0\.200"), (-0.5, r"-0\.500 and time by 1\.500")]
)
def test_a_sum_that_is_no_mean_is_refused(share, said):
    network = opinionated(replace(TINY.encoder, weighting="raw"))
    for block in network.blocks:
        nn.init.constant_(block.weigh.theta, 0.5)
    nn.init.constant_(network.blocks[2].weigh.theta, share)
    with pytest.raises(ValueError, match=f"weighs space by {said}"):
        rollout(network, clip_of())
