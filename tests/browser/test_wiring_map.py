"""The wiring map in a bare page: every place by mouse and by keys, and the numbers shown there."""

import re

import pytest
from playwright.sync_api import expect

from csgcourse.widgets.wiring_map import COLUMNS, NETWORKS, SPOTS, WiringMap, parts_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def widget():
    return WiringMap()


@pytest.fixture
def shown(mount, widget):
    return mount(widget)


def card(page):
    """The term and the number of every line on the card."""
    terms, numbers = (page.locator(f".csg-card {kind}").all_inner_texts() for kind in ("dt", "dd"))
    return dict(zip(terms, numbers, strict=True))


def numbers_in(words):
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", words)]


def sizes(shapes):
    """As they are said: channels after rows and columns, and of one class token its width alone."""
    said = [[*shape[1:], shape[0]] if len(shape) == 4 else shape for shape in shapes]
    return [size for shape in said for size in (shape[1:] if len(shape) == 2 else shape)]


def column_sum(network, column, measure):
    parts = parts_of(NETWORKS[network])
    return sum(getattr(parts[name], measure) for name in COLUMNS[column])


@pytest.mark.parametrize("network", list(NETWORKS))
def test_a_click_on_any_box_bridge_or_arrow_shows_what_is_there(shown, page, network):
    shown.put(network=network, guess="c1")
    parts = parts_of(NETWORKS[network])
    drawn = page.locator(".csg-map svg").bounding_box()
    scale = drawn["width"] / 1000
    for name, (_, _, path) in SPOTS.items():
        (x, y), (u, v) = path[0], path[min(1, len(path) - 1)]
        page.mouse.click(drawn["x"] + (x + u) / 2 * scale, drawn["y"] + (y + v) / 2 * scale)
        assert shown.trait("spot") == name
        shown.put()
        seen = card(page)
        if name not in parts:
            assert list(seen) == ["flows", "numbers"]
            continue
        part = parts[name]
        assert numbers_in(seen["input"]) == sizes(part.enters)
        assert numbers_in(seen["output"]) == sizes(part.leaves)
        assert seen["parameters"] == f"{part.parameters:,}"
        (macs, order), (saved, unit, *_) = seen["MACs"].split(), seen["saved"].split()
        size = part.macs / {"million": 1e6, "billion": 1e9}[order]
        assert float(macs) == pytest.approx(size, abs=0.51e-3)
        size = part.saved_bytes / {"KiB": 2**10, "MiB": 2**20}[unit]
        assert float(saved.replace(",", "")) == pytest.approx(size, abs=0.051)


def test_macs_wait_for_a_guess_which_is_judged(shown, page, screenshots):
    shown.put(spot="c3")
    assert card(page)["MACs"] == "shown after your guess"
    expect(page.locator(".csg-bars")).to_be_hidden()
    page.locator(".csg").screenshot(path=screenshots / "wiring_map_asks.png")
    page.get_by_role("button", name="c4").click()
    sentence = page.locator(".csg-sentence")
    expect(sentence).to_contain_text("Your guess was wrong. Most MACs: c3, 35.8 % of 160 G.")
    assert card(page)["MACs"] == "29.528 billion"
    page.locator(".csg").screenshot(path=screenshots / "wiring_map.png")
    page.get_by_role("button", name="Hide and guess again").click()
    expect(page.locator(".csg-bars")).to_be_hidden()
    answer = page.get_by_role("button", name="c3")
    answer.focus()
    page.keyboard.press("Enter")
    expect(sentence).to_contain_text("Your guess was right. Most MACs: c3")


def test_the_words_of_a_spot_are_those_of_its_network(shown, page):
    said = page.locator(".csg-card p")
    for network, spot, words in (
        ("PAPER", "t3", "4 times: an AMDF block"),
        ("BASE", "t3", "4 times: joint attention over all tokens of the clip"),
        ("TINY", "t3", "Once: an AMDF block"),
        ("PAPER", "c2", "whose first kernels cover 1 frame."),
        ("PAPER", "c3", "whose first kernels cover 3 frames."),
        ("BASE", "c1", "One bottleneck without a bridge"),
    ):
        shown.put(network=network, spot=spot)
        expect(said).to_contain_text(words)
    shown.put(network="PAPER", spot="t5>head")
    assert card(page) == {
        "flows": "the class token, 384 wide",
        "numbers": "384, or 1.5 KiB as float32",
    }


