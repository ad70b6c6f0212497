"""The explorer without a page: what it sends at once, what it answers, what it refuses."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import traitlets

from csglib.data.clips import Clip
from csglib.model.config import PAPER, TINY, SingleBranch
from csglib.model.csg3dct import CSG3DCT
from csglib.view.attention_record import attention_record
from csglib.view.scores import areas
from csglib.widgets.explorer import AttentionExplorer
from csglib.widgets.explorer import widget as module
from csglib.widgets.explorer.message import encoded

FRAMES, PATCHES = 3, 48  # of `simulated_clip`: 6 x 8 patches
JOINT = SingleBranch(axis="joint", heads=2, hidden=64)


@pytest.fixture
def explorer(opinionated_network, simulated_clip):
    return AttentionExplorer(opinionated_network, simulated_clip)


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
    for frames, against in ((8, CSG3DCT(thin)), (16, None)):
        clip = Clip(frames=np.zeros((frames, 256, 256), np.uint8), patient="nobody")
        sent = AttentionExplorer(CSG3DCT(thin), clip, against).get_state()
        plain = {name: value for name, value in sent.items() if not isinstance(value, bytes)}
        size = sum(len(value) for value in sent.values() if isinstance(value, bytes))
        assert size + len(json.dumps(plain)) < 1_000_000
        facts = sent["facts"]
        sizes = [facts[name] for name in ("blocks", "heads", "frames", "rows", "columns")]
        assert sizes == [12, 12, frames, 16, 16]


def test_a_single_branch_along_space_has_no_matrix(simulated_clip):
    alone = SingleBranch(axis="space", heads=4, hidden=64)
    sent = AttentionExplorer(CSG3DCT(replace(TINY, encoder=alone)), simulated_clip)
    assert (sent.facts["timeBranch"], sent.view) == (None, "space")
    assert sent.answer([0, "row", "space", 1, 5])


def test_what_is_nearly_the_most_is_not_sent_as_the_most():
    close = torch.tensor([[0.0, 0.9999, 1.0], [0.5, 0.5, 0.5], [0.0, 2.0, 2.0]])
    codes, ends = encoded(close)
    assert codes.tolist() == [[0, 254, 255], [0, 0, 0], [0, 255, 255]]
    assert ends.tolist() == [[0, 1], [0.5, 0.5], [0, 2]]


def test_masks_are_the_areas_that_scores_are_made_with(explorer, simulated_clip):
    masks = np.frombuffer(explorer.masks, np.uint8).reshape(FRAMES, 6, 8)
    np.testing.assert_allclose(masks / 255, areas(simulated_clip, 6, 8).plaque, atol=0.51 / 255)
    assert masks.max() > 200


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
def test_the_kernel_answers_with_the_mean_and_each_head(
    asked, expected, explorer, opinionated_network, simulated_clip
):
    heads = expected(attention_record(opinionated_network, simulated_clip))
    ends, codes = explorer.answer([0, *asked])
    close(decoded(codes, ends), torch.cat([heads.mean(0, keepdim=True), heads]))


def test_a_question_of_the_page_is_answered_once_and_by_its_name(explorer):
    sent = []
    explorer.send = lambda content, buffers: sent.append((content, buffers))
    asked = [0, "row", "space", 2, 60]
    explorer._handle_custom_msg(asked, [])
    assert sent == [(asked, explorer.answer(asked))]


def test_the_second_network_follows_the_first(base, opinionated_network, simulated_clip):
    alone = AttentionExplorer(base, simulated_clip)
    first = AttentionExplorer(opinionated_network, simulated_clip)
    both = AttentionExplorer(opinionated_network, simulated_clip, against=base)
    for name in ("maps", "ends", "totals"):
        assert getattr(both, name) == getattr(first, name) + getattr(alone, name)
    other = both.facts["other"]
    assert {name: alone.facts[name] for name in other} == other
    assert both.answer([1, "row", "joint", 2, 9]) == alone.answer([0, "row", "joint", 2, 9])
    assert (both.compare, both.other_block, first.compare) == (True, 5, False)
    with pytest.raises(traitlets.TraitError, match="other_block must be 1 to 5: got 6"):
        both.other_block = 6


def test_networks_that_cut_a_clip_otherwise_are_not_compared(opinionated_network, simulated_clip):
    coarse = CSG3DCT(replace(TINY, patch=32))
    with pytest.raises(ValueError, match=r"cut the clip alike .*: got \(3, 6, 8\) and \(3, 3, 4\)"):
        AttentionExplorer(opinionated_network, simulated_clip, against=coarse)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"query": 145, "view": "space"}, "query must be 0 to 144: got 145"),
        ({"head": 5}, "head must be 0 to 4: got 5"),
        ({"other_block": 0}, "other_block must be 1 to 5: got 0"),
        (
            {"query": 7},
            "in view 'into_time' the class token is the only .* and time: got",
        ),
        (
            {"query": 7, "view": "into_space"},
            "in view 'into_space' the class token is",
        ),
    ],
)
def test_what_is_not_there_is_refused(settings, said, opinionated_network, simulated_clip):
    with pytest.raises(traitlets.TraitError, match=said):
        AttentionExplorer(opinionated_network, simulated_clip, settings=settings)


def test_what_is_refused_changes_nothing(explorer):
    for name, value, said in (
        ("query", 7, "got query 7"),
        ("query", -1, "0 to 144: got -1"),
        ("block", 6, "block must be 1 to 5: got 6"),
        ("frame", 0, "frame must be 1 to 3: got 0"),
        ("view", "sideways", "view must be one of .*: got 'sideways'"),
    ):
        with pytest.raises(traitlets.TraitError, match=said):
            setattr(explorer, name, value)
    assert (explorer.query, explorer.block, explorer.frame) == (0, 5, 1)
    assert explorer.view == "into_time"


def test_a_patch_cannot_be_taken_to_a_branch_where_it_does_not_ask(explorer):
    explorer.view = "space"
    explorer.query = 7
    with pytest.raises(traitlets.TraitError, match="class token is the only query"):
        explorer.view = "into_time"
    assert explorer.view == "space"


def test_settings_are_attributes_and_a_misspelt_one_is_named(opinionated_network, simulated_clip):
    wanted = {"view": "space", "block": 2, "query": 60, "head": 3, "stretch": True}
    explorer = AttentionExplorer(opinionated_network, simulated_clip, settings=wanted)
    assert {name: getattr(explorer, name) for name in wanted} == wanted
    with pytest.raises(ValueError, match=r"settings are view, block, .*: got blok"):
        AttentionExplorer(opinionated_network, simulated_clip, settings={"blok": 2})


def test_the_text_says_what_is_unusual(explorer):
    plain = "AttentionExplorer(view='into_time', block=5 of 5, frame=1 of 3, 6 x 8 patches"
    assert repr(explorer) == f"{plain})"
    explorer.head, explorer.compare = 2, True
    assert repr(explorer) == f"{plain}, head 2 of 4, against block 1)"
    explorer.view = "space"
    explorer.query = 60
    assert "6 x 8 patches, patch 60, head 2 of 4" in repr(explorer)


def picture(explorer):
    return explorer._repr_mimebundle_()[0]["image/png"]


def test_the_still_shows_who_asks_and_which_head(explorer):
    seen = [picture(explorer)]
    for view, query, head in (("space", 0, 0), ("space", 60, 0), ("space", 60, 2), ("time", 60, 0)):
        explorer.query = 0
        explorer.view, explorer.query, explorer.head = view, query, head
        seen.append(picture(explorer))
    assert len(set(seen)) == 5


def test_the_still_has_one_scale_for_both_sides(base, opinionated_network, simulated_clip):
    both = AttentionExplorer(opinionated_network, simulated_clip, against=base)
    bar = both.still().axes[-1]
    seen = [attention_record(network, simulated_clip) for network in (opinionated_network, base)]
    maps = (seen[0].branches["into_time"], seen[1].branches["joint"])
    most = max(float(branch.maps[4].max()) for branch in maps)
    even = max(branch.uniform_patch for branch in maps)
    assert bar.get_ylim() == pytest.approx((0, max(most, 2 * even)))


def test_a_page_of_its_own_has_all_data_and_fetches_nothing(explorer, tmp_path):
    path = tmp_path / "explorer.html"
    explorer.query = 0
    explorer.to_html(path)
    text = path.read_text(encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["explorer.html"]
    assert "https:" not in text
    assert "http:" not in text
    assert {"frames", "maps", "rows", "row_ends", "masks"} <= set(packed_in(path)[0])
    assert text.count("</script>") == 1


def test_a_page_that_cannot_be_written_leaves_the_old_one(explorer, tmp_path, monkeypatch):
    path = tmp_path / "explorer.html"
    path.write_text("old")

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("csglib.data.atomic.os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        explorer.to_html(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def packed_in(path):
    """What a page holds: bytes by name, and where each kind of row starts."""
    text = path.read_text(encoding="utf-8")
    letters = json.loads(text.partition("const PACKED = ")[2].partition(";\n")[0])
    plain = json.loads(text.partition("const PLAIN = ")[2].partition(";\n")[0])
    return {name: base64.b64decode(each) for name, each in letters.items()}, plain["row_index"]


@pytest.mark.parametrize("first", ["paper", "base"])
def test_rows_in_a_page_are_the_means_of_the_kernels(
    first, base, opinionated_network, simulated_clip, tmp_path
):
    networks = [opinionated_network, base] if first == "paper" else [base, opinionated_network]
    widget = AttentionExplorer(networks[0], simulated_clip, networks[1])
    widget.to_html(tmp_path / "two.html")
    packed, index = packed_in(tmp_path / "two.html")
    kinds = {
        "paper": ["matrix,time", "row,space", "row,time"],
        "base": ["matrix,joint", "row,joint"],
    }
    order = ["paper", "base"] if first == "paper" else ["base", "paper"]
    assert list(index) == [f"{n},{kind}" for n, name in enumerate(order) for kind in kinds[name]]
    ends = np.frombuffer(packed["row_ends"], np.float32).reshape(-1, 2)
    for name, entry in index.items():
        network, kind, branch = name.split(",")
        for block, query in ((1, 1), (3, 20), (5, entry["count"] - (kind == "matrix"))):
            which = (block - 1) * entry["count"] + query - (kind == "row")
            start = entry["values"] + which * entry["size"]
            found = ends[entry["ends"] + which], packed["rows"][start : start + entry["size"]]
            expected = widget.answer([int(network), kind, branch, block, query])
            np.testing.assert_array_equal(found[0], np.frombuffer(expected[0], np.float32)[:2])
            assert found[1] == expected[1][: entry["size"]]
    last = list(index.values())[-1]
    assert len(packed["rows"]) == last["values"] + 5 * last["count"] * last["size"]
    assert len(ends) == last["ends"] + 5 * last["count"]


def test_rows_that_are_too_many_stay_with_the_kernel(explorer, tmp_path, monkeypatch):
    path = tmp_path / "explorer.html"
    for most, kept in (
        (5 * FRAMES * PATCHES * PATCHES, True),
        (5 * FRAMES * PATCHES**2 - 1, False),
    ):
        monkeypatch.setattr(module, "MOST_EMBEDDED", most)
        explorer.to_html(path)
        assert ("0,row,space" in packed_in(path)[1]) == kept
        assert {"0,matrix,time", "0,row,time"} <= set(packed_in(path)[1])


def test_the_explorer_sends_bytes_of_the_promised_length(explorer):
    facts = explorer.facts
    sizes = ("blocks", "frames", "rows", "columns", "height", "width")
    assert [facts[size] for size in sizes] == [5, 3, 6, 8, 96, 128]
    assert [branch["name"] for branch in facts["branches"]] == [
        "space",
        "time",
        "into_space",
        "into_time",
    ]
    lengths = {name: len(getattr(explorer, name)) for name in ("frames", "maps", "ends", "totals")}
    assert lengths == {
        "frames": 3 * 96 * 128,
        "maps": 4 * 5 * 3 * 6 * 8,
        "ends": 4 * 5 * 2 * 4,
        "totals": 4 * 5 * 3 * 4,
    }
    assert len(explorer.lumen) == len(explorer.vessel) == 3 * 24 * 2 * 4


def test_the_bytes_are_the_maps(explorer, opinionated_network, simulated_clip):
    seen = attention_record(opinionated_network, simulated_clip)
    codes = np.frombuffer(explorer.maps, np.uint8).reshape(4, 5, 3, 6, 8)
    ends = np.frombuffer(explorer.ends, np.float32).reshape(4, 5, 2)
    totals = np.frombuffer(explorer.totals, np.float32).reshape(4, 5, 3)
    for place, branch in enumerate(seen.branches.values()):
        for block, expected in enumerate(branch.maps.numpy()):
            least, most = ends[place, block]
            decoded = least + codes[place, block] / 255 * (most - least)
            np.testing.assert_allclose(decoded, expected, atol=(most - least) / 500)
            assert {0, 255} <= set(codes[place, block].flatten())
        np.testing.assert_array_equal(totals[place], branch.totals.numpy())


def test_small_frames_are_sent_as_they_are_and_large_ones_as_means(
    explorer, opinionated_network, simulated_clip
):
    assert explorer.frames == simulated_clip.frames.tobytes()
    frames = np.random.default_rng(1).integers(0, 256, (1, 128, 256), dtype=np.uint8)
    large = type(simulated_clip)(frames=frames, patient="nobody")
    sent = AttentionExplorer(opinionated_network, large)
    means = frames.reshape(1, 64, 2, 128, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(
        np.frombuffer(sent.frames, np.uint8).reshape(1, 64, 128), means, atol=0.51
    )


def test_truth_is_sent_only_where_it_is_known(explorer, opinionated_network, simulated_clip):
    truth = explorer.facts["truth"]
    assert (truth["narrowest"], truth["grade"]) == (2, "severe")
    assert truth["closed"] == pytest.approx([1 - 0.8**0.5, 0.5, 1 - 0.6**0.5])
    lumen = np.frombuffer(explorer.lumen, np.float32).reshape(3, 24, 2)
    expected = (simulated_clip.truth.lumen[1, 6] + 0.5) / [128, 96]
    np.testing.assert_allclose(lumen[1, 6], expected, rtol=1e-6)
    real = type(simulated_clip)(frames=simulated_clip.frames, patient="nobody")
    blind = AttentionExplorer(opinionated_network, real)
    assert (blind.facts["truth"], blind.lumen, blind.vessel) == (None, b"", b"")


def test_facts_are_plain_json(explorer):
    assert json.loads(json.dumps(explorer.facts)) == explorer.facts
    assert [grade for grade, _ in explorer.facts["prediction"]] == ["mild", "severe"]
    assert sum(share for _, share in explorer.facts["prediction"]) == pytest.approx(1)


def test_a_clip_that_does_not_fit_is_refused_by_the_network(opinionated_network, simulated_clip):
    odd = type(simulated_clip)(frames=simulated_clip.frames[:, 1:], patient="nobody")
    with pytest.raises(ValueError, match="multiples of 16"):
        AttentionExplorer(opinionated_network, odd)


def test_labels_say_whose_map_it_is_where_maps_are_switched(simulated_clip):
    switched = CSG3DCT(replace(TINY, encoder=replace(TINY.encoder, fusion="switched")))
    labels = [
        item["label"] for item in AttentionExplorer(switched, simulated_clip).facts["branches"]
    ]
    assert labels[2:] == ["space uses time's map", "time uses space's map"]
