"""The wiring map: its counts, by the summary and by hand; in a page, every place."""

import re
from itertools import combinations

import pytest
import torch
from playwright.sync_api import expect

from csgcourse.widgets import wiring_map
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
)
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


# --- in a bare page ---


UNITS = {"G": 1e9, "MiB": 2**20}
NEIGHBOURS = """
({ es, model }) => {
  const spots = es.spotsOf(model.get("facts"));
  const ways = [[1, 0], [-1, 0], [0, 1], [0, -1]];
  const next = (spot) => ways.map((way) => es.neighbour(spots, spot, way).name);
  return Object.fromEntries(spots.map((spot) => [spot.name, next(spot)]));
}
"""


@pytest.fixture(scope="module")
def counts():
    """Parts of each network: TINY's, and from them larger ones whose costs have another order."""

    def larger(factor, most):
        return {
            name: part._replace(
                blocks=4 if name[-1] == "3" else part.blocks,
                parameters=factor * part.parameters + 1,
                macs=factor * part.macs * (50 if name == most else 1),
            )
            for name, part in parts_of(TINY).items()
        }

    return {"PAPER": larger(40, "c3"), "BASE": larger(30, "t2"), "TINY": parts_of(TINY)}


@pytest.fixture
def shown(mount, counts, monkeypatch):
    of = {config: counts[name] for name, config in NETWORKS.items()}
    monkeypatch.setattr(wiring_map, "parts_of", of.get)
    return mount(WiringMap())


def card(page):
    """The term and the number of every line on the card."""
    terms, numbers = (page.locator(f".csg-card {kind}").all_inner_texts() for kind in ("dt", "dd"))
    return dict(zip(terms, numbers, strict=True))


def sizes(shapes):
    """As they are shown: channels last, and of one class token its width alone."""
    said = [[*shape[1:], shape[0]] if len(shape) == 4 else shape for shape in shapes]
    return [size for shape in said for size in (shape[1:] if len(shape) == 2 else shape)]


def sums_of(parts, measure):
    return {c: sum(getattr(parts[n], measure) for n in names) for c, names in COLUMNS.items()}


def test_a_click_on_any_box_bridge_or_arrow_shows_its_numbers(shown, page, counts):
    shown.put(network="PAPER", guess="c1")
    drawn = page.locator(".csg-map svg").bounding_box()
    scale = drawn["width"] / 1000
    for name, (_, _, path) in SPOTS.items():
        (x, y), (u, v) = path[0], path[min(1, len(path) - 1)]
        page.mouse.click(drawn["x"] + (x + u) / 2 * scale, drawn["y"] + (y + v) / 2 * scale)
        assert shown.trait("spot") == name
        shown.put()
        lines = card(page)
        if name not in counts["PAPER"]:
            assert list(lines) == ["flows", "numbers"]
            continue
        part = counts["PAPER"][name]
        for term, shapes in (("input", part.enters), ("output", part.leaves)):
            numbers = re.findall(r"[\d,]*\d", lines[term])
            assert [int(number.replace(",", "")) for number in numbers] == sizes(shapes)
        assert lines["parameters"] == f"{part.parameters:,}"
        for term, size in (("MACs", part.macs), ("saved", part.saved_bytes)):
            *under, number, unit = lines[term].removesuffix(" for backward").split()
            shown_size, wanted = float(number.replace(",", "")), size / UNITS[unit]
            assert wanted < shown_size if under else shown_size == pytest.approx(wanted, rel=0.006)
    for network, spot, words in (
        ("PAPER", "t3", "4 times: an AMDF block"),
        ("BASE", "t3", "4 times: joint attention over all tokens of the clip"),
        ("TINY", "t3", "Once: an AMDF block"),
        ("PAPER", "c2", "whose first kernels cover 1 frame."),
        ("PAPER", "c3", "whose first kernels cover 3 frames."),
    ):
        shown.put(network=network, spot=spot)
        expect(page.locator(".csg-card p")).to_contain_text(words)


