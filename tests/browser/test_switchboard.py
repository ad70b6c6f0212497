"""The switchboard in a bare page: every wire by mouse and by keys, numbers against torch."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

import csglib
from csgcourse.widgets.switchboard import WIRINGS, Switchboard, two_branches, wired
from csglib.data.clips import resample
from csglib.data.readers import read_clip
from csglib.widgets.base import MAGNITUDE, SIGNED

pytestmark = pytest.mark.browser

SAMPLES = Path(csglib.__file__).parents[1] / "data_samples"
WIRES = ("query", "key", "value")


@pytest.fixture
def clip():
    large = read_clip(SAMPLES / "severe_borderline_type_II.npz")
    return resample(large, frames=4, size=128)


@pytest.fixture
def shown(mount, clip):
    return mount(Switchboard(clip))


def wire(shown, wiring, **traits):
    shown.put(**dict(zip(WIRES, wiring.split(), strict=True)), **traits)


@pytest.mark.parametrize("target", ["space", "time"])
@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_sentence_names_the_wiring_and_its_output(shown, page, clip, wiring, target):
    wire(shown, wiring, target=target, guess="own own own")
    other = {"space": "time", "time": "space"}[target]
    _, output = wired(two_branches(clip), target, tuple(wiring.split()))
    said = page.locator(".csg-sentence")
    expect(said).to_contain_text(WIRINGS[wiring].format(own=target, other=other))
    for feature, number in zip(("brightness", "difference"), output.tolist(), strict=True):
        expect(said).to_contain_text(f"{feature} {number:+.2f}".replace("-", "\N{MINUS SIGN}"))
    assert said.get_attribute("aria-live") == "polite"
    query, key, value = (target if side == "own" else other for side in wiring.split())
    formula = f"output{target} = softmax( Q{query} · K{key}T / √2 ) V{value}"
    expect(page.locator(".csg-formula")).to_have_text(formula)


def test_the_map_lies_over_the_frames_and_the_values_below(shown, page, clip):
    wire(shown, "other other own", guess="own own own")
    branches = two_branches(clip)
    weights, _ = wired(branches, "space", ("other", "other", "own"))
    levels = np.rint(255 * (weights / weights.max()).numpy().reshape(4, 8, 8)).astype(int)
    veil = np.kron(MAGNITUDE(levels[2], bytes=True)[..., :3], np.ones((16, 16, 1)))
    expected = 0.45 * clip.frames[2][..., None] + 0.55 * veil
    found = shown.pixels(page.get_by_label("the map, frame 3", exact=True))
    assert np.abs(found - expected).max() < 4
    seen = branches["space"].value[:, 0].numpy().reshape(4, 8, 8)[2]
    colours = SIGNED(np.rint(127.5 * (1 + np.clip(seen / 3, -1, 1))).astype(int), bytes=True)
    canvas = shown.pixels(page.get_by_label("brightness, frame 3", exact=True)).astype(int)
    marked = levels[2] > 127
    assert marked.any()
    white = (canvas[::16, 8::16] > 180).all(axis=-1)  # upper edges, shared with the patch above
    np.testing.assert_array_equal(white[1:], marked[1:] | marked[:-1])
    found = canvas[8::16, 8::16]
    near = np.abs(found - colours[..., :3])  # a value half way between two levels may be either
    assert near.max() < 6


def test_wires_are_moved_by_clicks(shown, page):
    page.get_by_role("radio", name="Q of time").click()
    page.get_by_role("radio", name="K of time").click()
    assert shown.traits(*WIRES) == ["other", "other", "own"]
    page.get_by_role("radio", name="K of space").click()
    page.locator(".csg-plug", has_text="value").click()  # in the middle: flips
    assert shown.traits(*WIRES) == ["other", "own", "other"]
    expect(page.get_by_role("radio", name="V of time")).to_be_checked()
    expect(page.get_by_role("radio", name="V of space")).not_to_be_checked()


def test_wires_are_moved_by_dragging(shown, page):
    box = page.locator(".csg-plug", has_text="query").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for by, side in ((60, "other"), (-60, "own"), (-60, "own")):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + by, y)
        page.mouse.up()
        assert shown.traits("query") == [side]


def test_wires_are_moved_by_arrow_keys_in_a_page_that_takes_all_keys(shown, page, stolen):
    page.get_by_role("radio", name="Q of space").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    assert shown.traits(*WIRES) == ["other", "other", "other"]
    expect(page.get_by_role("radio", name="V of time")).to_be_focused()
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert shown.traits(*WIRES) == ["own", "other", "own"]
    expect(page.get_by_role("radio", name="Q of space")).to_be_focused()
    assert stolen() == []


def test_what_it_looks_at_waits_for_a_guess(shown, page):
    sentence, clip = page.locator(".csg-sentence"), page.get_by_label("the clip, frame 1")
    plain = shown.pixels(clip)
    assert (plain == plain[..., :1]).all()  # grey: no map lies over it
    given = page.get_by_label("brightness, frame 1")
    expect(given).to_be_hidden()
    expect(sentence).to_have_text("The name of this wiring and its map are shown after your guess.")
    page.get_by_role("radio", name="K of time").click()
    page.get_by_role("radio", name="V of time").click()
    page.get_by_role("button", name="This is SWA").click()
    expect(given).to_be_visible()
    expect(clip).to_have_count(0)
    assert (
        np.ptp(shown.pixels(page.get_by_label("the map, frame 1")).astype(int), axis=-1).max() > 30
    )
    assert shown.traits("guess") == ["own other other"]
    expect(sentence).to_contain_text("Not SWA. CA, cross attention")
    page.get_by_role("button", name="Hide and guess again").click()
    expect(given).to_be_hidden()
    np.testing.assert_array_equal(shown.pixels(clip), plain)
    wire(shown, "other other own")
    page.get_by_role("button", name="This is SWA").click()
    expect(sentence).to_contain_text(
        "Right. SWA, switched attention: the attention map, query and keys, is time's"
    )
    page.get_by_role("radio", name="Q of space").click()
    # nobody has taken this one for SWA, so nobody is judged
    expect(sentence).to_contain_text("Neither: space's query")


def test_the_wires_stay_with_their_roles_when_the_target_changes(shown, page):
    wire(shown, "other other own", guess="other other own")
    page.get_by_role("radio", name="time", exact=True).check()
    assert shown.traits("target", *WIRES) == ["time", "other", "other", "own"]
    expect(page.get_by_role("radio", name="Q of space")).to_be_checked()
    expect(page.get_by_role("radio", name="V of time")).to_be_checked()
    expect(page.locator(".csg-heads")).to_have_text("target: timecomplement: space")


@pytest.mark.parametrize("width", [850, 560])
def test_the_whole_equation_is_in_sight(page, shown, width):
    """As wide as a cell in JupyterLab on a laptop, and narrower."""
    page.set_viewport_size({"width": width, "height": 900})
    wire(shown, "other other other")
    room = page.locator(".csg-formula").evaluate("(p) => [p.scrollWidth, p.clientWidth]")
    assert room[0] <= room[1]