def test_a_guess_is_judged_only_where_it_was_made(shown, page):
    page.get_by_role("button", name="c3").click()
    sentence = page.locator(".csg-sentence")
    expect(sentence).to_contain_text("Your guess was right")
    page.get_by_role("radio", name="BASE").click()
    expect(sentence).to_contain_text("of 165 G")
    expect(sentence).not_to_contain_text("guess")
    page.get_by_role("radio", name="parameters").click()
    expect(sentence).to_have_text(re.compile("^Most parameters: c4"))


def test_arrow_keys_walk_the_map_even_in_a_page_that_takes_all_keys(shown, page, stolen):
    page.locator(".csg-map").focus()
    walk = {
        "ArrowRight": "clip>stem", "ArrowRight ": "stem", "ArrowDown": "stem>embedding",
        "ArrowDown ": "embedding", "ArrowLeft": "embedding", "ArrowRight  ": "embedding>t1",
        "ArrowUp": "stem>c1", "End": "head", "ArrowUp ": "c5>head", "Home": "clip",
    }  # fmt: skip
    for key, expected in walk.items():
        page.keyboard.press(key.strip())
        assert shown.trait("spot") == expected, key
    assert stolen() == []
    spoken = page.locator(".csg-spoken")
    expect(spoken).to_have_attribute("aria-live", "polite")
    expect(spoken).to_contain_text("The clip. 8 frames of 256 x 256 pixels")
    expect(spoken).to_contain_text("flows volume 8 x 256 x 256, 3 channels")


def test_keys_reach_every_place_from_every_place(shown):
    steps = shown.evaluate(
        """({ es, model }) => {
          const spots = es.spotsOf(model.get("facts"));
          const ways = [[1, 0], [-1, 0], [0, 1], [0, -1]];
          const next = (spot) => ways.map((way) => es.neighbour(spots, spot, way).name);
          return Object.fromEntries(spots.map((spot) => [spot.name, next(spot)]));
        }"""
    )
    for start in ("clip", "head", "t3"):
        reached, edge = {start}, [start]
        while edge:
            edge = [name for here in edge for name in steps[here] if name not in reached]
            reached.update(edge)
        assert reached == set(SPOTS)
    for name, (right, *_) in steps.items():
        assert right == name or SPOTS[right][2][-1][0] > SPOTS[name][2][0][0]


@pytest.mark.parametrize("measure", ["macs", "parameters", "saved_bytes"])
@pytest.mark.parametrize("network", list(NETWORKS))
def test_bars_are_as_high_as_their_columns_are_dear(shown, page, network, measure):
    shown.put(network=network, measure=measure, guess="c3")
    heights = page.locator(".csg-bars rect").evaluate_all(
        "(bars) => bars.map((bar) => Number(bar.getAttribute('height')))"
    )
    layers = iter(heights)
    found = [sum(next(layers) for _ in names) for names in COLUMNS.values()]
    assert next(layers, None) is None
    sums = [column_sum(network, column, measure) for column in COLUMNS]
    assert found == pytest.approx([110 * size / max(sums) for size in sums], abs=1e-6)
    words = page.locator(".csg-bars svg").get_attribute("aria-label")
    assert all(f"{column} " in words for column in COLUMNS)


def test_a_narrow_page_scrolls_the_map_to_where_the_reader_is(shown, page, screenshots):
    page.set_viewport_size({"width": 420, "height": 900})
    page.locator(".csg-map").focus()
    page.keyboard.press("End")
    shown.put()
    page.locator(".csg").screenshot(path=screenshots / "wiring_map_narrow.png")
    head, view = (
        page.locator(place).bounding_box() for place in ("[data-spot=head]", ".csg-scroll")
    )
    assert head["x"] + head["width"] <= view["x"] + view["width"] + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
