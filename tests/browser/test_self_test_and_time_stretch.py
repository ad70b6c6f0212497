"""The self-test and the time-stretch in a bare page: lamps, responses against torch, the guess."""

from itertools import product

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.self_test import SelfTest
from csgcourse.widgets.time_stretch import TimeStretch, moving_bar, responses

pytestmark = pytest.mark.browser

RESPONSES = """
({ es }, given) => {
  const { flat, deep, apart } = es.responses(...given);
  return { flat: flat.map((f) => [...f]), deep: deep.map((f) => [...f]), apart };
}
"""


def test_responses_in_the_page_equal_those_of_torch(mount):
    shown = mount(TimeStretch())
    kernels = product(((3, 1.25), (5, 3.0)), ("mean", "center"), ("replicate", "zeros"))
    for (frames, speed), inflation, padding in kernels:
        found = shown.evaluate(RESPONSES, [speed, frames, inflation, padding])
        expected = responses(moving_bar(speed), frames, inflation, padding)
        for name, values in expected._asdict().items():
            wanted = values.numpy().reshape(np.shape(found[name]))
            np.testing.assert_allclose(found[name], wanted, atol=1e-5)


def test_the_3d_response_waits_for_a_guess_which_is_judged(mount, page, sentence):
    shown = mount(TimeStretch())
    flat, deep = (
        page.get_by_label(f"{kernel} response, frame 1", exact=True) for kernel in ("2D", "3D")
    )
    no = page.get_by_role("button", name="No, not in every")

    def difference():
        both = [shown.pixels(canvas).astype(int) for canvas in (flat, deep)]
        assert np.ptp(both[0]) > 100
        return np.abs(both[0] - both[1]).max()

    expect(deep).to_be_hidden()
    no.click()
    expect(deep).to_be_visible()
    assert shown.trait("guess") == "no"
    expect(sentence).to_contain_text(
        "Your guess was wrong. The bar stands still: the 2D and the 3D response agree"
    )
    assert difference() == 0
    page.get_by_role("radio", name="zeros").check()
    expect(sentence).to_contain_text("The bar stands still: the responses differ in 2 of 8")
    expect(sentence).not_to_contain_text("guess")  # none was made for these settings
    assert difference() > 30
    page.get_by_role("button", name="Hide and guess again").click()
    expect(deep).to_be_hidden()
    no.click()
    expect(sentence).to_contain_text("Your guess was right.")


def test_lamps_light_one_by_one_and_a_kernel_without_reply_is_reported(mount, page, sentence):
    page.clock.install()
    shown = mount(SelfTest())
    lamps = page.locator(".csg-lamp")
    expect(lamps).to_have_class(["csg-lamp"] * 3)
    slider = page.get_by_role("slider", name="Move me")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    expect(lamps).to_have_class(["csg-lamp csg-on", "csg-lamp", "csg-lamp"])
    page.keyboard.press("ArrowLeft")
    expect(lamps).to_have_class(["csg-lamp csg-on", "csg-lamp csg-on", "csg-lamp"])
    page.clock.run_for(2000)
    expect(sentence).not_to_contain_text("No reply")
    page.clock.run_for(3000)
    expect(sentence).to_contain_text("No reply from the kernel")
    shown.evaluate("({ model }) => model.set('echo', model.get('value'))")
    page.clock.run_for(100)
    expect(page.locator(".csg-on .csg-small")).to_have_text(["works"] * 3)
    expect(sentence).to_contain_text("All three lamps are on")
