"""Scores of maps agree with their definitions, on contours that others have measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Outline

from csglib.data.clips import resample
from csglib.data.stenosis import polygon_area
from csglib.view.scores import Inside, areas, score_map, shares_of

SEVERE, MILD = "severe_concentric_type_IV", "mild_near_wall_type_I"


def noise(clip, rows, columns, seed=0):
    return np.random.default_rng(seed).random((len(clip.frames), rows, columns)) ** 4


def looked_up(polygons, clip, rows, columns):
    """Share of each patch in a polygon, by matplotlib, at points of its own."""
    _, height, width = clip.frames.shape
    points = 600 // rows
    at = (np.arange(points) + 0.5) / points
    y, x = (
        (np.arange(count)[:, None] + at).ravel() * side / count - 0.5
        for count, side in ((rows, height), (columns, width))
    )
    grid = np.stack(np.broadcast_arrays(x, y[:, None]), axis=-1).reshape(-1, 2)
    found = [Outline(polygon, closed=False).contains_points(grid) for polygon in polygons]
    return np.array(found).reshape(-1, rows, points, columns, points)


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (16, 16)])
def test_areas_are_what_matplotlib_finds_in_the_contours(rows, columns, sample):
    clip = resample(sample(MILD), 2, 64)
    vessel, lumen = (
        looked_up(polygons, clip, rows, columns)
        for polygons in (clip.truth.vessel_inner, clip.truth.lumen)
    )
    found = areas(clip, rows, columns)
    for mine, other in zip(found, (vessel & ~lumen, lumen, vessel), strict=True):
        assert mine.shape == (2, rows, columns)
        difference = abs(mine - other.mean(axis=(2, 4)))
        assert difference.max() < 0.01
        assert difference.mean() < 0.0005


def test_areas_add_up_to_those_of_the_polygons(simulated_clip):
    """A picture that is not square, and a grid finer than its pixels in one direction."""
    found, truth = areas(simulated_clip, 7, 200), simulated_clip.truth
    for area, polygon in ((found.vessel, truth.vessel_inner), (found.lumen, truth.lumen)):
        whole = area.mean(axis=(1, 2)) * 96 * 128
        np.testing.assert_allclose(whole, polygon_area(polygon), rtol=0.002)
    np.testing.assert_allclose(found.plaque + found.lumen, found.vessel, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 4, 4), (8, 7, 3)])
def test_a_uniform_map_gets_what_chance_gets(shape, sample):
    clip, rng = sample(SEVERE), np.random.default_rng(1)
    rounding = torch.from_numpy(1 + 1e-8 * rng.random(shape)).float() / 3
    for saliency in (np.ones(shape), rounding, np.zeros(shape)):
        found = score_map(saliency, clip)
        ratios = [area.ratio for area in (found.plaque, found.lumen, found.vessel)]
        np.testing.assert_allclose(ratios, 1, rtol=1e-6)
        assert (found.rank, found.rank_percentile) == (4.5, 0.5)
        assert found.pointing == pytest.approx(found.pointing_chance)
        assert found.entropy == pytest.approx(1)


def test_a_map_of_the_plaque_has_all_of_itself_there(sample):
    clip = sample(SEVERE)
    within = areas(clip, 64, 64).plaque == 1  # patches with no corner elsewhere
    found = score_map(within.astype(float), clip)
    assert found.plaque.share == found.vessel.share == pytest.approx(1)
    assert found.pointing == 1
    assert found.lumen == Inside(0, found.lumen.uniform)
    assert found.plaque.uniform == pytest.approx(clip.truth.plaque(64, 64).mean(), rel=0.02)
    assert found.pointing_chance == pytest.approx(found.vessel.uniform, rel=0.02)
    assert found.entropy == pytest.approx(np.log(within.sum()) / np.log(within.size))


def test_a_map_of_the_lumen_points_into_the_vessel_too(sample):
    clip = sample(MILD)
    found = score_map((areas(clip, 32, 32).lumen == 1).astype(float), clip)
    assert (found.lumen.share, found.plaque.share, found.pointing) == (pytest.approx(1), 0, 1)
    found = score_map((areas(clip, 32, 32).vessel == 0).astype(float), clip)
    assert (found.vessel.share, found.pointing) == (0, 0)


def test_shares_are_those_of_the_pixels(sample):
    clip = sample(SEVERE)
    saliency, plaque = noise(clip, 4, 4), clip.truth.plaque(64, 64)
    pixels = np.kron(saliency, np.ones((16, 16)))
    expected = (pixels[plaque].sum() / pixels.sum()) / plaque.mean()
    assert score_map(saliency, clip).plaque.ratio == pytest.approx(expected, rel=0.02)


def test_the_narrowest_frame_is_ranked_by_its_sum(sample):
    clip = sample(SEVERE)
    assert clip.truth.narrowest == 4
    for totals, rank in {
        (3, 1, 4, 1, 5, 9, 2, 6): 3,
        (0, 0, 0, 0, 1, 0, 0, 0): 1,
        (3, 1, 4, 1, 0, 9, 2, 6): 8,
        (5, 1, 4, 1, 5, 9, 5, 6): 4,  # third to fifth tie
    }.items():
        saliency = noise(clip, 4, 6)
        saliency *= np.array(totals)[:, None, None] / saliency.sum(axis=(1, 2), keepdims=True)
        found = score_map(saliency, clip, areas(clip, 4, 6))
        assert found == score_map(saliency, clip)
        assert (found.rank, found.rank_percentile) == (rank, pytest.approx((8 - rank) / 7))


def test_largest_patches_that_tie_share_the_point(sample):
    clip = sample(SEVERE)
    saliency = np.zeros((8, 16, 16))
    inside, outside = areas(clip, 16, 16).vessel == 1, areas(clip, 16, 16).vessel == 0
    for area, count in ((inside, 1), (outside, 3)):
        saliency[tuple(np.argwhere(area)[:count].T)] = 7
    saliency[tuple(np.argwhere(inside)[2])] = 6.9
    assert score_map(saliency, clip).pointing == 0.25


def test_entropy_counts_patches(sample):
    clip = sample(SEVERE)
    saliency = np.zeros((8, 4, 4))
    saliency[3, 1, 2] = 5
    assert score_map(saliency, clip).entropy == 0
    saliency[5, 0, 0] = 5
    assert score_map(saliency, clip).entropy == pytest.approx(np.log(2) / np.log(128))


def test_only_proportions_count_and_not_the_size_of_the_clip(sample):
    clip = sample(SEVERE)
    saliency = noise(clip, 4, 4)
    plain = score_map(saliency, clip)
    for other in (saliency * 1e-300, saliency * 1e307, torch.from_numpy(saliency), 8 * saliency):
        found = score_map(other, clip)
        assert found.figures == pytest.approx(plain.figures, rel=1e-12)
    assert score_map(saliency + 1, clip).entropy > plain.entropy
    large = score_map(saliency, sample(SEVERE, 192)).figures
    assert large == pytest.approx(plain.figures, rel=1e-6)


def test_what_is_not_there_is_no_number(simulated_clip):
    truth = replace(simulated_clip.truth, lumen=simulated_clip.truth.vessel_inner)
    healthy = replace(simulated_clip, truth=truth)
    assert np.isnan(score_map(np.ones((3, 2, 2)), healthy).plaque.ratio)
    one = resample(simulated_clip, 1, 64)
    found = score_map(np.ones((1, 2, 2)), one)
    assert found.rank == 1
    assert np.isnan(found.rank_percentile)


def test_bad_input_is_named(simulated_clip):
    uniform = np.ones((3, 2, 2))
    with pytest.raises(ValueError, match="the clip of nobody has no truth"):
        score_map(uniform, replace(simulated_clip, truth=None))
    with pytest.raises(ValueError, match=r"with the clip's t of 3: got \(4, 2, 2\)"):
        score_map(np.ones((4, 2, 2)), simulated_clip)
    with pytest.raises(ValueError, match=r"two patches or more.*got \(1, 1, 1\)"):
        shares_of(np.ones((1, 1, 1)), resample(simulated_clip, 1, 32))
    for odd in (-0.5, np.nan, np.inf):
        saliency = uniform.copy()
        saliency[1, 0, 1] = odd
        with pytest.raises(ValueError, match=rf"got {odd} at frame, row, column \(1, 0, 1\)"):
            score_map(saliency, simulated_clip)
    with pytest.raises(ValueError, match="one patch or more: got 0 x 4"):
        areas(simulated_clip, 0, 4)
