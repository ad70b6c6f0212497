"""Grad-CAM agrees with the library and with algebra, knows where and when, and leaves no trace."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import nn

from csglib import CSG3DCT, TINY, network_input
from csglib.model.config import SingleBranch
from csglib.table1.baselines.vit import TimeSformer, ViViT
from csglib.train.fit import predict
from csglib.view.grad_cam import (
    Target,
    grad_cam,
    input_gradient,
    library_cam,
    raw_cam,
    target_of,
)

from ..small_networks import SMALL
from .conftest import noise_clip, unchanged

GRADES, FRAMES, SIZE = 4, 8, 64
BUILDS = SMALL | {  # of the last layer's keys and values there must be one before
    "timesformer": lambda c, t, s: TimeSformer(c, t, s, layers=2),
    "vivit": lambda c, t, s: ViViT(c, t, s, layers=2),
    "tiny_base": lambda c, t, s: CSG3DCT(
        replace(TINY, classes=c, encoder=SingleBranch(axis="joint", heads=4, hidden=64))
    ),
}
# Frames become pairs.
HALVING = ("i3d", "nl_i3d", "vivit", "mtv", "uniformer", "video_swin", "mvit")
FINE = ("timesformer", "vivit", "mtv")  # patches of 16; others end at 32


def grid_of(name):
    return FRAMES // (2 if name in HALVING else 1), *[SIZE // (16 if name in FINE else 32)] * 2


@pytest.fixture
def clip():
    return noise_clip(FRAMES, SIZE, SIZE)


@cache
def small(name):
    torch.manual_seed(3)
    network = BUILDS[name](GRADES, FRAMES, SIZE).eval()
    for weights in network.parameters():
        if not weights.any():  # what begins at zero hears nothing yet
            nn.init.normal_(weights, std=0.01)
    return network


def speaking(network, clip):
    """A grade for which something speaks."""
    return next(grade for grade in range(GRADES) if raw_cam(network, clip, grade).any())


@pytest.mark.parametrize("name", BUILDS)
def test_ours_is_the_librarys(name, clip):
    network = small(name)
    grade = speaking(network, clip)
    ours, theirs = raw_cam(network, clip, grade), library_cam(network, clip, grade)
    assert ours.shape == theirs.shape == grid_of(name)
    assert (ours >= 0).all()
    assert (ours - theirs).abs().max() <= 1e-5 * ours.max()
    maps = [grad_cam(network, clip, grade) for grade in range(GRADES)]
    assert {tuple(cam.shape) for cam in maps} == {(FRAMES, *grid_of(name)[1:])}
    assert {float(cam.max()) for cam in maps} <= {0.0, 1.0}
    assert any(not torch.equal(maps[0], cam) for cam in maps[1:])
    best = int(predict(network, clip.frames[None]).argmax())
    assert torch.equal(grad_cam(network, clip), maps[best])


@pytest.mark.parametrize("name", ["timesformer", "vivit", "mvit"])
def test_it_looks_at_the_last_keys_and_values(name):
    """After them no patch reaches the prediction."""
    network, before = small(name), "norm1" if name == "mvit" else "layernorm_before"
    norms = [part for path, part in network.named_modules() if path.endswith(before)]
    assert target_of(network).layer(network) is norms[-1]


@pytest.mark.parametrize("name", [*FINE, "video_swin", "mvit"])
def test_each_token_lies_on_its_frames_and_patch(name, clip):
    """Another picture in one patch changes the tokens of that patch most."""
    network, (steps, rows, columns) = small(name), grid_of(name)
    target, found = target_of(network), []
    pace, side = FRAMES // steps, SIZE // rows
    place = step, row, column = 3, rows // 2, columns // 4
    changed = clip.frames.copy()
    cells = rearrange(
        changed, "(t p) (y r) (x c) -> t y x p r c", p=pace, y=rows, x=columns, r=side, c=side
    )
    cells[step, row, column] = np.where(cells[step, row, column] < 128, 255, 0)
    handle = target.layer(network).register_forward_hook(lambda *given: found.append(given[2]))
    predict(network, np.stack([clip.frames]))
    predict(network, np.stack([changed]))
    handle.remove()
    before, after = (target.volume(network, part)[0] for part in found)
    change = (after - before).abs().sum(0)
    assert np.unravel_index(int(change.argmax()), change.shape) == place


class Toy(nn.Module):
    """So short that its Grad-CAM is algebra; the second step overwrites what it is given."""

    def __init__(self, pace=1, layer="look"):
        super().__init__()
        self.look = nn.Conv3d(3, 5, (pace, 4, 4), (pace, 4, 4))
        self.fire = nn.ReLU(inplace=True)
        self.idle, self.pair, self.same = nn.Identity(), Pair(), nn.Dropout(0)
        self.classify = nn.Linear(5, 3)
        self.target = Target(lambda network: network.get_submodule(layer))

    def forward(self, clips):
        seen = self.fire(self.look(clips))
        self.pair(seen)
        return self.classify(self.same(self.same(seen)).mean(dim=(2, 3, 4)))


class Pair(nn.Module):
    def forward(self, seen):
        return seen, seen


def by_algebra(network, clip, grade):
    """The logit's slope is the judge's weight over the count of places, where the ReLU is open."""
    features = network.look(network_input(clip.frames)[None])[0].detach().double()
    open_share = (features > 0).double().mean(dim=(1, 2, 3)) / features[0].numel()
    weights = network.classify.weight[grade].detach().double() * open_share
    return torch.tensordot(weights, features, dims=1).clamp(min=0).float()


@pytest.mark.parametrize("grade", range(3))
def test_ours_is_algebra_even_if_the_next_layer_overwrites(grade):
    torch.manual_seed(5)
    network, clip = Toy(), noise_clip(4, 12, 20)
    expected = by_algebra(network, clip, grade)
    assert 0 < (expected > 0).sum() < expected.numel()
    found = raw_cam(network, clip, grade, network.target)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("pace", "frames", "shown"),
    [
        (1, 3, [0, 1, 2]),
        (2, 7, [0, 0, 1, 1, 2, 2, 2]),
        (4, 8, [0, 0, 0, 0, 1, 1, 1, 1]),
        (8, 8, [0] * 8),
    ],
)
def test_each_step_stands_for_its_frames_on_one_scale(pace, frames, shown):
    torch.manual_seed(6)
    network, clip = Toy(pace), noise_clip(frames, 12, 20)
    raw = by_algebra(network, clip, 1)
    assert raw.amax((1, 2)).unique().numel() == len(set(shown))  # so that frames are told apart
    found = grad_cam(network, clip, 1, network.target)
    torch.testing.assert_close(found, (raw / raw.max())[shown])


def test_steps_that_overlap_in_pairs_stand_for_pairs_too():
    """UniFormer's last frame of an odd clip is a step alone."""
    network, clip = small("uniformer"), noise_clip(7, SIZE, SIZE)
    grade = speaking(network, clip)
    raw = raw_cam(network, clip, grade)
    expected = (raw / raw.max())[[0, 0, 1, 1, 2, 2, 3]]
    torch.testing.assert_close(grad_cam(network, clip, grade), expected)


