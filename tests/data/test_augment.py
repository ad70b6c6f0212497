from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from csglib.data.augment import Augmentation, draw_augmentation
from csglib.data.stenosis import area_stenosis, diameter_stenosis, widths

LARGE = Augmentation(flipped=True, turn=-10, zoom=0.93, shift=(0.04, -0.03), gamma=1.1, gain=9.0)


def move(change, points, height, width):
    """Where `Augmentation.apply` moves points (x, y), in pixels of images of that size."""
    middle = np.array([width - 1, height - 1]) / 2
    return (points - middle) @ change._matrix.T + middle + np.array(change.shift) * width


def changes(count):
    rng = np.random.default_rng(5)
    return [draw_augmentation(rng) for _ in range(count)]


def noise(frames, height, width):
    return np.random.default_rng(1).integers(0, 256, (frames, height, width), dtype=np.uint8)


def outline(middle, radius, frames=3):
    """An uneven contour, another one in each frame."""
    turn = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    waves = [1 + 0.2 * np.cos(k * turn + k) + 0.1 * np.sin(turn) for k in range(2, 2 + frames)]
    towards = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return np.array(middle) + radius * np.array(waves)[..., None] * towards


def test_no_change_alters_a_stenosis_or_the_shape_of_a_border():
    vessel, lumen = outline((60, 50), 31), np.roll(outline((66, 44), 17), 1, axis=0)
    assert np.ptp(1 - widths(lumen) / widths(vessel), axis=-1).min() > 0.05  # directions differ
    area, diameter = area_stenosis(vessel, lumen), diameter_stenosis(vessel, lumen)
    for change in changes(40):
        moved = [move(change, border, 97, 131) for border in (vessel, lumen)]
        np.testing.assert_allclose(area_stenosis(*moved), area, rtol=0, atol=1e-9)
        np.testing.assert_allclose(diameter_stenosis(*moved), diameter, rtol=0, atol=1e-9)
        before, after = (line - np.roll(line, 37, axis=1) for line in (vessel, moved[0]))
        longer = np.linalg.norm(after, axis=-1) / np.linalg.norm(before, axis=-1)
        np.testing.assert_allclose(longer, change.zoom)


@pytest.mark.parametrize("change", [LARGE, *changes(3)])
@pytest.mark.parametrize(("height", "width"), [(83, 101), (109, 87)])
def test_pixels_of_every_frame_are_those_that_scipy_finds_where_contours_go(change, height, width):
    change, grey = replace(change, gamma=1.0, gain=0.0), noise(3, height, width)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # (x, y)
    start, right, down = move(change, corners, height, width)
    back = np.linalg.inv(np.column_stack([down - start, right - start])[::-1])  # of (y, x)
    offset = -back @ start[::-1]
    for frame, seen in zip(grey, change.apply(grey), strict=True):
        wanted = ndimage.affine_transform(frame.astype(float), back, offset, order=1, cval=-1)
        np.testing.assert_allclose(seen[wanted >= 0], wanted[wanted >= 0], atol=0.51)
        assert (wanted >= 0).mean() > 0.7


def shifted(grey, down, right):
    return np.pad(grey, ((0, 0), (down, 0), (right, 0)))[:, :43, :43]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (Augmentation(flipped=True), lambda grey: grey[:, :, ::-1]),
        (Augmentation(turn=90), lambda grey: np.rot90(grey, k=-1, axes=(1, 2))),  # clockwise
        (Augmentation(), lambda grey: grey),
        (Augmentation(shift=(2 / 43, 3 / 43)), lambda grey: shifted(grey, 3, 2)),
        (Augmentation(flipped=True, turn=90), lambda grey: np.rot90(grey[..., ::-1], -1, (1, 2))),
    ],
)
def test_changes_known_by_heart(change, wanted):
    grey = noise(2, 43, 43)
    np.testing.assert_array_equal(change.apply(grey), wanted(grey))


def test_greys_follow_gamma_then_gain_and_beyond_the_edge_it_is_black():
    grey = np.full((2, 20, 20), 64, np.uint8)
    seen = Augmentation(gamma=0.5, gain=7.0, shift=(0.25, 0.0)).apply(grey)
    assert (seen[:, :, 5:] == round(255 * (64 / 255) ** 0.5 + 7)).all()
    assert (seen[:, :, :5] == 0).all()
    ends = np.array([[[0, 255]]], np.uint8)
    assert Augmentation(gain=-300.0).apply(ends).tolist() == [[[0, 0]]]
    assert Augmentation(gain=20.0).apply(ends).tolist() == [[[20, 255]]]


def test_a_drawn_change_hides_nothing_that_a_grade_is_read_from():
    """The artery of the sample clips reaches 0.38 widths from the middle; type I plaque is 14."""
    turn = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    artery = 63.5 + 0.38 * 128 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    blood_and_plaque = np.array([[[0, 14]]], np.uint8)
    for change in changes(300):
        moved = move(change, artery, 128, 128)
        assert moved.min() > -0.5 and moved.max() < 127.5
        greys = Augmentation(gamma=change.gamma, gain=change.gain).apply(blood_and_plaque)
        assert greys[0, 0, 1] > greys[0, 0, 0]


def test_the_same_seed_draws_the_same_changes_and_both_directions():
    drawn = changes(60)
    assert drawn == changes(60)
    assert {change.flipped for change in drawn} == {True, False}
    assert min(change.turn for change in drawn) < 0 < max(change.turn for change in drawn)
    assert min(change.zoom for change in drawn) < 1 < max(change.zoom for change in drawn)
    assert min(change.gamma for change in drawn) < 1 < max(change.gamma for change in drawn)


def test_changes_that_cannot_be_are_refused():
    for zoom, gamma in ((0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match=f"above 0: got {zoom} and {gamma}"):
            Augmentation(zoom=zoom, gamma=gamma)
