"""The self-test and the time-stretch: echo and responses; in a page, lamps and the guess."""

from itertools import product

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from csgcourse.chapter_01 import SOBEL
from csgcourse.widgets.self_test import SelfTest
from csgcourse.widgets.time_stretch import TimeStretch, moving_bar, responses

THIRDS = (1 / 3, 1 / 3, 1 / 3)


def test_the_kernel_echoes_the_slider():
    widget = SelfTest()
    assert widget.lamps == (False, False, False)
    widget.set_state({"value": 4, "moved": True})
    assert widget.echo == 4
    assert widget.lamps == (True, False, True)
    widget.set_state({"key_arrived": True})
    assert repr(widget).count("yes") == 3
    assert [axes.texts[0].get_text()[-5:] for axes in widget.still().axes] == ["works"] * 3


@pytest.mark.parametrize("padding", ["replicate", "zeros"])
@pytest.mark.parametrize("shares", [THIRDS, (-0.5, 0.25, 1.0)])
def test_responses_equal_those_of_a_loop(shares, padding):
    """The same two convolutions with explicit indices, in double precision."""
    clip = moving_bar(1.25)
    found = responses(clip, shares, padding)
    frames, kernel = clip.double().numpy(), SOBEL.numpy()
    for t, y, x in ((0, 9, 4), (0, 16, 14), (3, 31, 15), (7, 16, 20), (7, 0, 0)):
        flat = deep = 0.0
        for place, share in enumerate(shares):
            inside = 0 <= t + place - 1 < 8
            frame = frames[min(max(t + place - 1, 0), 7)] * (inside or padding == "replicate")
            for row, column in np.ndindex(3, 3):
                if 0 <= y + row - 1 < 32 and 0 <= x + column - 1 < 32:
                    deep += share * kernel[row, column] * frame[y + row - 1, x + column - 1]
                    flat += kernel[row, column] * frames[t, y + row - 1, x + column - 1] / 3
        assert float(found.flat[t, y, x]) == pytest.approx(flat, abs=1e-5)
        assert float(found.deep[t, y, x]) == pytest.approx(deep, abs=1e-5)


def test_responses_differ_where_the_clip_moves_or_zero_padding_is_near():
    still, moving = moving_bar(0.0), moving_bar(2.0)
    assert responses(still, THIRDS, "replicate").apart.max() < 1e-6
    apart = responses(still, THIRDS, "zeros").apart
    torch.testing.assert_close(apart, torch.tensor([1, 0, 0, 0, 0, 0, 0, 1]) / 3, atol=1e-6, rtol=0)
    assert responses(moving, THIRDS, "replicate").apart.min() > 0.1
    assert responses(moving, (0.0, 1.0, 0.0), "zeros").apart.max() == 0
    middles = (moving * torch.arange(32)).sum((1, 2)) / moving.sum((1, 2))
    torch.testing.assert_close(middles.diff(), torch.full((7,), 2.0), atol=1e-2, rtol=0)


def test_the_still_shows_clip_and_responses():
    widget = TimeStretch()
    assert widget.shares == THIRDS
    widget.slices, widget.now, widget.padding = "own", 0.5, "zeros"
    found = responses(moving_bar(1.0), (-1.0, 0.5, 1.0), "zeros")
    shown = np.array([axes.images[0].get_array() for axes in widget.still().axes])
    expected = np.concatenate([moving_bar(1.0), found.flat, found.deep])
    np.testing.assert_allclose(shown, expected, atol=1e-6)


# --- in a bare page ---


RESPONSES = """
({ es }, given) => {
  const { flat, deep, apart } = es.responses(...given);
  return { flat: flat.map((f) => [...f]), deep: deep.map((f) => [...f]), apart };
}
"""


