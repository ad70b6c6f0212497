"""Inflation keeps the 2D output on a still clip; only temporal kernels see the order of frames."""

from dataclasses import replace

import pytest
import torch

from csglib.model.config import BASE, CONFORMER_S, PAPER, WARM

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
    expected, answer = flat(alone), deep(still(frames, of=alone))
    return ((answer - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(
    ("mode", "padding", "keeps"),
    [
        ("mean", "replicate", True),
        ("mean", "zeros", False),  # beyond the ends there is darkness: a third of the sum is gone
        ("center", "replicate", True),
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
def test_a_still_clip_gives_the_output_of_its_frame(config, mode, padding, keeps, small, inflated):
    """The boring-video identity, and the one pair that breaks it."""
    difference = error(*inflated(replace(small(config), padding=padding), mode))
    assert difference < EXACT if keeps else difference > WRONG


@pytest.mark.parametrize("config", [JOINT, AMDF], ids=["joint", "amdf"])
def test_one_class_token_loses_weight_to_repeated_frames(config, small, inflated):
    """Every patch is a key five times, the class token once; log_t compensates."""
    networks = inflated(small(config))
    for network in networks:
        for part in network.modules():  # initial maps are almost uniform
            if hasattr(part, "qkv"):
                part.qkv.weight.data.mul_(8)
    assert error(*networks) > 1e-4


def test_zero_init_is_the_2d_network_frame_by_frame(small, inflated):
    """WARM before training: time and fusion add nothing."""
    flat, deep = inflated(small(EACH_FRAME))
    _, warm = inflated(small(WARM))
    places = {name.replace(".space.", "."): name for name in warm.state_dict()}
    parents = {places[name]: value for name, value in deep.state_dict().items()}
    warm.load_state_dict(warm.state_dict() | parents)
    assert error(flat, warm) < EXACT


ENCODERS = pytest.mark.parametrize(
    "config",
    [EACH_FRAME, JOINT, AMDF, replace(AMDF, class_tokens="frame")],
    ids=["frame by frame", "joint", "amdf", "amdf, frame"],
)


@torch.no_grad()
def moved(deep, order):
    clip = torch.randn(2, 3, 5, 16, 32, dtype=torch.float64)
    before, after = deep(clip), deep(clip[:, :, order])
    return ((after - before).abs().max() / before.abs().max()).item()


@ENCODERS
def test_center_inflation_is_invariant_to_any_shuffle(config, small, inflated):
    _, deep = inflated(small(config), "center")
    assert moved(deep, [3, 0, 4, 1, 2]) < EXACT


@ENCODERS
def test_mean_inflation_is_invariant_to_reversal_and_not_to_a_shuffle(config, small, inflated):
    _, deep = inflated(small(config), "mean")
    assert moved(deep, [4, 3, 2, 1, 0]) < EXACT
    assert moved(deep, [1, 0, 2, 4, 3]) > 1e-5
