"""Scores of maps agree with their definitions, on contours that others have measured."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Outline

from csglib import resample
from csglib.view.scores import areas, cross_scores, score_map, shares_of

from .conftest import sample

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
def test_areas_are_what_matplotlib_finds_in_the_contours(rows, columns, simulated_clip):
    """In a picture that is not square."""
    clip = simulated_clip
    vessel, lumen = (
        looked_up(polygons, clip, rows, columns)
        for polygons in (clip.truth.vessel_inner, clip.truth.lumen)
    )
    found = areas(clip, rows, columns)
    for mine, other in zip(found, (vessel & ~lumen, lumen, vessel), strict=True):
        assert mine.shape == (3, rows, columns)
        difference = abs(mine - other.mean(axis=(2, 4)))
        assert difference.max() < 0.01
        assert difference.mean() < 0.0005


@pytest.mark.parametrize("shape", [(8, 4, 4), (8, 7, 3)])
def test_a_uniform_map_gets_what_chance_gets(shape):
    clip, rng = sample(SEVERE), np.random.default_rng(1)
    rounding = torch.from_numpy(1 + 1e-8 * rng.random(shape)).float() / 3
    in_vessel = (areas(clip, *shape[1:]).vessel > 0.5).mean()
    for saliency in (np.ones(shape), rounding, np.zeros(shape)):
        values = [*score_map(saliency, clip).values()]  # three ratios, rank percentile, pointing
        assert values == pytest.approx([1, 1, 1, 0.5, in_vessel], rel=1e-6)


def one_by_one(saliency, clip):
    """The scores as they are defined, patch by patch and frame by frame."""
    known, frames = areas(clip, *saliency.shape[1:]), len(saliency)
    inside, peaks = dict.fromkeys(known._fields, 0.0), []
    for place, value in np.ndenumerate(saliency):
        for name, area in known._asdict().items():
            inside[name] += value * area[place] / saliency.sum() / area.mean()
        if value == saliency.max():
            peaks.append(known.vessel[place] > 0.5)
    sums, narrowest = [frame.sum() for frame in saliency], clip.truth.narrowest
    others = [other for place, other in enumerate(sums) if place != narrowest]
    below = sum((other < sums[narrowest]) + (other == sums[narrowest]) / 2 for other in others)
    return {
        "vessel ratio": inside["vessel"],
        "plaque ratio": inside["plaque"],
        "remnant vessel ratio": inside["lumen"],
        "rank percentile": below / (frames - 1),
        "pointing": sum(peaks) / len(peaks),
    }


def test_matrices_give_what_a_loop_over_maps_and_clips_gives():
    clips = [sample(name) for name in (SEVERE, MILD, "severe_borderline_type_II")]
    maps = [noise(clip, 4, 6, seed) for seed, clip in enumerate([*clips, clips[0]])]
    maps[1][5, 2, 3] = maps[1][0, 0, 0] = 2  # the largest patch ties
    maps[2][:] = np.array([1, 2, 1, 2, 2, 2, 4, 0])[:, None, None]  # frames do
    found = cross_scores(np.stack([shares_of(each, clips[0]) for each in maps]), clips)
    for (row, saliency), (column, clip) in product(enumerate(maps), enumerate(clips)):
        pair = {figure: values[row, column] for figure, values in found.items()}
        assert pair == pytest.approx(one_by_one(saliency, clip), rel=1e-9)
        assert pair == pytest.approx(score_map(saliency, clip), rel=1e-12)


def test_only_proportions_count_and_not_the_size_of_the_clip():
    clip = sample(SEVERE)
    saliency = noise(clip, 4, 4)
    plain = score_map(saliency, clip)
    for other in (saliency * 1e-300, saliency * 1e307, torch.from_numpy(saliency), 8 * saliency):
        assert score_map(other, clip) == pytest.approx(plain, rel=1e-12)
    assert score_map(saliency, sample(SEVERE, 192)) == pytest.approx(plain, rel=1e-6)


def test_what_is_not_there_is_no_number(simulated_clip):
    truth = replace(simulated_clip.truth, lumen=simulated_clip.truth.vessel_inner)
    healthy = replace(simulated_clip, truth=truth)
    assert np.isnan(score_map(np.ones((3, 2, 2)), healthy)["plaque ratio"])
    one = resample(simulated_clip, 1, 64)
    assert np.isnan(score_map(np.ones((1, 2, 2)), one)["rank percentile"])


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
