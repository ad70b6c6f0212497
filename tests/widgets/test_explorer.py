"""The explorer without a page: what it sends at once, what it answers, what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import traitlets

from csglib import CSG3DCT, PAPER, TINY, AttentionExplorer, Clip
from csglib.model.config import SingleBranch
from csglib.view.attention_record import attention_record
from csglib.view.scores import areas
from csglib.widgets.explorer.message import encoded

FRAMES, PATCHES = 3, 48  # of `simulated_clip`: 6 x 8 patches
JOINT = SingleBranch(axis="joint", heads=2, hidden=64)
GREY = np.zeros((8, 256, 256), np.uint8)


@pytest.fixture
def explorer(opinionated_network, simulated_clip):
    return AttentionExplorer(opinionated_network, simulated_clip)


@pytest.fixture(scope="module")
def seen(opinionated_network, simulated_clip):
    return attention_record(opinionated_network, simulated_clip)


@pytest.fixture
def base():
    return CSG3DCT(replace(TINY, encoder=JOINT))


def decoded(codes, ends):
    """(maps, cells) back from bytes and their ends."""
    ends = np.frombuffer(ends, np.float32).reshape(-1, 2)
    codes = np.frombuffer(codes, np.uint8).reshape(len(ends), -1)
    least, most = ends[:, :1], ends[:, 1:]
    return least + codes / 255 * (most - least)


def close(found, expected):
    """Equal to half a step of 255; what is just under the most may be a whole step lower."""
    expected = np.asarray(expected)
    expected = expected.reshape(len(expected), -1)
    most, steps = expected.max(1, keepdims=True), np.ptp(expected, axis=1, keepdims=True) / 255
    under = (expected < most) & (expected > most - steps / 2)
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= np.where(under, 1.01, 0.51) * steps + 1e-7).all()


def test_the_paper_s_clip_is_first_painted_from_less_than_a_megabyte():
    """All sizes that bytes depend on are the paper's; only the inside of its blocks is thin."""
    thin = replace(
        PAPER,
        stages=tuple(replace(stage, width=4) for stage in PAPER.stages),
        encoder=replace(PAPER.encoder, hidden=24, space_hidden=24),
        stem=8,
        dim=24,
    )
    network, clip = CSG3DCT(thin), Clip(frames=GREY, patient="nobody")
    sent = AttentionExplorer(network, clip, against=network).get_state()
    plain = {name: value for name, value in sent.items() if not isinstance(value, bytes)}
    size = sum(len(value) for value in sent.values() if isinstance(value, bytes))
    assert size + len(json.dumps(plain)) < 1_000_000
    sizes = [sent["facts"][name] for name in ("blocks", "heads", "frames", "rows", "columns")]
    assert sizes == [12, 12, 8, 16, 16]


def test_facts_are_plain_json_with_sizes_labels_and_the_prediction(explorer, simulated_clip):
    facts = explorer.facts
    assert json.loads(json.dumps(facts)) == facts
    sizes = ("blocks", "heads", "frames", "rows", "columns", "height", "width")
    assert [facts[size] for size in sizes] == [5, 4, 3, 6, 8, 96, 128]
    names = ["space", "time", "into_space", "into_time"]
    assert [branch["name"] for branch in facts["branches"]] == names
    assert [grade for grade, _ in facts["prediction"]] == ["mild", "severe"]
    assert sum(share for _, share in facts["prediction"]) == pytest.approx(1)
    switched = CSG3DCT(replace(TINY, encoder=replace(TINY.encoder, fusion="switched")))
    branches = AttentionExplorer(switched, simulated_clip).facts["branches"]
    labels = ["space uses time's map", "time uses space's map"]
    assert [branch["label"] for branch in branches[2:]] == labels


def test_grades_have_the_names_of_the_cohort_or_of_a_rule(opinionated_network, simulated_clip):
    four = CSG3DCT(replace(TINY, classes=4))
    cohort, by_rule = ["healthy", "ill"], ["mild", "moderate", "severe", "occlusion"]
    for network, grades, names, truth in (
        (opinionated_network, cohort, cohort, None),
        (four, (), by_rule, "moderate"),
    ):
        facts = AttentionExplorer(network, simulated_clip, grades=grades).facts
        assert [grade for grade, _ in facts["prediction"]] == names
        assert facts["truth"]["grade"] == truth
        assert facts["named"] == bool(grades)
    with pytest.raises(ValueError, match="grades must name the network's 4: got healthy, ill"):
        AttentionExplorer(four, simulated_clip, grades=cohort)


