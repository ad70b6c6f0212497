"""Patch attention in a bare page: guess, query by mouse and by keyboard, key under the pointer."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.patch_attention import PatchAttention, branch_maps

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(mount, opinionated_network, simulated_clip):
    return mount(PatchAttention(opinionated_network, simulated_clip))


def test_maps_wait_for_a_guess_and_the_verdict_says_why(shown, page, sentence):
    numbers = page.locator(".csg-bar span")
    expect(sentence).to_be_hidden()
    assert numbers.all_inner_texts() == ["", "", ""]
    page.get_by_role("button", name="Both to the same patches").click()
    shared = 100 * shown.trait("facts")["shared"][4][0]
    answer = "Right: both attend" if shared >= 50 else "Wrong: each attends to patches of its own"
    expect(sentence).to_contain_text(answer)
    expect(sentence).to_contain_text(f"give {shared:#.3g}\u00a0% of their weight to the same keys")
    page.get_by_role("button", name="Hide and guess again").press("Enter")
    expect(sentence).to_be_hidden()


def test_the_query_moves_and_its_weights_are_those_of_the_network(
    shown, page, opinionated_network, simulated_clip
):
    space, time = (one.numpy() for one in branch_maps(opinionated_network, simulated_clip)[4])
    shown.put(guess="near")
    canvas = page.locator(".csg-space canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": 2.5 / 8 * box["width"], "y": 4.5 / 6 * box["height"]})
    assert shown.traits("frame", "patch") == [2, 34]
    expect(page.locator(".csg-space p")).to_contain_text("under the pointer row 5, column 3")
    page.locator(".csg-frames").focus()
    for key, frame, patch in (
        ("ArrowUp", 2, 26), ("ArrowRight", 2, 27), ("PageDown", 3, 27), ("PageDown", 3, 27),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert shown.traits("frame", "patch") == [frame, patch]
    page.mouse.move(1, 1)
    found = [float(text[:-2]) for text in page.locator(".csg-bar span").all_inner_texts()]
    np.testing.assert_allclose(found, 100 * time[0, 27, 2, 1:], atol=0.06)
    keys = space[0, 2, 27, 1:]
    row, column = divmod(int(keys.argmax()), 8)
    expect(page.locator(".csg-space p")).to_contain_text(
        f"the largest weight has row {row + 1}, column {column + 1}, {100 * keys.max():#.3g}"
    )
    page.get_by_role("button", name="Play").click()
    shown.becomes("frame", 1)


def test_it_fits_the_screen_of_a_laptop(shown, page):
    page.set_viewport_size({"width": 936, "height": 768})
    for guess in ("", "near"):
        shown.put(guess=guess)
        assert page.locator(".csg").bounding_box()["height"] <= 560