def test_macs_wait_for_a_guess_which_is_judged_only_where_it_was_made(
    shown, page, sentence, counts
):
    bars, sums = page.locator(".csg-bars"), sums_of(counts["PAPER"], "macs")
    shown.put(spot="c3")
    assert card(page)["MACs"] == "shown after your guess"
    expect(bars).to_be_hidden()
    page.get_by_role("button", name="c4").click()
    most = 100 * sums["c3"] / sum(sums.values())
    expect(sentence).to_contain_text("Your guess was wrong: c4 has ")
    expect(sentence).to_contain_text(f"Most MACs: c3, {most:.1f}\u00a0% of")
    expect(bars).to_be_visible()
    page.get_by_role("button", name="Hide and guess again").click()
    expect(bars).to_be_hidden()
    page.get_by_role("button", name="c3").press("Enter")
    expect(sentence).to_contain_text("Your guess was right. Most MACs: c3")
    page.get_by_role("radio", name="BASE").click()
    expect(sentence).to_contain_text("Most MACs: c2")
    expect(sentence).not_to_contain_text("guess")
    page.get_by_role("radio", name="parameters").click()
    column, _ = max(sums_of(counts["BASE"], "parameters").items(), key=lambda pair: pair[1])
    expect(sentence).to_have_text(re.compile(f"^Most parameters: {column}"))


def test_arrow_keys_move_along_the_map_and_reach_every_place(shown, page):
    page.set_viewport_size({"width": 420, "height": 900})  # it scrolls to the current place
    page.locator(".csg-map").focus()
    for key, expected in (
        ("ArrowRight", "clip>stem"), ("ArrowRight", "stem"), ("ArrowDown", "stem>embedding"),
        ("ArrowDown", "embedding"), ("ArrowLeft", "embedding"), ("ArrowUp", "stem>embedding"),
        ("Home", "clip"), ("ArrowUp", "clip"), ("End", "head"),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert shown.trait("spot") == expected, key
    expect(page.locator(".csg-spoken")).to_contain_text("head")
    shown.put()
    head, view = (page.locator(at).bounding_box() for at in ("[data-spot=head]", ".csg-scroll"))
    assert head["x"] + head["width"] <= view["x"] + view["width"] + 1
    steps = shown.evaluate(NEIGHBOURS)
    for start in ("clip", "head", "t3"):
        reached, edge = {start}, [start]
        while edge:
            edge = [name for here in edge for name in steps[here] if name not in reached]
            reached.update(edge)
        assert reached == set(SPOTS)
    for name, (right, *_) in steps.items():
        assert right == name or SPOTS[right][2][-1][0] > SPOTS[name][2][0][0]


def test_bars_are_as_high_as_the_sums_of_their_columns(shown, page, counts):
    heights = "(bars) => bars.map((bar) => Number(bar.getAttribute('height')))"
    for network, measure in (("PAPER", "macs"), ("BASE", "parameters"), ("TINY", "saved_bytes")):
        shown.put(network=network, measure=measure, guess="c3")
        layers = iter(page.locator(".csg-bars rect").evaluate_all(heights))
        found = [sum(next(layers) for _ in names) for names in COLUMNS.values()]
        assert next(layers, None) is None
        sums = list(sums_of(counts[network], measure).values())
        assert found == pytest.approx([62 * size / max(sums) for size in sums], abs=1e-6)


def test_a_clip_passes_through_and_what_is_hovered_or_differs_stands_out(shown, page):
    page.set_viewport_size({"width": 1040, "height": 768})
    shown.put(guess="c3", spot="clip")
    page.get_by_role("button", name="Play").click()
    shown.becomes("spot", "stem")
    page.get_by_role("button", name="Pause").click()
    assert page.locator(".csg-differs").count() == 0
    expect(page.locator(".csg-map [data-spot=t3] .csg-note")).to_have_text("4 \u00d7 AMDF")
    page.locator(".csg-map [data-spot=c4]").hover()
    assert page.locator(".csg-lit").count() == 2  # its box, and its layer of the bar
    for network, spot in (("BASE", "t3"), ("TINY", "c4")):
        shown.put(network=network, spot=spot)
        assert page.locator(".csg-differs").count() == 21
        expect(page.get_by_text("21 of 21 parts differ from PAPER")).to_be_visible()
        assert page.locator(".csg").bounding_box()["height"] <= 560
    expect(page.locator(".csg-map [data-spot=t3] .csg-note")).to_have_text("1 \u00d7 AMDF")