def test_where_nothing_speaks_for_a_grade_all_is_zero():
    torch.manual_seed(7)
    network, clip = Toy(), noise_clip(3, 12, 20)
    nn.init.constant_(network.classify.weight, -1.0)
    nn.init.constant_(network.look.bias, 50.0)  # every feature fires
    library = library_cam(network, clip, 0, network.target)
    for cam in (grad_cam(network, clip, 0, network.target), library):
        assert torch.equal(cam, torch.zeros(3, 3, 5))


def test_frozen_weights_and_switched_off_gradients_change_nothing(clip):
    network = small("tiny")
    grade = speaking(network, clip)
    expected = raw_cam(network, clip, grade)
    network.requires_grad_(False)
    with torch.no_grad():
        found = raw_cam(network, clip, grade), library_cam(network, clip, grade)
    network.requires_grad_()
    for cam in found:
        torch.testing.assert_close(cam, expected)


def test_the_input_s_gradient_is_a_linear_network_s_weights():
    torch.manual_seed(8)
    linear = nn.Linear(3 * 2 * 8 * 12, 3)
    clip = noise_clip(2, 8, 12)
    weights = linear.weight[1].detach().unflatten(0, (3, 2, 8, 12)).sum(dim=0).abs()
    expected = rearrange(weights, "t (y a) (x b) -> t y x a b", a=4, b=4).sum(dim=(3, 4))
    network = nn.Sequential(nn.Flatten(), linear)
    torch.testing.assert_close(input_gradient(network, clip, 1, patch=4), expected)


def test_the_input_s_gradient_leaves_no_trace(clip):
    network = small("tiny")
    best = int(predict(network, clip.frames[None]).argmax())
    with unchanged(network), torch.no_grad():
        found = input_gradient(network, clip)
    assert found.shape == (FRAMES, SIZE // 16, SIZE // 16)
    assert (found > 0).all()
    assert torch.equal(found, input_gradient(network, clip, best))
    assert not torch.equal(found, input_gradient(network, clip, (best + 1) % GRADES))


@pytest.mark.parametrize("method", [grad_cam, library_cam, input_gradient])
def test_bad_input_is_named(method, clip):
    network = small("tiny")
    for grade in (-1, GRADES):
        with unchanged(network), pytest.raises(ValueError, match=f"grades 0 to 3: got {grade}"):
            method(network, clip, grade)
    if method is not input_gradient:
        with pytest.raises(ValueError, match="no target layer of a Toy is known: give a Target"):
            method(Toy(), clip)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("same", "this Dropout ran twice"),
        ("pair", "this Pair returns a tuple"),
        ("idle", "this Identity did not run"),
    ],
)
def test_a_target_that_does_not_work(layer, said, clip):
    network = Toy(layer=layer)
    with unchanged(network), pytest.raises(ValueError, match=f"runs once in a pass.*{said}"):
        grad_cam(network, clip, target=network.target)
