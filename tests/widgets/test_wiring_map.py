"""The wiring map without a page: its counts against the summary and by hand, places, still."""

from itertools import combinations

import pytest
import torch

from csgcourse.widgets.wiring_map import (
    COLUMNS,
    HALF,
    HEIGHT,
    NETWORKS,
    ORDER,
    SPOTS,
    WIDTH,
    WiringMap,
    flow,
    parts_of,
    thickness,
)  # fmt: skip
from csglib import BASE, CSG3DCT, PAPER, TINY
from csglib.model.cost import summary

MEASURES = {"macs": 1e9, "parameters": 1e6, "saved_bytes": 2**20}


def test_the_parts_of_a_stage_add_up_to_its_row_in_the_summary():
    with torch.device("meta"):
        rows = summary(CSG3DCT(TINY)).rows
    parts = parts_of(TINY)
    named = COLUMNS | {"stem": ["stem"], "embedding": ["embedding"]}
    assert {row.name for row in rows} == set(named)
    assert sorted(name for names in COLUMNS.values() for name in names) == sorted(parts)
    for row in rows:
        for measure in MEASURES:
            together = sum(getattr(parts[name], measure) for name in named[row.name])
            assert together == getattr(row, measure), (row.name, measure)


def test_the_counts_of_the_paper_are_those_of_its_sizes():
    parts = parts_of(PAPER)
    assert sum(part.parameters for part in parts.values()) == 62_931_854
    assert sum(part.macs for part in parts.values()) / 1e9 == pytest.approx(160.2, abs=0.1)
    blocks, frames, side, patches, channels, dim = 4, 8, 32, 256, 128, 384
    down, up = parts["down3"], parts["up3"]
    assert (down.blocks, up.blocks) == (blocks, blocks)
    assert down.parameters == blocks * (channels * dim + dim + 2 * dim)
    assert up.parameters == blocks * (dim * channels + channels + 2 * channels)
    assert down.macs == blocks * frames * side * side * channels * dim  # before the mean
    assert up.macs == blocks * frames * patches * dim * channels  # before the tokens are repeated


@pytest.mark.parametrize("config", [PAPER, TINY], ids=["PAPER", "TINY"])
def test_the_output_of_a_box_is_the_input_of_the_next(config):
    parts = parts_of(config)
    arrows = [name.split(">") for name in SPOTS if ">" in name]
    assert len(arrows) == 14
    for left, right in arrows:
        if left == "clip":
            assert parts[right].enters == [[3, 8, 256, 256]]
        elif right == "head":  # the patch tokens stay behind
            assert parts[left].leaves[-1] in parts[right].enters
        else:
            assert parts[left].leaves == parts[right].enters, (left, right)
    for n in range(2, 6):
        (down,), (up,) = parts[f"down{n}"].leaves, parts[f"up{n}"].enters
        assert down == up == parts[f"t{n}"].enters[0] == [8, 256, config.dim]
        width = config.stages[n - 1].width
        assert parts[f"down{n}"].enters[0][:2] == parts[f"up{n}"].leaves[0][:2] == [width, 8]


def test_an_arrow_is_as_thick_as_what_it_carries_and_a_clip_passes_every_box():
    flows = {name: flow(parts_of(PAPER), name) for name in SPOTS if ">" in name}
    assert flows["t5>head"] == [[1, 384]]
    assert flows["c5>head"] == [[1024, 8, 8, 8]]
    assert [name for name in flows if thickness(flows[name]) < 3] == ["t5>head"]
    assert max(map(thickness, flows.values())) < 9
    assert len({*ORDER}) == len(ORDER)
    assert {name for name in SPOTS if ">" not in name} <= {*ORDER} <= {*SPOTS}


def test_what_differs_from_the_paper_s_network_is_the_transformer_of_base_and_all_of_tiny():
    paper, base, tiny = map(parts_of, (PAPER, BASE, TINY))
    assert [name for name in paper if paper[name] != base[name]] == ["t1", "t2", "t3", "t4", "t5"]
    assert all(paper[name] != tiny[name] for name in paper)


def test_boxes_stand_apart_and_arrows_end_at_them():
    boxes = {n: (*path[0], *HALF[kind]) for n, (kind, _, path) in SPOTS.items() if ">" not in n}
    for (x, y, wide, high), (u, v, broad, tall) in combinations(boxes.values(), 2):
        assert abs(x - u) >= wide + broad or abs(y - v) >= high + tall
    for x, y, wide, high in boxes.values():
        assert wide <= x <= WIDTH - wide and high <= y <= HEIGHT - high
    for name in SPOTS.keys() - boxes.keys():
        path = SPOTS[name][2]
        for end, place in zip(name.split(">"), (path[0], path[-1]), strict=True):
            x, y, wide, high = boxes[end]
            assert (abs(place[0] - x), abs(place[1] - y)) in {(wide, 0), (0, high)}, (name, end)


def test_it_sends_the_counts_and_its_still_shows_the_chosen_network_and_measure():
    assert NETWORKS == {"PAPER": PAPER, "BASE": BASE, "TINY": TINY}  # the default
    networks = {"PAPER": PAPER, "BASE": TINY, "TINY": TINY}
    widget = WiringMap(networks)
    assert len(widget.still().axes) == 1  # no bars before the guess
    widget.guess = "c3"
    for network in ("PAPER", "BASE"):
        parts = parts_of(networks[network])
        sent = widget.facts["networks"][network]
        assert sent == {name: part._asdict() for name, part in parts.items()}
        widget.network = network
        for widget.measure, unit in MEASURES.items():
            drawn, bars = widget.still().axes
            drawn_at = [line.get_linewidth() for line in drawn.lines]
            flows = widget.facts["flows"][network]
            assert {flows[name][1] for name in SPOTS if ">" in name} <= {*drawn_at}
            names = [name for column in COLUMNS.values() for name in column]
            sizes = [getattr(parts[name], widget.measure) / unit for name in names]
            assert [bar.get_height() for bar in bars.patches] == pytest.approx(sizes)
