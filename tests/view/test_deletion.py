"""Curves start and end where they must, follow the map's order, and hide the right pixels."""

from itertools import chain

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from torch import nn

from csglib import Clip, network_input
from csglib.view.deletion import Curve, blurred, covers, curves, neutrality

DARKEST, LIGHTEST = (float(network_input(np.full((1, 1, 1), g, np.uint8))[0]) for g in (0, 255))


class Watching(nn.Module):
    """Says grade 1 with a probability equal to the grey, 0 to 1, of what it watches."""

    def __init__(self, where):
        super().__init__()
        self.where, self.nothing = where, nn.Parameter(torch.zeros(1))

    def forward(self, clips):
        grey = (clips[(slice(None), 0, *self.where)] - DARKEST) / (LIGHTEST - DARKEST)
        share = grey.flatten(1).mean(1).clamp(1e-6, 1 - 1e-6)
        return torch.stack([torch.zeros_like(share), share.logit()], dim=1) + self.nothing


EVERYWHERE = Watching((slice(None),) * 3)


def white(frames):
    return np.full_like(frames, 255)


def black_clip(frames=4, height=16, width=32):
    return Clip(frames=np.zeros((frames, height, width), np.uint8), patient="nobody")


def ranked(shape, seed=3):
    return np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape) + 1.0


def test_as_many_pixels_change_as_the_curve_says():
    found = curves(EVERYWHERE, black_clip(), ranked((4, 2, 4)), white)
    assert found.grade == 0
    np.testing.assert_allclose(found.deletion.changed, np.arange(9) / 8)
    np.testing.assert_allclose(found.deletion.probability, 1 - np.arange(9) / 8, atol=2e-6)
    np.testing.assert_allclose(found.insertion.probability, np.arange(9) / 8, atol=2e-6)


