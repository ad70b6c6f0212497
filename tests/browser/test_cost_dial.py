"""The cost dial in a bare page: guesses, verdicts, costs."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.cost_dial import KINDS, CostDial, macs

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(mount):
    return mount(CostDial())


def test_costs_wait_for_two_guesses_by_mouse_or_keys_and_judge_them(shown, page, sentence):
    button = page.get_by_role("button", name="Show the costs")
    answers = page.locator(".csg-answers")

    def options(frames):
        return page.get_by_role("group", name=f"In a clip of {frames} frames").get_by_role("radio")

    expect(answers).to_be_hidden()
    for guesses in ((50, 0), (0, 50), (0, 0)):
        shown.put(guess_8=guesses[0], guess_64=guesses[1])
        expect(button).to_be_disabled()
    options(8).first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    options(64).nth(3).check()
    assert shown.traits("guess_8", "guess_64") == [8, 500]
    expect(button).to_be_enabled()  # from the next drawn frame on
    button.press("Enter")
    expect(answers).to_be_visible()
    expect(sentence).to_contain_text("8 frames: 7.6 times (you guessed 8: right)")
    expect(sentence).to_contain_text("64 frames: 51 times (you guessed 500: wrong). Why: t frames")
    page.get_by_role("button", name="Hide and guess again").click()
    expect(answers).to_be_hidden()
    assert shown.traits("guess_8", "guess_64") == [0, 0]


def test_bars_and_curves_show_the_costs_that_python_counts(shown, page):
    for frames, side in ((1, 2), (7, 5), (64, 32)):
        found = shown.evaluate(
            "({ es }, [t, side, kinds]) => kinds.map((k) => es.macs(t, side, k, 384))",
            [frames, side, list(KINDS)],
        )
        assert found == [macs(frames, side, kind) for kind in KINDS]
    shown.put(revealed=True)
    full = page.locator(".csg-track").first.bounding_box()["width"]
    numbers = page.locator(".csg-number")
    for frames, side in ((8, 16), (1, 4)):
        shown.put(frames=frames, side=side)
        wide = [fill.bounding_box()["width"] for fill in page.locator(".csg-length").all()]
        costs = np.array([macs(frames, side, kind) for kind in KINDS])
        np.testing.assert_allclose(wide, costs / max(costs) * full, atol=1.1)
        times = f"{costs[0] / costs[3]:.1f} times cheaper" if frames > 1 else "more than joint"
        assert numbers.nth(3).inner_text().endswith(times)
    points = page.locator("polyline.csg-both").get_attribute("points").split()
    heights = np.array([float(point.split(",")[1]) for point in points])
    costs = np.array([macs(frames, 4, "both") for frames in range(1, 65)])
    np.testing.assert_allclose(heights, 22 + 150 * (1 - costs / macs(64, 4, "joint")), atol=0.051)
