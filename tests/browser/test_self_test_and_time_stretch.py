"""The self-test and the time-stretch in a bare page: lamps, responses against torch, the guess."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.self_test import SelfTest
from csgcourse.widgets.time_stretch import TimeStretch, moving_bar, responses

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("padding", ["replicate", "zeros"])
@pytest.mark.parametrize("inflation", ["mean", "center"])
@pytest.mark.parametrize("frames", [1, 3, 5])
def test_the_page_computes_what_torch_computes(mount, frames, inflation, padding):
    shown = mount(TimeStretch())
    for speed in (0.0, 1.25, 3.0):
        found = shown.evaluate(
            """({ es }, given) => {
              const { flat, deep, apart } = es.responses(...given);
              return { flat: flat.map((f) => [...f]), deep: deep.map((f) => [...f]), apart };
            }""",
            [speed, frames, inflation, padding],
        )
        expected = responses(moving_bar(speed), frames, inflation, padding)
        for name in ("flat", "deep"):
            stack = getattr(expected, name).numpy().reshape(8, -1)
            np.testing.assert_allclose(found[name], stack, atol=1e-5)
        np.testing.assert_allclose(found["apart"], expected.apart.numpy(), atol=1e-5)


def test_the_3d_response_waits_for_a_guess(mount, page):
    shown = mount(TimeStretch())
    deep = page.get_by_label("3D response, frame 4", exact=True)
    sentence = page.locator(".csg-sentence")
    expect(deep).to_be_hidden()
    page.get_by_role("button", name="No, not in every frame").click()
    expect(deep).to_be_visible()
    assert shown.trait("guess") == "no"
    expect(sentence).to_contain_text(
        "Your guess was wrong. The bar stands still: the 2D and the 3D response agree"
    )
    page.get_by_role("radio", name="zeros").check()
    # no guess was made for these settings, so none is judged
    expect(sentence).to_have_text(
        re.compile("^The bar stands still: the responses differ in 2 of 8")
    )
    page.get_by_role("button", name="Hide and guess again").click()
    expect(deep).to_be_hidden()
    page.get_by_role("button", name="No, not in every frame").click()
    expect(sentence).to_contain_text("Your guess was right.")


def test_equal_responses_look_equal_and_others_do_not(mount, page):
    shown = mount(TimeStretch())
    shown.put(guess="yes")
    first = [
        page.get_by_label(f"{kernel} response, frame 1", exact=True) for kernel in ("2D", "3D")
    ]
    flat, deep = map(shown.pixels, first)
    np.testing.assert_array_equal(flat, deep)
    assert np.ptp(flat.astype(int)) > 100
    shown.put(padding="zeros")
    flat, deep = map(shown.pixels, first)
    assert np.abs(flat.astype(int) - deep).max() > 30


def test_lamps_light_one_by_one(mount, page):
    shown = mount(SelfTest())
    lamps = page.locator(".csg-lamp")

    def lit():
        return [
            ("csg-on" in lamp.get_attribute("class"), lamp.inner_text()) for lamp in lamps.all()
        ]

    assert [on for on, _ in lit()] == [False, False, False]
    slider = page.get_by_role("slider", name="Move me")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    page.locator(".csg-on").wait_for()
    assert [on for on, _ in lit()] == [True, False, False]
    page.keyboard.press("ArrowLeft")
    page.locator(".csg-on").nth(1).wait_for()
    assert [on for on, _ in lit()] == [True, True, False]
    shown.put(echo=shown.trait("value"))
    assert [on for on, _ in lit()] == [True, True, True]
    assert all("works" in words for _, words in lit())
    assert page.locator(".csg-sentence").inner_text().startswith("All three lamps are on")


def test_a_silent_kernel_gets_a_word(mount, page):
    page.clock.install()
    mount(SelfTest())
    page.get_by_role("slider", name="Move me").focus()
    page.keyboard.press("ArrowRight")
    page.clock.run_for(3000)
    assert "No reply" not in page.locator(".csg-sentence").inner_text()
    page.clock.run_for(2000)
    assert "No reply from the kernel" in page.locator(".csg-sentence").inner_text()
