"""The cost dial in a bare page: guesses, costs, the query patch by mouse and by keyboard."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.cost_dial import KINDS, CostDial, macs, temporal_maps
from csglib.widgets.base import MAGNITUDE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def network(opinionated_network):
    opinionated_network.blocks[0].time.qkv.weight.data *= 0.5  # some maps under 50 % everywhere
    return opinionated_network


@pytest.fixture
def shown(mount, network, simulated_clip):
    return mount(CostDial(network, simulated_clip))


def test_costs_wait_for_two_guesses_by_mouse_or_keys_and_judge_them(shown, page):
    button = page.get_by_role("button", name="Show the costs")
    answers, sentence = page.locator(".csg-answers"), page.locator(".csg-sentence").first

    def options(frames):
        return page.get_by_role("group", name=f"In a clip of {frames} frames").get_by_role("radio")

    expect(answers).to_be_hidden()
    expect(sentence).to_contain_text("1 sequence of 2,049 tokens. The cost is shown")
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
    judged = page.locator(".csg-judged")
    expect(judged).to_contain_text("8 frames: 7.6 times cheaper; you guessed 8, right.")
    expect(judged).to_contain_text("64 frames: 51 times cheaper; you guessed 500, wrong.")
    expect(sentence).to_contain_text("3.22 billion MACs a block.")
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
        times = f"{costs[0] / costs[3]:.1f} times fewer" if frames > 1 else "more than joint"
        assert numbers.nth(3).inner_text().endswith(times)
    points = page.locator("polyline.csg-both").get_attribute("points").split()
    heights = np.array([float(point.split(",")[1]) for point in points])
    costs = np.array([macs(frames, 4, "both") for frames in range(1, 65)])
    np.testing.assert_allclose(heights, 8 + 132 * (1 - costs / macs(64, 4, "joint")), atol=0.051)


def test_keys_and_clicks_move_the_query_and_stop_at_the_border(shown, page):
    assert shown.traits("patch", "frame") == [28, 2]  # row 3, column 4 from 0
    page.locator(".csg-frames").focus()
    for key, patch, frame in (
        ("ArrowUp", 20, 2), ("ArrowRight", 21, 2), ("ArrowDown", 29, 2), ("ArrowLeft", 28, 2),
        ("PageDown", 28, 3), ("PageDown", 28, 3), ("PageUp", 28, 2),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert shown.traits("patch", "frame") == [patch, frame]
    for key in ("PageDown", *4 * ("ArrowUp", "ArrowRight")):
        page.keyboard.press(key)
    # the slider of the costs stays as it was
    assert shown.traits("patch", "frame", "frames") == [7, 3, 8]
    canvas = page.locator(".csg-frames canvas").nth(2)
    box = canvas.bounding_box()
    canvas.click(position={"x": 2.5 / 8 * box["width"], "y": 4.5 / 6 * box["height"]})
    assert shown.traits("patch", "frame") == [4 * 8 + 2, 3]
    page.keyboard.press("ArrowLeft")
    assert shown.trait("patch") == 4 * 8 + 1


def test_keys_of_the_query_stay_bright(shown, page):
    def frames():
        canvases = page.locator(".csg-frames canvas").all()
        return np.stack([shown.pixels(canvas) for canvas in canvases]).astype(int)

    shown.put(kind="joint")
    every = frames()
    for kind, count in (("space", 48), ("time", 3), ("both", 50)):
        shown.put(kind=kind)
        darker = (np.abs(frames() - every).max(axis=-1) > 3).reshape(3, 6, 20, 8, 20)
        bright = darker[:, :, 4:16, :, 4:16].mean(axis=(2, 4)) < 0.5
        frame, row, column = np.indices(bright.shape)
        same_frame, same_place = frame == 1, (row == 3) & (column == 4)
        rule = {"space": same_frame, "time": same_place, "both": same_frame | same_place}[kind]
        np.testing.assert_array_equal(bright, rule)
        expect(page.locator(".csg-sentence").nth(1)).to_contain_text(f"{count} of 144 patches")


def test_the_table_shows_the_weights_of_the_network(shown, page, network, simulated_clip):
    maps = 100 * temporal_maps(network, simulated_clip).numpy()
    # for the mean, the patch nearest to uniform: there colours end at 50 %, not at its largest
    flattest = int(maps.mean(axis=1).max(axis=(1, 2)).argmin())
    cells = page.locator(".csg-map td")
    for head, stretch, patch in ((0, False, flattest), (3, False, 11), (2, True, 11)):
        shown.put(patch=patch, frame=3)
        page.get_by_role("group", name="Head").get_by_role("radio").nth(head).check()
        page.get_by_role("checkbox", name="stretch the colours").set_checked(stretch)
        shown.put()
        assert shown.traits("head", "stretch") == [head, stretch]
        expected = maps[patch, head - 1] if head else maps[patch].mean(axis=0)
        found = np.array([float(text) for text in cells.all_inner_texts()]).reshape(3, 4)
        np.testing.assert_allclose(found, expected, atol=0.0501)
        assert head or expected.max() < 50
        low, high = (expected.min(), expected.max()) if stretch else (0, max(expected.max(), 50))
        levels = np.rint(255 * (expected - low) / (high - low)).astype(int).ravel()
        painted = cells.evaluate_all(
            "(cells) => cells.map((cell) => cell.style.background.match(/\\d+/g).map(Number))"
        )
        for colour, level in zip(painted, levels, strict=True):
            near = MAGNITUDE(np.clip([level - 1, level, level + 1], 0, 255), bytes=True)[:, :3]
            assert (np.abs(near.astype(int) - colour).max(axis=1) <= 1).any()
        assert page.locator(".csg-query th").inner_text() == "frame 3"
        own = expected[2, 1:]
        expect(page.locator(".csg-sentence").nth(1)).to_contain_text(
            f"Along time, frame {1 + own.argmax()} has the largest weight, {own.max():#.3g}\u00a0%"
        )
