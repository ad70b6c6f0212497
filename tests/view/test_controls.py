"""Controls destroy what they are named after and nothing else; differences are by patient."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from csglib import CSG3DCT, TINY
from csglib.metrics.intervals import Score
from csglib.view import (
    Comparison,
    areas,
    class_token_map,
    compare,
    paired,
    random_control,
    score_map,
    shuffled_maps,
)
from csglib.view.attention_record import attention_record

from .conftest import sample

NAMES = ("mild_near_wall_type_I", "severe_borderline_type_II", "severe_concentric_type_IV")
WITHOUT_NETWORK = ("another patient's map", "mean map", "centre prior", "uniform map")


@pytest.fixture(scope="module")
def clips():
    return [sample(name) for name in NAMES]


def brightness(network, clip):
    """Reads each frame by itself."""
    return clip.frames.reshape(len(clip.frames), 4, 16, 4, 16).mean(axis=(2, 4))


def clock(network, clip):
    """Looks at the same times in every clip."""
    return np.arange(1.0, 9)[:, None, None] * np.ones((8, 4, 4))


def motion(network, clip):
    """Needs the order."""
    return np.abs(np.diff(brightness(network, clip), axis=0, prepend=0))


@pytest.mark.parametrize(
    ("method", "same_as_came", "same_put_back"),
    [(brightness, False, True), (clock, True, False), (motion, False, False)],
)
def test_frames_as_they_came_and_put_back(method, same_as_came, same_put_back, clips):
    truths, nothing = [], nn.Identity()

    def watched(network, clip):
        truths.append(clip.truth)
        return method(network, clip)

    plain = method(nothing, clips[0])
    maps = shuffled_maps(watched, nothing, [clips[0], clips[0]])
    came, put_back = maps["shuffled frames"], maps["shuffled, put back"]
    assert truths == [None, None]  # a shuffled clip brings no truth
    assert np.array_equal(came[0], plain) == same_as_came
    assert np.array_equal(put_back[0], plain) == same_put_back
    assert np.array_equal(came[0], came[1]) == same_as_came, "each has an order of its own"


def test_further_controls_stand_beside_the_four(clips):
    two = [replace(clip, patient=name) for clip, name in zip(clips[:2], "ab", strict=True)]
    own, other = ([brightness(None, clip) ** power for clip in two] for power in (1, 2))
    found = compare(two, own, {"other": other})
    assert [*found.means] == ["own", *WITHOUT_NETWORK, "other"]
    across = ((np.arange(4) + 0.5) / 4 - 0.5) * 6  # standard deviations from the middle
    centre = np.exp(-(across**2 + across[:, None] ** 2) / 2) * np.ones((8, 1, 1))
    for kind, maps in (("own", own), ("other", other), ("centre prior", [centre] * 2)):
        scores = [score_map(*pair)["plaque ratio"] for pair in zip(maps, two, strict=True)]
        assert found.means[kind]["plaque ratio"].value == pytest.approx(np.mean(scores))


def test_other_patients_are_those_of_the_other_clips(clips):
    """Two clips of a patient are no control of one another; by a plain loop over `score_map`."""
    some = [replace(clip, patient="aabccc"[place]) for place, clip in enumerate(clips * 2)]
    maps = [np.random.default_rng(place).random((8, 4, 6)) ** 3 for place in range(6)]
    maps = [saliency / saliency.sum() for saliency in maps]
    found = compare(some, maps, {}).means
    one, mean = [], []
    for clip in some:
        others = [m for m, other in zip(maps, some, strict=True) if other.patient != clip.patient]
        scores = [score_map(saliency, clip) for saliency in others]
        one.append({figure: np.mean([s[figure] for s in scores]) for figure in scores[0]})
        mean.append(score_map(np.mean(others, axis=0), clip))
    for kind, rows in (("another patient's map", one), ("mean map", mean)):
        expected = {figure: np.mean([row[figure] for row in rows]) for figure in rows[0]}
        assert {f: score.value for f, score in found[kind].items()} == pytest.approx(expected)
    ratios = [found[kind]["vessel ratio"].value for kind in ("another patient's map", "mean map")]
    assert ratios[0] == pytest.approx(ratios[1])


def test_a_paired_interval_by_hand():
    """Of 27 draws of 3 patients one has c alone, and one each a and b alone: 3.7 %, over 2.5 %."""
    own, control = np.array([1.0, 1.5, 4.0, 3.0]), np.array([0.0, -1.5, 2.0, 4.0])
    found = paired({"x": own}, {"control": {"x": control}}, ["a", "a", "b", "c"])
    difference = found.differences["control"]["x"]  # 1 and 3 of a, 2 of b, -1 of c
    assert (difference.value, difference.low, difference.high) == (1.25, -1, 2)
    assert (found.means["own"]["x"].value, found.means["control"]["x"].value) == (2.375, 1.125)
    assert found.verdict("control", "x") == "not apart"
    steady = paired({"x": own}, {"control": {"x": own - 0.5}}, ["a", "a", "b", "c"])
    assert steady.differences["control"]["x"] == Score(0.5, 0.5, 0.5)
    assert steady.verdict("control", "x") == "above"


def test_a_score_that_a_clip_does_not_have_is_left_out(clips):
    healthy = replace(clips[0], truth=replace(clips[0].truth, lumen=clips[0].truth.vessel_inner))
    saliency = areas(clips[1], 4, 4).plaque
    for other, expected in (
        (clips[1], score_map(saliency, clips[1])["plaque ratio"]),
        (healthy, np.nan),
    ):
        two = [replace(healthy, patient="a"), replace(other, patient="b")]
        found = compare(two, [saliency] * 2, {})
        kept = found.means["own"]["plaque ratio"]
        assert [kept.value, kept.low, kept.high] == pytest.approx([expected] * 3, nan_ok=True)
    assert found.verdict("mean map", "plaque ratio") == "no score"


def test_a_verdict_says_whether_the_interval_excludes_0():
    rows = {
        "below": Score(-0.2, -0.3, -0.1),
        "touching": Score(-0.1, -0.2, 0.0),
        "rounding": Score(1e-16, 1e-17, 1e-15),
        "above": Score(0.25, 0.125, 0.5),
        "unknown": Score(np.nan, np.nan, np.nan),
    }
    differences = {name: {"ratio": score} for name, score in rows.items()}
    found = Comparison({"own": {"ratio": Score(1.0, 0.5, 1.5)}} | differences, differences)
    verdicts = [found.verdict(name, "ratio") for name in rows]
    assert verdicts == ["below", "not apart", "not apart", "above", "no score"]
    first, _, *lines = found.text("ratio").splitlines()
    assert first == "ratio: own 1.000 (0.500 to 1.500)"
    assert lines[3] == "  above      0.250  +0.250 (+0.125 to +0.500)  above"


def test_a_twin_has_the_same_parts_and_other_weights():
    network = CSG3DCT(replace(TINY, class_tokens="frame"))
    before = torch.get_rng_state()
    twin, again, other = (random_control(network, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert twin.config == network.config
    assert not twin.training
    weights = [made.embed.project.weight for made in (network, twin, again, other)]
    assert torch.equal(weights[1], weights[2])
    for one, another in ((0, 1), (1, 3)):
        assert not torch.allclose(weights[one], weights[another])
    with pytest.raises(ValueError, match="wanted a CSG3DCT, to build its like: got a Linear"):
        random_control(nn.Linear(2, 2))


def test_a_branch_is_shown_by_the_mean_of_its_blocks(clips, opinionated_network):
    branches = attention_record(opinionated_network, clips[0]).branches
    for branch in ("time", "into_space", "into_time"):
        found = class_token_map(branch)(opinionated_network, clips[0])
        torch.testing.assert_close(found, branches[branch].maps.mean(0))
    last = class_token_map("time", slice(-1, None))(opinionated_network, clips[0])
    torch.testing.assert_close(last, branches["time"].maps[-1])


def test_frames_with_a_softmax_each_are_not_ranked(clips, opinionated_network):
    network = opinionated_network
    saliency = class_token_map("space")(network, clips[0])
    assert score_map(saliency, clips[0])["rank percentile"] == 0.5
    seen = attention_record(network, clips[0]).branches["space"].maps.mean(0)
    assert score_map(seen, clips[0])["rank percentile"] != 0.5
    torch.testing.assert_close(
        saliency / saliency.amax((1, 2), keepdim=True), seen / seen.amax((1, 2), keepdim=True)
    )


def test_bad_input_is_named(clips):
    two = [replace(clip, patient=name) for clip, name in zip(clips[:2], "ab", strict=True)]
    ones = [np.ones((8, 4, 4))] * 2
    with pytest.raises(ValueError, match=r"two patients or more are wanted.*: got 2 of 1"):
        compare([clips[0], clips[0]], ones, {})
    with pytest.raises(ValueError, match=r"as many clips, maps, .*got \[2, 1\]"):
        compare(two, ones, {"short": ones[:1]})
    with pytest.raises(ValueError, match=r"one grid of frames.* got \(8, 4, 4\) and \(8, 8, 8\)"):
        compare.__wrapped__(two, ones, {"fine": [np.ones((8, 8, 8))] * 2})
    with pytest.raises(ValueError, match=r"as many patients, own, x, .*got \[1, 2\]"):
        paired({"x": np.ones(2)}, {"control": {"x": np.ones(2)}}, ["a"])
    with pytest.raises(ValueError, match="no branch is called 'joint'; there are space, time"):
        class_token_map("joint")(CSG3DCT(TINY), clips[0])