def test_responses_in_the_page_equal_those_of_torch(mount):
    shown = mount(TimeStretch())
    own = -1.0, 0.25, 0.5
    for speed, slices, padding in product((1.25, 3.0), ("mean", "own"), ("replicate", "zeros")):
        found = shown.evaluate(RESPONSES, [speed, slices, padding, *own])
        shares = own if slices == "own" else (1 / 3,) * 3
        expected = responses(moving_bar(speed), shares, padding)
        for name, values in expected._asdict().items():
            wanted = values.numpy().reshape(np.shape(found[name]))
            np.testing.assert_allclose(found[name], wanted, atol=1e-5)


def test_the_3d_response_waits_for_a_guess_and_the_verdict_says_why(mount, page, sentence):
    shown = mount(TimeStretch())
    deep = page.get_by_label("3D response, frame 1", exact=True)
    expect(deep).to_be_hidden()
    page.get_by_role("button", name="In none").click()
    expect(deep).to_be_visible()
    expect(sentence).to_contain_text(
        "Your guess was wrong. At 1 pixel a frame the responses differ"
    )
    expect(sentence).to_contain_text("in 8 of 8 frames, by up to 23.5 %")
    expect(sentence).to_contain_text(
        "show the bar in three places, and the 3D response adds up all"
    )
    page.get_by_role("radio", name="zeros").check()
    expect(sentence).not_to_contain_text("guess")  # none was made for these settings
    shown.put(speed=0.0)
    expect(sentence).to_contain_text(
        "2 of 8 frames, by up to 33.3 % of the largest 2D response. At"
    )
    page.get_by_role("button", name="Hide and guess again").click()
    expect(deep).to_be_hidden()
    page.get_by_role("button", name="In the first and the last").click()
    expect(sentence).to_contain_text("Your guess was right.")
    shown.put(slices="centre")
    expect(sentence).to_contain_text("agree in every frame. The outer slices are zero")
    shown.put(slices="own", now=0.5, after=0.75)
    expect(sentence).to_contain_text("The slices add up to 0.25 times the 2D kernel")


def test_a_pixel_of_the_response_shows_the_frames_and_slices_that_made_it(mount, page):
    page.set_viewport_size({"width": 1000, "height": 768})
    shown = mount(TimeStretch(guess="all", slices="own", speed=2.0, now=0.5))
    shown.put()
    assert page.locator(".csg").bounding_box()["height"] <= 560
    rows, made = page.locator(".csg-cells"), page.locator(".csg-made")
    deep = page.get_by_label("3D response, frame 1", exact=True)
    box = deep.bounding_box()
    deep.hover(position={"x": 10.5 / 32 * box["width"], "y": 16.5 / 32 * box["height"]})
    found = responses(moving_bar(2.0), (-1.0, 0.5, 1.0), "replicate")
    flat, value = found.flat[:2, 16, 10].tolist(), float(found.deep[0, 16, 10])
    expect(made).to_contain_text(
        f"Frame 1, outlined pixel: -1.00 · {flat[0]:.2f} + 0.50 · {flat[0]:.2f} + "
        f"1.00 · {flat[1]:.2f} = {value:.2f},"
    )
    cells = rows.first.locator(".csg-cell")
    on = [index for index in range(10) if "csg-on" in cells.nth(index).get_attribute("class")]
    assert on == [0, 1, 2]  # the repeated frame before the first, the first and the second
    mark, cell = (part.bounding_box() for part in (cells.nth(1).locator("i"), cells.nth(1)))
    middle = (mark["x"] + mark["width"] / 2 - cell["x"]) / cell["width"]
    assert middle == pytest.approx(10.5 / 32, abs=0.01)
    slices = [shown.pixels(cells.nth(index).locator(".csg-slice")).astype(int) for index in on]
    assert (slices[0] == slices[2][:, ::-1]).all()  # -1 and 1 times Sobel's
    assert (slices[0] != slices[1]).any()
    rows.last.focus()
    for key in ("PageDown", "PageDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(made).to_contain_text("Frame 3, outlined pixel")
    assert "csg-on" in cells.nth(4).get_attribute("class")


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
