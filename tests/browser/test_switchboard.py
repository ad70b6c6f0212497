"""The switchboard in a bare page: every wire by mouse and by keys, numbers against torch."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.switchboard import WIRINGS, Switchboard, two_branches, wired
from csglib.widgets.base import MAGNITUDE, SIGNED

pytestmark = pytest.mark.browser

WIRES = ("query", "key", "value")


@pytest.fixture
def shown(mount, clip_of_the_course):
    return mount(Switchboard(clip_of_the_course))


def wire(shown, wiring, **traits):
    shown.put(**dict(zip(WIRES, wiring.split(), strict=True)), **traits)


def test_the_sentence_names_every_wiring_and_its_output(shown, page, clip_of_the_course, sentence):
    branches = two_branches(clip_of_the_course)
    page.set_viewport_size({"width": 560, "height": 900})
    for target, other in (("space", "time"), ("time", "space")):
        for wiring, words in WIRINGS.items():
            wire(shown, wiring, target=target, guess="own own own")
            _, output = wired(branches, target, tuple(wiring.split()))
            expect(sentence).to_contain_text(words.format(own=target, other=other))
            for feature, number in zip(("brightness", "difference"), output.tolist(), strict=True):
                signed = f"{number:+.2f}".replace("-", "\N{MINUS SIGN}")
                expect(sentence).to_contain_text(f"{feature} {signed}")
            query, key, value = (target if side == "own" else other for side in wiring.split())
            formula = f"output{target} = softmax( Q{query} · K{key}T / √2 ) V{value}"
            expect(page.locator(".csg-formula")).to_have_text(formula)
    room = page.locator(".csg-formula").evaluate("(p) => [p.scrollWidth, p.clientWidth]")
    assert room[0] <= room[1]


def test_the_map_lies_over_the_frames_and_the_values_below(shown, page, clip_of_the_course):
    wire(shown, "other other own", guess="own own own")
    branches = two_branches(clip_of_the_course)
    weights, _ = wired(branches, "space", ("other", "other", "own"))
    levels = np.rint(255 * (weights / weights.max()).numpy().reshape(4, 8, 8)).astype(int)
    veil = np.kron(MAGNITUDE(levels[2], bytes=True)[..., :3], np.ones((16, 16, 1)))
    expected = 0.45 * clip_of_the_course.frames[2][..., None] + 0.55 * veil
    found = shown.pixels(page.get_by_label("the map, frame 3", exact=True))
    assert np.abs(found - expected).max() < 4
    values = branches["space"].value[:, 0].numpy().reshape(4, 8, 8)[2]
    colours = SIGNED(np.rint(127.5 * (1 + np.clip(values / 3, -1, 1))).astype(int), bytes=True)
    canvas = shown.pixels(page.get_by_label("brightness, frame 3", exact=True)).astype(int)
    marked = levels[2] > 127
    assert marked.any()
    white = (canvas[::16, 8::16] > 180).all(axis=-1)  # upper edges, shared with the patch above
    np.testing.assert_array_equal(white[1:], marked[1:] | marked[:-1])
    assert np.abs(canvas[8::16, 8::16] - colours[..., :3]).max() < 6  # half way: either level


def test_wires_are_moved_by_clicks_drags_and_keys(shown, page):
    def socket(name):
        return page.get_by_role("radio", name=name)

    for name in ("Q of time", "K of time", "K of space"):
        socket(name).click()
    page.locator(".csg-plug", has_text="value").click()  # a click in the middle changes sides
    assert shown.traits(*WIRES) == ["other", "own", "other"]
    expect(socket("V of time")).to_be_checked()

    wire(shown, "own own own")
    box = page.locator(".csg-plug", has_text="query").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for by, side in ((60, "other"), (-60, "own"), (-60, "own")):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + by, y)
        page.mouse.up()
        assert shown.trait("query") == side

    socket("Q of space").focus()
    for keys, wiring, focused in (
        ("Right Down Right Down Down Space", "other other other", "V of time"),
        ("Left Up Up Up Enter", "own other own", "Q of space"),
    ):
        for key in keys.split():
            page.keyboard.press(key if key in ("Space", "Enter") else f"Arrow{key}")
        assert shown.traits(*WIRES) == wiring.split()
        expect(socket(focused)).to_be_focused()

    page.get_by_role("radio", name="time", exact=True).check()  # as target: wires keep their roles
    assert shown.traits("target", *WIRES) == ["time", "own", "other", "own"]
    expect(socket("Q of time")).to_be_checked()
    expect(socket("K of space")).to_be_checked()


def test_map_and_values_wait_for_a_guess_which_is_judged(shown, page, sentence):
    guess = page.get_by_role("button", name="This is SWA")
    plain = shown.pixels(page.get_by_label("the clip, frame 1"))
    assert (plain == plain[..., :1]).all()  # grey: no map lies over it
    values = page.get_by_label("brightness, frame 1")
    expect(values).to_be_hidden()
    expect(sentence).to_have_text("The name of this wiring and its map are shown after your guess.")
    wire(shown, "own other other")
    guess.click()
    expect(values).to_be_visible()
    assert shown.trait("guess") == "own other other"
    expect(sentence).to_contain_text("Not SWA. CA, cross attention")
    page.get_by_role("button", name="Hide and guess again").click()
    expect(values).to_be_hidden()
    wire(shown, "other other own")
    guess.click()
    expect(sentence).to_contain_text("Right. SWA, switched attention")
    page.get_by_role("radio", name="Q of space").click()
    expect(sentence).to_contain_text("Neither: space's query")  # no guess was made for this wiring
