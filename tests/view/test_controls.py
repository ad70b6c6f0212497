"""Controls destroy what they are named after and nothing else; intervals are of patients."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from torch import nn

from csglib.metrics.intervals import Score
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.view.attention_record import attention_record
from csglib.view.controls import (
    Comparison,
    class_token_map,
    compare,
    of_shuffled_frames,
    random_control,
    with_controls,
)
from csglib.view.scores import areas, score_map

NAMES = ("mild_near_wall_type_I", "severe_borderline_type_II", "severe_concentric_type_IV")


@pytest.fixture(scope="module")
def clips(sample):
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
    order, truths, nothing = np.random.default_rng(5).permutation(8), [], nn.Identity()

    def watched(network, clip):
        truths.append(clip.truth)
        return method(network, clip)

    plain = method(nothing, clips[0])
    came, put_back = of_shuffled_frames(watched, nothing, clips[0], np.random.default_rng(5))
    assert np.array_equal(came, plain) == same_as_came
    assert np.array_equal(put_back, plain) == same_put_back
    np.testing.assert_array_equal(put_back[order], came)
    assert truths == [None]  # a shuffled clip brings no truth
    if method is brightness:
        np.testing.assert_array_equal(came, plain[order])


def test_a_map_that_follows_the_narrowing_loses_when_frames_are_shuffled(clips):
    """The narrower a frame, the brighter it is made."""
    marked = []
    for place in range(24):
        clip = clips[place % len(clips)]
        grey = (30 * rankdata(clip.truth.area_stenosis)).astype(np.uint8)
        frames = np.broadcast_to(grey[:, None, None], clip.frames.shape)
        marked.append(replace(clip, frames=frames, patient=f"patient {place}"))
    maps = with_controls(brightness, nn.Identity(), marked, {})
    one, same_clip = (maps["shuffled frames"][place] for place in (0, len(clips)))
    assert not np.array_equal(one, same_clip), "each has an order of its own"
    found = compare(marked, maps)
    assert found.scores["trained"]["rank percentile"].value == 1
    assert found.verdict("shuffled frames", "rank percentile") == "lower"
    assert found.scores["shuffled frames"]["rank percentile"].value == pytest.approx(0.5, abs=0.2)
    assert found.verdict("shuffled and put back", "rank percentile") == "overlaps"
    assert found.scores["uniform"]["rank percentile"] == Score(0.5, 0.5, 0.5)


def test_every_control_is_there_with_a_map_for_each_clip(clips):
    network = CSG3DCT(TINY)
    untrained = {f"random weights {seed}": random_control(network, seed) for seed in (1, 2)}
    maps = with_controls(class_token_map("into_time"), network, clips[:2], untrained)
    assert list(maps) == [
        *("trained", "random weights 1", "random weights 2"),
        *("shuffled frames", "shuffled and put back", "uniform"),
    ]
    for kind in maps.values():
        assert [tuple(saliency.shape) for saliency in kind] == [(8, 4, 4)] * 2
    own = class_token_map("into_time")(untrained["random weights 2"], clips[1])
    torch.testing.assert_close(maps["random weights 2"][1], own)
    text = str(compare(clips[:2], maps))
    assert text.startswith("plaque share\n  trained  ")
    assert text.count("random weights 1") == len(score_map(maps["uniform"][0], clips[0]).figures)


def test_scores_are_means_and_intervals_are_of_patients(clips):
    rng = np.random.default_rng(0)
    saliencies = [rng.random((8, 4, 4)) ** 3 for _ in range(6)]
    owners = ["a", "a", "a", "b", "b", "c"]
    owned = [replace(clips[n % 3], patient=owner) for n, owner in enumerate(owners)]
    found = compare(owned, {"drawn": saliencies}, draws=4000, seed=1).scores["drawn"]
    pairs = zip(saliencies, owned, strict=True)
    values = np.array([score_map(*pair).plaque.ratio for pair in pairs])
    assert found["plaque ratio"].value == pytest.approx(values.mean())
    means = []
    for _ in range(4000):
        drawn = [np.flatnonzero(np.array(owners) == owner) for owner in rng.choice(list("abc"), 3)]
        means.append(values[np.concatenate(drawn)].mean())
    expected = np.quantile(means, (0.025, 0.975))
    assert (found["plaque ratio"].low, found["plaque ratio"].high) == pytest.approx(expected)


def test_a_score_that_a_clip_does_not_have_is_left_out(clips):
    healthy = replace(clips[0], truth=replace(clips[0].truth, lumen=clips[0].truth.vessel_inner))
    saliency = areas(clips[1], 4, 4).plaque
    kept, none = (
        compare(some, {"plaque": [saliency] * len(some)}).scores["plaque"]["plaque ratio"]
        for some in ([healthy, clips[1]], [healthy])
    )
    assert kept.value == kept.low == kept.high == score_map(saliency, clips[1]).plaque.ratio
    assert np.isnan([none.value, none.low, none.high]).all()


def test_a_verdict_says_on_which_side_the_other_interval_lies():
    rows = {
        "first": Score(0.5, 0.4, 0.6),
        "below": Score(0.3, 0.2, 0.39),
        "touching": Score(0.3, 0.2, 0.4),
        "above": Score(0.7, 0.61, 0.8),
        "unknown": Score(np.nan, np.nan, np.nan),
    }
    found = Comparison({name: {"ratio": score} for name, score in rows.items()})
    verdicts = [found.verdict(name, "ratio") for name in rows]
    assert verdicts == ["overlaps", "lower", "overlaps", "higher", "overlaps"]
    assert "  below      0.300  (0.200 to 0.390)  lower" in found.text("ratio").splitlines()


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
    with pytest.raises(ValueError, match=r"got Linear; csglib\.train\.networks\.build_network"):
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
    assert score_map(saliency, clips[0]).rank == 4.5
    seen = attention_record(network, clips[0]).branches["space"].maps.mean(0)
    assert score_map(seen, clips[0]).rank != 4.5
    torch.testing.assert_close(
        saliency / saliency.amax((1, 2), keepdim=True), seen / seen.amax((1, 2), keepdim=True)
    )


def test_bad_input_is_named(clips):
    with pytest.raises(ValueError, match="one kind of maps or more: got none"):
        compare(clips, {})
    with pytest.raises(ValueError, match=r"one of each of clips, ones is wanted.*got 3, 1"):
        compare(clips, {"ones": [np.ones((8, 4, 4))]})
    with pytest.raises(ValueError, match="no branch is called 'joint'; there are space, time"):
        class_token_map("joint")(CSG3DCT(TINY), clips[0])