def test_it_opens_where_frames_compete(explorer, opinionated_network, simulated_clip, seen):
    most = 1 + seen.branches["into_time"].totals[-1].argmax().item()
    where = f"view='into_time', block=5, frame={most}, query=0, head=0, "
    shown = f"AttentionExplorer({where}compare=False, other_block=1)"
    assert (repr(explorer), explorer.show_truth) == (shown, True)
    found = (seen.branches[name] for name in ("into_time", "space"))
    here, level = (float(each.totals[4].std()) / each.uniform_frame for each in found)
    assert here > 3 * level
    real = AttentionExplorer(opinionated_network, replace(simulated_clip, truth=None))
    assert (real.view, real.frame, real.show_truth) == ("into_time", 1, False)


def test_what_is_nearly_the_most_is_not_sent_as_the_most():
    close = torch.tensor([[0.0, 0.9999, 1.0], [0.5, 0.5, 0.5], [0.0, 2.0, 2.0]])
    codes, ends = encoded(close)
    assert codes.tolist() == [[0, 254, 255], [0, 0, 0], [0, 255, 255]]
    assert ends.tolist() == [[0, 1], [0.5, 0.5], [0, 2]]


def test_small_frames_are_sent_as_they_are_and_large_ones_as_means(
    explorer, opinionated_network, simulated_clip
):
    assert explorer.frames == simulated_clip.frames.tobytes()
    frames = np.random.default_rng(1).integers(0, 256, (1, 128, 256), dtype=np.uint8)
    sent = AttentionExplorer(opinionated_network, Clip(frames=frames, patient="nobody"))
    means = frames.reshape(1, 64, 2, 128, 2).mean(axis=(2, 4))
    found = np.frombuffer(sent.frames, np.uint8).reshape(means.shape)
    np.testing.assert_allclose(found, means, atol=0.51)


def test_truth_is_sent_only_where_it_is_known(explorer, opinionated_network, simulated_clip):
    truth = explorer.facts["truth"]
    assert (truth["narrowest"], truth["grade"]) == (2, "severe")
    assert truth["closed"] == pytest.approx([1 - 0.8**0.5, 0.5, 1 - 0.6**0.5])
    for name, contour in (
        ("lumen", simulated_clip.truth.lumen),
        ("vessel", simulated_clip.truth.vessel_inner),
    ):
        sent = np.frombuffer(getattr(explorer, name), np.float32).reshape(3, 24, 2)
        np.testing.assert_allclose(sent, (contour + 0.5) / [128, 96], rtol=1e-6)
    masks = np.frombuffer(explorer.masks, np.uint8).reshape(FRAMES, 6, 8)
    np.testing.assert_allclose(masks / 255, areas(simulated_clip, 6, 8).plaque, atol=0.51 / 255)
    assert masks.max() > 200
    blind = AttentionExplorer(opinionated_network, replace(simulated_clip, truth=None))
    assert blind.facts["truth"] is None
    assert blind.lumen == blind.vessel == blind.masks == b""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["row", "space", 2, 60], lambda seen: seen.patch_row("space", 1, 59)),
        (["row", "into_time", 5, 0], lambda seen: seen.class_token_heads("into_time", 4).maps),
        (["row", "time", 1, 0], lambda seen: seen.class_token_heads("time", 0).maps),
        (["matrix", "time", 3, 60], lambda seen: seen.frame_matrix(2, 11)),
        (
            ["matrix", "time", 3, 0],
            lambda seen: sum(seen.frame_matrix(2, place) for place in range(PATCHES)) / PATCHES,
        ),
    ],
)
def test_the_kernel_answers_with_the_mean_and_each_head(asked, expected, explorer, seen):
    sent, request = [], [0, *asked]
    explorer.send = lambda content, buffers: sent.append((content, buffers))
    explorer._handle_custom_msg(request, [])
    ((named, (ends, codes)),) = sent
    assert named == request
    heads = expected(seen)
    close(decoded(codes, ends), torch.cat([heads.mean(0, keepdim=True), heads]))


def test_the_second_network_follows_the_first(base, explorer, opinionated_network, simulated_clip):
    alone = AttentionExplorer(base, simulated_clip)
    both = AttentionExplorer(opinionated_network, simulated_clip, against=base)
    for name in ("maps", "ends", "totals"):
        assert getattr(both, name) == getattr(explorer, name) + getattr(alone, name)
    other = both.facts["other"]
    assert {name: alone.facts[name] for name in other} == other
    assert both.answer([1, "row", "joint", 2, 9]) == alone.answer([0, "row", "joint", 2, 9])
    assert (both.compare, both.other_block, explorer.compare) == (True, 5, False)
    with pytest.raises(traitlets.TraitError, match="other_block must be 1 to 5: got 6"):
        both.other_block = 6
    coarse = CSG3DCT(replace(TINY, patch=32))
    with pytest.raises(ValueError, match=r"cut the clip alike: got \(3, 6, 8\) and \(3, 3, 4\)"):
        AttentionExplorer(opinionated_network, simulated_clip, against=coarse)


