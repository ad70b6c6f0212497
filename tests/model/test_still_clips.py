"""Inflation keeps the 2D output on a still clip; only temporal kernels see the order of frames."""

from dataclasses import replace

import pytest
import torch

from csglib import BASE, CONFORMER_S, PAPER

from .conftest import inflated, small

EACH_FRAME = replace(BASE, encoder=CONFORMER_S.encoder)
JOINT = BASE
AMDF = replace(PAPER, cls_residual="double")
EXACT, WRONG = 1e-10, 1e-2


def still(frames, of=None):
    frame = torch.randn(2, 3, 1, 16, 32, dtype=torch.float64) if of is None else of
    return frame.expand(-1, -1, frames, -1, -1)


@torch.no_grad()
def error(flat, deep, frames=5):
    """Largest relative difference between the logits of a frame and of a still clip of it."""
    alone = still(1)
    expected, output = flat(alone), deep(still(frames, of=alone))
    return ((output - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(
    ("mode", "padding", "keeps"),
    [
        ("mean", "replicate", True),
        ("mean", "zeros", False),  # beyond the ends there is darkness: a third of the sum is gone
        ("center", "zeros", True),
    ],
)
@pytest.mark.parametrize(
    "config",
    [
        EACH_FRAME,
        replace(JOINT, class_tokens="frame"),
        replace(JOINT, class_tokens="log_t"),
        replace(AMDF, class_tokens="frame"),
        replace(AMDF, class_tokens="log_t"),
    ],
    ids=["frame by frame", "joint, frame", "joint, log_t", "amdf, frame", "amdf, log_t"],
)
def test_a_still_clip_gives_the_output_of_its_frame(config, mode, padding, keeps):
    """The boring-video identity, and the one pair that breaks it."""
    difference = error(*inflated(replace(small(config), padding=padding), mode))
    assert difference < EXACT if keeps else difference > WRONG


def test_one_class_token_loses_weight_to_repeated_frames():
    """Every patch is a key five times, the class token once; log_t compensates."""
    networks = inflated(small(JOINT))
    for network in networks:
        for part in network.modules():  # initial maps are almost uniform
            if hasattr(part, "qkv"):
                part.qkv.weight.data.mul_(8)
    assert error(*networks) > 1e-4


@torch.no_grad()
def moved(deep, order):
    clip = torch.randn(2, 3, 5, 16, 32, dtype=torch.float64)
    before, after = deep(clip), deep(clip[:, :, order])
    return ((after - before).abs().max() / before.abs().max()).item()


@pytest.mark.parametrize(
    "config",
    [EACH_FRAME, JOINT, AMDF, replace(AMDF, class_tokens="frame")],
    ids=["frame by frame", "joint", "amdf", "amdf, frame"],
)
def test_center_inflation_ignores_any_shuffle_and_mean_inflation_only_a_reversal(config):
    assert moved(inflated(small(config), "center")[1], [3, 0, 4, 1, 2]) < EXACT
    _, deep = inflated(small(config), "mean")
    assert moved(deep, [4, 3, 2, 1, 0]) < EXACT
    assert moved(deep, [1, 0, 2, 4, 3]) > 1e-5
