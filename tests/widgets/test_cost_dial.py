"""The cost dial: MACs and still; in a page, guesses, verdicts, costs."""

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from csgcourse.widgets.cost_dial import KINDS, CostDial, macs


@pytest.mark.parametrize(
    ("kind", "sequences", "length"), [("joint", 1, 13), ("space", 3, 5), ("time", 4, 4)]
)
def test_macs_are_those_of_two_real_products(kind, sequences, length):
    """Each entry of a product is a sum of as many multiplications as its inner dimension."""
    tokens = torch.zeros(sequences, length, 384)
    scores = tokens @ tokens.mT
    assert macs(3, 2, kind) == scores.numel() * 384 + (scores @ tokens).numel() * length
    assert macs(5, 7, "both") == macs(5, 7, "space") + macs(5, 7, "time")
    times = [macs(frames, 16, "joint") / macs(frames, 16, "both") for frames in (8, 64)]
    assert times == pytest.approx([7.646, 50.57], rel=1e-3)  # at the paper's size


def test_the_still_shows_costs_once_they_are_revealed():
    dial = CostDial(frames=12)
    assert repr(dial) == "CostDial(frames=12, side=16)"
    assert not dial.still().axes[0].patches
    dial.revealed = True
    (bars,) = dial.still().axes
    assert [1e6 * bar.get_width() for bar in bars.patches] == pytest.approx(
        [macs(12, 16, kind) for kind in KINDS]
    )


# --- in a bare page ---


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