def test_a_single_branch_along_space_has_no_matrix(simulated_clip):
    alone = CSG3DCT(replace(TINY, encoder=replace(JOINT, axis="space")))
    sent = AttentionExplorer(alone, simulated_clip)
    assert (sent.facts["timeBranch"], sent.view) == (None, "space")
    assert sent.answer([0, "row", "space", 1, 5])


def test_settings_are_checked_and_a_refusal_changes_nothing(opinionated_network, simulated_clip):
    wanted = {"view": "space", "block": 2, "query": 60, "head": 3, "stretch": True}
    explorer = AttentionExplorer(opinionated_network, simulated_clip, settings=wanted)
    assert {name: getattr(explorer, name) for name in wanted} == wanted
    said = "in view 'into_time' the class token is the only .* space and time:"
    with pytest.raises(traitlets.TraitError, match=said):
        explorer.view = "into_time"
    assert {name: getattr(explorer, name) for name in wanted} == wanted
    with pytest.raises(ValueError, match=r"settings are view, block, .*: got blok"):
        AttentionExplorer(opinionated_network, simulated_clip, settings={"blok": 2})
    with pytest.raises(traitlets.TraitError, match="the class token is the only query"):
        AttentionExplorer(opinionated_network, simulated_clip, settings={"query": 7})


@pytest.mark.parametrize(
    ("view", "query", "head", "expected"),
    [
        ("into_time", 0, 0, lambda seen: seen.branches["into_time"].totals[4]),
        ("space", 0, 2, lambda seen: seen.class_token_heads("space", 4).totals[1]),
        ("space", 60, 0, lambda seen: [0, seen.patch_row("space", 4, 59).mean(0).sum(), 0]),
        ("time", 60, 2, lambda seen: seen.patch_row("time", 4, 59)[1]),
    ],
)
def test_the_still_shows_the_query_and_the_head(view, query, head, expected, explorer, seen):
    explorer.view, explorer.head = view, head
    explorer.query = query
    still = explorer.still()
    bars = [axes.patches[0].get_height() for axes in still.axes[FRAMES : 2 * FRAMES]]
    np.testing.assert_allclose(bars, expected(seen), rtol=1e-5)
    title = still.get_suptitle()
    assert ("head 2" in title) == (head == 2)
    assert ("frame 2, row 2, column 4" in title) == (query == 60)


def test_the_still_s_colour_follows_attention(explorer, seen):
    """Below uniform attention the tissue is bare; from twice as much on all has the full colour."""
    branch = seen.branches["into_time"]
    times = (branch.maps[4, 0] / branch.uniform_patch).numpy()
    strength = np.clip(times - 1, 0, 1)
    still = explorer.still()
    assert 0 < (strength == 0).mean() < 1
    over = still.axes[0].images[1].get_array().data
    np.testing.assert_allclose(over[..., 3], 0.8 * strength, atol=1e-6)
    assert [line.get_linestyle() for line in still.axes[0].lines] == ["--", "-"]  # the truth's
    lumen = np.frombuffer(explorer.lumen, np.float32).reshape(FRAMES, -1, 2)[1] * [128, 96]
    np.testing.assert_allclose(still.axes[1].lines[1].get_xydata(), lumen, rtol=1e-6)


def test_the_still_has_one_scale_for_both_sides(base, opinionated_network, simulated_clip, seen):
    both = AttentionExplorer(opinionated_network, simulated_clip, base, settings={"stretch": True})
    joint = attention_record(base, simulated_clip).branches["joint"]
    times = [each.maps[4] / each.uniform_patch for each in (seen.branches["into_time"], joint)]
    ends = (float(torch.cat(times).min()), float(torch.cat(times).max()))
    assert both.still().axes[-1].get_ylim() == pytest.approx(ends)


def test_rows_that_are_too_many_stay_with_the_kernel(explorer, tmp_path, monkeypatch):
    for most, kept in ((5 * FRAMES * PATCHES**2, True), (5 * FRAMES * PATCHES**2 - 1, False)):
        kinds = [*explorer.page_state(most)["row_index"]]
        assert kinds == ["0,matrix,time", *["0,row,space"] * kept, "0,row,time"]
    path = tmp_path / "explorer.html"
    explorer.to_html(path)
    before = path.read_bytes()
    monkeypatch.setattr("csglib.data.atomic.os.fsync", None)  # as on a full disk
    with pytest.raises(TypeError):
        explorer.to_html(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]
