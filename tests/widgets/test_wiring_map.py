"""The wiring map without a page: its counts against the summary and by hand, places, still."""

import json
from itertools import combinations

import pytest
import torch
import traitlets

from csgcourse.widgets.wiring_map import COLUMNS, HALF, HEIGHT, SPOTS, WIDTH, WiringMap, parts_of
from csglib.model.config import BASE, PAPER, TINY
from csglib.model.cost import summary
from csglib.model.csg3dct import CSG3DCT


@pytest.mark.parametrize("config", [PAPER, BASE, TINY], ids=["PAPER", "BASE", "TINY"])
def test_the_parts_of_a_stage_add_up_to_its_row_in_the_summary(config):
    with torch.device("meta"):
        rows = summary(CSG3DCT(config)).rows
    parts = parts_of(config)
    named = {"stem": ["stem"], "embedding": ["embedding"], "c1": ["c1", "t1"], "head": ["head"]}
    named |= {f"c{n}": [f"c{n}", f"down{n}", f"t{n}", f"up{n}"] for n in range(2, 6)}
    assert [row.name for row in rows] == sorted(named, key=[row.name for row in rows].index)
    assert sorted(name for names in named.values() for name in names) == sorted(parts)
    for row in rows:
        for measure in ("parameters", "macs", "saved_bytes"):
            together = sum(getattr(parts[name], measure) for name in named[row.name])
            assert together == getattr(row, measure), (row.name, measure)


def test_bridges_cost_what_a_hand_count_says():
    down, up = parts_of(PAPER)["down3"], parts_of(PAPER)["up3"]
    blocks, frames, side, patches, channels, dim = 4, 8, 32, 256, 128, 384
    assert (down.blocks, up.blocks) == (blocks, blocks)
    assert down.parameters == blocks * (channels * dim + dim + 2 * dim)
    assert up.parameters == blocks * (dim * channels + channels + 2 * channels)
    assert down.macs == blocks * frames * side * side * channels * dim  # before the mean
    assert up.macs == blocks * frames * patches * dim * channels  # before the laying


def test_a_whole_network_is_counted_once():
    for config, parameters in ((PAPER, 62_931_854), (BASE, 41_573_762)):
        assert sum(part.parameters for part in parts_of(config).values()) == parameters
    assert sum(part.macs for part in parts_of(PAPER).values()) / 1e9 == pytest.approx(
        160.2, abs=0.1
    )


@pytest.mark.parametrize("config", [PAPER, BASE, TINY], ids=["PAPER", "BASE", "TINY"])
def test_what_leaves_a_box_is_what_the_next_box_gets(config):
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
        (told,), (answered,) = parts[f"down{n}"].leaves, parts[f"up{n}"].enters
        assert told == answered == parts[f"t{n}"].enters[0] == [8, 256, config.dim]
        width = config.stages[n - 1].width
        assert parts[f"down{n}"].enters[0][:2] == parts[f"up{n}"].leaves[0][:2] == [width, 8]


def test_boxes_stand_apart_and_arrows_end_at_them():
    boxes = {
        name: (path[0], HALF[kind]) for name, (kind, _, path) in SPOTS.items() if kind != "arrow"
    }
    for ((x, y), (wide, high)), ((u, v), (broad, tall)) in combinations(boxes.values(), 2):
        assert abs(x - u) >= wide + broad or abs(y - v) >= high + tall
    for (x, y), (wide, high) in boxes.values():
        assert wide <= x <= WIDTH - wide and high <= y <= HEIGHT - high
    for name, (kind, _, path) in SPOTS.items():
        if kind == "arrow":
            for end, place in zip(name.split(">"), (path[0], path[-1]), strict=True):
                (x, y), (wide, high) = boxes[end]
                aside, above = abs(place[0] - x), abs(place[1] - y)
                assert (aside, above) in {(wide, 0), (0, high)}, (name, end)


def test_every_part_stands_under_one_column_and_all_are_sent():
    assert sorted(name for names in COLUMNS.values() for name in names) == sorted(parts_of(TINY))
    facts = WiringMap().facts
    assert facts["networks"]["BASE"]["c3"]["macs"] == parts_of(BASE)["c3"].macs
    assert len(json.dumps(facts)) < 20_000


@pytest.mark.parametrize("measure", ["macs", "parameters", "saved_bytes"])
def test_the_still_shows_the_present_network_and_measure(measure):
    widget = WiringMap()
    assert repr(widget) == "WiringMap(network='PAPER', spot='clip', measure='macs')"
    widget.network, widget.spot, widget.measure = "BASE", "c3>c4", measure
    drawn, bars = widget.still().axes
    widths = [line.get_linewidth() for line in drawn.lines]
    assert widths.count(3.5) == 1
    unit = {"macs": 1e9, "parameters": 1e6, "saved_bytes": 2**20}[measure]
    parts = parts_of(BASE)
    sizes = [getattr(parts[name], measure) / unit for names in COLUMNS.values() for name in names]
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(sizes)


@pytest.mark.parametrize(
    ("name", "value"), [("spot", "c6"), ("network", "WARM"), ("measure", "time"), ("guess", "t3")]
)
def test_it_refuses_what_is_not_on_the_map(name, value):
    with pytest.raises(traitlets.TraitError, match=f"any of .* not the str '{value}'"):
        setattr(WiringMap(), name, value)