@pytest.mark.parametrize("place", [(2, 0, 3), (0, 1, 0)])
def test_a_map_that_knows_what_is_watched_beats_one_that_does_not(place):
    frame, row, column = place
    clip = Clip(frames=np.full((4, 16, 32), 40, np.uint8), patient="nobody")
    window = (frame, slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
    clip.frames[window] = 255
    saliency = ranked((4, 2, 4))
    saliency[place] = 100
    knows = curves(Watching(window), clip, saliency, np.zeros_like)
    by_chance = curves(Watching(window), clip, np.ones((4, 2, 4)), np.zeros_like)
    saliency[place] = 0
    not_at_all = curves(Watching(window), clip, saliency, np.zeros_like)
    assert knows.grade == 1
    low = knows.deletion.probability[-1]
    np.testing.assert_allclose(knows.deletion.probability, [1, *[low] * 8], atol=1e-5)
    np.testing.assert_allclose(knows.insertion.probability, [low, *[1] * 8], atol=1e-5)
    np.testing.assert_allclose(not_at_all.deletion.probability, [*[1] * 8, low], atol=1e-5)
    assert knows.deletion.area < by_chance.deletion.area < not_at_all.deletion.area
    assert knows.insertion.area > by_chance.insertion.area > not_at_all.insertion.area


def test_patches_of_any_grid_take_the_pixels_whose_centres_they_hold():
    """Each patch alone, in a picture whose sides the grid does not divide."""
    clip, (rows, columns) = black_clip(2, 7, 11), (3, 4)
    y, x = (np.arange(7) + 0.5) / 7 * rows, (np.arange(11) + 0.5) / 11 * columns
    for row, column in np.ndindex(rows, columns):
        saliency = np.zeros((2, rows, columns))
        saliency[1, row, column] = 1
        mine = np.outer((y >= row) & (y < row + 1), (x >= column) & (x < column + 1))
        window = (slice(1, 2), *(slice(e.min(), e.max() + 1) for e in np.nonzero(mine)))
        found = curves(Watching(window), clip, saliency, white, steps=2 * rows * columns + 1)
        assert found.deletion.probability[1] == pytest.approx(0, abs=1e-5)
        everywhere = curves(EVERYWHERE, clip, saliency, white, steps=25).deletion.probability
        assert 1 - everywhere[1] == pytest.approx(mine.sum() / (2 * 7 * 11), abs=1e-5)


def test_patches_that_tie_come_in_random_order():
    first_frame = Watching((slice(0, 1), slice(None), slice(None)))
    found, again, other = (
        curves(first_frame, black_clip(8, 16, 16), np.ones((8, 4, 4)), white, seed=seed)
        for seed in (0, 0, 1)
    )
    assert (np.diff(found.deletion.probability) < 0).sum() > 4  # not all of it at once
    assert found.deletion.area == again.deletion.area != other.deletion.area


def test_area_is_that_under_straight_lines():
    changed, probability = np.array([0, 0.3, 0.7, 1]), np.array([0.9, 0.2, 0.4, 0.1])
    assert Curve(changed, probability).area == pytest.approx(trapezoid(probability, changed))


@pytest.mark.parametrize(
    ("probability", "reversal"),
    [
        ([0.9, 0.5, 0.1], 0),
        ([0.9, 0.1, 0.5], 0.4),  # falls and rises again
        ([0.9, 0.1, 0.9], 0.8),
        ([0.9, 0.95, 0.2, 0.3, 0.1], 0.1),  # both are turns, the larger one counts
    ],
)
def test_a_curve_that_turns_back_is_told_apart(probability, reversal):
    curve = Curve(np.linspace(0, 1, len(probability)), np.array(probability))
    assert curve.reversal == pytest.approx(reversal)
    assert Curve(curve.changed, 1 - curve.probability).reversal == pytest.approx(reversal)


def test_covers_leave_no_detail():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 64, 64), dtype=np.uint8)
    frames[1] //= 4
    clips = [Clip(frames=frames, patient="a"), Clip(frames=frames // 3, patient="b")]
    soft = blurred(frames)
    assert soft.std(axis=(1, 2)).max() < 6 < frames[1].std()
    np.testing.assert_allclose(soft.mean((1, 2)), frames.mean((1, 2)), rtol=0.05)  # frame by frame
    made = {name: cover(frames) for name, cover in covers(clips).items()}
    assert {(cover.shape, cover.dtype) for cover in made.values()} == {(frames.shape, frames.dtype)}
    assert np.unique(made["mean grey"]) == [round(frames.mean())]
    pixels = made["shuffled pixels"]
    np.testing.assert_array_equal(np.sort(pixels, axis=None), np.sort(frames, axis=None))
    assert abs(np.corrcoef(pixels.ravel(), frames.ravel())[0, 1]) < 0.05
    every = np.concatenate([clip.frames for clip in clips])
    np.testing.assert_array_equal(made["mean frame"][1], np.rint(every.mean(axis=0)))
    np.testing.assert_array_equal(made["median frame"][0], np.rint(np.median(every, axis=0)))


def test_the_most_neutral_cover_is_neither_grade_in_any_clip():
    """A cover that leaves clips as they are has a mean near one half, and tells them apart."""
    greys = (25, 25, 230)
    clips = [Clip(frames=np.full((4, 16, 32), g, np.uint8), patient="nobody") for g in greys]
    candidates = {name: covers(clips)[name] for name in ("grey 0", "grey 120")}
    found = neutrality(EVERYWHERE, clips, {"none": lambda frames: frames, **candidates})
    assert list(found) == ["grey 120", "none", "grey 0"]
    expected = [
        120 / 255,
        0.5 - 120 / 255,
        280 / 3 / 255,
        (230 - 127.5 + 2 * 102.5) / 3 / 255,
        0,
        0.5,
    ]
    assert [*chain(*found.values())] == pytest.approx(expected, abs=1e-3)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="2 steps or more: got 1"):
        curves(EVERYWHERE, black_clip(), ranked((4, 2, 4)), white, steps=1)
