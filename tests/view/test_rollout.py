"""Rollout is the product of the blocks' matrices, written out here token by token."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from csglib import CSG3DCT, attention_maps, network_input
from csglib.view.rollout import rollout

from .conftest import noise_clip, tiny

FRAMES, ROWS, COLUMNS = 3, 2, 5
PATCHES = ROWS * COLUMNS
AXES = ("joint", "space", "time")
FUSIONS = ("cross", "cross_inserted", "cross_all", "switched", "switched_all")


def opinionated(encoder="cross", class_tokens="clip", weighting="sigmoid"):
    """A network with maps far from uniform, and gates that differ."""
    config = tiny(encoder, class_tokens)
    if weighting != "sigmoid":
        config = replace(config, encoder=replace(config.encoder, weighting=weighting))
    torch.manual_seed(8)
    network = CSG3DCT(config)
    for name, weights in network.named_parameters():
        if weights.ndim == 2 and name.split(".")[-2] in ("q", "k", "qkv"):
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
    """Shares of patches in the last class token."""
    config = network.config
    leaders = FRAMES if config.class_tokens == "frame" else 1
    with torch.no_grad(), attention_maps(network) as maps:
        network(network_input(clip.frames)[None])
    means = {name: weights.double().mean(1).numpy() for name, weights in maps.items()}
    rows = np.eye(leaders + FRAMES * PATCHES)
    for number, block in enumerate(network.blocks):

        def taken(part, axis, number=number):
            return matrix(means[f"blocks.{number}{part}.attention"], axis, leaders)

        if not hasattr(config.encoder, "fusion"):
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
    return rows[:leaders, leaders:].mean(axis=0)


@pytest.mark.parametrize(
    ("encoder", "class_tokens"),  # along space no class token is repeated, so "log_t" has no sense
    sorted(set(product((*AXES, *FUSIONS), ("clip", "log_t", "frame"))) - {("space", "log_t")}),
)
def test_it_is_the_product_of_the_blocks(encoder, class_tokens):
    network, clip = opinionated(encoder, class_tokens), noise_clip()
    saliency = rollout(network, clip)
    assert saliency.shape == (FRAMES, ROWS, COLUMNS)
    np.testing.assert_allclose(saliency.flatten(), written_out(network, clip), atol=1e-6)
    assert float(saliency.std()) > 1e-4  # the maps are not uniform


@pytest.mark.parametrize(
    ("share", "said"), [(1.2, r"1\.200 and time by -0\.200"), (-0.5, r"-0\.500 and time by 1\.500")]
)
def test_a_sum_that_is_no_mean_is_refused(share, said):
    network = opinionated(weighting="raw")
    for block in network.blocks:
        nn.init.constant_(block.weigh.theta, 0.5)
    nn.init.constant_(network.blocks[2].weigh.theta, share)
    with pytest.raises(ValueError, match=f"weighs space by {said}"):
        rollout(network, noise_clip())
